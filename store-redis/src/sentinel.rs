//! Which server is the master, as the Sentinels say.

use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{Client, ConnectionAddr, RedisResult, TlsCertificates, TlsMode};

use crate::error::Secrets;

/// Sentinels, and how to sign in with them and with the servers that they name.
#[derive(Clone)]
pub(crate) struct Sentinels {
    pub(crate) addresses: Vec<ConnectionAddr>,
    pub(crate) service: String,
    pub(crate) database: i64,
    pub(crate) servers: Login,
    pub(crate) sentinels: Login,
    pub(crate) certificates: Option<TlsCertificates>,
}

/// A user and a password, for those who ask for them.
#[derive(Clone, Default)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

impl Sentinels {
    /// Asks for the master, and the master whether it agrees.
    pub(crate) async fn master(&self) -> RedisResult<Client> {
        let mut asking = SentinelClientBuilder::new(
            self.addresses.iter().cloned(),
            &self.service,
            SentinelServerType::Master,
        )?
        .set_client_to_redis_db(self.database)
        .set_client_to_redis_tcp_settings(TcpSettings::default().set_nodelay(true));
        if let Some(user) = &self.servers.user {
            asking = asking.set_client_to_redis_username(user);
        }
        if let Some(password) = &self.servers.password {
            asking = asking.set_client_to_redis_password(password);
        }
        if let Some(user) = &self.sentinels.user {
            asking = asking.set_client_to_sentinel_username(user);
        }
        if let Some(password) = &self.sentinels.password {
            asking = asking.set_client_to_sentinel_password(password);
        }
        if matches!(self.addresses.first(), Some(ConnectionAddr::TcpTls { .. })) {
            asking = asking.set_client_to_redis_tls_mode(TlsMode::Secure);
            if let Some(certificates) = &self.certificates {
                asking = asking
                    .set_client_to_redis_certificates(certificates.clone())
                    .set_client_to_sentinel_certificates(certificates.clone());
            }
        }
        asking.build()?.async_get_client().await
    }

    pub(crate) fn secrets(&self) -> Secrets {
        Secrets::new([&self.servers, &self.sentinels].map(|login| login.password.as_deref()))
    }
}
