#!/usr/bin/env bash
# Puts a homeserver and a second Matrix client into the target directory, once; prints the Python that has them.
#
# Both come from PyPI; after that nothing is fetched. Several may call at once: one installs, the others wait.
# Exit status: 0, 77 when they cannot be had here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
folder=$target/talk
environment=$folder/venv

# A virtual environment names itself by its own path: one that was moved is made anew.
wanted() { cat "$here/requirements.txt" && printf '%s\n' "$environment"; }

mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
if ! cmp -s <(wanted) "$environment/installed.txt"; then
  command -v python3 >/dev/null || { echo "skip  talk: python3 is not installed" >&2; exit 77; }
  rm -rf "$environment"
  python3 -m venv "$environment" || { echo "skip  talk: python3 cannot make a virtual environment (python3-venv)" >&2; exit 77; }
  if ! "$environment/bin/pip" install --quiet --retries 2 --no-deps --only-binary :all: \
    -r "$here/requirements.txt" >"$folder/pip.log" 2>&1; then
    tail -n 3 "$folder/pip.log" >&2
    # A requirement that exists but cannot be installed here and a registry out of reach look the same to us.
    echo "skip  talk: the packages of tests/talk/requirements.txt could not be installed from PyPI" >&2
    exit 77
  fi
  wanted >"$environment/installed.txt"
fi
printf '%s\n' "$environment/bin/python"
