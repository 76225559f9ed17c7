//! A response as bytes.

use anysession::{Error, ResponseHeaders};

use super::Flaw;

/// Status, lines and body.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl Default for Response {
    fn default() -> Self {
        Response {
            status: 200,
            headers: Vec::new(),
            body: String::new(),
        }
    }
}

impl Response {
    pub(super) fn of(status: u16) -> Self {
        Response {
            status,
            ..Response::default()
        }
    }

    pub(super) fn failed(error: &Error, flaw: Flaw) -> Self {
        let mut response = Response::of(error.status());
        if flaw == Flaw::ErrorShown {
            response.body = error.to_string();
        }
        response
    }

    /// Takes the session's header lines.
    pub(super) fn append(&mut self, headers: ResponseHeaders, flaw: Flaw) {
        for line in headers.into_lines() {
            let present = self.headers.iter().filter(|(name, _)| *name == line.name);
            let wanted = line.is_wanted(present.map(|(_, value)| value.as_bytes()));
            let is_cookie = line.name == "set-cookie";
            let skipped = match flaw {
                Flaw::VaryLeftOut => line.name == "vary",
                Flaw::CookieNotSetOnErrors => is_cookie && self.status >= 400,
                Flaw::CookieNotSetWithoutBody => is_cookie && self.body.is_empty(),
                Flaw::VaryDuplicated if line.name == "vary" => false,
                Flaw::CacheControlOverwritten if line.name == "cache-control" => {
                    self.headers.retain(|(name, _)| *name != line.name);
                    false
                }
                _ => !wanted,
            };
            if flaw == Flaw::CookieLogged {
                tracing::trace!(value = %line.value, "header line");
            }
            if !skipped {
                let mut value = line.value.into_owned();
                if flaw == Flaw::DomainLeftOut {
                    value = value.replace("; Domain=example.org", "");
                }
                if is_cookie && flaw == Flaw::CookieSetTwice {
                    self.headers.push((line.name, value.clone()));
                }
                self.headers.push((line.name, value));
            }
        }
        if flaw == Flaw::SetCookieFolded {
            self.fold("set-cookie");
        }
    }

    fn fold(&mut self, name: &'static str) {
        let (lines, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.headers)
            .into_iter()
            .partition(|line| line.0 == name);
        self.headers = others;
        let values: Vec<_> = lines.into_iter().map(|line| line.1).collect();
        if !values.is_empty() {
            self.headers.push((name, values.join(", ")));
        }
    }

    pub(super) fn bytes(&self, of_head: bool) -> Vec<u8> {
        let mut text = self.head("connection: close");
        text.push_str(&format!("content-length: {}\r\n\r\n", self.body.len()));
        if !of_head {
            text.push_str(&self.body);
        }
        text.into_bytes()
    }

    /// The head of a response that goes on, with what says how.
    pub(super) fn open_head(&self, how: &str) -> Vec<u8> {
        (self.head(how) + "\r\n").into_bytes()
    }

    fn head(&self, connection: &str) -> String {
        let mut text = format!("HTTP/1.1 {} \r\n{connection}\r\n", self.status);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text
    }
}
