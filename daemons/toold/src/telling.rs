//! What a running call prints, told to its caller while it runs.
//!
//! The caller alone gets it, numbered without gaps. Pieces that come quickly are told together, and a caller who reads
//! too slowly loses the rest: neither the call nor the daemon waits for him. The result has all of it in any case.

use std::time::Duration;

use testudo_sandbox::client::Piece;
use tokio::sync::mpsc;

/// Pieces that may wait for the bus.
const WAITING: usize = 256;
/// Bytes that are told at once, about.
const AT_ONCE: usize = 16 * 1024;
/// How long the first piece waits for others, so that a flood is few messages.
const TOGETHER: Duration = Duration::from_millis(20);

/// The end that a call speaks into.
pub type Told = mpsc::Sender<Piece>;

/// Both ends.
pub fn channel() -> (Told, mpsc::Receiver<Piece>) {
    mpsc::channel(WAITING)
}

/// Says a piece, unless the listener fell behind once: then nothing more, so that what was heard has no hole in it.
pub fn say(told: &mut Option<Told>, piece: Piece) {
    if told.as_ref().is_some_and(|told| told.try_send(piece).is_err()) {
        *told = None;
    }
}

/// The next pieces, as far as they are there soon: those of one stream in one. None when the call is over.
pub async fn next(pieces: &mut mpsc::Receiver<Piece>) -> Option<Vec<Piece>> {
    let mut together = vec![pieces.recv().await?];
    let more = async {
        let mut length = 0;
        while length < AT_ONCE
            && let Some(piece) = pieces.recv().await
        {
            length += piece.text.len();
            match together.last_mut() {
                Some(last) if last.error == piece.error => last.text.push_str(&piece.text),
                _ => together.push(piece),
            }
        }
    };
    // What came until then is in the list already.
    let _ = tokio::time::timeout(TOGETHER, more).await;
    Some(together)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(error: bool, text: &str) -> Piece {
        Piece { error, text: text.into() }
    }

    #[tokio::test]
    async fn what_comes_together_is_told_together_and_in_its_order() {
        let (told, mut pieces) = channel();
        let mut told = Some(told);
        for (error, text) in [(false, "a"), (false, "b"), (true, "c"), (false, "d")] {
            say(&mut told, piece(error, text));
        }
        drop(told);
        let together = next(&mut pieces).await.unwrap();
        assert_eq!(together, [piece(false, "ab"), piece(true, "c"), piece(false, "d")]);
        assert_eq!(next(&mut pieces).await, None);
    }

    #[tokio::test]
    async fn a_listener_who_falls_behind_hears_no_more() {
        let (told, mut pieces) = channel();
        let mut told = Some(told);
        for number in 0..=WAITING {
            say(&mut told, piece(number % 2 == 0, &number.to_string()));
        }
        assert!(told.is_none());
        say(&mut told, piece(false, "later"));
        let mut heard = 0;
        while let Some(together) = next(&mut pieces).await {
            heard += together.len();
        }
        assert_eq!(heard, WAITING);
    }
}
