# The journal's catalogue compiles, and has exactly the messages that the daemons send.
output=$(chroot "$ROOT" journalctl --update-catalog 2>&1)
[ -z "$output" ] || { echo "$output"; exit 1; }
listed=$(chroot "$ROOT" journalctl --list-catalog | awk '/ Testudo: / { print $1 }' | sort)
explained=$(sed -n 's/^-- \([0-9a-f]\{32\}\)$/\1/p' "$UNITS/catalog/testudo.catalog" | sort)
[ "$(uniq <<<"$explained")" = "$explained" ] || { echo "an id is explained twice"; exit 1; }
sent=$(grep -oE 'MessageId\("[0-9a-f]{32}"\)' "$UNITS/../daemons/testudo/src/journal.rs" | grep -oE '[0-9a-f]{32}' | sort)
diff <(echo "$sent") <(echo "$explained") || { echo "< sent by journal.rs, > explained by testudo.catalog"; exit 1; }
diff <(echo "$listed") <(echo "$explained") || { echo "< known to journalctl, > in testudo.catalog"; exit 1; }
echo "$(wc -w <<<"$explained") messages"
