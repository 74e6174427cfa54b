#!/bin/bash
# self-test.sh: breaks a copy of units/ in one way after the other and expects the gate named for it to fail.
# A gate that cannot fail guards nothing. Exit status as gates.sh.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
broken=0

# breaks GATE FILE SED-SCRIPT
breaks() {
  rm -rf "${copy:?}/units"
  cp -a "$here/../../units" "$copy/units"
  mkdir -p "$copy/daemons/testudo/src"
  cp "$here/../../daemons/testudo/src/journal.rs" "$copy/daemons/testudo/src/"
  cp -r "$here/../../policies" "$copy/"
  mkdir -p "$copy/docs"
  cp -r "$here/../../docs/man" "$copy/docs/"
  sed -i "$3" "$copy/units/$2"
  if cmp -s "$copy/units/$2" "$here/../../units/$2"; then
    echo "FAIL  self-test: '$3' no longer changes $2"
    broken=1
    return
  fi
  local status=0
  UNITS=$copy/units "$here/gates.sh" "$1" >"$copy/output" || status=$?
  case $status in
    0) echo "FAIL  $1 lets pass: $3 in $2"; broken=1 ;;
    77) cat "$copy/output"; exit 77 ;;
    *) printf 'ok    %-12s refuses: %s\n' "$1" "$(sed -n 's|.*/units/||; 2p' "$copy/output")" ;;
  esac
}

breaks verify system/testudo-toold.service 's/^ProtectHome=/ProtectHouse=/'
breaks verify system/testudo-sandbox@.service '/^CollectMode=/d; s/^Type=exec/&\nCollectMode=inactive/'
breaks verify system/testudo.target 's/testudo-sandbox-workshop\.socket/testudo-sandbox-workshop.sokket/; s/^Wants=/Requires=/'
breaks exposure system/testudo-policyd.service 's/^PrivateNetwork=yes/PrivateNetwork=no/; s/^IPAddressDeny=any//'
breaks exposure system/testudo-sandbox@.service 's/^CapabilityBoundingSet=/&CAP_SYS_ADMIN/'
breaks exposure system/testudo-sandbox-integration-test@.service.d/20-egress.conf 's/^RestrictAddressFamilies=AF_UNIX AF_INET$/&\nPrivateNetwork=no/'
breaks templates system/testudo-sandbox-workshop@.service.d/10-limits.conf '/^MemoryMax=/d'
breaks templates system/testudo-sandbox-workshop.socket 's/workshop.sock/code-executor.sock/'
# A file of its own where a link should be.
breaks templates system/testudo-sandbox-workshop@.service 's/^Description=.*/Description=Another/'
breaks baseline system/testudo-sandbox-integration-test@.service.d/20-egress.conf '/^# AF_UNIX/,/^# of the/d'
breaks exposure system/testudo-extension.service 's/^PrivateNetwork=yes/PrivateNetwork=no/; s/^IPAddressDeny=any//'
breaks order system/testudo-agentd.service '/^ProtectHome=/d; s/^ProtectSystem=.*/ProtectHome=yes\n&/'
breaks order system/testudo-auditd.service 's/^User=/LimitNICE=1\n&/'
breaks baseline system/testudo-auditd.service '/^PrivateIPC=/d'
breaks baseline system/testudo-agentd.service 's/^RestrictNamespaces=yes/RestrictNamespaces=user/'
breaks accounts system/testudo-apply.socket 's/testudo-toold/testudo-tool/'
breaks baseline system/testudo-extension.service '/^MemoryDenyWriteExecute=/d'
breaks accounts system/testudo-extension.socket 's/testudo-policyd/testudo-policy/'
breaks accounts sysusers.d/testudo.conf 's/^m  *testudo-agentd .*/m testudo-agentd testudo/'
breaks directories tmpfiles.d/testudo.conf 's/0750/0755/'
breaks catalogue catalog/testudo.catalog '0,/^-- /s/^-- ./-- f/'
breaks catalogue catalog/testudo.catalog '/^-- c3a1/,/^$/s/^Subject:.*//'
breaks interfaces dbus-1/interfaces/org.testudo.Tools1.xml 's/<method name="Cancel">/<method name="Abort">/'
breaks interfaces dbus-1/interfaces/org.testudo.Agent1.xml 's|</interface>||'
breaks activation dbus-1/system.d/org.testudo.Audit1.conf 's/user="testudo-auditd"/user="testudo-toold"/'
breaks activation dbus-1/system-services/org.testudo.Models1.service 's/^User=.*/User=root/'
breaks activation system/testudo-matrixd.service 's/^Alias=.*/Alias=dbus-org.testudo.Matrix.service/'
breaks exposure system/testudo-matrixd.service '/^IPAddressDeny=/d; s/^ProtectSystem=.*/ProtectSystem=no/'
breaks polkit polkit-1/rules.d/50-testudo.rules 's/"stop", "start"/&, "restart"/'
breaks polkit polkit-1/rules.d/50-testudo.rules 's/"workshop"/"workshp"/'
exit "$broken"
