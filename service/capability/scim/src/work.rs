//! What a write costs, known and paid for before it is done; and where it is done: small ones on the worker's thread at
//! once, large ones one at a time for each tenant, beside the workers. Lists are paid for in the same way.

mod lists;

use actix_web::web::Bytes;
use entity::ids::OrganizationId;
use platform::work::{Heavy, LockMode, Slot, Thread};
use scim_core::bulk::{Bulk, Method};
use scim_core::document::{Document, MEMBERS_MAX};
use scim_core::patch::cost::{Extent, STEPS_MAX};
use scim_core::patch::{self, Patch};
use scim_core::resource::{self, Resource};
use scim_core::{ErrorType, ScimError};
use uuid::Uuid;
use web::OrganizationCaller;

use crate::error::Error;
use crate::resources::{self, Write};
use crate::state::{Scope, Type};

pub(crate) use lists::{ListPrice, SearchPermit};

/// Bytes of a body that is read on the worker's thread.
const INLINE_BYTES: usize = 64 << 10;
/// Steps of a PATCH that is done there: about two milliseconds.
const INLINE_STEPS: u64 = 20_000;
/// Members that a change of a group may name and still go beside others of the same group.
const TOGETHER_MEMBERS: usize = 1_000;
/// What reading a KiB costs, in about microseconds: counting, parsing, checking.
const COST_PER_KIB: u64 = 10;
/// What a member costs: rows of the store.
const COST_PER_MEMBER: u64 = 20;
/// Steps for one of cost.
const STEPS_PER_COST: u64 = 10;

/// What a write is known to cost before anything of the store is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Price {
    /// Steps on an empty resource.
    steps: u64,
    members: usize,
}

impl Price {
    fn of(write: &Write, scope: &Scope, of: Type) -> Self {
        match write {
            Write::Create(new, members) | Write::Replace(_, new, members) => Self::of_new(new, members.len()),
            Write::Patch(_, patch, edits) => {
                let members = edits.iter().map(resources::named).sum();
                Self { members, ..Self::of_patch(scope, of, patch) }
            }
            Write::Delete(_) => Self::default(),
        }
    }

    fn of_new(new: &Resource, members: usize) -> Self {
        Self { steps: Extent::of(new).folding(), members }
    }

    fn of_patch(scope: &Scope, of: Type, patch: &Patch) -> Self {
        let steps = patch.steps(scope.kind(of), Extent::default());
        Self { steps, members: patch.members_named() }
    }

    /// Of an operation of a bulk request, whose references have no ids yet. What can't be read costs no more than that.
    fn of_operation(scope: &Scope, of: Type, method: Method, data: &[u8]) -> Self {
        let (kind, profile) = (scope.kind(of), scope.profile);
        let read = || -> Result<Self, ScimError> {
            Ok(match method {
                Method::Post | Method::Put => {
                    let new = resource::normalize(kind, &Document::parse(data)?, profile)?;
                    Self::of_new(&new.resource, new.members.len())
                }
                Method::Patch => {
                    Self::of_patch(scope, of, &patch::parse(kind, &Document::parse(data)?, profile)?)
                }
                Method::Delete => Self::default(),
            })
        };
        read().unwrap_or_default()
    }

    /// The sum of a bulk request's operations.
    ///
    /// # Errors
    /// [`Error::Protocol`]
    pub(crate) fn of_bulk(scope: &Scope, bulk: &Bulk) -> Result<Self, Error> {
        let mut all = Self::default();
        for operation in bulk.operations.iter().flatten() {
            let Some(of) = Type::at(&operation.endpoint) else { continue };
            let one = Self::of_operation(scope, of, operation.method, operation.data.as_bytes());
            all.steps = all.steps.saturating_add(one.steps);
            all.members = all.members.saturating_add(one.members);
        }
        if all.steps > STEPS_MAX || all.members > MEMBERS_MAX {
            let detail = format!(
                "The operations are {} steps and name {} members together, more than {STEPS_MAX} and {MEMBERS_MAX}: send \
                 them in several requests.",
                all.steps, all.members
            );
            return Err(ScimError::new(ErrorType::TooLarge, detail).into());
        }
        Ok(all)
    }

    fn cost(self) -> u64 {
        let members = u64::try_from(self.members).unwrap_or(u64::MAX);
        (self.steps / STEPS_PER_COST).saturating_add(members.saturating_mul(COST_PER_MEMBER))
    }
}

/// The work of one request.
#[derive(Debug)]
pub(crate) struct Work {
    /// Who pays; nobody for what an admin looks at again.
    payer: Option<OrganizationCaller>,
    heavy: Heavy,
    tenant: Uuid,
    bytes: usize,
    /// Held by one that is heavy, until it is answered.
    slot: Option<Slot>,
    patching: Patching,
}

/// Where a PATCH is done.
#[derive(Debug)]
enum Patching {
    /// On the worker's thread.
    Here,
    /// On a thread of its own, once there is one.
    Beside,
    /// On this one. Who waits for a thread holds nothing of the store yet.
    On(Thread),
}

impl Work {
    /// The work on a body of so many bytes.
    ///
    /// # Errors
    /// [`Error::Spent`]; [`Error::Busy`] where the tenant fills its share, or all together do.
    pub(crate) async fn begin(caller: &OrganizationCaller, bytes: usize) -> Result<Self, Error> {
        let kib = u64::try_from(bytes >> 10).unwrap_or(u64::MAX);
        caller.spend(kib.saturating_add(1).saturating_mul(COST_PER_KIB)).map_err(Error::Spent)?;
        let (heavy, tenant) = (caller.tools().heavy.clone(), caller.tenant());
        let mut work =
            Self { payer: Some(caller.clone()), heavy, tenant, bytes, slot: None, patching: Patching::Here };
        if bytes > INLINE_BYTES {
            work.take_slot().await?;
        }
        Ok(work)
    }

    /// The work on a body that is kept, and small.
    pub(crate) fn again(heavy: &Heavy, tenant: Uuid, bytes: usize) -> Self {
        Self { payer: None, heavy: heavy.clone(), tenant, bytes, slot: None, patching: Patching::Here }
    }

    async fn take_slot(&mut self) -> Result<(), Error> {
        if self.slot.is_none() {
            self.slot = Some(self.heavy.admit(self.tenant, self.bytes).await?);
        }
        Ok(())
    }

    /// Computes over so many bytes: here if they are few, else beside the workers.
    ///
    /// # Errors
    /// What `work` answers.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        match self.slot.as_ref().filter(|_| bytes > INLINE_BYTES) {
            Some(slot) => slot.run(work).await?,
            None => work(),
        }
    }

    /// Pays for what was read, and takes a place for it if it is heavy.
    ///
    /// # Errors
    /// The same as [`Work::begin`].
    pub(crate) async fn pay(&mut self, price: Price) -> Result<(), Error> {
        self.spend(price.cost())?;
        if price.steps > INLINE_STEPS || price.members > TOGETHER_MEMBERS {
            self.take_slot().await?;
        }
        Ok(())
    }

    /// Takes a place for a PATCH that is heavy on the resource that is there. What clients send is light on any.
    ///
    /// # Errors
    /// The same as [`Work::begin`].
    pub(crate) async fn admit_patch(&mut self, scope: &Scope, of: Type, write: &Write) -> Result<(), Error> {
        // That of an operation before, which was refused.
        self.patching = Patching::Here;
        let (Write::Patch(id, patch, _), Some(payer)) = (write, &self.payer) else { return Ok(()) };
        let kind = scope.kind(of);
        if patch.steps(kind, Extent::MOST) <= INLINE_STEPS {
            return Ok(());
        }
        let there = payer
            .read(async |view| {
                let resource = match of {
                    Type::Users => directory::user(view, OrganizationId(scope.organization), *id)
                        .await?
                        .map(|row| row.resource),
                    Type::Groups => directory::group(view, OrganizationId(scope.organization), *id)
                        .await?
                        .map(|row| row.resource),
                };
                Ok::<_, Error>(resource)
            })
            .await?;
        let extent = there.as_ref().and_then(|there| there.as_object()).map(Extent::of).unwrap_or_default();
        if patch.check_steps(kind, extent)? > INLINE_STEPS {
            self.take_slot().await?;
            self.patching = Patching::Beside;
        }
        Ok(())
    }

    /// Waits for the thread that a heavy PATCH needs: when it is its turn, and before a transaction begins.
    ///
    /// # Errors
    /// [`Error::Busy`]
    pub(crate) async fn ready(&mut self) -> Result<(), Error> {
        if let (Patching::Beside, Some(slot)) = (&self.patching, &self.slot) {
            self.patching = Patching::On(slot.thread().await?);
        }
        Ok(())
    }

    fn spend(&self, cost: u64) -> Result<(), Error> {
        self.payer.as_ref().map_or(Ok(()), |payer| payer.spend(cost).map_err(Error::Spent))
    }

    /// Reads, checks and pays for a write.
    ///
    /// # Errors
    /// Those of [`resources::prepare`] and [`Work::begin`].
    pub(crate) async fn prepare(
        &mut self,
        scope: &Scope,
        of: Type,
        method: Method,
        id: Option<&str>,
        body: Bytes,
    ) -> Result<Write, Error> {
        let write = self.prepare_unpaid(scope, of, method, id, body).await?;
        self.pay(Price::of(&write, scope, of)).await?;
        self.admit_patch(scope, of, &write).await?;
        Ok(write)
    }

    /// Reads and checks a write without paying for it: a bulk request pays for all of its operations at once.
    ///
    /// # Errors
    /// Those of [`resources::prepare`].
    pub(crate) async fn prepare_unpaid(
        &self,
        scope: &Scope,
        of: Type,
        method: Method,
        id: Option<&str>,
        body: Bytes,
    ) -> Result<Write, Error> {
        if body.len() <= INLINE_BYTES {
            return resources::prepare(scope, of, method, id, &body);
        }
        let (scope, id) = (scope.clone(), id.map(ToOwned::to_owned));
        self.read(body.len(), move || resources::prepare(&scope, of, method, id.as_deref(), &body)).await
    }

    /// The resource after a PATCH, whose cost on what is there is known only here, and paid for before it is done. Within a
    /// transaction nobody waits for a thread: neighbours would wait for the transaction.
    ///
    /// # Errors
    /// [`Error::Protocol`], [`Error::Spent`], [`Error::Busy`]
    pub(crate) async fn patched(
        &mut self,
        scope: &Scope,
        of: Type,
        there: &Resource,
        patch: Patch,
    ) -> Result<Resource, Error> {
        let kind = scope.kind(of);
        let steps = patch.check_steps(kind, Extent::of(there))?;
        if steps <= INLINE_STEPS {
            return Ok(patch::apply(kind, there, &patch.operations, scope.profile)?);
        }
        self.spend(steps.saturating_sub(patch.steps(kind, Extent::default())) / STEPS_PER_COST)?;
        let (scope, there) = (scope.clone(), there.clone());
        let apply = move || patch::apply(scope.kind(of), &there, &patch.operations, scope.profile);
        let patched = match std::mem::replace(&mut self.patching, Patching::Here) {
            Patching::On(thread) => thread.run(apply).await?,
            // It grew since it was looked at, or an admin looks at it again.
            Patching::Here | Patching::Beside => self.heavy.run_at_once(apply).await?,
        };
        Ok(patched?)
    }
}

/// What a write changes, and how it meets others that change the same: there they wait, not in the store.
pub(crate) fn lock_of(of: Type, write: &Write) -> Option<(Uuid, LockMode)> {
    match write {
        Write::Create(..) => None,
        Write::Replace(id, ..) | Write::Delete(id) => Some((*id, LockMode::Exclusive)),
        Write::Patch(id, patch, edits) => {
            let members: usize = edits.iter().map(resources::named).sum();
            let is_small = of == Type::Groups && patch.operations.is_empty() && members <= TOGETHER_MEMBERS;
            Some((*id, if is_small { LockMode::Shared } else { LockMode::Exclusive }))
        }
    }
}

#[cfg(test)]
mod tests {
    use directory::MemberEdit;

    use super::*;

    #[test]
    fn small_changes_of_members_go_together_and_all_else_alone() {
        let id = Uuid::from_u128(1);
        let of_members = |count: usize| {
            Write::Patch(
                id,
                Patch::default(),
                vec![MemberEdit::Add(vec![id; count]), MemberEdit::Remove(vec![id])],
            )
        };
        for (what, of, write, wanted) in [
            ("a new one", Type::Groups, Write::Create(Resource::new(), vec![id]), None),
            (
                "a replacement",
                Type::Groups,
                Write::Replace(id, Resource::new(), vec![]),
                Some(LockMode::Exclusive),
            ),
            ("a removal", Type::Users, Write::Delete(id), Some(LockMode::Exclusive)),
            ("few members", Type::Groups, of_members(999), Some(LockMode::Shared)),
            ("many members", Type::Groups, of_members(1_000), Some(LockMode::Exclusive)),
            ("a user", Type::Users, Write::Patch(id, Patch::default(), vec![]), Some(LockMode::Exclusive)),
        ] {
            assert_eq!(lock_of(of, &write), wanted.map(|mode| (id, mode)), "{what}");
        }
    }

    #[test]
    fn a_price_counts_members_and_steps() {
        assert_eq!(Price { steps: 1_000, members: 3 }.cost(), 160);
        assert_eq!(Price { steps: u64::MAX, members: usize::MAX }.cost(), u64::MAX);
    }
}
