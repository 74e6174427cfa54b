//! Finds texts in a stream, however their characters are spelled, also across the borders of its pieces.
//!
//! Each place where a text may have begun is a [`Trail`], which goes on byte by byte or ends. So every byte is looked at
//! once, whatever the pieces are, and only what comes after the beginning of the oldest trail is held back.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::redaction::Form;
use crate::spelling::{Read, Spelling};

/// Most characters of one break between two lines, with what the next is indented by.
const WIDEST: u8 = 16;

/// What is looked for, and what is put in its place.
pub(crate) struct Needles {
    forms: Vec<Form>,
    by: Bytes,
    /// First bytes of the forms and of every spelling.
    firsts: [bool; 256],
}

/// A place where a form may have begun, and how far it was followed.
#[derive(Clone, Copy)]
struct Trail {
    form: usize,
    began: usize,
    /// The character that comes next.
    at: usize,
    /// White space since the last.
    gap: u8,
    spelling: Spelling,
}

/// What was read and is not settled; places count from its first byte.
#[derive(Default)]
struct Search {
    held: Zeroizing<Vec<u8>>,
    trails: Vec<Trail>,
    /// Where forms are, in their order; those that overlap are one.
    found: Vec<(usize, usize)>,
}

impl Needles {
    /// Looks for `forms`, and replaces them by `by`. Empty ones are left out.
    pub(crate) fn new(forms: impl IntoIterator<Item = Form>, by: Bytes) -> Self {
        let forms: Vec<Form> = forms.into_iter().filter(|form| form.len() > 0).collect();
        let mut firsts = [false; 256];
        for (byte, first) in (0..=u8::MAX).zip(&mut firsts) {
            let begins = |form: &Form| Spelling::begins(byte) || form.has(0, byte, false);
            *first = forms.iter().any(begins);
        }
        Self { forms, by, firsts }
    }

    /// `bytes` as a whole with everything found replaced, and whether something was.
    pub(crate) fn replace(&self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut search = Search::default();
        search.read(self, bytes, false);
        search.trails.clear();
        search.settle(&self.by)
    }

    /// Whether something is in `bytes`, whatever its letters' case.
    pub(crate) fn hides_in(&self, bytes: &[u8]) -> bool {
        let mut search = Search::default();
        search.read(self, bytes, true);
        !search.found.is_empty()
    }

    /// What one more byte makes of a trail: where it goes on, and whether the form is whole.
    fn follow(&self, trail: Trail, byte: u8, fold: bool, next: &mut Vec<Trail>) -> bool {
        let Some(form) = self.forms.get(trail.form) else { return false };
        let mut whole = false;
        trail.spelling.read(byte, &mut |read| match read {
            Read::More(spelling) => next.push(Trail { spelling, ..trail }),
            Read::Whole(byte) if form.has(trail.at, byte, fold) => {
                whole |= trail.at + 1 == form.len();
                if trail.at + 1 < form.len() {
                    next.push(Trail { at: trail.at + 1, gap: 0, spelling: Spelling::Fresh, ..trail });
                }
            }
            Read::Whole(byte) => {
                let breaks = form.breaks() && trail.at > 0 && trail.gap < WIDEST;
                if breaks && byte.is_ascii_whitespace() {
                    next.push(Trail { gap: trail.gap + 1, spelling: Spelling::Fresh, ..trail });
                }
            }
        });
        whole
    }
}

impl Search {
    fn read(&mut self, needles: &Needles, bytes: &[u8], fold: bool) {
        let mut next = Vec::new();
        for byte in bytes {
            let here = self.held.len();
            self.held.push(*byte);
            for trail in &self.trails {
                if needles.follow(*trail, *byte, fold, &mut next) {
                    mark(&mut self.found, trail.began, here + 1);
                }
            }
            if fold || needles.firsts.get(usize::from(*byte)).copied().unwrap_or_default() {
                for form in 0..needles.forms.len() {
                    let trail = Trail { form, began: here, at: 0, gap: 0, spelling: Spelling::Fresh };
                    if needles.follow(trail, *byte, fold, &mut next) {
                        mark(&mut self.found, here, here + 1);
                    }
                }
            }
            std::mem::swap(&mut self.trails, &mut next);
            next.clear();
        }
    }

    /// Takes out what no trail can change any more.
    fn settle(&mut self, by: &[u8]) -> (Vec<u8>, bool) {
        let oldest = self.trails.iter().map(|trail| trail.began).min().unwrap_or(self.held.len());
        // A form that a trail began inside of may still become longer.
        let open = |(from, to): &&(usize, usize)| *from < oldest && oldest < *to;
        let settled = self.found.iter().find(open).map_or(oldest, |(from, _)| *from);
        let (mut out, mut copied, mut replaced) = (Vec::with_capacity(settled), 0, false);
        for (from, to) in self.found.iter().filter(|(_, to)| *to <= settled) {
            out.extend_from_slice(self.held.get(copied..*from).unwrap_or_default());
            out.extend_from_slice(by);
            (copied, replaced) = (*to, true);
        }
        out.extend_from_slice(self.held.get(copied..settled).unwrap_or_default());
        self.held.drain(..settled);
        self.found.retain(|(_, to)| *to > settled);
        self.found.iter_mut().for_each(|(from, to)| (*from, *to) = (*from - settled, *to - settled));
        self.trails.iter_mut().for_each(|trail| trail.began -= settled);
        (out, replaced)
    }
}

/// Adds what ends at `to`, which is not before the end of any other.
fn mark(found: &mut Vec<(usize, usize)>, mut from: usize, to: usize) {
    while let Some((before, _)) = found.pop_if(|(_, end)| *end > from) {
        from = from.min(before);
    }
    found.push((from, to));
}

impl fmt::Debug for Needles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Needles({})", self.forms.len())
    }
}

/// Replaces what is found in one stream. Holds back only what may be the beginning of a form.
pub(crate) struct Blotter {
    needles: Arc<Needles>,
    search: Search,
}

impl Blotter {
    /// A stream of which nothing was read.
    pub(crate) fn new(needles: Arc<Needles>) -> Self {
        Self { needles, search: Search::default() }
    }

    /// What may go on of what was held and of the next piece, and whether something was replaced.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> (Vec<u8>, bool) {
        self.search.read(&self.needles, piece, false);
        self.search.settle(&self.needles.by)
    }

    /// What was held when the stream ends.
    pub(crate) fn end(&mut self) -> (Vec<u8>, bool) {
        self.search.trails.clear();
        self.search.settle(&self.needles.by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redaction::Kind;

    fn needles(forms: &[&str]) -> Arc<Needles> {
        let form = |form: &&str| Form::new(form.as_bytes().to_vec(), Kind::Exact);
        Arc::new(Needles::new(forms.iter().map(form), Bytes::from_static(b"[x]")))
    }

    fn through(needles: &Arc<Needles>, pieces: &[&[u8]]) -> Vec<u8> {
        let mut blotter = Blotter::new(Arc::clone(needles));
        let mut out: Vec<u8> = pieces.iter().flat_map(|piece| blotter.feed(piece).0).collect();
        out.extend(blotter.end().0);
        out
    }

    #[test]
    fn finds_across_every_border() {
        let needles = needles(&["sesame", "open sesame!"]);
        let text = b"say open sesame! or sesame or sesam";
        for first in 0..text.len() {
            for second in first..text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(through(&needles, &pieces), b"say [x] or [x] or sesam", "{first} {second}");
            }
        }
    }

    #[test]
    fn holds_back_nothing_that_is_no_beginning() {
        let mut blotter = Blotter::new(needles(&["sesame"]));
        assert_eq!(blotter.feed(b"data: {}\n\n").0, b"data: {}\n\n");
        assert_eq!(blotter.feed(b"data: ses").0, b"data: ");
        assert_eq!(blotter.feed(b"sion").0, b"session");
    }

    #[test]
    fn a_beginning_inside_of_a_beginning_is_not_lost() {
        let needles = needles(&["aab"]);
        assert_eq!(through(&needles, &[b"a", b"a", b"a", b"b", b"c"]), b"a[x]c");
    }

    #[test]
    fn a_spelling_is_found_across_every_border() {
        let needles = needles(&["sk+/=open"]);
        let text = b"a sk\\u002b%2F&#x3d;open, \\u0073k%2b\\/=&#111;pen and sk%2b";
        for first in 0..text.len() {
            for second in first..text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(through(&needles, &pieces), b"a [x], [x] and sk%2b", "{first} {second}");
            }
        }
    }

    #[test]
    fn what_is_held_back_has_an_end() {
        let form = Form::new(b"c2VjcmV0LXZhbHVl".to_vec(), Kind::Base64);
        let mut blotter = Blotter::new(Arc::new(Needles::new([form], Bytes::from_static(b"[x]"))));
        for endless in ["c\n", "%2525", "&#0", "\\\\"] {
            let sent: Vec<u8> = endless.bytes().chain(endless.bytes().skip(1).cycle().take(4096)).collect();
            blotter.feed(&sent);
            assert!(blotter.search.held.len() < 100, "{endless}: {}", blotter.search.held.len());
            blotter.feed(b" . ");
        }
    }

    proptest::proptest! {
        #[test]
        fn pieces_make_no_difference(text in "[ab]{0,60}", cuts in proptest::collection::vec(0_usize..60, 0..6)) {
            let needles = needles(&["abba", "bab", "aaaab"]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
            let out = through(&needles, &pieces);
            proptest::prop_assert_eq!(&out, &needles.replace(text.as_bytes()).0);
            for form in ["abba", "bab", "aaaab"] {
                proptest::prop_assert!(!String::from_utf8_lossy(&out).contains(form));
            }
        }
    }
}
