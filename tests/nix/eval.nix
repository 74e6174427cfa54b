# Evaluates nixos-module/ without nixpkgs' package set or its modules: { failed, warnings, units, etc, users, groups }.
# `units` has the text that would stand in each drop-in. Only the options that the module sets are declared here.
{ lib, config ? { } }:
let
  inherit (lib) mkOption types;
  anyAttrs = types.attrsOf types.anything;

  # A value as it stands in a unit file; a list repeats the key, as nixos/lib/systemd-lib.nix has it.
  toValue = value: if value == true then "true" else if value == false then "false" else toString value;
  toSection = section: lib.concatStrings (lib.concatLists (lib.mapAttrsToList
    (key: value: map (item: "${key}=${toValue item}\n") (lib.toList value)) section));

  unitOption = lib.mkOptionType {
    name = "systemd option";
    merge = loc: defs: if lib.isList (lib.head defs).value
      then lib.concatMap (def: def.value) defs else lib.mergeEqualOption loc defs;
  };

  # Only where somebody asks for an order, as the drop-ins of most units have none.
  order = config: lib.optionalString (config.after ++ config.before ++ config.requires != [ ]) ("[Unit]\n"
    + toSection (lib.filterAttrs (_: units: units != [ ]) { After = config.after; Before = config.before; Requires = config.requires; }));

  unit = section: types.submodule ({ config, ... }: {
    options = {
      overrideStrategy = mkOption { type = types.str; default = "asDropinIfExists"; };
      restartTriggers = mkOption { type = types.listOf types.unspecified; default = [ ]; };
      wantedBy = mkOption { type = types.listOf types.str; default = [ ]; };
      aliases = mkOption { type = types.listOf types.str; default = [ ]; };
      after = mkOption { type = types.listOf types.str; default = [ ]; };
      before = mkOption { type = types.listOf types.str; default = [ ]; };
      requires = mkOption { type = types.listOf types.str; default = [ ]; };
      text = mkOption { type = types.str; readOnly = true; };
      "${section}Config" = mkOption { type = types.attrsOf unitOption; default = { }; };
    };
    config.text = order config
      + "[${lib.toUpper (lib.substring 0 1 section)}${lib.substring 1 99 section}]\n"
      + toSection config."${section}Config"
      + lib.optionalString (config.wantedBy != [ ]) "[Install]\nWantedBy=${toString config.wantedBy}\n"
      + lib.optionalString (config.aliases != [ ]) "Alias=${toString config.aliases}\n";
  });
  kinds = { services = "service"; sockets = "socket"; targets = "target"; };

  # A package names itself, and the result of a build shows what it was built by.
  package = name: { type = "derivation"; inherit name; outPath = "/nix/store/x-${name}"; };
  pkgs = {
    formats.toml = _: {
      type = types.attrsOf types.anything;
      generate = name: value: "/nix/store/x-${name}#${builtins.toJSON value}";
    };
    runCommand = name: _: script: "/nix/store/x-${name}!${script}";
    buildEnv = env: "/nix/store/x-${env.name}";
    inherit lib;
  } // lib.genAttrs
    [ "testudo" "bash" "coreutils" "diffutils" "findutils" "gawk" "git" "gnugrep" "gnused" "gnutar" "gzip"
      "cacert" "curl" "dash" "jq" "matrix-synapse" "patch" "podman" "python3" "ripgrep" ]
    package;

  host = {
    options = {
      assertions = mkOption { type = types.listOf anyAttrs; default = [ ]; };
      warnings = mkOption { type = types.listOf types.str; default = [ ]; };
      users.users = mkOption { type = anyAttrs; default = { }; };
      # Members come from several places.
      users.groups = mkOption { type = types.attrsOf (types.attrsOf (types.listOf types.str)); default = { }; };
      environment = mkOption { type = anyAttrs; default = { }; };
      security = mkOption { type = anyAttrs; default = { }; };
      virtualisation = mkOption { type = anyAttrs; default = { }; };
      services.dbus = mkOption { type = anyAttrs; default = { }; };
      services.matrix-synapse = mkOption { type = anyAttrs; default = { }; };
      boot.kernelPackages = mkOption { type = anyAttrs; default = { kernel.version = "6.12.41"; }; };
      systemd = lib.mapAttrs (_: section: mkOption { type = types.attrsOf (unit section); default = { }; }) kinds // {
        package = mkOption { type = types.unspecified; default = { version = "257.6"; }; };
        packages = mkOption { type = types.listOf types.unspecified; default = [ ]; };
        tmpfiles = mkOption { type = anyAttrs; default = { }; };
      };
    };
  };

  result = (lib.evalModules {
    modules = [ host ../../nixos-module { inherit config; } ];
    specialArgs = { inherit pkgs; };
  }).config;
in
{
  failed = map (a: a.message) (lib.filter (a: !a.assertion) result.assertions);
  inherit (result) warnings;
  units = lib.concatMapAttrs (kind: suffix:
    lib.mapAttrs' (name: unit: lib.nameValuePair "${name}.${suffix}" unit.text) result.systemd.${kind}) kinds;
  triggers = lib.mapAttrs (_: unit: map toString unit.restartTriggers) result.systemd.services;
  packages = {
    systemd = map toString result.systemd.packages;
    dbus = map toString (result.services.dbus.packages or [ ]);
    tmpfiles = map toString (result.systemd.tmpfiles.packages or [ ]);
  };
  etc = lib.mapAttrs (_: file: file.source) (result.environment.etc or { });
  users = result.users.users;
  groups = result.users.groups;
  synapse = result.services.matrix-synapse;
}
