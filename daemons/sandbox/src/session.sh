# Runs one command of a session where there is no bash: only the directory and exported variables are kept. $1 is the
# command, $2 the directory to start in, if one is asked for; /session holds what the last command left.

__testudo_keep() {
  __testudo_status=$?
  set +eux
  trap - EXIT
  __testudo_directory=$PWD
  unset __testudo_command __testudo_asked PWD SHLVL
  {
    export __testudo_directory
    export -p
    printf '\n# whole\n'
  } >/session/next 2>/dev/null
  exit "$__testudo_status"
}

__testudo_directory=/workspace __testudo_command=$1 __testudo_asked=$2
set --
trap __testudo_keep EXIT
if [ -f /session/state ]; then
  . /session/state >/dev/null 2>&1
fi
if ! cd -- "$__testudo_directory" 2>/dev/null; then
  printf 'the directory %s is gone; this starts in /workspace\n' "$__testudo_directory" >&2
  cd /workspace || exit 126
fi
unset __testudo_directory
if [ -n "$__testudo_asked" ] && ! cd -- "$__testudo_asked"; then
  trap - EXIT
  exit 126
fi
eval "$__testudo_command"
