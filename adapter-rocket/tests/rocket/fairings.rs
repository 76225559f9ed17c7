//! Other fairings that use the session.

use anysession_rocket::Session;
use anysession_testkit::{Fault, Verb};
use rocket::fairing::AdHoc;
use rocket::http::{CookieJar, Status};
use rocket::response::content::RawHtml;
use rocket::{Request, get, routes};

use super::{body, heard, quiet, run, visitor, visits, with_store};

#[get("/seen")]
fn seen(session: Session) -> String {
    let seen: Option<u64> = session.get("seen").unwrap();
    format!("{seen:?}")
}

#[get("/quiet")]
fn ignores() -> &'static str {
    "quiet"
}

/// Counts in the session; `false` if there is none to be had.
async fn count(request: &Request<'_>) -> bool {
    let session = request.guard::<Session>().await;
    let counted = session.map(|session| session.update("seen", |seen: &mut u64| *seen += 1));
    counted.succeeded().is_some_and(|counted| counted.is_ok())
}

fn on_request() -> AdHoc {
    AdHoc::on_request("Counts", |request, _| {
        Box::pin(async { assert!(count(request).await) })
    })
}

#[test]
fn a_fairing_uses_the_session_before_the_handler_wherever_it_is_attached() {
    for attached_first in [true, false] {
        let rocket = quiet().mount("/", routes![seen, ignores]);
        let sessions = super::sessions();
        let rocket = match attached_first {
            true => rocket.attach(on_request()).attach(sessions),
            false => rocket.attach(sessions).attach(on_request()),
        };
        run(async {
            let client = visitor(rocket).await;
            assert_eq!(body(&client, "/quiet").await, "quiet");
            assert_eq!(body(&client, "/seen").await, "Some(2)");
        });
    }
}

fn on_response() -> AdHoc {
    AdHoc::on_response("Counts", |request, response| {
        Box::pin(async {
            let counted = count(request).await;
            response.set_raw_header("counted", counted.to_string());
        })
    })
}

#[test]
fn a_fairing_uses_the_session_when_it_sees_the_response_wherever_it_is_attached() {
    for attached_first in [true, false] {
        let rocket = quiet().mount("/", routes![seen, ignores]);
        let sessions = super::sessions();
        let rocket = match attached_first {
            true => rocket.attach(on_response()).attach(sessions),
            false => rocket.attach(sessions).attach(on_response()),
        };
        run(async {
            let client = visitor(rocket).await;
            let response = client.get("/quiet").dispatch().await;
            assert_eq!(response.headers().get_one("counted"), Some("true"));
            assert_eq!(body(&client, "/seen").await, "Some(1)");
        });
    }
}

#[test]
fn a_fairing_that_makes_the_response_a_failure_has_the_changes_dropped() {
    let (rocket, store) = with_store();
    let fails = AdHoc::on_response("Fails", |_, response| {
        Box::pin(async { response.set_status(Status::BadGateway) })
    });
    let rocket = rocket.mount("/", routes![visits]).attach(fails);
    run(async {
        let client = visitor(rocket).await;
        let response = client.get("/visits").dispatch().await;
        assert_eq!(response.status(), Status::BadGateway);
        assert_eq!(response.headers().get_one("set-cookie"), None);
    });
    assert_eq!(store.calls().len(), 0);
}

/// None of them sees the response again, so what they have set must not go with the answer that is not to be given.
#[test]
fn a_response_whose_session_was_not_stored_keeps_what_fairings_have_set() {
    #[get("/page")]
    fn page(session: Session, jar: &CookieJar<'_>) -> (Status, RawHtml<&'static str>) {
        session.insert("k", "v").unwrap();
        jar.add(("theme", "dark"));
        (Status::Created, RawHtml("stored"))
    }

    let (rocket, store) = with_store();
    let sets = AdHoc::on_response("Sets", |_, response| {
        Box::pin(async {
            response.set_raw_header("access-control-allow-origin", "https://app.example");
            response.set_raw_header("ETag", "1");
        })
    });
    store.once(Verb::Put, Fault::FailBefore);
    run(async {
        let client = visitor(rocket.mount("/", routes![page]).attach(sets)).await;
        let response = client.get("/page").dispatch().await;
        assert_eq!(response.status(), Status::ServiceUnavailable);
        let headers = response.headers();
        let allowed = headers.get_one("access-control-allow-origin");
        assert_eq!(allowed, Some("https://app.example"));
        for name in ["content-type", "etag", "set-cookie"] {
            assert_eq!(headers.get_one(name), None, "{name}");
        }
        assert_eq!(response.into_string().await, None);
    });
}

/// It is attached while Rocket ignites, by one that ignites after the sessions.
#[test]
fn a_fairing_that_comes_too_late_is_told_so() {
    let (rocket, store) = with_store();
    let attaches = AdHoc::on_ignite("Attaches", |rocket| {
        Box::pin(async { rocket.attach(on_response()) })
    });
    let rocket = rocket.mount("/", routes![visits]).attach(attaches);
    let ((), log) = heard(async {
        let client = visitor(rocket).await;
        assert_eq!(body(&client, "/visits").await, "1");
    });
    assert!(
        log.contains("WARN") && log.contains("after its response was closed"),
        "{log}"
    );
    let puts = store
        .calls()
        .iter()
        .filter(|call| call.verb == Verb::Put)
        .count();
    assert_eq!(puts, 1);
}

/// As Rocket recommends it where a test sends one request several times: its clones share what is kept with it.
#[test]
fn a_request_of_the_local_client_may_be_sent_again() {
    let rocket = quiet().mount("/", routes![visits]);
    run(async {
        let client = visitor(rocket.attach(super::sessions())).await;
        assert_eq!(body(&client, "/visits").await, "1");
        let request = client.get("/visits");
        for visit in ["2", "3"] {
            let response = request.clone().dispatch().await;
            assert_eq!(response.into_string().await.as_deref(), Some(visit));
        }
    });
}
