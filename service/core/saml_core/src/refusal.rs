//! Why something was refused: a stable word, what was expected and what came, for the trace that support reads.

use serde::Serialize;

macro_rules! reasons {
    ($($variant:ident = $name:literal $meaning:literal;)*) => {
        /// The word for what is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        pub enum Reason {
            $(#[doc = $meaning] #[serde(rename = $name)] $variant,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)*];

            /// Its name: never changed.
            pub fn name(self) -> &'static str {
                match self { $(Reason::$variant => $name,)* }
            }

            /// What it means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Reason::$variant => $meaning,)* }
            }
        }
    };
}

reasons! {
    XmlRefused = "xml_refused" "The document is not XML, or uses XML features that are not allowed.";
    DuplicateId = "duplicate_id" "Two elements have the same ID.";
    NotAResponse = "not_a_response" "The message is not a SAML 2.0 Response.";
    NotALogout = "not_a_logout" "The message is not a SAML 2.0 logout message.";
    VersionWrong = "version_wrong" "The SAML version is not 2.0.";
    StatusFailed = "status_failed" "The identity provider answered that the sign-in failed.";
    AssertionCount = "assertion_count" "The response does not contain exactly one assertion.";
    Missing = "missing" "Something that the SAML profile requires is missing.";
    SignatureMissing = "signature_missing" "Neither the response nor the assertion is signed.";
    SignatureMisplaced = "signature_misplaced" "A signature is in a place where it is not allowed.";
    SignatureShape = "signature_shape" "A signature does not have the supported structure.";
    AlgorithmRefused = "algorithm_refused" "An algorithm is not supported.";
    SignatureInvalid = "signature_invalid" "A signature doesn't verify with any certificate of the connection.";
    CertificateMissing = "certificate_missing" "The connection has no usable signing certificate.";
    EncryptionShape = "encryption_shape" "The encrypted assertion does not have the supported structure.";
    DecryptionFailed = "decryption_failed" "The assertion can't be decrypted.";
    EncryptionUnsigned = "encryption_unsigned" "CBC encryption is accepted only if the response is signed.";
    IssuerWrong = "issuer_wrong" "The issuer is not the connection's identity provider.";
    DestinationWrong = "destination_wrong" "The message is addressed to another URL.";
    RecipientWrong = "recipient_wrong" "The assertion is meant for another recipient.";
    AudienceWrong = "audience_wrong" "The assertion is meant for another audience.";
    InResponseToWrong = "in_response_to_wrong" "The response answers another request.";
    Unsolicited = "unsolicited" "The response answers no request, and the connection does not allow IdP-initiated sign-in.";
    NotYetValid = "not_yet_valid" "The assertion is not valid yet.";
    Expired = "expired" "The assertion has expired.";
    TimeUnreadable = "time_unreadable" "A time can't be read.";
    ConditionUnknown = "condition_unknown" "The assertion has a condition that is not supported.";
    ConfirmationMissing = "confirmation_missing" "The subject has no valid bearer confirmation.";
    SubjectUnusable = "subject_unusable" "The subject can't identify a person permanently.";
    MetadataUnusable = "metadata_unusable" "The metadata doesn't describe one usable identity provider.";
    CertificateUnusable = "certificate_unusable" "A certificate can't be used.";
    EncodingWrong = "encoding_wrong" "The message is not encoded as its binding requires.";
}

/// A refusal, as facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// What is wrong.
    pub reason: Reason,
    /// What would have been right, if that can be said.
    pub expected: Option<String>,
    /// What came. From the outside: shown escaped, and cut.
    pub got: Option<String>,
}

/// Characters of a foreign value that are kept.
const SHOWN_MAX: usize = 300;

impl Refusal {
    /// A refusal without details.
    pub fn new(reason: Reason) -> Self {
        Self { reason, expected: None, got: None }
    }

    /// Says what would have been right.
    #[must_use]
    pub fn expected(mut self, what: impl Into<String>) -> Self {
        self.expected = Some(what.into());
        self
    }

    /// Says what came.
    #[must_use]
    pub fn got(mut self, what: impl Into<String>) -> Self {
        self.got = Some(what.into().chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect());
        self
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.reason.meaning())
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests;
