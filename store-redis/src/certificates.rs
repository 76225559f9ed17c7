//! Certificates for TLS, from the files that the options name.

use std::path::PathBuf;

use anysession::{ConnectError, Location};
use redis::{ClientTlsConfig, TlsCertificates};

use crate::driver::bad;

/// The certificates of `ca`, `cert` and `key`, which are files in PEM.
pub(crate) async fn read(
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
