//! How somebody stands before they come: what was done until then.

use policy_core::TenantRole;

use super::deeds::{Deed, Switch};
use super::doors::{Door, Form, Subject, Words};
use super::random::Random;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Situation {
    Unknown,
    Invited,
    InvitedToBoth,
    Accepted,
    Joined,
    OffByAdmin,
    OffByBackend,
    Known,
    KnownByAnother,
    KnownElsewhere,
    Pushed,
    PushedInactive,
    InvitedThenPushed,
    PushedBeside,
    Adopted,
    OffByDirectory,
    Removed,
    KnownThenRemoved,
    RemovedThenPushed,
    RemovedThenHired,
    RemovedThenInvited,
}

pub(super) const SITUATIONS: [Situation; 21] = [
    Situation::Unknown,
    Situation::Invited,
    Situation::InvitedToBoth,
    Situation::Accepted,
    Situation::Joined,
    Situation::OffByAdmin,
    Situation::OffByBackend,
    Situation::Known,
    Situation::KnownByAnother,
    Situation::KnownElsewhere,
    Situation::Pushed,
    Situation::PushedInactive,
    Situation::InvitedThenPushed,
    Situation::PushedBeside,
    Situation::Adopted,
    Situation::OffByDirectory,
    Situation::Removed,
    Situation::KnownThenRemoved,
    Situation::RemovedThenPushed,
    Situation::RemovedThenHired,
    Situation::RemovedThenInvited,
];

#[derive(Clone, Debug)]
pub(super) enum Step {
    Comes(Door, Words),
    Does(Deed),
}

/// Doors by which somebody becomes known.
const KNOWN_BY: [Door; 7] =
    [Door::Issuer, Door::Gateway, Door::Module, Door::Backend, Door::IdToken, Door::Oidc, Door::Saml];

/// What brings a situation about, the same for everybody who is put into it.
pub(super) fn steps(situation: Situation, random: &mut Random) -> Vec<Step> {
    use Situation as S;
    let at = random.below(2);
    let role = random.pick(&[
        TenantRole::Contributor,
        TenantRole::Contributor,
        TenantRole::Guest,
        TenantRole::Admin,
    ]);
    let form = Words::drawn(random).form;
    let push = |form: Form| Step::Comes(Door::Push, Words { organization: Some(at), form, ..Words::plain() });
    let active = Form { active: true, ..form };
    let external = |subject: Subject| Form { external: Some(subject), ..active };
    let invite = Step::Does(Deed::Invite(at, role));
    let accept = Step::Comes(Door::Api, Words::plain());
    let door = random.pick(&KNOWN_BY);
    let words = Words { organization: None, ..Words::drawn(random) };
    let known = Step::Comes(door, Words { subject: Subject::Theirs, address: true, ..words.clone() });
    let another = Step::Comes(door, Words { subject: Subject::Another, address: true, ..words.clone() });
    let off = |deed: fn(Switch) -> Deed| Step::Does(deed(Switch::Off));
    let (remove, ends) = (Step::Does(Deed::Remove), Step::Does(Deed::EndDirectory(at)));
    match situation {
        S::Unknown => vec![],
        S::Invited => vec![invite],
        S::InvitedToBoth => {
            vec![invite, Step::Does(Deed::Invite(1 - at, random.pick(&[TenantRole::Viewer, role])))]
        }
        S::Accepted => vec![invite, accept],
        S::Joined => vec![Step::Comes(Door::Join, Words::plain())],
        S::OffByAdmin => vec![invite, accept, off(Deed::Admin)],
        S::OffByBackend => vec![Step::Comes(Door::Backend, words), off(Deed::Backend)],
        S::Known => vec![known],
        S::KnownByAnother => vec![another],
        S::KnownElsewhere => {
            let elsewhere = Words { organization: Some(1), ..words };
            vec![Step::Comes(random.pick(&KNOWN_BY[..3]), elsewhere)]
        }
        S::Pushed => vec![push(active)],
        S::PushedInactive => vec![push(Form { active: false, ..form })],
        S::InvitedThenPushed => vec![invite, push(active)],
        S::PushedBeside => vec![invite, accept, push(Form { by_address: false, ..active })],
        S::Adopted => vec![known, Step::Does(Deed::Adopt)],
        S::OffByDirectory => vec![push(active), off(Deed::Directory)],
        S::Removed => vec![push(active), remove],
        S::KnownThenRemoved => vec![push(external(Subject::Theirs)), known, remove],
        S::RemovedThenPushed => vec![push(active), remove, push(active)],
        S::RemovedThenHired => {
            vec![push(external(Subject::Theirs)), remove, push(external(Subject::Another))]
        }
        S::RemovedThenInvited => vec![push(active), remove, ends, invite],
    }
}
