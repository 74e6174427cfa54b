# Runs cases.nix with a given lib: a list of { name, problems }, and the plain results to compare two libraries by.
{ lib }:
let
  cases = import ./cases.nix;
  has = part: text: builtins.length (builtins.split (escape part) text) > 1;
  escape = builtins.replaceStrings [ "." "(" ")" "[" "]" "*" "+" "?" "{" "}" "$" "^" "|" "\\" ]
    [ "\\." "\\(" "\\)" "\\[" "\\]" "\\*" "\\+" "\\?" "\\{" "\\}" "\\$" "\\^" "\\|" "\\\\" ];
  lines = text: builtins.filter builtins.isString (builtins.split "\n" text);

  run = name: case:
    let
      evaluated = builtins.tryEval (let r = import ./eval.nix { inherit lib; inherit (case) config; }; in builtins.deepSeq r r);
      result = evaluated.value;
      expected = case.failed or [ ];
      problem = bad: text: if bad then [ text ] else [ ];
      each = set: f: builtins.concatLists (builtins.attrValues (builtins.mapAttrs f set));
    in
    {
      inherit name;
      result = if evaluated.success then builtins.toJSON result else "refused";
      problems =
        if case.throws or false then problem evaluated.success "was evaluated and should have been refused"
        else if !evaluated.success then [ "was refused" ]
        else
          problem (builtins.length result.failed != builtins.length expected)
            "assertions fired: ${builtins.toJSON result.failed}, expected: ${builtins.toJSON expected}"
          ++ builtins.concatMap
            (part: problem (!(builtins.any (has part) result.failed)) "no assertion with \"${part}\" fired") expected
          ++ each (case.units or { }) (unit: wanted: builtins.concatMap
            (line: problem (!(builtins.elem line (lines (result.units.${unit} or "")))) "${unit} lacks ${line}") wanted)
          ++ each (case.lacks or { }) (unit: text: problem (has text result.units.${unit}) "${unit} has ${text}")
          ++ problem (!((case.holds or (_: true)) result)) "does not hold for ${builtins.toJSON result}";
    };
in
builtins.attrValues (builtins.mapAttrs run cases)
