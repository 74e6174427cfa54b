//! The object store on disk: a bare git repository of loose objects and one branch.
//!
//! An object is written beside and renamed to its name, so that each is whole or not there; one that a power
//! failure left torn is noticed when it is met again, and written anew. Nothing is ever removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use sha2::{Digest, Sha256};

use super::HistoryError;
use super::object::{Id, Kind};

/// Says which format the repository has, and keeps git from packing what this store could not read then.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 1\n\tfilemode = true\n\tbare = true\n\
                      [extensions]\n\tobjectFormat = sha256\n[gc]\n\tauto = 0\n";
/// The one branch.
const BRANCH: &str = "refs/heads/main";
/// What files that are being written are called.
const BESIDE: &str = "new-object";

/// An open repository.
#[derive(Debug)]
pub(super) struct Store {
    place: PathBuf,
}

/// What became of a content that was stored.
pub(super) struct Stored {
    pub(super) id: Id,
    /// SHA-256 of the bytes alone, hex, as change sets have it.
    pub(super) sha256: String,
}

impl Store {
    /// Opens a repository, and makes it where there is none.
    pub(super) fn open(place: &Path) -> Result<Self, HistoryError> {
        let store = Self { place: place.to_owned() };
        if !store.place.join("HEAD").exists() {
            store.make().map_err(store.failed("make"))?;
        }
        Ok(store)
    }

    /// Which makes it, `HEAD` last: what has no `HEAD` is made again.
    fn make(&self) -> io::Result<()> {
        for folder in ["objects/info", "objects/pack", "refs/heads", "refs/tags", "info"] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(self.place.join(folder))?;
        }
        self.replace("config", CONFIG.as_bytes())?;
        self.replace("description", b"What Testudo applied to the workspace\n")?;
        self.replace("HEAD", format!("ref: {BRANCH}\n").as_bytes())
    }

    /// The newest commit; none in a new repository.
    pub(super) fn head(&self) -> Result<Option<Id>, HistoryError> {
        match fs::read_to_string(self.place.join(BRANCH)) {
            Ok(text) => Id::parse(text.trim_end())
                .map(Some)
                .ok_or_else(|| self.failed("read")(io::ErrorKind::InvalidData.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read")(error)),
        }
    }

    /// Moves the branch, durably.
    pub(super) fn set_head(&self, id: Id) -> Result<(), HistoryError> {
        self.replace(BRANCH, format!("{id}\n").as_bytes()).map_err(self.failed("move on"))
    }

    /// Makes all that was written durable.
    pub(super) fn sync(&self) -> Result<(), HistoryError> {
        let all = || -> io::Result<()> { Ok(nix::unistd::syncfs(File::open(&self.place)?)?) };
        all().map_err(self.failed("write"))
    }

    /// Stores bytes.
    pub(super) fn write(&self, kind: Kind, bytes: &[u8]) -> Result<Id, HistoryError> {
        let id = Id::of(kind, bytes);
        if self.read(id).is_ok_and(|(known, _)| known == kind) {
            return Ok(id);
        }
        let length = bytes.len() as u64;
        self.stream(kind, length, bytes).map(|stored| stored.id).map_err(self.failed("write"))
    }

    /// Stores a content of `length` bytes as it is read.
    ///
    /// # Errors
    /// Also when it has another length by then.
    pub(super) fn stream(&self, kind: Kind, length: u64, content: impl Read) -> io::Result<Stored> {
        let beside = self.place.join("objects").join(BESIDE);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o400).open(&beside);
        let file = match file {
            // A crash left one, and its mode keeps even its owner from writing it again.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                fs::remove_file(&beside)?;
                OpenOptions::new().write(true).create_new(true).mode(0o400).open(&beside)?
            }
            file => file?,
        };
        let mut packed = ZlibEncoder::new(BufWriter::new(file), Compression::fast());
        let (mut name, mut hash) = (Sha256::new(), Sha256::new());
        let header = kind.header(length);
        name.update(&header);
        packed.write_all(&header)?;
        // One byte more than it should have shows that it has grown.
        let mut content = content.take(length.saturating_add(1));
        let (mut size, mut buffer) = (0_u64, [0_u8; 16 * 1024]);
        loop {
            let read = content.read(&mut buffer)?;
            let bytes = buffer.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                break;
            }
            name.update(bytes);
            hash.update(bytes);
            packed.write_all(bytes)?;
            size += read as u64;
        }
        if size != length {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it changed while it was read"));
        }
        packed.finish()?.flush()?;
        let id = Id::new(name.finalize().into());
        let place = self.place_of(id);
        if let Some(folder) = place.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        fs::rename(&beside, place)?;
        Ok(Stored { id, sha256: hex::encode(hash.finalize()) })
    }

    /// An object, verified against its name.
    pub(super) fn read(&self, id: Id) -> Result<(Kind, Vec<u8>), HistoryError> {
        let broken = |why| HistoryError::Object { id: id.to_string(), why };
        let file = File::open(self.place_of(id)).map_err(|_| broken("it is not there"))?;
        let mut bytes = Vec::new();
        ZlibDecoder::new(file).read_to_end(&mut bytes).map_err(|_| broken("it is torn"))?;
        let end = bytes.iter().position(|&byte| byte == 0).ok_or_else(|| broken("it has no header"))?;
        let content = bytes.split_off(end + 1);
        let kinds = [Kind::Blob, Kind::Tree, Kind::Commit];
        let kind = kinds.into_iter().find(|kind| kind.header(content.len() as u64) == bytes);
        let kind = kind.ok_or_else(|| broken("its header is wrong"))?;
        if Id::of(kind, &content) == id {
            Ok((kind, content))
        } else {
            Err(broken("it is not what its name says"))
        }
    }

    /// An object that must be of this kind.
    pub(super) fn read_as(&self, kind: Kind, id: Id) -> Result<Vec<u8>, HistoryError> {
        match self.read(id)? {
            (found, bytes) if found == kind => Ok(bytes),
            _ => Err(HistoryError::Object { id: id.to_string(), why: "it is of another kind" }),
        }
    }

    fn place_of(&self, id: Id) -> PathBuf {
        let name = id.to_string();
        let (folder, file) = name.split_at(2);
        self.place.join("objects").join(folder).join(file)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (place, beside) = (self.place.join(name), self.place.join(format!("{name}.new")));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, &place)?;
        place.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }

    fn failed(&self, step: &'static str) -> impl Fn(io::Error) -> HistoryError + use<> {
        let place = self.place.clone();
        move |source| HistoryError::Io { step, place: place.clone(), source }
    }
}
