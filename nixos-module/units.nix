{ config, lib, pkgs, ... }:
let
  cfg = config.services.testudo;
  format = pkgs.formats.toml { };

  # The policy files that are there while the system is built. A path outside of the store is the machine's own.
  rules = lib.filter (lib.hasPrefix "${builtins.storeDir}/") (map (rule: "${rule}") (lib.toList cfg.settings.policyd.rules));
  quoted = lib.concatMapStringsSep " " (rule: "'${rule}'") rules;

  # Checked by the parser and the engine that the daemons use, so a mistake fails the build and not the boot.
  configuration = pkgs.runCommand "testudo.toml" { nativeBuildInputs = [ cfg.package ]; } ''
    testudoctl config check ${format.generate "testudo.toml" cfg.settings}
    ${lib.optionalString (rules != [ ]) ''
      testudoctl policy check ${quoted}
      testudoctl policy test ${quoted}
    ''}
    cp ${format.generate "testudo.toml" cfg.settings} $out
  '';

  toolRoot = import ../images/tool-root.nix { inherit pkgs; inherit (cfg) tools; testudo = cfg.package; };
  # Where it is and which one it must be, for the unit that verifies it and for those that use it.
  toolRootConfigured = pkgs.runCommand "testudo-tool-root.conf" { nativeBuildInputs = [ pkgs.jq ]; } ''
    jq -r '"TOOL_ROOT=${toolRoot}\nTOOL_ROOT_DIGEST=\(.digest)"' ${toolRoot}/testudo-root.json >$out
  '';

  # Secrets go to one daemon each, as a credential.
  # The key of the model provider: its name, and the place that it is bound to.
  key = "model";
  apiKey = "testudo.egressd.${key}";
  # Up to the query, without slashes at its end.
  baseUrl = toString (builtins.head (builtins.match "([^?#]*[^?#/])?/*([?#].*)?" (cfg.settings.modeld.base_url or "")));
  totp = "testudo.policyd.totp";
  credentials = {
    testudo-egressd = lib.optionalAttrs (cfg.modeld.apiKeyFile != null || cfg.egressd.secrets != { }) {
      LoadCredential = lib.optional (cfg.modeld.apiKeyFile != null) "${apiKey}:${cfg.modeld.apiKeyFile}"
        ++ lib.mapAttrsToList (name: secret: "testudo.egressd.${name}:${secret.file}") cfg.egressd.secrets;
    };
    testudo-policyd = lib.optionalAttrs (cfg.policyd.totpFile != null) {
      LoadCredential = [ "${totp}:${cfg.policyd.totpFile}" ];
    } // lib.optionalAttrs (cfg.policyd.totpEncryptedFile != null) {
      LoadCredentialEncrypted = [ "${totp}:${cfg.policyd.totpEncryptedFile}" ];
    };
  };

  daemons = [ "agentd" "auditd" "egressd" "matrixd" "modeld" "policyd" "toold" ];

  components = lib.mapAttrs' (name: file: lib.nameValuePair "testudo/rules/${name}.wasm" { source = file; })
    cfg.extension.components;

  # The drop-in of one template. It comes after those of the package, whose command line it replaces.
  sandbox = name: limits: lib.nameValuePair "testudo-sandbox-${name}@" {
    overrideStrategy = "asDropin";
    serviceConfig = {
      # A call sees the chosen tools as /usr. They are links into the store, which everybody can read anyway.
      BindReadOnlyPaths = [ "${toolRoot}/usr:/usr" ];
      ExecStart = [
        ""
        ("${cfg.package}/lib/testudo/testudo-sandbox --connection-fd 3 zygote --workspace /run/workspace --scratch /run/scratch"
          + " --template ${name}${lib.optionalString (networked name) " --egress /run/egress.sock"} --bind /usr --bind ${builtins.storeDir}")
      ];
    } // lib.optionalAttrs (limits.memoryMax != null) { MemoryMax = limits.memoryMax; }
      // lib.optionalAttrs (limits.cpuQuota != null) { CPUQuota = limits.cpuQuota; }
      // lib.optionalAttrs (limits.tasksMax != null) { TasksMax = limits.tasksMax; }
      // lib.optionalAttrs (limits.runtimeMaxSec != null) { RuntimeMaxSec = limits.runtimeMaxSec; };
  };
  networked = name: lib.elem name [ "ai-provider" "integration-test" ];

  account = name: groups: {
    isSystemUser = true;
    group = name;
    extraGroups = groups;
  };
  daemonUsers = lib.genAttrs (map (daemon: "testudo-${daemon}") daemons) (name: account name [ "testudo-daemons" ]);
in
{
  config = lib.mkIf cfg.enable {
    services.testudo.settings = {
      # The daemons' own default is below /usr, which NixOS does not have.
      policyd.rules = lib.mkDefault [ "${cfg.package}/share/testudo/policies/default.toml" ];
      modeld.api_key_secret = lib.mkIf (cfg.modeld.apiKeyFile != null) key;
    } // lib.optionalAttrs (cfg.containers != { }) {
      toold.containers = lib.mapAttrs (_: image: { inherit image; }) cfg.containers;
    } // lib.optionalAttrs (cfg.modeld.apiKeyFile != null) {
      egressd.secrets.${key} = { endpoint = "${baseUrl}/"; credential = apiKey; };
    } // lib.optionalAttrs (components != { }) {
      extension.components = map (file: "/etc/${file}") (lib.attrNames components);
    };

    environment.etc = components // {
      "testudo/testudo.toml".source = configuration;
      "testudo/tool-root".source = toolRootConfigured;
    };
    # The runner of containers is there only for those that are named; its engine is root's Podman.
    systemd.sockets = lib.optionalAttrs (cfg.containers != { }) {
      testudo-container = { overrideStrategy = "asDropin"; wantedBy = [ "testudo.target" ]; };
    };
    virtualisation = lib.optionalAttrs (cfg.containers != { }) { podman.enable = true; };
    # testudoctl, and the polkit action, which is found through the system path.
    environment.systemPackages = [ cfg.package ];
    security.polkit.enable = true;
    services.dbus.packages = [ cfg.package ];

    systemd.packages = [ cfg.package ];
    systemd.tmpfiles.packages = [ cfg.package ];
    # NixOS ignores [Install] of packaged units.
    systemd.targets.testudo.wantedBy = [ "multi-user.target" ];

    systemd.services = lib.genAttrs (map (daemon: "testudo-${daemon}") daemons) (name: {
      # The text of a packaged unit is not touched: this becomes a drop-in beside it.
      overrideStrategy = "asDropin";
      # The process of the extensions needs none: it ends with policyd's connection.
      restartTriggers = [ configuration ]
        ++ lib.optionals (name == "testudo-policyd") (lib.attrValues cfg.extension.components);
      serviceConfig = credentials.${name} or { };
    }) // lib.mapAttrs' sandbox cfg.sandboxes // {
      # Verified anew when another one is configured.
      testudo-tool-root = { overrideStrategy = "asDropin"; restartTriggers = [ toolRootConfigured ]; };
    } // lib.optionalAttrs (cfg.containers != { }) {
      "testudo-container@" = {
        overrideStrategy = "asDropin";
        serviceConfig.ExecStart = [
          ""
          "${cfg.package}/lib/testudo/testudo-sandbox container --workspace /var/lib/testudo/workspace --scratch /run/testudo-container --engine ${pkgs.podman}/bin/podman"
        ];
      };
    };

    users.users = daemonUsers // lib.genAttrs [ "testudo-extension" "testudo-work" ] (name: account name [ ]);
    users.groups = lib.mapAttrs (_: _: { }) (daemonUsers // { testudo-extension = { }; testudo-work = { }; testudo-daemons = { }; })
      // { testudo.members = cfg.operators; };
  };
}
