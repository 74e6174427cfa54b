# One order of keys in all units and drop-ins, with a blank line between groups. See ../key-order.
mapfile -t files < <(find "$UNITS/system" -type f | sort)
awk '
  function complain(what) { printf "%s:%d: %s\n", FILENAME, FNR, what; bad = 1 }
  FILENAME == ARGV[1] {
    if (/^#/) next
    if (/^$/) { group++; next }
    if ($0 in rank) complain("listed twice: " $0)
    rank[$0] = ++count; of[$0] = group
    next
  }
  FNR == 1 || /^\[/ { last = 0; lastgroup = 0; blank = 0; next }
  /^#/ { next }
  /^$/ { if (blank) complain("two blank lines"); blank = 1; next }
  {
    key = $0; sub(/=.*/, "", key)
    if (!(key in rank)) complain("unknown to key-order: " key)
    else {
      if (rank[key] < last) complain(key " comes too late")
      if (lastgroup && of[key] != lastgroup && !blank) complain("no blank line before " key)
      if (lastgroup && of[key] == lastgroup && blank) complain("blank line before " key)
      last = rank[key]; lastgroup = of[key]
    }
    blank = 0
  }
  END { exit bad }
' "$(dirname "$0")/../key-order" "${files[@]}"
echo "${#files[@]} files in one order"
