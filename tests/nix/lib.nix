# A stand-in for the nixpkgs library: just what nixos-module/ and eval.nix use, written so that both libraries give the
# same result on the same module. With NIXPKGS_LIB set, run.sh checks that they do. It is not to grow: a module that
# needs much more of lib is too clever.
let
  inherit (builtins) all any attrNames concatLists concatMap concatStringsSep elem elemAt filter foldl'
    genList hasAttr head isAttrs isBool isFunction isInt isList isPath isString length listToAttrs
    map mapAttrs match removeAttrs stringLength tail toJSON;

  lib = rec {
    inherit (builtins) concatLists concatMap concatStringsSep elem filter hasAttr head isAttrs isList
      isString length listToAttrs mapAttrs attrNames attrValues substring toJSON all any tail;
    inherit types;

    id = x: x;
    optional = c: x: if c then [ x ] else [ ];
    optionals = c: x: if c then x else [ ];
    optionalString = c: x: if c then x else "";
    optionalAttrs = c: x: if c then x else { };
    toList = x: if isList x then x else [ x ];
    concatStrings = concatStringsSep "";
    concatMapStrings = f: xs: concatStrings (map f xs);
    concatMapStringsSep = s: f: xs: concatStringsSep s (map f xs);
    nameValuePair = name: value: { inherit name value; };
    mapAttrs' = f: s: listToAttrs (map (n: f n s.${n}) (attrNames s));
    mapAttrsToList = f: s: map (n: f n s.${n}) (attrNames s);
    concatMapAttrs = f: s: foldl' (a: b: a // b) { } (mapAttrsToList f s);
    filterAttrs = p: s: listToAttrs (concatMap (n: optional (p n s.${n}) (nameValuePair n s.${n})) (attrNames s));
    filterAttrsRecursive = p: s: mapAttrs (_: v: if isAttrs v then filterAttrsRecursive p v else v) (filterAttrs p s);
    genAttrs = ns: f: listToAttrs (map (n: nameValuePair n (f n)) ns);
    lowers = genList (i: builtins.substring i 1 "abcdefghijklmnopqrstuvwxyz") 26;
    uppers = genList (i: builtins.substring i 1 "ABCDEFGHIJKLMNOPQRSTUVWXYZ") 26;
    hasPrefix = p: s: builtins.substring 0 (stringLength p) s == p;
    escapeShellArgs = words: builtins.concatStringsSep " " (map (word: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] (toString word)}'") words);
    versionAtLeast = v: w: builtins.compareVersions v w >= 0;
    toUpper = builtins.replaceStrings lowers uppers;
    showOption = concatStringsSep ".";
    getExe = p: "${p}/bin/${p.meta.mainProgram or p.pname or p.name}";
    literalExpression = text: { _type = "literalExpression"; inherit text; };

    mkIf = condition: content: { _type = "if"; inherit condition content; };
    mkMerge = contents: { _type = "merge"; inherit contents; };
    mkOverride = priority: content: { _type = "override"; inherit priority content; };
    mkOptionDefault = mkOverride 1500;
    mkDefault = mkOverride 1000;
    mkForce = mkOverride 50;
    mkOption = attrs: attrs // { _type = "option"; };
    mkEnableOption = what: mkOption { type = types.bool; default = false; example = true; description = "Whether to enable ${what}."; };
    mkPackageOption = pkgs: name: _: mkOption { type = types.package; default = pkgs.${name}; description = "The ${name} package to use."; };
    mkOptionType = t: { check = _: true; } // t;
    mergeEqualOption = loc: defs:
      if all (d: d.value == (head defs).value) defs then (head defs).value
      else throw "The option `${showOption loc}' has conflicting definition values";

    # mkIf, mkMerge and mkOverride moved one level down, so that each name can be read alone.
    pushDown = d:
      if d._type or "" == "merge" then concatMap pushDown d.contents
      else if d._type or "" == "if" then map (mapAttrs (_: mkIf d.condition)) (pushDown d.content)
      else if d._type or "" == "override" then map (mapAttrs (_: mkOverride d.priority)) (pushDown d.content)
      else [ d ];
    discharge = priority: d:
      if d._type or "" == "merge" then concatMap (discharge priority) d.contents
      else if d._type or "" == "if" then optionals d.condition (discharge priority d.content)
      else if d._type or "" == "override" then discharge d.priority d.content
      else [{ inherit priority; value = d; }];

    mergeDefs = loc: type: defs:
      let
        found = concatMap (d: discharge 100 d) defs;
        best = foldl' (p: d: if d.priority < p then d.priority else p) 9999 found;
        kept = filter (d: d.priority == best) found;
        bad = filter (d: !type.check d.value) kept;
      in
      if kept == [ ] then
        type.emptyValue or (throw "The option `${showOption loc}' was accessed but has no value defined. Try setting the option.")
      else if bad != [ ] then throw "A definition for option `${showOption loc}' is not of type `${type.name}'."
      else type.merge loc kept;

    evalOption = loc: opt: defs:
      let
        default = optional (opt ? default) (mkOptionDefault opt.default);
        value = mergeDefs loc opt.type (defs ++ default);
      in
      if opt.readOnly or false && length defs > 1 then throw "The option `${showOption loc}' is read-only, but it's set multiple times."
      else (opt.apply or id) value;

    mergeOptions = foldl' (a: b: a // mapAttrs (n: v:
      if a ? ${n} && a.${n}._type or "" != "option" then mergeOptions [ a.${n} v ] else v) b) { };

    evalTree = loc: freeform: options: defs:
      let
        flat = concatMap pushDown defs;
        at = n: concatMap (d: optional (d ? ${n}) d.${n}) flat;
        unknown = concatMap (d: attrNames (removeAttrs d (attrNames options))) flat;
        known = mapAttrs (n: o:
          if o._type or "" == "option" then evalOption (loc ++ [ n ]) o (at n)
          else evalTree (loc ++ [ n ]) freeform o (at n)) options;
        free = listToAttrs (map (n: nameValuePair n (mergeDefs (loc ++ [ n ]) freeform (at n))) unknown);
      in
      if unknown == [ ] then known
      else if freeform != null then free // known
      else throw "The option `${showOption (loc ++ [ (head unknown) ])}' does not exist.";

    evalModules = { modules, specialArgs ? { }, prefix ? [ ] }:
      let
        args = { inherit lib config; } // specialArgs;
        load = m:
          let
            raw = if isPath m || isString m then import m else m;
            body = if isFunction raw then raw args else raw;
            full = if body ? config || body ? options || body ? freeformType then body
              else { imports = body.imports or [ ]; config = removeAttrs body [ "imports" "meta" ]; };
          in
          [ full ] ++ concatMap load (full.imports or [ ]);
        loaded = concatMap load modules;
        freeforms = concatMap (m: optional (m ? freeformType) m.freeformType) loaded;
        config = evalTree prefix
          (if freeforms == [ ] then null else (head freeforms).nestedType or types.anything)
          (mergeOptions (map (m: m.options or { }) loaded))
          (map (m: m.config or { }) loaded);
      in
      { inherit config; };
  };
  inherit (lib) mkOptionType mergeEqualOption mergeDefs nameValuePair evalModules;

  scalar = name: check: mkOptionType { inherit name check; merge = mergeEqualOption; };
  int = name: check: scalar name (v: isInt v && check v);
  values = map (d: d.value);

  types = rec {
    str = scalar "string" isString;
    singleLineStr = scalar "(optionally newline-terminated) single-line string" isString;
    nonEmptyStr = scalar "non-empty string" (v: isString v && v != "");
    bool = scalar "boolean" isBool;
    path = scalar "absolute path" (v: isPath v || isAttrs v && v ? outPath || isString v && match "/.*" v != null);
    externalPath = path;
    package = scalar "package" (v: isPath v || isAttrs v && v ? outPath || isString v);
    strMatching = re: scalar "string matching the pattern ${re}" (v: isString v && match re v != null);
    enum = xs: scalar "one of ${toJSON xs}" (v: elem v xs);
    port = int "16 bit unsigned integer; between 0 and 65535 (both inclusive)" (v: v >= 0 && v <= 65535);
    ints = {
      positive = int "positive integer, meaning >0" (v: v > 0);
      unsigned = int "unsigned integer, meaning >=0" (v: v >= 0);
      between = lo: hi: int "integer between ${toString lo} and ${toString hi} (both inclusive)" (v: v >= lo && v <= hi);
    };
    int' = int "signed integer" (_: true);
    lines = mkOptionType { name = "strings concatenated with \"\\n\""; check = isString; merge = _: d: concatStringsSep "\n" (values d); };
    unspecified = mkOptionType { name = "unspecified value"; merge = mergeEqualOption; };
    anything = mkOptionType {
      name = "anything";
      merge = loc: defs:
        if all (d: isAttrs d.value && !(d.value ? outPath)) defs then (attrsOf anything).merge loc defs
        else if all (d: isList d.value) defs then concatMap (d: d.value) defs
        else mergeEqualOption loc defs;
    };
    listOf = t: mkOptionType {
      name = "list of ${t.name}"; check = isList; emptyValue = [ ];
      merge = loc: defs: concatMap (d: map (v: mergeDefs (loc ++ [ "*" ]) t [ v ]) d.value) defs;
    };
    attrsOf = t: mkOptionType {
      name = "attribute set of ${t.name}"; check = isAttrs; emptyValue = { }; nestedType = t;
      merge = loc: defs: listToAttrs (map
        (n: nameValuePair n (mergeDefs (loc ++ [ n ]) t (concatMap (d: lib.optional (d ? ${n}) d.${n}) (values defs))))
        (concatMap (d: attrNames d) (values defs)));
    };
    nullOr = t: mkOptionType {
      name = "null or ${t.name}"; check = v: v == null || t.check v;
      merge = loc: defs: if all (d: d.value == null) defs then null else t.merge loc defs;
    };
    either = a: b: oneOf [ a b ];
    oneOf = ts: mkOptionType {
      name = concatStringsSep " or " (map (t: t.name) ts);
      check = v: any (t: t.check v) ts;
      merge = loc: defs: (head (filter (t: all (d: t.check d.value) defs) ts)).merge loc defs;
    };
    submodule = m: mkOptionType {
      name = "submodule"; check = v: isAttrs v || isFunction v; emptyValue = { };
      merge = loc: defs: (evalModules {
        modules = lib.toList m ++ map (d: { config = d.value; }) defs;
        prefix = loc;
        specialArgs.name = elemAt loc (length loc - 1);
      }).config;
    };
  };
in
lib // { types = types // { int = types.int'; }; }
