//! Certificates for servers that speak TLS.

use std::ffi::OsString;

use super::{Program, ServerError, find};

/// A CA, `ca.crt`, and a certificate by it for 127.0.0.1, `server.crt` with `server.key`, in the folder of the program:
/// one that signs itself would not do for a client that looks closely.
pub(super) fn make(program: &Program) -> Result<(), ServerError> {
    let openssl = find("openssl", "openssl")?;
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    for certificate in [
        "-keyout ca.key -out ca.crt -subj /CN=anysession-test-ca",
        "-keyout server.key -out server.crt -subj /CN=anysession-test -CA ca.crt -CAkey ca.key \
         -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE",
    ] {
        let arguments = format!("req -x509 {key} {certificate}");
        program.run(&openssl, arguments.split_whitespace().map(OsString::from))?;
    }
    Ok(())
}
