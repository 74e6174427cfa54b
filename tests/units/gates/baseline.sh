# Every service has the whole hardening baseline, and each line that differs has its reason above it. See ../baseline.
awk '
  function complain(what) { printf "%s: %s\n", file, what; bad = 1 }
  function close_unit(key) {
    if (file == "") return
    for (key in want) if (!(key in have)) complain("lacks " key "=" want[key])
    delete have
  }
  FILENAME == ARGV[1] {
    if (/^[^#]/) { key = $0; sub(/=.*/, "", key); want[key] = substr($0, length(key) + 2); total++ }
    next
  }
  FNR == 1 { close_unit(); file = FILENAME; commented = 0; units++ }
  /^#/ { commented = 1; next }
  {
    key = $0; sub(/=.*/, "", key)
    if (key in want) {
      have[key] = 1
      value = substr($0, length(key) + 2)
      if (value != want[key]) {
        if (commented) relaxed++
        else complain($0 " is not the baseline and gives no reason")
      }
    }
    commented = 0
  }
  END { close_unit(); if (!bad) printf "%d services, %d keys each, %d differ with a reason\n", units, total, relaxed; exit bad }
' "$(dirname "$0")/../baseline" "$UNITS"/system/*.service
