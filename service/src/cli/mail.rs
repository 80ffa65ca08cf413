//! `tenantry mail`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use serde_json::json;

use super::print;

const EXAMPLES: &str = "Examples:
  tenantry mail preview                                 every mail's name and subject
  tenantry mail preview invitation --locale de          as text
  tenantry mail preview invitation --html > mail.html
  tenantry mail preview --out previews                  every mail in every language, as HTML and text

Exit codes: 0 done, 1 there is no such mail or language, 2 wrong usage.";

#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Mail {
    /// Show what a mail looks like, with sample values.
    Preview {
        /// The name of the mail; without it, all of them.
        name: Option<String>,
        /// The language.
        #[arg(long, default_value = "en")]
        locale: String,
        /// Print HTML instead of text.
        #[arg(long)]
        html: bool,
        /// Write all mails, in every language, to this folder.
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
        /// Print one JSON object per mail.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(what: Mail) -> anyhow::Result<ExitCode> {
    let Mail::Preview { name, locale, html, out, json } = what;
    if let Some(folder) = out {
        return write_all(&folder);
    }
    let alone = name.is_some();
    let names = match name {
        Some(name) => vec![name],
        None => mail::names().into_iter().map(ToOwned::to_owned).collect(),
    };
    let mut text = String::new();
    for name in names {
        let made = mail::preview(&name, &locale).map_err(|why| anyhow!(why))?;
        match (json, alone) {
            (true, _) => {
                let line = json!({"name": name, "locale": locale, "subject": made.subject, "text": made.text, "html": made.html});
                text.push_str(&format!("{line}\n"));
            }
            (false, false) => text.push_str(&format!("{name:<22} {}\n", made.subject)),
            (false, true) if html => text.push_str(&made.html),
            (false, true) => text.push_str(&format!("Subject: {}\n\n{}", made.subject, made.text)),
        }
    }
    print(&text)
}

fn write_all(folder: &std::path::Path) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    for name in mail::names() {
        for locale in mail::locales() {
            let made = mail::preview(name, locale).map_err(|why| anyhow!(why))?;
            std::fs::write(folder.join(format!("{name}.{locale}.html")), made.html)?;
            std::fs::write(folder.join(format!("{name}.{locale}.txt")), made.text)?;
        }
    }
    print(&format!("{}\n", folder.display()))
}
