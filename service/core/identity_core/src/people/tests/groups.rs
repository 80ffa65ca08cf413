//! What groups give and take back, and what an invitation adds.

use super::*;

#[test]
fn the_providers_groups_give_a_role_and_take_it_back() {
    let said = |groups: &[&str]| Groups::Said(groups.iter().map(|&group| group.to_owned()).collect());
    let group = |role, under| Some(Given { role, from: RoleFrom::SignIn, under: Some(under) });
    for (groups, role, from, expected) in [
        (
            said(&["admins"]),
            TenantRole::Viewer,
            RoleFrom::Local,
            group(TenantRole::Admin, TenantRole::Viewer),
        ),
        (said(&["admins"]), TenantRole::Admin, RoleFrom::SignIn, None),
        (said(&["staff"]), TenantRole::Admin, RoleFrom::SignIn, local(TenantRole::Viewer)),
        (said(&[]), TenantRole::Admin, RoleFrom::SignIn, local(TenantRole::Viewer)),
        (Groups::NotSaid, TenantRole::Admin, RoleFrom::SignIn, None),
        (said(&["staff"]), TenantRole::Admin, RoleFrom::Local, None),
        (said(&["admins"]), TenantRole::Viewer, RoleFrom::Directory, None),
    ] {
        let facts = with(facts(connection(), Vouched::Nothing), |facts| {
            facts.known.people = vec![Person { role, role_from: from, ..person(Found::Identity) }];
            facts.claim.groups = groups.clone();
            facts.policies.get_mut(&HERE).unwrap().group_roles =
                vec![("admins".to_owned(), TenantRole::Admin)];
        });
        let expected = Decision::Known { user: USER, role: expected, invitation: Invitation::None };
        assert_eq!(decide(&facts), expected, "{groups:?} {role} {from:?}");
        let invited = with(facts, |facts| facts.known.people[0].made_at_sign_in = false);
        if from == RoleFrom::SignIn {
            assert_eq!(decide(&invited), expected, "what a sign-in gave it takes back from anybody");
        }
    }
    let facts = with(facts(connection(), Vouched::Nothing), |facts| {
        facts.claim.groups = said(&["admins"]);
        facts.policies.get_mut(&HERE).unwrap().group_roles = vec![("admins".to_owned(), TenantRole::Admin)];
    });
    assert_eq!(decide(&facts), created(TenantRole::Admin, RoleFrom::SignIn, Invitation::None));
}

#[test]
fn of_group_and_invitation_the_higher_role_counts() {
    for (invited, grouped, role, from) in [
        (TenantRole::Admin, TenantRole::Viewer, TenantRole::Admin, RoleFrom::Local),
        (TenantRole::Viewer, TenantRole::Contributor, TenantRole::Contributor, RoleFrom::SignIn),
    ] {
        let facts = with(facts(connection(), Vouched::Domain), |facts| {
            facts.known.pending = vec![pending(invited)];
            facts.claim.groups = Groups::Said(vec!["g".to_owned()]);
            facts.policies.get_mut(&HERE).unwrap().group_roles = vec![("g".to_owned(), grouped)];
        });
        // What was invited is left when the group goes.
        let under = (from == RoleFrom::SignIn).then_some(invited);
        let given = Given { role, from, under };
        assert_eq!(decide(&facts), created_over(given, Invitation::Accepted(INVITATION)));
        let facts = with(facts, |facts| {
            facts.known.people = vec![Person { role: TenantRole::Guest, ..person(Found::Name) }];
        });
        assert_eq!(decide(&facts), linked(Some(given), Invitation::Accepted(INVITATION)));
    }
    let accepted = Invitation::Accepted(INVITATION);
    let left = |role, under| Some(Given { role, from: RoleFrom::SignIn, under: Some(under) });
    // Their groups fit no more: the invitation raises what that leaves, and what is left when a group that fits goes.
    for (fits, role, under, invited, expected) in [
        (false, TenantRole::Admin, None, TenantRole::Guest, local(TenantRole::Viewer)),
        (false, TenantRole::Admin, None, TenantRole::Viewer, local(TenantRole::Viewer)),
        (false, TenantRole::Admin, None, TenantRole::Contributor, local(TenantRole::Contributor)),
        (
            false,
            TenantRole::Admin,
            Some(TenantRole::Contributor),
            TenantRole::Viewer,
            local(TenantRole::Contributor),
        ),
        (
            true,
            TenantRole::Admin,
            None,
            TenantRole::Contributor,
            left(TenantRole::Admin, TenantRole::Contributor),
        ),
        (true, TenantRole::Admin, Some(TenantRole::Contributor), TenantRole::Viewer, None),
    ] {
        let facts = with(facts(connection(), Vouched::Domain), |facts| {
            facts.known.people =
                vec![Person { role, under, role_from: RoleFrom::SignIn, ..person(Found::Identity) }];
            facts.known.pending = vec![pending(invited)];
            facts.claim.groups = Groups::Said(if fits { vec!["g".to_owned()] } else { Vec::new() });
            facts.policies.get_mut(&HERE).unwrap().group_roles = vec![("g".to_owned(), role)];
        });
        let known = Decision::Known { user: USER, role: expected, invitation: accepted };
        assert_eq!(decide(&facts), known, "{fits} {role} {under:?} {invited}");
    }
    let facts = with(facts(connection(), Vouched::Domain), |facts| {
        facts.known.people = vec![Person { role: TenantRole::Contributor, ..person(Found::Name) }];
        facts.known.pending = vec![pending(TenantRole::Viewer)];
        facts.claim.groups = Groups::Said(vec!["g".to_owned()]);
        facts.policies.get_mut(&HERE).unwrap().group_roles = vec![("g".to_owned(), TenantRole::Admin)];
    });
    let under = Some(TenantRole::Contributor);
    let given = Given { role: TenantRole::Admin, from: RoleFrom::SignIn, under };
    assert_eq!(decide(&facts), linked(Some(given), accepted), "the invitation is lower than what they have");
}

/// Whatever groups say, whoever accepts an invitation has no less than who doesn't: neither now, nor when the sign-in takes its role back.
#[test]
fn an_invitation_lowers_neither_a_role_nor_what_is_left_of_it() {
    let some: Vec<Option<TenantRole>> = [None].into_iter().chain(TenantRole::ALL.map(Some)).collect();
    let sources = [RoleFrom::Local, RoleFrom::SignIn, RoleFrom::Directory];
    let mut all = 0;
    for (role, default, invited) in triples() {
        for role_from in sources {
            for (under, grouped) in
                some.iter().flat_map(|under| some.iter().map(move |grouped| (*under, *grouped)))
            {
                let without = with(facts(connection(), Vouched::Domain), |facts| {
                    facts.known.people = vec![Person { role, under, role_from, ..person(Found::Identity) }];
                    facts.claim.groups = Groups::Said(vec!["g".to_owned()]);
                    let policy = facts.policies.get_mut(&HERE).unwrap();
                    policy.default_role = default;
                    policy.group_roles = grouped.map(|role| ("g".to_owned(), role)).into_iter().collect();
                });
                let invitation = with(without.clone(), |facts| facts.known.pending = vec![pending(invited)]);
                let before = Given { role, from: role_from, under };
                let (without, left_without) = becomes(&without, before, default);
                let (after, left_after) = becomes(&invitation, before, default);
                let case = format!("{before:?} {grouped:?} {default} {invited}: {without:?} {after:?}");
                assert!(!without.role.outranks(after.role), "{case}");
                assert!(!left_without.outranks(left_after), "{case}");
                assert!(!invited.outranks(after.role) || after.from == RoleFrom::Directory, "{case}");
                all += 1;
            }
        }
    }
    assert_eq!(all, 5 * 5 * 5 * 3 * 6 * 6);
}

fn triples() -> Vec<(TenantRole, TenantRole, TenantRole)> {
    let mut all = Vec::new();
    for one in TenantRole::ALL {
        for other in TenantRole::ALL {
            all.extend(TenantRole::ALL.map(|third| (one, other, third)));
        }
    }
    all
}

/// What somebody has after the decision, and what is left when the sign-in takes its role back.
fn becomes(facts: &Facts, before: Given, default: TenantRole) -> (Given, TenantRole) {
    let Decision::Known { role, .. } = decide(facts) else { panic!("they are known") };
    let now = role.unwrap_or(before);
    match now.from {
        RoleFrom::SignIn => (now, now.under.unwrap_or(default)),
        RoleFrom::Local | RoleFrom::Directory => (now, now.role),
    }
}
