//! English, as far as asking for something goes: what people say when they want a tool of some name to be used.
//!
//! The tables are about offices, homes, banks, journeys and machines in general. A word that is missing makes
//! decisions stricter: what nobody is known to have asked for is asked about.

/// Words that carry no meaning of their own.
const EMPTY: &str = "a an the and or but of to in on at for from with by is are was be been being it its it's this \
    that these those i i'm i've i'd i'll me my mine myself we us our ours you your yours he she they them his her \
    hers their theirs not no nor do does did done has have had having will would shall should can could may might \
    must please hi hey hello dear if as so about there here what which who whom whose when where why how all any \
    some each every both just than then also too into onto out up down over am re re: let's lets get got one two \
    very more most such only own same other another via per using now new thanks thank regards best sincerely \
    yes okay ok";

/// Verbs by which people ask for anything. They end what was asked before them.
const ASKING: &str = "find read check look take give show list search summarize summarise visit go use do help \
    perform follow sort count compare suggest recommend provide explain describe translate calculate compute review \
    analyze analyse choose pick select report keep remind remember wait ensure confirm mention say ask download \
    fetch browse figure determine identify collect gather extract retrieve tell let note watch verify inspect \
    examine scan discover evaluate investigate monitor try consider decide figure query print display highlight";

/// Verbs of tools, each with those by which people ask for it, and the nouns that do as well.
const MEANT: &[(&str, &str)] = &[
    (
        "send",
        "send email e-mail mail message text dm write forward reply respond answer tell notify inform ping contact \
        post share announce publish",
    ),
    ("email", "send email e-mail mail write forward reply tell notify inform"),
    ("mail", "send email e-mail mail write forward reply tell notify inform"),
    ("message", "send message text dm write reply tell notify inform ping"),
    ("notify", "notify inform tell message send alert warn ping email"),
    ("text", "text send message sms write tell"),
    ("dm", "dm message send write tell"),
    ("forward", "forward send pass"),
    ("reply", "reply respond answer write send"),
    ("respond", "reply respond answer write send"),
    ("post", "post publish upload announce share write reply put send tweet"),
    ("publish", "publish post upload release announce"),
    ("announce", "announce post publish send tell"),
    ("comment", "comment reply respond post write add leave"),
    (
        "create",
        "create make add set put book schedule write save draft generate start open register plan arrange \
        organize organise prepare compose build log file record store",
    ),
    ("new", "create make add set put start open"),
    ("make", "make create add set put build prepare"),
    ("draft", "draft write compose prepare create"),
    ("write", "write create save put add store record edit update"),
    ("save", "save store write keep record put"),
    ("add", "add append put insert include write invite attach place enter"),
    ("append", "append add put write insert include"),
    ("insert", "insert add put write include"),
    ("attach", "attach add include put"),
    ("invite", "invite add"),
    ("share", "share give grant"),
    ("grant", "grant give share allow add"),
    ("give", "give grant share send"),
    ("allow", "allow permit grant enable"),
    ("revoke", "revoke remove withdraw cancel"),
    (
        "update",
        "update change modify edit adjust set correct reset replace switch increase raise lower reduce \
        decrease fix amend alter revise",
    ),
    ("change", "change update modify edit adjust set correct reset replace switch alter"),
    ("modify", "modify update change edit adjust set correct alter"),
    ("edit", "edit change update modify correct revise rewrite fix"),
    ("replace", "replace change swap update exchange"),
    ("set", "set change update adjust configure turn switch make reset put"),
    ("configure", "configure set change update adjust"),
    ("reset", "reset change update set restore"),
    ("rename", "rename change call"),
    ("exchange", "exchange swap replace change trade switch"),
    ("swap", "swap exchange replace switch"),
    ("return", "return send give refund"),
    ("convert", "convert change exchange"),
    ("renew", "renew extend prolong"),
    ("extend", "extend prolong renew lengthen"),
    ("upgrade", "upgrade update improve"),
    ("delete", "delete remove trash erase discard drop clear purge wipe"),
    ("remove", "remove delete kick drop take erase clear uninstall"),
    ("clear", "clear empty delete remove wipe erase"),
    ("trash", "trash delete remove discard"),
    ("kick", "kick remove ban"),
    ("ban", "ban block remove kick"),
    ("block", "block ban disable stop"),
    ("cancel", "cancel delete remove abort stop terminate drop"),
    ("close", "close resolve finish shut"),
    ("move", "move reschedule shift relocate put transfer drag"),
    ("reschedule", "reschedule move postpone shift change delay push advance"),
    ("postpone", "postpone reschedule delay move push"),
    ("copy", "copy duplicate clone"),
    ("upload", "upload put save store post publish copy"),
    ("archive", "archive store"),
    ("pay", "pay send transfer settle remit wire"),
    ("transfer", "transfer send pay wire move refund return remit"),
    ("refund", "refund return repay reimburse send"),
    ("wire", "wire transfer send pay"),
    ("donate", "donate give pay send"),
    ("withdraw", "withdraw take"),
    ("deposit", "deposit put pay"),
    ("schedule", "schedule plan book arrange set create add put"),
    ("plan", "plan schedule arrange"),
    ("arrange", "arrange schedule plan organize organise book set"),
    ("book", "book reserve order rent hire reservation booking"),
    ("reserve", "reserve book order rent hire reservation booking"),
    ("rent", "rent hire book reserve"),
    ("order", "order buy purchase get book"),
    ("buy", "buy purchase order get"),
    ("purchase", "purchase buy order get"),
    ("sell", "sell"),
    ("subscribe", "subscribe join sign"),
    ("unsubscribe", "unsubscribe cancel leave stop"),
    ("register", "register sign enroll enrol join"),
    ("enable", "enable activate turn switch start unlock"),
    ("activate", "activate enable turn switch start"),
    ("disable", "disable deactivate turn switch stop block"),
    ("deactivate", "deactivate disable turn switch stop"),
    ("lock", "lock secure close"),
    ("unlock", "unlock open"),
    ("open", "open unlock start"),
    ("turn", "turn switch set put"),
    ("run", "run execute start launch trigger invoke"),
    ("execute", "execute run start launch trigger invoke"),
    ("start", "start begin launch run boot turn"),
    ("stop", "stop end halt kill terminate shut turn"),
    ("restart", "restart reboot"),
    ("deploy", "deploy release ship roll push"),
    ("install", "install add set"),
    ("uninstall", "uninstall remove delete"),
    ("merge", "merge"),
    ("approve", "approve accept confirm"),
    ("accept", "accept approve confirm"),
    ("decline", "decline reject refuse"),
    ("reject", "reject decline refuse"),
    ("assign", "assign give hand"),
    ("submit", "submit send file post hand"),
    ("call", "call phone ring dial"),
    ("follow", "follow subscribe"),
    ("like", "like favorite star"),
    ("star", "star favorite like mark"),
    ("mark", "mark set flag"),
    ("join", "join enter"),
    ("leave", "leave exit quit"),
    ("push", "push"),
    ("commit", "commit"),
    ("remind", "remind"),
    ("play", "play start"),
    ("pause", "pause stop"),
    ("print", "print"),
    ("generate", "generate create make produce"),
    ("import", "import load"),
    ("export", "export save"),
    ("sync", "sync synchronize synchronise"),
    ("backup", "backup back save"),
    ("restore", "restore recover"),
    ("grade", "grade score"),
];

/// What people call the things that tools are named after.
const THINGS: &[&str] = &[
    "email e-mail mail message emails e-mails mails messages letter",
    "message messages dm dms note text sms reply chat msg",
    "event events appointment appointments meeting meetings calendar reminder reminders call lunch dinner \
        breakfast party interview session slot invitation block",
    "calendar event events appointment appointments meeting meetings reminder reminders",
    "reminder reminders alarm notification",
    "file files document documents doc docs note notes list spreadsheet sheet folder report drive",
    "document documents doc docs file files page report",
    "note notes memo",
    "folder folders directory directories",
    "hotel hotels room rooms stay accommodation reservation booking suite",
    "restaurant restaurants table dinner lunch reservation booking",
    "car cars vehicle vehicles rental",
    "flight flights ticket tickets plane",
    "ticket tickets issue issues bug seat seats",
    "issue issues ticket tickets bug bugs problem",
    "transaction transactions payment payments transfer transfers order orders rent subscription bill invoice \
        standing-order",
    "payment payments transaction transactions transfer bill invoice rent subscription fee",
    "money amount payment sum difference refund share bill",
    "order orders purchase",
    "password passwords passcode pin credential credentials",
    "user users member members person people colleague colleagues guy",
    "member members user users person people",
    "profile account information info details address name phone",
    "info information details profile account address name phone personal",
    "information info details profile account address name phone personal",
    "account accounts profile information",
    "address addresses",
    "channel channels group groups room chat",
    "group groups channel channels team",
    "webpage webpages website websites web page pages site sites url blog",
    "website websites webpage webpages web page pages site sites url blog",
    "page pages webpage website site",
    "participant participants attendee attendees guest guests people invitees event meeting",
    "contact contacts person people address",
    "task tasks todo todos item items chore",
    "todo todos task tasks",
    "product products item items",
    "cart basket",
    "photo photos picture pictures image images",
    "image images picture pictures photo photos",
    "video videos clip movie",
    "light lights lamp lamps lighting",
    "thermostat temperature heating heater",
    "device devices appliance",
    "server servers machine machines host instance",
    "repository repositories repo repos project",
    "branch branches",
    "post posts article tweet update",
    "comment comments reply",
    "permission permissions access right rights role",
    "access permission permissions rights",
    "database databases table record",
    "service services daemon",
    "appointment appointments visit slot meeting",
    "subscription subscriptions plan membership",
    "notification notifications alert alerts",
    "stock stocks share shares",
    "medication medicine prescription",
    "prescription medication medicine refill",
];

/// Verbs that say so little that the thing has to be named, too.
const GENERIC: &str = "create add make set put update change modify edit adjust delete remove cancel get write save \
    move open close start stop book reserve order rent hire schedule arrange plan turn switch reset replace upload \
    attach include insert clear drop enable disable give take file record store log correct fix raise lower \
    increase reduce append place enter draft generate prepare register build call push";

/// Verbs of making something: what is made is their object.
const MAKING: &str = "create make add set put book schedule write save draft generate start open register plan \
    arrange organize organise prepare compose build log file record store";

/// Verbs that lend themselves to a noun: make a payment, do an update.
const LIGHT: &str = "make do set give put place have get perform create send";

/// Nouns of doing, each with its verb.
const DOING: &[(&str, &str)] = &[
    ("payment", "pay"),
    ("transfer", "transfer"),
    ("refund", "refund"),
    ("reservation", "reserve"),
    ("booking", "book"),
    ("order", "order"),
    ("purchase", "buy"),
    ("reply", "reply"),
    ("response", "respond"),
    ("invitation", "invite"),
    ("invite", "invite"),
    ("update", "update"),
    ("change", "change"),
    ("post", "post"),
    ("announcement", "announce"),
    ("donation", "donate"),
    ("email", "email"),
    ("mail", "mail"),
    ("message", "message"),
    ("dm", "dm"),
];

fn within(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|known| known == word)
}

/// Whether a word carries no meaning of its own.
pub(super) fn is_empty(word: &str) -> bool {
    word.chars().count() < 2 || within(EMPTY, word)
}

/// Whether people ask for something with this word, in its base form.
pub(super) fn is_asking(word: &str) -> bool {
    word != "new"
        && (within(ASKING, word) || MEANT.iter().any(|(verb, asked)| *verb == word || within(asked, word)))
}

/// Whether this is the verb of a tool's name.
pub(super) fn is_verb(word: &str) -> bool {
    MEANT.iter().any(|(verb, _)| *verb == word)
}

/// Whether a word asks for a tool whose name has this verb.
pub(super) fn asks_for(word: &str, verb: &str) -> bool {
    word == verb || MEANT.iter().any(|(known, asked)| *known == verb && within(asked, word))
}

/// Whether the verb says so little that the thing must be named.
pub(super) fn is_generic(verb: &str) -> bool {
    within(GENERIC, verb)
}

/// Whether the verb makes what is its object.
pub(super) fn makes(verb: &str) -> bool {
    within(MAKING, verb)
}

/// Whether the verb only carries a noun of doing.
pub(super) fn is_light(verb: &str) -> bool {
    within(LIGHT, verb)
}

/// The verb of a noun of doing.
pub(super) fn verb_of(noun: &str) -> Option<&'static str> {
    DOING.iter().find(|(known, _)| *known == noun).map(|(_, verb)| *verb)
}

/// Whether people call a thing of this name by this word.
pub(super) fn names_thing(word: &str, thing: &str) -> bool {
    let (word, thing) = (singular(word), singular(thing));
    word == thing
        || THINGS.iter().any(|line| {
            let mut names = line.split_ascii_whitespace();
            names.next().is_some_and(|first| singular(first) == thing)
                && line.split_ascii_whitespace().any(|name| singular(name) == word)
        })
}

/// A noun without its plural.
pub(super) fn singular(word: &str) -> &str {
    if word.len() < 4 || word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") {
        return word;
    }
    word.strip_suffix('s').unwrap_or(word)
}

/// The part of a word that its forms share, roughly.
pub(super) fn stem(word: &str) -> String {
    let word = word.strip_suffix("'s").unwrap_or(word);
    singular(word).chars().take(6).collect()
}

/// A month by its name or its short name, 1 to 12.
pub(super) fn month(word: &str) -> Option<u8> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let at = MONTHS.iter().position(|name| {
        *name == word
            || (word.len() >= 3 && word.len() <= 4 && name.starts_with(word))
            || (word == "sept" && *name == "september")
    })?;
    u8::try_from(at + 1).ok()
}

/// Whether a word names a day or a month, and so nobody.
pub(super) fn is_calendar(word: &str) -> bool {
    month(word).is_some()
        || within("monday tuesday wednesday thursday friday saturday sunday today tomorrow yesterday", word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_ask_in_many_words() {
        for (word, verb) in
            [("mail", "send"), ("add", "create"), ("postpone", "reschedule"), ("hire", "rent")]
        {
            assert!(asks_for(word, verb), "{word} for {verb}");
        }
        assert!(!asks_for("read", "send"));
        assert!(names_thing("appointments", "event"));
        assert!(!names_thing("car", "hotel"));
        assert_eq!(month("sept"), Some(9));
        assert_eq!(month("marching"), None);
    }

    #[test]
    fn forms_of_a_word_share_a_stem() {
        assert_eq!(stem("summarize"), stem("summary"));
        assert_eq!(stem("reminders"), stem("reminder"));
        assert_ne!(stem("transfer"), stem("transaction"));
    }
}
