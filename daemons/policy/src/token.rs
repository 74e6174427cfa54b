//! Capability tokens: a yes to one step of a plan, carried by whoever enforces it until the step comes.
//!
//! A token is good for exactly one action of exactly one sandbox, once unless it says otherwise, in its turn, until
//! it expires. It is signed with a key that lives as long as the process, so a restart ends all of them. A token
//! that is not valid never denies: the action is then judged as if there were none. Only a [`Granted`] step can be
//! minted into one, and only a plan that a person approved gives those.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use globset::{GlobBuilder, GlobMatcher};
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use testudo::action::Bearer;
use testudo::canonical;

use crate::plan::Granted;

/// How long a token holds unless its terms say otherwise, in milliseconds.
pub const TTL_MS: i64 = 30_000;
/// How many uses a token has unless its terms say otherwise.
pub const MOST_OPS: u32 = 1;

/// A token as it travels. Every field but the signature is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// A UUID.
    pub id: String,
    /// The sandbox's unit.
    pub unit: String,
    /// The sandbox's invocation.
    pub invocation: String,
    /// The tool.
    pub tool: String,
    /// The digest of the one action.
    pub digest: String,
    /// Globs of which every path of the action must match one; empty for any path.
    pub paths: Vec<String>,
    /// How many uses.
    pub max_ops: u32,
    /// When it ends, in milliseconds since 1970 in UTC; at this very time it is over.
    pub expires_ms: i64,
    /// The issuer's count of what it issued.
    pub nonce: u64,
    /// HMAC-SHA256 over the canonical JSON of the other fields, in lower-case hexadecimal.
    pub signature: String,
}

/// What is about to happen, as the decision point knows it; nothing of it comes from the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// The sandbox that would run it; none where there is none.
    pub bearer: Option<Bearer>,
    /// The tool.
    pub tool: String,
    /// The action's digest.
    pub digest: String,
    /// The paths it touches.
    pub paths: Vec<String>,
}

/// For how long, and for how many uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// In milliseconds.
    pub ttl_ms: i64,
    /// Uses of each token.
    pub max_ops: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self { ttl_ms: TTL_MS, max_ops: MOST_OPS }
    }
}

/// Which checks are made. Everything that ships makes [`Checks::ALL`]; a harness takes one out to show what it stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checks {
    /// The action is the one that was granted, by the sandbox it was granted to.
    pub binding: bool,
    /// It is its turn.
    pub order: bool,
}

impl Checks {
    /// All of them.
    pub const ALL: Self = Self { binding: true, order: true };
}

/// Why nothing could be issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot sign the token")]
pub struct IssueError;

/// Issues tokens and knows which of them are good. Its key is never given out, written or shown.
pub struct Mint {
    key: Hmac<Sha256>,
    checks: Checks,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    nonce: u64,
    series: u64,
    issued: HashMap<String, Issued>,
}

/// What the issuer remembers of a token.
struct Issued {
    series: u64,
    rank: usize,
    /// The token that must be used up before this one.
    after: Option<String>,
    expires_ms: i64,
    left: u32,
}

impl Mint {
    /// A mint with this key: 32 random bytes, made when the process starts.
    ///
    /// # Errors
    /// Never for a key of this length; the type says that it could.
    pub fn new(key: [u8; 32], checks: Checks) -> Result<Self, IssueError> {
        let key = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| IssueError)?;
        Ok(Self { key, checks, book: Mutex::default() })
    }

    /// Issues a token for each step, in order: each is good only once the steps before it are done. `ids` gives a
    /// fresh UUID each time.
    ///
    /// # Errors
    /// [`IssueError`]; then none is issued.
    pub fn issue(
        &self,
        steps: &[Granted],
        terms: Terms,
        mut ids: impl FnMut() -> String,
        now_ms: i64,
    ) -> Result<Vec<Token>, IssueError> {
        let mut book = self.lock();
        book.issued.retain(|_, issued| issued.expires_ms > now_ms);
        book.series += 1;
        let expires_ms = now_ms.saturating_add(terms.ttl_ms);
        let mut tokens = Vec::new();
        let mut fresh = Vec::new();
        // The token of each step's call, by the step's number.
        let mut calls: BTreeMap<usize, String> = BTreeMap::new();
        for granted in steps {
            book.nonce += 1;
            let mut token = Token {
                id: ids(),
                unit: granted.bearer().unit.clone(),
                invocation: granted.bearer().invocation.clone(),
                tool: granted.tool().to_owned(),
                digest: granted.digest().to_owned(),
                paths: granted.paths().to_vec(),
                max_ops: terms.max_ops,
                expires_ms,
                nonce: book.nonce,
                signature: String::new(),
            };
            token.signature = hex::encode(self.mac(&token)?.finalize().into_bytes());
            let step = granted.step();
            let (rank, after) = if granted.is_application() {
                (2 * step + 1, calls.get(&step).cloned())
            } else {
                let before = calls.range(..step).next_back().map(|(_, id)| id.clone());
                calls.insert(step, token.id.clone());
                (2 * step, before)
            };
            let (series, left) = (book.series, terms.max_ops);
            fresh.push((token.id.clone(), Issued { series, rank, after, expires_ms, left }));
            tokens.push(token);
        }
        book.issued.extend(fresh);
        Ok(tokens)
    }

    /// Whether the token is good for what is presented, at `now_ms`; if so, one use of it is gone, and every step
    /// before it can no longer happen on a token.
    ///
    /// All conditions are found out before the first one counts, so that how long it takes tells nothing.
    #[must_use = "a token that is not looked at allows nothing"]
    pub fn validate(&self, token: &Token, presented: &Presented, now_ms: i64) -> bool {
        let is_signed = self.is_signed(token);
        let is_in_time = token.expires_ms > now_ms;
        let is_same_unit = presented.bearer.as_ref().is_some_and(|bearer| bearer.unit == token.unit);
        let is_same_life =
            presented.bearer.as_ref().is_some_and(|bearer| bearer.invocation == token.invocation);
        let is_same_tool = presented.tool == token.tool;
        let is_same_action = presented.digest == token.digest;
        let is_in_place = covers(&token.paths, &presented.paths);
        let is_bound = is_same_unit & is_same_life & is_same_tool & is_same_action & is_in_place;
        let mut book = self.lock();
        let has_use = book.issued.get(&token.id).is_some_and(|issued| issued.left > 0);
        let is_its_turn = book.is_its_turn(&token.id);
        let is_valid = is_signed
            && is_in_time
            && has_use
            && (is_bound || !self.checks.binding)
            && (is_its_turn || !self.checks.order);
        if is_valid {
            book.spend(&token.id);
        }
        is_valid
    }

    /// Ends a token at once.
    pub fn revoke(&self, id: &str) {
        self.lock().issued.remove(id);
    }

    /// Ends all tokens at once.
    pub fn revoke_all(&self) {
        self.lock().issued.clear();
    }

    fn is_signed(&self, token: &Token) -> bool {
        let given = hex::decode(&token.signature).unwrap_or_default();
        self.mac(token).is_ok_and(|mac| mac.verify_slice(&given).is_ok())
            // One signature has one spelling.
            & !token.signature.bytes().any(|byte| byte.is_ascii_uppercase())
    }

    fn mac(&self, token: &Token) -> Result<Hmac<Sha256>, IssueError> {
        let mut signed = serde_json::to_value(token).map_err(|_| IssueError)?;
        signed.as_object_mut().ok_or(IssueError)?.remove("signature");
        let mut mac = self.key.clone();
        mac.update(canonical::text(&signed).as_bytes());
        Ok(mac)
    }

    /// Nothing that holds the lock can panic, so a poisoned one still guards a whole book.
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn is_its_turn(&self, id: &str) -> bool {
        let Some(after) = self.issued.get(id).map(|issued| &issued.after) else { return false };
        // One that was revoked before its use never gets used up.
        after.as_ref().is_none_or(|before| self.issued.get(before).is_some_and(|before| before.left == 0))
    }

    fn spend(&mut self, id: &str) {
        let Some(spent) = self.issued.get_mut(id) else { return };
        spent.left -= 1;
        let (series, rank) = (spent.series, spent.rank);
        // What was not done when its turn came is not done out of turn; of two ways to apply, one is over.
        for (other, issued) in &mut self.issued {
            if issued.series == series && issued.rank <= rank && other != id {
                issued.left = 0;
            }
        }
    }
}

impl std::fmt::Debug for Mint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mint").finish_non_exhaustive()
    }
}

/// Whether every path, and at least one, matches a glob; without globs, always.
fn covers(globs: &[String], paths: &[String]) -> bool {
    if globs.is_empty() {
        return true;
    }
    let compiled = |glob: &String| {
        GlobBuilder::new(glob).literal_separator(true).build().map(|glob| glob.compile_matcher())
    };
    let Ok(matchers) = globs.iter().map(compiled).collect::<Result<Vec<GlobMatcher>, _>>() else {
        return false;
    };
    let mut all = !paths.is_empty();
    for path in paths {
        let mut any = false;
        for matcher in &matchers {
            any |= matcher.is_match(path);
        }
        all &= any;
    }
    all
}

#[cfg(test)]
mod tests;
