//! What catchers say and do.

use anysession_rocket::{Session, SessionError};
use anysession_testkit::{Fault, Verb};
use rocket::http::Status;
use rocket::{Request, catch, catchers, get, routes};

use super::{body, run, visitor, visits, with_store};

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
