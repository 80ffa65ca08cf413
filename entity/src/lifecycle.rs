//! What can happen to something in which state: each a table, which is the rule, the documentation and the test at once. Whoever changes a
//! state asks it; `docs/lifecycles.md` is printed from it.

/// A table, as it is printed.
#[derive(Clone, Debug)]
pub struct Table {
    /// Of what.
    pub name: &'static str,
    /// Its states, in the words of the API.
    pub states: &'static [&'static str],
    /// What can happen.
    pub verbs: Vec<Line>,
}

/// What can happen, in each state.
#[derive(Clone, Debug)]
pub struct Line {
    /// In one word.
    pub verb: &'static str,
    /// In a sentence.
    pub about: &'static str,
    /// The state after it, for each state; `None`: it is refused.
    pub after: Vec<Option<&'static str>>,
}

/// Makes the verbs of a state machine and the table of it: `lifecycle! { "invitation", /// … pub enum Verb of Status { /// … Revoke = "revoke"
/// { Pending => Revoked } } }`. What isn't in it is refused.
macro_rules! lifecycle {
    ($thing:literal, $(#[$about:meta])+ pub enum $verb:ident of $state:ident {
        $(#[doc = $doc:literal] $name:ident = $text:literal { $($from:ident => $to:ident),+ $(,)? })+
    }) => {
        $(#[$about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $verb { $(#[doc = $doc] $name,)+ }

        impl $verb {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The table, to be printed.
            #[must_use]
            pub fn table() -> crate::lifecycle::Table {
                let after = |verb: $verb| {
                    $state::ALL.iter().map(|state| state.after(verb).map($state::as_str)).collect()
                };
                crate::lifecycle::Table {
                    name: $thing,
                    states: $state::TEXTS,
                    verbs: vec![$(crate::lifecycle::Line { verb: $text, about: $doc.trim_ascii(), after: after($verb::$name) }),+],
                }
            }
        }

        impl $state {
            /// Where it stands after that; `None`: it can't happen now. What is so already stays.
            #[must_use]
            #[allow(unreachable_patterns, reason = "in some tables nothing is refused")]
            pub const fn after(self, verb: $verb) -> Option<Self> {
                match (verb, self) {
                    $($(($verb::$name, $state::$from) => Some($state::$to),)+)+
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use lifecycle;

/// All tables, in the order in which a reader meets them.
#[must_use]
pub fn all() -> Vec<Table> {
    vec![
        crate::tenancy::status::table(),
        crate::provisioning::states::RunVerb::table(),
        crate::provisioning::states::DeploymentVerb::table(),
        crate::connections::states::ConnectionVerb::table(),
        crate::connections::states::PolicyVerb::table(),
        crate::connections::states::DomainVerb::table(),
        crate::directory::states::UserVerb::table(),
        crate::scim::states::TokenVerb::table(),
        crate::invitations::states::InvitationVerb::table(),
        crate::invitations::states::JoinRequestVerb::table(),
        crate::sessions::states::SessionVerb::table(),
    ]
}
