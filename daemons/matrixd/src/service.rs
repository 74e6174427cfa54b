//! `org.testudo.Matrix1` on the bus: how operators look after the account.
//!
//! Nobody else may call it, and what changes trust is authorised by polkit besides, and in the record before it is
//! done. What people say never comes this way, and nothing here speaks for them.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use testudo::bus;
use testudo::fault::Fault;
use testudo::identity::Caller;
use testudo::polkit::Polkit;
use testudo::record::Entry;
use testudo::recorder::Recorder;
use zbus::message::Header;
use zbus::{Connection, interface};

use crate::letters::Letters;
use crate::polkit;
use crate::trust::flow::Refusal;
use crate::trust::verification::VerificationError;
use crate::trust::{Trust, TrustError};

/// How long emoji are waited for.
const EMOJIS: Duration = Duration::from_mins(1);
/// Longest argument; a recovery key has 59 characters, a user id 255.
const LONGEST: usize = 4096;

/// The object at `/org/testudo/Matrix1`.
struct Matrix {
    trust: Arc<Trust>,
    letters: Letters,
    polkit: Polkit,
    recorder: Recorder,
    connection: Connection,
}

#[interface(name = "org.testudo.Matrix1", introspection_docs = false)]
impl Matrix {
    #[zbus(out_args("status"))]
    async fn status(&self, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        self.operator(&header).await?;
        body(&self.trust.status().await?)
    }

    #[zbus(out_args("key"))]
    async fn recovery_key(&self, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        let operator = self.authorised(&header, "see its recovery key").await?;
        self.record(&operator, Entry::new("matrix.recovery-key-shown")).await?;
        Ok(self.trust.show_recovery_key()?.to_string())
    }

    #[zbus(out_args("key"))]
    async fn rotate_recovery_key(&self, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        let operator = self.authorised(&header, "make another recovery key").await?;
        self.record(&operator, Entry::new("matrix.recovery-key-rotated")).await?;
        Ok(self.trust.rotate().await?.to_string())
    }

    #[zbus(out_args("report"))]
    async fn recover(&self, key: &str, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        let operator = self.authorised(&header, "recover it").await?;
        short(key)?;
        self.record(&operator, Entry::new("matrix.recovered")).await?;
        let found = self.trust.recover(key).await?;
        body(&serde_json::json!({ "identity": found.keys, "signed": found.signed, "backup": found.backup }))
    }

    #[zbus(out_args("verifications"))]
    async fn verifications(&self, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        self.operator(&header).await?;
        body(&self.trust.verifications().list())
    }

    #[zbus(out_args("id"))]
    async fn verify(
        &self,
        user: &str,
        device: &str,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Fault> {
        self.authorised(&header, "verify somebody").await?;
        short(user)?;
        short(device)?;
        let client = self.trust.client()?;
        Ok(self.trust.verifications().start(&client, user, device).await?)
    }

    async fn accept(&self, id: &str, #[zbus(header)] header: Header<'_>) -> Result<(), Fault> {
        self.authorised(&header, "verify somebody").await?;
        Ok(self.trust.verifications().accept(id).await?)
    }

    #[zbus(out_args("shown"))]
    async fn emojis(&self, id: &str, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        self.operator(&header).await?;
        body(&self.trust.verifications().emojis(id, EMOJIS).await?)
    }

    async fn confirm(
        &self,
        id: &str,
        matches: bool,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Fault> {
        let operator = self.authorised(&header, "verify somebody").await?;
        let flow = self.trust.verifications().list().into_iter().find(|flow| flow.id == id);
        let entry =
            Entry::new("matrix.verification-answered").decision(if matches { "match" } else { "mismatch" });
        let entry = match flow {
            Some(flow) => entry.with("user", flow.user).with("device", flow.device),
            None => entry,
        };
        self.record(&operator, entry).await?;
        Ok(self.trust.verifications().confirm(id, matches).await?)
    }

    async fn accept_identity(
        &self,
        user: &str,
        identity: &str,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Fault> {
        let operator = self.authorised(&header, "accept somebody's new identity").await?;
        short(user)?;
        short(identity)?;
        let user = self.trust.may_accept_identity(user, identity).await?;
        let entry =
            Entry::new("matrix.identity-accepted").with("user", user.as_str()).with("identity", identity);
        self.record(&operator, entry).await?;
        Ok(self.trust.accept_identity(&user, identity).await?)
    }

    #[zbus(out_args("letters"))]
    async fn dead_letters(&self, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        self.operator(&header).await?;
        body(&self.letters.list().map_err(TrustError::from)?)
    }

    #[zbus(out_args("rooms"))]
    async fn rooms(&self, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        self.operator(&header).await?;
        body(&self.letters.rooms(&self.trust).await?)
    }
}

impl Matrix {
    async fn operator(&self, header: &Header<'_>) -> Result<String, Fault> {
        let caller = Caller::of(header, &self.connection).await?;
        Ok(caller.require_operator()?.to_owned())
    }

    async fn authorised(&self, header: &Header<'_>, what: &str) -> Result<String, Fault> {
        let caller = Caller::of(header, &self.connection).await?;
        let operator = caller.require_operator()?.to_owned();
        polkit::authorise(&self.polkit, &caller.connection, &operator, what).await?;
        Ok(operator)
    }

    async fn record(&self, operator: &str, entry: Entry) -> Result<(), Fault> {
        let recorded = self.recorder.append(&entry.with("by", operator)).await;
        recorded.map(drop).map_err(|error| Fault::Unavailable(error.to_string()))
    }
}

/// Serves the interface on this connection; it ends with the connection.
///
/// # Errors
/// When the bus does not do it, such as when the name is taken.
pub async fn serve(connection: &Connection, trust: Arc<Trust>, letters: Letters) -> zbus::Result<()> {
    let polkit = Polkit::new(connection).await?;
    let recorder = Recorder::new(connection).await?;
    let matrix = Matrix { trust, letters, polkit, recorder, connection: connection.clone() };
    connection.object_server().at(bus::MATRIX_PATH, matrix).await?;
    connection.request_name(bus::MATRIX).await
}

fn body(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::Internal(format!("cannot write the answer: {error}")))
}

fn short(argument: &str) -> Result<(), Fault> {
    if argument.len() > LONGEST {
        return Err(Fault::TooLarge(format!(
            "an argument has {} bytes; {LONGEST} are the most",
            argument.len()
        )));
    }
    Ok(())
}

impl From<TrustError> for Fault {
    fn from(error: TrustError) -> Self {
        let text = error.to_string();
        match error {
            TrustError::NotLoggedIn | TrustError::Homeserver { .. } | TrustError::NoIdentity => {
                Self::Unavailable(text)
            }
            TrustError::WrongKey | TrustError::Acceptance { .. } => Self::InvalidArgument(text),
            TrustError::NoStorage | TrustError::Shown => Self::NotFound(text),
            TrustError::Store(_) => Self::Internal(text),
        }
    }
}

impl From<VerificationError> for Fault {
    fn from(error: VerificationError) -> Self {
        let text = error.to_string();
        match error {
            VerificationError::Unknown(_) | VerificationError::Refused(Refusal::Over { .. }) => {
                Self::NotFound(text)
            }
            VerificationError::Cannot { .. } | VerificationError::Refused(Refusal::Untimely { .. }) => {
                Self::InvalidArgument(text)
            }
            VerificationError::Waiting(_) | VerificationError::Homeserver { .. } => Self::Unavailable(text),
        }
    }
}
