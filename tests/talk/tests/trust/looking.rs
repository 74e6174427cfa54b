//! What these tests look at, and how they hurt the daemon.

use serde_json::Value;
use testudo_tests::Said;
use tokio::task::block_in_place;

use testudo_talk::talk::Talk;

/// What the operator sees of the account.
pub fn status(talk: &Talk) -> Value {
    let said = talk.operator("Status", &[]);
    assert_eq!(said.status, 0, "{said:?}\n{}", talk.told());
    said.json()
}

/// The sentence to a word of the status, while that is so.
pub fn says(talk: &Talk, word: &str) -> Option<String> {
    let conditions = status(talk)["conditions"].clone();
    let found = conditions.as_array()?.iter().find(|condition| condition["word"] == word)?.clone();
    Some(found["text"].as_str()?.to_owned())
}

/// Waits for a word of the status; its sentence.
pub fn comes_to_say(talk: &Talk, word: &str) -> String {
    talk.until(&format!("said to be {word}"), |talk| says(talk, word).is_some());
    says(talk, word).unwrap_or_else(|| panic!("{word} did not last: {}", talk.told()))
}

/// Waits until the account's identity is made and its recovery key can be shown.
pub fn settled(talk: &Talk) {
    talk.until("at rest", |talk| {
        let status = status(talk);
        status["signed"] == true && status["backup"] == true && status["recovery_key"] != "changing"
    });
}

/// The one word that a call answered.
pub fn word(said: &Said) -> String {
    said.stdout.trim().to_owned()
}

/// The state directory of the daemon.
pub fn state(talk: &Talk) -> std::path::PathBuf {
    talk.scene.appliance.state_dir().join("lib/matrixd")
}

/// The daemon is killed and comes again.
pub fn die(talk: &Talk) {
    block_in_place(|| {
        talk.scene.appliance.kill9("matrixd").unwrap();
        talk.scene.appliance.wait_ready("matrixd").unwrap();
    });
}
