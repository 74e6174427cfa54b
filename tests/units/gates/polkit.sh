# The rule of polkit names exactly our templates, and lets toold do what it must and nothing else. Its language is
# JavaScript: where there is an interpreter the rule is tried, elsewhere only read; vm-tests/debian tries it in polkitd.
rule=$UNITS/polkit-1/rules.d/50-testudo.rules
named=$(sed -n 's/.*var templates = \[\(.*\)\];/\1/p' "$rule" | tr -d '" ' | tr ',' '\n' | sort)
shipped=$(find "$UNITS/system" -name 'testudo-sandbox-*.socket' -printf '%f\n' | sed 's/^testudo-sandbox-//; s/\.socket$//' | sort)
diff <(echo "$shipped") <(echo "$named") || { echo "< templates of units, > templates of the rule"; exit 1; }
cmp -s "$rule" "$ROOT/usr/share/polkit-1/rules.d/50-testudo.rules" || { echo "it is not installed"; exit 1; }
command -v node >/dev/null || { echo "$(wc -w <<<"$named") templates; not tried, there is no interpreter"; exit 0; }
node - "$rule" <<'X'
const fs = require("fs");
let rule;
global.polkit = { Result: { YES: "yes", NO: "no", NOT_HANDLED: "other" }, addRule: (f) => { rule = f; } };
eval(fs.readFileSync(process.argv[2], "utf8"));
const manage = "org.freedesktop.systemd1.manage-units";
const ask = (user, id, unit, verb) => rule({ id, lookup: (key) => ({ unit, verb })[key] }, { user });
const ours = "testudo-sandbox-workshop@3-12-988.service";
const cases = [
  ["testudo-toold", manage, ours, "stop", "yes"],
  ["testudo-toold", manage, ours, "start", "yes"],
  ["testudo-toold", manage, ours, "restart", "no"],
  ["testudo-toold", manage, ours, "set-property", "no"],
  ["testudo-toold", manage, "testudo-auditd.service", "stop", "no"],
  ["testudo-toold", manage, "testudo-sandbox-workshop.socket", "stop", "no"],
  ["testudo-toold", manage, "testudo-sandbox-evil@1.service", "stop", "no"],
  ["testudo-toold", manage, "x-testudo-sandbox-workshop@1.service", "stop", "no"],
  ["testudo-toold", manage, "testudo-sandbox-workshop@1.service.mount", "stop", "no"],
  ["testudo-toold", manage, undefined, undefined, "no"],
  ["testudo-toold", "org.freedesktop.systemd1.reload-daemon", undefined, undefined, "other"],
  ["testudo-agentd", manage, ours, "stop", "other"],
  ["alice", manage, ours, "stop", "other"],
];
let bad = 0;
for (const [user, id, unit, verb, expected] of cases) {
  const found = ask(user, id, unit, verb);
  if (found !== expected) { console.log(`${user} ${verb} ${unit}: ${found}, and should be ${expected}`); bad = 1; }
}
if (!bad) console.log(`${cases.length} cases`);
process.exit(bad);
X
