//! Secrets: sealed where they must be read back, hashed where they must only be recognised.

mod argon;
mod secrets;

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{digest, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::zeroize::Zeroizing;
use uuid::Uuid;

use crate::DbError;

pub use argon::HashError;
pub use secrets::{LookupKey, SecretKind, SecretProof, Secrets, StoredSecret, Verdict, open_lookup_key};

/// Layout of a sealed value: this byte, a 96-bit nonce, ciphertext and tag.
const ENVELOPE_VERSION: u8 = 1;

/// 32 bytes of SHA-256.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    out
}

/// The first half of 32 uniform bytes, as an id: of something that has no row.
pub fn id_of(bytes: &[u8; 32]) -> Uuid {
    let mut half = [0; 16];
    half.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    uuid::Builder::from_custom_bytes(half).into_uuid()
}

/// Fills an array from the system's generator.
///
/// # Panics
/// Where the operating system has no randomness left to give; nothing sensible can go on there.
#[allow(clippy::expect_used, reason = "without randomness no secret may be made")]
pub fn random<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    rand::fill(&mut out).expect("the operating system gives randomness");
    out
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `GROUPS` groups of four random letters, of those that can't be mistaken for each other: 20 bits a group.
pub fn readable_code<const GROUPS: usize>() -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let letter = |byte: u8| ALPHABET.get(usize::from(byte % 32)).map_or('A', |letter| char::from(*letter));
    let groups: [String; GROUPS] = std::array::from_fn(|_| random::<4>().into_iter().map(letter).collect());
    groups.join("-")
}

/// Equality that takes the same time wherever the difference is.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(left, right).is_ok()
}

/// Seals values with AES-256-GCM under the master key. What is sealed is bound to a purpose and an id, so that a
/// ciphertext moved to another row or column doesn't open.
#[derive(Clone)]
pub struct Envelope {
    key: Arc<RandomizedNonceKey>,
    marks: Arc<hmac::Key>,
}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Envelope")
    }
}

impl Envelope {
    /// Takes the master key: 32 bytes in base64. `None` if it isn't that.
    pub fn new(master_key: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(master_key.trim()).ok()?);
        if bytes.len() != 32 {
            return None;
        }
        // A key of its own for marks: one key, one use.
        let marks =
            hmac::Key::new(hmac::HMAC_SHA256, &sha256(&[b"tenantry marks".as_slice(), &bytes].concat()));
        let key = Arc::new(RandomizedNonceKey::new(&AES_256_GCM, &bytes).ok()?);
        Some(Self { key, marks: Arc::new(marks) })
    }

    /// Seals `plain` for `(purpose, id)`.
    ///
    /// # Errors
    /// Only where the cryptographic library itself fails.
    pub fn seal(&self, purpose: &'static str, id: &[u8], plain: &[u8]) -> Result<Vec<u8>, DbError> {
        let mut body = plain.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(binding(purpose, id)), &mut body)
            .map_err(|_| DbError::Sealed(purpose))?;
        let mut out = Vec::with_capacity(1 + NONCE_LEN + body.len());
        out.push(ENVELOPE_VERSION);
        out.extend_from_slice(nonce.as_ref());
        out.append(&mut body);
        Ok(out)
    }

    /// Opens what [`Envelope::seal`] made for the same `(purpose, id)`.
    ///
    /// # Errors
    /// [`DbError::Sealed`] for another key, purpose, id or altered bytes.
    pub fn open(
        &self,
        purpose: &'static str,
        id: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, DbError> {
        let failed = || DbError::Sealed(purpose);
        let (version, rest) = sealed.split_first().ok_or_else(failed)?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or_else(failed)?;
        if *version != ENVELOPE_VERSION {
            return Err(failed());
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| failed())?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = self
            .key
            .open_in_place(nonce, Aad::from(binding(purpose, id)), &mut body)
            .map_err(|_| failed())?
            .len();
        body.truncate(length);
        Ok(body)
    }
}

impl Envelope {
    /// 32 bytes that only the holder of the master key can make of `(purpose, text)`, always the same.
    pub fn mark(&self, purpose: &str, text: &[u8]) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(hmac::sign(&self.marks, &binding(purpose, text)).as_ref());
        out
    }
}

/// Length-prefixed, so that no two (purpose, id) pairs are the same bytes.
fn binding(purpose: &str, id: &[u8]) -> Vec<u8> {
    let mut out = (purpose.len() as u64).to_be_bytes().to_vec();
    out.extend_from_slice(purpose.as_bytes());
    out.extend_from_slice(id);
    out
}

/// A bearer secret that names its own row: `prefix` + base64url(id, 256 random bits, checksum).
///
/// The id makes the row's look-up cheap although its hash is slow; the checksum lets a scanner know a real one from
/// a look-alike, and lets a truncated or mistyped one be refused without touching the store.
#[derive(Clone)]
pub struct BearerSecret {
    /// The row.
    pub id: Uuid,
    /// The whole text, as handed out.
    pub text: Zeroizing<String>,
}

impl BearerSecret {
    const CHECKSUM_BYTES: usize = 4;
    const BYTES: usize = 16 + 32 + Self::CHECKSUM_BYTES;

    /// Makes one for the row `id`.
    pub fn generate(prefix: &str, id: Uuid) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(Self::BYTES));
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(&random::<32>());
        let checksum = Self::checksum(prefix, &bytes);
        bytes.extend_from_slice(&checksum);
        Self { id, text: Zeroizing::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(&*bytes))) }
    }

    /// Reads one that came in; `None` for any other text, every proper prefix and every altered bit included.
    pub fn parse(prefix: &str, text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.strip_prefix(prefix)?).ok()?);
        if bytes.len() != Self::BYTES {
            return None;
        }
        let (body, checksum) = bytes.split_at_checked(Self::BYTES - Self::CHECKSUM_BYTES)?;
        if !same(&Self::checksum(prefix, body), checksum) {
            return None;
        }
        let id = Uuid::from_slice(body.get(..16)?).ok()?;
        Some(Self { id, text: Zeroizing::new(text.to_owned()) })
    }

    fn checksum(prefix: &str, body: &[u8]) -> [u8; Self::CHECKSUM_BYTES] {
        let digest = sha256(&[prefix.as_bytes(), body].concat());
        let mut out = [0; Self::CHECKSUM_BYTES];
        out.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        out
    }
}

/// A one-time secret without a name of its own: `prefix` + 256 random bits. Looked up by its SHA-256 digest, which is
/// enough for a secret that no one chose.
pub fn one_time_secret(prefix: &str) -> (Zeroizing<String>, [u8; 32]) {
    let text = Zeroizing::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random::<32>())));
    let digest = sha256(text.as_bytes());
    (text, digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        Envelope::new(&STANDARD.encode([7; 32])).unwrap()
    }

    #[test]
    fn a_sealed_value_opens_only_for_its_purpose_and_id() {
        let sealed = envelope().seal("mail", b"1", b"hello").unwrap();
        assert_eq!(&**envelope().open("mail", b"1", &sealed).unwrap(), b"hello");
        assert!(envelope().open("mail", b"2", &sealed).is_err());
        assert!(envelope().open("flag", b"1", &sealed).is_err());
        assert!(Envelope::new(&STANDARD.encode([8; 32])).unwrap().open("mail", b"1", &sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(envelope().open("mail", b"1", &altered).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn no_prefix_and_no_bit_flip_of_a_secret_is_read_as_one() {
        let secret = BearerSecret::generate("tnt_key_", crate::ids::new());
        assert_eq!(BearerSecret::parse("tnt_key_", &secret.text).unwrap().id, secret.id);
        assert!(BearerSecret::parse("tnt_scim_", &secret.text).is_none());
        for length in 0..secret.text.len() {
            assert!(BearerSecret::parse("tnt_key_", &secret.text[..length]).is_none());
        }
        for bit in 0..secret.text.len() * 8 {
            let mut altered = secret.text.as_bytes().to_vec();
            altered[bit / 8] ^= 1 << (bit % 8);
            if let Ok(text) = String::from_utf8(altered) {
                assert!(BearerSecret::parse("tnt_key_", &text).is_none(), "bit {bit}");
            }
        }
    }
}
