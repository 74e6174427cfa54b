//! How far a change of the recovery key has come: the pure half of making one and of rotating it.
//!
//! ```text
//!   settled ──▶ started ──▶ made ──▶ settled
//!              (marker)    (key kept; old copies go)
//! ```
//! The marker is on the disk before the homeserver is touched and the key before the marker goes. What happened between
//! two marks is not known after a kill, so the step after a mark can be done again: a key that was made and not kept is
//! replaced by another one, which nobody could have written down either.

/// The mark on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nothing is under way.
    Settled,
    /// A key is being made; whether the homeserver has it is not known.
    Started,
    /// The key is kept; copies of the secrets under older keys may still be there.
    Made,
}

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Rest,
    /// Makes a key on the homeserver and keeps it.
    Make,
    /// Takes the copies under older keys away.
    Prune,
}

impl Stage {
    /// As it is kept; none for what is settled.
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Self::Settled => None,
            Self::Started => Some("started"),
            Self::Made => Some("made"),
        }
    }

    /// From what is kept. A word that is not known is of a later version, where doing everything again is safe.
    pub fn read(word: Option<&str>) -> Self {
        match word {
            None => Self::Settled,
            Some("made") => Self::Made,
            Some(_) => Self::Started,
        }
    }

    /// What is done next.
    pub const fn next(self) -> Next {
        match self {
            Self::Settled => Next::Rest,
            Self::Started => Next::Make,
            Self::Made => Next::Prune,
        }
    }

    /// Where it is after what was next was done.
    #[must_use]
    pub const fn then(self) -> Self {
        match self {
            Self::Started => Self::Made,
            Self::Made | Self::Settled => Self::Settled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A homeserver and a disk, as far as the stages see them.
    #[derive(Default)]
    struct World {
        stage: Option<&'static str>,
        kept: Option<u32>,
        on_server: u32,
        copies: Vec<u32>,
    }

    impl World {
        /// Does what is next; dies before its mark when `killed`.
        fn step(&mut self, killed: bool) -> bool {
            let stage = Stage::read(self.stage);
            match stage.next() {
                Next::Rest => return false,
                Next::Make => {
                    self.on_server += 1;
                    self.copies.push(self.on_server);
                    if !killed {
                        self.kept = Some(self.on_server);
                    }
                }
                Next::Prune => self.copies.retain(|copy| *copy == self.on_server),
            }
            if !killed {
                self.stage = stage.then().word();
            }
            true
        }
    }

    proptest! {
        #[test]
        fn however_often_it_is_killed_the_kept_key_is_the_one_that_opens(kills in proptest::collection::vec(any::<bool>(), 0..20)) {
            let mut world = World { on_server: 1, copies: vec![1], ..World::default() };
            world.stage = Stage::Started.word();
            for killed in kills {
                let _ = world.step(killed);
                if Stage::read(world.stage) != Stage::Started {
                    prop_assert_eq!(world.kept, Some(world.on_server));
                }
            }
            while world.step(false) {}
            prop_assert_eq!(world.kept, Some(world.on_server));
            prop_assert_eq!(world.copies, vec![world.on_server]);
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for stage in [Stage::Settled, Stage::Started, Stage::Made] {
            assert_eq!(Stage::read(stage.word()), stage);
        }
        assert_eq!(Stage::read(Some("of a later version")), Stage::Started);
    }
}
