//! Sealed memfds: bytes that nobody can change after they were handed over.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use sha2::{Digest, Sha256};

const SEALS: SealFlag = SealFlag::F_SEAL_SEAL
    .union(SealFlag::F_SEAL_SHRINK)
    .union(SealFlag::F_SEAL_GROW)
    .union(SealFlag::F_SEAL_WRITE);

/// The unit in which the kernel counts what a file takes up.
const BLOCK: u64 = 512;
/// Bytes that are looked at at once.
const PIECE: usize = 64 * 1024;

/// A memfd that somebody else filled and sealed, as it was found: the memory stays with whoever filled it.
#[derive(Debug)]
pub struct Sealed {
    /// To be read alone, with a position that its maker does not share.
    pub content: OwnedFd,
    /// How many bytes it has.
    pub length: u64,
    /// SHA-256 of them, hex.
    pub sha256: String,
}

impl Sealed {
    /// Looks through a memfd, piece by piece, if it is sealed and holds no more than `most` bytes.
    ///
    /// # Errors
    /// As [`read_sealed`]; it cannot be opened once more.
    pub fn of(descriptor: OwnedFd, most: u64) -> io::Result<Self> {
        let (theirs, length) = bounded(descriptor, most)?;
        let ours = File::open(format!("/proc/self/fd/{}", theirs.as_raw_fd()))?;
        let (mut hash, mut piece, mut place) = (Sha256::new(), vec![0; PIECE], 0);
        while place < length {
            let read = ours.read_at(&mut piece, place)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            hash.update(piece.get(..read).unwrap_or_default());
            place += read as u64;
        }
        Ok(Self { content: ours.into(), length, sha256: hex::encode(hash.finalize()) })
    }
}

/// An empty, unsealed memfd to write to.
///
/// # Errors
/// No memory or no descriptor is left.
pub fn create(name: &CStr) -> io::Result<File> {
    Ok(File::from(memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?))
}

/// Seals it for good: against writing, growing, shrinking, and further seals.
///
/// # Errors
/// It is mapped writable somewhere, or no memfd.
pub fn seal(file: File) -> io::Result<OwnedFd> {
    fcntl(&file, FcntlArg::F_ADD_SEALS(SEALS))?;
    Ok(file.into())
}

/// A sealed memfd that holds `bytes`.
///
/// # Errors
/// As [`create`].
pub fn sealed(name: &CStr, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = create(name)?;
    file.write_all(bytes)?;
    seal(file)
}

/// Reads a memfd from its start, if it is sealed and holds no more than `most` bytes.
///
/// # Errors
/// It is not sealed (its sender could change it under us), it is too long, or it has holes: those cost its sender
/// nothing, and a reader its memory.
pub fn read_sealed(descriptor: OwnedFd, most: u64) -> io::Result<Vec<u8>> {
    let (file, length) = bounded(descriptor, most)?;
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length)?;
    bytes.resize(length, 0);
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// The memfd and its length, if it is sealed, no longer than `most` and without holes.
fn bounded(descriptor: OwnedFd, most: u64) -> io::Result<(File, u64)> {
    let seals = fcntl(&descriptor, FcntlArg::F_GET_SEALS)?;
    if seals & SEALS.bits() != SEALS.bits() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the memfd is not sealed"));
    }
    let file = File::from(descriptor);
    let status = file.metadata()?;
    let length = status.len();
    if length > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the memfd is longer than allowed"));
    }
    if status.blocks().saturating_mul(BLOCK) < length {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the memfd has holes"));
    }
    Ok((file, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_come_back_and_cannot_change() {
        let fd = sealed(c"test", b"abc").unwrap();
        let file = File::from(fd.try_clone().unwrap());
        assert!(file.write_at(b"x", 0).is_err());
        assert_eq!(read_sealed(fd, 3).unwrap(), b"abc");
    }

    #[test]
    fn unsealed_or_long_is_refused() {
        assert!(read_sealed(create(c"open").unwrap().into(), 9).is_err());
        assert!(read_sealed(sealed(c"long", b"abcd").unwrap(), 3).is_err());
        assert!(Sealed::of(create(c"open").unwrap().into(), 9).is_err());
        assert!(Sealed::of(sealed(c"long", b"abcd").unwrap(), 3).is_err());
    }

    #[test]
    fn what_is_looked_through_stays_where_it_is_and_its_maker_cannot_disturb_its_reader() {
        use std::io::{Read as _, Seek as _, SeekFrom};
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * PIECE + 7).collect();
        let mut theirs = File::from(sealed(c"theirs", &bytes).unwrap());
        let found = Sealed::of(theirs.try_clone().unwrap().into(), bytes.len() as u64).unwrap();
        assert_eq!((found.length, found.sha256), (bytes.len() as u64, crate::changeset::sha256(&bytes)));
        let mut ours = File::from(found.content);
        assert_eq!(ours.metadata().unwrap().ino(), theirs.metadata().unwrap().ino(), "no copy was made");
        theirs.seek(SeekFrom::End(0)).unwrap();
        let mut read = Vec::new();
        ours.read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
        assert!(ours.write_at(b"x", 0).is_err());
        assert_eq!(Sealed::of(sealed(c"empty", b"").unwrap(), 0).unwrap().length, 0);
    }

    #[test]
    fn what_costs_its_sender_nothing_is_refused() {
        for (length, written) in [(1_u64 << 40, 0), (1 << 20, 4096), (4097, 1)] {
            let mut file = create(c"sparse").unwrap();
            file.write_all(&vec![1; written]).unwrap();
            file.set_len(length).unwrap();
            let error = read_sealed(seal(file).unwrap(), u64::MAX).unwrap_err();
            assert_eq!(error.to_string(), "the memfd has holes", "{length}");
        }
        let mut cut = create(c"cut").unwrap();
        cut.write_all(&[1; 9000]).unwrap();
        cut.set_len(5000).unwrap();
        assert_eq!(read_sealed(seal(cut).unwrap(), 5000).unwrap(), [1; 5000]);
    }
}
