//! Where a request comes from: the socket's peer, or what a trusted proxy says about it. Nobody else is believed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actix_web::HttpRequest;
use ipnet::IpNet;

/// The client's address. `X-Forwarded-For` is read from the right: each entry was written by the hop after it, so the
/// first one that isn't a trusted proxy is the client.
pub(crate) fn address(request: &HttpRequest, trusted: &[IpNet]) -> Option<IpAddr> {
    let mut client = request.peer_addr()?.ip().to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(&client) {
        return Some(client);
    }
    let headers: Vec<_> =
        request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok()).collect();
    for hop in headers.join(",").rsplit(',') {
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !is_trusted(&client) {
            break;
        }
    }
    Some(client)
}

/// Where a stranger comes from, as far as it can be told apart: an address of IPv4, or the /64 of one of IPv6, of which anybody has as
/// many as they like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network(IpAddr);

impl Network {
    /// The network of an address. Who has none is counted with all others who have none.
    pub(crate) fn of(address: Option<IpAddr>) -> Self {
        Self(match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            Some(address) => address,
            None => Ipv4Addr::UNSPECIFIED.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_network_is_an_address_or_a_64() {
        let of = |text: &str| Network::of(Some(text.parse().unwrap()));
        for (one, other, same) in [
            ("203.0.113.7", "203.0.113.7", true),
            ("203.0.113.7", "203.0.113.8", false),
            ("::ffff:203.0.113.7", "203.0.113.7", true),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ] {
            assert_eq!(of(one) == of(other), same, "{one} {other}");
        }
        assert_eq!(Network::of(None), Network::of(None));
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_about_its_own_hop() {
        let trusted = ["10.0.0.0/8".parse::<IpNet>().unwrap()];
        let from = |peer: &str, forwarded: &str| {
            let peer = format!("{peer}:1").parse().unwrap();
            let request =
                TestRequest::default().peer_addr(peer).insert_header(("X-Forwarded-For", forwarded));
            address(&request.to_http_request(), &trusted).unwrap().to_string()
        };
        assert_eq!(from("203.0.113.7", "6.6.6.6"), "203.0.113.7");
        assert_eq!(from("10.0.0.1", "203.0.113.7"), "203.0.113.7");
        assert_eq!(from("10.0.0.1", "6.6.6.6, 203.0.113.7, 10.0.0.2"), "203.0.113.7");
        assert_eq!(from("10.0.0.1", "nonsense"), "10.0.0.1");
    }
}
