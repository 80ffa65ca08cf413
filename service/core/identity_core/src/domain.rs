//! The domain of an address in its one form.

/// Octets of a domain name (RFC 1035, section 2.3.4).
const DOMAIN_MAX: usize = 253;
/// Octets of one of its labels.
const LABEL_MAX: usize = 63;

/// A host name as its labels in lower case and in ASCII (UTS 46, non-transitional). `None` for what is no host name and nothing else:
/// an address must not have one domain for its reader and another one for the mail server.
pub fn domain(text: &str) -> Option<String> {
    // The mapping knows characters that vanish, but none that end a name: what separates things in a URL is refused first.
    let fits =
        text.chars().all(|one| !one.is_ascii() || one.is_ascii_alphanumeric() || matches!(one, '-' | '.'));
    let name = if fits { idna::domain_to_ascii(text).ok()? } else { return None };
    let last = name.rsplit('.').next().unwrap_or_default();
    // RFC 1123 and the URL standard: what ends in a number is an address of IPv4, or means to be one.
    let number = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
    (name.len() <= DOMAIN_MAX && !number && name.split('.').all(is_label)).then_some(name)
}

/// The domain of an address, in the same form; public ones too. `None` for what is no host and nothing else: an address must not
/// have one domain for the reader and another one for the mail server.
pub fn domain_of(email: &str) -> Option<String> {
    let (_, host) = email.rsplit_once('@')?;
    domain(host.trim_end_matches('.'))
}

fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.len() <= LABEL_MAX
        && bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
        && bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
}

/// Whether `text` can be an e-mail address that a mail may be sent to; the mail library has the last word.
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    text.len() <= 254
        && (1..=64).contains(&local.len())
        && !text.chars().any(|c| {
            c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"' | ',' | ';' | ':' | '(' | ')')
        })
        && !local.contains('@')
        && crate::check(text).is_ok()
        && self::domain(domain).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_one_form() {
        for (text, form) in [
            ("Acme.Example", "acme.example"),
            ("localhost", "localhost"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("bu\u{308}cher.example", "xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            // Two domains, whatever happens to names that are folded.
            ("straße.example", "xn--strae-oqa.example"),
            ("strasse.example", "strasse.example"),
            ("ａｃｍｅ.example", "acme.example"),
            ("acme。example", "acme.example"),
            ("ac\u{ad}me.example", "acme.example"),
            ("r3---sn.example", "r3---sn.example"),
        ] {
            assert_eq!(domain(text).as_deref(), Some(form), "{text}");
        }
    }

    #[test]
    fn an_address_has_the_domain_behind_its_last_at() {
        assert_eq!(domain_of("\"a@b\"@Acme.Example").as_deref(), Some("acme.example"));
        assert_eq!(domain_of("a@gmail.com").as_deref(), Some("gmail.com"));
        assert_eq!(domain_of("a@acme.example.").as_deref(), Some("acme.example"));
        for none in [
            "nobody",
            "x@corp.example/ü.evil.example",
            "x@corp.example?ü",
            "x@corp.example#ü",
            "x@corp.example:443",
            "x@corp.ex\tample",
            "x@corp.example\\evil.example",
            "x@127.0.0.1",
        ] {
            assert_eq!(domain_of(none), None, "{none}");
        }
    }

    #[test]
    fn an_address_that_could_inject_a_header_is_none() {
        for good in ["a@b", "zoe.miller+x@example.com", "o'hara@xn--bcher-kva.example", "ü@bücher.example"]
        {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b",
            "a@",
            "a@b\r\nBcc: c@d",
            "a b@c",
            "<a@b>",
            "a@b,c@d",
            "a@-b",
            "a@b..c",
            "a@\0b",
            "a@b@c",
            "a@127.0.0.1",
            "a\u{200b}@b",
            "a@b\u{202e}c.example",
        ] {
            assert!(!is_email(bad), "{bad:?}");
        }
    }

    #[test]
    fn what_is_no_host_name_is_none() {
        let long = format!("{}.example", "a".repeat(64));
        let longer = vec!["abcdefgh"; 30].join(".");
        for text in [
            "",
            ".",
            "a..b",
            "-a.example",
            "a-.example",
            "a_b.example",
            "a b.example",
            "127.0.0.1",
            "127.1",
            "a.0x7f",
            "[::1]",
            "a.b:1",
            "a.b/c",
            "u@a.b",
            "a\u{202e}.example",
            "xn--.example",
            "a.example.",
            long.as_str(),
            longer.as_str(),
        ] {
            assert_eq!(domain(text), None, "{text:?}");
        }
    }
}
