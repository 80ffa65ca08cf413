//! Where a request comes from: the socket's peer, or what a trusted proxy says about it. Nobody else is believed.

use std::net::IpAddr;

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

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

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
