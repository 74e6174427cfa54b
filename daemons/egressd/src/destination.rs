//! Which addresses of a destination may be connected to: pure.
//!
//! One bad address among them refuses the whole name: whoever answers with a public and a private one is trying, or
//! being tried. The operator's `private` list is the only way around, and a name in it stands for near addresses only.

use std::net::{IpAddr, SocketAddr};

use testudo::egress::{Endpoint, Host, HostPattern, Scheme};

use crate::address::{Class, class};
use crate::gate::{Reason, Turned, Wish};
use crate::neighbourhood::Neighbourhood;

/// What the operator granted beyond the public network.
#[derive(Debug, Clone)]
pub struct Destinations {
    private: Vec<Endpoint>,
    /// Named for another reason: near, but not on this machine unless it is called `localhost`.
    beside: Vec<Endpoint>,
}

impl Destinations {
    /// The operator's `private` list, and what he named `beside` it.
    pub const fn new(private: Vec<Endpoint>, beside: Vec<Endpoint>) -> Self {
        Self { private, beside }
    }

    /// What can be said before anything is asked or looked up: an address that stands in the wish, and a name of one
    /// word, which means whatever the local network makes of it.
    ///
    /// # Errors
    /// [`Reason::Address`] or [`Reason::Name`].
    pub fn literal(&self, wish: &Wish, near: &Neighbourhood) -> Result<(), Turned> {
        match &wish.host {
            Host::Address(address) => self.judge(wish, *address, near),
            Host::Name(name) if !name.contains('.') && !self.is_named(wish) => Err(Turned::new(
                Reason::Name,
                format!("{name} is a name of one word, which only the operator can grant"),
            )),
            Host::Name(_) => Ok(()),
        }
    }

    /// The addresses to try, if all of them are good.
    ///
    /// # Errors
    /// [`Reason::Address`] with the first that is not; [`Reason::Name`] when there are none.
    pub fn checked(
        &self,
        wish: &Wish,
        addresses: &[IpAddr],
        near: &Neighbourhood,
    ) -> Result<Vec<SocketAddr>, Turned> {
        if addresses.is_empty() {
            return Err(Turned::new(Reason::Name, format!("{} has no address", wish.host)));
        }
        addresses.iter().try_for_each(|address| self.judge(wish, *address, near))?;
        Ok(unchecked(wish, addresses))
    }

    fn judge(&self, wish: &Wish, address: IpAddr, near: &Neighbourhood) -> Result<(), Turned> {
        let Some(class) = class(address).or_else(|| near.class(address)) else { return Ok(()) };
        if self.is_granted(wish, class) {
            return Ok(());
        }
        let whose = match &wish.host {
            Host::Address(_) => format!("{address} is"),
            Host::Name(name) => format!("{name} leads to {address}, which is"),
        };
        Err(Turned::new(Reason::Address, format!("{whose} {class}; the operator has not granted that")))
    }

    /// Whether the operator named this destination so that an address of this class is meant. An address is meant by
    /// itself; a name stands for near addresses, and for this machine where it was named as private.
    fn is_granted(&self, wish: &Wish, class: Class) -> bool {
        match &wish.host {
            Host::Address(_) => self.is_named(wish),
            Host::Name(name) if class == Class::Loopback => {
                let local = name == "localhost" || name.ends_with(".localhost");
                is_in(&self.private, wish) || (local && self.is_named(wish))
            }
            Host::Name(_) => class.goes_with_a_name() && self.is_named(wish),
        }
    }

    fn is_named(&self, wish: &Wish) -> bool {
        is_in(&self.private, wish) || is_in(&self.beside, wish)
    }
}

fn is_in(list: &[Endpoint], wish: &Wish) -> bool {
    list.iter().any(|endpoint| covers(endpoint, wish))
}

/// Whether a wish goes to an endpoint.
pub fn covers(endpoint: &Endpoint, wish: &Wish) -> bool {
    endpoint.covers(wish.scheme, &wish.host, wish.port, &wish.method, &wish.path)
        && endpoint.takes(wish.query.as_deref())
}

/// Whether a wish goes to one of the destinations that were decided with the call. A call that may see a page of an
/// endpoint may not speak to it unseen, so `tls` needs a `tls` of its own.
pub fn is_listed(listed: &[Endpoint], wish: &Wish) -> bool {
    is_in(listed, wish)
}

/// Whether a tunnel was declared for this.
pub fn is_tunnel(tunnels: &[Endpoint], wish: &Wish) -> bool {
    wish.scheme == Scheme::Tcp
        && tunnels.iter().any(|tunnel| matches!(tunnel.host, HostPattern::Exact(_)) && covers(tunnel, wish))
}

/// The addresses with the wish's port.
pub fn unchecked(wish: &Wish, addresses: &[IpAddr]) -> Vec<SocketAddr> {
    addresses.iter().map(|address| SocketAddr::new(*address, wish.port)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(url: &str) -> Wish {
        let endpoint = Endpoint::parse(url).unwrap();
        let HostPattern::Exact(host) = endpoint.host else { panic!("{url}") };
        let opaque = Wish::opaque(endpoint.scheme, host, endpoint.port);
        let method = if matches!(endpoint.scheme, Scheme::Https | Scheme::Http) { "GET" } else { "" };
        Wish { method: method.to_owned(), path: endpoint.path, ..opaque }
    }

    fn destinations(private: &[&str]) -> Destinations {
        Destinations::new(endpoints(private), Vec::new())
    }

    fn endpoints(texts: &[&str]) -> Vec<Endpoint> {
        texts.iter().map(|text| Endpoint::parse(text).unwrap()).collect()
    }

    fn nobody() -> Neighbourhood {
        Neighbourhood::default()
    }

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn one_bad_address_refuses_the_name() {
        let shipped = destinations(&[]);
        let wish = wish("https://a.example/");
        for (answer, expected) in [
            (&["1.1.1.1", "2606:4700::1"][..], None),
            (&["1.1.1.1", "10.0.0.1"], Some(Reason::Address)),
            (&["10.0.0.1", "1.1.1.1"], Some(Reason::Address)),
            (&["1.1.1.1", "::ffff:1.1.1.1"], Some(Reason::Address)),
            (&["127.0.0.1"], Some(Reason::Address)),
            (&["169.254.169.254"], Some(Reason::Address)),
            (&[], Some(Reason::Name)),
        ] {
            let found = shipped.checked(&wish, &ips(answer), &nobody());
            assert_eq!(found.as_ref().err().map(|turned| turned.reason), expected, "{answer:?}");
            if let Ok(found) = found {
                assert_eq!(found.len(), answer.len());
                assert!(found.iter().all(|address| address.port() == 443));
            }
        }
        let said = shipped.checked(&wish, &ips(&["10.1.2.3"]), &nobody()).unwrap_err();
        let expected =
            "a.example leads to 10.1.2.3, which is in a private network; the operator has not granted that";
        assert_eq!(said.sentence, expected);
    }

    #[test]
    fn the_operator_grants_exactly_what_he_names() {
        let granted =
            destinations(&["https://nas.lan:8443/photos", "http://10.0.0.5:80/", "tls://*.corp.example"]);
        for (url, address, expected) in [
            ("https://nas.lan:8443/photos/1", "192.168.1.9", true),
            ("https://nas.lan:8443/photos", "192.168.1.9", true),
            ("https://nas.lan:8443/admin", "192.168.1.9", false),
            ("https://nas.lan/photos", "192.168.1.9", false),
            ("http://nas.lan:8443/photos", "192.168.1.9", false),
            ("tls://nas.lan:8443", "192.168.1.9", false),
            ("https://nas.lan:8443/photos", "169.254.169.254", false),
            ("https://nas.lan:8443/photos", "224.0.0.1", false),
            ("https://nas.lan:8443/photos", "169.254.1.1", false),
            ("https://nas.lan:8443/photos", "fe80::1", false),
            ("https://nas.lan:8443/photos", "127.0.0.1", true),
            ("https://nas.lan:8443/photos", "::ffff:192.168.1.9", true),
            ("https://nas.lan:8443/photos", "::ffff:169.254.169.254", false),
            ("http://10.0.0.5/", "10.0.0.5", true),
            ("http://10.0.0.6/", "10.0.0.6", false),
            ("https://10.0.0.5/", "10.0.0.5", false),
            ("tls://a.corp.example", "fd00::1", true),
            ("tls://corp.example", "fd00::1", false),
        ] {
            let found = granted.checked(&wish(url), &ips(&[address]), &nobody());
            assert_eq!(found.is_ok(), expected, "{url} at {address}");
        }
        let metadata = destinations(&["http://169.254.169.254/latest"]);
        assert!(
            metadata.literal(&wish("http://169.254.169.254/latest/x"), &nobody()).is_ok(),
            "named itself"
        );
        assert!(metadata.literal(&wish("http://169.254.169.254/other"), &nobody()).is_err());
    }

    /// That a provider is configured does not mean that whoever writes its name's records may lead modeld here.
    #[test]
    fn what_is_named_beside_the_list_is_not_this_machine_unless_it_is_called_so() {
        let beside = ["http://models.example:80/", "http://a.localhost:80/", "http://127.0.0.1:80/"];
        let granted = Destinations::new(Vec::new(), endpoints(&beside));
        for (url, address, expected) in [
            ("http://models.example/", "192.168.1.9", true),
            ("http://models.example/", "127.0.0.1", false),
            ("http://models.example/", "169.254.1.1", false),
            ("http://models.example/", "169.254.169.254", false),
            ("http://a.localhost/", "127.0.0.1", true),
            ("http://127.0.0.1/", "127.0.0.1", true),
            ("http://b.localhost/", "127.0.0.1", false),
        ] {
            let found = granted.checked(&wish(url), &ips(&[address]), &nobody());
            assert_eq!(found.is_ok(), expected, "{url} at {address}");
        }
    }

    #[test]
    fn a_public_address_that_is_near_is_refused_unless_it_is_granted() {
        let near = crate::neighbourhood::tests::of_a_server();
        let (shipped, granted) = (destinations(&[]), destinations(&["https://a.example/"]));
        for address in ["5.6.7.8", "5.6.7.9", "2a00:1450::1", "2a00:1450::2"] {
            let said = shipped.checked(&wish("https://a.example/"), &ips(&["1.1.1.1", address]), &near);
            assert_eq!(said.unwrap_err().reason, Reason::Address, "{address}");
            assert!(granted.checked(&wish("https://a.example/"), &ips(&[address]), &near).is_ok());
        }
        assert!(shipped.literal(&wish("https://5.6.7.8/"), &near).is_err());
        assert!(shipped.checked(&wish("https://a.example/"), &ips(&["1.1.1.1"]), &near).is_ok());
    }

    #[test]
    fn literals_and_names_of_one_word_are_refused_before_anybody_is_asked() {
        let granted = destinations(&["https://printer/"]);
        for (url, expected) in [
            ("https://1.1.1.1/", None),
            ("https://127.0.0.1/", Some(Reason::Address)),
            ("https://[::1]/", Some(Reason::Address)),
            ("https://[64:ff9b::7f00:1]/", Some(Reason::Address)),
            ("https://localhost/", Some(Reason::Name)),
            ("https://router/", Some(Reason::Name)),
            ("https://printer/", None),
            ("https://a.example/", None),
        ] {
            let found = granted.literal(&wish(url), &nobody()).err().map(|turned| turned.reason);
            assert_eq!(found, expected, "{url}");
        }
    }

    #[test]
    fn a_page_is_listed_with_its_query() {
        let page = Some(testudo::egress::Page { query: Some("q=1".into()) });
        let listed = [Endpoint { page, ..Endpoint::parse("https://a.example/x").unwrap() }];
        let asked = |path: &str, query: Option<&str>| {
            let page = wish(&format!("https://a.example{path}"));
            is_listed(&listed, &Wish { query: query.map(str::to_owned), ..page })
        };
        assert!(asked("/x", Some("q=1")));
        assert!(!asked("/x", Some("q=2")) && !asked("/x", None) && !asked("/x/y", Some("q=1")));
    }

    #[test]
    fn a_list_of_pages_is_no_list_of_tunnels() {
        let listed = [Endpoint::parse("https://a.example/x").unwrap()];
        assert!(is_listed(&listed, &wish("https://a.example/x/y")));
        assert!(!is_listed(&listed, &wish("https://a.example/z")));
        assert!(!is_listed(&listed, &wish("tls://a.example")));
        assert!(!is_tunnel(&listed, &wish("https://a.example/x")));
        let tunnels = [Endpoint::parse("tcp://db.example:5432").unwrap()];
        assert!(is_tunnel(&tunnels, &wish("tcp://db.example:5432")));
        assert!(!is_tunnel(&tunnels, &wish("tcp://db.example:5433")));
    }
}
