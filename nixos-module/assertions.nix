# Mistakes that can be told while evaluating, each with what to do about it. What the parser of the daemons can tell
# is left to it: see the check of the configuration in units.nix.
{ config, lib, ... }:
let
  cfg = config.services.testudo;
  inherit (cfg.settings) agentd modeld policyd toold;
  remote = modeld.provider != "rehearsal";
  ours = lib.filter (lib.hasPrefix "testudo-") cfg.operators;
  unbound = lib.filter (name: !((cfg.settings.egressd.secrets or { }).${name} or { } ? endpoint)) (lib.attrNames cfg.egressd.secrets);
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
        assertion = cfg.modeld.apiKeyFile != null && modeld ? base_url -> lib.hasPrefix "https://" modeld.base_url;
        message = "services.testudo.modeld.apiKeyFile is set, but settings.modeld.base_url is ${modeld.base_url or ""}, and a key only goes over https; use https, or remove the key.";
      }
      {
        assertion = unbound == [ ];
        message = "services.testudo.egressd.secrets: ${toString unbound} may go nowhere; set services.testudo.settings.egressd.secrets.NAME.endpoint, such as \"https://api.example/v1/\".";
      }
      {
        assertion = cfg.modeld.apiKeyFile == null || !(cfg.egressd.secrets ? model);
        message = "services.testudo.egressd.secrets.model is the name of the provider's key, which modeld.apiKeyFile gives; use another name, or remove one of them.";
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
    ++ lib.concatLists (lib.mapAttrsToList (name: value: secret "egressd.secrets.${name}.file" value.file) cfg.egressd.secrets)
    ++ secret "policyd.totpFile" cfg.policyd.totpFile;
  };
}
