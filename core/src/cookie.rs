#[derive(Clone, Debug, Default)]
pub struct Cookie;
impl Cookie {
    pub(crate) fn set(&self, v: &str, _m: Option<std::time::Duration>) -> String {
        format!("id={v}")
    }
    pub(crate) fn removal(&self) -> &str {
        "id="
    }
    pub(crate) fn values<'h>(
        &self,
        headers: impl Iterator<Item = &'h [u8]>,
    ) -> impl Iterator<Item = &'h [u8]> {
        headers
            .flat_map(|h| h.split(|b| *b == b';'))
            .filter_map(|c| c.trim_ascii().strip_prefix(b"id="))
    }
}
