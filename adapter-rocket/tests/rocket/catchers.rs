//! What catchers say and do.

use std::time::Duration;

use anysession_rocket::{Session, SessionError};
use anysession_testkit::{Fault, Verb};
use rocket::http::Status;
use rocket::response::Redirect;
use rocket::{Request, catch, catchers, get, routes};

use super::{body, heard, run, visitor, visits, with_store};

#[catch(404)]
async fn count_misses(request: &Request<'_>) -> String {
    let session = request.guard::<Session>().await.unwrap();
    let misses = session.update("misses", |misses: &mut u64| *misses += 1);
    misses.unwrap().to_string()
}

#[test]
fn a_catcher_uses_the_session() {
    let (rocket, _) = with_store();
    run(async {
        let client = visitor(rocket.register("/", catchers![count_misses])).await;
        for misses in ["1", "2"] {
            assert_eq!(body(&client, "/nowhere").await, misses);
        }
    });
}

#[catch(503)]
fn away() -> &'static str {
    "we are away"
}

#[catch(default)]
fn whatever(status: Status, _: &Request<'_>) -> String {
    format!("it is a {status}")
}

#[get("/handled")]
fn handled(session: Result<Session, SessionError>) -> (Status, &'static str) {
    (session.unwrap_err().status(), "handled")
}

#[get("/busy")]
fn busy() -> Status {
    Status::ServiceUnavailable
}

#[test]
fn a_session_that_cannot_be_loaded_is_an_empty_503_unless_the_application_says_more() {
    for (catchers, page, expected) in [
        (catchers![], "/visits", ""),
        (catchers![], "/handled", "handled"),
        (catchers![away], "/visits", "we are away"),
        (
            catchers![whatever],
            "/visits",
            "it is a 503 Service Unavailable",
        ),
    ] {
        let (rocket, store) = with_store();
        store.always(Verb::Load, Fault::FailBefore);
        let rocket = rocket.mount("/", routes![visits, handled]);
        run(async {
            let client = visitor(rocket.register("/", catchers)).await;
            let id = ("__Host-id", "a".repeat(43));
            let response = client.get(page).cookie(id).dispatch().await;
            assert_eq!(response.status(), Status::ServiceUnavailable);
            assert_eq!(response.into_string().await.unwrap_or_default(), expected);
        });
    }
}

#[test]
fn any_other_503_is_rockets_page() {
    let (rocket, _) = with_store();
    run(async {
        let client = visitor(rocket.mount("/", routes![busy])).await;
        let page = body(&client, "/busy").await;
        assert!(page.contains("503: Service Unavailable"), "{page}");
    });
}

#[get("/panic")]
fn panics(session: Session) -> String {
    session.insert("visits", 100).unwrap();
    panic!("as it was asked to")
}

#[test]
fn a_catcher_after_a_panic_stores_nothing() {
    #[catch(500)]
    async fn apologise(request: &Request<'_>) -> &'static str {
        let session = request.guard::<Session>().await.unwrap();
        session.insert("seen", true).unwrap();
        "sorry"
    }

    let (rocket, _) = with_store();
    let rocket = rocket.mount("/", routes![visits, panics]);
    run(async {
        let client = visitor(rocket.register("/", catchers![apologise])).await;
        assert_eq!(body(&client, "/visits").await, "1");
        assert_eq!(body(&client, "/panic").await, "sorry");
        assert_eq!(body(&client, "/visits").await, "2");
    });
}

/// What counts is the response that is sent, here as in what `anysession_rocket` says of itself.
#[test]
fn a_catcher_that_turns_a_panic_into_a_redirect_says_that_all_went_well() {
    #[catch(500)]
    fn elsewhere() -> Redirect {
        Redirect::to("/visits")
    }

    let (rocket, _) = with_store();
    let rocket = rocket.mount("/", routes![visits, panics]);
    run(async {
        let client = visitor(rocket.register("/", catchers![elsewhere])).await;
        let response = client.get("/panic").dispatch().await;
        assert_eq!(response.status(), Status::SeeOther);
        assert_eq!(body(&client, "/visits").await, "101");
    });
}

#[get("/recent")]
fn recent(session: Session) -> Result<&'static str, SessionError> {
    session.require_recent(Duration::from_secs(60))?;
    Ok("recent")
}

#[get("/saved")]
async fn saved(session: Session) -> Result<&'static str, SessionError> {
    session.insert("k", "v")?;
    session.save().await?;
    Ok("saved")
}

#[test]
fn an_error_of_the_session_is_its_status_and_is_told_if_it_is_the_servers() {
    let (rocket, store) = with_store();
    store.always(Verb::Put, Fault::FailBefore);
    let rocket = rocket.mount("/", routes![recent, saved]);
    let rocket = rocket.register("/", catchers![whatever]);
    let ((), log) = heard(async {
        let client = visitor(rocket).await;
        assert_eq!(body(&client, "/recent").await, "it is a 401 Unauthorized");
        assert_eq!(
            body(&client, "/saved").await,
            "it is a 503 Service Unavailable"
        );
    });
    assert!(!log.contains("nobody is signed in"), "{log}");
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    assert!(log.contains("a session could not be used"), "{log}");
}
