#!/usr/bin/env bash
# What the repository asks of its own files and no other gate looks at.
set -euo pipefail
cd "$(dirname "$0")/.."
bad=0
complain() { printf '%s\n' "$*"; bad=1; }

# A file has one noun; past 400 lines there is a second one. Data and tests may be longer.
while IFS= read -r file; do
  lines=$(sed '/^#\[cfg(test)\]$/,$d' "$file" | wc -l)
  [ "$lines" -le 400 ] || complain "$file: $lines lines before its tests; the most is 400: which second noun wants its own file?"
done < <(git ls-files 'daemons/*/src/*.rs' 'tests/appliance/src/*.rs')

while IFS= read -r file; do
  lines=$(wc -l <"$file")
  [ "$lines" -le 60 ] || complain "$file: $lines lines; a main is at most 60: arguments, configuration, serve"
done < <(git ls-files 'daemons/*/src/main.rs')

while IFS= read -r file; do
  case ${file##*/} in
    utils.rs | util.rs | common.rs | helpers.rs | helper.rs | manager.rs | misc.rs) complain "$file: name the noun" ;;
  esac
done < <(git ls-files '*.rs')

# Each unsafe block says why it is sound.
while IFS=: read -r file line _; do
  sed -n "$((line > 6 ? line - 6 : 1)),${line}p" "$file" | grep -q 'SAFETY' ||
    complain "$file:$line: an unsafe block without SAFETY"
done < <(git grep -n -E 'unsafe \{' -- '*.rs' || true)

lines=$(wc -l <README.md)
[ "$lines" -le 120 ] || complain "README.md: $lines lines; the most is 120"

if command -v shellcheck >/dev/null; then
  mapfile -t scripts < <(git ls-files | while IFS= read -r file; do
    [ -f "$file" ] && head -c 64 "$file" | head -n 1 | grep -qE '^#!.*\b(ba)?sh$' && printf '%s\n' "$file"
  done)
  shellcheck -x -S warning "${scripts[@]}" || bad=1
fi
exit $bad
