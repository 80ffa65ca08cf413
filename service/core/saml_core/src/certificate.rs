//! Certificates: carriers of keys that the customer's admin vouched for. Their own chains prove nothing here (SAML Metadata
//! Interoperability Profile, section 2.5).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bergshamra::Key;
use chrono::{DateTime, Utc};
use x509_cert::Certificate as X509;
use x509_cert::der::{Decode as _, Encode as _};

use crate::refusal::{Reason, Refusal};

/// Bytes of a certificate that is looked at.
const BYTES_MAX: usize = 16 << 10;
/// Bits of an RSA key that is taken.
const RSA_BITS_MIN: usize = 2048;
/// Bits of an RSA key beyond which a verification would cost too much.
const RSA_BITS_MAX: usize = 8192;

/// A certificate whose key can verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// DER.
    pub der: Vec<u8>,
    /// When it begins.
    pub not_before: DateTime<Utc>,
    /// When it ends.
    pub not_after: DateTime<Utc>,
    /// Its subject, for people.
    pub subject: String,
    /// `RSA-2048`, `EC-P256`…
    pub key: String,
    /// The key alone (SubjectPublicKeyInfo, DER).
    pub spki: Vec<u8>,
}

fn unusable(why: impl Into<String>) -> Refusal {
    Refusal::new(Reason::CertificateUnusable).got(why)
}

impl Certificate {
    /// Reads PEM, or the bare base64 of metadata.
    ///
    /// # Errors
    /// [`Reason::CertificateUnusable`] for what isn't a certificate, and for keys that are too weak or of a kind that signs
    /// nothing here.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > 2 * BYTES_MAX {
            return Err(unusable("it is too long"));
        }
        let body: String = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("-----"))
            .flat_map(str::chars)
            .filter(|c| !c.is_ascii_whitespace())
            .collect();
        let der = STANDARD.decode(body).map_err(|_| unusable("it is not base64"))?;
        Self::from_der(der)
    }

    /// Reads DER.
    ///
    /// # Errors
    /// As [`Certificate::parse`].
    pub fn from_der(der: Vec<u8>) -> Result<Self, Refusal> {
        if der.len() > BYTES_MAX {
            return Err(unusable("it is too long"));
        }
        let x509 = X509::from_der(&der).map_err(|_| unusable("it is not an X.509 certificate"))?;
        let content = &x509.tbs_certificate;
        let time = |time: &x509_cert::time::Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
            DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
        };
        let spki = content.subject_public_key_info.to_der().map_err(|_| unusable("its key can't be read"))?;
        let key = key_kind(&content.subject_public_key_info)?;
        Ok(Self {
            not_before: time(&content.validity.not_before),
            not_after: time(&content.validity.not_after),
            subject: content.subject.to_string().chars().filter(|c| !c.is_control()).take(200).collect(),
            key,
            spki,
            der,
        })
    }

    /// As it stands in metadata.
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.der)
    }

    /// The key, for the library that verifies.
    pub(crate) fn verifying_key(&self) -> Result<Key, Refusal> {
        bergshamra::keys::loader::load_x509_cert_der(&self.der).map_err(|_| unusable("its key can't be read"))
    }
}

/// What kind of key it is, if it is one that is taken.
fn key_kind(spki: &x509_cert::spki::SubjectPublicKeyInfoOwned) -> Result<String, Refusal> {
    const RSA: &str = "1.2.840.113549.1.1.1";
    const EC: &str = "1.2.840.10045.2.1";
    match spki.algorithm.oid.to_string().as_str() {
        RSA => {
            let bits = rsa_bits(spki.subject_public_key.raw_bytes())
                .ok_or_else(|| unusable("its key can't be read"))?;
            if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
                return Err(unusable(format!("an RSA key of {bits} bits")));
            }
            Ok(format!("RSA-{bits}"))
        }
        EC => {
            let curve = spki
                .algorithm
                .parameters
                .as_ref()
                .and_then(|any| any.decode_as::<x509_cert::der::asn1::ObjectIdentifier>().ok())
                .map(|oid| oid.to_string());
            match curve.as_deref() {
                Some("1.2.840.10045.3.1.7") => Ok("EC-P256".to_owned()),
                Some("1.3.132.0.34") => Ok("EC-P384".to_owned()),
                Some("1.3.132.0.35") => Ok("EC-P521".to_owned()),
                _ => Err(unusable("an elliptic curve that is not taken")),
            }
        }
        other => Err(unusable(format!("a key of kind {other}"))),
    }
}

/// The modulus' length, from PKCS#1.
fn rsa_bits(pkcs1: &[u8]) -> Option<usize> {
    use x509_cert::der::Reader as _;
    use x509_cert::der::asn1::UintRef;
    let mut reader = x509_cert::der::SliceReader::new(pkcs1).ok()?;
    reader
        .sequence(|inner| {
            let modulus: UintRef<'_> = inner.decode()?;
            let _exponent: UintRef<'_> = inner.decode()?;
            let bytes = modulus.as_bytes();
            let leading = bytes.first().map_or(0, |byte| byte.leading_zeros() as usize);
            Ok::<_, x509_cert::der::Error>(bytes.len() * 8 - leading)
        })
        .ok()
}

#[cfg(test)]
mod tests;
