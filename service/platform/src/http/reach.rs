//! Where a client goes: which URLs may be asked, and which addresses names may lead to.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::refusal::{Classified, Retry};

/// Why a URL is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlRefused {
    /// It is none.
    #[error("it is no URL")]
    NoUrl,
    /// It carries a name or a password.
    #[error("it carries user information")]
    UserInformation,
    /// Its scheme is not `https`.
    #[error("only https is allowed")]
    NotHttps,
    /// It names no host.
    #[error("it names no host")]
    NoHost,
    /// Its address is not one of the public internet.
    #[error("it points to a private address")]
    PrivateAddress,
}

/// A URL of the input that is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the URL at {pointer} is refused: {why}")]
pub struct UrlRefusedAt {
    /// JSON pointer (RFC 6901) to it.
    pub pointer: String,
    /// What is wrong with it.
    pub why: UrlRefused,
}

impl Classified for UrlRefusedAt {
    fn retry(&self) -> Retry {
        Retry::Never
    }
}

/// Where a client goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Public addresses by https.
    Public,
    /// Private ones and plain http too: development.
    Private,
    /// Wherever the configuration says, a cloud's metadata service included: only an operator writes it.
    Configured,
}

impl Reach {
    /// Whether a URL may be asked, as far as it says itself; names are checked when resolved.
    pub(super) fn check(self, url: &Url) -> Result<(), UrlRefused> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlRefused::UserInformation);
        }
        match url.scheme() {
            "https" => {}
            "http" if self != Self::Public => {}
            _ => return Err(UrlRefused::NotHttps),
        }
        let address = match url.host() {
            None => return Err(UrlRefused::NoHost),
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
        };
        if self.includes(address) { Ok(()) } else { Err(UrlRefused::PrivateAddress) }
    }

    /// Link-local addresses are nobody's private network but the clouds' metadata services: never for a URL that somebody chose,
    /// whatever the setting.
    fn includes(self, address: IpAddr) -> bool {
        let is_link_local = match address.to_canonical() {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        match self {
            Self::Public => is_public(address),
            Self::Private => is_public(address) || !is_link_local,
            Self::Configured => true,
        }
    }
}

/// Resolves names to addresses that may be asked.
pub(super) struct Guard {
    pub(super) reach: Reach,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.reach;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.is_empty() || found.iter().any(|address| !reach.includes(address.ip())) {
                return Err("the name leads to an address that is refused".into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Whether the address is one that the public internet routes. Addresses that carry an IPv4 address inside (mapped,
/// 6to4, NAT64) are judged by that one.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (b == 18 || b == 19)))
        }
        IpAddr::V6(v6) => embedded_v4(v6).map_or_else(|| is_public_v6(v6), |v4| is_public(IpAddr::V4(v4))),
    }
}

fn embedded_v4(v6: Ipv6Addr) -> Option<std::net::Ipv4Addr> {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = v6.segments();
    let join = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        std::net::Ipv4Addr::new(a, b, c, d)
    };
    match (s0, s1) {
        (0x2002, _) => Some(join(s1, s2)),
        (0x0064, 0xff9b) if (s2, s3, s4, s5) == (0, 0, 0, 0) => Some(join(s6, s7)),
        _ => None,
    }
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [first, second, ..] = v6.segments();
    // Only 2000::/3 is routed; of that, not documentation, Teredo and ORCHID.
    (first & 0xe000) == 0x2000
        && !(first == 0x2001 && (second == 0x0db8 || second < 0x0200))
        && !(first == 0x3fff && second < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_to_public_addresses_is_allowed() {
        for refused in [
            "http://example.com/",
            "ftp://example.com/",
            "https://user@example.com/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://10.1.2.3/",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fd00::1]/",
            "https://[fe80::1]/",
            "https://[64:ff9b::a00:1]/",
            "https://[2002:7f00:1::]/",
            "https://[2001:db8::1]/",
        ] {
            assert!(Reach::Public.check(&Url::parse(refused).unwrap()).is_err(), "{refused}");
        }
        for allowed in ["https://example.com/", "https://93.184.216.34/", "https://[2606:4700::1111]/"] {
            assert!(Reach::Public.check(&Url::parse(allowed).unwrap()).is_ok(), "{allowed}");
        }
        assert!(Reach::Private.check(&Url::parse("http://127.0.0.1:1/").unwrap()).is_ok());
        for metadata in ["http://169.254.169.254/", "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/"] {
            assert!(Reach::Private.check(&Url::parse(metadata).unwrap()).is_err(), "{metadata}");
            assert!(Reach::Configured.check(&Url::parse(metadata).unwrap()).is_ok(), "{metadata}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_when_resolved() {
        let guard = Guard { reach: Reach::Public };
        assert!(guard.resolve("localhost".parse().unwrap()).await.is_err());
        let guard = Guard { reach: Reach::Private };
        assert!(guard.resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
