//! Checks of JSON text before it is parsed: what its tree would weigh, how deep it is, and whether a text
//! holds a NUL. One pass over the bytes, in constant memory.
//!
//! This is no validator: what isn't JSON is counted as far as it looks like JSON, and the reader behind it refuses it.
//!
//! ```
//! use json_core::Census;
//!
//! let census = Census::of(br#"{"members": [{"value": "a"}, {"value": "b"}], "displayName": "x"}"#);
//! assert_eq!((census.entries, census.tree()), (2, 11));
//! ```

mod names;

use std::fmt;

pub use names::{Names, repeated_name};

/// Nesting at which counting ends; readers refuse what is deeper.
pub const DEPTH_MAX: usize = 128;
/// What one text may weigh: so many values, 16 MiB as a tree.
pub const VALUES_MAX: usize = 200_000;
/// What an object weighs beside its members: a node of a search tree. A simple value weighs 1, some 80 bytes.
const OBJECT: usize = 8;
/// What an array weighs beside its elements.
const ARRAY: usize = 2;
/// Members of an object that is still an entry of a list.
const ENTRY_MEMBERS_MAX: usize = 8;

/// What a text holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// The weight of all its values.
    pub weight: usize,
    /// Texts and small flat objects that stand directly in an array: what a list of ids or of members is made of.
    pub entries: usize,
    /// The part of the weight that is theirs.
    pub entries_weight: usize,
    /// Elements of the outermost array, if the text is one.
    pub elements: usize,
    /// How deep it is nested; counting ends behind [`DEPTH_MAX`].
    pub depth: usize,
    /// Whether a text or a name has the escape of a NUL.
    pub has_nul: bool,
}

impl Census {
    /// Looks at a text.
    pub fn of(text: &[u8]) -> Self {
        let mut scan = Scan { rest: text, census: Self::default(), open: Vec::new() };
        while scan.step() {}
        scan.census
    }

    /// What a tree of all values would weigh, without what a reader of lists takes apart entry by entry.
    pub fn tree(&self) -> usize {
        self.weight - self.entries_weight
    }

    /// Whether a tree may be built of it, of which so much counts.
    ///
    /// # Errors
    /// What is too much.
    pub fn check(&self, weight: usize) -> Result<(), Excess> {
        match self {
            _ if self.is_too_deep() => Err(Excess::Depth),
            _ if weight > VALUES_MAX => Err(Excess::Values),
            Self { has_nul: true, .. } => Err(Excess::Nul),
            _ => Ok(()),
        }
    }

    /// Whether it is nested deeper than readers go.
    fn is_too_deep(&self) -> bool {
        self.depth > DEPTH_MAX
    }
}

/// What a text has too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// It is nested deeper than [`DEPTH_MAX`].
    Depth,
    /// It weighs more than [`VALUES_MAX`].
    Values,
    /// A text in it holds a NUL: Postgres stores none, so neither store is given one.
    Nul,
}

impl fmt::Display for Excess {
    /// As a sentence without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Depth => write!(f, "The body is nested deeper than {DEPTH_MAX} levels"),
            Self::Values => write!(
                f,
                "The body has more than {VALUES_MAX} values, where an object counts for eight and an array for two"
            ),
            Self::Nul => f.write_str("Strings must not contain NUL"),
        }
    }
}

/// An array or object that isn't closed yet.
struct Open {
    is_array: bool,
    /// In an object: whether a value comes next, not a name.
    wants_value: bool,
    members: usize,
    /// Whether no array or object is in it.
    is_flat: bool,
}

struct Scan<'a> {
    rest: &'a [u8],
    census: Census,
    open: Vec<Open>,
}

impl Scan<'_> {
    /// One token; false at the end.
    fn step(&mut self) -> bool {
        let Some((first, rest)) = self.rest.split_first() else { return false };
        self.rest = rest;
        match first {
            b'"' => self.text(),
            b'{' | b'[' => return self.begin(*first == b'['),
            b'}' | b']' => self.end(),
            b':' => {
                if let Some(open) = self.open.last_mut() {
                    open.wants_value = true;
                }
            }
            b',' => {
                if let Some(open) = self.open.last_mut() {
                    open.wants_value = open.is_array;
                }
            }
            b' ' | b'\t' | b'\n' | b'\r' => {}
            _ => {
                let end = self.rest.iter().position(|byte| {
                    matches!(
                        byte,
                        b',' | b']' | b'}' | b'[' | b'{' | b'"' | b':' | b' ' | b'\t' | b'\n' | b'\r'
                    )
                });
                self.rest = end.and_then(|end| self.rest.get(end..)).unwrap_or_default();
                self.value(1);
            }
        }
        true
    }

    /// Counts a value where it stands.
    fn value(&mut self, weight: usize) {
        self.census.weight += weight;
        if let Some(open) = self.open.last_mut() {
            open.members += 1;
        }
        if let [Open { is_array: true, .. }] = self.open.as_slice() {
            self.census.elements += 1;
        }
    }

    fn text(&mut self) {
        let mut escape = false;
        let mut end = self.rest.len();
        for (at, byte) in self.rest.iter().enumerate() {
            if escape {
                escape = false;
                self.census.has_nul |=
                    *byte == b'u' && self.rest.get(at + 1..at + 5).is_some_and(|digits| digits == b"0000");
            } else if *byte == b'\\' {
                escape = true;
            } else if *byte == b'"' {
                end = at + 1;
                break;
            }
        }
        self.rest = self.rest.get(end..).unwrap_or_default();
        match self.open.last() {
            Some(Open { is_array: false, wants_value: false, .. }) => {}
            Some(Open { is_array: true, .. }) => {
                self.value(1);
                self.census.entries += 1;
                self.census.entries_weight += 1;
            }
            _ => self.value(1),
        }
    }

    /// False if it is too deep to go on.
    fn begin(&mut self, is_array: bool) -> bool {
        self.value(if is_array { ARRAY } else { OBJECT });
        if let Some(outer) = self.open.last_mut() {
            outer.is_flat = false;
        }
        self.open.push(Open { is_array, wants_value: is_array, members: 0, is_flat: true });
        self.census.depth = self.census.depth.max(self.open.len());
        !self.census.is_too_deep()
    }

    fn end(&mut self) {
        let Some(closed) = self.open.pop() else { return };
        let in_array = self.open.last().is_some_and(|outer| outer.is_array);
        if !closed.is_array && in_array && closed.is_flat && closed.members <= ENTRY_MEMBERS_MAX {
            self.census.entries += 1;
            self.census.entries_weight += OBJECT + closed.members;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_counted() {
        // text, weight, entries, weight of entries, elements, depth
        for (text, weight, entries, of_entries, elements, depth) in [
            ("", 0, 0, 0, 0, 0),
            ("1", 1, 0, 0, 0, 0),
            (" \"a\" ", 1, 0, 0, 0, 0),
            ("[]", 2, 0, 0, 0, 1),
            ("{}", 8, 0, 0, 0, 1),
            ("[1, -2.5e3,true,null]", 6, 0, 0, 4, 1),
            (r#"["a","b\"],[","c"]"#, 5, 3, 3, 3, 1),
            (r#"{"a": "b", "c": [1], "d": {"e": "f"}}"#, 21, 0, 0, 0, 2),
            (r#"[{"value": "a"}, {"value": "b", "x": 1}, {}]"#, 29, 3, 27, 3, 2),
            (r#"[{"value": ["a"]}]"#, 13, 1, 1, 1, 3),
            (r#"[{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}]"#, 19, 0, 0, 1, 2),
            ("[[1],[1],[1]]", 11, 0, 0, 3, 2),
            // What isn't JSON.
            ("]]}", 0, 0, 0, 0, 0),
            ("{\"a", 8, 0, 0, 0, 1),
            ("[\"a\\", 3, 1, 1, 1, 1),
        ] {
            let census = Census::of(text.as_bytes());
            let expected =
                Census { weight, entries, entries_weight: of_entries, elements, depth, has_nul: false };
            assert_eq!(census, expected, "{text}");
        }
    }

    #[test]
    fn only_an_escape_that_is_one_brings_a_nul_in() {
        for (text, nul) in [
            (r#"["\u0000"]"#, true),
            (r#"{"\u0000": 1}"#, true),
            (r#"["\\\u0000"]"#, true),
            (r#"["\\u0000"]"#, false),
            (r#"["\u00000"]"#, true),
            (r#"["\u0001", "u0000"]"#, false),
            (r#"["\u000"]"#, false),
        ] {
            assert_eq!(Census::of(text.as_bytes()).has_nul, nul, "{text}");
            if let Ok(value) = serde_json::from_str::<serde_json::Value>(text) {
                // The value's own text shows a NUL as its escape, a backslash as two.
                assert_eq!(value.to_string().replace("\\\\", "").contains("\\u0000"), nul, "{text}");
            }
        }
    }

    #[test]
    fn a_tree_of_lists_is_no_list_of_entries() {
        let lists = format!("{{\"a\": [{}]}}", vec!["[1]"; 1_000].join(","));
        assert_eq!(Census::of(lists.as_bytes()).tree(), 3_010);
        let members = format!("{{\"a\": [{}]}}", vec![r#"{"value": "u", "type": "User"}"#; 1_000].join(","));
        let census = Census::of(members.as_bytes());
        assert_eq!((census.tree(), census.entries), (10, 1_000));
    }

    #[test]
    fn a_text_may_weigh_so_much_be_so_deep_and_hold_no_nul() {
        let list = |values: usize| format!("[{}]", vec!["1"; values].join(","));
        for (text, expected) in [
            ("[]".to_owned(), Ok(())),
            (list(VALUES_MAX - 2), Ok(())),
            (list(VALUES_MAX - 1), Err(Excess::Values)),
            ("[".repeat(DEPTH_MAX), Ok(())),
            ("[".repeat(DEPTH_MAX + 1), Err(Excess::Depth)),
            (r#"{"a": "\u0000"}"#.to_owned(), Err(Excess::Nul)),
        ] {
            let census = Census::of(text.as_bytes());
            assert_eq!(census.check(census.weight), expected, "{text:.40}");
        }
        for (excess, says) in
            [(Excess::Depth, "128 levels"), (Excess::Values, "200000 values"), (Excess::Nul, "NUL")]
        {
            assert!(excess.to_string().contains(says), "{excess}");
        }
        assert_eq!(Census::of(list(VALUES_MAX).as_bytes()).check(0), Ok(()), "what doesn't count");
    }

    #[test]
    fn counting_ends_where_readers_would_refuse() {
        let deep = "[".repeat(1_000_000);
        let census = Census::of(deep.as_bytes());
        assert!(census.is_too_deep() && census.depth == DEPTH_MAX + 1);
        let fits = "[".repeat(DEPTH_MAX);
        assert!(!Census::of(fits.as_bytes()).is_too_deep());
    }
}
