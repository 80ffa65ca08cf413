//! The whole assertion consumer service, and metadata: no input crashes it, hangs it, or is believed unless the provider signed
//! it. The seeds are honest responses; whatever libFuzzer makes of them, the name that is read stays the one that was signed.

#![no_main]

use std::sync::OnceLock;

use chrono::{DateTime, TimeDelta};
use libfuzzer_sys::fuzz_target;
use saml_core::{Certificate, Decryptor, Direction, Expected, IdentityProvider, Trust};

struct Keys {
    trust: Trust,
    decryptor: Decryptor,
}

// The contexts hold nothing that a second thread would see change, and there is one thread.
struct Shared(Keys);
unsafe impl Sync for Shared {}
unsafe impl Send for Shared {}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Shared> = OnceLock::new();
    &KEYS
        .get_or_init(|| {
            let certificate = Certificate::parse(include_str!("../../saml/idp.crt")).expect("a certificate");
            Shared(Keys {
                trust: Trust::new(&[certificate]).expect("trust"),
                decryptor: Decryptor::new(&[include_str!("../../saml/sp.key")]).expect("a key"),
            })
        })
        .0
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let keys = keys();
    let now = DateTime::from_timestamp(1_790_000_000, 0).expect("a moment");
    let _ = saml_core::from_post(text);
    let _ = saml_core::from_redirect(text);
    let _ = saml_core::verify_redirect(text, Direction::Request, &keys.trust);
    let _ = saml_core::claimed_request(text);
    let _ = IdentityProvider::parse(text, now);
    let expected = Expected {
        issuer: "https://idp.example/entity",
        audience: "https://sp.example/sso/saml/1/metadata",
        acs: "https://sp.example/sso/saml/1/acs",
        request_id: Some("_req1"),
        now,
        skew: TimeDelta::seconds(30),
        trust: &keys.trust,
        decryptor: Some(&keys.decryptor),
    };
    if let Ok(accepted) = saml_core::accept(text, &expected) {
        assert_eq!(accepted.name_id, "alice@corp.example");
        assert_eq!(accepted.attributes.get("displayName").map(Vec::as_slice), Some(["Alice".to_owned()].as_slice()));
    }
});
