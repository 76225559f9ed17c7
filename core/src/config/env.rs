//! The environment. This is the only file that reads it.

use std::ffi::{OsStr, OsString};

use super::builder::{ConfigBuilder, Layout};
use super::error::ConfigError;
use super::key::{ConfigKey, Naming};
use super::value::Value;

const PREFIX: &str = "SESSION_";

/// Variables that begin like ours and are known to be somebody else's: X11 desktops tell their session manager's address
/// in `SESSION_MANAGER`, so it is there in many a terminal.
const FOREIGN: [&str; 1] = ["SESSION_MANAGER"];

/// The one that says whether the others are called as Flask calls them.
const LAYOUT: &str = "SESSION_LAYOUT";

/// Variables of Flask that do not begin like ours.
const OF_FLASK: [&str; 2] = ["PERMANENT_SESSION_LIFETIME", "SECRET_KEY"];

impl ConfigBuilder {
    /// Sets what the process's environment names, as [`Config::from_env`](super::Config::from_env) does.
    pub fn with_env(self) -> Result<Self, ConfigError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that reads the environment"
        )]
        let variables = std::env::vars_os();
        self.with_variables(variables)
    }

    fn with_variables(
        self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let variables: Vec<_> = variables.into_iter().collect();
        let layout = variables.iter().find(|(name, _)| name == LAYOUT);
        let flask = layout.map_or(self.is_flask(), |(_, value)| {
            let text = value.to_string_lossy();
            let layout = Value {
                naming: Naming::Variable,
                key: ConfigKey::Layout,
                text: text.trim_ascii(),
            };
            layout.layout().is_ok_and(|layout| layout != Layout::Native)
        });
        let (naming, others) = match flask {
            false => (Naming::Variable, &[][..]),
            true => (Naming::FlaskVariable, &OF_FLASK[..]),
        };
        let mut ours = Vec::new();
        for (name, value) in variables {
            let name = name.to_string_lossy();
            let is_ours = name.starts_with(PREFIX) || others.contains(&name.as_ref());
            if !is_ours || FOREIGN.contains(&name.as_ref()) || is_of_a_service(&name, &value) {
                continue;
            }
            if naming.find(&name).is_none() {
                return Err(ConfigError::unknown(naming, &name));
            }
            match value.into_string() {
                Ok(value) => ours.push((name.into_owned(), value)),
                Err(_) => {
                    return Err(ConfigError::NotText {
                        key: name.into_owned(),
                    });
                }
            }
        }
        self.with_texts(naming, ours)
    }
}

/// Kubernetes tells containers where the services of their namespace are: of one called `session-redis` in
/// `SESSION_REDIS_SERVICE_HOST`, `SESSION_REDIS_PORT=tcp://10.0.0.1:6379`, `SESSION_REDIS_PORT_6379_TCP_ADDR` and more.
fn is_of_a_service(name: &str, value: &OsStr) -> bool {
    let behind = |part| name.rsplit_once(part).map(|(_, rest)| rest);
    behind("_SERVICE_").is_some_and(|rest| rest == "HOST" || rest.starts_with("PORT"))
        || behind("_PORT_").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        || name.ends_with("_PORT") && value.to_string_lossy().contains("://")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Config;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        ConfigBuilder::default().with_variables(variables)?.build()
    }

    #[test]
    fn every_setting_has_a_variable() {
        let config = read(&[
            ("PATH", "/bin"),
            ("SESSION_TYPE", "redis"),
            ("SESSION_URL", "redis://cache:6379/0\n"),
            ("SESSION_PERMANENT", "yes"),
            ("SESSION_LIFETIME", "2w"),
            ("SESSION_ABSOLUTE_LIFETIME", "31d"),
            ("SESSION_SIZE_LIMIT", "1MiB"),
            ("SESSION_PRESET", "aal3"),
            ("SESSION_COOKIE_NAME", "shop"),
            ("SESSION_COOKIE_DOMAIN", "Example.org"),
            ("SESSION_COOKIE_PATH", "/shop"),
            ("SESSION_COOKIE_SECURE", "on"),
            ("SESSION_COOKIE_HTTP_ONLY", "0"),
            ("SESSION_COOKIE_SAME_SITE", "None"),
            ("SESSION_COOKIE_PARTITIONED", "TRUE"),
            ("SESSION_COOKIE_PREFIX", "secure"),
        ])
        .unwrap();
        assert_eq!(
            config.to_string(),
            "type=redis url=redis://cache:6379/0 permanent=true lifetime=14d absolute_lifetime=31d \
             size_limit=1048576 cookie=\"__Secure-shop; Path=/shop; Domain=example.org; Secure; \
             SameSite=None; Partitioned\""
        );
        assert_eq!(config.url(), Some("redis://cache:6379/0"));
    }

    #[test]
    fn with_flasks_layout_the_variables_are_called_as_in_flask() {
        let config = read(&[
            ("SESSION_LAYOUT", "flask"),
            ("SESSION_TYPE", "redis"),
            ("SESSION_KEY_PREFIX", "shop:"),
            ("SESSION_SERIALIZATION_FORMAT", "json"),
            ("SESSION_PERMANENT", "False"),
            ("PERMANENT_SESSION_LIFETIME", "3600"),
            ("SESSION_USE_SIGNER", "True"),
            ("SECRET_KEY", "s3cret"),
            ("SESSION_COOKIE_HTTPONLY", "False"),
            ("SESSION_COOKIE_SAMESITE", "Lax"),
            ("SESSION_SQLALCHEMY_TABLE", "web"),
            ("SESSION_SQLALCHEMY_SCHEMA", "app"),
        ])
        .unwrap();
        assert_eq!(
            config.to_string(),
            "type=redis permanent=false lifetime=1h absolute_lifetime=none size_limit=65536 \
             cookie=\"session; Path=/; SameSite=Lax\" layout=Flask { key_prefix: \"shop:\", \
             format: Json, signed: true, table: \"web\", schema: Some(\"app\") }"
        );
        // What another program calls so does not matter otherwise, and a slip is one here too.
        let of_others = [("SECRET_KEY", "x"), ("PERMANENT_SESSION_LIFETIME", "x")];
        assert_eq!(read(&of_others).unwrap(), Config::default());
        let slip = [("SESSION_LAYOUT", "flask"), ("SESSION_ID_LENGHT", "32")];
        assert!(read(&slip).is_err());
        let error = read(&[
            ("SESSION_LAYOUT", "flask"),
            ("PERMANENT_SESSION_LIFETIME", "soon"),
        ])
        .unwrap_err()
        .to_string();
        assert!(
            error.starts_with("PERMANENT_SESSION_LIFETIME = "),
            "{error}"
        );
    }

    #[test]
    fn without_variables_the_defaults_hold() {
        assert_eq!(read(&[]).unwrap(), Config::default());
        let unset = [
            ("SESSION_URL", ""),
            ("SESSION_TYPE", ""),
            ("SESSION_PRESET", " "),
        ];
        assert_eq!(read(&unset).unwrap(), Config::default());
    }

    #[test]
    fn development_over_plain_http_takes_one_variable() {
        let config = read(&[("SESSION_COOKIE_SECURE", "false")]).unwrap();
        assert_eq!(config.cookie().name(), "id");
    }

    #[test]
    fn a_misspelt_variable_is_an_error_that_lists_the_known_ones() {
        let error = read(&[("SESSION_COOKIE_HTTPONLY", "true")])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(
                "SESSION_COOKIE_HTTPONLY is not a session setting \
                 (did you mean `SESSION_COOKIE_HTTP_ONLY`?)"
            ),
            "{error}"
        );
        assert!(error.contains("SESSION_TYPE, SESSION_URL, "), "{error}");
        assert!(read(&[("SESSION_", "x")]).is_err());
        assert!(read(&[("SESSION_cookie_name", "x")]).is_err());
    }

    #[test]
    fn a_desktops_variable_is_left_alone() {
        let desktop = (
            "SESSION_MANAGER",
            "local/host:@/tmp/.ICE-unix/1,unix/host:/tmp/.ICE-unix/1",
        );
        let others = ("XDG_SESSION_ID", "1");
        assert_eq!(read(&[desktop, others]).unwrap(), Config::default());
    }

    #[test]
    fn the_services_of_a_kubernetes_namespace_are_left_alone() {
        let services = [
            ("SESSION_REDIS_SERVICE_HOST", "10.0.0.1"),
            ("SESSION_REDIS_SERVICE_PORT", "6379"),
            ("SESSION_REDIS_SERVICE_PORT_TLS", "6380"),
            ("SESSION_REDIS_PORT", "tcp://10.0.0.1:6379"),
            ("SESSION_REDIS_PORT_6379_TCP", "tcp://10.0.0.1:6379"),
            ("SESSION_REDIS_PORT_6379_TCP_ADDR", "10.0.0.1"),
            ("SESSION_SERVICE_HOST", "10.0.0.2"),
            ("SESSION_SERVICE_SERVICE_HOST", "10.0.0.3"),
            ("SESSION_PORT_PORT_80_TCP_PORT", "80"),
            ("SESSION_PORT", "udp://10.0.0.2:53"),
        ];
        assert_eq!(read(&services).unwrap(), Config::default());
        assert!(read(&[("SESSION_REDIS_PORT", "6379")]).is_err());
    }

    #[test]
    fn white_space_around_the_layout_does_not_matter() {
        let variables = [
            ("SESSION_LAYOUT", "flask\n"),
            ("SESSION_TYPE", "redis"),
            ("PERMANENT_SESSION_LIFETIME", "3600"),
        ];
        let lifetime = read(&variables).unwrap().lifetime();
        assert_eq!(lifetime, Duration::from_secs(3600));
    }

    #[test]
    fn who_leaves_flask_keeps_cookies_that_outlive_the_browser() {
        let leaving = [
            ("SESSION_LAYOUT", "leaving_flask"),
            ("SESSION_TYPE", "redis"),
        ];
        assert!(read(&leaving).unwrap().permanent());
        let chosen = [leaving[0], leaving[1], ("SESSION_PERMANENT", "False")];
        assert!(!read(&chosen).unwrap().permanent());
    }

    #[test]
    fn an_error_calls_the_variable_by_its_name() {
        let error = read(&[("SESSION_LIFETIME", "soon")])
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("SESSION_LIFETIME = \"soon\" "), "{error}");

        let variables = [
            ("SESSION_COOKIE_SECURE", "no"),
            ("SESSION_COOKIE_SAME_SITE", "none"),
        ];
        let error = read(&variables).unwrap_err().to_string();
        assert!(
            error.starts_with("SESSION_COOKIE_SAME_SITE = \"none\" ")
                && error.contains("set SESSION_COOKIE_SECURE to true"),
            "{error}"
        );
    }

    #[test]
    fn variables_override_what_the_application_chose() {
        let application = Config::builder()
            .lifetime(Duration::from_secs(60))
            .cookie_name("app");
        let variables = [("SESSION_LIFETIME".into(), "120".into())];
        let config = application
            .with_variables(variables)
            .unwrap()
            .build()
            .unwrap();
        assert_eq!(config.lifetime(), Duration::from_secs(120));
        assert_eq!(config.cookie().name(), "__Host-app");
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_text_is_a_clear_error_and_others_variables_do_not_matter() {
        use std::os::unix::ffi::OsStringExt as _;

        let broken = || OsString::from_vec(vec![b'p', 0xFF]);
        let read = |name: &str| ConfigBuilder::default().with_variables([(name.into(), broken())]);
        let error = read("SESSION_URL").unwrap_err();
        assert_eq!(
            error,
            ConfigError::NotText {
                key: "SESSION_URL".to_owned()
            }
        );
        assert!(read("OTHER").is_ok());
        assert!(read("SESSION_MANAGER").is_ok());
        let named = (OsString::from_vec(b"SESSION_\xFF".to_vec()), "x".into());
        assert!(ConfigBuilder::default().with_variables([named]).is_err());
    }
}
