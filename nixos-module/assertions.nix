# Mistakes that can be told while evaluating, each with what to do about it. What the parser of the daemons can tell
# is left to it: see the check of the configuration in units.nix.
{ config, lib, ... }:
let
  cfg = config.services.testudo;
  modeld = cfg.settings.modeld;
  remote = modeld.provider != "rehearsal";
  ours = lib.filter (lib.hasPrefix "testudo-") cfg.operators;
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
        assertion = cfg.modeld.apiKeyFile != null -> lib.hasPrefix "/" cfg.modeld.apiKeyFile;
        message = "services.testudo.modeld.apiKeyFile must be an absolute path of the running system, and is \"${toString cfg.modeld.apiKeyFile}\".";
      }
      {
        assertion = cfg.modeld.apiKeyFile != null -> !(lib.hasPrefix builtins.storeDir cfg.modeld.apiKeyFile);
        message = "services.testudo.modeld.apiKeyFile is in the Nix store, which every user can read; give the path of a file that is made on the running system.";
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
    ];
  };
}
