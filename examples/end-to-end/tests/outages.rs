//! A store that is cut off from a server of each framework, over real HTTP: what the visitors see, and what they have when it
//! is back.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anysession_testkit::Suite;
use anysession_testkit::servers::{Conduct, Postgres, Proxy, Redis};
use end_to_end::{FRAMEWORKS, Result, Server, Visitor, same};
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;

/// So many ask at once: more than PostgreSQL's connections, so that some wait for one in vain.
const VISITORS: usize = 24;

/// The store's own limits are at most two seconds each; the rest is for a machine that has other things to do.
const BOUND: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let runtime = Arc::new(Runtime::new().expect("a runtime for the proxies"));
    let (redis, postgres) = (Redis::setup().start(), Postgres::setup().start());
    let redis_trials = match &redis {
        Err(absent) => Suite::absent("redis", absent.to_string()).into_trials(),
        Ok(redis) => trials(&runtime, "redis", redis.address(), |address| {
            format!("redis://{address}/0?timeout=1s&connect_timeout=1s")
        }),
    };
    let postgres_trials = match &postgres {
        Err(absent) => Suite::absent("postgres", absent.to_string()).into_trials(),
        Ok(postgres) => trials(&runtime, "postgres", postgres.address(), |address| {
            let url = postgres.url_at(address);
            format!("{url}?pool=4&acquire_timeout=1s&timeout=2s")
        }),
    };
    let trials = redis_trials.into_iter().chain(postgres_trials).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// One for each framework, on a proxy of its own in front of the store.
fn trials(
    runtime: &Arc<Runtime>,
    store: &str,
    server: SocketAddr,
    url: impl Fn(SocketAddr) -> String,
) -> Vec<Trial> {
    let trial = |framework: &&'static str| {
        let rule = "a_store_that_is_cut_off_is_503_in_time_and_everybody_has_their_own_afterwards";
        let name = format!("{store}::{framework}::{rule}");
        let proxy = runtime.block_on(Proxy::start(server)).expect("a free port");
        let (framework, url) = (*framework, url(proxy.address()));
        let runtime = Arc::clone(runtime);
        Trial::test(name, move || {
            let _inside = runtime.enter();
            Ok(is_503_in_time(framework, &url, &proxy)?)
        })
    };
    FRAMEWORKS.iter().map(trial).collect()
}

fn is_503_in_time(framework: &str, url: &str, proxy: &Proxy) -> Result {
    let server = Server::start(
        &format!("probe-{framework}"),
        [
            ("SESSION_TYPE", &url[..url.find(':').unwrap_or_default()]),
            ("SESSION_URL", url),
            ("SESSION_COOKIE_SECURE", "false"),
            ("RUST_LOG", "off"), // it tells each of these failures
        ],
    )?;
    let address = &*server.address;
    let visitors: Vec<_> = (0..VISITORS).map(|_| Visitor::default()).collect();
    at_once(&visitors, |number, visitor| {
        visitor.body(address, &format!("/set/k/{number}"))?;
        Ok(())
    })?;
    for conduct in [
        Conduct::SwallowRequests,
        Conduct::SwallowAnswers,
        Conduct::Refuse,
    ] {
        proxy.set(conduct);
        at_once(&visitors, |number, visitor| {
            let page = ["/get/k", "/set/j/1"][number % 2];
            let asked = now();
            let answer = visitor.ask(address, page)?;
            let what = format!("{page} of visitor {number}, {conduct:?}");
            same!((answer.status, &*answer.body), (503, ""), "{what}");
            same!(answer.set_cookie, None, "the cookie of {what}");
            same!(
                asked.elapsed() < BOUND,
                true,
                "whether it came in time, {what}"
            );
            same!(
                visitor.body(address, "/none")?,
                "ok",
                "what needs no session"
            );
            Ok(())
        })?;
        proxy.set(Conduct::Pass);
        let back = now();
        while visitors[0].ask(address, "/get/k")?.status != 200 {
            same!(
                back.elapsed() < BOUND,
                true,
                "whether it comes back, {conduct:?}"
            );
        }
        at_once(&visitors, |number, visitor| {
            let value = visitor.body(address, "/get/k")?;
            same!(
                value,
                number.to_string(),
                "what visitor {number} has after {conduct:?}"
            );
            Ok(())
        })?;
    }
    Ok(())
}

/// All of them do it at the same time.
fn at_once(visitors: &[Visitor], act: impl Fn(usize, &Visitor) -> Result + Sync) -> Result {
    std::thread::scope(|scope| {
        let act = &act;
        let acting: Vec<_> = (visitors.iter().enumerate())
            .map(|(number, visitor)| scope.spawn(move || act(number, visitor)))
            .collect();
        acting.into_iter().try_for_each(|acting| {
            let ended = acting.join();
            ended.map_err(|_| "a visitor panicked")?
        })
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a visitor waits is real time"
)]
fn now() -> Instant {
    Instant::now()
}
