#!/usr/bin/env bash
# The benchmark table, of release builds of the daemons: ./check bench [OPTION]…
#
#   --json --decisions --rounds N --starts N     as testudo-bench has them (--help)
#   --no-talk                                    without the rows of Matrix, which take most of the time
#   --talk-only                                  nothing but them
#   --talk-rounds N --messages N --events N      how much of them: 50 rounds, and the memory after 1000 messages, each
#                                                answered, and after 10000 encrypted events more
#
# testudo-tests and testudo-talk stay out of the release build: they ask for the feature that takes controls out, which no
# release build has. So the people of the rows of Matrix are a debug build, and the table says so.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}

if [ "$(id -u)" != 0 ]; then
  echo "the benchmark starts a whole appliance and needs root" >&2
  exit 77
fi
talk=yes options=() people=()
while [ $# -gt 0 ]; do
  case $1 in
    --no-talk) talk= ;;
    --decisions | -h | --help | -V | --version) talk='' options+=("$1") ;;
    --talk-only) options+=("$1") ;;
    --talk-rounds | --messages | --events)
      [ $# -gt 1 ] || { echo "$1 needs a number" >&2; exit 2; }
      people+=("${1/talk-/}" "$2")
      shift
      ;;
    *) options+=("$1") ;;
  esac
  shift
done

packages=(agentd auditd egressd extension modeld policyd toold sandbox appliance bench)
# Without a homeserver the other rows are measured all the same.
if [ -n "$talk" ] && ! tests/talk/install.sh >/dev/null; then
  echo "bench: no homeserver, so no rows of Matrix" >&2
  [[ " ${options[*]-} " != *" --talk-only "* ]] || exit 77
  talk=
fi
[ -z "$talk" ] || packages+=(matrixd)
# Cedar, which decisions are measured beside, is built for this and for nothing else.
cargo build --release --locked --quiet "${packages[@]/#/--package=testudo-}" --package=testudoctl \
  --features testudo-bench/rivals
if [ -n "$talk" ]; then
  cargo build --locked --quiet --package=testudo-talk --bin=testudo-talk-bench --package=testudo-tests --bin=testudo-caller
  measured=$(mktemp)
  trap 'rm -f "$measured"' EXIT
  "$CARGO_TARGET_DIR/debug/testudo-talk-bench" --daemons "$CARGO_TARGET_DIR/release" "${people[@]}" >"$measured"
  options+=(--talk "$measured")
fi
"$CARGO_TARGET_DIR/release/testudo-bench" "${options[@]}"
