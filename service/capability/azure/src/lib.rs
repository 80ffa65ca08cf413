//! The Azure Resource Manager: an instance is a resource group with one deployment of a template from `infra/azure`.
//!
//! Owns `deployment`. Every name is made from the deployment's purpose, so that a retry meets what an earlier attempt left, and
//! every resource group carries tags by which orphans are found. One look at Azure at a time: [`advance`] does what can be done
//! now and says how long to wait; nothing here sleeps or loops. Network; called from jobs, never inside a transaction.

mod deploy;
mod manager;
mod operation;
mod purpose;
mod refusal;
mod remove;
mod settings;
mod template;
mod token;

pub use deploy::{Progress, advance};
pub use manager::{Manager, Orphan, is_configured, orphans, ping};
pub use operation::{Follow, State};
pub use purpose::{Plan, for_pool, for_tenant, tenant_purpose};
pub use remove::remove;
pub use settings::Settings;
