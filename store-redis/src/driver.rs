//! Opening the store by a configured location.

use std::sync::Arc;

use anysession::flask::Flask;
use anysession::{ConnectError, Driver, Location, Store};
use redis::cluster::ClusterClientBuilder;
use redis::io::tcp::TcpSettings;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, RedisResult,
    TlsCertificates,
};

use crate::address::{Address, Host, Place, SCHEMES};
use crate::certificates;
use crate::error::{Failure, Secrets};
use crate::flask::FlaskStore;
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
    connect_flask: Some(|location, flask| Box::pin(connect_flask(location, flask))),
};

async fn connect(location: Location) -> Result<Arc<dyn Store>, ConnectError> {
    Ok(Arc::new(open(&location).await?))
}

async fn connect_flask(location: Location, flask: Flask) -> Result<Arc<dyn Store>, ConnectError> {
    if location.option("prefix").is_some() {
        return Err(bad(
            "prefix",
            "none: with Flask's layout `key_prefix` is the prefix",
        ));
    }
    Ok(Arc::new(FlaskStore::new(open(&location).await?, &flask)))
}

async fn open(location: &Location) -> Result<RedisStore, ConnectError> {
    location.check_options(NAME, OPTIONS)?;
    let options = options(location)?;
    let Address { place, login } = Address::parse(location.base()).map_err(failed)?;
    check_fit(location, &place)?;
    let certificates = certificates::read(location, place.is_encrypted()).await?;
    let passwords = [
        login.password.as_deref(),
        location.option("sentinel_password"),
    ];
    let secrets = Secrets::new(passwords);
    let refused = |error| failed(Failure::connecting(&error, &secrets));

    let opened = match place {
        Place::Server {
            host,
            tls,
            database,
        } => {
            let client = client(address(host, tls), &login, database, certificates);
            RedisStore::from_client(client.map_err(refused)?, options).await
        }
        Place::Socket { path } => {
            let address = ConnectionAddr::Unix(path);
            let client = client(address, &login, database_of_socket(location)?, None);
            RedisStore::from_client(client.map_err(refused)?, options).await
        }
        Place::Cluster { hosts, tls } => {
            let builder = cluster(hosts, tls, &login, certificates);
            RedisStore::from_cluster(builder.map_err(refused)?, options).await
        }
        Place::Sentinels {
            hosts,
            tls,
            service,
            database,
        } => {
            let own = |option| location.option(option).map(str::to_owned);
            let sentinels = Login {
                user: own("sentinel_user"),
                password: own("sentinel_password"),
            };
            let sentinels = Sentinels {
                addresses: hosts.into_iter().map(|host| address(host, tls)).collect(),
                service,
                database,
                servers: login,
                sentinels,
                certificates,
            };
            RedisStore::from_sentinels(sentinels, options).await
        }
    };
    opened.map_err(failed)
}

/// Refuses options that would have no effect here.
fn check_fit(location: &Location, place: &Place) -> Result<(), ConnectError> {
    let refuse = |option, expected| match location.option(option) {
        Some(_) => Err(bad(option, expected)),
        None => Ok(()),
    };
    if !matches!(place, Place::Socket { .. }) {
        refuse(
            "database",
            "a socket; other urls name the database in their path",
        )?;
    }
    if !matches!(place, Place::Sentinels { .. }) {
        let expected = "a url that begins with redis-sentinel:// or rediss-sentinel://";
        refuse("sentinel_user", expected)?;
        refuse("sentinel_password", expected)?;
    }
    Ok(())
}

fn options(location: &Location) -> Result<RedisOptions, ConnectError> {
    let mut options = RedisOptions::default();
    if let Some(prefix) = location.option("prefix") {
        options = options.with_prefix(prefix);
    }
    if let Some(timeout) = location.read_duration(NAME, "timeout")? {
        options = options.with_timeout(timeout);
    }
    if let Some(timeout) = location.read_duration(NAME, "connect_timeout")? {
        options = options.with_connect_timeout(timeout);
    }
    let read = |durability: &str| match durability {
        "acknowledged" => Some(Durability::Acknowledged),
        "replicated" => Some(Durability::Replicated),
        _ => None,
    };
    let durability = location.read(NAME, "durability", "acknowledged or replicated", read)?;
    Ok(options.with_durability(durability.unwrap_or(Durability::Acknowledged)))
}

fn database_of_socket(location: &Location) -> Result<i64, ConnectError> {
    let read = |number: &str| number.parse().ok().filter(|number| *number >= 0);
    let database = location.read(NAME, "database", "a number from 0", read)?;
    Ok(database.unwrap_or_default())
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

fn client(
    address: ConnectionAddr,
    login: &Login,
    database: i64,
    certificates: Option<TlsCertificates>,
) -> RedisResult<Client> {
    let info = info(address, login, database)?;
    match certificates {
        Some(certificates) => Client::build_with_tls(info, certificates),
        None => Client::open(info),
    }
}

fn cluster(
    hosts: Vec<Host>,
    tls: bool,
    login: &Login,
    certificates: Option<TlsCertificates>,
) -> RedisResult<ClusterClientBuilder> {
    let nodes = hosts
        .into_iter()
        .map(|host| info(address(host, tls), login, 0));
    let builder = ClusterClientBuilder::new(nodes.collect::<RedisResult<Vec<_>>>()?)
        .tcp_settings(TcpSettings::default().set_nodelay(true));
    Ok(match certificates {
        Some(certificates) => builder.certs(certificates),
        None => builder,
    })
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

pub(crate) fn bad(option: &str, expected: impl Into<String>) -> ConnectError {
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
