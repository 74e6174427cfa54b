//! The sockets of the daemons.

use testudo_tests::Scene;

#[test]
fn the_daemons_sockets_are_not_in_sight() {
    let scene = Scene::start();
    let said = scene.shell("ls -d /run /run/testudo /run/testudo/*.sock /run/systemd /run/dbus");
    assert_eq!(said["stdout"], "", "{said}");
}
