//! The settings of the whole service: platform's and those of all capabilities.

use std::path::Path;

use platform::config::{self, Config, ConfigError};

use crate::capabilities;

/// Reads the settings from `file` (if given) and from `environment`.
///
/// # Errors
/// [`ConfigError`], which names the key and what to do.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    config::load(file, environment, &capabilities::sections())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_defaults_are_a_configuration() {
        let config = load(None, []).unwrap();
        assert_eq!(config.public_url(), "http://127.0.0.1:8080");
        assert_eq!(config.section::<delivery::Settings>().retry_base_ms, 5000);
    }

    #[test]
    fn each_key_has_one_owner() {
        let mut declared = capabilities::sections();
        let last = declared.pop().unwrap();
        let error = config::load(None, [], &declared).unwrap_err().to_string();
        assert!(error.contains("unknown field"), "{error}");
        declared.extend([last, last]);
        let error = config::load(None, [], &declared).unwrap_err().to_string();
        assert!(error.contains("missing field"), "{error}");
    }

    #[test]
    fn the_environment_overlays_the_file_which_overlays_the_defaults() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tenantry.toml");
        std::fs::write(&file, "[jobs]\nat_once = 13\npoll = \"2s\"\n").unwrap();
        let secret = directory.path().join("secret");
        std::fs::write(&secret, "hush\n").unwrap();
        let variables = environment(&[
            ("TENANTRY__JOBS__AT_ONCE", "14"),
            ("TENANTRY_LISTEN", "127.0.0.1:9"),
            ("TENANTRY_BOOTSTRAP_KEY_FILE", secret.to_str().unwrap()),
            ("TENANTRY__SERVER__TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.1/32"),
        ]);
        let config = load(Some(&file), variables).unwrap();
        assert_eq!(config.jobs.at_once, 14);
        assert_eq!(config.jobs.poll.as_secs(), 2);
        assert_eq!(config.server.listen.port(), 9);
        assert_eq!(config.server.trusted_proxies.len(), 2);
        assert_eq!(config.secrets.bootstrap_key.expose_secret(), "hush");
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one() {
        let error = load(None, environment(&[("TENANTRY__JOBS__AT_ONE", "4")])).unwrap_err();
        assert!(error.to_string().contains("`jobs.at_once`"), "{error}");
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tenantry.toml");
        std::fs::write(&file, "[databse]\nurl = \"x\"\n").unwrap();
        let error = load(Some(&file), []).unwrap_err();
        assert!(error.to_string().contains("`database.url`"), "{error}");
    }

    #[test]
    fn what_nothing_reads_is_an_error_and_kubernetes_is_not() {
        for (name, value, said) in [
            ("TENANTRY_REDIS_URL", "redis://localhost", "doesn't use Redis"),
            ("TENANTRY__REDIS__URL", "redis://localhost", "doesn't use Redis"),
            ("TENANTRY_DATABSE_URL", "postgres://hush", "`TENANTRY_DATABASE_URL`"),
            ("TENANTRY__DATABASE__URI", "postgres://hush", "`database.url`"),
            ("TENANTRY__SSO__SIGN_INS_KEPT", "hush", "`sso.sign_in_retention`"),
        ] {
            let error = load(None, environment(&[(name, value)])).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("hush"), "{error}");
        }
        for (name, value) in [
            ("TENANTRY_REDIS_URL", ""),
            ("TENANTRY_SERVICE_HOST", "10.0.0.1"),
            ("TENANTRY_PORT", "tcp://10.0.0.1:80"),
            ("TENANTRY_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("TENANTRY_CONSOLE_SERVICE_PORT_HTTP", "80"),
            ("TENANTRY_TEST_DB", "x"),
        ] {
            load(None, environment(&[(name, value)])).expect(name);
        }
        let directory = tempfile::tempdir().unwrap();
        for (text, said) in
            [("[databse]\n", Some("databse")), ("[redis]\nurl = \"x\"\n", Some("Redis")), ("[jobs]\n", None)]
        {
            let file = directory.path().join("tenantry.toml");
            std::fs::write(&file, text).unwrap();
            match (load(Some(&file), []), said) {
                (Err(error), Some(said)) => assert!(error.to_string().contains(said), "{error}"),
                (loaded, said) => assert!(loaded.is_ok() && said.is_none(), "{text}"),
            }
        }
    }

    #[test]
    fn a_value_that_does_not_fit_names_its_key_and_not_itself() {
        for (name, value, key) in [
            ("TENANTRY__JOBS__AT_ONCE", "many", "jobs.at_once"),
            ("TENANTRY_LISTEN", "nowhere", "server.listen"),
            ("TENANTRY_DATABASE_URL", "mysql://root:hush@x", "database.url"),
            ("TENANTRY_LOG_FORMAT", "xml", "log.format"),
            ("TENANTRY_LOG", "loud=very", "log.filter"),
            ("TENANTRY_PUBLIC_URL", "ftp://x", "server.public_url"),
        ] {
            let error = load(None, environment(&[(name, value)])).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
