//! All combinations at once, as `decisions.out` holds them.

use super::*;

/// By what somebody was found, whether they are active, how the source knows them, and where they are.
type There = (Found, bool, KnownAs, Uuid);

const PEOPLE: [(&str, Option<There>); 9] = [
    ("nobody", None),
    ("identity", Some((Found::Identity, true, KnownAs::Nobody, HERE))),
    ("identity, inactive", Some((Found::Identity, false, KnownAs::Nobody, HERE))),
    ("directory's subject", Some((Found::Subject, true, KnownAs::Nobody, HERE))),
    ("address", Some((Found::Name, true, KnownAs::Nobody, HERE))),
    ("address, other subject", Some((Found::Name, true, KnownAs::Other, HERE))),
    ("address, other provider", Some((Found::Name, true, KnownAs::Before, HERE))),
    ("address, inactive", Some((Found::Address, false, KnownAs::Nobody, HERE))),
    ("address, inactive elsewhere", Some((Found::Address, false, KnownAs::Nobody, ELSEWHERE))),
];

const VOUCHED: [(&str, Vouched); 4] = [
    ("nothing", Vouched::Nothing),
    ("word", Vouched::Word),
    ("domain", Vouched::Domain),
    ("mail", Vouched::Mail),
];

const POLICIES: [(&str, bool, Enforced, &[&str]); 5] = [
    ("open", true, Enforced::No, &[]),
    ("no jit", false, Enforced::No, &[]),
    ("enforced", true, Enforced::ByAny, &[]),
    ("other connection", true, Enforced::By(OTHER), &[]),
    ("other domain", true, Enforced::No, &["other.example"]),
];

fn combinations() -> Vec<(String, Facts, Decision)> {
    let mut all = Vec::new();
    for (by, source) in [("connection", connection()), ("issuer", issuer())] {
        for (who, there) in PEOPLE {
            for (worth, vouched) in VOUCHED {
                // A customer's provider has no word that counts.
                if by == "connection" && vouched == Vouched::Word {
                    continue;
                }
                for (invited, role) in
                    [("-", None), ("viewer", Some(TenantRole::Viewer)), ("admin", Some(TenantRole::Admin))]
                {
                    for (policy, jit, enforced, domains) in POLICIES {
                        let facts = with(facts(source.clone(), vouched), |facts| {
                            facts.known.people = there
                                .map(|(found, active, known_as, organization)| Person {
                                    active,
                                    known_as,
                                    organization,
                                    ..person(found)
                                })
                                .into_iter()
                                .collect();
                            facts.known.pending = role.map(pending).into_iter().collect();
                            let allowed_domains = domains.iter().map(|&one| one.to_owned()).collect();
                            let policy = Policy { jit, enforced, allowed_domains, ..Policy::default() };
                            facts.policies = [(HERE, policy)].into();
                        });
                        let line = format!("{by:<10} | {who:<27} | {worth:<7} | {invited:<6} | {policy:<16}");
                        let decision = decide(&facts);
                        all.push((line, facts, decision));
                    }
                }
            }
        }
    }
    all
}

fn describe(decision: &Decision) -> String {
    let role = |given: &Option<Given>| given.map_or("", |given| given.role.name()).to_owned();
    let consumed = |invitation: &Invitation| match invitation {
        Invitation::None => "",
        Invitation::Accepted(_) => ", invitation accepted",
        Invitation::SeatOnly(_) => ", invited seat",
    };
    match decision {
        Decision::Known { role: given, invitation, .. } => {
            format!("{}{}", format!("known {}", role(given)).trim(), consumed(invitation))
        }
        Decision::Linked { role: given, invitation, .. } => {
            format!("{}{}", format!("linked {}", role(given)).trim(), consumed(invitation))
        }
        Decision::Created { role, invitation, .. } => {
            format!("created {}{}", role.role.name(), consumed(invitation))
        }
        Decision::MustProve(Proof::Account(_)) => "must prove the account".to_owned(),
        Decision::MustProve(Proof::Invitation(_)) => "must prove the invitation".to_owned(),
        Decision::Refused(reason) => format!("refused: {reason:?}"),
    }
}

#[test]
fn the_committed_decisions_are_the_code() {
    let mut table =
        "source     | found                       | address | invited| policy           | decision\n"
            .to_owned();
    for (line, _, decision) in combinations() {
        table.push_str(&format!("{line} | {}\n", describe(&decision)));
    }
    if std::env::var_os("WRITE_DECISIONS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/decisions.out"), &table).unwrap();
    }
    let committed = include_str!("../../../decisions.out");
    assert!(
        table == committed,
        "decisions changed: if that is meant, commit the new decisions.out (WRITE_DECISIONS=1)"
    );
}

#[test]
fn what_holds_in_every_combination() {
    for (line, facts, decision) in combinations() {
        let someone = facts.known.people.first();
        let lets_in =
            matches!(decision, Decision::Known { .. } | Decision::Linked { .. } | Decision::Created { .. });
        if someone.is_some_and(|person| !person.active && person.organization == HERE) {
            assert!(!lets_in, "inactive: {line}");
        }
        if someone.is_some_and(|person| person.known_as == KnownAs::Other) {
            assert!(!lets_in && !matches!(decision, Decision::MustProve(_)), "another subject: {line}");
        }
        if facts.claim.vouched == Vouched::Nothing
            && someone.is_none_or(|person| person.found > Found::Subject)
        {
            assert!(!matches!(decision, Decision::Linked { .. }), "nothing stands for it: {line}");
            let made_beside = matches!(decision, Decision::Created { .. }) && !facts.known.pending.is_empty();
            assert!(!made_beside, "beside an invitation: {line}");
        }
        if let Decision::Created { invitation, .. } = &decision {
            assert!(
                someone.is_none_or(|person| !person.active || person.organization != HERE),
                "twice: {line}"
            );
            assert_eq!(*invitation != Invitation::None, !facts.known.pending.is_empty(), "{line}");
        }
    }
}
