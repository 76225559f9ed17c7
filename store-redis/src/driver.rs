//! Opening the store by a configured location.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anysession::{ConnectError, Driver, Location, Store};
use redis::cluster::ClusterClientBuilder;
use redis::io::tcp::TcpSettings;
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, RedisResult, TlsCertificates,
};

use crate::address::{Address, Host, Place, SCHEMES};
use crate::error::{Failure, Secrets};
use crate::options::{Durability, RedisOptions};
use crate::sentinel::{Login, Sentinels};
use crate::store::RedisStore;

pub(crate) const NAME: &str = "redis";
const OPTIONS: &[&str] = &[
    "prefix",
    "timeout",
    "connect_timeout",
    "durability",
    "database",
    "ca",
    "cert",
    "key",
    "sentinel_user",
    "sentinel_password",
];

/// The type `redis`: one server, a Cluster, or Sentinels; `redis://127.0.0.1:6379/0` if nothing is configured.
///
/// The [front page](crate) has the forms of the URL and the options.
pub const DRIVER: Driver = Driver {
    name: NAME,
    schemes: SCHEMES,
    connect: |location| Box::pin(connect(location)),
};

async fn connect(location: Location) -> Result<Arc<dyn Store>, ConnectError> {
    location.check_options(NAME, OPTIONS)?;
    let options = options(&location)?;
    let Address { place, login } = Address::parse(location.base()).map_err(failed)?;
    let is_socket = matches!(place, Place::Socket { .. });
    let certificates = certificates(&location, place.is_encrypted()).await?;
    let only_for = |option: &str, fits: bool, expected: &str| match location.option(option) {
        Some(_) if !fits => Err(bad(option, expected)),
        _ => Ok(()),
    };
    let is_sentinel = matches!(place, Place::Sentinels { .. });
    only_for(
        "database",
        is_socket,
        "a socket; other urls name the database in their path",
    )?;
    for option in ["sentinel_user", "sentinel_password"] {
        only_for(
            option,
            is_sentinel,
            "a url that begins with redis-sentinel:// or rediss-sentinel://",
        )?;
    }
    let secrets = Secrets::new([
        login.password.as_deref(),
        location.option("sentinel_password"),
    ]);
    let refused = |error| failed(Failure::connecting(&error, &secrets));

    let opened = match place {
        Place::Server {
            host,
            tls,
            database,
        } => {
            let info = info(address(host, tls), &login, database).map_err(refused)?;
            let client = client(info, certificates).map_err(refused)?;
            RedisStore::from_client(client, options).await
        }
        Place::Socket { path } => {
            let database = match location.option("database") {
                None => 0,
                Some(number) => (number.parse()).map_err(|_| bad("database", "a number from 0"))?,
            };
            let info = info(ConnectionAddr::Unix(path), &login, database).map_err(refused)?;
            let client = client(info, None).map_err(refused)?;
            RedisStore::from_client(client, options).await
        }
        Place::Cluster { hosts, tls } => {
            let nodes: RedisResult<Vec<_>> = (hosts.into_iter())
                .map(|host| info(address(host, tls), &login, 0))
                .collect();
            let mut builder = ClusterClientBuilder::new(nodes.map_err(refused)?)
                .tcp_settings(TcpSettings::default().set_nodelay(true));
            if let Some(certificates) = certificates {
                builder = builder.certs(certificates);
            }
            RedisStore::from_cluster(builder, options).await
        }
        Place::Sentinels {
            hosts,
            tls,
            service,
            database,
        } => {
            let own = |option| location.option(option).map(str::to_owned);
            let sentinels = Sentinels {
                addresses: hosts.into_iter().map(|host| address(host, tls)).collect(),
                service,
                database,
                servers: login,
                sentinels: Login {
                    user: own("sentinel_user"),
                    password: own("sentinel_password"),
                },
                certificates,
            };
            RedisStore::from_sentinels(sentinels, options).await
        }
    };
    Ok(Arc::new(opened.map_err(failed)?))
}

fn options(location: &Location) -> Result<RedisOptions, ConnectError> {
    let mut options = RedisOptions::default();
    if let Some(prefix) = location.option("prefix") {
        options = options.with_prefix(prefix);
    }
    if let Some(timeout) = duration(location, "timeout")? {
        options = options.with_timeout(timeout);
    }
    if let Some(timeout) = duration(location, "connect_timeout")? {
        options = options.with_connect_timeout(timeout);
    }
    let durability = match location.option("durability") {
        None | Some("acknowledged") => Durability::Acknowledged,
        Some("replicated") => Durability::Replicated,
        Some(_) => return Err(bad("durability", "acknowledged or replicated")),
    };
    Ok(options.with_durability(durability))
}

fn duration(location: &Location, option: &'static str) -> Result<Option<Duration>, ConnectError> {
    const LONGEST: u64 = 60 * 60 * 1000;
    let Some(text) = location.option(option) else {
        return Ok(None);
    };
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1),
        (None, Some(number)) => (number, 1000),
        (None, None) => (text, 1000),
    };
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    let millis: Option<u64> = number.parse().ok().filter(|_| digits);
    match millis.and_then(|number| number.checked_mul(unit)) {
        Some(millis @ 1..=LONGEST) => Ok(Some(Duration::from_millis(millis))),
        _ => Err(bad(option, "a time such as 500ms or 2s, up to an hour")),
    }
}

/// The certificates of `ca`, `cert` and `key`, which are files in PEM.
async fn certificates(
    location: &Location,
    encrypted: bool,
) -> Result<Option<TlsCertificates>, ConnectError> {
    let root_cert = file(location, "ca", encrypted).await?;
    let client_cert = file(location, "cert", encrypted).await?;
    let client_key = file(location, "key", encrypted).await?;
    let client_tls = match (client_cert, client_key) {
        (Some(client_cert), Some(client_key)) => Some(ClientTlsConfig {
            client_cert,
            client_key,
        }),
        (None, None) => None,
        (Some(_), None) => return Err(bad("cert", "a key beside it")),
        (None, Some(_)) => return Err(bad("key", "a cert beside it")),
    };
    if encrypted {
        // An application that has chosen a provider has done so by now. Without any, TLS would panic.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    Ok(
        (client_tls.is_some() || root_cert.is_some()).then_some(TlsCertificates {
            client_tls,
            root_cert,
        }),
    )
}

async fn file(
    location: &Location,
    option: &'static str,
    encrypted: bool,
) -> Result<Option<Vec<u8>>, ConnectError> {
    let Some(path) = location.option(option).map(PathBuf::from) else {
        return Ok(None);
    };
    if !encrypted {
        return Err(bad(
            option,
            "a url that begins with rediss, without which nothing is encrypted",
        ));
    }
    let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
    let read = read.map_err(std::io::Error::other).and_then(|read| read);
    let expected = |error| format!("a file in PEM that can be read: {error}");
    read.map(Some).map_err(|error| bad(option, expected(error)))
}

fn address((host, port): Host, tls: bool) -> ConnectionAddr {
    match tls {
        false => ConnectionAddr::Tcp(host, port),
        true => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        },
    }
}

fn info(address: ConnectionAddr, login: &Login, database: i64) -> RedisResult<ConnectionInfo> {
    let mut redis = RedisConnectionInfo::default().set_db(database);
    if let Some(user) = &login.user {
        redis = redis.set_username(user);
    }
    if let Some(password) = &login.password {
        redis = redis.set_password(password);
    }
    let tcp = TcpSettings::default().set_nodelay(true);
    let info = address.into_connection_info()?;
    Ok(info.set_redis_settings(redis).set_tcp_settings(tcp))
}

fn client(info: ConnectionInfo, certificates: Option<TlsCertificates>) -> RedisResult<Client> {
    match certificates {
        Some(certificates) => Client::build_with_tls(info, certificates),
        None => Client::open(info),
    }
}

impl Place {
    fn is_encrypted(&self) -> bool {
        match self {
            Place::Server { tls, .. }
            | Place::Cluster { tls, .. }
            | Place::Sentinels { tls, .. } => *tls,
            Place::Socket { .. } => false,
        }
    }
}

fn bad(option: &str, expected: impl Into<String>) -> ConnectError {
    ConnectError::BadOption {
        driver: NAME,
        option: option.to_owned(),
        expected: expected.into(),
    }
}

fn failed(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectError {
    ConnectError::Failed {
        driver: NAME,
        source: source.into(),
    }
}
