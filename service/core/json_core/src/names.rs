//! Names that stand twice in one object: a reader that takes the first and one that takes the last read two different texts.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::DEPTH_MAX;

/// Names that are compared one by one; an object with more gets a set.
const FEW: usize = 16;

/// When two names are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Letter by letter (RFC 8259).
    Exact,
    /// Whatever the case of ASCII letters (SCIM, RFC 7643, section 2.1).
    AnyCase,
}

/// An array or object that isn't closed yet.
#[derive(Default)]
struct Open<'a> {
    is_array: bool,
    /// Whether a value comes next, not a name.
    wants_value: bool,
    /// Elements of an array so far.
    at: usize,
    /// The name that came last, as it is written.
    last: &'a [u8],
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

/// The place (RFC 6901) of the first name that stands in its object twice. One pass; what isn't JSON is left to the reader behind it, and
/// so is what is nested deeper than [`DEPTH_MAX`].
pub fn repeated_name(text: &[u8], names: Names) -> Option<String> {
    // Those that are closed stay for the next ones: a list of objects takes the memory of one.
    let mut all: Vec<Open<'_>> = Vec::new();
    let mut depth: usize = 0;
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            b'"' => {
                let end = end_of_text(rest)?;
                let (raw, behind) = rest.split_at(end);
                rest = behind.get(1..).unwrap_or_default();
                let Some(open) = depth.checked_sub(1).and_then(|at| all.get_mut(at)) else { continue };
                if !open.is_array && !open.wants_value && open.take(raw, names)? {
                    return Some(pointer(all.get(..depth).unwrap_or_default()));
                }
            }
            b'{' | b'[' if depth == DEPTH_MAX => return None,
            b'{' | b'[' => {
                if all.len() == depth {
                    all.push(Open::default());
                }
                if let Some(open) = all.get_mut(depth) {
                    open.begin(*first == b'[');
                }
                depth += 1;
            }
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b':' | b',' => {
                if let Some(open) = depth.checked_sub(1).and_then(|at| all.get_mut(at)) {
                    open.wants_value = *first == b':' || open.is_array;
                    open.at += usize::from(*first == b',');
                }
            }
            _ => {}
        }
    }
    None
}

/// Where the closing quotation mark is.
fn end_of_text(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })
}

impl<'a> Open<'a> {
    fn begin(&mut self, is_array: bool) {
        self.is_array = is_array;
        self.wants_value = is_array;
        self.at = 0;
        self.last = &[];
        self.few.clear();
        self.many.clear();
    }

    /// Takes a name; whether it was there. `None` if it is no text.
    fn take(&mut self, raw: &'a [u8], names: Names) -> Option<bool> {
        self.last = raw;
        let name = name(raw, names)?;
        if self.few.len() < FEW {
            let there = self.few.contains(&name);
            self.few.push(name);
            return Some(there);
        }
        if self.many.is_empty() {
            self.many.extend(self.few.iter().cloned());
        }
        Some(!self.many.insert(name))
    }
}

fn name(raw: &[u8], names: Names) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(raw).ok()?;
    let plain = if text.contains('\\') { Cow::Owned(unescaped(text)?) } else { Cow::Borrowed(text) };
    Some(match names {
        Names::AnyCase if plain.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            Cow::Owned(plain.to_ascii_lowercase())
        }
        _ => plain,
    })
}

/// A text without its escapes; `None` if one is none.
fn unescaped(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut units = text.chars();
    while let Some(one) = units.next() {
        if one != '\\' {
            plain.push(one);
            continue;
        }
        plain.push(match units.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = unit(&mut units)?;
                if (0xd800..0xdc00).contains(&first) {
                    let second =
                        (units.next()? == '\\' && units.next()? == 'u').then(|| unit(&mut units))??;
                    char::decode_utf16([first, second]).next()?.ok()?
                } else {
                    char::from_u32(u32::from(first))?
                }
            }
            literal => literal,
        });
    }
    Some(plain)
}

fn unit(units: &mut std::str::Chars<'_>) -> Option<u16> {
    let digits: String = units.take(4).collect();
    (digits.len() == 4).then(|| u16::from_str_radix(&digits, 16).ok())?
}

fn pointer(open: &[Open<'_>]) -> String {
    open.iter()
        .map(|one| match one.is_array {
            true => format!("/{}", one.at),
            false => {
                let name = name(one.last, Names::Exact).unwrap_or_default();
                format!("/{}", name.replace('~', "~0").replace('/', "~1"))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stands_twice_is_pointed_at() {
        let many: String = (0..100).map(|at| format!("\"n{at}\":0,")).collect();
        let last = format!("{{{many}\"n0\":1}}");
        let late = format!("{{{many}\"m\":1,\"n\":{{}},\"m\":2}}");
        let objects = format!("[{}{{\"a\":1,\"a\":2}}]", "{\"a\":1},".repeat(50));
        // text, letter by letter, whatever the case
        for (text, exact, any) in [
            (r#"{"a": 1, "b": 2}"#, None, None),
            (r#"{"a": 1, "a": 2}"#, Some("/a"), Some("/a")),
            (r#"{"a": 1, "A": 2}"#, None, Some("/A")),
            (r#"{"a": {"b": 1, "c": [0, {"d": 1, "d": 1}]}}"#, Some("/a/c/1/d"), Some("/a/c/1/d")),
            (r#"[[], [{"x/y~": 1, "x/y~": 2}]]"#, Some("/1/0/x~1y~0"), Some("/1/0/x~1y~0")),
            (r#"{"a": 1, "\u0061": 2}"#, Some("/a"), Some("/a")),
            (r#"{"😀": 1, "\ud83d\ude00": 2}"#, Some("/😀"), Some("/😀")),
            (r#"{"a\"": 1, "a\u0022": 2}"#, Some("/a\""), Some("/a\"")),
            (r#"{"a\n": 1, "a\\n": 2}"#, None, None),
            // The same name in two objects, as a value, as a text that looks like an object.
            (r#"[{"a": 1}, {"a": 1}]"#, None, None),
            (r#"{"a": {"a": "a"}, "b": ["a", "a"]}"#, None, None),
            (r#"{"a": "{\"a\": 1, \"a\": 2}", "b": "}"}"#, None, None),
            (r#"{"a": {}, "b": [], "a": 1}"#, Some("/a"), Some("/a")),
            ("", None, None),
            ("1", None, None),
            ("\"a\"", None, None),
            (&last, Some("/n0"), Some("/n0")),
            (&late, Some("/m"), Some("/m")),
            (&objects, Some("/50/a"), Some("/50/a")),
            // What isn't JSON is the reader's.
            ("{\"a\":1,\"a", None, None),
            ("]}\"a\"", None, None),
            ("{\"\\x\":1,\"\\ud800\":1,\"a\":1}", None, None),
        ] {
            assert_eq!(repeated_name(text.as_bytes(), Names::Exact).as_deref(), exact, "{text}");
            assert_eq!(repeated_name(text.as_bytes(), Names::AnyCase).as_deref(), any, "{text}");
        }
        assert_eq!(repeated_name(&[b'{', b'"', 0xff, b'"', b':', b'1', b'}'], Names::Exact), None);
        for (levels, found) in [(DEPTH_MAX - 1, true), (DEPTH_MAX, false), (1_000_000, false)] {
            let deep = format!("{}{{\"a\":1,\"a\":2}}", "[".repeat(levels));
            assert_eq!(repeated_name(deep.as_bytes(), Names::Exact).is_some(), found, "{levels}");
        }
    }
}
