#!/usr/bin/env bash
# Measures the information-flow policy on public suites, through `testudoctl policy simulate`.
#
#   tests/flow/run.sh                  everything; what ./check runs
#   tests/flow/run.sh --list ...       any option of measure.py
#
# The suites and what they need come from PyPI once and stay in the target directory; after that nothing is fetched.
# Exit status: 0, 1 when a limit is broken, 77 when the suites cannot be had here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$repository/target}
program=${TESTUDOCTL:-$target/debug/testudoctl}
environment=$target/flow/venv
unset PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX=$target/flow/pycache

[ -x "$program" ] || { echo "no $program: cargo build -p testudoctl"; exit 1; }

if ! cmp -s "$here/requirements.txt" "$environment/installed.txt"; then
  command -v python3 >/dev/null || { echo "skip  flow: python3 is not installed"; exit 77; }
  rm -rf "$environment"
  mkdir -p "$target/flow"
  python3 -m venv "$environment" || { echo "skip  flow: python3 cannot make a virtual environment (python3-venv)"; exit 77; }
  if ! "$environment/bin/pip" install --quiet --retries 2 --no-deps --only-binary :all: \
    -r "$here/requirements.txt" >"$target/flow/pip.log" 2>&1; then
    tail -n 3 "$target/flow/pip.log"
    # A requirement that exists but cannot be installed here and a registry out of reach look the same to us.
    echo "skip  flow: the packages of tests/flow/requirements.txt could not be installed from PyPI"
    exit 77
  fi
  cp "$here/requirements.txt" "$environment/installed.txt"
fi

exec "$environment/bin/python" "$here/measure.py" --testudoctl "$program" --json "$target/flow/figures.json" "$@"
