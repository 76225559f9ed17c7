//! Where a Redis is: the part of a URL before its options.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::sentinel::Login;

/// A URL taken apart. It has no `Debug`, for it may hold a password.
pub(crate) struct Address {
    pub(crate) place: Place,
    pub(crate) login: Login,
}

pub(crate) enum Place {
    Server {
        host: Host,
        tls: bool,
        database: i64,
    },
    Socket {
        path: PathBuf,
    },
    Cluster {
        hosts: Vec<Host>,
        tls: bool,
    },
    Sentinels {
        hosts: Vec<Host>,
        tls: bool,
        service: String,
        database: i64,
    },
}

pub(crate) type Host = (String, u16);

/// The schemes, in the order in which the documentation names them.
pub(crate) const SCHEMES: &[&str] = &[
    "redis",
    "rediss",
    "unix",
    "redis+unix",
    "redis-cluster",
    "rediss-cluster",
    "redis-sentinel",
    "rediss-sentinel",
];

const DEFAULT: &str = "redis://127.0.0.1:6379/0";
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;

/// A URL that cannot be read. What it was is not printed, for it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadAddress {
    #[error(
        "its url has no scheme or another one; expected redis://, rediss://, unix://, redis-cluster://, \
         rediss-cluster://, redis-sentinel:// or rediss-sentinel://"
    )]
    Scheme,
    #[error(
        "its url has no host and port where they are expected; percent-encode : / ? # [ ] @ and , in a user or a password"
    )]
    Host,
    #[error(
        "its url names no database where one is expected: redis://host:6379/0, a number from 0"
    )]
    Database,
    #[error("a Redis Cluster has only the database 0; leave the path away")]
    ClusterDatabase,
    #[error("its url names no service: redis-sentinel://host1,host2/service")]
    Service,
    #[error("its url names no path of a socket: unix:///run/redis/redis.sock")]
    Socket,
    #[error("the user or the password in its url is not UTF-8 after percent-decoding")]
    Encoding,
}

impl Address {
    /// Takes apart what stands before the `?`; nothing is the default port on this machine.
    pub(crate) fn parse(url: &str) -> Result<Self, BadAddress> {
        let url = if url.is_empty() { DEFAULT } else { url };
        let (scheme, rest) = url.split_once("://").ok_or(BadAddress::Scheme)?;
        let tls = scheme.starts_with("rediss");
        if matches!(scheme, "unix" | "redis+unix") {
            return Self::socket(rest);
        }
        // A password may hold an @, an address may not.
        let (login, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let place = match scheme {
            "redis" | "rediss" => Place::Server {
                host: host(hosts, PORT)?,
                tls,
                database: database(path)?,
            },
            "redis-cluster" | "rediss-cluster" => match database(path) {
                Ok(0) => Place::Cluster {
                    hosts: all_hosts(hosts, PORT)?,
                    tls,
                },
                _ => return Err(BadAddress::ClusterDatabase),
            },
            "redis-sentinel" | "rediss-sentinel" => {
                let (service, path) = path.split_once('/').unwrap_or((path, ""));
                let service = decoded(service)?;
                if service.is_empty() {
                    return Err(BadAddress::Service);
                }
                Place::Sentinels {
                    hosts: all_hosts(hosts, SENTINEL_PORT)?,
                    tls,
                    service,
                    database: database(path)?,
                }
            }
            _ => return Err(BadAddress::Scheme),
        };
        let login = self::login(login)?;
        Ok(Address { place, login })
    }

    /// A path may hold an @ too, but it begins with a slash and a login does not.
    fn socket(rest: &str) -> Result<Self, BadAddress> {
        let (login, path) = match rest.split_once("@/") {
            Some((login, path)) if !login.starts_with('/') => (login, format!("/{path}")),
            _ => ("", rest.to_owned()),
        };
        let path = decoded(&path)?;
        if !path.starts_with('/') || path.len() == 1 {
            return Err(BadAddress::Socket);
        }
        Ok(Address {
            place: Place::Socket { path: path.into() },
            login: self::login(login)?,
        })
    }
}

fn login(text: &str) -> Result<Login, BadAddress> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(decoded(password)?)),
        None => (text, None),
    };
    let user = Some(decoded(user)?).filter(|user| !user.is_empty());
    let password = password.filter(|password| !password.is_empty());
    Ok(Login { user, password })
}

fn all_hosts(text: &str, port: u16) -> Result<Vec<Host>, BadAddress> {
    text.split(',').map(|text| host(text, port)).collect()
}

fn host(text: &str, port: u16) -> Result<Host, BadAddress> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(address) => address.split_once(']').ok_or(BadAddress::Host)?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(number) => number.parse().map_err(|_| BadAddress::Host)?,
        None if rest.is_empty() => port,
        None => return Err(BadAddress::Host),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    if host.is_empty() || !host.chars().all(plain) {
        return Err(BadAddress::Host);
    }
    Ok((host.to_owned(), port))
}

fn database(path: &str) -> Result<i64, BadAddress> {
    match path {
        "" => Ok(0),
        number if number.bytes().all(|b| b.is_ascii_digit()) => {
            number.parse().map_err(|_| BadAddress::Database)
        }
        _ => Err(BadAddress::Database),
    }
}

fn decoded(text: &str) -> Result<String, BadAddress> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| BadAddress::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Address {
        Address::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn one_server() {
        for (url, at, encrypted, number) in [
            ("", ("127.0.0.1", 6379), false, 0),
            ("redis://cache", ("cache", 6379), false, 0),
            ("redis://cache:7000/", ("cache", 7000), false, 0),
            ("rediss://cache/3", ("cache", 6379), true, 3),
            ("redis://[::1]:7000/1", ("::1", 7000), false, 1),
            (
                "redis://[fe80::1%25eth0]",
                ("fe80::1%25eth0", 6379),
                false,
                0,
            ),
        ] {
            let Place::Server {
                host,
                tls,
                database,
            } = parsed(url).place
            else {
                panic!("{url}");
            };
            assert_eq!((host.0.as_str(), host.1), at, "{url}");
            assert_eq!((tls, database), (encrypted, number), "{url}");
        }
    }

    #[test]
    fn who_signs_in() {
        for (url, user, password) in [
            ("redis://host", None, None),
            ("redis://:secret@host", None, Some("secret")),
            ("redis://ada:p%40%2F%3A@host", Some("ada"), Some("p@/:")),
            ("redis://ada:a@b:c/d@host/1", Some("ada"), Some("a@b:c/d")),
            ("redis://ada@host", Some("ada"), None),
            ("unix://ada:secret@/run/r.sock", Some("ada"), Some("secret")),
            ("redis-cluster://:x@a,b", None, Some("x")),
        ] {
            let login = parsed(url).login;
            assert_eq!(
                (login.user.as_deref(), login.password.as_deref()),
                (user, password),
                "{url}"
            );
        }
    }

    #[test]
    fn a_socket() {
        for (url, expected) in [
            ("unix:///run/redis.sock", "/run/redis.sock"),
            ("redis+unix:///run/a%20b", "/run/a b"),
            ("unix:///run/user@/x", "/run/user@/x"),
            ("unix://:secret@/run/user@/x", "/run/user@/x"),
        ] {
            let Place::Socket { path } = parsed(url).place else {
                panic!("{url}");
            };
            assert_eq!(path.to_str(), Some(expected), "{url}");
        }
    }

    #[test]
    fn many_hosts() {
        let Place::Cluster { hosts, tls } = parsed("rediss-cluster://a:1,b,[::1]:3/0").place else {
            panic!();
        };
        let expected = [("a", 1), ("b", 6379), ("::1", 3)].map(|(h, p)| (h.to_owned(), p));
        assert_eq!((hosts, tls), (expected.to_vec(), true));
        let Place::Sentinels {
            hosts,
            service,
            database,
            ..
        } = parsed("redis-sentinel://a,b:2/my%20service/4").place
        else {
            panic!();
        };
        let expected = [("a", 26_379), ("b", 2)].map(|(h, p)| (h.to_owned(), p));
        assert_eq!(hosts, expected);
        assert_eq!((service.as_str(), database), ("my service", 4));
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_printing_it() {
        for (url, error) in [
            ("host:6379", BadAddress::Scheme),
            ("http://host", BadAddress::Scheme),
            ("redis://", BadAddress::Host),
            ("redis://a,b", BadAddress::Host),
            ("redis://user:hunter2", BadAddress::Host),
            ("redis://host:port", BadAddress::Host),
            ("redis://host:70000", BadAddress::Host),
            ("redis://[::1", BadAddress::Host),
            ("redis://[::1]x", BadAddress::Host),
            ("redis://host/one", BadAddress::Database),
            ("redis://host/-1", BadAddress::Database),
            ("redis://host/1/2", BadAddress::Database),
            ("redis-cluster://a,b/1", BadAddress::ClusterDatabase),
            ("redis-cluster://a,,b", BadAddress::Host),
            ("redis-sentinel://a,b", BadAddress::Service),
            ("redis-sentinel://a,b/", BadAddress::Service),
            ("unix://", BadAddress::Socket),
            ("unix:///", BadAddress::Socket),
            ("unix://run/redis.sock", BadAddress::Socket),
            ("redis://:%ff@host", BadAddress::Encoding),
        ] {
            let refused = Address::parse(url).err();
            assert_eq!(refused, Some(error), "{url}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
