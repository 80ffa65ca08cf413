//! The rules one by one, and all combinations at once.

use policy_core::TenantRole;
use uuid::Uuid;

use super::*;

mod groups;
mod table;

const HERE: Uuid = Uuid::from_u128(1);
const ELSEWHERE: Uuid = Uuid::from_u128(2);
const USER: Uuid = Uuid::from_u128(10);
const OTHER: Uuid = Uuid::from_u128(11);
const INVITATION: Uuid = Uuid::from_u128(20);
const CONNECTION: Uuid = Uuid::from_u128(30);

fn connection() -> Source {
    Source::Connection { id: CONNECTION, provider: "https://idp".to_owned() }
}

fn issuer() -> Source {
    Source::Issuer("https://issuer".to_owned())
}

fn person(found: Found) -> Person {
    Person {
        id: USER,
        organization: HERE,
        found,
        active: true,
        managed: false,
        made_at_sign_in: true,
        role: TenantRole::Viewer,
        role_from: RoleFrom::Local,
        under: None,
        known_as: KnownAs::Nobody,
        accepted: false,
        doubtful: false,
    }
}

fn pending(role: TenantRole) -> Pending {
    Pending { id: INVITATION, organization: HERE, role, of_claim: true }
}

fn facts(source: Source, vouched: Vouched) -> Facts {
    let of_connection = matches!(source, Source::Connection { .. } | Source::Directory);
    Facts {
        claim: Claim {
            source,
            subject: Some("s1".to_owned()),
            domain: Some("acme.example".to_owned()),
            vouched,
            proven: None,
            groups: Groups::NotSaid,
            organization: of_connection.then_some(HERE),
            role: None,
            grant: None,
        },
        known: Known::default(),
        home: Home { of_domain: None, default: Some(HERE) },
        first: First::No,
        policies: [(HERE, Policy::default())].into(),
    }
}

fn with(mut facts: Facts, edit: impl FnOnce(&mut Facts)) -> Facts {
    edit(&mut facts);
    facts
}

fn granted(role: TenantRole, edit: impl FnOnce(&mut Facts)) -> Facts {
    with(facts(Source::Invitation, Vouched::Mail), |facts| {
        facts.claim.subject = None;
        facts.claim.organization = Some(HERE);
        facts.claim.grant = Some(Grant { invitation: Some(INVITATION), role, signed_in: None });
        facts.known.pending = vec![pending(role)];
        edit(facts);
    })
}

fn created(role: TenantRole, from: RoleFrom, invitation: Invitation) -> Decision {
    created_over(Given { role, from, under: None }, invitation)
}

fn created_over(role: Given, invitation: Invitation) -> Decision {
    Decision::Created { organization: HERE, role, invitation }
}

fn linked(role: Option<Given>, invitation: Invitation) -> Decision {
    Decision::Linked { user: USER, role, invitation, others: Others::Stay }
}

fn local(role: TenantRole) -> Option<Given> {
    Some(Given { role, from: RoleFrom::Local, under: None })
}

#[test]
fn an_invitation_is_consumed_by_whichever_way_its_person_uses() {
    let accepted = Invitation::Accepted(INVITATION);
    for vouched in [Vouched::Word, Vouched::Domain, Vouched::Mail] {
        let facts = with(facts(issuer(), vouched), |facts| {
            facts.known.pending = vec![pending(TenantRole::Contributor)]
        });
        assert_eq!(decide(&facts), created(TenantRole::Contributor, RoleFrom::Local, accepted));
    }
    for source in [issuer(), connection()] {
        let facts = with(facts(source, Vouched::Nothing), |facts| {
            facts.known.pending = vec![pending(TenantRole::Admin)];
        });
        assert_eq!(decide(&facts), Decision::MustProve(Proof::Invitation(INVITATION)));
    }
    assert_eq!(
        decide(&granted(TenantRole::Admin, |_| ())),
        created(TenantRole::Admin, RoleFrom::Local, accepted)
    );
    let pushed = |vouched| {
        with(facts(Source::Directory, vouched), |facts| {
            facts.known.pending = vec![pending(TenantRole::Admin)]
        })
    };
    assert_eq!(
        decide(&pushed(Vouched::Domain)),
        created(TenantRole::Admin, RoleFrom::Local, Invitation::Accepted(INVITATION))
    );
    assert_eq!(
        decide(&pushed(Vouched::Nothing)),
        created(TenantRole::Viewer, RoleFrom::Local, Invitation::SeatOnly(INVITATION))
    );
}

#[test]
fn acceptance_raises_a_role_and_never_lowers_it() {
    let accepted = Invitation::Accepted(INVITATION);
    for (has, from, granted_role, expected) in [
        (TenantRole::Viewer, RoleFrom::Local, TenantRole::Admin, local(TenantRole::Admin)),
        (TenantRole::Admin, RoleFrom::Local, TenantRole::Viewer, None),
        (TenantRole::Contributor, RoleFrom::Local, TenantRole::Contributor, None),
        (TenantRole::Viewer, RoleFrom::Directory, TenantRole::Admin, None),
        (TenantRole::Viewer, RoleFrom::SignIn, TenantRole::Contributor, local(TenantRole::Contributor)),
    ] {
        let there = Person { role: has, role_from: from, ..person(Found::Name) };
        let facts = granted(granted_role, |facts| facts.known.people = vec![there]);
        assert_eq!(decide(&facts), linked(expected, accepted), "{has} {granted_role}");
    }
}

#[test]
fn who_proves_an_address_is_not_who_had_it_while_nothing_stood_for_it() {
    let there = || Person { doubtful: true, ..person(Found::Name) };
    let ends = |role, invitation| Decision::Linked { user: USER, role, invitation, others: Others::End };
    let accepted = Invitation::Accepted(INVITATION);
    let token = granted(TenantRole::Admin, |facts| facts.known.people = vec![there()]);
    assert_eq!(decide(&token), ends(local(TenantRole::Admin), accepted));
    let signed_in = with(token, |facts| facts.claim.grant.as_mut().unwrap().signed_in = Some(USER));
    assert_eq!(decide(&signed_in), linked(local(TenantRole::Admin), accepted));
    for vouched in [Vouched::Domain, Vouched::Mail] {
        let facts = with(facts(connection(), vouched), |facts| facts.known.people = vec![there()]);
        assert_eq!(decide(&facts), ends(None, Invitation::None));
    }
    let subject = Person { doubtful: true, ..person(Found::Subject) };
    let facts = with(facts(connection(), Vouched::Nothing), |facts| facts.known.people = vec![subject]);
    assert_eq!(decide(&facts), linked(None, Invitation::None));
}

#[test]
fn an_accepted_invitation_and_a_trusted_word_are_a_proof() {
    for (source, vouched, accepted, is_proof) in [
        (issuer(), Vouched::Word, true, true),
        (issuer(), Vouched::Word, false, false),
        (issuer(), Vouched::Nothing, true, false),
        (connection(), Vouched::Nothing, true, false),
    ] {
        let there = Person { accepted, ..person(Found::Name) };
        let facts = with(facts(source, vouched), |facts| facts.known.people = vec![there]);
        let expected = match is_proof {
            true => linked(None, Invitation::None),
            false => Decision::MustProve(Proof::Account(USER)),
        };
        assert_eq!(decide(&facts), expected);
    }
}

#[test]
fn an_account_that_the_source_calls_by_another_subject_is_nobody_elses() {
    for vouched in [Vouched::Nothing, Vouched::Word, Vouched::Domain, Vouched::Mail] {
        for found in [Found::Subject, Found::Name, Found::Address] {
            let there = Person { known_as: KnownAs::Other, ..person(found) };
            let facts = with(facts(connection(), vouched), |facts| facts.known.people = vec![there]);
            assert_eq!(decide(&facts), Decision::Refused(Reason::OtherSubject));
        }
    }
}

#[test]
fn behind_another_provider_everybody_proves_it_anew() {
    for vouched in [Vouched::Nothing, Vouched::Word, Vouched::Domain] {
        for found in [Found::Subject, Found::Name, Found::Before] {
            let there = Person { known_as: KnownAs::Before, ..person(found) };
            let facts = with(facts(connection(), vouched), |facts| facts.known.people = vec![there]);
            assert_eq!(decide(&facts), Decision::MustProve(Proof::Account(USER)));
        }
    }
    let there = Person { known_as: KnownAs::Before, ..person(Found::Before) };
    let facts = with(facts(connection(), Vouched::Mail), |facts| facts.known.people = vec![there]);
    for (proven, is_proof) in
        [(Proof::Account(USER), true), (Proof::Account(OTHER), false), (Proof::Invitation(INVITATION), false)]
    {
        let facts = with(facts.clone(), |facts| facts.claim.proven = Some(proven));
        let expected = match is_proof {
            true => linked(None, Invitation::None),
            false => Decision::MustProve(Proof::Account(USER)),
        };
        assert_eq!(decide(&facts), expected, "{proven:?}");
    }
}

#[test]
fn who_left_is_refused_every_way_until_an_admin_says_otherwise() {
    let inactive = |organization| Person { active: false, organization, ..person(Found::Address) };
    for vouched in [Vouched::Nothing, Vouched::Word, Vouched::Domain, Vouched::Mail] {
        for organization in [HERE, ELSEWHERE] {
            let facts =
                with(facts(issuer(), vouched), |facts| facts.known.people = vec![inactive(organization)]);
            assert_eq!(decide(&facts), Decision::Refused(Reason::Deactivated));
            let facts = with(facts, |facts| {
                facts.known = Known { departed: vec![organization], ..Known::default() };
            });
            assert_eq!(decide(&facts), Decision::Refused(Reason::Departed));
        }
    }
    let facts = granted(TenantRole::Admin, |facts| facts.known.people = vec![inactive(HERE)]);
    assert_eq!(decide(&facts), Decision::Refused(Reason::Deactivated), "the same organization's word");
    let facts = granted(TenantRole::Admin, |facts| facts.known.people = vec![inactive(ELSEWHERE)]);
    let expected = created(TenantRole::Admin, RoleFrom::Local, Invitation::Accepted(INVITATION));
    assert_eq!(decide(&facts), expected, "another organization's admin invited them since");
}

#[test]
fn whose_request_is_approved_gets_what_they_were_invited_as_meanwhile() {
    for (invited, approved, role) in [
        (TenantRole::Admin, TenantRole::Viewer, TenantRole::Admin),
        (TenantRole::Viewer, TenantRole::Contributor, TenantRole::Contributor),
    ] {
        let facts = with(facts(Source::Approval, Vouched::Nothing), |facts| {
            facts.claim.organization = Some(HERE);
            facts.claim.grant = Some(Grant { invitation: None, role: approved, signed_in: None });
            facts.known.pending = vec![pending(invited)];
        });
        let expected = created(role, RoleFrom::Local, Invitation::Accepted(INVITATION));
        assert_eq!(decide(&facts), expected);
        let left = with(facts, |facts| facts.known.departed = vec![HERE]);
        assert_eq!(decide(&left), expected, "an admin knows whom they invite again");
    }
}

#[test]
fn a_colleague_who_has_the_address_too_is_not_who_was_switched_off() {
    let bob = Person { active: false, ..person(Found::Name) };
    let alice = Person { id: OTHER, ..person(Found::Address) };
    let facts = with(facts(issuer(), Vouched::Domain), |facts| facts.known.people = vec![bob, alice]);
    assert_eq!(decide(&facts), Decision::Refused(Reason::Deactivated));
    let hired = Person { id: OTHER, ..person(Found::Name) };
    let facts = with(facts, |facts| {
        facts.known.people = vec![hired];
        facts.known.departed_themselves = vec![HERE];
    });
    assert_eq!(decide(&facts), Decision::Refused(Reason::Departed));
}

#[test]
fn the_tenants_backend_raises_whom_an_admin_invited_and_takes_back_no_more_than_it_gave() {
    let (viewer, contributor, admin) = (TenantRole::Viewer, TenantRole::Contributor, TenantRole::Admin);
    let given = |role, from, under| Some(Given { role, from, under });
    let up = |role, under| given(role, RoleFrom::SignIn, Some(under));
    let (here, there) = (RoleFrom::Local, RoleFrom::SignIn);
    for (role, from, under, said, expected) in [
        (viewer, here, None, Some(contributor), up(contributor, viewer)),
        (contributor, here, None, Some(viewer), None),
        (contributor, here, None, None, None),
        (admin, there, Some(contributor), Some(admin), None),
        (admin, there, Some(contributor), None, given(contributor, here, None)),
        (admin, there, Some(contributor), Some(viewer), given(contributor, here, None)),
        (admin, there, Some(viewer), Some(contributor), up(contributor, viewer)),
        (admin, there, None, None, given(viewer, here, None)),
        (viewer, RoleFrom::Directory, None, Some(admin), None),
    ] {
        let facts = with(facts(issuer(), Vouched::Nothing), |facts| {
            let made_at_sign_in = false;
            let role_from = from;
            facts.known.people =
                vec![Person { made_at_sign_in, role, role_from, under, ..person(Found::Identity) }];
            facts.claim.groups = Groups::Role(said);
        });
        let expected = Decision::Known { user: USER, role: expected, invitation: Invitation::None };
        assert_eq!(decide(&facts), expected, "{role} {from:?} {under:?} {said:?}");
    }
}

#[test]
fn a_directory_accepts_no_invitation_of_an_address_that_it_only_names_beside() {
    let facts = with(facts(Source::Directory, Vouched::Domain), |facts| {
        facts.known.pending = vec![Pending { of_claim: false, ..pending(TenantRole::Admin) }];
    });
    let seat = Invitation::SeatOnly(INVITATION);
    assert_eq!(decide(&facts), created(TenantRole::Viewer, RoleFrom::Local, seat));
}

#[test]
fn people_are_found_in_every_organization_and_belong_where_they_are_named() {
    let there = Person { organization: ELSEWHERE, managed: true, ..person(Found::Subject) };
    let facts = with(facts(issuer(), Vouched::Nothing), |facts| facts.known.people = vec![there]);
    assert_eq!(decide(&facts), linked(None, Invitation::None));
    let named = with(facts.clone(), |facts| facts.claim.organization = Some(HERE));
    assert_eq!(decide(&named), created(TenantRole::Viewer, RoleFrom::Local, Invitation::None));
    let known = with(facts, |facts| {
        facts.known.people[0].found = Found::Identity;
        facts.claim.organization = Some(HERE);
    });
    assert_eq!(decide(&known), Decision::Refused(Reason::OtherOrganization));
}

#[test]
fn of_several_people_of_one_address_only_a_clear_one_is_meant() {
    let at = |id, organization, found| Person { id, organization, ..person(found) };
    for (people, expected) in [
        (vec![at(USER, HERE, Found::Name), at(OTHER, HERE, Found::Address)], true),
        (vec![at(USER, HERE, Found::Address), at(OTHER, HERE, Found::Address)], false),
        (vec![at(OTHER, ELSEWHERE, Found::Name), at(USER, HERE, Found::Address)], true),
        (vec![at(OTHER, ELSEWHERE, Found::Name), at(OTHER, Uuid::from_u128(3), Found::Name)], false),
    ] {
        let facts = with(facts(issuer(), Vouched::Domain), |facts| facts.known.people = people);
        let refused = Decision::Refused(Reason::Ambiguous);
        assert_eq!(decide(&facts), if expected { linked(None, Invitation::None) } else { refused });
    }
    let elsewhere = at(USER, ELSEWHERE, Found::Name);
    let third = Uuid::from_u128(3);
    let both = || vec![elsewhere.clone(), at(OTHER, third, Found::Name)];
    let managed = vec![Person { managed: true, ..elsewhere.clone() }, at(OTHER, third, Found::Name)];
    for (people, of_domain, expected) in [
        (vec![elsewhere.clone()], None, linked(None, Invitation::None)),
        (both(), Some(ELSEWHERE), linked(None, Invitation::None)),
        (both(), Some(HERE), Decision::Refused(Reason::Ambiguous)),
        (managed, Some(third), linked(None, Invitation::None)),
    ] {
        let facts = with(facts(issuer(), Vouched::Domain), |facts| {
            facts.known.people = people;
            facts.home.of_domain = of_domain;
        });
        assert_eq!(decide(&facts), expected, "{of_domain:?}");
    }
    let at_default = with(facts(issuer(), Vouched::Domain), |facts| {
        facts.known.people = both();
        facts.home = Home { of_domain: Some(HERE), default: Some(ELSEWHERE) };
    });
    assert_eq!(decide(&at_default), linked(None, Invitation::None), "nobody of them is in the domain's");
    let subjects = vec![at(USER, HERE, Found::Subject), at(OTHER, ELSEWHERE, Found::Subject)];
    let facts = with(facts(issuer(), Vouched::Domain), |facts| facts.known.people = subjects);
    assert_eq!(decide(&facts), Decision::Refused(Reason::Ambiguous));
}

#[test]
fn a_new_person_goes_where_their_domain_is_if_something_stands_for_it() {
    for (vouched, expected) in
        [(Vouched::Domain, ELSEWHERE), (Vouched::Word, ELSEWHERE), (Vouched::Nothing, HERE)]
    {
        let facts = with(facts(issuer(), vouched), |facts| facts.home.of_domain = Some(ELSEWHERE));
        let Decision::Created { organization, .. } = decide(&facts) else { panic!("{:?}", decide(&facts)) };
        assert_eq!(organization, expected, "{vouched:?}");
    }
}

#[test]
fn the_first_runs_the_tenant() {
    let facts = with(facts(issuer(), Vouched::Nothing), |facts| facts.first = First::Runs);
    assert_eq!(decide(&facts), created(TenantRole::Admin, RoleFrom::Local, Invitation::None));
}
