#!/bin/bash
# run.sh: parses every Nix file of the repository and evaluates the NixOS module over the cases of cases.nix.
#
# Offline, with Debian's nix-bin and a stand-in for nixpkgs' lib: no package set, no other modules of NixOS. The one build
# is that of the tool root, of this machine's programs. A NixOS test in vm-tests/nixos on a machine with Nix remains the proof.
# The configurations that come out go through `testudoctl config check`, where that is built.
# With NIXPKGS_LIB=DIR, a real nixpkgs.lib, every case is run with both, and they must agree.
# Exit status: 0, 1 when something fails, 77 without Nix.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
command -v nix-instantiate >/dev/null || { echo "skip  nix: nix-instantiate is not installed"; exit 77; }
# Evaluation writes nothing, so it needs no store but a place to pretend one.
state=$(mktemp -d)
trap 'rm -rf "$state"' EXIT
export NIX_STATE_DIR=$state/state NIX_LOG_DIR=$state/log NIX_CONF_DIR=$state/conf HOME=$state

failed=0
count=0
while read -r file; do
  count=$((count + 1))
  nix-instantiate --parse "$file" >/dev/null 2>"$state/error" || { echo "FAIL  parse: $(grep -m1 error "$state/error") $file"; failed=1; }
done < <(find "$repository" -name '*.nix' -not -path "$repository/target/*")
echo "ok    parse        $count files"

# evaluate LIB: the cases' results as JSON
evaluate() {
  nix-instantiate --eval --strict --json "$here/run.nix" --arg lib "$1" 2>"$state/error" ||
    { grep -v nixbld "$state/error"; return 1; }
}
evaluate "import $here/lib.nix" >"$state/standin.json" || { cat "$state/standin.json"; exit 1; }
jq -r '.[] | if .problems == [] then "ok    \(.name)" else "FAIL  \(.name): \(.problems | join("; "))" end' "$state/standin.json"
jq -e 'all(.[]; .problems == [])' "$state/standin.json" >/dev/null || failed=1

# Whatever the module takes, the daemons take: each configuration goes through their own parser, where it is built.
testudoctl=${TESTUDOCTL:-${CARGO_TARGET_DIR:-$repository/target}/debug/testudoctl}
if [ -x "$testudoctl" ]; then
  count=0
  while read -r text; do
    count=$((count + 1))
    jq -r 'def toml: if type == "object" then "{" + (to_entries | map("\(.key | tojson) = \(.value | toml)") | join(", ")) + "}"
        elif type == "array" then "[" + (map(toml) | join(", ")) + "]" else tojson end;
      to_entries[] | "\(.key) = \(.value | toml)"' <<<"$text" >"$state/testudo.toml"
    "$testudoctl" config check "$state/testudo.toml" >/dev/null 2>"$state/error" || { cat "$state/error"; failed=1; }
  done < <(jq -r '.[].result | select(. != "refused") | fromjson | select(.failed == []) | .etc["testudo/testudo.toml"] // empty
    | capture("#(?<text>[^\n]*)\n").text' "$state/standin.json" | sort -u)
  [ "$count" -gt 0 ] && echo "ok    $count configurations are taken by the daemons' parser" || failed=1
else
  echo "skip  configurations by the daemons' parser: $testudoctl is not built"
fi

# The tool root is built, in a store of its own, and verified as the unit does at boot; one byte more and it is not.
sandbox=${TESTUDO_SANDBOX:-${CARGO_TARGET_DIR:-$repository/target}/debug/testudo-sandbox}
if [ -x "$sandbox" ] && [ "$(id -u)" = 0 ]; then
  mkdir "$state/nix"
  if root=$(NIX_STORE_DIR=$state/nix/store NIX_STATE_DIR=$state/nix/state NIX_LOG_DIR=$state/nix/log nix-build --no-out-link \
    --option build-users-group '' --option sandbox false --option substituters '' \
    "$here/root.nix" --arg lib "import $here/lib.nix" --argstr sandbox "$(readlink -f "$sandbox")" 2>"$state/error"); then
    digest=$(jq -r .digest "$root/testudo-root.json")
    said=$("$sandbox" verify-root "$root" --digest "$digest" 2>&1) || { echo "FAIL  tool root: $said"; failed=1; }
    chmod u+w "$root/usr/bin"
    ln -s /bin/sh "$root/usr/bin/more"
    chmod u-w "$root/usr/bin"
    if "$sandbox" verify-root "$root" --digest "$digest" >/dev/null 2>&1; then echo "FAIL  tool root: a link more is not noticed"; failed=1; fi
    echo "ok    tool root    $said"
    chmod -R u+w "$state/nix"
  else
    grep -v nixbld "$state/error"
    echo "FAIL  tool root: it is not built"
    failed=1
  fi
else
  echo "skip  tool root: it needs root and $sandbox"
fi

if [ -n "${NIXPKGS_LIB:-}" ]; then
  evaluate "import $NIXPKGS_LIB" >"$state/real.json" || { cat "$state/real.json"; exit 1; }
  diff <(jq . "$state/standin.json") <(jq . "$state/real.json") && echo "ok    both libraries agree" || failed=1
fi
exit "$failed"
