//! Sealed memfds: bytes that nobody can change after they were handed over.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

const SEALS: SealFlag = SealFlag::F_SEAL_SEAL
    .union(SealFlag::F_SEAL_SHRINK)
    .union(SealFlag::F_SEAL_GROW)
    .union(SealFlag::F_SEAL_WRITE);

/// The unit in which the kernel counts what a file takes up.
const BLOCK: u64 = 512;

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
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length)?;
    bytes.resize(length, 0);
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
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
