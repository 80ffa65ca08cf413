//! Both ceremonies, with an authenticator in memory, and what is refused of them.

#[allow(unreachable_pub, reason = "stories use it too")]
#[path = "../../../../tests/src/authenticator.rs"]
mod authenticator;

use serde::de::DeserializeOwned;
use serde_json::json;

use super::*;
use authenticator::{Authenticator, PRESENT, VERIFIED};

const HOST: &str = "id.example.com";
const ORIGIN: &str = "https://id.example.com";

fn party() -> RelyingParty {
    RelyingParty::new(ORIGIN).unwrap()
}

/// Has another key under the same id.
fn with_another_key(one: &mut Authenticator) {
    let mut other = Authenticator::new(ORIGIN);
    (other.id, other.counter) = (one.id.clone(), one.counter + 1);
    *one = other;
}

/// As the browser sends it.
fn sent<T: DeserializeOwned>(credential: Value) -> T {
    serde_json::from_value(credential).unwrap()
}

/// The passkey that an authenticator makes.
fn made(by: &Authenticator) -> Result<Made, Error> {
    let begun = party().begin_registration((Uuid::nil(), "ann@example.com", "Ann"), &[]).unwrap();
    party().finish_registration(&sent(by.create(&begun.options)), &begun.state)
}

/// How an authenticator is taken that is asked for this passkey.
fn shown(by: &Authenticator, passkey: &Value) -> Result<Shown, Error> {
    let begun = party().begin_authentication(&[passkey]).unwrap();
    party().finish_authentication(&sent(by.get(&begun.options)), &begun.state)
}

#[test]
fn a_ceremony_is_of_our_host_and_asks_for_verification() {
    let party = RelyingParty::new("https://id.example.com:8443/base").unwrap();
    let begun = party.begin_registration((Uuid::nil(), "ann@example.com", "Ann"), &[]).unwrap();
    let asked = &begun.options["publicKey"];
    assert_eq!((&asked["rp"]["id"], &asked["rp"]["name"]), (&json!(HOST), &json!("tenantry")));
    assert_eq!(asked["authenticatorSelection"]["userVerification"], "required");
    let again = party.begin_registration((Uuid::nil(), "ann@example.com", "Ann"), &[]).unwrap();
    assert_ne!(asked["challenge"], again.options["publicKey"]["challenge"]);
}

#[test]
fn what_was_not_stored_by_us_goes_nowhere() {
    let party = party();
    for wrong in [json!(null), json!({}), json!({"cred": 1})] {
        assert!(matches!(party.begin_authentication(&[&wrong]), Err(Error::Internal(_))), "{wrong}");
    }
    for url in ["", "https://", "/relative"] {
        assert!(matches!(RelyingParty::new(url), Err(Error::Internal(_))), "{url}");
    }
}

#[test]
fn a_passkey_is_made_shown_and_counted() {
    let mut mine = Authenticator::new(ORIGIN);
    let made_by_me = made(&mine).unwrap();
    assert_eq!(made_by_me.id, mine.id);
    let others = made(&Authenticator::new(ORIGIN)).unwrap();

    mine.counter = 7;
    let taken = shown(&mine, &made_by_me.passkey).unwrap();
    let counted = taken.updated_credential(&made_by_me.passkey).unwrap().expect("this passkey was shown");
    assert_eq!(counted["cred"]["counter"], 7);
    assert_eq!(taken.updated_credential(&others.passkey).unwrap(), None, "another passkey was shown");
    // Who makes another one is told which they have.
    let begun =
        party().begin_registration((Uuid::nil(), "ann@example.com", "Ann"), &[&counted, &others.passkey]);
    let excluded = &begun.unwrap().options["publicKey"]["excludeCredentials"];
    assert_eq!(excluded.as_array().map(Vec::len), Some(2));
}

#[test]
fn a_passkey_is_refused_unless_it_is_here_verified_and_newer_than_its_copy() {
    type Change = fn(&mut Authenticator);
    let changes: [(Change, &str); 5] = [
        (|one| one.origin = "https://id.example.org".parse().unwrap(), "another origin"),
        (|one| one.flags = PRESENT, "nobody was verified"),
        (|one| one.flags = VERIFIED, "nobody was present"),
        (|one| one.counter = 6, "the counter went back"),
        (with_another_key, "another key under the same id"),
    ];
    for (change, why) in changes {
        let mut mine = Authenticator::new(ORIGIN);
        let first = made(&mine).unwrap();
        mine.counter = 7;
        let counted =
            shown(&mine, &first.passkey).unwrap().updated_credential(&first.passkey).unwrap().unwrap();
        mine.counter = 8;
        assert!(shown(&mine, &counted).is_ok(), "{why}: before");
        change(&mut mine);
        assert!(matches!(shown(&mine, &counted), Err(Error::Refused)), "{why}");
    }
    for (change, why) in &changes[..3] {
        let mut mine = Authenticator::new(ORIGIN);
        change(&mut mine);
        assert!(matches!(made(&mine), Err(Error::Refused)), "{why}");
    }
}

#[test]
fn an_answer_is_of_its_own_challenge() {
    let mine = Authenticator::new(ORIGIN);
    let passkey = made(&mine).unwrap().passkey;
    let (first, second) =
        (party().begin_authentication(&[&passkey]), party().begin_authentication(&[&passkey]));
    let answer = sent(mine.get(&first.unwrap().options));
    let refused = party().finish_authentication(&answer, &second.unwrap().state);
    assert!(matches!(refused, Err(Error::Refused)));
}
