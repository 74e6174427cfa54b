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

  toolRoot = import ../images/tool-root.nix { inherit pkgs; inherit (cfg) tools; };

  # Secrets go to one daemon each, as a credential.
  apiKey = "testudo.modeld.api-key";
  totp = "testudo.policyd.totp";
  credentials = {
    testudo-modeld = lib.optionalAttrs (cfg.modeld.apiKeyFile != null) {
      LoadCredential = [ "${apiKey}:${cfg.modeld.apiKeyFile}" ];
    };
    testudo-policyd = lib.optionalAttrs (cfg.policyd.totpFile != null) {
      LoadCredential = [ "${totp}:${cfg.policyd.totpFile}" ];
    } // lib.optionalAttrs (cfg.policyd.totpEncryptedFile != null) {
      LoadCredentialEncrypted = [ "${totp}:${cfg.policyd.totpEncryptedFile}" ];
    };
  };

  daemons = [ "agentd" "auditd" "modeld" "policyd" "toold" ];

  components = lib.mapAttrs' (name: file: lib.nameValuePair "testudo/rules/${name}.wasm" { source = file; })
    cfg.extension.components;

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
      modeld.api_key_credential = lib.mkIf (cfg.modeld.apiKeyFile != null) apiKey;
    } // lib.optionalAttrs (components != { }) {
      extension.components = map (file: "/etc/${file}") (lib.attrNames components);
    };

    environment.etc = components // { "testudo/testudo.toml".source = configuration; };
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
    }) // {
      "testudo-sandbox@" = {
        overrideStrategy = "asDropin";
        serviceConfig = {
          # A call sees the chosen tools as /usr. They are links into the store, which everybody can read anyway.
          BindReadOnlyPaths = [ "${toolRoot}/usr:/usr" ];
          ExecStart = [
            ""
            "${cfg.package}/lib/testudo/testudo-sandbox --connection-fd 3 zygote --workspace /run/workspace --scratch /run/scratch --bind /usr --bind ${builtins.storeDir}"
          ];
        };
      };
    };

    users.users = daemonUsers // lib.genAttrs [ "testudo-extension" "testudo-work" ] (name: account name [ ]);
    users.groups = lib.mapAttrs (_: _: { }) (daemonUsers // { testudo-extension = { }; testudo-work = { }; testudo-daemons = { }; })
      // { testudo.members = cfg.operators; };
  };
}
