use crate::cookie::Cookie;
use std::time::Duration;
#[derive(Clone, Debug, Default)]
pub struct Config {
    cookie: Cookie,
}
impl Config {
    pub fn store_type(&self) -> Option<&str> {
        None
    }
    pub fn url(&self) -> Option<&str> {
        None
    }
    pub fn permanent(&self) -> bool {
        false
    }
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(31 * 86400)
    }
    pub fn absolute_lifetime(&self) -> Option<Duration> {
        None
    }
    pub fn size_limit(&self) -> usize {
        65536
    }
    pub fn cookie(&self) -> &Cookie {
        &self.cookie
    }
    pub fn from_env() -> Result<Self, std::io::Error> {
        Ok(Self::default())
    }
}
