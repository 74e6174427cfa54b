# services.testudo.matrix: the account by which the agent talks, whom it listens to, and, where it is wanted, a homeserver
# of one's own on the same machine with the two accounts that it needs.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.testudo;
  matrix = cfg.matrix;
  local = matrix.localHomeserver;

  # As the daemon reads them; what else can be wrong with an id, its parser tells while the system is built.
  user = types.strMatching "@[a-z0-9._=/+-]+:[A-Za-z0-9.:-]+";
  pattern = types.strMatching "@[a-z0-9._=/+*-]+:[A-Za-z0-9.:-]+";
  room = types.strMatching "![^ ]+";
  people = type: example: description: mkOption { type = types.listOf type; default = [ ]; inherit example description; };
  one = type: example: description: mkOption { type = types.nullOr type; default = null; inherit example description; };
  file = example: description: one types.str example ''
    ${description} It is never in the Nix store. Without it, /etc/credstore or /etc/credstore.encrypted may have it under
    the credential's name.
  '';

  account = name: "@${name}:${local.serverName}";
  # What people of a network are called by the bridge of that name, as it is configured unless told otherwise.
  covered = name: "@${name}_*:${local.serverName}";
  credential = name: path: lib.optional (path != null) "${name}:${path}";
  register = name: "${pkgs.matrix-synapse}/bin/register_new_matrix_user --exists-ok --no-admin --user ${name}"
    + " --password-file %d/${name} --config %d/registration http://127.0.0.1:${toString local.port}";
in
{
  options.services.testudo.matrix = {
    enable = lib.mkEnableOption "talking with the agent in Matrix rooms";

    homeserver = one types.str "https://matrix.example.org" "URL of the homeserver; plain http only to this machine.";
    user = one user "@testudo:example.org" "The agent's account.";
    device = one types.str "ABCDEFGHIJ" "The device of the token, where `tokenFile` is used.";
    owners = people user [ "@alice:example.org" ] ''
      Who may approve and command, once an operator verified them with `testudoctl matrix verify`; empty means nobody.
    '';
    members = people user [ "@bob:example.org" ] "Who may also talk to the agent. What they say is labelled as theirs.";
    bridged = people pattern [ "@signal_*:example.org" ] ''
      People of other networks, by patterns of the ids that a bridge gives them. A bridge speaks for them, and nothing is
      encrypted from end to end, so nobody among them is more than `bridged`, whoever he says he is.
    '';
    rooms = people room [ "!abc:example.org" ] "Rooms that are talked in; empty means every room into which an owner invites.";
    unencryptedRooms = people room [ "!def:example.org" ] "Rooms that need not be encrypted. Nothing is approved in them.";
    bridgedRooms = people room [ "!jkl:example.org" ] ''
      Encrypted rooms in which people behind bridges may hear what is said. In any other one nothing is said while one of
      them is there: who runs the homeserver can make up a name that a pattern of `bridged` covers.
    '';
    ownerRoom = one room "!abc:example.org" "Where questions of sessions go that nobody watches.";
    auditRoom = one room "!ghi:example.org" "Where the anchors of the record are posted.";
    passwordFile = file "/run/secrets/matrix-password" "File with the account's password.";
    tokenFile = file "/run/secrets/matrix-token" "File with an access token, instead of the password.";
    storeKeyFile = file "/run/secrets/matrix-store-key" ''
      File with what the stores of the account are encrypted with: 64 hexadecimal digits, such as `openssl rand -hex 32`
      makes.
    '';
    recoveryKeyFile = file "/run/secrets/matrix-recovery-key" ''
      File with the account's recovery key, so that a store that was lost heals without hands.
    '';

    localHomeserver = {
      enable = lib.mkEnableOption "a private homeserver on this machine, which federates with nobody";
      serverName = mkOption {
        type = types.strMatching "[a-z0-9.-]+";
        default = "home.arpa";
        description = "What user ids end in. It cannot be changed later.";
      };
      port = mkOption {
        type = types.port;
        default = 8008;
        description = ''
          Where it answers, on loopback. People's clients reach it through a reverse proxy with a certificate, which is
          for the operator to set up.
        '';
      };
      owner = mkOption {
        type = types.strMatching "[a-z0-9._-]+";
        example = "alice";
        description = "Name of the owner's account, which is made at the first start.";
      };
      ownerPasswordFile = mkOption {
        type = types.str;
        example = "/run/secrets/alice-matrix-password";
        description = "File with the first password of that account.";
      };
      registrationFile = mkOption {
        type = types.str;
        example = "/run/secrets/registration.yaml";
        description = ''
          File with one line, `registration_shared_secret: SECRET`, by which the two accounts are made. The user
          `matrix-synapse` must be able to read it.
        '';
      };
      bridges = mkOption {
        type = types.listOf (types.enum [ "signal" "telegram" "whatsapp" "discord" "slack" ]);
        default = [ ];
        example = [ "signal" ];
        description = ''
          Networks whose people are labelled `bridged`. The bridges themselves are modules of NixOS
          (`services.mautrix-signal` and so on) or of your own; docs/bridges.md says what each needs.
        '';
      };
    };
  };

  config = lib.mkIf (cfg.enable && matrix.enable) {
    services.testudo.matrix = lib.mkIf local.enable {
      homeserver = lib.mkDefault "http://127.0.0.1:${toString local.port}";
      user = lib.mkDefault (account "testudo");
      owners = [ (account local.owner) ];
      bridged = map covered local.bridges;
    };

    services.testudo.settings.matrixd = {
      inherit (matrix) homeserver user device owners members bridged rooms;
      unencrypted_rooms = matrix.unencryptedRooms;
      bridged_rooms = matrix.bridgedRooms;
      owner_room = matrix.ownerRoom;
      audit_room = matrix.auditRoom;
      # The server of one's own that nobody else has in his hand: a reaction there is as good as a reply.
      trust_homeserver = lib.mkDefault local.enable;
    };

    systemd.services = {
      testudo-matrixd = {
        wantedBy = [ "testudo.target" ];
        # NixOS ignores [Install] of packaged units; by this name the bus starts it.
        aliases = [ "dbus-org.testudo.Matrix1.service" ];
        serviceConfig.LoadCredential = credential "matrix-password" matrix.passwordFile
          ++ credential "matrix-token" matrix.tokenFile
          ++ credential "matrix-store-key" matrix.storeKeyFile
          ++ credential "matrix-recovery-key" matrix.recoveryKeyFile;
      };
    } // lib.optionalAttrs local.enable {
      # Makes the two accounts. Those that are there already stay as they are, with their passwords.
      testudo-matrix-accounts = {
        overrideStrategy = "asDropinIfExists";
        wantedBy = [ "testudo.target" ];
        after = [ "matrix-synapse.service" ];
        before = [ "testudo-matrixd.service" ];
        requires = [ "matrix-synapse.service" ];
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          DynamicUser = true;
          Restart = "on-failure";
          RestartSec = 5;
          LoadCredential = [
            "registration:${local.registrationFile}"
            "testudo:${toString matrix.passwordFile}"
            "${local.owner}:${local.ownerPasswordFile}"
          ];
          ExecStart = [ (register "testudo") (register local.owner) ];
          IPAddressAllow = "localhost";
          IPAddressDeny = "any";
          CapabilityBoundingSet = "";
          ProtectProc = "invisible";
          RestrictNamespaces = true;
          SystemCallFilter = [ "@system-service" "~@privileged" ];
        };
      };
    };

    services.matrix-synapse = lib.mkIf local.enable {
      enable = true;
      extraConfigFiles = [ local.registrationFile ];
      settings = {
        server_name = local.serverName;
        database.name = "sqlite3";
        listeners = [{
          inherit (local) port;
          bind_addresses = [ "127.0.0.1" ];
          type = "http";
          tls = false;
          x_forwarded = true;
          resources = [{ names = [ "client" ]; compress = false; }];
        }];
        # It speaks to no other server and fetches no page that somebody names.
        federation_domain_whitelist = [ ];
        trusted_key_servers = [ ];
        url_preview_enabled = false;
        enable_registration = false;
        encryption_enabled_by_default_for_room_type = "all";
        # Nobody but these people is there to be held back, and by Synapse's own limit, one message in five seconds, the
        # outcome of a question would be seen long after it.
        rc_message = { per_second = 10; burst_count = 100; };
      };
    };

    assertions = [
      {
        assertion = matrix.homeserver != null && matrix.user != null;
        message = "services.testudo.matrix needs homeserver and user; set both, or localHomeserver.enable.";
      }
      {
        assertion = matrix.owners != [ ];
        message = "services.testudo.matrix.owners is empty, so nobody could approve or command anything; name yourself.";
      }
      {
        assertion = matrix.tokenFile != null -> matrix.device != null && matrix.passwordFile == null;
        message = "services.testudo.matrix.tokenFile needs the device that it belongs to, and no passwordFile beside it.";
      }
      {
        assertion = local.enable -> matrix.passwordFile != null && matrix.user == account "testudo";
        message = "services.testudo.matrix.localHomeserver makes the account ${account "testudo"} with the password of matrix.passwordFile; set that, and leave matrix.user alone.";
      }
      {
        assertion = local.enable -> local.owner != "testudo";
        message = "services.testudo.matrix.localHomeserver.owner is the agent's own account; name a person.";
      }
    ] ++ lib.mapAttrsToList (option: path: {
      assertion = path != null -> lib.hasPrefix "/" path && !(lib.hasPrefix builtins.storeDir path);
      message = "services.testudo.matrix.${option} must be an absolute path of the running system and not in the Nix store, which every user can read.";
    }) ({
      inherit (matrix) passwordFile tokenFile storeKeyFile recoveryKeyFile;
    } // lib.optionalAttrs local.enable {
      "localHomeserver.ownerPasswordFile" = local.ownerPasswordFile;
      "localHomeserver.registrationFile" = local.registrationFile;
    });
  };
}
