//! The same facts come to the same end at every door, whoever comes in whatever order, on one seat.
//!
//! Tenants, situations and what is said at the doors are drawn from a seed. For each situation somebody is put into it for each door,
//! comes by that door, and then by others in any order. How it must end is what `identity_core::decide` says of the facts that the door
//! carries ([`doors::said`], one table), written by hand from the test's own record of the tenant; users, invitations and seats are
//! compared with that record after each step.
//!
//! Every stop draws the same, so that one fails by its own change only; `just interop` draws anew. A round that failed is seen again by
//! `TENANTRY_TEST_SEED=… TENANTRY_TEST_ROUNDS=1`.

mod check;
mod deeds;
mod doors;
mod expected;
mod facts;
mod random;
mod record;
mod site;
mod situations;
mod steps;
mod walks;

use deeds::{Deed, Switch};
use doors::{DOORS, Door, Person, Words};
use expected::End;
use policy_core::TenantRole;
use random::Random;
use site::{Ends, Outside, Plan, Site};
use situations::{SITUATIONS, Situation, Step, steps};

/// Of the first round when nobody says another one.
const SEED: u64 = 1_795_837_020;

/// Rounds of one run: each situation in a tenant of its own.
const ROUNDS: u64 = SITUATIONS.len() as u64;

/// What is done about people who are not at a door.
const DEEDS: [Deed; 7] = [
    Deed::Directory(Switch::On),
    Deed::Directory(Switch::Off),
    Deed::Adopt,
    Deed::Remove,
    Deed::Backend(Switch::On),
    Deed::Backend(Switch::Off),
    Deed::Admin(Switch::Off),
];

/// So many of them in a round, each about somebody else.
const DEEDS_A_ROUND: usize = 2;

/// Doors at which an operator's word is said in three ways, the first two by one source.
const ALIKE: [Door; 3] = [Door::Issuer, Door::Module, Door::Gateway];

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

struct Round<'a> {
    site: Site<'a>,
    random: Random,
}

impl Round<'_> {
    async fn step(&mut self, person: &mut Person, step: &Step) -> Option<End> {
        match step {
            Step::Comes(door, words) => self.site.comes(person, *door, words).await,
            Step::Does(deed) => self.site.does(person, *deed).await,
        }
    }

    /// Where a directory pushes people nobody is let in by hand: it ends before somebody is to be, so that they can be.
    async fn clear(&mut self, person: &mut Person, step: &Step) {
        let by_hand =
            matches!(step, Step::Does(Deed::Invite(..)) | Step::Comes(Door::Join | Door::Approval, _));
        let managed = self.site.record.managed.clone();
        for organization in managed.into_iter().filter(|_| by_hand) {
            let at = self.site.place(organization);
            self.step(person, &Step::Does(Deed::EndDirectory(at))).await;
        }
    }

    async fn prepare(&mut self, person: &mut Person, steps: &[Step]) {
        for step in steps {
            self.clear(person, step).await;
            self.step(person, step).await;
        }
    }

    /// Somebody in this situation comes by this step, where there may be no seat left.
    async fn comes_so(&mut self, person: &mut Person, step: &Step, is_full: bool) -> Option<End> {
        self.clear(person, step).await;
        if is_full {
            let (used, held) = self.site.record.seats();
            self.site.limit(Some(used + held)).await;
        }
        let end = self.step(person, step).await;
        if is_full {
            self.site.limit(None).await;
        }
        end
    }

    /// By whichever doors there are, in any order.
    async fn goes_on(&mut self, person: &mut Person) {
        for _ in 0..self.random.below(3) {
            let step = match self.random.below(6) {
                0 => Step::Does(self.random.pick(&DEEDS)),
                1 => Step::Does(Deed::Invite(self.random.below(2), TenantRole::Contributor)),
                _ => Step::Comes(self.random.pick(&DOORS), Words::drawn(&mut self.random)),
            };
            self.step(person, &step).await;
        }
    }
}

/// Whether a source knows whoever did this.
fn is_known(step: &Step) -> bool {
    matches!(step, Step::Comes(door, _) if !door.redeems() && *door != Door::Push)
}

async fn round(outside: &Outside, (seed, number): (u64, u64)) -> Ends {
    let seed = seed + number;
    let mut random = Random(seed);
    let situation = SITUATIONS[usize::try_from(seed % ROUNDS).expect("an index")];
    let slug = format!("t{number}");
    let site = Site::drawn(outside, &slug, (Plan::of(seed, situation), &mut random)).await;
    let mut round = Round { site, random };
    let prepared = steps(situation, &mut round.random);
    let words = Words::drawn(&mut round.random);
    let is_full = round.random.once_in(4);
    round.site.log.push(format!("TENANTRY_TEST_SEED={seed} TENANTRY_TEST_ROUNDS=1: {situation:?}"));
    let mut ways: Vec<Step> = DOORS.into_iter().map(|door| Step::Comes(door, words.clone())).collect();
    let mut deeds = DEEDS;
    round.random.shuffle(&mut deeds);
    // Of whom Zitadel switched off, all words have a meaning.
    let most = if situation == Situation::OffByBackend { DEEDS.len() } else { DEEDS_A_ROUND };
    ways.extend(deeds.into_iter().take(most).map(Step::Does));
    round.random.shuffle(&mut ways);
    // Whom one source knows the others don't, and a gateway may say a role.
    let differs = prepared.iter().any(is_known) || words.role.is_some();
    let wanted_alike = if differs { &ALIKE[..2] } else { &ALIKE[..] };
    let mut alike = Vec::new();
    for (at, way) in ways.iter().enumerate() {
        let mut person = round.site.person(&format!("p{at}"));
        // Who is the first administers the tenant, and of an administrator more is asked.
        let somebody = !round.site.record.users.is_empty();
        round.prepare(&mut person, &prepared).await;
        let end = round.comes_so(&mut person, way, is_full).await;
        if let (Step::Comes(door, _), Some(end)) = (way, end)
            && wanted_alike.contains(door)
            && somebody
        {
            alike.push(end.told());
        }
        round.goes_on(&mut person).await;
    }
    alike.dedup();
    assert!(alike.len() <= 1, "{situation:?} {alike:?}\n{}", round.site.story());
    round.site.ends
}

#[actix_web::test]
async fn the_same_facts_come_to_the_same_end_at_every_door_in_any_order() {
    let seed = setting("TENANTRY_TEST_SEED").unwrap_or(SEED);
    let outside = Outside::start().await;
    let rounds = setting("TENANTRY_TEST_ROUNDS").unwrap_or(ROUNDS);
    let mut ends = Ends::new();
    for number in 0..rounds {
        for (end, times) in round(&outside, (seed, number)).await {
            *ends.entry(end).or_default() += times;
        }
    }
    for ((way, end), times) in &ends {
        println!("{times:>5} {way}: {end}");
    }
    let is_used = |name: &str| ends.keys().any(|(way, _)| way == name);
    let ways = DOORS.map(|door| format!("{door:?}")).into_iter();
    let ways =
        ways.chain(DEEDS.map(|deed| format!("{deed:?}"))).chain(["Founding", "Code"].map(str::to_owned));
    let unused: Vec<String> = ways.filter(|way| rounds >= ROUNDS && !is_used(way)).collect();
    assert!(unused.is_empty(), "nobody came by {unused:?}");
    outside.stop().await;
}
