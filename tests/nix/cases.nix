# What the module must do, as data. Each case: config, and any of
#   failed    the assertions that fire, each by a part of its message; [ ] by default, so none may
#   units     unit -> lines that its drop-in must have
#   lacks     unit -> text that its drop-in must not have
#   holds     a function of the whole result that must be true
#   throws    true when evaluation itself must refuse
let
  on = more: { services.testudo = { enable = true; } // more; };
  remote = { provider = "openai"; base_url = "https://api.example/v1"; model = "m"; };
  has = part: text: builtins.length (builtins.split part text) > 1;
  configuration = result: builtins.head (builtins.match ".*#([^ ]*)\n.*" result.etc."testudo/testudo.toml");
  parsed = result: builtins.fromJSON (configuration result);
  group = more: { settings.toold.groups.jobs = { sessions = [ "cron-*" ]; calls_per_minute = 60; burst = 10; } // more; };
  talking = more: on {
    matrix = {
      enable = true;
      homeserver = "https://matrix.example.org";
      user = "@testudo:example.org";
      owners = [ "@alice:example.org" ];
      passwordFile = "/run/secrets/matrix";
      storeKeyFile = "/run/secrets/store";
    } // more;
  };
  home = more: on {
    matrix = {
      enable = true;
      passwordFile = "/run/secrets/matrix";
      storeKeyFile = "/run/secrets/store";
      localHomeserver = {
        enable = true;
        owner = "alice";
        ownerPasswordFile = "/run/secrets/alice";
        registrationFile = "/run/secrets/registration.yaml";
      } // more;
    };
  };
  amendable = by: { amendments = "add"; amend_by = by; };
in
{
  "off by default" = {
    config = { };
    holds = result: result.units == { } && result.etc == { } && result.users == { };
  };

  "one option is enough" = {
    config = on { };
    units."testudo.target" = [ "WantedBy=multi-user.target" ];
    holds = result: result.packages == {
      systemd = [ "/nix/store/x-testudo" ];
      dbus = [ "/nix/store/x-testudo" ];
      tmpfiles = [ "/nix/store/x-testudo" ];
    };
  };

  "every daemon has its user, and no other group than the daemons'" = {
    config = on { };
    holds = result: builtins.all
      (name: result.users.${name} == { isSystemUser = true; group = name; extraGroups = [ "testudo-daemons" ]; })
      [ "testudo-agentd" "testudo-auditd" "testudo-egressd" "testudo-matrixd" "testudo-modeld" "testudo-policyd" "testudo-toold" ];
  };

  "the sandbox's user and the extensions' are in no group of ours" = {
    config = on { };
    holds = result: result.users.testudo-work.extraGroups == [ ] && result.users.testudo-extension.extraGroups == [ ]
      && result.groups ? testudo-extension && result.groups.testudo.members == [ ];
  };

  "an extension is installed by its name, and named to the daemons" = {
    config = on { extension.components = { b = "/nix/store/abc-b"; a = "/srv/a.wasm"; }; };
    holds = result: (parsed result).extension.components == [ "/etc/testudo/rules/a.wasm" "/etc/testudo/rules/b.wasm" ]
      && result.etc."testudo/rules/a.wasm" == "/srv/a.wasm" && result.etc."testudo/rules/b.wasm" == "/nix/store/abc-b";
  };
  "policyd takes an extension in only by a restart" = {
    config = on { extension.components.a = "/nix/store/abc-a"; };
    holds = result: builtins.elem "/nix/store/abc-a" result.triggers."testudo-policyd"
      && !(builtins.elem "/nix/store/abc-a" result.triggers."testudo-auditd");
  };
  "no extension, no table" = {
    config = on { };
    holds = result: !((parsed result) ? extension);
  };
  "an extension by a relative path" = {
    config = on { extension.components.a = "a.wasm"; };
    throws = true;
  };

  "the configuration is checked by the daemons' parser" = {
    config = on { };
    holds = result: has "testudoctl config check /nix/store/x-testudo.toml" result.etc."testudo/testudo.toml";
  };

  "the policy is checked and tried on its cases while the system is built" = {
    config = on { };
    holds = result: has "testudoctl policy check '/nix/store/x-testudo/share/testudo/policies/default.toml'" result.etc."testudo/testudo.toml"
      && has "testudoctl policy test '/nix/store/x-testudo/share/testudo/policies/default.toml'" result.etc."testudo/testudo.toml";
  };

  "all files are tried together" = {
    config = on { settings.policyd.rules = [ "/nix/store/x-testudo/a.toml" "/etc/rules.toml" "/nix/store/y/b.toml" ]; };
    holds = result: has "testudoctl policy test '/nix/store/x-testudo/a.toml' '/nix/store/y/b.toml'\n" result.etc."testudo/testudo.toml";
  };

  "rules that are on the machine alone cannot be checked before" = {
    config = on { settings.policyd.rules = "/etc/rules.toml"; };
    holds = result: !(has "testudoctl policy" result.etc."testudo/testudo.toml");
  };

  "a declared policy is read-only" = {
    config = on { };
    holds = result: (parsed result).policyd.amendments == "none";
  };

  "a policy may be amended where the operator says so" = {
    config = on { settings.policyd.amendments = "add"; };
    holds = result: (parsed result).policyd.amendments == "add";
  };

  "rules come from the package" = {
    config = on { };
    holds = result: (parsed result).policyd.rules == [ "/nix/store/x-testudo/share/testudo/policies/default.toml" ];
  };

  "rules of one's own replace them" = {
    config = on { settings.policyd.rules = [ "/etc/rules.toml" ]; };
    holds = result: (parsed result).policyd.rules == [ "/etc/rules.toml" ];
  };

  "any key of the file may be set" = {
    config = on { settings.agentd.max_turns = 7; settings.toold.call_timeout = "10s"; };
    holds = result: (parsed result).agentd.max_turns == 7 && (parsed result).toold.call_timeout == "10s";
  };

  "what is null is not in the file" = {
    config = on { };
    holds = result: (parsed result).modeld == { provider = "rehearsal"; };
  };

  "a secret goes to egressd as a credential, and where it may go is in the file" = {
    config = on {
      egressd.secrets.forge.file = "/run/secrets/forge";
      settings.egressd.secrets.forge.endpoint = "https://forge.example/api/";
    };
    units."testudo-egressd.service" = [ "LoadCredential=testudo.egressd.forge:/run/secrets/forge" ];
    holds = result: (parsed result).egressd.secrets.forge == { endpoint = "https://forge.example/api/"; };
  };
  "a secret that may go nowhere" = {
    config = on { egressd.secrets.forge.file = "/run/secrets/forge"; };
    failed = [ "forge may go nowhere" ];
  };
  "a secret in the store" = {
    config = on {
      egressd.secrets.forge.file = "/nix/store/abc-forge";
      settings.egressd.secrets.forge.endpoint = "https://forge.example/api/";
    };
    failed = [ "egressd.secrets.forge.file is in the Nix store" ];
  };

  "a provider that does not exist" = {
    config = on { settings.modeld.provider = "openal"; };
    throws = true;
  };

  "an option that does not exist" = {
    config = on { modeld.apiKey = "secret"; };
    throws = true;
  };

  "calls see the chosen tools" = {
    config = on { };
    units."testudo-sandbox-workshop@.service" = [
      "ExecStart="
      "ExecStart=/nix/store/x-testudo/lib/testudo/testudo-sandbox --connection-fd 3 zygote --workspace /run/workspace --scratch /run/scratch --template workshop --bind /usr --bind /nix/store"
    ];
  };

  "the tool root is configured with the digest that it was sealed with, and verified anew when it is another" = {
    config = on { };
    holds = result: has "TOOL_ROOT=/nix/store/x-testudo-tool-root" result.etc."testudo/tool-root"
      && has "/nix/store/x-testudo-tool-root/testudo-root.json" result.etc."testudo/tool-root"
      && result.triggers."testudo-tool-root" == [ result.etc."testudo/tool-root" ];
  };

  "no container, no engine and no runner for them" = {
    config = on { };
    holds = result: !(result.units ? "testudo-container.socket") && !(result.units ? "testudo-container@.service")
      && !((parsed result) ? toold.containers);
  };
  "a container is named to toold, and its runner waits for it" = {
    config = on { containers.py = "docker.io/library/python@sha256:7cf859ab6ea0f9555bd2560a52e573dd33a30f738edef8dac779b791c94b088f"; };
    units."testudo-container.socket" = [ "WantedBy=testudo.target" ];
    units."testudo-container@.service" = [
      "ExecStart="
      "ExecStart=/nix/store/x-testudo/lib/testudo/testudo-sandbox container --workspace /var/lib/testudo/workspace --scratch /run/testudo-container --engine /nix/store/x-podman/bin/podman"
    ];
    holds = result: (parsed result).toold.containers.py.image
      == "docker.io/library/python@sha256:7cf859ab6ea0f9555bd2560a52e573dd33a30f738edef8dac779b791c94b088f";
  };
  "an image by its tag" = {
    config = on { containers.py = "docker.io/library/python:3"; };
    throws = true;
  };

  "each template has its own drop-in, and two of them a way out" = {
    config = on { };
    units."testudo-sandbox-integration-test@.service" = [
      "ExecStart=/nix/store/x-testudo/lib/testudo/testudo-sandbox --connection-fd 3 zygote --workspace /run/workspace --scratch /run/scratch --template integration-test --egress /run/egress.sock --bind /usr --bind /nix/store"
    ];
    lacks."testudo-sandbox-code-executor@.service" = "--egress";
    holds = result: builtins.all (name: result.units ? "testudo-sandbox-${name}@.service")
      [ "ai-provider" "code-executor" "policy-sandbox" "integration-test" "workshop" ]
      && !(result.units ? "testudo-sandbox@.service");
  };
  "limits are the package's unless they are said" = {
    config = on { };
    lacks."testudo-sandbox-workshop@.service" = "Max=";
  };
  "limits of one template" = {
    config = on { sandboxes.workshop = { memoryMax = "2G"; cpuQuota = "150%"; tasksMax = 64; runtimeMaxSec = 7200; }; };
    units."testudo-sandbox-workshop@.service" = [ "MemoryMax=2G" "CPUQuota=150%" "TasksMax=64" "RuntimeMaxSec=7200" ];
    lacks."testudo-sandbox-code-executor@.service" = "Max=";
  };
  "a limit that systemd would not take" = {
    config = on { sandboxes.workshop.memoryMax = "lots"; };
    throws = true;
  };
  "a template that does not exist" = {
    config = on { sandboxes.workshp.tasksMax = 1; };
    throws = true;
  };

  "operators are members of the group" = {
    config = on { operators = [ "alice" "bob" ]; };
    holds = result: result.groups.testudo.members == [ "alice" "bob" ];
  };
  "a daemon as operator" = {
    config = on { operators = [ "alice" "testudo-agentd" ]; };
    failed = [ "operators contains testudo-agentd" ];
  };

  "a key goes to egressd as a credential, bound to the server, and nowhere else" = {
    config = on { settings.modeld = remote; modeld.apiKeyFile = "/run/secrets/key"; };
    units."testudo-egressd.service" = [ "LoadCredential=testudo.egressd.model:/run/secrets/key" ];
    lacks."testudo-modeld.service" = "LoadCredential";
    lacks."testudo-agentd.service" = "LoadCredential";
    holds = result: (parsed result).modeld.api_key_secret == "model"
      && (parsed result).egressd.secrets.model == { endpoint = "https://api.example/v1/"; credential = "testudo.egressd.model"; }
      && !(has "/run/secrets" result.etc."testudo/testudo.toml");
  };
  "no key, no credential" = {
    config = on { settings.modeld = remote; };
    lacks."testudo-egressd.service" = "LoadCredential";
    holds = result: !((parsed result).modeld ? api_key_secret);
  };
  "a key without a provider" = {
    config = on { modeld.apiKeyFile = "/run/secrets/key"; };
    failed = [ "\"rehearsal\" uses no key" ];
  };
  "a key over plain http" = {
    config = on { settings.modeld = remote // { base_url = "http://127.0.0.1/v1"; }; modeld.apiKeyFile = "/run/secrets/key"; };
    failed = [ "a key only goes over https" ];
  };
  "a key in the store" = {
    config = on { settings.modeld = remote; modeld.apiKeyFile = "/nix/store/abc-key"; };
    failed = [ "is in the Nix store" ];
  };
  "a key by a relative path" = {
    config = on { settings.modeld = remote; modeld.apiKeyFile = "secrets/key"; };
    failed = [ "must be an absolute path" ];
  };

  "one-time codes: the secret goes to policyd as a credential and nowhere else" = {
    config = on { policyd.totpFile = "/run/secrets/totp"; };
    units."testudo-policyd.service" = [ "LoadCredential=testudo.policyd.totp:/run/secrets/totp" ];
    lacks."testudo-modeld.service" = "LoadCredential";
    holds = result: !(has "/run/secrets" result.etc."testudo/testudo.toml");
  };
  "one-time codes: an encrypted secret may be in the store" = {
    config = on { policyd.totpEncryptedFile = "/nix/store/abc-totp.cred"; };
    units."testudo-policyd.service" = [ "LoadCredentialEncrypted=testudo.policyd.totp:/nix/store/abc-totp.cred" ];
    lacks."testudo-policyd.service" = "LoadCredential=";
  };
  "one-time codes: no secret, no credential" = {
    config = on { };
    lacks."testudo-policyd.service" = "LoadCredential";
  };
  "one-time codes: a secret in the store" = {
    config = on { policyd.totpFile = "/nix/store/abc-totp"; };
    failed = [ "policyd.totpFile is in the Nix store" ];
  };
  "one-time codes: a secret by a relative path" = {
    config = on { policyd.totpFile = "secrets/totp"; };
    failed = [ "policyd.totpFile must be an absolute path" ];
  };
  "one-time codes: an encrypted secret by a relative path" = {
    config = on { policyd.totpEncryptedFile = "totp.cred"; };
    throws = true;
  };
  "one-time codes: two secrets" = {
    config = on { policyd = { totpFile = "/run/secrets/totp"; totpEncryptedFile = "/etc/totp.cred"; }; };
    failed = [ "there is one secret" ];
  };

  "amendments by a one-time code" = {
    config = on { settings.policyd = amendable "otp"; policyd.totpFile = "/run/secrets/totp"; };
    holds = result: (parsed result).policyd.amend_by == "otp";
  };
  "amendments by a one-time code, whose secret is encrypted" = {
    config = on { settings.policyd = amendable "otp"; policyd.totpEncryptedFile = "/etc/totp.cred"; };
  };
  "amendments by a one-time code that nobody can check" = {
    config = on { settings.policyd = amendable "otp"; };
    failed = [ "set services.testudo.policyd.totpFile" ];
  };
  "amendments at this machine need no code" = {
    config = on { settings.policyd = amendable "local"; };
  };
  "amendments by a reaction" = {
    config = on { settings.policyd = amendable "reaction"; };
    throws = true;
  };
  "amendments of a kind that does not exist" = {
    config = on { settings.policyd.amendments = "all"; };
    throws = true;
  };
  "how heavy an amendment is where there is none" = {
    config = on { settings.policyd.amend_by = "local"; };
    failed = [ "nothing may be amended" ];
  };

  "times of questions and judges" = {
    config = on { settings.policyd = { approval_ttl = "90s"; plan_ttl = "1h"; parked_ttl = "48h"; judge_timeout = "500ms"; }; };
    holds = result: let inherit (parsed result) policyd; in
      [ policyd.approval_ttl policyd.plan_ttl policyd.parked_ttl policyd.judge_timeout ] == [ "90s" "1h" "48h" "500ms" ];
  };
  "a time without a unit" = {
    config = on { settings.policyd.plan_ttl = "15"; };
    throws = true;
  };
  "a time in a unit that does not exist" = {
    config = on { settings.policyd.judge_timeout = "1min"; };
    throws = true;
  };

  "who the owner is" = {
    config = on { settings.policyd.identities = [ "alice@example.org" "@alice:example.org" ]; };
    holds = result: (parsed result).policyd.identities == [ "alice@example.org" "@alice:example.org" ];
  };
  "an owner without a name, who would be everybody" = {
    config = on { settings.policyd.identities = [ "" ]; };
    throws = true;
  };

  "an approver who is an operator" = {
    config = on { operators = [ "alice" ]; settings.policyd.approver = "alice"; };
    holds = result: (parsed result).policyd.approver == "alice";
  };
  "an approver who is in the group by other means" = {
    config = on { settings.policyd.approver = "carol"; } // { users.groups.testudo.members = [ "carol" ]; };
  };
  "root is an approver always" = {
    config = on { settings.policyd.approver = "root"; };
  };
  "an approver who is no operator" = {
    config = on { operators = [ "alice" ]; settings.policyd.approver = "bob"; };
    failed = [ "policyd.approver is bob, who is no operator" ];
  };
  "an approver with a name that nobody can have" = {
    config = on { settings.policyd.approver = "alice bob"; };
    throws = true;
  };

  "sessions that nobody watches" = {
    config = on { operators = [ "alice" ]; settings.agentd.unattended = { sessions = [ "cron-*" ]; approver = "alice"; }; };
    holds = result: (parsed result).agentd.unattended == { sessions = [ "cron-*" ]; approver = "alice"; };
  };
  "sessions that nobody watches and that nobody approves for" = {
    config = on { settings.agentd.unattended.sessions = [ "cron-*" ]; };
    holds = result: (parsed result).agentd.unattended == { sessions = [ "cron-*" ]; };
  };
  "their approver is no operator" = {
    config = on { settings.agentd.unattended = { sessions = [ "cron-*" ]; approver = "bob"; }; };
    failed = [ "agentd.unattended.approver is bob" ];
  };
  "an approver of no session" = {
    config = on { settings.agentd.unattended.approver = "root"; };
    failed = [ "no session is unattended" ];
  };
  "a session that nobody can name" = {
    config = on { settings.agentd.unattended.sessions = [ "cron mail" ]; };
    throws = true;
  };

  "sessions that share a limit" = {
    config = on (group { });
    holds = result: (parsed result).toold.groups.jobs == { sessions = [ "cron-*" ]; calls_per_minute = 60; burst = 10; };
  };
  "a limit that nobody could use" = {
    config = on (group { burst = 0; });
    throws = true;
  };
  "a limit without sessions" = {
    config = on { settings.toold.groups.jobs = { calls_per_minute = 60; burst = 10; }; };
    failed = [ "jobs has no sessions" ];
  };
  "a limit without a number" = {
    config = on { settings.toold.groups.jobs = { sessions = [ "cron-*" ]; burst = 10; }; };
    throws = true;
  };
  "a limit with a key that does not exist" = {
    config = on (group { calls_per_hour = 1; });
    throws = true;
  };

  "a provider with all that it needs" = {
    config = on { settings.modeld = remote; };
  };
  "a server with other models beside its own" = {
    config = on { settings.modeld = remote // { other_models = [ "qwen3:32b" "llama3.3" ]; }; };
    holds = result: (parsed result).modeld == remote // { other_models = [ "qwen3:32b" "llama3.3" ]; };
  };
  "other models without a name" = {
    config = on { settings.modeld = remote // { other_models = [ "" ]; }; };
    throws = true;
  };
  "one other model that is no list" = {
    config = on { settings.modeld = remote // { other_models = "qwen3:32b"; }; };
    throws = true;
  };
  "no other models and no budget unless they are named" = {
    config = on { settings.modeld = remote; };
    holds = result: (parsed result).modeld == remote && !((parsed result).agentd ? daily_tokens);
  };

  "a budget of a day" = {
    config = on { settings.agentd.daily_tokens = 2000000; };
    holds = result: (parsed result).agentd.daily_tokens == 2000000;
  };
  "the smallest budget" = {
    config = on { settings.agentd.daily_tokens = 1; };
    holds = result: (parsed result).agentd.daily_tokens == 1;
  };
  "the largest budget" = {
    config = on { settings.agentd.daily_tokens = 4294967295; };
    holds = result: (parsed result).agentd.daily_tokens == 4294967295;
  };
  "a budget of nothing" = {
    config = on { settings.agentd.daily_tokens = 0; };
    throws = true;
  };
  "a budget beyond what the daemon counts" = {
    config = on { settings.agentd.daily_tokens = 4294967296; };
    throws = true;
  };
  "a budget in words" = {
    config = on { settings.agentd.daily_tokens = "2 million"; };
    throws = true;
  };

  "a provider without a model" = {
    config = on { settings.modeld = removeAttrs remote [ "model" ]; };
    failed = [ "needs base_url and model" ];
  };
  "a provider without a URL" = {
    config = on { settings.modeld = removeAttrs remote [ "base_url" ]; };
    failed = [ "needs base_url and model" ];
  };

  "nobody talks unless it is asked for" = {
    config = on { };
    holds = result: !((parsed result) ? matrixd) && result.synapse == { }
      && result.units."testudo-matrixd.service" == "[Service]\n";
  };
  "an account, whom it listens to, and what it logs in with" = {
    config = talking { members = [ "@bob:example.org" ]; bridged = [ "@signal_*:example.org" ]; auditRoom = "!a:example.org"; };
    units."testudo-matrixd.service" = [
      "LoadCredential=matrix-password:/run/secrets/matrix"
      "LoadCredential=matrix-store-key:/run/secrets/store"
      "WantedBy=testudo.target"
      "Alias=dbus-org.testudo.Matrix1.service"
    ];
    lacks."testudo-matrixd.service" = "matrix-token";
    holds = result: (parsed result).matrixd == {
      homeserver = "https://matrix.example.org";
      user = "@testudo:example.org";
      owners = [ "@alice:example.org" ];
      members = [ "@bob:example.org" ];
      bridged = [ "@signal_*:example.org" ];
      rooms = [ ];
      unencrypted_rooms = [ ];
      bridged_rooms = [ ];
      audit_room = "!a:example.org";
      trust_homeserver = false;
    } && result.synapse == { };
  };
  "an account without an owner" = {
    config = talking { owners = [ ]; };
    failed = [ "name yourself" ];
  };
  "an account without a homeserver" = {
    config = talking { homeserver = null; };
    failed = [ "needs homeserver and user" ];
  };
  "an owner that is no user id" = {
    config = talking { owners = [ "alice" ]; };
    throws = true;
  };
  "a room by its alias" = {
    config = talking { rooms = [ "#agent:example.org" ]; };
    throws = true;
  };
  "a token without its device" = {
    config = talking { passwordFile = null; tokenFile = "/run/secrets/token"; };
    failed = [ "needs the device" ];
  };
  "a token and a password" = {
    config = talking { device = "A"; tokenFile = "/run/secrets/token"; };
    failed = [ "needs the device" ];
  };
  "a token with its device" = {
    config = talking { passwordFile = null; device = "A"; tokenFile = "/run/secrets/token"; };
    units."testudo-matrixd.service" = [ "LoadCredential=matrix-token:/run/secrets/token" ];
  };
  "a password in the store" = {
    config = talking { passwordFile = "/nix/store/abc-password"; };
    failed = [ "matrix.passwordFile must be" ];
  };
  "a homeserver of one's own has two accounts and speaks to nobody else" = {
    config = home { bridges = [ "signal" "slack" ]; };
    units."testudo-matrix-accounts.service" = [
      "LoadCredential=testudo:/run/secrets/matrix"
      "LoadCredential=alice:/run/secrets/alice"
      "Type=oneshot"
      "After=matrix-synapse.service"
      "Requires=matrix-synapse.service"
      "Before=testudo-matrixd.service"
    ];
    holds = result: (parsed result).matrixd.homeserver == "http://127.0.0.1:8008"
      && (parsed result).matrixd.user == "@testudo:home.arpa" && (parsed result).matrixd.owners == [ "@alice:home.arpa" ]
      && (parsed result).matrixd.bridged == [ "@signal_*:home.arpa" "@slack_*:home.arpa" ]
      && (parsed result).matrixd.trust_homeserver
      && has "--exists-ok --no-admin --user alice --password-file %d/alice" result.units."testudo-matrix-accounts.service"
      && result.synapse.enable && result.synapse.settings.federation_domain_whitelist == [ ]
      && (builtins.head result.synapse.settings.listeners).bind_addresses == [ "127.0.0.1" ];
  };
  "a homeserver of one's own that is not trusted" = {
    config = home { } // { services.testudo = (home { }).services.testudo // { settings.matrixd.trust_homeserver = false; }; };
    holds = result: !(parsed result).matrixd.trust_homeserver;
  };
  "a homeserver of one's own without a password for the agent" = {
    config = { services.testudo = (home { }).services.testudo // { matrix = (home { }).services.testudo.matrix // { passwordFile = null; }; }; };
    failed = [ "makes the account @testudo:home.arpa" ];
  };
  "secrets of a homeserver of one's own in the store" = {
    config = home { ownerPasswordFile = "/nix/store/abc-alice"; registrationFile = "/nix/store/abc-registration"; };
    failed = [ "localHomeserver.ownerPasswordFile must be" "localHomeserver.registrationFile must be" ];
  };
  "the agent as its own owner" = {
    config = home { owner = "testudo"; };
    failed = [ "name a person" ];
  };

  "systemd that is too old" = {
    config = on { } // { systemd.package.version = "256.8"; };
    failed = [ "needs systemd 257" ];
  };
  "systemd that is just new enough" = {
    config = on { } // { systemd.package.version = "257"; };
  };
  "a kernel that is too old" = {
    config = on { } // { boot.kernelPackages.kernel.version = "6.6.99"; };
    failed = [ "needs Linux 6.12" ];
  };
  "a kernel that is just new enough" = {
    config = on { } // { boot.kernelPackages.kernel.version = "6.12"; };
  };
  "no assertion when off" = {
    config = { boot.kernelPackages.kernel.version = "6.6.99"; };
  };
}
