//! The way to the servers: one server, or the right one of many.

use std::borrow::Cow;
use std::time::Duration;

use redis::aio::ConnectionManager;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Cmd, Pipeline, RedisResult, Value};

use crate::error::{Failure, answered, is_unknown_script};
use crate::node::Node;
use crate::reconnecting::{Patience, Reconnecting, Source};
use crate::scripts::Call;

#[derive(Clone)]
pub(crate) enum Link {
    Server(Reconnecting),
    Manager(ConnectionManager),
    Cluster(ClusterConnection<Node>),
}

/// In which order two commands about different keys must be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The second only if the first changed something, and after it.
    Matters,
    Any,
}

impl Link {
    pub(crate) fn to(source: Source, patience: Patience) -> Self {
        Link::Server(Reconnecting::new(source, patience))
    }

    pub(crate) async fn to_cluster(client: &ClusterClient) -> RedisResult<Self> {
        Ok(Link::Cluster(client.get_async_generic_connection().await?))
    }

    /// Sends one command about one key.
    pub(crate) async fn send(&self, key: &str, command: &Cmd) -> Result<Value, Failure> {
        answered(self.exchange(key, command).await?)
    }

    /// Sends commands about one key each. Of a Cluster, some may be answered and others not.
    pub(crate) async fn send_each(
        &self,
        commands: Vec<(String, Cmd)>,
    ) -> Result<Vec<Value>, Failure> {
        let Link::Cluster(_) = self else {
            let mut pipeline = Pipeline::with_capacity(commands.len());
            for (_, command) in commands {
                pipeline.add_command(command);
            }
            let answers = self.exchange_all("", &pipeline).await?;
            return answers.into_iter().map(answered).collect();
        };
        let sent = commands
            .iter()
            .map(|(key, command)| self.send(key, command));
        futures_util::future::try_join_all(sent).await
    }

    /// Runs a script, and a second one if there is one, in one round trip where their order allows it. `wait` is how
    /// long to wait for a replica to have what the first one changed.
    ///
    /// Answers whether the first one changed something.
    pub(crate) async fn run(
        &self,
        first: Call,
        second: Option<(Call, Order)>,
        wait: Option<Duration>,
    ) -> Result<bool, Failure> {
        match (self, second) {
            // In a box: it is large, and all others would carry its room.
            (Link::Cluster(_), Some((second, order))) => {
                Box::pin(self.run_apart(&first, &second, order, wait)).await
            }
            (_, Some((second, _))) => self.run_together(&[&first, &second], wait).await,
            (_, None) => self.run_together(&[&first], wait).await,
        }
    }

    /// Runs scripts that may be for different servers.
    async fn run_apart(
        &self,
        first: &Call,
        second: &Call,
        order: Order,
        wait: Option<Duration>,
    ) -> Result<bool, Failure> {
        let (first, second) = ([first], [second]);
        let writing = self.run_together(&first, wait);
        let indexing = self.run_together(&second, None);
        let (changed, indexed) = match order {
            Order::Matters => match writing.await? {
                true => (true, indexing.await),
                false => return Ok(false),
            },
            Order::Any => {
                let (changed, indexed) = tokio::join!(writing, indexing);
                (changed?, indexed)
            }
        };
        indexed.map_err(Failure::not_indexed)?;
        Ok(changed)
    }

    /// Runs a script that only reads, and gives its answer.
    pub(crate) async fn ask(&self, call: &Call) -> Result<Value, Failure> {
        let answer = self.exchange(call.key(), &call.command()).await?;
        match is_unknown_script(&answer) {
            true => self.send(call.key(), &call.with_source()).await,
            false => answered(answer),
        }
    }

    /// Runs scripts on one server, in this order, and answers whether the first one changed something.
    async fn run_together(&self, calls: &[&Call], wait: Option<Duration>) -> Result<bool, Failure> {
        let mut answers = self.attempt(calls, wait, Call::command).await?;
        // What a server does not know it has not run, nor anything that depends on it.
        if let Some(unknown) = answers.iter().position(is_unknown_script) {
            answers.truncate(unknown);
            let again = self.attempt(&calls[unknown..], wait, Call::with_source);
            answers.extend(Box::pin(again).await?);
        }
        let mut answers = answers.into_iter();
        let mut next = || {
            answers.next().ok_or(Failure::Unexpected {
                command: "SET or EVALSHA",
            })
        };
        let changed = match answered(next()?)? {
            Value::Int(changed) => changed == 1,
            Value::Okay => true,
            Value::Nil => false,
            _ => {
                return Err(Failure::Unexpected {
                    command: "SET or EVALSHA",
                });
            }
        };
        for _ in &calls[1..] {
            answered(next()?).map_err(Failure::not_indexed)?;
        }
        if let Some(within) = wait
            && changed
            && !matches!(answered(next()?)?, Value::Int(1..))
        {
            return Err(Failure::NotReplicated { within });
        }
        Ok(changed)
    }

    async fn attempt(
        &self,
        calls: &[&Call],
        wait: Option<Duration>,
        form: fn(&Call) -> Cow<'_, Cmd>,
    ) -> Result<Vec<Value>, Failure> {
        let key = calls[0].key();
        if let ([call], None) = (calls, wait) {
            return Ok(vec![self.exchange(key, &form(call)).await?]);
        }
        let mut pipeline = Pipeline::with_capacity(calls.len() + 1);
        for call in calls {
            pipeline.add_command(form(call).into_owned());
        }
        if let Some(wait) = wait {
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            pipeline.cmd("WAIT").arg(1).arg(millis);
        }
        self.exchange_all(key, &pipeline).await
    }

    async fn exchange(&self, key: &str, command: &Cmd) -> Result<Value, Failure> {
        let answer = match self {
            Link::Server(server) => server.send(command).await?,
            // In boxes: see `run`.
            Link::Manager(manager) => Box::pin(manager.clone().send_packed_command(command)).await,
            Link::Cluster(cluster) => {
                let route = RoutingInfo::SingleNode(master_of(key));
                Box::pin(cluster.clone().route_command(command.clone(), route)).await
            }
        };
        answer.map_err(|error| Failure::sending(&error))
    }

    async fn exchange_all(&self, key: &str, commands: &Pipeline) -> Result<Vec<Value>, Failure> {
        let count = commands.len();
        let answers = match self {
            Link::Server(server) => server.send_all(commands, 0, count).await?,
            Link::Manager(manager) => {
                Box::pin(manager.clone().send_packed_commands(commands, 0, count)).await
            }
            Link::Cluster(cluster) => {
                let (mut cluster, route) = (cluster.clone(), master_of(key));
                Box::pin(cluster.route_pipeline(commands.clone(), 0, count, route)).await
            }
        };
        answers.map_err(|error| Failure::sending(&error))
    }
}

/// Never a replica, however the client was told to read: what is done must be visible to every later load.
fn master_of(key: &str) -> SingleNodeRoutingInfo {
    SingleNodeRoutingInfo::SpecificNode(Route::with_key(key, SlotAddr::Master))
}
