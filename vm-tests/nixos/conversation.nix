{
  name = "conversation";
  nodes.machine.services.testudo.enable = true;
  testScript = ''
    machine.wait_for_unit("testudo.target")
    machine.succeed("testudoctl send --wait --json \"write 'hi' to notes/a.txt\" >/tmp/reply.json &")
    machine.wait_until_succeeds("testudoctl approvals --json | grep -q '\"id\"'")
    machine.fail("test -e /var/lib/testudo/workspace/notes/a.txt")
    machine.succeed("testudoctl approve $(testudoctl approvals --json | sed -n 's/.*\"id\": *\"\\([^\"]*\\)\".*/\\1/p' | head -n 1)")
    machine.wait_until_succeeds("grep -qx hi /var/lib/testudo/workspace/notes/a.txt")
    machine.succeed("testudoctl audit verify")
    t.assertEqual(machine.succeed("systemctl --failed --no-legend"), "")
  '';
}
