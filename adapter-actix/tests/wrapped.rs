//! Where the middleware is wrapped, and what an error becomes there: what only actix-web has.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

use std::io::Write;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_http::Request;
use actix_web::body::{self, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::error::{ErrorBadRequest, ErrorInternalServerError, InternalError};
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error, HttpRequest, HttpResponse, guard, rt, web};
use anysession_actix::anysession::{Config, MemoryStore, Sessions};
use anysession_actix::{Session, SessionError, SessionExt, SessionMiddleware};
use anysession_testkit::{Fault, FaultyStore, Verb};

#[actix_web::test]
async fn a_scope_has_sessions_of_its_own() {
    let (shop, _) = middleware();
    let (forum, _) = middleware();
    let visits = || web::resource("/visits").to(visits);
    let app = init_service(
        App::new()
            .service(web::scope("/shop").service(visits()).wrap(shop))
            .service(web::scope("/forum").service(visits()).wrap(forum)),
    )
    .await;
    let first = get(&app, "/shop/visits", "").await;
    assert_eq!(
        get(&app, "/shop/visits", first.cookie()).await.body,
        "2 visits"
    );
    assert_eq!(
        get(&app, "/forum/visits", first.cookie()).await.body,
        "1 visits"
    );
}

#[actix_web::test]
async fn without_the_middleware_it_is_500_and_says_what_to_add() {
    let log = Log::default();
    let _listening = log.listen();
    let (sessions, _) = middleware();
    let app = init_service(
        App::new()
            .service(
                web::scope("/in")
                    .route("/visits", web::get().to(visits))
                    .wrap(sessions),
            )
            .route("/out", web::get().to(visits)),
    )
    .await;
    assert_eq!(get(&app, "/in/visits", "").await.status, 200);
    let refused = get(&app, "/out", "").await;
    assert_eq!(refused.status, 500);
    let advice = ".wrap(SessionMiddleware::new(sessions))";
    assert!(refused.body.contains(advice), "{}", refused.body);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("ERROR") && log.contains(advice), "{log}");
}

#[actix_web::test]
async fn a_middleware_inside_and_the_handler_have_one_session() {
    async fn count(
        request: ServiceRequest,
        next: Next<impl MessageBody>,
    ) -> Result<ServiceResponse<impl MessageBody>, Error> {
        visit(&request.session().await?)?;
        let response = next.call(request).await?;
        visit(&response.request().session().await?)?; // stored all the same: the headers have not left
        Ok(response)
    }
    async fn by_request(request: HttpRequest) -> Result<String, SessionError> {
        visit(&request.session().await?)
    }

    let (sessions, store) = middleware();
    let app = init_service(
        App::new()
            .route("/", web::get().to(by_request))
            .wrap(from_fn(count))
            .wrap(sessions),
    )
    .await;
    let first = get(&app, "/", "").await;
    assert_eq!(first.body, "2 visits");
    let before = store.counts();
    assert_eq!(get(&app, "/", first.cookie()).await.body, "5 visits");
    let cost = store.counts().since(&before);
    assert_eq!((cost.load, cost.put), (1, 1), "one session, loaded once");
}

#[actix_web::test]
async fn a_middleware_outside_has_no_session() {
    async fn ask(
        request: ServiceRequest,
        next: Next<impl MessageBody>,
    ) -> Result<ServiceResponse<impl MessageBody>, Error> {
        assert!(request.loaded_session().is_none());
        let session = request.session().await;
        assert!(matches!(session, Err(SessionError::MiddlewareMissing)));
        next.call(request).await
    }

    // It is told that the middleware is missing, here too: one who does not listen can keep others from hearing it.
    let _listening = Log::default().listen();
    let (sessions, _) = middleware();
    let app = init_service(
        App::new()
            .route("/", web::get().to(visits))
            .wrap(sessions)
            .wrap(from_fn(ask)),
    )
    .await;
    assert_eq!(get(&app, "/", "").await.body, "1 visits");
}

#[actix_web::test]
async fn a_guard_sees_the_session_that_a_middleware_has_loaded() {
    async fn load(
        request: ServiceRequest,
        next: Next<impl MessageBody>,
    ) -> Result<ServiceResponse<impl MessageBody>, Error> {
        if request.path() != "/unloaded" {
            request.session().await?;
        }
        next.call(request).await
    }
    async fn sign_in(session: Session) -> Result<&'static str, SessionError> {
        session.log_in("ada")?;
        Ok("welcome")
    }
    fn is_signed_in(request: &guard::GuardContext<'_>) -> bool {
        let session = request.loaded_session();
        session.is_some_and(|session| session.user().is_some())
    }

    let (sessions, _) = middleware();
    let for_users = || {
        web::get()
            .guard(guard::fn_guard(is_signed_in))
            .to(async || "yours")
    };
    let app = init_service(
        App::new()
            .route("/sign-in", web::get().to(sign_in))
            .route("/loaded", for_users())
            .route("/unloaded", for_users())
            .wrap(from_fn(load))
            .wrap(sessions),
    )
    .await;
    assert_eq!(get(&app, "/loaded", "").await.status, 404);
    let signed_in = get(&app, "/sign-in", "").await;
    let cookie = signed_in.cookie();
    assert_eq!(get(&app, "/loaded", cookie).await.body, "yours");
    assert_eq!(get(&app, "/unloaded", cookie).await.status, 404);
}

/// An error of a handler is a response when it comes to the middleware, one of another middleware is not.
#[actix_web::test]
async fn an_err_counts_by_its_response() {
    async fn refuse(session: Session, path: web::Path<u16>) -> Result<String, Error> {
        visit(&session)?;
        Err(error(path.into_inner()))
    }
    async fn refuse_outside(
        session: Session,
        request: ServiceRequest,
        next: Next<impl MessageBody>,
    ) -> Result<ServiceResponse<impl MessageBody>, Error> {
        let Some(status) = request.path().strip_prefix("/outside/") else {
            return next.call(request).await;
        };
        visit(&session)?;
        Err(error(status.parse().unwrap()))
    }
    fn error(status: u16) -> Error {
        match status {
            303 => {
                let elsewhere = HttpResponse::SeeOther()
                    .insert_header(("location", "/sign-in"))
                    .body("elsewhere");
                InternalError::from_response("not signed in", elsewhere).into()
            }
            400 => ErrorBadRequest("refused"),
            _ => ErrorInternalServerError("failed"),
        }
    }

    let (sessions, store) = middleware();
    let app = init_service(
        App::new()
            .route("/visits", web::get().to(visits))
            .route("/handler/{status}", web::get().to(refuse))
            .wrap(from_fn(refuse_outside))
            .wrap(sessions),
    )
    .await;
    for place in ["handler", "outside"] {
        let refused = get(&app, &format!("/{place}/400"), "").await;
        assert_eq!((refused.status, refused.body.as_str()), (400, "refused"));
        let cookie = refused.cookie();
        assert_eq!(get(&app, "/visits", cookie).await.body, "2 visits");

        let failed = get(&app, &format!("/{place}/500"), cookie).await;
        assert_eq!((failed.status, failed.body.as_str()), (500, "failed"));
        assert_eq!(get(&app, "/visits", cookie).await.body, "3 visits");
        let nobody = get(&app, &format!("/{place}/500"), "").await;
        assert!(nobody.cookie.is_none(), "a failed request changes nothing");

        // An error that brings its response gives it away once.
        let sent_away = get(&app, &format!("/{place}/303"), "").await;
        assert_eq!(
            (sent_away.status, sent_away.body.as_str()),
            (303, "elsewhere")
        );
        assert_eq!(
            get(&app, "/visits", sent_away.cookie()).await.body,
            "2 visits"
        );

        for status in [303, 400] {
            store.once(Verb::Put, Fault::FailBefore);
            let unsaved = get(&app, &format!("/{place}/{status}"), cookie).await;
            assert_eq!((unsaved.status, unsaved.body.as_str()), (503, ""));
        }
        assert_eq!(get(&app, "/visits", cookie).await.body, "4 visits");
    }
}

/// Not all of them ask the error's response mappers.
#[actix_web::test]
async fn a_middleware_outside_that_makes_a_response_of_an_err_keeps_the_cookie() {
    async fn answer(
        request: ServiceRequest,
        next: Next<impl MessageBody + 'static>,
    ) -> Result<ServiceResponse<impl MessageBody>, Error> {
        let page = request.path().to_owned();
        let error = match next.call(request).await {
            Ok(response) => return Ok(response.map_into_boxed_body()),
            Err(error) => error,
        };
        let request = TestRequest::with_uri(&page).to_http_request();
        match &*page {
            "/looked-at" => {
                // As one does who counts statuses.
                let status = error.error_response().status();
                assert_eq!(error.as_response_error().status_code(), status);
                Err(error)
            }
            "/by-request" => Ok(ServiceResponse::from_err(error, request)),
            _ => Ok(ServiceResponse::new(
                request,
                HttpResponse::from_error(error),
            )),
        }
    }
    async fn refuse(
        session: Session,
        request: ServiceRequest,
        next: Next<impl MessageBody>,
    ) -> Result<ServiceResponse<impl MessageBody>, Error> {
        if request.path() == "/visits" {
            return next.call(request).await;
        }
        visit(&session)?;
        Err(ErrorBadRequest("refused"))
    }

    let (sessions, store) = middleware();
    let app = init_service(
        App::new()
            .route("/visits", web::get().to(visits))
            .wrap(from_fn(refuse))
            .wrap(sessions)
            .wrap(from_fn(answer)),
    )
    .await;
    for page in ["/by-request", "/by-error", "/looked-at"] {
        let refused = get(&app, page, "").await;
        assert_eq!((refused.status, refused.body.as_str()), (400, "refused"));
        assert_eq!(
            get(&app, "/visits", refused.cookie()).await.body,
            "2 visits"
        );
        store.once(Verb::Put, Fault::FailBefore);
        let unsaved = get(&app, page, refused.cookie()).await;
        assert_eq!((unsaved.status, unsaved.body.as_str()), (503, ""));
    }
}

/// Around the application and once more around a scope or a single resource of it.
#[actix_web::test]
async fn the_same_sessions_around_a_route_twice_are_one_session() {
    async fn count(
        request: ServiceRequest,
        next: Next<impl MessageBody>,
    ) -> Result<ServiceResponse<impl MessageBody>, Error> {
        visit(&request.session().await?)?;
        let response = next.call(request).await?;
        visit(&response.request().session().await?)?;
        Ok(response)
    }

    let (sessions, store) = middleware();
    let app = init_service(
        App::new()
            .service(
                web::scope("/shop")
                    .route("/visits", web::get().to(visits))
                    .wrap(sessions.clone()),
            )
            .service(
                web::resource("/single")
                    .route(web::get().to(visits))
                    .wrap(sessions.clone()),
            )
            .wrap(from_fn(count))
            .wrap(sessions),
    )
    .await;
    let first = get(&app, "/shop/visits", "").await;
    assert_eq!(first.body, "2 visits");
    assert_eq!(get(&app, "/single", first.cookie()).await.body, "5 visits");
    let cost = store.counts();
    assert_eq!(
        (cost.load, cost.put),
        (1, 2),
        "one session, stored once a request"
    );
}

#[actix_web::test]
async fn a_log_out_goes_on_when_its_handler_panics() {
    async fn leave(session: Session) -> &'static str {
        session.destroy();
        panic!("after the log-out")
    }

    let (sessions, store) = middleware();
    let app = Rc::new(
        init_service(
            App::new()
                .route("/visits", web::get().to(visits))
                .route("/leave", web::get().to(leave))
                .wrap(sessions),
        )
        .await,
    );
    let visitor = get(&*app, "/visits", "").await;
    let deleting = store.pause_after(Verb::Delete);
    let (served, cookie) = (Rc::clone(&app), visitor.cookie().to_owned());
    let request = rt::spawn(async move { get(&*served, "/leave", &cookie).await.status });
    assert!(request.await.unwrap_err().is_panic());
    let deleted = rt::time::timeout(Duration::from_secs(30), deleting.reached()).await;
    deleted.expect("the session is deleted").release();
    assert_eq!(
        get(&*app, "/visits", visitor.cookie()).await.body,
        "1 visits"
    );
}

async fn visits(session: Session) -> Result<String, SessionError> {
    visit(&session)
}

fn visit(session: &Session) -> Result<String, SessionError> {
    let visits = session.update("visits", |visits: &mut u64| *visits += 1)?;
    Ok(format!("{visits} visits"))
}

fn middleware() -> (SessionMiddleware, Arc<FaultyStore>) {
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let sessions = Sessions::new(Config::default(), store.clone());
    (SessionMiddleware::new(sessions), store)
}

struct Answer {
    status: u16,
    cookie: Option<String>,
    body: String,
}

impl Answer {
    fn cookie(&self) -> &str {
        self.cookie.as_deref().expect("the response sets a cookie")
    }
}

/// As the server does, also with what comes out of the application as an error.
async fn get<S, B>(app: &S, path: &str, cookie: &str) -> Answer
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    let request = TestRequest::get()
        .uri(path)
        .insert_header(("cookie", cookie));
    let response = match app.call(request.to_request()).await {
        Ok(response) => HttpResponse::from(response).map_into_boxed_body(),
        Err(error) => error.error_response(),
    };
    let cookie = response.headers().get("set-cookie").map(|line| {
        let pair = line.to_str().unwrap().split(';').next();
        pair.unwrap().to_owned()
    });
    let status = response.status().as_u16();
    let body = body::to_bytes(response.into_body()).await.unwrap();
    Answer {
        status,
        cookie,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// What was told to `tracing`.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let writer = self.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
        tracing::subscriber::set_default(subscriber.finish())
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
