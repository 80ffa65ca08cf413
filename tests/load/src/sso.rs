//! Sign-in: what a response costs to verify, a token to exchange; codes, refreshes and exchanges over HTTP; npm oidc-provider
//! beside it; and what the worst requests that are taken at all cost.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, encode};
use saml_core::{Expected, Trust, accept};
use serde_json::{Value, json};
use tests::saml::{AES_GCM, Mint, OAEP, Pair, certificate, idp_metadata};
use tests::{Browser, Client, Issuer, OidcProvider, Reply};
use tokio::sync::Mutex;

use crate::measure::{Measured, measure, memory, show};
use crate::{Running, bare};

const IDP: &str = "https://idp.example/entity";
const SP: &str = "https://sp.example/sso/saml/1/metadata";
const ACS: &str = "https://sp.example/sso/saml/1/acs";
const CALLBACK: &str = "https://app.example/cb";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// One thread, `count` times: the median, the 99th percentile, and how many a second.
fn alone(what: &str, count: usize, mut work: impl FnMut()) -> Duration {
    for _ in 0..count / 10 {
        work();
    }
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    let micros = |at: usize| times.get(at).copied().unwrap_or_default().as_secs_f64() * 1e6;
    let total: Duration = times.iter().sum();
    println!(
        "{what:<52} p50 {:>8.1} µs  p99 {:>8.1} µs  {:>8.0}/s",
        micros(count / 2),
        micros(count * 99 / 100),
        count as f64 / total.as_secs_f64()
    );
    times.get(count / 2).copied().unwrap_or_default()
}

fn expected<'a>(
    trust: &'a Trust,
    now: DateTime<Utc>,
    decryptor: Option<&'a saml_core::Decryptor>,
) -> Expected<'a> {
    Expected {
        issuer: IDP,
        audience: SP,
        acs: ACS,
        request_id: Some("_r"),
        now,
        skew: TimeDelta::seconds(30),
        trust,
        decryptor,
    }
}

/// What the processor does, without sockets and store.
pub fn pure() {
    let (idp, sp) = (Pair::new("idp", 2048), Pair::new("sp", 2048));
    let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default();
    let trust = Trust::new(&[certificate(&idp)]).expect("trust");
    let decryptor = saml_core::Decryptor::new(&[&sp.pem]).expect("a key");
    let mut mint = Mint::new(IDP, SP, ACS, Some("_r"), now);
    mint.attributes = (0..20).map(|n| (format!("attribute-{n}"), vec!["value ".repeat(8)])).collect();
    println!("\n## One core, no sockets, no store\n");
    let xml = mint.xml(&idp);
    let key = certificate(&idp);
    let body = vec![7_u8; xml.len()];
    let pair = rsa(&idp);
    let mut signature = vec![0; pair.public_modulus_len()];
    let random = aws_lc_rs::rand::SystemRandom::new();
    pair.sign(&aws_lc_rs::signature::RSA_PKCS1_SHA256, &random, &body, &mut signature).expect("signed");
    let floor = alone("RSA-2048 and SHA-256 over as many bytes, alone", 20_000, || {
        let public = aws_lc_rs::signature::UnparsedPublicKey::new(
            &aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256,
            &key.spki,
        );
        public.verify(&body, &signature).expect("verified");
    });
    let read = |xml: &str| accept(xml, &expected(&trust, now, Some(&decryptor))).expect("accepted");
    let one = alone(&format!("SAML response of {} bytes, one signature", xml.len()), 20_000, || {
        read(&xml);
    });
    let both = Mint { sign_response: true, ..mint.clone() }.xml(&idp);
    alone(&format!("SAML response of {} bytes, two signatures", both.len()), 10_000, || {
        read(&both);
    });
    let encrypt = Some((sp.certificate.clone(), AES_GCM.to_owned(), OAEP.to_owned()));
    let sealed = Mint { encrypt, ..mint.clone() }.xml(&idp);
    alone(&format!("SAML response of {} bytes, encrypted", sealed.len()), 4_000, || {
        read(&sealed);
    });
    println!("one signature is {:.1} times the bare signature", one.as_secs_f64() / floor.as_secs_f64());

    let (signing, jwk) = tests::make_key("k");
    let part = |name: &str| jwk[name].as_str().unwrap_or_default().to_owned();
    let verifying = DecodingKey::from_ec_components(&part("x"), &part("y")).expect("a key");
    let claims = json!({"iss": "https://id.example", "sub": "0", "aud": "a", "exp": 2_000_000_000, "sid": "1", "tenant_id": "2"});
    let token = encode(&Header::new(Algorithm::ES256), &claims, &signing).expect("a token");
    let mut validation = Validation::new(Algorithm::ES256);
    validation.validate_aud = false;
    alone("an exchange's cryptography: one ES256 in, one out", 20_000, || {
        decode::<Value>(&token, &verifying, &validation).expect("verified");
        encode(&Header::new(Algorithm::ES256), &claims, &signing).expect("a token");
    });
    hostile(&xml, &trust, now, &decryptor);
}

fn rsa(pair: &Pair) -> aws_lc_rs::signature::RsaKeyPair {
    use base64::Engine as _;
    let body: String = pair.pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body).expect("base64");
    aws_lc_rs::signature::RsaKeyPair::from_pkcs8(&der).expect("a key")
}

/// The worst that a stranger can send and that isn't refused by its size at once.
fn hostile(honest: &str, trust: &Trust, now: DateTime<Utc>, decryptor: &saml_core::Decryptor) {
    let put = |what: String| honest.replacen("<samlp:Status>", &format!("{what}<samlp:Status>"), 1);
    let attributes: String = (0..40).map(|n| format!(" a{n}=\"{n}\"")).collect();
    let namespaces: String = (0..40).map(|n| format!(" xmlns:n{n}=\"urn:{n}\"")).collect();
    let ids: String = (0..3_900).map(|n| format!("<x ID=\"_{n}\"/>")).collect();
    let signature = {
        let start = honest.find("<ds:Signature").unwrap_or_default();
        let end = honest.find("</ds:Signature>").map_or(start, |at| at + 15);
        honest.get(start..end).unwrap_or_default().to_owned()
    };
    let cases = [
        ("as many elements as are taken", put("<x/>".repeat(3_900))),
        ("as many ids", put(ids)),
        ("as many attributes, on as many elements as fit", put(format!("<x{attributes}/>").repeat(500))),
        (
            "as many namespaces, nested as deep as is taken",
            put(format!("{}{}", format!("<x{namespaces}>").repeat(40), "</x>".repeat(40))),
        ),
        ("a value as long as is taken", honest.replacen("value value", &"x".repeat(240_000), 1)),
        ("a comment as long as is taken", put(format!("<!--{}-->", "x".repeat(240_000)))),
        ("character references without end", put(format!("<x>{}</x>", "&#x41;".repeat(40_000)))),
        ("a hundred signatures", put(signature.repeat(100))),
        (
            "a hundred prefixes to canonicalize",
            put(format!("<x{namespaces}>{}</x>", "<n1:y/>".repeat(3_000))),
        ),
    ];
    println!("\n## One hostile request, until it is refused\n");
    let before = memory(std::process::id());
    for (what, xml) in cases {
        let begun = Instant::now();
        let read = accept(&xml, &expected(trust, now, Some(decryptor)));
        let took = begun.elapsed().as_secs_f64() * 1e3;
        let verdict = read.map_or_else(|refusal| refusal.reason.name(), |_| "taken");
        println!("{what:<52} {:>7} bytes {took:>8.2} ms  {verdict}", xml.len());
    }
    println!("memory grew by {:.1} MiB", memory(std::process::id()) - before);
}

struct Module {
    id: String,
    secret: String,
}

impl Module {
    fn authorize(&self, base: &str) -> String {
        use base64::Engine as _;
        let challenge = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, VERIFIER.as_bytes()));
        format!(
            "{base}/oauth2/authorize?client_id={}&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&response_type=code&scope=openid&state=s&nonce=n&tenant=acme&code_challenge={challenge}&code_challenge_method=S256",
            self.id
        )
    }
}

async fn text_of(reply: Reply, name: &str) -> String {
    reply.json()[name].as_str().unwrap_or_default().to_owned()
}

/// Over HTTP, with sockets and store.
pub async fn over_http(running: &Running, count: usize) -> anyhow::Result<()> {
    let bare = bare().await?;
    let (operator, base) = (&running.operator, running.operator.base.clone());
    let issuer = Issuer::start();
    issuer.register(operator).await;
    exchange(operator, &issuer, count, bare).await;
    let body = json!({"name": "load", "baseUrl": "https://app.example", "redirectUris": [CALLBACK]});
    let made = operator.post("/api/v1/modules", body).await.expect(201);
    let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
    let module = Module { id: text("clientId"), secret: text("clientSecret") };
    let connections = "/api/v1/tenants/acme/organizations/default/connections";
    let body = json!({"type": "oidc", "name": "load", "issuer": issuer.url, "clientId": "load", "clientSecret": "s"});
    operator.post(connections, body).await.expect(201);
    let mut browser = Browser::default();
    let page = browser.open(module.authorize(&base)).await;
    anyhow::ensure!(page.parameter("code").is_some(), "no code: {} {}", page.url, page.text);
    let cookie = browser.cookie(&base, "tnt_session").unwrap_or_default();
    tokens(operator, &module, &cookie, count, bare).await;
    acs(running, count.min(2_000), bare).await;
    rival(bare, count).await;
    issuer.stop().await;
    Ok(())
}

async fn exchange(operator: &Client, issuer: &Issuer, count: usize, bare: f64) {
    let go = |count: usize| {
        measure(count, move |number: usize| {
            let body = json!({"subjectToken": issuer.token(&format!("p-{}", number % 500), "org_acme")});
            let request = operator.post_owned("/api/internal/sso/exchange", body);
            async { request.await.status == 200 }
        })
    };
    go(500).await;
    show("exchange", &go(count).await, bare);
}

async fn tokens(operator: &Client, module: &Module, cookie: &str, count: usize, bare: f64) {
    let base = operator.base.clone();
    let codes: Mutex<Vec<String>> = Mutex::default();
    let refreshes: Mutex<Vec<String>> = Mutex::default();
    let url = module.authorize(&base);
    let authorized: Measured = measure(count, |_| {
        let request = operator.http.get(&url).header("cookie", format!("tnt_session={cookie}"));
        let codes = &codes;
        async move {
            let reply = Reply::read(request).await;
            let to = reply.header("location").to_owned();
            let code = to.split_once("code=").and_then(|(_, rest)| rest.split('&').next());
            let Some(code) = code else { return false };
            codes.lock().await.push(code.to_owned());
            true
        }
    })
    .await;
    show("authorize, signed in: a code", &authorized, bare);
    let post = |form: Vec<(&'static str, String)>| {
        Reply::read(operator.http.post(format!("{base}/oauth2/token")).form(&form))
    };
    let client = || vec![("client_id", module.id.clone()), ("client_secret", module.secret.clone())];
    let total = codes.lock().await.len();
    let redeemed = measure(total, |_| {
        let (codes, refreshes, post, client) = (&codes, &refreshes, &post, &client);
        async move {
            let Some(code) = codes.lock().await.pop() else { return false };
            let mut form = client();
            form.extend([
                ("grant_type", "authorization_code".to_owned()),
                ("redirect_uri", CALLBACK.to_owned()),
                ("code_verifier", VERIFIER.to_owned()),
                ("code", code),
            ]);
            let reply = post(form).await;
            let fine = reply.status == 200;
            refreshes.lock().await.push(text_of(reply, "refresh_token").await);
            fine
        }
    })
    .await;
    show("code → tokens", &redeemed, bare);
    let refreshed = measure(total, |_| {
        let (refreshes, post, client) = (&refreshes, &post, &client);
        async move {
            let Some(token) = refreshes.lock().await.pop() else { return false };
            let mut form = client();
            form.extend([("grant_type", "refresh_token".to_owned()), ("refresh_token", token)]);
            post(form).await.status == 200
        }
    })
    .await;
    show("refresh", &refreshed, bare);
}

async fn acs(running: &Running, count: usize, bare: f64) {
    let operator = &running.operator;
    let idp = Pair::new("idp", 2048);
    let body = json!({
        "type": "saml", "name": "load", "allowIdpInitiated": true, "metadataXml": idp_metadata(IDP, "https://idp.example/sso", &[&idp]),
    });
    let made =
        operator.post("/api/v1/tenants/acme/organizations/default/connections", body).await.expect(201);
    let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
    let (audience, acs) = (text("entityId"), text("acsUrl"));
    let now = tests_now();
    let forms: Mutex<Vec<String>> = Mutex::new(
        (0..count)
            .map(|_| saml_core::to_post(&Mint::new(IDP, &audience, &acs, None, now).xml(&idp)))
            .collect(),
    );
    let taken = measure(count, |_| {
        let (forms, acs, operator) = (&forms, &acs, operator);
        async move {
            let Some(form) = forms.lock().await.pop() else { return false };
            let request = operator.http.post(acs.as_str()).form(&[("SAMLResponse", form)]);
            Reply::read(request).await.status == 303
        }
    })
    .await;
    show("SAML response to the ACS", &taken, bare);
}

fn tests_now() -> DateTime<Utc> {
    DateTime::<Utc>::from(std::time::SystemTime::now())
}

async fn rival(bare: f64, count: usize) {
    let op = OidcProvider::start().await;
    let metadata = json!({
        "grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [],
        "token_endpoint_auth_method": "client_secret_post",
    });
    let (id, secret) = op.register(metadata).await;
    let url = format!("{}/token", op.issuer());
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", id.as_str()),
        ("client_secret", secret.as_str()),
    ];
    let measured = measure(count, |_| {
        let request = http.post(&url).form(&form);
        async { Reply::read(request).await.status == 200 }
    })
    .await;
    show("npm oidc-provider, in memory: client credentials", &measured, bare);
}
