//! actix-web. Its actix-session has no store in memory.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{Service as _, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error, HttpMessage, web};
use tokio::runtime::Runtime;

use super::candidate::{
    Answer, BARE, Candidate, EXTENSION, NO_OP, OURS, another, at_once, sessions, strings,
};

type Ours = anysession_actix::Session;

pub(super) fn candidates(runtime: &Arc<Runtime>) -> Vec<Candidate> {
    let ours = App::new()
        .route("/ignore", web::get().to(ignore))
        .route("/read", web::get().to(read))
        .route("/write", web::get().to(write))
        .route("/new", web::get().to(new))
        .route("/regenerate", web::get().to(regenerate))
        .wrap(anysession_actix::SessionMiddleware::new(sessions()));
    let no_op = plain().wrap_fn(|request, inner| inner.call(request));
    let extension = plain().wrap_fn(|request, inner| {
        request.extensions_mut().insert(Rc::new(()));
        inner.call(request)
    });
    vec![
        Candidate::without_session(BARE, serve(runtime, plain())),
        Candidate::new(OURS, env!("CARGO_PKG_VERSION"), serve(runtime, ours)),
        Candidate::without_session(NO_OP, serve(runtime, no_op)),
        Candidate::without_session(EXTENSION, serve(runtime, extension)),
    ]
}

/// The service that actix-web's server makes of an application, for each worker, and calls for each request.
fn serve<T, B>(runtime: &Arc<Runtime>, app: App<T>) -> Answer
where
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let runtime = runtime.clone();
    let service = runtime.block_on(init_service(app));
    Box::new(move |path, cookies, set| {
        let _inside = runtime.enter();
        let request = TestRequest::with_uri(path)
            .insert_header((header::COOKIE, cookies))
            .to_request();
        let response = at_once(service.call(request)).expect("a response");
        assert!(response.status().is_success());
        for line in response.headers().get_all(header::SET_COOKIE) {
            set.take(line.to_str().expect("text"));
        }
    })
}

fn plain() -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .route("/ignore", web::get().to(ignore))
        .route("/read", web::get().to(ignore))
        .route("/write", web::get().to(ignore))
        .route("/new", web::get().to(ignore))
        .route("/regenerate", web::get().to(ignore))
}

async fn ignore() -> &'static str {
    "ok"
}

async fn read(session: Ours) -> &'static str {
    let value: Option<String> = session.get("key3").expect("a string");
    another(value.as_deref());
    "ok"
}

async fn write(session: Ours) -> &'static str {
    let value: Option<String> = session.get("key3").expect("a string");
    let value = another(value.as_deref());
    session.insert("key3", value).expect("there is room");
    "ok"
}

async fn new(session: Ours) -> &'static str {
    for (key, value) in strings() {
        session.insert(key, value).expect("there is room");
    }
    "ok"
}

async fn regenerate(session: Ours) -> &'static str {
    session.regenerate_id().expect("there is a session");
    "ok"
}
