//! Columns whose values are a closed set: an enum in the program, text with a CHECK in the store.

/// Makes such an enum: `closed! { /// … pub enum Status { /// … Running = "running" } }`. It is bound and read as its text, and is that text in
/// JSON; a text that isn't in it is an error of whoever reads the row, which a CHECK of the column makes impossible wherever there is one.
macro_rules! closed {
    ($(#[$about:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sea_orm::EnumIter, sea_orm::DeriveActiveEnum)]
        #[sea_orm(rs_type = "String", db_type = "Text")]
        pub enum $name {
            $($(#[$doc])* #[sea_orm(string_value = $text)] $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The texts of all of them.
            pub const TEXTS: &[&'static str] = &[$($text),+];

            /// How it is spelled in the store, in JSON and in metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The one that is spelled so.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom(crate::closed::must_be(Self::TEXTS)))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                // With the width that is asked for: they stand in tables.
                f.pad(self.as_str())
            }
        }
    };
}

pub(crate) use closed;

/// What is said to whoever gives another text.
pub(crate) fn must_be(texts: &[&str]) -> String {
    match texts {
        [] => "is never right".to_owned(),
        [only] => format!("must be {only}"),
        [first @ .., last] => format!("must be {} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::ActiveEnum as _;

    use crate::invitations::states::LineStatus;

    #[test]
    fn a_closed_set_is_its_texts_everywhere() {
        for one in LineStatus::ALL.iter().copied() {
            assert_eq!(one.to_value(), one.as_str());
            assert_eq!(LineStatus::try_from_value(&one.as_str().to_owned()), Ok(one));
            assert_eq!(LineStatus::parse(&one.to_string()), Some(one));
            assert_eq!(serde_json::to_value(one).unwrap(), one.as_str());
            assert_eq!(serde_json::from_value::<LineStatus>(one.as_str().into()).unwrap(), one);
        }
    }

    #[test]
    fn one_is_as_wide_in_a_table_as_is_asked_for() {
        assert_eq!(format!("{:<9}|{:>9}", LineStatus::Waiting, LineStatus::Invited), "waiting  |  invited");
        assert_eq!(LineStatus::TEXTS, ["waiting", "invited", "refused"]);
    }

    #[test]
    fn another_text_is_refused_with_those_that_would_be_right() {
        let refused = serde_json::from_value::<LineStatus>("Waiting".into()).unwrap_err();
        assert_eq!(refused.to_string(), "must be waiting, invited or refused");
        assert!(LineStatus::try_from_value(&"gone".to_owned()).is_err());
    }
}
