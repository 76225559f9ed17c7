//! From what a store is opened.

use redis::Client;
use redis::aio::ConnectionManager;
use redis::cluster::ClusterClientBuilder;

use crate::error::{Failure, OpenError, Secrets};
use crate::link::Link;
use crate::options::{Durability, RedisOptions};
use crate::reconnecting::{Patience, Source};
use crate::sentinel::Sentinels;
use crate::store::RedisStore;

impl RedisStore {
    /// On the server of a client of the application. It makes connections of its own, which it replaces when they break.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or refuses to talk.
    pub async fn from_client(client: Client, options: RedisOptions) -> Result<Self, OpenError> {
        Self::reconnecting(|| Source::Server(client.clone()), options).await
    }

    /// On a managed connection of the application, which it goes on sharing.
    ///
    /// How long it takes until it reconnects is the application's to configure; a verb is given up after both timeouts of
    /// the options all the same. With [`Durability::Replicated`] everybody on this connection waits for replicas.
    ///
    /// # Errors
    ///
    /// When the server refuses to talk.
    pub async fn from_manager(
        manager: ConnectionManager,
        options: RedisOptions,
    ) -> Result<Self, OpenError> {
        let link = Link::Manager(manager);
        Self::open(link.clone(), Some(link), options).await
    }

    /// On a Cluster, with the nodes, credentials and certificates of this builder, and the timeouts of the options.
    ///
    /// It takes no connection that is there already: the client's own sends a write again when its answer does not come,
    /// although it may have been carried out.
    ///
    /// # Errors
    ///
    /// When no node can be reached, or they refuse to talk.
    pub async fn from_cluster(
        builder: ClusterClientBuilder,
        options: RedisOptions,
    ) -> Result<Self, OpenError> {
        let within = options.connect_timeout;
        let client = builder
            .connection_timeout(within)
            .response_timeout(options.longest_answer())
            .overall_response_timeout(None)
            // Of what was never carried out: see `Node`.
            .retries(8)
            .min_retry_wait(10)
            .max_retry_wait(200)
            .build();
        let connecting = async {
            let client = client?;
            let link = Link::to_cluster(&client).await?;
            let waiting = match options.durability {
                Durability::Acknowledged => None,
                Durability::Replicated => Some(Link::to_cluster(&client).await?),
            };
            Ok((link, waiting))
        };
        let (link, waiting) = match tokio::time::timeout(within, connecting).await {
            Ok(Ok(links)) => links,
            Ok(Err(error)) => {
                return Err(Failure::connecting(&error, &Secrets::default()).into());
            }
            Err(_) => return Err(Failure::NotConnected { within }.into()),
        };
        Self::open(link, waiting, options).await
    }

    /// On whichever server the Sentinels call the master.
    pub(crate) async fn from_sentinels(
        sentinels: Sentinels,
        options: RedisOptions,
    ) -> Result<Self, OpenError> {
        Self::reconnecting(|| Source::Sentinels(sentinels.clone()), options).await
    }

    async fn reconnecting(
        source: impl Fn() -> Source,
        options: RedisOptions,
    ) -> Result<Self, OpenError> {
        let patience = Patience {
            connect: options.connect_timeout,
            answer: options.timeout,
        };
        let link = Link::to(source(), patience);
        let waiting = Patience {
            answer: options.longest_answer(),
            ..patience
        };
        let waiting = Link::to(source(), waiting);
        Self::open(link, Some(waiting), options).await
    }

    async fn open(
        link: Link,
        waiting: Option<Link>,
        options: RedisOptions,
    ) -> Result<Self, OpenError> {
        let store = RedisStore::new(link, waiting, options);
        store.probe().await?;
        Ok(store)
    }
}
