//! What travels in forms and queries arrives as it was sent, within its bounds, and queries only under a trusted signature.

use super::*;
use crate::tests::saml::{Pair, RSA_SHA256, certificate, shared_pair};
use crate::tests::{outcome, why};

const MESSAGE_BYTES: usize = 262_144;

fn deflated(bytes: &[u8]) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    to_post_bytes(&encoder.finish().unwrap())
}

fn signer(pair: &Pair) -> Signer {
    Signer::new(&pair.pem, &certificate(pair)).unwrap()
}

fn trust(names: &[&'static str]) -> Trust {
    let certificates: Vec<_> = names.iter().map(|name| certificate(&shared_pair(name))).collect();
    Trust::new(&certificates).unwrap()
}

/// A query that the provider signed.
fn query(direction: Direction, relay_state: Option<&str>) -> String {
    let signer = signer(&shared_pair("idp"));
    let url = to_redirect("https://sp.example/acs", direction, "<x/>", relay_state, Some(&signer)).unwrap();
    url.split_once('?').unwrap().1.to_owned()
}

#[test]
fn each_direction_has_its_parameter() {
    assert_eq!(Direction::Request.parameter(), "SAMLRequest");
    assert_eq!(Direction::Response.parameter(), "SAMLResponse");
}

#[test]
fn a_form_is_read_padded_or_not_and_broken_into_lines() {
    for (what, value, expected) in [
        ("padded", "PHgvPg==", Ok("<x/>")),
        ("not padded", "PHgvPg", Ok("<x/>")),
        ("half padded", "PHgvPg=", Ok("<x/>")),
        ("broken into lines", " PHg\r\n\tvPg== \n", Ok("<x/>")),
        ("nothing", "", Ok("")),
        ("the alphabet of URLs", "PHg_Pg-_", Err("it is not base64")),
        ("a foreign letter", "PHgv!g==", Err("it is not base64")),
        ("a no-break space", "PHgv\u{a0}Pg==", Err("it is not base64")),
        ("padding within", "PH==gvPg", Err("it is not base64")),
        ("bits that are left over", "PHgvPh==", Err("it is not base64")),
        ("not UTF-8", "/w==", Err("it is not UTF-8")),
    ] {
        let expected =
            expected.map(ToOwned::to_owned).map_err(|why| Refusal::new(Reason::EncodingWrong).got(why));
        assert_eq!(from_post(value), expected, "{what}");
    }
}

#[test]
fn an_encoded_message_has_half_as_much_again_as_a_message_and_not_one_byte_more() {
    let longest = MESSAGE_BYTES * 3 / 2;
    for (what, value, expected) in [
        ("one less", "A".repeat(longest - 4), "taken"),
        ("the longest", "A".repeat(longest), "taken"),
        ("white space counts", format!("{} ", "A".repeat(longest)), "encoding_wrong"),
        ("one more", "A".repeat(longest + 4), "encoding_wrong"),
    ] {
        assert_eq!(outcome(from_post(&value)), expected, "{what}");
    }
    let far_too_long = why(from_post(&"A".repeat(longest + 1)));
    assert_eq!(far_too_long, (Reason::EncodingWrong, "it is too long".to_owned()));
}

#[test]
fn a_query_inflates_to_a_message_and_not_one_byte_more() {
    for (what, length, expected) in [
        ("nothing", 0, None),
        ("one less", MESSAGE_BYTES - 1, None),
        ("the longest", MESSAGE_BYTES, None),
        ("one more", MESSAGE_BYTES + 1, Some("it inflates to too much")),
        ("two more", MESSAGE_BYTES + 2, Some("it inflates to too much")),
        ("a bomb", 64 * MESSAGE_BYTES, Some("it inflates to too much")),
    ] {
        let read = from_redirect(&deflated(&vec![b'a'; length]));
        match expected {
            None => assert_eq!(read.map(|text| text.len()), Ok(length), "{what}"),
            Some(expected) => {
                assert_eq!(why(read), (Reason::EncodingWrong, expected.to_owned()), "{what}");
            }
        }
    }
}

#[test]
fn a_query_that_cannot_be_inflated_says_so() {
    for (what, value, expected) in [
        ("not deflated", to_post("<x/>"), "it can't be inflated"),
        ("cut", deflated(&[b'a'; 3000])[..8].to_owned(), "it can't be inflated"),
        ("not UTF-8", deflated(&[0xff; 9]), "it can't be inflated"),
        ("not base64", "?".to_owned(), "it is not base64"),
    ] {
        assert_eq!(why(from_redirect(&value)), (Reason::EncodingWrong, expected.to_owned()), "{what}");
    }
}

#[test]
fn a_form_has_the_message_and_the_state_if_there_is_one() {
    assert_eq!(to_post("<x/>"), "PHgvPg==");
    for (direction, state, expected) in [
        (Direction::Request, None, vec![("SAMLRequest", "PHgvPg==")]),
        (Direction::Response, Some("<&>"), vec![("SAMLResponse", "PHgvPg=="), ("RelayState", "<&>")]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        assert_eq!(post_fields(direction, "<x/>", state), expected);
    }
}

#[test]
fn a_query_goes_behind_what_the_destination_has_already() {
    let message = form_urlencoded::byte_serialize(
        {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all("<ä/>".as_bytes()).unwrap();
            to_post_bytes(&encoder.finish().unwrap())
        }
        .as_bytes(),
    )
    .collect::<String>();
    for (destination, state, expected) in [
        ("https://idp.example/sso", None, format!("https://idp.example/sso?SAMLRequest={message}")),
        (
            "https://idp.example/sso?a=b",
            Some("a b&c"),
            format!("https://idp.example/sso?a=b&SAMLRequest={message}&RelayState=a+b%26c"),
        ),
    ] {
        let url = to_redirect(destination, Direction::Request, "<ä/>", state, None);
        assert_eq!(url, Ok(expected));
    }
}

#[test]
fn a_query_that_is_sent_is_read_again() {
    let xml = "<x a=\"ä\">+/=</x>";
    let url = to_redirect("https://idp.example/sso", Direction::Response, xml, Some("s"), None).unwrap();
    let url = url::Url::parse(&url).unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    assert_eq!((pairs[0].0.as_str(), from_redirect(&pairs[0].1)), ("SAMLResponse", Ok(xml.to_owned())));
    assert_eq!(pairs[1], ("RelayState".to_owned(), "s".to_owned()));
}

#[test]
fn a_signed_query_is_believed_of_a_trusted_key_alone() {
    for direction in [Direction::Request, Direction::Response] {
        for state in [None, Some(""), Some("a b&c=ä")] {
            let query = query(direction, state);
            assert!(query.contains(&format!(
                "SigAlg={}",
                RSA_SHA256.replace(':', "%3A").replace('/', "%2F").replace('#', "%23")
            )));
            assert_eq!(verify_redirect(&query, direction, &trust(&["idp"])), Ok(()), "{state:?}");
            assert_eq!(verify_redirect(&query, direction, &trust(&["next", "idp"])), Ok(()), "{state:?}");
            let stranger = verify_redirect(&query, direction, &trust(&["stranger"]));
            assert_eq!(stranger, Err(Refusal::new(Reason::SignatureInvalid)), "{state:?}");
        }
    }
}

/// What is done to a query that was signed, and what becomes of it.
type Change = (&'static str, fn(&str) -> String, &'static str);

const CHANGES: [Change; 19] = [
    ("as it is", str::to_owned, "taken"),
    ("with something else behind it", |query| format!("{query}&x=y"), "taken"),
    ("with something else before it", |query| format!("x=y&{query}"), "taken"),
    ("in another order", |query| query.rsplit('&').collect::<Vec<_>>().join("&"), "taken"),
    ("a name that only begins alike", |query| format!("{query}&RelayStates=1&SigAlg2=1"), "taken"),
    ("another state", |query| query.replace("RelayState=state", "RelayState=other"), "signature_invalid"),
    ("the same state encoded otherwise", |query| query.replace("=state", "=%73tate"), "signature_invalid"),
    ("without the state", |query| query.replace("&RelayState=state", ""), "signature_invalid"),
    ("another message", |query| query.replace("SAMLRequest=", "SAMLRequest=A"), "signature_invalid"),
    ("another algorithm", |query| query.replace("rsa-sha256", "rsa-sha512"), "signature_invalid"),
    ("SHA-1", |query| query.replace("rsa-sha256", "rsa-sha1"), "signature_invalid"),
    ("no signature", |query| query.split("&Signature=").next().unwrap().to_owned(), "signature_missing"),
    (
        "an empty signature",
        |query| query.split_inclusive("Signature=").next().unwrap().to_owned(),
        "signature_invalid",
    ),
    ("a signature that is no base64", |query| query.replace("Signature=", "Signature=!"), "encoding_wrong"),
    ("no algorithm", |query| query.replace("SigAlg=", "Sig="), "signature_missing"),
    ("no message", |query| query.replace("SAMLRequest=", "SAMLResponse="), "signature_missing"),
    ("the message twice", |query| format!("{query}&SAMLRequest=x"), "encoding_wrong"),
    ("the state twice", |query| format!("{query}&RelayState=x"), "encoding_wrong"),
    ("the signature twice", |query| format!("{query}&Signature="), "encoding_wrong"),
];

#[test]
fn the_signature_of_a_query_covers_its_parameters_as_they_were_sent() {
    let signed = query(Direction::Request, Some("state"));
    for (what, change, expected) in CHANGES {
        let read = verify_redirect(&change(&signed), Direction::Request, &trust(&["idp"]));
        assert_eq!(outcome(read), expected, "{what}");
    }
    let twice = verify_redirect(&format!("{signed}&SigAlg="), Direction::Request, &trust(&["idp"]));
    assert_eq!(why(twice), (Reason::EncodingWrong, "a parameter was sent twice".to_owned()));
}

#[test]
fn an_attribute_is_escaped() {
    assert_eq!(attribute("Name", "a\"<&"), " Name=\"a&quot;&lt;&amp;\"");
}
