//! Answers that weigh too little, one-time codes that were not earned, and channels that lie about who answers.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::SystemTime;

use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha1::Sha1;
use testudo_appliance::Plan;
use testudo_tests::{Said, Scene, Started, ablated, repository, text, wait};

/// As an authenticator has it: base32 of the bytes below.
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const BYTES: &[u8] = b"12345678901234567890";

/// The shipped policy, with this weight for what is asked about changes.
fn weighing(plan: &mut Plan, folder: &Path, weight: &str) {
    let policy = std::fs::read_to_string(repository().join("policies/default.toml")).unwrap();
    let (before, after) = policy.split_once("name = \"confirm-changes\"\n").expect("the shipped rule");
    let file = folder.join("policy.toml");
    let rule = format!("{before}name = \"confirm-changes\"\napprove_by = \"{weight}\"\n{after}");
    std::fs::write(&file, rule).unwrap();
    plan.visible.push(folder.to_path_buf());
    plan.set("policyd", "rules", vec![file]);
}

fn scene(weight: &str, without: Option<&str>) -> (tempfile::TempDir, Scene) {
    let folder = readable();
    let scene = Scene::with(|plan| {
        weighing(plan, folder.path(), weight);
        plan.credential("policyd", "testudo.policyd.totp", SECRET);
        if let Some(control) = without {
            ablated(plan, "policyd", control);
        }
    });
    (folder, scene)
}

/// A folder that the users of the daemons can read.
fn readable() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn propose(scene: &Scene, path: &str) -> (Started, Value) {
    let known: Vec<String> = scene.approvals().iter().map(|approval| text(approval, "id")).collect();
    let call = scene.call_start("fs.write", &json!({ "path": path, "content": "new\n" }));
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    (call, scene.next_approval(&known))
}

fn answer(scene: &Scene, approval: &Value, options: &str) -> Said {
    let id = format!("s:{}", text(approval, "id"));
    let digest = format!("s:{}", text(approval, "digest"));
    scene.as_user("root", "Policy1", "Approve", &[&id, &digest, &format!("o:{options}")])
}

fn refused(scene: &Scene, approval: &Value, said: &Said, because: &str) {
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.stdout.starts_with("org.testudo.Error.Denied"), "{said:?}");
    assert!(said.stdout.contains(because), "{said:?}");
    assert!(scene.approvals().iter().any(|other| other["id"] == approval["id"]), "the question stays open");
    assert!(scene.recorded("approval.refused", |record| {
        record["detail"]["approval"] == approval["id"] && text(&record["detail"], "reason").contains(because)
    }));
}

fn deny(scene: &Scene, call: Started, approval: &Value) {
    assert_eq!(scene.ctl(&["deny", &text(approval, "id"), "--reason", "end of the test"]).status, 0);
    assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_DENIED");
}

/// The code of the step that is `drift` away from now, by an implementation of its own.
fn code(drift: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 30;
    let step = now.checked_add_signed(drift).unwrap();
    let mut mac = Hmac::<Sha1>::new_from_slice(BYTES).unwrap();
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[19] & 15);
    let number = u32::from_be_bytes(hash[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// A code that is none of those that hold about now.
fn wrong_code() -> String {
    let right: Vec<String> = (-3..=3).map(code).collect();
    (0..10).map(|number| format!("{number:06}")).find(|other| !right.contains(other)).unwrap()
}

#[test]
fn too_light_an_answer_is_refused_and_the_question_stays() {
    let (_folder, scene) = scene("otp", None);
    let (call, approval) = propose(&scene, "a.txt");
    assert_eq!((&approval["approve_by"], &approval["light"]), (&json!("otp"), &json!(false)));
    for options in ["", "answer=reply", "answer=reaction"] {
        let said = answer(&scene, &approval, options);
        refused(&scene, &approval, &said, "wants a one-time code");
    }
    let said = scene.ctl(&["approve", &text(&approval, "id")]);
    assert_eq!(said.status, 1, "{said:?}");
    assert_eq!(scene.file("a.txt"), None);
    deny(&scene, call, &approval);

    let (_folder, scene) = self::scene("otp", Some("weight"));
    let (call, approval) = propose(&scene, "a.txt");
    let said = answer(&scene, &approval, "answer=reaction");
    assert_eq!(said.status, 0, "without weights a forged reaction approves anything: {said:?}");
    assert_eq!(call.finish().json()["error"], json!(null));
}

#[test]
fn a_reaction_answers_only_what_is_light() {
    let scene = Scene::start();
    let (call, approval) = propose(&scene, "a.txt");
    assert_eq!((&approval["approve_by"], &approval["light"]), (&json!("reply"), &json!(false)));
    let said = answer(&scene, &approval, "answer=reaction");
    refused(&scene, &approval, &said, "wants an answer in words");
    deny(&scene, call, &approval);

    let (_folder, scene) = self::scene("reaction", None);
    let (call, approval) = propose(&scene, "a.txt");
    assert_eq!(approval["light"], true);
    let said = answer(&scene, &approval, "answer=reaction");
    assert_eq!((said.status, &said.json()["weight"]), (0, &json!("reaction")), "{said:?}");
    assert_eq!(call.finish().json()["error"], json!(null));
}

#[test]
fn a_code_is_good_for_one_answer_ever() {
    let (_folder, scene) = scene("otp", None);
    let (call, approval) = propose(&scene, "a.txt");
    // One step back, so that the next one is there without waiting.
    let first = code(-1);
    let said = scene.ctl(&["approve", &text(&approval, "id"), "--code", &first, "--json"]);
    assert_eq!(said.json()[0]["weight"], "otp", "{said:?}");
    assert_eq!(call.finish().json()["error"], json!(null));

    let (call, approval) = propose(&scene, "b.txt");
    refused(&scene, &approval, &answer(&scene, &approval, &format!("code={first}")), "used before");
    // policyd forgets neither the code …
    scene.appliance.kill9("policyd").unwrap();
    scene.appliance.wait_ready("policyd").unwrap();
    refused(&scene, &approval, &answer(&scene, &approval, &format!("code={first}")), "used before");
    // … nor writes one down.
    let said = answer(&scene, &approval, &format!("code={}", code(1)));
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(call.finish().json()["error"], json!(null));
    let log =
        scene.log().iter().map(ToString::to_string).collect::<String>() + &scene.appliance.log("policyd");
    assert!(!log.contains(&format!("\"{first}\"")) && !log.contains(SECRET), "{log}");

    let (_folder, scene) = self::scene("otp", Some("otp-single-use"));
    let first = code(0);
    for path in ["a.txt", "b.txt"] {
        let (call, approval) = propose(&scene, path);
        let said = answer(&scene, &approval, &format!("code={first}"));
        assert_eq!(
            said.status, 0,
            "without single use, a code that was seen once approves anything: {said:?}"
        );
        assert_eq!(call.finish().json()["error"], json!(null));
    }
}

#[test]
fn a_code_spent_on_a_question_that_is_not_there_proves_nothing_and_is_not_lost() {
    let (_folder, scene) = scene("otp", None);
    let (call, approval) = propose(&scene, "a.txt");
    let code = code(0);
    let other =
        [format!("s:{}", text(&approval, "id")), format!("s:{}", "0".repeat(64)), format!("o:code={code}")];
    let other: Vec<&str> = other.iter().map(String::as_str).collect();
    let said = scene.as_user("root", "Policy1", "Approve", &other);
    refused(&scene, &approval, &said, "is for another action");
    assert_eq!(answer(&scene, &approval, &format!("code={code}")).status, 0);
    assert_eq!(call.finish().json()["error"], json!(null));
}

#[test]
fn guessing_codes_locks_them() {
    let attack = |scene: &Scene| {
        let (call, approval) = propose(scene, "a.txt");
        for _ in 0..5 {
            refused(scene, &approval, &answer(scene, &approval, &format!("code={}", wrong_code())), "wrong");
        }
        (call, approval.clone(), answer(scene, &approval, &format!("code={}", code(0))))
    };
    let (_folder, scene) = scene("otp", None);
    let (call, approval, said) = attack(&scene);
    refused(&scene, &approval, &said, "no one-time code is taken now");
    assert!(scene.recorded("otp.locked", |_| true));
    // Neither a restart nor another question helps.
    scene.appliance.kill9("policyd").unwrap();
    scene.appliance.wait_ready("policyd").unwrap();
    let said = answer(&scene, &approval, &format!("code={}", code(0)));
    refused(&scene, &approval, &said, "no one-time code is taken now");
    deny(&scene, call, &approval);

    let (_folder, scene) = self::scene("otp", Some("otp-lockout"));
    let (call, _, said) = attack(&scene);
    assert_eq!(said.status, 0, "without the lock, somebody guesses on until it fits: {said:?}");
    assert_eq!(call.finish().json()["error"], json!(null));
}

#[test]
fn what_is_no_code_is_refused_by_its_form() {
    let (_folder, scene) = scene("otp", None);
    let (call, approval) = propose(&scene, "a.txt");
    for form in ["12345", "1234567", "", "123 45 6", "0x1234", "+12345"] {
        let said = answer(&scene, &approval, &format!("code={form}"));
        assert!(said.stdout.starts_with("org.testudo.Error.InvalidArgument"), "{form}: {said:?}");
    }
    deny(&scene, call, &approval);
}

#[test]
fn the_secret_is_shown_once() {
    let (_folder, scene) = scene("reply", None);
    let said = scene.ctl(&["otp", "enrol"]);
    assert_eq!(said.status, 0, "{said:?}");
    assert!(said.stdout.contains(&format!("secret={SECRET}&")) && said.stdout.contains('▀'), "{said:?}");
    for arguments in [&["otp", "enrol"][..], &["otp", "enrol", "--json"]] {
        let again = scene.ctl(arguments);
        assert_eq!(again.status, 1, "{again:?}");
        assert!(!again.stdout.contains("secret="), "{again:?}");
    }
    scene.appliance.kill9("policyd").unwrap();
    scene.appliance.wait_ready("policyd").unwrap();
    assert_eq!(scene.ctl(&["otp", "enrol"]).status, 1);
    let tried = scene.log().iter().filter(|record| record["event"] == "otp.enrolled").count();
    assert_eq!(tried, 4);

    let scene = Scene::start();
    let said = scene.ctl(&["otp", "enrol"]);
    assert!(said.stderr.contains("no credential testudo.policyd.totp"), "{said:?}");
    let (call, approval) = propose(&scene, "a.txt");
    let said = answer(&scene, &approval, "code=123456");
    refused(&scene, &approval, &said, "no one-time codes here");
    deny(&scene, call, &approval);
}

/// A fake polkit on the bus of a scene, and what it was asked.
struct Polkit(Child);

impl Polkit {
    fn start(scene: &Scene, answer: &str) -> Self {
        let program = Plan::bin_dir_of_test().unwrap().join("testudo-polkit");
        let mut child = scene
            .appliance
            .run_as("root", program)
            .unwrap()
            .arg(answer)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }

    /// Ends it, and gives the first question.
    fn asked(mut self) -> Value {
        self.0.kill().unwrap();
        let mut line = String::new();
        BufReader::new(self.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or(Value::Null)
    }
}

impl Drop for Polkit {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The shipped bus with polkit's own policy file beside ours, as Debian installs it.
fn with_polkit(plan: &mut Plan, folder: &Path, weight: &str) {
    let units = folder.join("units");
    let copied = std::process::Command::new("cp").arg("-r").arg(&plan.units).arg(&units).status().unwrap();
    assert!(copied.success());
    let file = units.join("dbus-1/system.d/org.freedesktop.PolicyKit1.conf");
    let text = "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN\"\n \
        \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n<busconfig>\n\
        <policy user=\"root\"><allow own=\"org.freedesktop.PolicyKit1\"/></policy>\n\
        <policy context=\"default\"><allow send_destination=\"org.freedesktop.PolicyKit1\"/></policy>\n</busconfig>\n";
    std::fs::write(file, text).unwrap();
    plan.units = units;
    weighing(plan, folder, weight);
}

#[test]
fn an_answer_at_this_machine_is_polkits_to_prove() {
    let folder = readable();
    let scene = Scene::with(|plan| with_polkit(plan, folder.path(), "local"));
    let (call, approval) = propose(&scene, "a.txt");
    for options in ["", "answer=reply", "answer=reaction"] {
        refused(&scene, &approval, &answer(&scene, &approval, options), "wants an answer at this machine");
    }
    // Nobody is there to prove it …
    refused(&scene, &approval, &answer(&scene, &approval, "answer=local"), "polkit is not there");
    // … or says no, or could not ask.
    for (word, because) in [("no", "does not authorise"), ("challenge", "could not ask anybody")] {
        let polkit = Polkit::start(&scene, word);
        refused(&scene, &approval, &answer(&scene, &approval, "answer=local"), because);
        assert_eq!(polkit.asked()["action"], "org.testudo.policy.approve");
    }
    assert_eq!(scene.file("a.txt"), None);
    let polkit = Polkit::start(&scene, "yes");
    let said = scene.ctl(&["approve", &text(&approval, "id"), "--json"]);
    assert_eq!(said.json()[0]["weight"], "local", "{said:?}");
    assert_eq!(call.finish().json()["error"], json!(null));
    let asked = polkit.asked();
    assert_eq!((&asked["kind"], &asked["flags"]), (&json!("system-bus-name"), &json!(1)));
    assert!(text(&asked, "name").starts_with(':'), "the person's own connection: {asked}");
    assert!(text(&asked["details"], "polkit.message").contains("fs.write in session cli"), "{asked}");
}

#[test]
fn a_polkit_that_never_answers_is_a_no_in_the_end() {
    let folder = readable();
    let scene = Scene::with(|plan| {
        with_polkit(plan, folder.path(), "local");
        plan.set("policyd", "approval_ttl", "2s");
    });
    let (call, approval) = propose(&scene, "a.txt");
    let _polkit = Polkit::start(&scene, "silent");
    let said = answer(&scene, &approval, "answer=local");
    assert_eq!(said.status, 1, "{said:?}");
    assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_TIMEOUT");
    assert_eq!(scene.file("a.txt"), None);
}

#[test]
fn an_answer_at_this_machine_serves_where_a_code_is_wanted() {
    let folder = readable();
    let scene = Scene::with(|plan| with_polkit(plan, folder.path(), "otp"));
    let (call, approval) = propose(&scene, "a.txt");
    let _polkit = Polkit::start(&scene, "yes");
    let said = scene.ctl(&["approve", &text(&approval, "id"), "--local"]);
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(call.finish().json()["error"], json!(null));
    wait("its record", || {
        scene.recorded("approval.answered", |record| record["detail"]["weight"] == "local").then_some(())
    });
}
