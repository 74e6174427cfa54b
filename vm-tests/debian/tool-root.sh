#!/bin/bash
# tool-root.sh SANDBOX: prints the path of a sealed tool root, building it when it is not in the cache.
#
# The directory is named after the script that makes it, which names the packages.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
script=$here/../../images/tool-root.sh
cache=${XDG_CACHE_HOME:-$HOME/.cache}/testudo/tool-roots
root=$cache/$(sha256sum "$script" | cut -c1-12)

if [ ! -e "$root/testudo-root.json" ]; then
  mkdir -p "$cache"
  rm -rf "$root" "$root.building"
  SANDBOX=$1 "$script" "$root.building" >&2
  mv "$root.building" "$root"
fi
printf '%s\n' "$root"
