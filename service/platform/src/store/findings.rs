//! What is known of damaged pages: by the checks, and by statements that met one.

use std::collections::BTreeMap;

/// What the checks found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Integrity {
    /// Nothing is damaged, as far as was looked.
    #[default]
    Sound,
    /// Something is: what the database says of it.
    Corrupt(String),
}

/// Under what a page is noted that a statement of Postgres met: it doesn't say of which table.
const MET: &str = "a page that was needed";

/// How a table is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// Its pages alone.
    #[default]
    Quick,
    /// Its indexes as well.
    Whole,
}

impl Depth {
    pub(crate) fn pragma(self) -> &'static str {
        match self {
            Depth::Quick => "quick_check",
            Depth::Whole => "integrity_check",
        }
    }
}

/// Which tables the current round still has to look at.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) waiting: Vec<String>,
    pub(crate) depth: Depth,
}

/// What is damaged, as far as was looked, by table.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    found: BTreeMap<String, (Depth, String)>,
    /// A statement of SQLite met what may be a damaged page.
    suspicion: bool,
}

impl Findings {
    /// What a look at `table` found; a clean one takes back what no deeper look had found.
    pub(crate) fn report(&mut self, table: &str, depth: Depth, finding: Option<String>) {
        match finding {
            Some(finding) => {
                self.found.insert(table.to_owned(), (depth, finding));
            }
            None => self.found.retain(|name, (found, _)| name != table || *found > depth),
        }
    }

    /// That a statement of Postgres met a damaged page; whether that is news. No check takes it back: it doesn't say where the page is.
    pub(crate) fn met(&mut self, error: &sqlx::Error) -> bool {
        self.found.insert(MET.to_owned(), (Depth::Whole, error.to_string())).is_none()
    }

    /// That a statement of SQLite met what may be a damaged page, or had no memory to read a sound one: all tables are looked at before
    /// it counts. Whether that is news.
    pub(crate) fn suspect(&mut self) -> bool {
        !std::mem::replace(&mut self.suspicion, true)
    }

    /// Whether all tables are to be looked at; asked once.
    pub(crate) fn take_suspicion(&mut self) -> bool {
        std::mem::take(&mut self.suspicion)
    }

    pub(crate) fn integrity(&self) -> Integrity {
        let (table, finding) = match self.found.first_key_value() {
            None => return Integrity::Sound,
            Some((table, (_, finding))) => (table, finding),
        };
        Integrity::Corrupt(format!("{table}: {finding}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_statement_of_sqlite_met_counts_when_a_check_finds_it() {
        let mut findings = Findings::default();
        assert!(findings.suspect() && !findings.suspect(), "it is news once");
        assert_eq!(findings.integrity(), Integrity::Sound);
        findings.report("job", Depth::Quick, Some("row 3 missing from index".to_owned()));
        assert_ne!(findings.integrity(), Integrity::Sound);
    }

    #[test]
    fn a_finding_is_taken_back_by_a_clean_look_that_is_as_deep() {
        use Depth::{Quick, Whole};
        let damage = || Some("row 3 missing from index".to_owned());
        // Looks at one table, whether each found something; whether the store is sound afterwards.
        for (looks, sound) in [
            (&[(Quick, false)][..], true),
            (&[(Quick, true)], false),
            (&[(Quick, true), (Quick, false)], true),
            (&[(Quick, true), (Whole, false)], true),
            (&[(Whole, true), (Quick, false)], false),
            (&[(Whole, true), (Whole, false)], true),
        ] {
            let mut findings = Findings::default();
            for (depth, found) in looks {
                findings.report("job", *depth, found.then(damage).flatten());
                findings.report("tenant", *depth, None);
            }
            assert_eq!(findings.integrity() == Integrity::Sound, sound, "{looks:?}");
        }
    }
}
