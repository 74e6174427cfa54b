use matrix_sdk::ruma::{device_id, event_id, owned_device_id, room_id, user_id};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::incoming::Content;

fn take(event: &Value, wrapping: Wrapping<'_>) -> Option<Incoming> {
    let trust = match wrapping {
        Wrapping::Decrypted => Trust::Verified(device_id!("D").to_owned()),
        _ => Trust::Plain,
    };
    read(user_id!("@t:home.org"), room_id!("!r:home.org"), open(&event.to_string())?, wrapping, trust)
}

fn event(kind: &str, content: &Value) -> Value {
    json!({
        "event_id": "$e:home.org", "sender": "@ann:home.org", "type": kind, "origin_server_ts": 5, "content": content,
    })
}

fn message(content: &Value) -> Message {
    match take(&event("m.room.message", content), Wrapping::Decrypted) {
        Some(Incoming::Message(message)) => message,
        other => panic!("no message: {other:?}"),
    }
}

#[test]
fn words_come_with_where_they_came_from() {
    let said = message(&json!({ "msgtype": "m.text", "body": "hello" }));
    assert_eq!(said.content, Content::Text("hello".into()));
    assert_eq!(said.origin.sender, "@ann:home.org");
    assert_eq!(said.origin.event, event_id!("$e:home.org"));
    assert_eq!(said.origin.trust, Trust::Verified(owned_device_id!("D")));
    assert_eq!((said.thread, said.reply_to), (None, None));
}

#[test]
fn a_thread_is_no_reply_and_a_reply_in_a_thread_is_both() {
    let thread = |fallback: Option<bool>| {
        let mut relation = json!({
            "rel_type": "m.thread", "event_id": "$root", "m.in_reply_to": { "event_id": "$last" },
        });
        if let Some(fallback) = fallback {
            relation["is_falling_back"] = fallback.into();
        }
        message(&json!({ "msgtype": "m.text", "body": "x", "m.relates_to": relation }))
    };
    assert_eq!(thread(Some(true)).reply_to, None);
    for real in [thread(Some(false)), thread(None)] {
        assert_eq!(real.thread.as_deref(), Some(event_id!("$root")));
        assert_eq!(real.reply_to.as_deref(), Some(event_id!("$last")));
    }
}

#[test]
fn a_reply_loses_the_words_of_others() {
    for (body, own) in [
        ("> <@t:home.org> may I?\n> second\n\nyes AB12", "yes AB12"),
        ("> <@t:home.org> may I?\nyes", "yes"),
        ("> <@t:home.org> yes AB12", ""),
        ("> a quotation of his own\n\nyes", "> a quotation of his own\n\nyes"),
        ("no", "no"),
    ] {
        let relation = json!({ "m.in_reply_to": { "event_id": "$p" } });
        let said = message(&json!({ "msgtype": "m.text", "body": body, "m.relates_to": relation }));
        assert_eq!(said.content, Content::Text(own.into()), "{body:?}");
    }
}

#[test]
fn an_edit_is_never_a_message() {
    let edit = |relation: &Value, new: &Value| {
        let content =
            json!({ "msgtype": "m.text", "body": "* rm", "m.relates_to": relation, "m.new_content": new });
        take(&event("m.room.message", &content), Wrapping::Decrypted)
    };
    let whole = edit(&json!({ "rel_type": "m.replace", "event_id": "$o" }), &json!({ "body": "rm" }));
    assert!(matches!(whole, Some(Incoming::Edit { target, text, .. }) if target == "$o" && text == "rm"));
    for relation in [json!({ "rel_type": "m.replace" }), json!({ "rel_type": "m.replace", "event_id": 7 })] {
        let Some(Incoming::Message(half)) = edit(&relation, &json!({ "body": "rm" })) else { panic!() };
        assert_eq!(half.content, Content::Other("m.replace".into()));
    }
}

#[test]
fn a_body_is_cut_at_a_bound_and_between_characters() {
    for body in ["ä".repeat(40 * 1024), "x".repeat(64 * 1024)] {
        let Content::Text(text) = message(&json!({ "msgtype": "m.text", "body": body })).content else {
            panic!()
        };
        assert!(text.len() < content::WORDS + 64 && text.contains("left out"), "{}", text.len());
    }
    assert!(open(&event("m.room.message", &json!({ "body": "x".repeat(LARGEST) })).to_string()).is_none());
}

#[test]
fn a_file_has_a_name_a_caption_and_a_source() {
    let Content::File { name, caption, mime, size, source } = message(&json!({
        "msgtype": "m.image", "body": "look", "filename": "../../etc/passwd", "file": { "url": "mxc://h/1" },
        "info": { "mimetype": "image/png", "size": 9 },
    }))
    .content
    else {
        panic!()
    };
    assert_eq!((name.as_str(), caption.as_deref()), ("../../etc/passwd", Some("look")));
    assert_eq!((mime.as_deref(), size), (Some("image/png"), Some(9)));
    assert_eq!(source, json!({ "file": { "url": "mxc://h/1" } }));
    let nowhere = message(&json!({ "msgtype": "m.file", "body": "x" }));
    assert_eq!(nowhere.content, Content::Other("m.file".into()));
    let notice = message(&json!({ "msgtype": "m.notice", "body": "I am a bot" }));
    assert_eq!(notice.content, Content::Other("m.notice".into()));
}

#[test]
fn a_reaction_needs_its_target_and_its_key() {
    let reaction =
        |relation: &Value| take(&event("m.reaction", &json!({ "m.relates_to": relation })), Wrapping::Plain);
    let whole = reaction(&json!({ "rel_type": "m.annotation", "event_id": "$p", "key": "✅".repeat(500) }));
    assert!(
        matches!(whole, Some(Incoming::Reaction { target, key, .. }) if target == "$p" && key.chars().count() == 64)
    );
    for half in [
        json!({ "rel_type": "m.annotation", "event_id": "$p" }),
        json!({ "rel_type": "m.thread", "event_id": "$p", "key": "✅" }),
        json!({ "rel_type": "m.annotation", "event_id": "no id", "key": "✅" }),
        json!("✅"),
    ] {
        assert_eq!(reaction(&half), None, "{half}");
    }
}

#[test]
fn a_redaction_is_found_in_both_places_and_only_in_the_clear() {
    let mut old = event("m.room.redaction", &json!({}));
    old["redacts"] = "$x".into();
    let new = event("m.room.redaction", &json!({ "redacts": "$x" }));
    for redaction in [old, new] {
        let taken = take(&redaction, Wrapping::Plain);
        assert!(matches!(taken, Some(Incoming::Redaction { target, .. }) if target == "$x"));
        assert_eq!(take(&redaction, Wrapping::Decrypted), None);
    }
}

#[test]
fn a_membership_inside_of_an_encrypted_event_is_none() {
    let mut member = event("m.room.member", &json!({ "membership": "join" }));
    member["state_key"] = "@bob:home.org".into();
    assert!(matches!(take(&member, Wrapping::Plain), Some(Incoming::Member { joined: true, .. })));
    assert_eq!(take(&member, Wrapping::Decrypted), None);
    member["state_key"] = "not a user".into();
    assert_eq!(take(&member, Wrapping::Plain), None);
}

#[test]
fn what_we_said_and_what_was_taken_back_is_nothing() {
    let mut own = event("m.room.message", &json!({ "msgtype": "m.text", "body": "yes AB12" }));
    own["sender"] = "@t:home.org".into();
    assert_eq!(take(&own, Wrapping::Decrypted), None);
    let mut gone = event("m.room.message", &json!({}));
    gone["unsigned"] = json!({ "redacted_because": {} });
    assert_eq!(take(&gone, Wrapping::Plain), None);
}

#[test]
fn what_cannot_be_decrypted_says_which_key_is_missing() {
    let sealed = event("m.room.encrypted", &json!({ "ciphertext": "…" }));
    let taken = take(&sealed, Wrapping::Undecryptable(Some("S")));
    assert!(matches!(taken, Some(Incoming::Undecryptable { session: Some(session), .. }) if session == "S"));
}

#[test]
fn odd_names_are_taken_as_they_are_or_not_at_all() {
    for (sender, is_taken) in [
        ("@:home.org", true),
        ("@a/b=c+d:home.org", true),
        ("@Ann:home.org", true),
        ("ann:home.org", false),
        ("@ann", false),
        ("@ann:", false),
        ("", false),
    ] {
        let mut odd = event("m.room.message", &json!({ "msgtype": "m.text", "body": "x" }));
        odd["sender"] = sender.into();
        let taken = take(&odd, Wrapping::Plain);
        assert_eq!(taken.is_some(), is_taken, "{sender:?}");
        assert!(taken.is_none_or(|taken| taken.origin().sender == sender));
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop_oneof![Just("m.replace"), Just("m.thread"), Just("$e"), Just("m.text"), Just("m.file")]
            .prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("m.relates_to"),
        Just("rel_type"),
        Just("event_id"),
        Just("m.in_reply_to"),
        Just("m.new_content"),
        Just("body"),
        Just("msgtype"),
        Just("file"),
        Just("info"),
        Just("membership"),
    ];
    leaf.prop_recursive(4, 64, 6, move |inner| {
        prop::collection::btree_map(name.clone(), inner, 0..6)
            .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    })
}

proptest! {
    #[test]
    fn nothing_that_a_homeserver_sends_stops_us(content in any_json(), kind in 0_usize..5, plain: bool) {
        let kind = ["m.room.message", "m.reaction", "m.room.redaction", "m.room.member", "m.sticker"][kind];
        let wrapping = if plain { Wrapping::Plain } else { Wrapping::Decrypted };
        let _ = take(&event(kind, &content), wrapping);
    }
}
