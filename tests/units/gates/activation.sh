# A bus name, its activation file, its unit, its user and its policy say the same.
cd "$UNITS" || exit
names=0
for file in dbus-1/interfaces/*.xml; do
  names=$((names + 1))
  name=$(basename "$file" .xml)
  activation=dbus-1/system-services/$name.service
  unit=$(sed -n 's/^SystemdService=//p' "$activation")
  # A daemon that runs only where it is enabled has an alias, and enabling it makes that.
  if [ "$unit" = "dbus-$name.service" ]; then
    file=$(grep -lx "Alias=$unit" system/*.service) || { echo "no unit has the alias $unit"; exit 1; }
    unit=$(basename "$file")
  fi
  grep -qx "Name=$name" "$activation"
  grep -qx "BusName=$name" "system/$unit" || { echo "$unit does not own $name"; exit 1; }
  user=$(sed -n 's/^User=//p' "system/$unit")
  grep -qx "User=$user" "$activation" || { echo "$activation starts another user than $unit"; exit 1; }
  [ "$unit" = "$user.service" ] || { echo "$unit runs as $user"; exit 1; }
  owner=$(awk -v own="<allow own=\"$name\"/>" '/<policy/ { who = $0 } index($0, own) { print who }' dbus-1/system.d/*)
  [ "$owner" = "  <policy user=\"$user\">" ] || { echo "$name may be owned by: $owner"; exit 1; }
done
echo "$names names"
