//! The extension layer through the shipped daemons: what a component denies does not happen, what the rules deny is
//! never shown to it, and a process that loops, is killed, or is killed again is a denial.
//!
//! All components have one body, which goes by the first letter of the text that `echo` is given: `a`llow, `d`eny,
//! `l`oop for ever; everything else passes.

#[expect(dead_code, reason = "made for the extension's own tests, which use all of it")]
#[path = "../../daemons/extension/tests/extension/body.rs"]
mod body;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use testudo_appliance::Plan;
use testudo_tests::{Scene, ablated, repository, text, wait};

/// Less work of the process than this is no endless loop; more is one that has begun.
const WORK: Duration = Duration::from_millis(5);

/// An evaluation may take 100 ms. `policyd` would give up on the whole process after 250 ms only, so what is shorter
/// than this was ended by the process itself.
const PROMPT: Duration = Duration::from_millis(200);

/// The shipped rules, and that nobody may say anything in the session `closed`.
const CLOSED: &str = r#"
[[rule]]
name = "closed"
match = { tool = "echo", session = "closed" }
action = "deny"
reason = "nothing is said here"
"#;

/// The components and the rules of a test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(names: &[&str]) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(folder.path().join("closed.toml"), CLOSED).unwrap();
        let component = body::component(&by_letter());
        for name in names {
            std::fs::write(folder.path().join(format!("{name}.wasm")), &component).unwrap();
        }
        Self(folder)
    }

    fn components(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|suffix| suffix == "wasm")).collect()
    }

    fn of(&self, plan: &mut Plan) {
        let shipped = repository().join("policies/default.toml").canonicalize().unwrap();
        plan.visible.push(self.0.path().to_path_buf());
        plan.set("policyd", "rules", [shipped, self.0.path().join("closed.toml")]);
        plan.set("extension", "components", self.components());
    }
}

fn by_letter() -> String {
    let arguments = body::field::ARGUMENTS;
    let (first, allow, deny) = (r#"{"text":""#.len(), body::ALLOW, body::DENY);
    let letter = format!("(i32.load8_u offset={first} (i32.load offset={arguments} (local.get $call)))");
    let on = |letter_is: char, deed: &str| {
        format!("(if (i32.eq {letter} (i32.const {})) (then {deed}))", u32::from(letter_is))
    };
    [
        on('a', &format!("(return {allow})")),
        on('d', &format!("(return {deny})")),
        on('l', "(loop $on (br $on))"),
        body::PASS.to_owned(),
    ]
    .join("\n")
}

/// What came of saying something in a session: the verdict, and the message of the error if there is one.
fn said_in(scene: &Scene, session: &str, said: &str) -> (String, String) {
    let arguments = json!({ "text": said }).to_string();
    verdict(&scene.ctl(&["call", "echo", &arguments, "--session", session, "--json"]).json())
}

fn said(scene: &Scene, said: &str) -> (String, String) {
    said_in(scene, "main", said)
}

fn verdict(answer: &Value) -> (String, String) {
    (text(answer, "verdict"), text(&answer["error"], "message"))
}

fn allowed() -> (String, String) {
    ("allow".to_owned(), String::new())
}

/// How long the process has worked since it started, all of its threads together.
fn worked(scene: &Scene) -> Duration {
    let pids = scene.appliance.instances("extension").unwrap();
    let [pid] = pids[..] else { panic!("not one process: {pids:?}") };
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let spent = threads.filter_map(|thread| {
        let line = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(spent.sum())
}

/// Has it loop, kills it once it does, and gives what came of the call.
fn killed_meanwhile(scene: &Scene) -> (String, String) {
    let before = worked(scene);
    let call = scene.call_start("echo", &json!({ "text": "loop for ever" }));
    wait("the loop", || (worked(scene) > before + WORK).then_some(()));
    scene.appliance.signal_instances("extension", Signal::SIGKILL).unwrap();
    verdict(&call.finish().json())
}

#[test]
fn the_stricter_of_rules_and_extension_counts() {
    let folder = Folder::new(&["guard"]);
    let scene = Scene::with(|plan| folder.of(plan));
    assert_eq!(said(&scene, "allow me"), allowed());
    assert_eq!(said(&scene, "nothing"), allowed(), "it passes, and the rules allow");
    let (verdict, why) = said(&scene, "deny me");
    assert_eq!(verdict, "deny");
    assert!(why.contains("why."), "{why}");
    let (verdict, why) = said_in(&scene, "closed", "allow me");
    assert_eq!(verdict, "deny", "an extension that allows opens nothing");
    assert!(why.contains("nothing is said here"), "{why}");
}

#[test]
fn what_the_rules_deny_is_not_shown_to_the_extension() {
    let folder = Folder::new(&["guard"]);
    let scene = Scene::with(|plan| folder.of(plan));
    let work_of = |session: &str| {
        let before = worked(&scene);
        let (verdict, why) = said_in(&scene, session, "loop for ever");
        assert_eq!(verdict, "deny");
        (worked(&scene).checked_sub(before).unwrap(), why)
    };
    let (work, why) = work_of("closed");
    assert!(work < WORK && why.contains("nothing is said here"), "{work:?}: {why}");
    let (work, why) = work_of("main");
    assert!(work > WORK && !why.contains("nothing is said here"), "it was asked here: {work:?}: {why}");
}

#[test]
fn an_endless_loop_is_a_denial_within_its_time_and_everybody_lives() {
    let folder = Folder::new(&["guard"]);
    let scene = Scene::with(|plan| folder.of(plan));
    let living = || (scene.pids(), scene.appliance.instances("extension").unwrap());
    let before = living();
    let fastest = |what: &str, wanted: &str| {
        let one = |_| {
            let began = Instant::now();
            let (verdict, why) = said(&scene, what);
            assert_eq!(verdict, wanted, "{why}");
            began.elapsed()
        };
        // The machine may be busy; the fastest of a few says what the daemons need.
        (0..3).map(one).min().unwrap()
    };
    let (passes, loops) = (fastest("nothing", "allow"), fastest("loop for ever", "deny"));
    assert!(loops < passes + PROMPT, "{loops:?} against {passes:?}");
    assert_eq!(living(), before);
}

#[test]
fn killed_once_it_comes_back_and_killed_twice_everything_is_denied() {
    // One after the other, they loop for as long as a call waits.
    let folder = Folder::new(&["a", "b", "c", "d", "e", "f"]);
    let scene = Scene::with(|plan| folder.of(plan));
    let off = || scene.appliance.log("policyd").contains("extension rules are off, every call is denied");

    let (verdict, why) = killed_meanwhile(&scene);
    assert_eq!(verdict, "deny");
    assert!(why.contains("broke off"), "{why}");
    assert_eq!(said(&scene, "nothing"), allowed(), "it was started again");
    assert!(!off());

    assert_eq!(killed_meanwhile(&scene).0, "deny");
    wait("the news in the journal", || off().then_some(()));
    for what in ["nothing", "allow me"] {
        let (verdict, why) = said(&scene, what);
        assert_eq!(verdict, "deny");
        assert!(why.contains("the extension layer is off and denies everything"), "{why}");
    }
    assert_eq!(scene.call("fs.list", &json!({}))["verdict"], "deny");
    assert_eq!(scene.appliance.instances("extension").unwrap(), [0; 0], "there is no third one");

    scene.appliance.restart_unit("policyd").unwrap();
    assert_eq!(said(&scene, "nothing"), allowed(), "a restart of policyd ends it");
}

#[test]
fn without_the_extension_what_it_denies_passes() {
    let folder = Folder::new(&["guard"]);
    let scene = Scene::with(|plan| {
        folder.of(plan);
        ablated(plan, "policyd", "extension");
    });
    assert_eq!(said(&scene, "deny me"), allowed());
}
