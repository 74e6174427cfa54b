//! The XML in `units/dbus-1/interfaces` is the contract: what the daemons serve is held to it, and so are the lists
//! that exist twice.

use std::collections::BTreeSet;

use testudo_tests::{Scene, repository, talking};

/// Methods and signals of an interface, with the names and types of their arguments, one a line.
fn members(xml: &str, interface: &str) -> BTreeSet<String> {
    // The document type is for people and other tools; it names a file of another host.
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
    let document = roxmltree::Document::parse_with_options(xml, options).unwrap();
    let ours = document
        .descendants()
        .find(|node| node.has_tag_name("interface") && node.attribute("name") == Some(interface))
        .unwrap_or_else(|| panic!("{interface} is not in {xml}"));
    ours.children()
        .filter(roxmltree::Node::is_element)
        .map(|member| {
            let signal = member.has_tag_name("signal");
            let arguments: Vec<String> = member
                .children()
                .filter(|child| child.has_tag_name("arg"))
                .map(|arg| {
                    let direction = arg.attribute("direction").unwrap_or(if signal { "out" } else { "in" });
                    let part = |name| arg.attribute(name).unwrap_or("?");
                    format!("{direction} {}: {}", part("name"), part("type"))
                })
                .collect();
            let name = member.attribute("name").unwrap_or("?");
            format!("{} {name}({})", member.tag_name().name(), arguments.join(", "))
        })
        .collect()
}

#[test]
fn every_daemon_serves_its_xml() {
    let scene = Scene::with(|plan| talking(plan, &[]));
    for name in ["Agent1", "Audit1", "Egress1", "Matrix1", "Models1", "Policy1", "Tools1"] {
        let interface = format!("org.testudo.{name}");
        let file = repository().join(format!("units/dbus-1/interfaces/{interface}.xml"));
        let written = members(&std::fs::read_to_string(file).unwrap(), &interface);
        let served = scene.as_user("root", "--introspect", &interface, &[]).stdout;
        assert_eq!(members(&served, &interface), written, "{interface}");
    }
}

#[test]
fn every_catalogued_message_is_in_the_catalogue_and_the_other_way_round() {
    let text = std::fs::read_to_string(repository().join("units/catalog/testudo.catalog")).unwrap();
    let written: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_prefix("-- ")).collect();
    let known: BTreeSet<&str> = testudo::journal::CATALOGUE.iter().map(|(_, id)| id.0).collect();
    assert_eq!(written, known);
}
