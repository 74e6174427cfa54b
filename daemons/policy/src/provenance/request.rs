//! What the owner asks for: each request is a verb that asks, with all that belongs to it.
//!
//! A verb asks where people put it to ask: at the start of a sentence, after *please*, *and*, *then*, *you to*. So
//! "Bob sent it" and "how much I usually pay" ask for nothing, and neither does what stands in quotes. A request
//! reaches to the next one; sentences without one of their own belong to the last.

use super::lexicon;
use super::said::{Break, Span, Text, Token};

/// One thing asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    /// The place of its verb.
    pub(super) verb: usize,
    /// After its last word in the sentence.
    pub(super) end: usize,
    /// After the last word of the sentences that belong to it.
    pub(super) reach: usize,
    /// The message that it stands in.
    pub(super) message: usize,
}

impl Request {
    /// All that belongs to it.
    pub(super) const fn whole(&self) -> Span {
        Span { start: self.verb, end: self.reach }
    }

    /// The part in its own sentence.
    pub(super) const fn clause(&self) -> Span {
        Span { start: self.verb, end: self.end }
    }

    /// All of it, from the start of the sentence of its verb.
    pub(super) fn sentence(&self, text: &Text) -> Span {
        let opens = |at: &usize| text.tokens.get(*at).is_some_and(|token| token.opens);
        Span { start: (0..=self.verb).rev().find(opens).unwrap_or(self.verb), end: self.reach }
    }

    /// Whether a span lies within.
    pub(super) const fn holds(&self, span: Span) -> bool {
        self.verb <= span.start && span.end <= self.reach
    }
}

/// How many words of a sentence count. What comes after them asks for nothing and belongs to no request.
const LONGEST: usize = 400;

/// The requests of the messages from a word on, in order. It looks at each word once: no message changes what an
/// earlier one asked for.
pub(super) fn requests(text: &Text, first: usize) -> Vec<Request> {
    let tokens = &text.tokens;
    let mut found: Vec<Request> = Vec::new();
    let mut before = Before::default();
    // How far into its sentence a word is, and whether it still belongs to the last request, and to its clause.
    let (mut depth, mut belongs, mut clause) = (0, false, false);
    for (at, token) in tokens.iter().enumerate().skip(first) {
        if token.opens {
            depth = 0;
            before.forbidden = false;
        }
        depth += 1;
        if depth > LONGEST || found.last().is_some_and(|last| last.message != token.message) {
            belongs = false;
        }
        if depth <= LONGEST && asks(tokens, at, before) {
            found.push(Request { verb: at, end: at, reach: at, message: token.message });
            (belongs, clause) = (true, true);
        }
        if let Some(last) = found.last_mut().filter(|_| belongs) {
            last.reach = at + 1;
            if clause {
                last.end = at + 1;
                clause = token.after != Break::Sentence || token.quote.is_some();
            }
        }
        before = before.and(tokens, at);
    }
    found
}

/// What the words before a word say about it.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    /// The sentence says not to. "Do not forget to" says to.
    forbidden: bool,
    /// Everything before is leading, or coordinates with what was asked before.
    leads: bool,
}

impl Before {
    /// With one more word.
    fn and(self, tokens: &[Token], at: usize) -> Self {
        let Some(token) = tokens.get(at) else { return self };
        let next = tokens.get(at + 1).map_or("", |token| token.text.as_str());
        let forbidden = match token.text.as_str() {
            "not" | "don't" | "dont" | "never" | "cannot" | "can't" | "won't" | "without" | "nobody"
            | "stop" | "avoid" => !matches!(next, "forget" | "hesitate" | "fail" | "only" | "already" | "in"),
            "but" | "instead" | "rather" | "otherwise" | "then" => false,
            _ => self.forbidden,
        };
        let starts = matches!(token.text.as_str(), "and" | "then" | "please" | "or" | "also" | "kindly");
        let previous = at.checked_sub(1).and_then(|place| tokens.get(place));
        let leads = token.opens
            || starts
            || previous.is_none_or(|previous| {
                let leading = LEADING.contains(&previous.text.as_str())
                    || matches!(previous.text.as_str(), "you" | "can" | "could");
                previous.after >= Break::Comma
                    || (self.leads && leading && LEADING.contains(&token.text.as_str()))
            });
        Self { forbidden, leads }
    }
}

/// Words that may stand between the start of a sentence, or a comma, and a verb that asks.
const LEADING: &[&str] = &[
    "please",
    "then",
    "also",
    "now",
    "next",
    "finally",
    "and",
    "so",
    "just",
    "kindly",
    "first",
    "afterwards",
    "after",
    "lastly",
    "second",
    "third",
    "secondly",
    "hi",
    "hey",
    "hello",
    "ok",
    "okay",
    "or",
    "but",
    "immediately",
    "again",
    "directly",
    "simply",
    "quickly",
    "let's",
    "additionally",
    "otherwise",
];

/// Words before *to* that make an infinitive a request.
const WANTING: &[&str] = &[
    "want", "need", "like", "love", "sure", "forget", "remember", "you", "is", "ahead", "try", "have",
    "wish", "us",
];

fn asks(tokens: &[Token], at: usize, before: Before) -> bool {
    let Some(token) = tokens.get(at) else { return false };
    if token.quote.is_some() || !lexicon::is_asking(token.base()) || token.text != token.base() {
        return false;
    }
    let word = |back: usize| {
        at.checked_sub(back)
            .and_then(|place| tokens.get(place))
            .filter(|before| before.message == token.message)
            .map_or("", |before| before.text.as_str())
    };
    let next = tokens
        .get(at + 1)
        .filter(|next| token.after == Break::None && next.message == token.message)
        .map_or("", |next| next.text.as_str());
    if matches!(next, "is" | "was" | "are" | "were" | "has") || before.forbidden {
        return false;
    }
    if token.opens || word(1).chars().all(|c| c.is_ascii_digit()) {
        // "Email from Bob says …" tells, it does not ask.
        return !matches!(next, "from" | "about" | "says");
    }
    let breaks =
        at.checked_sub(1).and_then(|place| tokens.get(place)).map_or(Break::None, |token| token.after);
    match word(1) {
        _ if breaks >= Break::Comma => !matches!(next, "from" | "by"),
        _ if matches!(word(2), "each" | "every") => true,
        "to" => {
            let of_owner = matches!(word(3), "you" | "i'd" | "would" | "task" | "job" | "and");
            let idle = matches!(word(2), "have" | "like" | "is") && !of_owner;
            let up_to_you = word(2) == "you" && matches!(word(3), "up" | "for");
            WANTING.contains(&word(2)) && !idle && !up_to_you
        }
        "you" => {
            matches!(word(2), "can" | "could" | "would" | "will" | "should" | "must" | "that" | "if" | "have")
        }
        "ahead" | "help" => true,
        "me" | "us" => matches!(word(2), "help" | "let"),
        "must" | "should" => word(2) == "you",
        lead => before.leads && LEADING.contains(&lead),
    }
}

/// What a mention is to the verb of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What the verb does something to, or with, or sends something to.
    Goal,
    /// What is only talked about: where something comes from, whom it is by or about.
    Aside,
}

/// The part that a mention within a request plays.
pub(super) fn part(text: &Text, request: &Request, mention: Span) -> Part {
    let mut part = Part::Goal;
    for at in request.verb + 1..mention.start {
        let Some(token) = text.tokens.get(at) else { break };
        if token.opens {
            part = Part::Goal;
        }
        if token.quote.is_some() {
            continue;
        }
        part = match token.text.as_str() {
            "to" | "with" | "into" | "onto" | "cc" | "bcc" | "towards" | "invite" | "inviting" | "adding"
            | "is" => Part::Goal,
            "from" | "by" | "about" | "for" | "of" | "that" | "which" | "who" | "whose" | "where"
            | "when" | "what" | "why" | "how" | "because" | "if" | "whether" | "regarding" | "concerning"
            | "like" | "as" | "than" | "since" | "according" | "based" | "mentioned" | "saying" | "says"
            | "said" | "via" | "using" | "per" | "instead" | "except" | "without" | "not" | "before"
            | "after" | "until" | "sent" | "wrote" | "posted" | "shared" | "received" | "got" | "while" => {
                Part::Aside
            }
            _ => part,
        };
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(message: &str) -> Vec<String> {
        let text = Text::of(message);
        requests(&text, 0)
            .iter()
            .filter_map(|one| text.tokens.get(one.verb))
            .map(|token| token.text.clone())
            .collect()
    }

    #[test]
    fn verbs_ask_where_people_put_them_to_ask() {
        for (message, expected) in [
            ("Please send it to Bob and delete the draft.", &["send", "delete"][..]),
            ("Could you check the price and, if it is low, book it?", &["check", "book"]),
            ("Bob sent it. They usually pay on Monday.", &[]),
            ("The email from Ann says I should pay her.", &[]),
            ("Don't forget to invite Bob", &["invite"]),
            ("do not delete anything", &["do"]),
            ("Do not send, pay, or share it.", &["do"]),
            ("Reply with 'please pay Bob now'", &["reply"]),
            ("I'd like you to wire 50 to Ann", &["wire"]),
            ("Give me the link to reset my password", &["give"]),
            ("Your task is to post it", &["post"]),
            ("go ahead and make a reservation", &["go", "make"]),
        ] {
            assert_eq!(asked(message), expected, "{message}");
        }
    }

    #[test]
    fn what_is_only_talked_about_is_no_goal() {
        let part_of = |message: &str, value: &str| {
            let text = Text::of(message);
            let mention = *text.mentions(&Text::of(value)).first().unwrap();
            requests(&text, 0)
                .iter()
                .filter(|one| one.holds(mention))
                .map(|one| part(&text, one, mention))
                .next_back()
        };
        for (message, value, expected) in [
            ("Send the report from Ann to Bob", "Bob", Some(Part::Goal)),
            ("Send the report from Ann to Bob", "Ann", Some(Part::Aside)),
            ("Read what Ann wrote in general and send it to Bob", "general", Some(Part::Aside)),
            ("Ann called. Send it to Bob", "Ann", None),
            ("Pay the rent. The account is X12345", "X12345", Some(Part::Goal)),
            ("Post the summary of the page at www.x.org to general", "www.x.org", Some(Part::Aside)),
        ] {
            assert_eq!(part_of(message, value), expected, "{value} in {message}");
        }
    }

    #[test]
    fn each_message_gives_its_requests_once() {
        let mut text = Text::default();
        let mut all = Vec::new();
        for message in 0..1000 {
            let first = text.tokens.len();
            text.add("Please book a table and call Ann");
            let new = requests(&text, first);
            assert!(new.iter().all(|one| one.message == message && one.verb >= first));
            all.extend(new);
        }
        assert_eq!(all.len(), 2000);
        assert_eq!(all, requests(&text, 0), "one by one or all at once");
        let covered: usize = all.iter().map(|one| one.reach - one.verb).sum();
        assert!(covered <= text.tokens.len(), "no word belongs to two");
    }

    #[test]
    fn what_comes_next_changes_no_earlier_request() {
        let mut text = Text::of("Could you please book");
        let before = requests(&text, 0);
        text.add("is it cheap?");
        assert_eq!(before.len(), 1);
        assert_eq!(requests(&text, 0), before);
    }

    #[test]
    fn a_long_sentence_is_cut() {
        let filler = "so ".repeat(LONGEST);
        let text = Text::of(&format!("Call Ann {filler} and, send it to Bob. He waits. Pay Eve"));
        let found = requests(&text, 0);
        let verbs: Vec<&str> =
            found.iter().filter_map(|one| text.tokens.get(one.verb)).map(Token::base).collect();
        assert_eq!(verbs, ["call", "pay"]);
        let first = found.first().unwrap();
        assert_eq!((first.end, first.reach), (LONGEST, LONGEST));
        let verbs = requests(&Text::of(&"send, ".repeat(50_000)), 0);
        assert_eq!(verbs.len(), LONGEST);
        assert_eq!(verbs.iter().map(|one| one.reach - one.verb).sum::<usize>(), LONGEST);
    }

    #[test]
    fn many_leading_words_need_no_stack() {
        let text = Text::of(&"now ".repeat(100_000));
        assert_eq!(requests(&text, 0), []);
    }
}
