//! Whether a form was sent by a page of this site.

/// Judges by a request's headers, given as a function from a header's name to its text.
///
/// ```
/// use login_pages::is_from_here;
///
/// let other_site = |name: &str| (name == "sec-fetch-site").then_some("cross-site");
/// assert!(!is_from_here(other_site));
/// ```
pub fn is_from_here<'h>(header: impl Fn(&str) -> Option<&'h str>) -> bool {
    if let Some(site) = header("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    // An old browser tells only the origin; who tells neither is no browser.
    let Some(origin) = header("origin") else {
        return true;
    };
    header("host").is_some_and(|host| origin.ends_with(&format!("://{host}")))
}
