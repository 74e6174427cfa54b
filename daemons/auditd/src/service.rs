//! `org.testudo.Audit1`: who may do what, and what is checked before the store sees it.
//!
//! Daemons append and cannot read, operators read and cannot append; where the chain stands a witness may know, too. `units/dbus-1/interfaces` has the contract.

use std::collections::HashMap;

use jiff::Timestamp;
use testudo::fault::Fault;
use testudo::identity::{Caller, Daemon};
use testudo::limits::{self, BUS};
use testudo::record::Entry;
use tokio::sync::Semaphore;
use zbus::message::Header;
use zbus::{Connection, Variant, interface};

use crate::archive::{Archive, Filter};
use crate::chain::Tip;
use crate::error::StoreError;
use crate::walk::Expected;
use crate::writer::Writer;

/// The daemons that have something to record.
const WRITERS: [Daemon; 6] =
    [Daemon::Policyd, Daemon::Toold, Daemon::Agentd, Daemon::Egressd, Daemon::Matrixd, Daemon::Modeld];

/// Who may know where the chain stands: it says nothing of what is recorded.
const WITNESSES: [Daemon; 1] = [Daemon::Matrixd];

/// Questions that are answered at once; the others wait. An answer may take much memory while it is made.
const READERS: usize = 2;

/// The object at `/org/testudo/Audit1`.
#[derive(Debug)]
pub struct Audit {
    writer: Writer,
    archive: Archive,
    readers: Semaphore,
}

impl Audit {
    /// An object that appends through the writer and reads from the archive.
    pub fn new(writer: Writer, archive: Archive) -> Self {
        Self { writer, archive, readers: Semaphore::new(READERS) }
    }

    /// Keeps a record of this daemon.
    ///
    /// # Errors
    /// What is wrong with the record, or why it could not be kept.
    pub async fn keep(&self, daemon: Daemon, record: &str) -> Result<u64, Fault> {
        limits::scan(record, BUS)?;
        let _room = self.writer.room(record.len())?;
        let entry: Entry = limits::parse(record, BUS)?;
        check_event(&entry.event)?;
        self.writer.append(daemon.name(), entry).await
    }

    async fn read<T, F>(&self, question: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(Archive) -> Result<T, StoreError> + Send + 'static,
    {
        let gone = || Fault::Unavailable("testudo-auditd is stopping; try again".to_owned());
        let _turn = self.readers.acquire().await.map_err(|_| gone())?;
        let archive = self.archive.clone();
        let answer = tokio::task::spawn_blocking(move || question(archive)).await.map_err(|_| gone())?;
        Ok(answer?)
    }
}

#[interface(name = "org.testudo.Audit1")]
impl Audit {
    #[zbus(out_args("sequence"))]
    async fn append(
        &self,
        record: &str,
        options: HashMap<&str, Variant<'_>>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<u64, Fault> {
        let daemon = Caller::of(&header, connection).await?.require_daemon(&WRITERS)?;
        if let Some(option) = options.keys().next() {
            return Err(Fault::InvalidArgument(format!("there is no option `{option}`")));
        }
        self.keep(daemon, record).await
    }

    #[zbus(out_args("records"))]
    async fn log(
        &self,
        after: u64,
        limit: u32,
        filter: HashMap<&str, Variant<'_>>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        Caller::of(&header, connection).await?.require_operator()?;
        let filter = parse_filter(&filter)?;
        self.read(move |archive| Ok(serde_json::to_string(&archive.log(after, limit, &filter)?)?)).await
    }

    #[zbus(out_args("record"))]
    async fn show(
        &self,
        sequence: u64,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        Caller::of(&header, connection).await?.require_operator()?;
        let text = self
            .read(move |archive| {
                Ok(archive.show(sequence)?.map(|record| serde_json::to_string(&record)).transpose()?)
            })
            .await?;
        text.ok_or_else(|| Fault::NotFound(format!("there is no record {sequence}")))
    }

    #[zbus(out_args("report"))]
    async fn verify(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        Caller::of(&header, connection).await?.require_operator()?;
        // Taken before the file is read, so that a record that comes meanwhile is not held against it.
        let expected = Expected::AtLeast(self.writer.tip());
        self.read(move |archive| Ok(serde_json::to_string(&archive.verify(expected)?.verification)?)).await
    }

    #[zbus(out_args("head"))]
    async fn head(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        Caller::of(&header, connection).await?.require_operator_or(&WITNESSES)?;
        let Tip { seq, hash } = self.writer.tip();
        Ok(serde_json::json!({ "seq": seq, "hash": hash, "time": Timestamp::now().to_string() }).to_string())
    }
}

/// An event is a name for programs: it goes into filters, terminals and file names.
fn check_event(event: &str) -> Result<(), Fault> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if (1..=64).contains(&event.len()) && event.bytes().all(plain) {
        return Ok(());
    }
    Err(Fault::InvalidArgument("`event` must be 1 to 64 characters of a-z, 0-9, `.`, `_` and `-`".to_owned()))
}

fn parse_filter(given: &HashMap<&str, Variant<'_>>) -> Result<Filter, Fault> {
    let mut filter = Filter::default();
    for (key, value) in given {
        let place = match *key {
            "session" => &mut filter.session,
            "call" => &mut filter.call,
            "event" => &mut filter.event,
            "writer" => &mut filter.writer,
            other => {
                let text = format!("there is no filter `{other}`: there are session, call, event and writer");
                return Err(Fault::InvalidArgument(text));
            }
        };
        let Variant::Str(text) = value else {
            return Err(Fault::InvalidArgument(format!("the filter `{key}` must be a string")));
        };
        *place = Some(text.to_string());
    }
    Ok(filter)
}
