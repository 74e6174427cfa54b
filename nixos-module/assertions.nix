# Mistakes that can be told while evaluating, each with what to do about it. What the parser of the daemons can tell
# is left to it: see the check of the configuration in units.nix.
{ config, lib, ... }:
let
  cfg = config.services.testudo;
  inherit (cfg.settings) agentd modeld policyd toold;
  remote = modeld.provider != "rehearsal";
  ours = lib.filter (lib.hasPrefix "testudo-") cfg.operators;
  idle = lib.attrNames (lib.filterAttrs (_: group: group.sessions == [ ]) toold.groups);

  # A file with a secret is one of the running system: the store can be read by everybody.
  secret = option: file: [
    {
      assertion = file != null -> lib.hasPrefix "/" file;
      message = "services.testudo.${option} must be an absolute path of the running system, and is \"${toString file}\".";
    }
    {
      assertion = file != null -> !(lib.hasPrefix builtins.storeDir file);
      message = "services.testudo.${option} is in the Nix store, which every user can read; give the path of a file that is made on the running system.";
    }
  ];

  # Who is in the group by any other way than services.testudo.operators is an operator, too.
  approver = table: settings:
    let name = settings.approver or "root"; in {
      assertion = lib.elem name ([ "root" ] ++ config.users.groups.testudo.members);
      message = "services.testudo.settings.${table}.approver is ${name}, who is no operator and could answer nothing; add ${name} to services.testudo.operators, or name one of them.";
    };
in
{
  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = remote -> modeld ? base_url && modeld ? model;
        message = "services.testudo.settings.modeld: provider \"${modeld.provider}\" needs base_url and model; set both, or use \"rehearsal\".";
      }
      {
        assertion = cfg.modeld.apiKeyFile != null -> remote;
        message = "services.testudo.modeld.apiKeyFile is set, but the provider \"rehearsal\" uses no key; set services.testudo.settings.modeld.provider, or remove the key.";
      }
      {
        assertion = cfg.policyd.totpFile == null || cfg.policyd.totpEncryptedFile == null;
        message = "services.testudo.policyd: totpFile and totpEncryptedFile are both set, and there is one secret; remove one of them.";
      }
      {
        assertion = policyd.amend_by or null == "otp" -> cfg.policyd.totpFile != null || cfg.policyd.totpEncryptedFile != null;
        message = "services.testudo.settings.policyd.amend_by is \"otp\", but policyd has no secret to check a code with, so no amendment could be approved; set services.testudo.policyd.totpFile or totpEncryptedFile.";
      }
      {
        assertion = policyd ? amend_by -> policyd.amendments != "none";
        message = "services.testudo.settings.policyd.amend_by is set, but nothing may be amended; set policyd.amendments to \"add\" or \"replace\", or remove it.";
      }
      {
        assertion = agentd.unattended ? approver -> agentd.unattended.sessions != [ ];
        message = "services.testudo.settings.agentd.unattended.approver is set, but no session is unattended; list them in agentd.unattended.sessions, or set policyd.approver for those that a message makes unattended.";
      }
      (approver "policyd" policyd)
      (approver "agentd.unattended" agentd.unattended)
      {
        assertion = idle == [ ];
        message = "services.testudo.settings.toold.groups: ${toString idle} has no sessions and would limit nothing; list their names, in which * stands for any characters, or remove the group.";
      }
      {
        assertion = ours == [ ];
        message = "services.testudo.operators contains ${toString ours}: a daemon that is an operator could approve its own actions; name people only.";
      }
      {
        assertion = lib.versionAtLeast config.systemd.package.version "257";
        message = "services.testudo needs systemd 257 or later for PrivatePIDs=, and this system has ${config.systemd.package.version}; use NixOS 25.05 or later.";
      }
      {
        assertion = lib.versionAtLeast config.boot.kernelPackages.kernel.version "6.12";
        message = "services.testudo needs Linux 6.12 or later for the sandbox, and boot.kernelPackages has ${config.boot.kernelPackages.kernel.version}; choose a newer one.";
      }
    ]
    ++ secret "modeld.apiKeyFile" cfg.modeld.apiKeyFile
    ++ secret "policyd.totpFile" cfg.policyd.totpFile;
  };
}
