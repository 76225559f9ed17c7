//! The mistakes.

use std::borrow::Cow;

/// What an adapter may get wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    ChangesKeptOn5xx,
    ChangesKeptOnPanic,
    SessionLoadedOnEveryRoute,
    OneCookieHeaderRead,
    CookieNamesDecoded,
    UnicodeSpacesTrimmed,
    OnlyTheDefaultCookieRead,
    DomainLeftOut,
    CookieForUnknownIdRemoved,
    CookieSetTwice,
    SetCookieFolded,
    CookieNotSetOnErrors,
    CookieNotSetWithoutBody,
    VaryLeftOut,
    VaryDuplicated,
    CacheControlOverwritten,
    LoadErrorTakenForAnonymous,
    ErrorShown,
    SaveErrorIgnored,
    RemovalForgottenOnError,
    CookieLogged,
    NeverClosed,
    NotClosedOnFailure,
    PanicEndsTheSession,
    LogOutGivenUpWithItsClient,
    SessionEndsWithItsClient,
    NothingSpawned,
    StreamBuffered,
    StreamCommittedAtItsEnd,
    CommittedAfterTheHeaders,
    AnotherSessionAfterTheHeaders,
    InterimResponseVaries,
    TrailerReadAsHeader,
    Http2Unknown,
    LineWithoutUtf8Dropped,
    HandlerGoesOn,
    ConnectionClosedOnPanic,
}

impl Flaw {
    /// How many `Cookie` headers are read.
    pub(super) fn cookie_headers(self) -> usize {
        match self {
            Flaw::OneCookieHeaderRead => 1,
            _ => usize::MAX,
        }
    }
}

/// What an adapter makes of a header that it does not take byte by byte.
pub(super) fn misread(header: &[u8], flaw: Flaw) -> Cow<'_, [u8]> {
    match flaw {
        Flaw::CookieNamesDecoded => percent_encoding::percent_decode(header).collect(),
        Flaw::UnicodeSpacesTrimmed => match std::str::from_utf8(header) {
            Ok(text) => {
                let crumbs: Vec<_> = text.split(';').map(str::trim).collect();
                Cow::Owned(crumbs.join(";").into_bytes())
            }
            Err(_) => Cow::Borrowed(header),
        },
        Flaw::OnlyTheDefaultCookieRead if !header.windows(10).any(|text| text == b"__Host-id=") => {
            Cow::Borrowed(b"")
        }
        Flaw::LineWithoutUtf8Dropped if std::str::from_utf8(header).is_err() => Cow::Borrowed(b""),
        _ => Cow::Borrowed(header),
    }
}
