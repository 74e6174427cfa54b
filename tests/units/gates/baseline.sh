# Every service has the whole hardening baseline, and each line that differs has its reason above it, in drop-ins too.
# See ../baseline.
mapfile -t files < <(find "$UNITS/system" -type f \( -name '*.service' -o -path '*.service.d/*.conf' \) | sort)
awk '
  function complain(what) { printf "%s: %s\n", file, what; bad = 1 }
  function close_unit(key) {
    if (file == "") return
    # A drop-in says only what is different; what it begins anew it must also say.
    if (file ~ /\.conf$/) { for (key in reset) complain(key " is reset and not set") }
    else for (key in want) if (!(key in have)) complain("lacks " key "=" want[key])
    delete reset
    delete have
  }
  FILENAME == ARGV[1] {
    if (/^[^#]/) { key = $0; sub(/=.*/, "", key); want[key] = substr($0, length(key) + 2); total++ }
    next
  }
  FNR == 1 { close_unit(); file = FILENAME; commented = 0; if (file ~ /\.conf$/) dropins++; else units++ }
  /^#/ { commented = 1; next }
  {
    key = $0; sub(/=.*/, "", key)
    if (key in want) {
      have[key] = 1
      value = substr($0, length(key) + 2)
      if (file ~ /\.conf$/ && value == "") { reset[key] = 1; commented = 0; next }
      delete reset[key]
      if (value != want[key]) {
        if (commented) relaxed++
        else complain($0 " is not the baseline and gives no reason")
      }
    }
    commented = 0
  }
  END {
    close_unit()
    if (!bad) printf "%d services, %d keys each, %d drop-ins, %d lines differ with a reason\n", units, total, dropins, relaxed
    exit bad
  }
' "$(dirname "$0")/../baseline" "${files[@]}"
