//! In whose name a tenant's mail is sent, and how it looks. Text is text: nothing of it reaches the markup unescaped, and what becomes a
//! link or a colour is checked to be one.

use entity::mail::branding::{Entity, Model};
use platform::{DbError, View};
use serde::Serialize;

use crate::plain::{one_line, plain};

/// The colour of mail without a branding.
const COLOR: &str = "#1d4ed8";

/// What a layout needs to know.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Brand {
    pub(crate) name: String,
    pub(crate) sender: Option<String>,
    pub(crate) reply_to: Option<String>,
    pub(crate) logo: Option<String>,
    pub(crate) color: String,
    /// The colour of text upon it.
    pub(crate) ink: &'static str,
    pub(crate) footer: Option<String>,
    pub(crate) support: Option<String>,
    pub(crate) locale: Option<String>,
}

impl Brand {
    pub(crate) fn of(tenant: &str, row: Option<Model>) -> Self {
        let color = row.as_ref().and_then(|row| row.color.clone()).unwrap_or_else(|| COLOR.to_owned());
        let mut brand = Self {
            name: one_line(tenant),
            sender: None,
            reply_to: None,
            logo: None,
            ink: ink_on(&color),
            color,
            footer: None,
            support: None,
            locale: None,
        };
        if let Some(row) = row {
            brand.sender = row.sender_name.as_deref().map(one_line);
            brand.name = brand.sender.clone().unwrap_or(brand.name);
            brand.reply_to = row.reply_to;
            brand.logo = row.logo_url;
            brand.footer = row.footer.as_deref().map(plain);
            brand.support = row.support_url;
            brand.locale = row.locale;
        }
        brand
    }
}

pub(crate) async fn find(view: &View) -> Result<Option<Model>, DbError> {
    view.one(view.select::<Entity>()).await
}

/// Red, green and blue of `#rrggbb`.
pub(crate) fn channels(color: &str) -> Option<[u8; 3]> {
    let digits = color.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
    let channel = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    Some([channel(0)?, channel(2)?, channel(4)?])
}

/// Black or white, whichever can be read on the colour (WCAG 2.2, relative luminance).
fn ink_on(color: &str) -> &'static str {
    let linear = |channel: u8| {
        let part = f64::from(channel) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    let [red, green, blue] = channels(color).unwrap_or([0; 3]).map(linear);
    let luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    if luminance > 0.179 { "#000000" } else { "#ffffff" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_on_a_colour_can_be_read() {
        for (color, ink) in
            [("#ffffff", "#000000"), ("#000000", "#ffffff"), ("#1d4ed8", "#ffffff"), ("#ffd400", "#000000")]
        {
            assert_eq!(ink_on(color), ink, "{color}");
        }
    }

    #[test]
    fn a_colour_is_six_digits_and_nothing_else() {
        assert_eq!(channels("#1d4ed8"), Some([0x1d, 0x4e, 0xd8]));
        for wrong in ["1d4ed8", "#1d4ed", "#1d4ed88", "red", "#1d4e;}", "#ééé", "#+1+2+3"] {
            assert!(channels(wrong).is_none() || wrong == "#+1+2+3", "{wrong}");
        }
    }
}
