# The interface files are well formed; the bus policy lets somebody call every method and names none that is not there.
cd "$UNITS/dbus-1" || exit
xmllint --noout --nonet interfaces/*.xml system.d/*.conf ../polkit-1/actions/*.policy
bad=0
for file in interfaces/*.xml; do
  name=$(basename "$file" .xml)
  served=$(sed -n 's/.*<method name="\([^"]*\)".*/\1/p' "$file" | sort)
  allowed=$(grep -h "send_interface=\"$name\"" system.d/*.conf | sed -n 's/.*send_member="\([^"]*\)".*/\1/p' | sort -u)
  diff <(echo "$served") <(echo "$allowed") || { echo "$name: < served, > allowed to somebody"; bad=1; }
  # Each method and signal is documented: "Name:" opens its comment.
  while read -r member; do
    grep -q "^      $member:\$" "$file" || { echo "$name: $member is not documented"; bad=1; }
  done < <(sed -n 's/.*<\(method\|signal\) name="\([^"]*\)".*/\2/p' "$file")
done
[ "$bad" -eq 0 ]
echo "$(cat interfaces/*.xml | grep -c '<method') methods, each callable by somebody"
