//! A file in memory that nobody can change once it was handed over: to the agent, and by it.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// A sealed file that holds `content` and is read from its beginning.
///
/// # Errors
/// No memory or no descriptor is left.
pub(super) fn sealed(content: &[u8]) -> io::Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = File::from(memfd_create(c"attachment", flags)?);
    file.write_all(content)?;
    file.rewind()?;
    let seals =
        SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file.into())
}

/// The content of a file of at most `most` bytes, wherever it was read to: whoever else has it moves the same position.
///
/// # Errors
/// It is longer, or cannot be read.
pub fn read(file: &File, most: u64) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    if length > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut content = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut content, 0)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn it_is_read_from_its_beginning_whoever_read_it_before() {
        let mut file = File::from(sealed(b"content").unwrap());
        file.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(read(&file, 7).unwrap(), b"content");
        assert!(read(&file, 6).is_err());
    }

    #[test]
    fn what_is_sealed_is_read_and_not_changed() {
        let mut file = File::from(sealed(b"content").unwrap());
        let mut read = String::new();
        file.read_to_string(&mut read).unwrap();
        assert_eq!(read, "content");
        assert!(file.write_all(b"x").is_err());
        assert!(file.set_len(0).is_err());
    }
}
