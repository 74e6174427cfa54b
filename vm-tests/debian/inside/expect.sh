# What the behaviours say with. Each fails with a sentence.

# fail SENTENCE
fail() {
  echo "$1"
  exit 1
}

# until_true SECONDS WHAT COMMAND…: the command comes true within the time.
until_true() {
  local end=$(($(date +%s) + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$(date +%s)" -lt "$end" ] || fail "did not happen in time: $what"
    sleep 0.05
  done
}

# equal WHAT EXPECTED FOUND
equal() {
  [ "$2" = "$3" ] || fail "$1: expected '$2', found '$3'"
}

# in_unit PROPERTY… -- COMMAND…: runs the command as a unit with these properties; its status.
in_unit() {
  local properties=()
  while [ "$1" != -- ]; do
    properties+=(--property="$1")
    shift
  done
  shift
  systemd-run --quiet --wait --pipe --collect --expand-environment=no "${properties[@]}" "$@"
}

# bites PROPERTY COMMAND…: the command fails with the property and succeeds without it.
bites() {
  local property=$1
  shift
  in_unit -- "$@" >/dev/null 2>&1 || fail "control: '$*' does not even work without $property"
  if in_unit "$property" -- "$@" >/dev/null 2>&1; then fail "control: $property is accepted and not enforced"; fi
}
