//! What is encrypted is judged like what is not.

use super::*;

#[test]
pub(super) fn encryption_hides_nothing() {
    let stage = Stage::set();
    let (mint, idp, sp) = (stage.mint(), &stage.idp, &stage.sp.certificate);
    let encrypt = |data: &str, transport: &str| Some((sp.clone(), data.to_owned(), transport.to_owned()));
    let aes = |name: &str| format!("http://www.w3.org/2001/04/xmlenc#{name}");
    let none = Mint { sign_assertion: false, encrypt: encrypt(AES_GCM, OAEP), ..mint.clone() };
    stage.refused("encrypted and unsigned", &none.xml(idp), &[Reason::SignatureMissing]);
    let cbc = Mint { encrypt: encrypt(&aes("aes256-cbc"), OAEP), ..mint.clone() };
    stage.refused("CBC without a signature around it", &cbc.xml(idp), &[Reason::EncryptionUnsigned]);
    let strange = Mint { encrypt: encrypt(AES_GCM, OAEP), ..mint.clone() };
    stage.refused(
        "a stranger's, encrypted",
        &strange.xml(&shared_pair("stranger")),
        &[Reason::SignatureInvalid],
    );
    let other = Some((shared_pair("stranger").certificate, AES_GCM.to_owned(), OAEP.to_owned()));
    stage.refused(
        "for another",
        &Mint { encrypt: other, ..mint.clone() }.xml(idp),
        &[Reason::DecryptionFailed],
    );
    let honest = Mint { encrypt: encrypt(AES_GCM, OAEP), ..mint.clone() }.xml(idp);
    for (what, from, to) in [
        ("RSA 1.5", OAEP, "http://www.w3.org/2001/04/xmlenc#rsa-1_5"),
        ("Triple DES", AES_GCM, "http://www.w3.org/2001/04/xmlenc#tripledes-cbc"),
        ("content", "xmlenc#Element", "xmlenc#Content"),
    ] {
        stage.refused(what, &honest.replace(from, to), &[Reason::AlgorithmRefused, Reason::EncryptionShape]);
    }
    forged_inside(&stage, &honest);
    forged_keys(&stage, &honest);
}

/// What is put into, beside or around what is encrypted.
fn forged_inside(stage: &Stage, honest: &str) {
    let (mint, sp) = (stage.mint(), &stage.sp.certificate);
    let idp = &stage.idp;
    let data = cut(honest, "<xenc:EncryptedData", "</xenc:EncryptedData>").to_owned();
    let sealed = cut(honest, "<saml:EncryptedAssertion>", "</saml:EncryptedAssertion>").to_owned();
    let plain_evil = evil(&mint.xml(idp));
    let seal = |plain: &str| encrypted(sp, AES_GCM, OAEP, plain);
    let wrapped = |inside: &str| honest.replace(&data, &seal(inside));
    let signed = mint.xml(idp);
    for (what, forged) in [
        ("evil beside", honest.replace(&sealed, &format!("{plain_evil}{sealed}"))),
        ("two encrypted", honest.replace(&sealed, &format!("{sealed}{sealed}"))),
        ("evil encrypted", wrapped(&plain_evil)),
        ("evil and honest encrypted together", wrapped(&format!("{plain_evil}{}", assertion(&signed)))),
        (
            "honest within evil, encrypted",
            wrapped(
                &plain_evil.replace("</saml:Assertion>", &format!("{}</saml:Assertion>", assertion(&signed))),
            ),
        ),
        (
            "a whole response encrypted",
            wrapped(signed.trim_start_matches("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")),
        ),
        ("a document type encrypted", wrapped(&format!("<!DOCTYPE x>{}", assertion(&signed)))),
        ("no XML encrypted", wrapped("x")),
        ("encrypted twice", wrapped(&sealed)),
        (
            "a bit changed",
            honest.replacen(
                "</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>",
                "AAAA</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>",
                1,
            ),
        ),
        (
            "a reference instead of a value",
            honest.replacen(
                "<xenc:CipherValue>",
                "<xenc:CipherReference URI=\"file:///etc/passwd\"/><xenc:CipherValue>",
                1,
            ),
        ),
        (
            "a name encrypted",
            mint.clone()
                .with("<saml:NameID ", "<saml:EncryptedID/><saml:NameID2 ")
                .with("</saml:NameID>", "</saml:NameID2>")
                .xml(idp),
        ),
    ] {
        stage.refused(what, &forged, Reason::ALL);
    }
}

/// Whatever is wrong with the key or the padding, the answer is one.
fn forged_keys(stage: &Stage, honest: &str) {
    let reasons: Vec<Reason> = [
        honest
            .replacen(
                "</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>",
                "</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey><!---->",
                1,
            )
            .replacen("<xenc:CipherValue>", "<xenc:CipherValue>AAAA", 1),
        honest.replacen(
            "</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>",
            "AAAA</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>",
            1,
        ),
    ]
    .iter()
    .map(|forged| stage.read(forged).unwrap_err().reason)
    .collect();
    assert_eq!(reasons, [Reason::DecryptionFailed, Reason::DecryptionFailed]);
}
