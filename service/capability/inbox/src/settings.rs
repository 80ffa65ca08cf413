//! What an installation sets for the payment provider's word.

use entity::inbox::effect::Effect;
use platform::config::{Config, ConfigError, Section, pairs, require_one_of, require_pairs, require_url};
use secrecy::SecretString;
use serde::Deserialize;

/// `[billing]`
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// The secret of Stripe's endpoint, `whsec_` included.
    pub stripe_secret: SecretString,
    /// The next one, while it is rotated.
    pub stripe_secret_next: SecretString,
    /// Reads subscriptions anew; empty: events' own times decide.
    pub stripe_api_key: SecretString,
    /// Stripe's API.
    pub stripe_url: String,
    /// `price=plan`: a price's lookup key or id, and the plan that it buys.
    pub prices: Vec<String>,
    /// `status=effect`: what a subscription's status does: `full`, `grace`, `suspend` or `free`.
    pub statuses: Vec<String>,
}

impl Settings {
    /// The plan that a price buys.
    pub fn plan_of(&self, price: &str) -> Option<&str> {
        pairs(&self.prices).find(|(known, _)| *known == price).map(|(_, plan)| plan)
    }

    /// What a subscription's status does.
    pub fn effect_of(&self, status: &str) -> Option<Effect> {
        pairs(&self.statuses)
            .find(|(known, _)| *known == status)
            .and_then(|(_, effect)| Effect::parse(effect))
    }
}

impl Section for Settings {
    const NAME: &'static str = "billing";

    fn check(&self, _config: &Config) -> Result<(), ConfigError> {
        require_url("billing.stripe_url", &self.stripe_url)?;
        for (_, effect) in pairs(&self.statuses) {
            require_one_of("billing.statuses", effect, Effect::TEXTS)?;
        }
        require_pairs("billing.prices", &self.prices)?;
        require_pairs("billing.statuses", &self.statuses)
    }
}
