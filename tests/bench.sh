#!/usr/bin/env bash
# The benchmark table, of a release build: ./check bench [--json] [--decisions] [--rounds N] [--starts N]
#
# testudo-tests stays out of the build: it asks for the feature that takes controls out, which no release build has.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}

if [ "$(id -u)" != 0 ]; then
  echo "the benchmark starts a whole appliance and needs root" >&2
  exit 77
fi
packages=(agentd auditd egressd extension modeld policyd toold sandbox appliance bench)
# Cedar, which decisions are measured beside, is built for this and for nothing else.
cargo build --release --locked --quiet "${packages[@]/#/--package=testudo-}" --package=testudoctl \
  --features testudo-bench/rivals
exec "$CARGO_TARGET_DIR/release/testudo-bench" "$@"
