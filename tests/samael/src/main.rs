//! samael, by lines of JSON. `{"judge": …}`: what does samael read out of this response? `{"mint": …}`: a response that
//! samael's identity provider signed, and its certificate.

use std::io::{BufRead, Write};
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use samael::crypto::{Crypto, CryptoProvider};
use samael::idp::response_builder::build_response_template;
use samael::idp::{CertificateParams, IdentityProvider, KeyType, Rsa};
use samael::metadata::EntityDescriptor;
use samael::service_provider::ServiceProvider;
use samael::traits::ToXml;
use serde_json::{Value, json};

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn judge(asked: &Value) -> Value {
    let metadata = match EntityDescriptor::from_str(&text(asked, "metadata")) {
        Ok(metadata) => metadata,
        Err(error) => return json!({"error": error.to_string()}),
    };
    let provider = ServiceProvider {
        entity_id: Some(text(asked, "audience")),
        acs_url: Some(text(asked, "acs")),
        idp_metadata: metadata,
        max_clock_skew: chrono::Duration::seconds(30),
        ..ServiceProvider::default()
    };
    let request = text(asked, "requestId");
    match provider.parse_xml_response(&text(asked, "xml"), Some(&[&request])) {
        Ok(assertion) => {
            let name = assertion.subject.and_then(|subject| subject.name_id).map(|name| name.value);
            json!({"taken": true, "nameId": name})
        }
        Err(error) => json!({"taken": false, "error": error.to_string()}),
    }
}

fn mint(asked: &Value) -> Result<Value, Box<dyn std::error::Error>> {
    let idp = IdentityProvider::generate_new(KeyType::Rsa(Rsa::Rsa2048))?;
    let issuer = text(asked, "issuer");
    let parameters = CertificateParams { common_name: "samael", issuer_name: "samael", days_until_expiration: 3650 };
    let certificate = idp.create_certificate(&parameters)?;
    let template = build_response_template(
        &certificate,
        &text(asked, "nameId"),
        &text(asked, "audience"),
        &issuer,
        &text(asked, "acs"),
        &text(asked, "requestId"),
        &[],
    );
    // What samael signs by itself has SHA-1 digests, which nobody should take any more.
    let template = template.to_string()?.replace("http://www.w3.org/2000/09/xmldsig#sha1", "http://www.w3.org/2001/04/xmlenc#sha256");
    // Nor does it say until when the confirmation counts, which the profile demands (SAML profiles, section 4.1.4.2).
    let until = (chrono::Utc::now() + chrono::Duration::minutes(5)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let template = template.replace("SubjectConfirmationData ", &format!("SubjectConfirmationData NotOnOrAfter=\"{until}\" "));
    let xml = Crypto::sign_xml(template.as_str(), idp.export_private_key_der()?.as_slice())?;
    Ok(json!({"xml": xml, "certificate": STANDARD.encode(certificate.der_data())}))
}

fn main() {
    println!("{}", json!({"port": 0}));
    for line in std::io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let answer = match (&asked["judge"], &asked["mint"]) {
            (judged, _) if judged.is_object() => judge(judged),
            (_, minted) => mint(minted).unwrap_or_else(|error| json!({"error": error.to_string()})),
        };
        println!("{answer}");
        std::io::stdout().flush().expect("flushed");
    }
}
