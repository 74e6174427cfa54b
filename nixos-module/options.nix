# services.testudo: what a machine decides beside the text of testudo.toml, which is in settings.nix.
{ lib, pkgs, ... }:
{
  options.services.testudo = {
    enable = lib.mkEnableOption "Testudo, a personal agent";

    package = lib.mkPackageOption pkgs "testudo" { };

    operators = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      example = [ "alice" ];
      description = ''
        Users who may talk to the agent, approve its actions and read the record.
        They become members of the group `testudo`; root always is one.
      '';
    };

    tools = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = [
        pkgs.bash
        pkgs.coreutils
        pkgs.diffutils
        pkgs.findutils
        pkgs.gawk
        pkgs.git
        pkgs.gnugrep
        pkgs.gnused
        pkgs.gnutar
        pkgs.gzip
      ];
      defaultText = lib.literalExpression "[ pkgs.bash pkgs.coreutils … ]";
      description = "Packages whose programs a sandboxed command finds on its PATH.";
    };

    modeld.apiKeyFile = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "/run/secrets/provider-key";
      description = ''
        File with the key of the model provider and nothing else. systemd hands it to testudo-modeld alone;
        it is never in the Nix store. Anything that can make a file, such as sops-nix or agenix, can provide it.
      '';
    };

    policyd.totpFile = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "/run/secrets/totp";
      description = ''
        File with the secret of the one-time codes, which weigh heavier than a plain yes: base32, of 20 bytes or more,
        such as `head -c 20 /dev/urandom | base32` makes. systemd hands it to testudo-policyd alone; it is never in
        the Nix store. `testudoctl otp enrol` shows it as a QR code once. Without it there are no codes, unless
        /etc/credstore or /etc/credstore.encrypted has a `testudo.policyd.totp`.
      '';
    };

    policyd.totpEncryptedFile = lib.mkOption {
      type = lib.types.nullOr lib.types.path;
      default = null;
      example = lib.literalExpression "./totp.cred";
      description = ''
        The same, encrypted for this machine by `systemd-creds encrypt --name=testudo.policyd.totp`. It may be in
        the Nix store.
      '';
    };

    extension.components = lib.mkOption {
      type = lib.types.attrsOf lib.types.path;
      default = { };
      example = lib.literalExpression "{ wide-changes = ./wide-changes.wasm; }";
      description = ''
        Extension rules: WebAssembly components that have a say in every decision, by the name that people see in
        reasons. What one must export is in `policies/extension.wit`. All of them are in force; one that cannot be
        loaded makes every call be denied.
      '';
    };
  };
}
