//! Mail as durable work.
//!
//! Owns `mail_message`, `mail_branding`, `mail_suppression`. A mail is rendered in its reader's language and stored, sealed, in the
//! transaction that causes it, and leaves by a job; a second mail of the same organization, template, recipient and occasion is not made.
//! An address that bounced or complained gets none. Without SMTP mail is kept and shown at `/dev/mail`, to this machine only. Links are
//! built from the configured public URL, never from a request.

mod bounces;
mod branding;
mod capability;
pub mod codes;
mod error;
mod http;
mod jobs;
mod language;
mod ops;
mod pages;
mod plain;
mod settings;
mod store;
mod strangers;
mod templates;
mod transport;

pub use capability::capability;
pub use error::Error;
pub use jobs::SendMail;
pub use ops::{NewMail, enqueue, notify, require_below_limit};
pub use settings::{Limits, Settings};
pub use strangers::{LANE as STRANGERS_LANE, Sealed, ask, may_write_to};
pub use templates::{Rendered, locales, names, preview, speaks};
pub use transport::Transport;
