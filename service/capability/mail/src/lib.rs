//! Mail as durable work.
//!
//! Owns the table `mail_message`. A mail is rendered and stored, sealed, in the transaction that causes it, and leaves by a
//! job; a second mail with the same dedupe key is not made. Without SMTP it is kept and shown at `/dev/mail`, to this
//! machine only. Links are built from the configured public URL, never from a request.

mod http;
mod jobs;
mod ops;
mod templates;

pub use http::routes;
pub use jobs::{SendMail, Transport, handler};
pub use ops::{NewMail, enqueue};
pub use templates::page;
