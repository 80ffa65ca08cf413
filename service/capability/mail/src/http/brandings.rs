//! `/api/v1/tenants/{tenant}/branding`: in whose name a tenant's mail is sent, and how it looks.

use actix_web::http::Method;
use entity::mail::branding::{Entity, Model};
use platform::{Target, Tx, Work as _};
use policy_core::Permission;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::{Access, Body, FieldErrors, IfMatch, Input, NoContent, Problem, Routes, Tagged, TenantCaller};

use crate::branding;
use crate::language::Language;

const PATH: &str = "/api/v1/tenants/{tenant}/branding";

pub(super) fn routes() -> Routes {
    let (read, write) = (Access::Key(Permission::MailRead), Access::Key(Permission::BrandingWrite));
    Routes::new()
        .add(Method::GET, PATH, read, "get_branding: Get the branding of a tenant's mail.", get_branding)
        .add(
            Method::PUT,
            PATH,
            write,
            "replace_branding: Set the branding of a tenant's mail.",
            replace_branding,
        )
        .add(
            Method::DELETE,
            PATH,
            write,
            "delete_branding: Reset a tenant's mail to the platform's branding.",
            delete_branding,
        )
}

/// The branding of a tenant's mail.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BrandingInput {
    /// The sender's name; the sender's address stays that of the platform.
    #[schema(max_length = 80)]
    pub(crate) sender_name: Option<String>,
    /// The e-mail address for replies.
    pub(crate) reply_to: Option<String>,
    /// The https URL of the logo, which is shown 32 pixels high.
    pub(crate) logo_url: Option<String>,
    /// The accent color as `#rrggbb`; text on it is black or white, whichever is easier to read.
    pub(crate) color: Option<String>,
    /// A text below each mail, at most 500 characters.
    #[schema(max_length = 500)]
    pub(crate) footer: Option<String>,
    /// The https URL of a support page.
    pub(crate) support_url: Option<String>,
    /// The default language of mail: `en` or `de`.
    pub(crate) locale: Option<String>,
}

fn is_https(text: &str) -> bool {
    text.len() <= 500
        && url::Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.username().is_empty())
}

impl Input for BrandingInput {
    fn check(&self, errors: &mut FieldErrors) {
        if let Some(name) = &self.sender_name {
            errors.text("/senderName", name, 80);
            // A name with an address in it pretends to be from there.
            let plain = !name.contains(['@', '<', '>', '"', '\\']);
            errors.require(plain, "/senderName", "must not contain an e-mail address, quotes or backslashes");
        }
        if let Some(address) = &self.reply_to {
            errors.require(identity_core::is_email(address), "/replyTo", "must be an e-mail address");
        }
        if let Some(url) = &self.logo_url {
            errors.require(is_https(url), "/logoUrl", "must be an https URL");
        }
        if let Some(url) = &self.support_url {
            errors.require(is_https(url), "/supportUrl", "must be an https URL");
        }
        if let Some(color) = &self.color {
            errors.require(branding::channels(color).is_some(), "/color", "must be #rrggbb");
        }
        if let Some(footer) = &self.footer {
            let fits = footer.chars().count() <= 500
                && !footer.chars().any(|letter| letter.is_control() && letter != '\n');
            errors.require(fits, "/footer", "at most 500 characters, without control characters");
        }
        if let Some(locale) = &self.locale {
            errors.require(Language::parse(locale).is_some(), "/locale", "must be a supported language");
        }
    }
}

impl From<Model> for BrandingInput {
    fn from(row: Model) -> Self {
        Self {
            sender_name: row.sender_name,
            reply_to: row.reply_to,
            logo_url: row.logo_url,
            color: row.color,
            footer: row.footer,
            support_url: row.support_url,
            locale: row.locale,
        }
    }
}

async fn get_branding(caller: TenantCaller) -> Result<Tagged<BrandingInput>, Problem> {
    let row = caller.read(async |view| branding::find(view).await).await?;
    let version = row.as_ref().map_or(0, |row| row.version);
    Ok(Tagged(version, row.map(BrandingInput::from).unwrap_or_default()))
}

async fn replace_branding(
    caller: TenantCaller,
    seen: IfMatch,
    Body(input): Body<BrandingInput>,
) -> Result<Tagged<BrandingInput>, Problem> {
    let work = async |tx: &mut Tx| {
        let before = tx.lock(tx.select::<Entity>()).await?;
        let version = before.as_ref().map_or(0, |row| row.version);
        seen.require(version)?;
        let row = Model {
            tenant_id: tx.tenant(),
            sender_name: input.sender_name,
            reply_to: input.reply_to,
            logo_url: input.logo_url,
            color: input.color,
            footer: input.footer,
            support_url: input.support_url,
            locale: input.locale,
            version: version + 1,
            created_at: before.as_ref().map_or(tx.now(), |row| row.created_at),
            updated_at: tx.now(),
        };
        match before {
            Some(_) => tx.update(row.clone()).await?,
            None => tx.insert(row.clone()).await?,
        }
        tx.record("branding.update", Target::new("tenant", tx.tenant()));
        Ok::<_, Problem>(row)
    };
    let row = caller.write(work).await?;
    Ok(Tagged(row.version, row.into()))
}

async fn delete_branding(caller: TenantCaller) -> Result<NoContent, Problem> {
    let work = async |tx: &mut Tx| {
        tx.purge(tx.remove::<Entity>()).await?;
        tx.record("branding.delete", Target::new("tenant", tx.tenant()));
        Ok::<_, Problem>(NoContent)
    };
    caller.write(work).await
}
