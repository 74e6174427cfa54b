//! The pure decision, as a table.

use super::*;
use crate::authorship::Standing;
use crate::store::testing::{ANN, origin, reacted, replied, said, unreadable};

fn routed(incoming: &Incoming, standing: Standing) -> Route {
    route(incoming, standing, Ears::new(|_| Behaviour::Quick).as_ref())
}

fn edited(target: u32, text: &str) -> Incoming {
    Incoming::Edit { origin: origin(1, 1, ANN), target: event(target), text: text.into() }
}

fn sent(content: Content) -> Incoming {
    Incoming::Message(Message { origin: origin(1, 1, ANN), thread: None, reply_to: None, content })
}

#[test]
fn each_event_goes_to_who_it_is_for() {
    let redacted = |target| Incoming::Redaction { origin: origin(1, 1, ANN), target: event(target) };
    let joined = Incoming::Member { origin: origin(1, 1, ANN), user: ANN.try_into().unwrap(), joined: true };
    let source = serde_json::Value::Null;
    let file = Content::File { name: "/stop".into(), mime: None, size: None, caption: None, source };
    // What it is; where an owner's, a member's and a bridged person's goes; where a stranger's goes.
    for (incoming, known, stranger) in [
        (said(1, 1, ANN, "hello"), Route::Talk, Route::Unheard),
        (said(1, 1, ANN, "  /status"), Route::Command, Route::Unheard),
        (said(1, 1, ANN, "/stop"), Route::Stop, Route::Unheard),
        (said(1, 1, ANN, "/STOP now"), Route::Stop, Route::Unheard),
        (said(1, 1, ANN, "/stopping"), Route::Command, Route::Unheard),
        (said(1, 1, ANN, "please /stop"), Route::Talk, Route::Unheard),
        (said(1, 1, ANN, "yes 7K3M"), Route::Answer, Route::Unheard),
        (said(1, 1, ANN, "yes, please do"), Route::Talk, Route::Unheard),
        (replied(1, 1, ANN, "no", 999), Route::Answer, Route::Answer),
        (replied(1, 1, ANN, "/deny a-1 too much", 999), Route::Command, Route::Answer),
        (replied(1, 1, ANN, "/stop", 999), Route::Stop, Route::Answer),
        (replied(1, 1, ANN, "no", 5), Route::Talk, Route::Unheard),
        (reacted(1, 1, ANN, 999), Route::Answer, Route::Answer),
        (reacted(1, 1, ANN, 5), Route::Unheard, Route::Unheard),
        (edited(5, "* hello"), Route::Talk, Route::Unheard),
        (edited(5, "/stop"), Route::Talk, Route::Unheard),
        (edited(5, "* yes 7K3M"), Route::Answer, Route::Answer),
        (edited(999, "anything"), Route::Answer, Route::Answer),
        (redacted(5), Route::Talk, Route::Unheard),
        (redacted(999), Route::Answer, Route::Answer),
        (unreadable(1, 1, ANN, "s"), Route::Undecryptable, Route::Unheard),
        (joined, Route::Unheard, Route::Unheard),
        (sent(file), Route::Talk, Route::Unheard),
        (sent(Content::Other("m.location".into())), Route::Unheard, Route::Unheard),
    ] {
        for standing in [Standing::Owner, Standing::Member, Standing::Bridged] {
            assert_eq!(routed(&incoming, standing), known, "{standing:?} {incoming:?}");
        }
        assert_eq!(routed(&incoming, Standing::Stranger), stranger, "{incoming:?}");
    }
}

#[test]
fn while_a_question_waits_reactions_around_it_are_judged() {
    let mut ears = Ears::new(|_| Behaviour::Quick);
    Arc::get_mut(&mut ears).unwrap().waits_in = Some(crate::store::testing::room(1));
    for (of_room, standing, expected) in [
        (1, Standing::Owner, Route::Answer),
        (1, Standing::Member, Route::Answer),
        (1, Standing::Stranger, Route::Unheard),
        (2, Standing::Owner, Route::Unheard),
    ] {
        assert_eq!(
            route(&reacted(1, of_room, ANN, 5), standing, ears.as_ref()),
            expected,
            "{of_room} {standing:?}"
        );
    }
}

#[test]
fn an_edit_never_commands() {
    for text in ["/stop", "* /stop", "/approve a-1 7K3M"] {
        assert_eq!(routed(&edited(5, text), Standing::Owner), Route::Talk, "{text}");
    }
}

#[test]
fn while_a_question_waits_what_is_taken_back_goes_behind_what_is_judged() {
    let mut ears = Ears::new(|_| Behaviour::Quick);
    Arc::get_mut(&mut ears).unwrap().waits_in = Some(crate::store::testing::room(1));
    let redacted = |of_room| Incoming::Redaction { origin: origin(1, of_room, ANN), target: event(5) };
    for (of_room, standing, expected) in [
        (1, Standing::Owner, Route::Answer),
        (1, Standing::Bridged, Route::Answer),
        (1, Standing::Stranger, Route::Unheard),
        (2, Standing::Owner, Route::Talk),
    ] {
        assert_eq!(route(&redacted(of_room), standing, ears.as_ref()), expected, "{of_room} {standing:?}");
    }
}
