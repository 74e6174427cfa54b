{ config, lib, pkgs, ... }:
let
  cfg = config.services.testudo;
  format = pkgs.formats.toml { };

  # Checked by the parser that the daemons use, so a mistake fails the build and not the boot.
  configuration = pkgs.runCommand "testudo.toml" { nativeBuildInputs = [ cfg.package ]; } ''
    testudoctl config check ${format.generate "testudo.toml" cfg.settings}
    cp ${format.generate "testudo.toml" cfg.settings} $out
  '';

  toolRoot = import ../images/tool-root.nix { inherit pkgs; inherit (cfg) tools; };

  apiKey = "testudo.modeld.api-key";
  daemons = [ "agentd" "auditd" "modeld" "policyd" "toold" ];

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
    };

    environment.etc."testudo/testudo.toml".source = configuration;
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
      restartTriggers = [ configuration ];
      serviceConfig = lib.optionalAttrs (name == "testudo-modeld" && cfg.modeld.apiKeyFile != null) {
        LoadCredential = [ "${apiKey}:${cfg.modeld.apiKeyFile}" ];
      };
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

    users.users = daemonUsers // { testudo-work = account "testudo-work" [ ]; };
    users.groups = lib.mapAttrs (_: _: { }) (daemonUsers // { testudo-work = { }; testudo-daemons = { }; })
      // { testudo.members = cfg.operators; };
  };
}
