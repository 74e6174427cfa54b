//! The contents of a change set, collected into one memfd while they are hashed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha256};

use crate::memfd;

/// One content in the blob.
pub(super) struct Piece {
    pub(super) size: u64,
    pub(super) sha256: String,
    pub(super) offset: u64,
}

/// A place to come back to.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    length: u64,
    new_bytes: u64,
}

/// The blob under construction.
pub(super) struct Blob {
    file: File,
    length: u64,
    new_bytes: u64,
}

impl Blob {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { file: memfd::create(c"contents")?, length: 0, new_bytes: 0 })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Bytes of new contents; old ones are bounded one by one.
    pub(super) fn new_bytes(&self) -> u64 {
        self.new_bytes
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { length: self.length, new_bytes: self.new_bytes }
    }

    /// Forgets what came after the mark.
    pub(super) fn rewind(&mut self, mark: Mark) -> io::Result<()> {
        self.file.set_len(mark.length)?;
        self.file.seek(SeekFrom::Start(mark.length))?;
        (self.length, self.new_bytes) = (mark.length, mark.new_bytes);
        Ok(())
    }

    /// Adds a new content of no more than `most` bytes.
    pub(super) fn add_new(&mut self, file: &mut File, most: u64) -> io::Result<Piece> {
        let (piece, whole) = self.add(file, most)?;
        if !whole {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.new_bytes += piece.size;
        Ok(piece)
    }

    /// Hashes an old content, and keeps it if it has no more than `most` bytes; says whether.
    pub(super) fn add_old(&mut self, file: &mut File, most: u64) -> io::Result<(Piece, bool)> {
        self.add(file, most)
    }

    fn add(&mut self, file: &mut File, most: u64) -> io::Result<(Piece, bool)> {
        let mark = self.mark();
        let (mut hash, mut size, mut buffer) = (Sha256::new(), 0_u64, [0_u8; 16 * 1024]);
        loop {
            let length = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let bytes = buffer.get(..length).unwrap_or_default();
            hash.update(bytes);
            size += length as u64;
            if size <= most {
                self.file.write_all(bytes)?;
            }
        }
        let kept = size <= most;
        if kept {
            self.length += size;
        } else {
            self.rewind(mark)?;
        }
        Ok((Piece { size, sha256: hex::encode(hash.finalize()), offset: mark.length }, kept))
    }

    /// Bytes that were added before.
    pub(super) fn read(&self, offset: u64, size: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    pub(super) fn seal(self) -> io::Result<OwnedFd> {
        memfd::seal(self.file)
    }
}
