//! A Redis Cluster.

use super::super::{ServerError, free_port};
use super::{Redis, RedisSetup};

const SLOTS: u16 = 16_384;

/// A Redis Cluster of three masters, which share all slots evenly.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts the masters and waits until every one of them finds the cluster complete.
    ///
    /// # Errors
    ///
    /// When Redis is not installed or does not come up.
    pub fn start() -> Result<Self, ServerError> {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            nodes.push(node()?.start()?);
        }
        let mut cluster = RedisCluster { nodes };
        cluster.share_slots()?;
        cluster.meet()?;
        for node in &mut cluster.nodes {
            node.await_that(&["CLUSTER", "INFO"], |info| {
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            })?;
        }
        Ok(cluster)
    }

    /// Adds a master without slots.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub fn add_node(&mut self) -> Result<(), ServerError> {
        self.nodes.push(node()?.start()?);
        self.meet()?;
        let known = format!("cluster_known_nodes:{}", self.nodes.len());
        for node in &mut self.nodes {
            node.await_that(&["CLUSTER", "INFO"], |info| {
                info.contains("cluster_state:ok") && info.contains(&known)
            })?;
        }
        Ok(())
    }

    /// The masters.
    pub fn nodes(&mut self) -> &mut [Redis] {
        &mut self.nodes
    }

    /// Their addresses, separated by commas.
    pub fn addresses(&self) -> String {
        let addresses = self.nodes.iter().map(|node| node.address().to_string());
        let addresses: Vec<_> = addresses.collect();
        addresses.join(",")
    }

    /// Moves a slot with its keys from one master to another, as a resharding does.
    ///
    /// # Errors
    ///
    /// When a node refuses.
    pub fn move_slot(&self, slot: u16, from: usize, to: usize) -> Result<(), ServerError> {
        let slot = slot.to_string();
        let ids = self
            .nodes
            .iter()
            .map(|node| node.command(&["CLUSTER", "MYID"]));
        let ids = ids.collect::<Result<Vec<String>, _>>()?;
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        target.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[from]])?;
        source.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[to]])?;
        loop {
            let keys = source.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "10"])?;
            if keys.is_empty() {
                break;
            }
            let port = target.port().to_string();
            let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            migrate.extend(keys.lines());
            source.command(&migrate)?;
        }
        // The target first, so that the slot is never without an owner.
        for node in [target, source].into_iter().chain(&self.nodes) {
            node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &ids[to]])?;
        }
        Ok(())
    }

    fn share_slots(&self) -> Result<(), ServerError> {
        let masters = u16::try_from(self.nodes.len()).unwrap_or(u16::MAX);
        for (number, node) in (0..masters).zip(&self.nodes) {
            let first = SLOTS / masters * number;
            let last = match number + 1 {
                next if next == masters => SLOTS - 1,
                next => SLOTS / masters * next - 1,
            };
            let range = [first.to_string(), last.to_string()];
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]])?;
            // Nodes that all began with the same epoch would quarrel about it first.
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()])?;
        }
        Ok(())
    }

    fn meet(&self) -> Result<(), ServerError> {
        for node in &self.nodes[1..] {
            let port = node.port().to_string();
            let bus = node.command(&["CONFIG", "GET", "cluster-port"])?;
            let bus = bus.lines().last().unwrap_or_default();
            self.nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &port, bus])?;
        }
        Ok(())
    }
}

fn node() -> Result<RedisSetup, ServerError> {
    Ok(Redis::setup()
        .setting("cluster-enabled", "yes")
        // By default the port and ten thousand, which may be taken or too large.
        .setting("cluster-port", &free_port()?.to_string())
        // With less, a node that is only busy is held for dead, and its replica made a master beside it.
        .setting("cluster-node-timeout", "5000"))
}
