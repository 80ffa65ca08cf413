//! Another implementation reads all that was judged.

use super::conditions::every_condition_alone_decides;
use super::documents::documents_that_saml_has_no_use_for_are_refused;
use super::encryption::encryption_hides_nothing;
use super::signatures::what_is_signed_by_others_or_otherwise_is_refused;
use super::wrapped::wrapped_signatures_are_refused;
use super::*;

/// samael 0.0.22 reads the same corpus by other code (libxml2, xmlsec1). Neither of us may ever name somebody whom the provider
/// didn't; and what samael's own identity provider signs is taken here.
#[actix_web::test]
async fn a_second_opinion_names_nobody_else() {
    wrapped_signatures_are_refused();
    what_is_signed_by_others_or_otherwise_is_refused();
    documents_that_saml_has_no_use_for_are_refused();
    every_condition_alone_decides();
    encryption_hides_nothing();
    honest_responses_of_every_layout_are_taken();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/samael/target/debug/samael-oracle");
    let mut samael = Part::run(program, &[], &[]).await;
    let metadata = idp_metadata(IDP, "https://idp.example/sso", &[&shared_pair("idp"), &shared_pair("next")]);
    let judged = JUDGED.lock().unwrap().clone();
    let (mut honest, mut both, mut laxer) = (0, 0, Vec::new());
    for (what, xml, taken) in &judged {
        let asked =
            json!({"metadata": metadata, "audience": SP, "acs": ACS, "requestId": REQUEST, "xml": xml});
        samael.tell(&json!({"judge": asked})).await;
        let verdict = samael.next().await;
        honest += usize::from(*taken);
        if verdict["taken"] == true {
            let name = verdict["nameId"].as_str().unwrap_or_default();
            assert!(!name.starts_with("admin@"), "{what}: samael is taken in");
            both += usize::from(*taken);
            if !taken {
                laxer.push(what.clone());
            }
        }
    }
    laxer.sort();
    laxer.dedup();
    println!(
        "{} judged, {honest} honest, samael takes {both} of these, and besides: {laxer:?}",
        judged.len()
    );
    assert!(both >= 8, "samael takes only {both} honest ones: is it asked rightly?");

    let asked = json!({"issuer": IDP, "audience": SP, "acs": ACS, "requestId": REQUEST, "nameId": "alice@corp.example"});
    samael.tell(&json!({"mint": asked})).await;
    let minted = samael.next().await;
    let trust =
        Trust::new(&[saml_core::Certificate::parse(minted["certificate"].as_str().unwrap()).unwrap()])
            .unwrap();
    let expected = Expected {
        issuer: IDP,
        audience: SP,
        acs: ACS,
        request_id: Some(REQUEST),
        now: platform::clock::Clock::default().now(),
        skew: TimeDelta::seconds(30),
        trust: &trust,
        decryptor: None,
    };
    let read = accept(minted["xml"].as_str().unwrap(), &expected);
    assert_eq!(read.map(|accepted| accepted.name_id).as_deref(), Ok("alice@corp.example"));
}
