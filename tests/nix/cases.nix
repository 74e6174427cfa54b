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
