# services.testudo: what a machine decides beside the text of testudo.toml, which is in settings.nix.
{ lib, pkgs, ... }:
let
  # What one template of sandboxes may use up, all of its calls together; null leaves what the package says.
  limit = type: example: description: lib.mkOption {
    type = lib.types.nullOr type;
    default = null;
    inherit example description;
  };
  limits = {
    memoryMax = limit (lib.types.strMatching "[1-9][0-9]*[KMG]?") "2G" ''
      Memory of one instance, as `MemoryMax=`. A single call is not given more than its template's ceiling, whatever
      stands here.
    '';
    cpuQuota = limit (lib.types.strMatching "[1-9][0-9]*%") "50%" "Share of one processor, as `CPUQuota=`.";
    tasksMax = limit lib.types.ints.positive 64 "Processes and threads of one instance, as `TasksMax=`.";
    runtimeMaxSec = limit lib.types.ints.positive 3600 "Seconds after which an instance ends, as `RuntimeMaxSec=`.";
  };
  templates = [ "ai-provider" "code-executor" "policy-sandbox" "integration-test" "workshop" ];
in
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
        pkgs.curl
        pkgs.dash
        pkgs.jq
        pkgs.patch
        pkgs.python3
        pkgs.ripgrep
      ];
      defaultText = lib.literalExpression "[ pkgs.bash pkgs.coreutils … ]";
      description = ''
        Packages whose programs a sandboxed command finds on its PATH, and nothing else. They are made into a tool root
        that is sealed while the system is built and verified at each boot.
      '';
    };

    containers = lib.mkOption {
      type = lib.types.attrsOf (lib.types.strMatching "[a-z0-9][a-z0-9._/:-]*@sha256:[0-9a-f]{64}");
      default = { };
      example = { python = "docker.io/library/python@sha256:…"; };
      description = ''
        Images that programs may run in, by the name that `container.run` gives them; a tag does not do. They must be in
        the storage of root's Podman, which this turns on: nothing is fetched during a call.
      '';
    };

    sandboxes = lib.genAttrs templates (_: limits);

    modeld.apiKeyFile = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "/run/secrets/provider-key";
      description = ''
        File with the key of the model provider and nothing else. systemd hands it to testudo-egressd alone, which
        sends it to `settings.modeld.base_url` and nowhere else, over https; testudo-modeld never has it.
        It is never in the Nix store. Anything that can make a file, such as sops-nix or agenix, can provide it.
      '';
    };

    egressd.secrets = lib.mkOption {
      type = lib.types.attrsOf (lib.types.submodule {
        options.file = lib.mkOption {
          type = lib.types.str;
          example = "/run/secrets/forge-token";
          description = "File with the value of the secret and nothing else.";
        };
      });
      default = { };
      example = { forge.file = "/run/secrets/forge-token"; };
      description = ''
        Values of secrets by name. systemd hands them to testudo-egressd alone, as the credential
        `testudo.egressd.NAME`, and they are never in the Nix store. Where each may go stands in
        `settings.egressd.secrets.NAME.endpoint`, such as `https://forge.example/api/`; in which header, and how it
        is written there, in `header` and `shape` beside it: `authorization` and `Bearer {}` unless set.
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
