//! Sealed memfds: bytes that nobody can change after they were handed over.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

const SEALS: SealFlag = SealFlag::F_SEAL_SEAL
    .union(SealFlag::F_SEAL_SHRINK)
    .union(SealFlag::F_SEAL_GROW)
    .union(SealFlag::F_SEAL_WRITE);

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
/// It is not sealed (its sender could change it under us), or it is too long.
pub fn read_sealed(descriptor: OwnedFd, most: u64) -> io::Result<Vec<u8>> {
    let seals = fcntl(&descriptor, FcntlArg::F_GET_SEALS)?;
    if seals & SEALS.bits() != SEALS.bits() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the memfd is not sealed"));
    }
    let file = File::from(descriptor);
    let length = file.metadata()?.len();
    if length > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the memfd is longer than allowed"));
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
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
}
