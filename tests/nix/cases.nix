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
      [ "testudo-agentd" "testudo-auditd" "testudo-modeld" "testudo-policyd" "testudo-toold" ];
  };

  "the sandbox's user is in no group of ours" = {
    config = on { };
    holds = result: result.users.testudo-work.extraGroups == [ ] && result.groups.testudo.members == [ ];
  };

  "the configuration is checked by the daemons' parser" = {
    config = on { };
    holds = result: has "testudoctl config check /nix/store/x-testudo.toml" result.etc."testudo/testudo.toml";
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
    units."testudo-sandbox@.service" = [
      "BindReadOnlyPaths=/nix/store/x-testudo-tool-root/usr:/usr"
      "ExecStart="
      "ExecStart=/nix/store/x-testudo/lib/testudo/testudo-sandbox --connection-fd 3 zygote --workspace /run/workspace --scratch /run/scratch --bind /usr --bind /nix/store"
    ];
  };

  "operators are members of the group" = {
    config = on { operators = [ "alice" "bob" ]; };
    holds = result: result.groups.testudo.members == [ "alice" "bob" ];
  };
  "a daemon as operator" = {
    config = on { operators = [ "alice" "testudo-agentd" ]; };
    failed = [ "operators contains testudo-agentd" ];
  };

  "a key goes to modeld as a credential and nowhere else" = {
    config = on { settings.modeld = remote; modeld.apiKeyFile = "/run/secrets/key"; };
    units."testudo-modeld.service" = [ "LoadCredential=testudo.modeld.api-key:/run/secrets/key" ];
    lacks."testudo-agentd.service" = "LoadCredential";
    holds = result: (parsed result).modeld.api_key_credential == "testudo.modeld.api-key"
      && !(has "/run/secrets" result.etc."testudo/testudo.toml");
  };
  "no key, no credential" = {
    config = on { settings.modeld = remote; };
    lacks."testudo-modeld.service" = "LoadCredential";
    holds = result: !((parsed result).modeld ? api_key_credential);
  };
  "a key without a provider" = {
    config = on { modeld.apiKeyFile = "/run/secrets/key"; };
    failed = [ "\"rehearsal\" uses no key" ];
  };
  "a key in the store" = {
    config = on { settings.modeld = remote; modeld.apiKeyFile = "/nix/store/abc-key"; };
    failed = [ "is in the Nix store" ];
  };
  "a key by a relative path" = {
    config = on { settings.modeld = remote; modeld.apiKeyFile = "secrets/key"; };
    failed = [ "must be an absolute path" ];
  };

  "a provider with all that it needs" = {
    config = on { settings.modeld = remote; };
  };
  "a provider without a model" = {
    config = on { settings.modeld = removeAttrs remote [ "model" ]; };
    failed = [ "needs base_url and model" ];
  };
  "a provider without a URL" = {
    config = on { settings.modeld = removeAttrs remote [ "base_url" ]; };
    failed = [ "needs base_url and model" ];
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
