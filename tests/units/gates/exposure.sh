# The exposure that systemd computes, against the table. It says nothing about D-Bus rights or about what lies in a
# state directory: a floor, not a proof.
table=$(dirname "$0")/../exposure
scores=()
cd "$UNITS/system" || exit
for unit in *.service; do
  limit=$(awk -v unit="$unit" '$1 == unit { print $2 }' "$table")
  [ -n "$limit" ] || { echo "$unit has no line in the table"; exit 1; }
  report=$(chroot "$ROOT" systemd-analyze security --no-pager --offline=true --threshold="$limit" \
    "/usr/lib/systemd/system/$unit" 2>&1) || { echo "$unit is above $limit:"; grep -F '✗' <<<"$report"; exit 1; }
  score=$(sed -n 's/.*Overall exposure level for .*: \([0-9.]*\) .*/\1/p' <<<"$report")
  name=${unit#testudo-}
  scores+=("${name%.service} $score")
done
(IFS=,; echo "${scores[*]}")
