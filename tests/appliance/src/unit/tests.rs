use super::*;
use crate::name::is_of_kind;

#[test]
fn shipped_units_are_understood() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../units/system");
    let units = Units::load(&directory, "testudo.target").unwrap();
    let mut names: Vec<_> = units.services.iter().map(ServiceUnit::short_name).collect();
    names.sort_unstable();
    assert_eq!(names, ["agentd", "auditd", "egressd", "modeld", "policyd", "toold"]);
    for service in &units.services {
        assert_eq!(service.readiness, Readiness::Notify, "{}", service.name);
        assert_eq!(service.user, service.name.trim_end_matches(".service"));
        assert_eq!(service.restart_prevented_by, [78], "{}", service.name);
        assert!(service.watchdog.is_some() && service.confinement.no_capabilities, "{}", service.name);
        let reaches_out = service.short_name() == "egressd";
        assert_eq!(service.confinement.network, !reaches_out, "{}", service.name);
    }
    let socket = |name: &str| units.sockets.iter().find(|socket| socket.name == name).unwrap();
    let sandbox = socket("testudo-sandbox-workshop.socket");
    assert_eq!(sandbox.path, Path::new("/run/testudo/sandbox/workshop.sock"));
    assert_eq!((sandbox.mode, sandbox.user.as_deref()), (0o600, Some("testudo-toold")));
    let confinement = &sandbox.template.confinement;
    assert!(confinement.network && confinement.pids && confinement.ipc && confinement.read_only_system);
    assert!(confinement.binds.iter().all(|bind| bind.read_only), "{:?}", confinement.binds);
    assert!(!confinement.tmpfs.is_empty());
    let extension = socket("testudo-extension.socket");
    assert!(sandbox.accept && !extension.accept);
    assert_eq!((extension.mode, extension.user.as_deref()), (0o600, Some("testudo-policyd")));
    assert_eq!(extension.template.name, "testudo-extension.service");
    assert!(extension.template.confinement.network && extension.template.wants_configuration);
    for (name, user) in [("calls", "testudo-work"), ("models", "testudo-modeld")] {
        let socket = units.sockets.iter().find(|socket| socket.descriptor_name == name).unwrap();
        assert_eq!(socket.service.as_deref(), Some("testudo-egressd.service"));
        assert_eq!((socket.mode, socket.user.as_deref()), (0o600, Some(user)));
    }
}

#[test]
fn a_template_is_the_text_of_all_with_what_its_drop_ins_say() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../units/system");
    let units = Units::load(&directory, "testudo.target").unwrap();
    let sandboxes: Vec<_> =
        units.sockets.iter().filter(|socket| is_of_kind(&socket.name, "sandbox")).collect();
    assert_eq!(sandboxes.len(), 5);
    for SocketUnit { template, .. } in sandboxes {
        let name = template.short_name().strip_prefix("sandbox-").unwrap();
        assert!(template.command.windows(2).any(|pair| pair == ["--template", name]), "{name}");
        assert_eq!(template.command.iter().filter(|word| word.ends_with("testudo-sandbox")).count(), 1);
        let egress =
            template.confinement.binds.iter().find(|bind| bind.source.ends_with("egress/calls.sock"));
        let networked = matches!(name, "ai-provider" | "integration-test");
        assert_eq!(template.command.contains(&"--egress".to_owned()), networked, "{name}");
        assert_eq!(egress.map(|bind| (bind.optional, bind.read_only)), networked.then_some((true, true)));
        assert!(template.runtime_max.is_some() && template.confinement.network, "{name}");
    }
}

#[test]
fn what_runs_only_where_it_is_enabled_is_not_in_the_target_and_can_be_added() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../units/system");
    let mut units = Units::load(&directory, "testudo.target").unwrap();
    assert!(units.services.iter().all(|service| service.short_name() != "matrixd"));
    units.add(&directory, "testudo-matrixd.service").unwrap();
    let matrixd = units.services.last().unwrap();
    assert_eq!((matrixd.short_name(), matrixd.readiness), ("matrixd", Readiness::Notify));
    assert!(!matrixd.confinement.network && matrixd.confinement.no_capabilities);
    assert!(matrixd.credentials.iter().any(|name| name == "matrix-store-key"));
    assert_eq!(matrixd.state_directories, ["testudo/matrixd"]);
}

#[test]
fn the_longest_prefix_of_the_path_table_wins() {
    let table = PathTable(BTreeMap::from([
        ("/usr/lib/testudo".into(), "/b".into()),
        ("/usr/lib/testudo/testudo-toold".into(), "/h/x".into()),
    ]));
    assert_eq!(table.resolve("/usr/lib/testudo/testudo-toold"), "/h/x");
    assert_eq!(table.resolve("/usr/lib/testudo/testudo-auditd"), "/b/testudo-auditd");
    assert_eq!(table.resolve("/usr/libexec"), "/usr/libexec");
}
