//! Classes of work, and how many jobs of each run at once: no class can take the places of another.
//!
//! A job works, or it waits for the other side of a connection. Jobs that work share `jobs.at_once` places of a process; a class has
//! some to itself, and a most. A job that waits outside gives its place to the next one: a receiver that hangs costs memory, and
//! nobody's turn. How many of a class may wait outside is bounded too.

use std::collections::BTreeMap;

/// What kind of work a job does. A class is bounded as a whole; jobs of one class get in each other's way, and in nobody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Tenants are made, moved and removed; backends and instances follow.
    Provisioning,
    /// Events to receivers, notices to clients.
    Delivery,
    /// Flags to modules.
    Push,
    /// Mail to relays.
    Mail,
    /// What came in by webhooks.
    Inbox,
    /// Long work on an organization's directory: batches, copies, restores.
    Directory,
    /// What spreads inside the store, and leaves other jobs behind.
    Maintenance,
}

/// What a class may take of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    /// Places that no other class takes.
    reserved: usize,
    /// So many may work at once.
    working_max: usize,
    /// So many more may wait outside.
    waiting_max: usize,
}

/// How many jobs of a class run, and how many of these wait for an answer from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) running: usize,
    pub(super) outside: usize,
}

/// Which classes take no further job for now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Closed {
    /// Take none.
    pub(super) full: Vec<Class>,
    /// Take none that failed before: what hangs must leave room for what was not tried yet.
    pub(super) crowded: Vec<Class>,
}

impl Class {
    pub(super) const ALL: [Self; 7] = [
        Self::Provisioning,
        Self::Delivery,
        Self::Push,
        Self::Mail,
        Self::Inbox,
        Self::Directory,
        Self::Maintenance,
    ];

    /// As metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Delivery => "delivery",
            Self::Push => "push",
            Self::Mail => "mail",
            Self::Inbox => "inbox",
            Self::Directory => "directory",
            Self::Maintenance => "maintenance",
        }
    }

    /// Places that a process has at least: what the classes have to themselves.
    pub(crate) fn places_min() -> usize {
        Class::ALL.into_iter().map(Class::reserved).sum()
    }

    fn reserved(self) -> usize {
        match self {
            Self::Provisioning | Self::Delivery => 2,
            Self::Push | Self::Mail | Self::Inbox | Self::Directory | Self::Maintenance => 1,
        }
    }

    fn share(self, places: usize) -> Share {
        let (half, quarter) = ((places / 2).max(2), (places / 4).max(1));
        let (working_max, waiting_max) = match self {
            Self::Provisioning => (half, 4 * places),
            Self::Delivery => (half, 8 * places),
            Self::Push => (quarter, 4 * places),
            // Relays count connections: a mail under way is one, whether its relay hangs or not.
            Self::Mail => (quarter, 0),
            Self::Inbox => (quarter, places),
            Self::Directory | Self::Maintenance => (quarter, 0),
        };
        Share { reserved: self.reserved(), working_max, waiting_max }
    }
}

fn places(at_once: usize) -> usize {
    at_once.max(Class::places_min())
}

/// Which classes are closed under this load.
pub(super) fn closed(at_once: usize, loads: &BTreeMap<Class, Load>) -> Closed {
    let places = places(at_once);
    let load = |class: Class| loads.get(&class).copied().unwrap_or_default();
    let working = |class: Class| {
        let Load { running, outside } = load(class);
        running.saturating_sub(outside.min(class.share(places).waiting_max))
    };
    // What is taken, and what others have to themselves and may want any moment.
    let held = |class: Class| working(class).max(class.reserved());
    let spoken_for = |class: Class| {
        let others = Class::ALL.into_iter().filter(|other| *other != class);
        working(class) + others.map(held).sum::<usize>()
    };
    let takes = |class: Class| {
        let Share { reserved, working_max, .. } = class.share(places);
        working(class) < reserved || (working(class) < working_max && spoken_for(class) < places)
    };
    let is_crowded = |class: Class| {
        let Share { working_max, waiting_max, .. } = class.share(places);
        waiting_max > 0 && 2 * load(class).running >= working_max + waiting_max
    };
    let of = |which: &dyn Fn(Class) -> bool| Class::ALL.into_iter().filter(|class| which(*class)).collect();
    Closed { full: of(&|class| !takes(class)), crowded: of(&|class| takes(class) && is_crowded(class)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: [Class; 7] = Class::ALL;

    fn full(at_once: usize, loads: &[(Class, usize, usize)]) -> Vec<Class> {
        let load = |(class, running, outside): &(Class, usize, usize)| {
            (*class, Load { running: *running, outside: *outside })
        };
        closed(at_once, &loads.iter().map(load).collect()).full
    }

    #[test]
    fn no_class_takes_what_others_have_to_themselves() {
        use Class::{Delivery, Directory, Mail, Maintenance, Provisioning, Push};
        type Row<'a> = (&'a [(Class, usize, usize)], &'a [Class]);
        let rows: [Row<'_>; 9] = [
            (&[], &[]),
            (&[(Delivery, 7, 0)], &[]),
            // Half of all, and no more.
            (&[(Delivery, 8, 0)], &[Delivery]),
            // Who waits outside takes no place, up to a bound.
            (&[(Delivery, 24, 24)], &[]),
            (&[(Delivery, 135, 128)], &[]),
            (&[(Delivery, 136, 136)], &[Delivery]),
            (&[(Mail, 4, 4)], &[Mail]),
            // Eight deliveries and three of provisioning leave five, which the other classes have to themselves: each still
            // begins one, and nobody begins another.
            (&[(Delivery, 8, 0), (Provisioning, 3, 0)], &[Provisioning, Delivery]),
            (
                &[
                    (Delivery, 8, 0),
                    (Provisioning, 3, 0),
                    (Push, 1, 0),
                    (Directory, 1, 0),
                    (Maintenance, 1, 0),
                ],
                &[Provisioning, Delivery, Push, Directory, Maintenance],
            ),
        ];
        for (loads, wanted) in rows {
            assert_eq!(full(16, loads), wanted, "{loads:?}");
        }
    }

    #[test]
    fn a_class_that_has_nothing_running_always_begins_something() {
        // Whatever the others do, from the smallest process on: jobs are begun in every order until nobody may begin one.
        for at_once in [1, 9, 16, 40] {
            for idle in EACH {
                let mut loads: BTreeMap<Class, Load> = BTreeMap::new();
                loop {
                    let full = closed(at_once, &loads).full;
                    assert!(!full.contains(&idle), "{at_once} {idle:?} {loads:?}");
                    let Some(next) = EACH.into_iter().find(|one| *one != idle && !full.contains(one)) else {
                        break;
                    };
                    loads.entry(next).or_default().running += 1;
                }
                let all: usize = loads.values().map(|load| load.running).sum();
                assert_eq!(all + idle.reserved(), places(at_once), "{at_once} {idle:?}");
            }
        }
    }

    #[test]
    fn what_failed_before_waits_where_half_of_the_room_is_taken() {
        let crowded = |running| {
            let loads = [(Class::Provisioning, Load { running, outside: running })];
            closed(16, &loads.into_iter().collect()).crowded
        };
        assert_eq!(crowded(35), []);
        assert_eq!(crowded(36), [Class::Provisioning]);
        // Mail has no room to wait in: there what was tried before is no worse than the rest.
        let mail = [(Class::Mail, Load { running: 3, outside: 3 })];
        assert_eq!(closed(16, &mail.into_iter().collect()), Closed::default());
    }
}
