//! What a list costs: what is shown, and those who are looked at for it.
//!
//! The weights are SQLite's on one core of a small machine, in microseconds, over documents of 0.6 to 50 KiB: a row 0.6, a value in
//! its document 1.5 to 2 for each KiB, a list in it 5 to 10 for each KiB (30 where a thousand addresses fill it), a member 0.3 to 1; a
//! row that is only counted 0.03, one that is passed over on the way to a page 0.1. Creating a user takes some 500, of which its sender
//! pays 10 to 30: it is the requests a second that bound that.

use std::ops::AddAssign;

use directory::{Listing, Looks, Population, Reach, Start};
use platform::work::{Heavy, Slot};
use scim_core::condition::Condition;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;
use web::OrganizationCaller;

use crate::error::Error;
use crate::state::{States, Type};

/// What a list costs at least.
const COST_OF_LIST: u64 = 100;
/// What a resource of a list costs.
const COST_PER_ROW: u64 = 20;
/// What a comparison of a filter costs, over those whom an index finds.
const COST_PER_COMPARISON: u64 = 500;

/// What each whom a search looks at costs.
const COST_PER_LOOKED_AT: u64 = 1;
/// And a KiB of their documents in which a value is looked for.
const COST_PER_KIB_OF_VALUES: u64 = 2;
/// Or a list, and its elements.
const COST_PER_KIB_OF_LISTS: u64 = 10;
/// And a member.
const COST_PER_LINK: u64 = 1;
/// Rows that are counted for one of cost.
const COUNTED_PER_COST: u64 = 32;
/// Rows that are passed over for one of cost.
const PASSED_PER_COST: u64 = 8;
/// What looking at everybody may cost beside other such searches of the same tenant.
const TOGETHER: u64 = 20_000;

/// What a heavy search has until it is answered: its tenant's slot, and a place among those of all tenants.
#[derive(Debug)]
pub(crate) struct SearchPermit {
    _slot: Slot,
    _place: OwnedSemaphorePermit,
}

impl SearchPermit {
    /// Waits for a slot of `tenant`, and then for a place.
    ///
    /// # Errors
    /// [`Error::Busy`] where enough of the tenant wait already, or all together do.
    pub(crate) async fn acquire(heavy: &Heavy, tenant: Uuid, states: &States) -> Result<Self, Error> {
        let slot = heavy.admit(tenant, 0).await?;
        let place = states.looking.clone().acquire_owned().await.map_err(Error::internal)?;
        Ok(Self { _slot: slot, _place: place })
    }
}

/// What is asked for, as far as it costs.
#[derive(Clone, Copy, Debug)]
struct Page {
    /// Resources, at most.
    count: u64,
    /// Those before it that have to be passed over.
    offset: u64,
    /// Comparisons of the filter.
    comparisons: usize,
}

/// What a list is known to cost before it is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListPrice {
    shown: u64,
    looked_at: u64,
}

impl ListPrice {
    /// Of a list; for one that an index doesn't find it is asked how many there are.
    ///
    /// # Errors
    /// Those of [`States::population`].
    pub(crate) async fn ask(
        caller: &OrganizationCaller,
        states: &States,
        of: Type,
        listing: Listing<'_>,
    ) -> Result<Self, Error> {
        let reach = directory::reach(listing.kind, listing.condition, listing.sort);
        let there = match reach {
            Reach::Index => Population::default(),
            Reach::Everybody { .. } => states.population(caller, of, listing).await?,
        };
        let offset = match listing.start {
            Start::Offset(offset) => *offset,
            Start::Behind(..) => 0,
        };
        let comparisons = listing.condition.map_or(0, Condition::comparisons);
        Ok(Self::of(Page { count: listing.limit, offset, comparisons }, reach, there))
    }

    /// Pays. A heavy one waits for its turn before, and has it until what is answered is dropped.
    ///
    /// # Errors
    /// [`Error::Protocol`] (`tooMany`) for what costs more than any may, [`Error::Spent`] where the tenant has spent what it has,
    /// [`Error::Busy`] where enough of such searches wait already, of its own or of all together.
    pub(crate) async fn pay(
        self,
        caller: &OrganizationCaller,
        states: &States,
    ) -> Result<Option<SearchPermit>, Error> {
        let permit = if self.looked_at > TOGETHER {
            Some(SearchPermit::acquire(&caller.tools().heavy, caller.tenant(), states).await?)
        } else {
            None
        };
        caller.spend(self.shown.saturating_add(self.looked_at)).map_err(Error::of_search)?;
        Ok(permit)
    }

    /// Of a list with this reach, where there are so many to look at.
    fn of(asked: Page, reach: Reach, there: Population) -> Self {
        let comparisons = u64::try_from(asked.comparisons).unwrap_or(u64::MAX);
        let shown =
            COST_OF_LIST + COST_PER_ROW * asked.count + comparisons.saturating_mul(COST_PER_COMPARISON);
        let Reach::Everybody { filter, sort } = reach else { return Self { shown, looked_at: 0 } };
        let counted = filter.map_or(there.rows / COUNTED_PER_COST, |filter| once(filter, there));
        // A sorted page looks at everybody for each part of it.
        let parts = asked.count.div_ceil(directory::ROWS_AT_ONCE);
        let found = match (filter, sort) {
            (None, None) => asked.offset.min(there.rows) / PASSED_PER_COST,
            (Some(filter), None) => once(filter, there).saturating_mul(parts.min(1)),
            (filter, Some(sort)) => once(filter.unwrap_or_default() + sort, there).saturating_mul(parts),
        };
        Self { shown, looked_at: counted.saturating_add(found) }
    }
}

impl AddAssign for ListPrice {
    fn add_assign(&mut self, other: Self) {
        self.shown = self.shown.saturating_add(other.shown);
        self.looked_at = self.looked_at.saturating_add(other.looked_at);
    }
}

/// What it costs to look at everybody once.
fn once(looks: Looks, there: Population) -> u64 {
    let per_kib = looks
        .values
        .saturating_mul(COST_PER_KIB_OF_VALUES)
        .saturating_add(looks.lists.saturating_mul(COST_PER_KIB_OF_LISTS));
    let parts =
        [(there.rows, COST_PER_LOOKED_AT), (there.kib, per_kib), (there.links, looks.links * COST_PER_LINK)];
    parts.into_iter().fold(0, |sum, (many, each)| sum.saturating_add(many.saturating_mul(each)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Looks = Looks { values: 0, lists: 0, links: 0 };

    #[test]
    fn a_list_costs_what_is_shown_and_those_who_are_looked_at() {
        let there = Population { rows: 64_000, kib: 40_000, links: 100_000 };
        let everybody = |filter, sort| Reach::Everybody { filter, sort };
        let value = Some(Looks { values: 1, ..NOTHING });
        let list = Some(Looks { lists: 1, ..NOTHING });
        let most = Some(Looks { lists: 64, ..NOTHING });
        for (what, (count, offset, comparisons), reach, cost) in [
            ("userName eq", (100, 0, 1), Reach::Index, (2_600, 0)),
            ("and one of it", (2, 0, 1), Reach::Index, (640, 0)),
            ("a page", (100, 0, 0), everybody(None, None), (2_100, 2_000)),
            ("the last one", (100, 63_900, 0), everybody(None, None), (2_100, 2_000 + 7_987)),
            ("one beyond all", (1, u64::MAX, 0), everybody(None, None), (120, 2_000 + 8_000)),
            ("a column", (100, 0, 1), everybody(Some(NOTHING), None), (2_600, 2 * 64_000)),
            ("a value", (100, 0, 1), everybody(value, None), (2_600, 2 * 144_000)),
            ("a list", (100, 0, 1), everybody(list, None), (2_600, 2 * 464_000)),
            ("only counted", (0, 0, 1), everybody(list, None), (600, 464_000)),
            ("members", (1, 0, 1), everybody(Some(Looks { links: 1, ..NOTHING }), None), (620, 2 * 164_000)),
            ("sorted", (100, 0, 0), everybody(None, value), (2_100, 2_000 + 144_000)),
            ("a large sorted page", (1_000, 0, 0), everybody(None, value), (20_100, 2_000 + 1_440_000)),
            ("both", (100, 0, 1), everybody(list, value), (2_600, 464_000 + 544_000)),
            ("64 at once", (100, 0, 64), everybody(most, None), (34_100, 2 * 25_664_000)),
        ] {
            let price = ListPrice::of(Page { count, offset, comparisons }, reach, there);
            assert_eq!((price.shown, price.looked_at), cost, "{what}");
        }
        let no_end = Population { rows: u64::MAX, kib: u64::MAX, links: u64::MAX };
        let asked = Page { count: 100, offset: 0, comparisons: 1 };
        assert_eq!(ListPrice::of(asked, everybody(list, None), no_end).looked_at, u64::MAX);
    }
}
