//! What a browser calls itself, in words.

/// Names a device by its `User-Agent`, for example `Firefox on Linux`.
///
/// ```
/// let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// assert_eq!(login_pages::device_name(agent), "Firefox on Linux");
/// assert_eq!(login_pages::device_name("curl/8.14"), "A program on some system");
/// ```
pub fn device_name(user_agent: &str) -> String {
    // The order matters: most browsers name others too.
    let browsers = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    let systems = [
        ("Android", "Android"),
        ("iPhone", "an iPhone"),
        ("iPad", "an iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "a Mac"),
        ("Linux", "Linux"),
    ];
    let named = |names: &[(&str, &'static str)]| {
        names
            .iter()
            .find(|(mark, _)| user_agent.contains(mark))
            .map(|(_, name)| *name)
    };
    let browser = named(&browsers).unwrap_or("A program");
    let system = named(&systems).unwrap_or("some system");
    format!("{browser} on {system}")
}
