//! What one traveller carried: counted while it goes on, read when it ends.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use testudo::egress::Carried;
use testudo::egress::status::Connection;
use tokio::sync::watch;

use crate::decision::Decided;
use crate::gate::{Admitted, Transfer, Wish};

/// Most hosts that are named one by one.
const HOSTS: usize = 100;

/// One traveller's account.
#[derive(Debug)]
pub struct Account {
    sheet: Mutex<Sheet>,
    open: watch::Sender<usize>,
    /// What was decided about it.
    pub decided: Decided,
}

#[derive(Debug, Default)]
struct Sheet {
    carried: Carried,
    open: BTreeMap<String, Connection>,
}

impl Default for Account {
    fn default() -> Self {
        Self { sheet: Mutex::default(), open: watch::Sender::new(0), decided: Decided::default() }
    }
}

impl Account {
    /// One was let through.
    pub fn admitted(&self, wish: &Wish, admitted: &Admitted, since: String) {
        let mut sheet = self.lock();
        sheet.carried.connections += 1;
        let host = wish.host.to_string();
        if sheet.carried.hosts.len() < HOSTS && !sheet.carried.hosts.contains(&host) {
            sheet.carried.hosts.push(host);
        }
        let addresses = admitted.addresses.iter().map(ToString::to_string).collect();
        let open = Connection { id: admitted.id.clone(), destination: wish.to_string(), addresses, since };
        sheet.open.insert(admitted.id.clone(), open);
        self.open.send_replace(sheet.open.len());
    }

    /// One was turned away.
    pub fn refused(&self) {
        self.lock().carried.refused += 1;
    }

    /// One that was let through is over.
    pub fn closed(&self, admitted: &Admitted, transfer: &Transfer) {
        let mut sheet = self.lock();
        sheet.carried.sent += transfer.sent;
        sheet.carried.received += transfer.received;
        sheet.open.remove(&admitted.id);
        self.open.send_replace(sheet.open.len());
    }

    /// What it carried so far.
    pub fn carried(&self) -> Carried {
        self.lock().carried.clone()
    }

    /// What goes on now.
    pub fn open(&self) -> Vec<Connection> {
        self.lock().open.values().cloned().collect()
    }

    /// Waits until nothing goes on.
    pub async fn idle(&self) {
        let mut open = self.open.subscribe();
        // The sender is a field of `self`, so the channel cannot end while this waits.
        let _idle = open.wait_for(|open| *open == 0).await;
    }

    /// Nothing that holds the lock can panic, so a poisoned one still guards whole numbers.
    fn lock(&self) -> MutexGuard<'_, Sheet> {
        self.sheet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo::egress::{Host, Scheme};

    #[tokio::test]
    async fn what_was_carried_is_counted_and_what_goes_on_is_known() {
        let account = Account::default();
        let wish = |host: &str| Wish::opaque(Scheme::Tls, Host::parse(host).unwrap(), 443);
        let admitted = |id: &str| Admitted { addresses: Vec::new(), id: id.into() };
        account.admitted(&wish("a.example"), &admitted("1"), "t".into());
        account.admitted(&wish("b.example"), &admitted("2"), "t".into());
        account.admitted(&wish("a.example"), &admitted("3"), "t".into());
        account.refused();
        assert_eq!(account.open().len(), 3);
        let transfer = Transfer { sent: 5, received: 7, address: None, status: None, cut: None };
        for id in ["1", "2", "3"] {
            account.closed(&admitted(id), &transfer);
        }
        account.idle().await;
        let hosts = vec!["a.example".to_owned(), "b.example".to_owned()];
        assert_eq!(account.carried(), Carried { connections: 3, refused: 1, sent: 15, received: 21, hosts });
        for number in 0..200 {
            account.admitted(&wish(&format!("h{number}.example")), &admitted("x"), "t".into());
        }
        assert_eq!(account.carried().hosts.len(), HOSTS);
    }
}
