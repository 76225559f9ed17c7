//! What goes on with the session when the headers have left: streams and sockets.

use std::collections::VecDeque;

use anysession::Session;

use super::{Query, Refusal, gates, routes};

/// Inserts what the path says, and gives the body of the response. `path` and `query` are as they came, not decoded.
///
/// A handler that answers with a body which it makes piece by piece:
///
/// ```
/// use anysession::Session;
/// use anysession_testkit::probe;
///
/// async fn handler(session: Session, path: &str, query: &str) {
///     let mut chunks = probe::stream(&session, path, query);
///     // The response has status 200 and this header line:
///     let _content_type = chunks.content_type();
///     // And its body, as the client takes it, is:
///     while let Some(chunk) = chunks.next().await {
///         // Sent at once, each in a frame of its own.
///         drop(chunk);
///     }
/// }
/// ```
pub fn stream(session: &Session, path: &str, query: &str) -> Chunks {
    let begun = routes::begin(session, path);
    let steps = query.split('&').filter_map(|pair| pair.split_once('='));
    Chunks {
        session: session.clone(),
        events: path.starts_with("/events/"),
        first: Some(said(begun.map(|()| "begun".to_owned()))),
        steps: steps
            .map(|(step, what)| (step.to_owned(), what.to_owned()))
            .collect(),
    }
}

/// The body of a response that goes on with its session; see [`stream`].
#[derive(Debug)]
pub struct Chunks {
    session: Session,
    events: bool,
    first: Option<String>,
    steps: VecDeque<(String, String)>,
}

impl Chunks {
    /// The value of the response's `Content-Type`.
    pub fn content_type(&self) -> &'static str {
        match self.events {
            true => "text/event-stream",
            false => "text/plain; charset=utf-8",
        }
    }

    /// The next piece of the body. The first one is there at once; a later one is when its step is done. `None` is the end.
    ///
    /// # Panics
    ///
    /// Where a route of a step says so.
    pub async fn next(&mut self) -> Option<String> {
        let said = match self.first.take() {
            Some(first) => first,
            None => self.go_on().await?,
        };
        Some(match self.events {
            true => format!("data: {said}\n\n"),
            false => format!("{said}\n"),
        })
    }

    /// Does what comes next, and says what came of it.
    async fn go_on(&mut self) -> Option<String> {
        loop {
            let (step, what) = self.steps.pop_front()?;
            match step.as_str() {
                "gate" if gates::pass(&what).await => {}
                "gate" => return Some(format!("there is no gate {what:?}")),
                "save" => return Some(said(run_and_save(&self.session, &what).await)),
                "unsaved" => return Some(said(run(&self.session, &what).await)),
                _ => return Some(format!("{step:?} is not a step of a stream")),
            }
        }
    }
}

/// Inserts what the path says, and gives what replies to the messages of the socket, which is open when the commit is done
/// and the 101 has left.
///
/// ```
/// use anysession::Session;
/// use anysession_testkit::probe;
///
/// async fn handler(session: Session, path: &str, messages: Vec<String>) {
///     let conversation = probe::socket(&session, path);
///     // The response is a 101. Each text message then, until the client closes, is answered by a text message:
///     for message in messages {
///         let _reply = conversation.reply(&message).await;
///     }
/// }
/// ```
pub fn socket(session: &Session, path: &str) -> Conversation {
    Conversation {
        begun: routes::begin(session, path),
        session: session.clone(),
    }
}

/// An open socket and its session; see [`socket`].
#[derive(Debug)]
pub struct Conversation {
    begun: Result<(), Refusal>,
    session: Session,
}

impl Conversation {
    /// The reply to a text message, which is one of the probe's other paths, with or without a query: its body when what
    /// it does is saved, or the error's text.
    ///
    /// # Panics
    ///
    /// Where the route says so.
    pub async fn reply(&self, message: &str) -> String {
        match &self.begun {
            Ok(()) => said(run_and_save(&self.session, message).await),
            Err(refusal) => refusal.to_string(),
        }
    }
}

async fn run_and_save(session: &Session, path: &str) -> Result<String, Refusal> {
    let body = run(session, path).await?;
    session.save().await?;
    Ok(body)
}

async fn run(session: &Session, path: &str) -> Result<String, Refusal> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let query = Query(query);
    query.wait().await?;
    let (_status, body) = routes::act(session, path, &query).await?;
    Ok(body)
}

fn said(result: Result<String, Refusal>) -> String {
    result.unwrap_or_else(|refusal| refusal.to_string())
}
