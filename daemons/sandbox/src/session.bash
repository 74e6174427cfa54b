# Runs one command of a session. $1 is the command, $2 the directory to start in, if one is asked for; /session holds what
# the last command left. Every name here begins with __testudo, and is not kept. Builtins are called as such, because a
# session may have functions of the same names; nothing here starts a process.

__testudo_keep() {
  local __testudo_status=$? __testudo_on __testudo_name
  {
    __testudo_on=$SHELLOPTS
    builtin set +eux
  } 2>/dev/null
  __testudo_kept=1
  builtin trap - ERR DEBUG RETURN
  # What this writes is read as commands, so the names that are variables' are the only ones there can be.
  for __testudo_name in \
    "${!_@}" "${!a@}" "${!b@}" "${!c@}" "${!d@}" "${!e@}" "${!f@}" "${!g@}" "${!h@}" "${!i@}" "${!j@}" "${!k@}" \
    "${!l@}" "${!m@}" "${!n@}" "${!o@}" "${!p@}" "${!q@}" "${!r@}" "${!s@}" "${!t@}" "${!u@}" "${!v@}" "${!w@}" \
    "${!x@}" "${!y@}" "${!z@}" "${!A@}" "${!B@}" "${!C@}" "${!D@}" "${!E@}" "${!F@}" "${!G@}" "${!H@}" "${!I@}" \
    "${!J@}" "${!K@}" "${!L@}" "${!M@}" "${!N@}" "${!O@}" "${!P@}" "${!Q@}" "${!R@}" "${!S@}" "${!T@}" "${!U@}" \
    "${!V@}" "${!W@}" "${!X@}" "${!Y@}" "${!Z@}"; do
    case $__testudo_name in
      __testudo* | BASH | BASH_* | BASHOPTS | BASHPID | COMP_* | DIRSTACK | EPOCH* | EUID | FUNCNAME | GROUPS | HISTCMD) ;;
      HOSTNAME | HOSTTYPE | LINENO | MACHTYPE | OSTYPE | PIPESTATUS | PPID | PWD | RANDOM | SECONDS | SHELLOPTS | SHLVL | SRANDOM | UID | _) ;;
      *) [[ ${!__testudo_name@a} == *r* ]] || builtin declare -p -- "$__testudo_name" ;;
    esac
  done >/session/next 2>/dev/null
  {
    builtin shopt -p
    builtin umask -p
    builtin unset -f __testudo_keep
    builtin declare -f
    builtin alias -p
    builtin printf '__testudo_directory=%q\n' "$PWD"
    # Only what differs from a new shell, and nothing that would keep the next one from working.
    local IFS=:
    for __testudo_name in $__testudo_on; do
      case $__testudo_name in
        braceexpand | hashall | interactive-comments | onecmd | noexec | privileged | history | monitor) ;;
        *) builtin printf '__testudo_set+=%q\n' "set -o $__testudo_name; " ;;
      esac
    done
    for __testudo_name in braceexpand hashall interactive-comments; do
      [[ :$__testudo_on: == *:$__testudo_name:* ]] || builtin printf '__testudo_set+=%q\n' "set +o $__testudo_name; "
    done
    builtin printf '\n# whole\n'
  } >>/session/next 2>/dev/null
  builtin return "$__testudo_status"
}

__testudo_kept='' __testudo_set='' __testudo_directory=/workspace __testudo_command=$1 __testudo_asked=$2
set --
trap '[[ -n $__testudo_kept ]] || __testudo_keep' EXIT
if [[ -f /session/state ]]; then
  . /session/state >/dev/null 2>&1
fi
if ! builtin cd -- "$__testudo_directory" 2>/dev/null; then
  builtin printf 'the directory %s is gone; this starts in /workspace\n' "$__testudo_directory" >&2
  builtin cd /workspace || builtin exit 126
fi
if [[ -n $__testudo_asked ]] && ! builtin cd -- "$__testudo_asked"; then
  __testudo_kept=1
  builtin exit 126
fi
# So that messages count from the command, not from here.
LINENO=1
builtin eval -- "$__testudo_set$__testudo_command"
__testudo_keep
builtin exit "$?"
