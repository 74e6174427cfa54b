#!/usr/bin/env bash
# Fuzzes what the daemons read from a sandbox, each target for a while. Needs cargo-fuzz and a nightly compiler; exits
# with 77 where they are not there (the same properties are then still tried by the sandbox's own tests).
#
#   fuzz/run.sh [SECONDS [TARGET…]]     20 seconds for each target unless said otherwise
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

seconds=${1:-20}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(frames answers manifest)

cargo fuzz --version >/dev/null 2>&1 || { echo "cargo-fuzz is not installed (cargo install cargo-fuzz)"; exit 77; }
cargo +nightly --version >/dev/null 2>&1 || { echo "there is no nightly compiler (rustup toolchain install nightly)"; exit 77; }

# A directory of its own for the build: another compiler and sanitizers.
unset CARGO_TARGET_DIR
for target in "${targets[@]}"; do
  # What is found new stays out of the corpus, which is kept small and read by people.
  mkdir -p "fuzz/found/$target"
  # Its own lines are thousands: they are kept beside what was found, and shown when something was.
  log=fuzz/found/$target.log
  if cargo +nightly fuzz run "$target" "fuzz/found/$target" "fuzz/corpus/$target" -- \
    -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 >"$log" 2>&1; then
    printf '%-10s %s executions without a finding\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
  else
    tail -n 60 "$log"
    echo "$target: see $log" >&2
    exit 1
  fi
done
