//! A Redis Cluster of three masters, made by single commands, which is quicker than `redis-cli --cluster create`.

use std::time::Duration;

use super::redis::some_port;
use super::{PATIENCE, Redis, eventually};

const MASTERS: u16 = 3;
const SLOTS: u16 = 16_384;
/// For `MIGRATE` of one key.
const MIGRATE_MS: &str = "5000";
/// Nodes tell each other by gossip.
const GOSSIP: Duration = Duration::from_mins(1);

/// Three masters that share all slots. Killed when dropped.
pub(crate) struct RedisCluster {
    /// The masters; `masters[i]` has the `i`-th third of the slots, except those that were moved.
    pub masters: Vec<Redis>,
    /// None, or one for each master.
    replicas: Vec<Redis>,
}

impl RedisCluster {
    /// Starts it, and waits until every master reports `ok`.
    pub(crate) async fn start() -> Self {
        let mut masters = Vec::new();
        for _ in 0..MASTERS {
            masters.push(start_server().await);
        }
        for (n, master) in (0..MASTERS).zip(&masters) {
            let bounds = [n, n + 1].map(|n| u32::from(SLOTS) * u32::from(n) / u32::from(MASTERS));
            let [first, last] = [bounds[0].to_string(), (bounds[1] - 1).to_string()];
            master.run(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
            let epoch = (n + 1).to_string();
            master.run(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
        }
        for other in &masters[1..] {
            meet(&masters[0], other).await;
        }
        let cluster = Self {
            masters,
            replicas: Vec::new(),
        };
        cluster.is_well().await;
        cluster
    }

    /// The same, and a replica for each master.
    pub(crate) async fn with_replicas() -> Self {
        let mut cluster = Self::start().await;
        for _ in 0..MASTERS {
            let replica = start_server().await;
            meet(&cluster.masters[0], &replica).await;
            cluster.replicas.push(replica);
        }
        cluster.is_well().await;
        for (master, replica) in cluster.masters.iter().zip(&cluster.replicas) {
            let master = id(master).await;
            eventually(GOSSIP, "a replica that knows its master", async || {
                let reply = replica.call(&["CLUSTER", "REPLICATE", &master]).await;
                (reply.text() == Some("OK")).then_some(())
            })
            .await;
        }
        for (master, replica) in cluster.masters.iter().zip(&cluster.replicas) {
            replica.info_is("master_link_status", "up").await;
            master.info_is("connected_slaves", "1").await;
        }
        cluster.agree().await;
        cluster
    }

    /// Waits until every server knows which ones are masters and which ones replicas. Before that, a server that votes for
    /// a replica may not know that it is one.
    async fn agree(&self) {
        let mut wanted: Vec<(u16, bool)> = self.masters.iter().map(|master| (master.port(), true)).collect();
        wanted.extend(self.replicas.iter().map(|replica| (replica.port(), false)));
        wanted.sort_unstable();
        for server in self.masters.iter().chain(&self.replicas) {
            eventually(GOSSIP, "servers that agree", async || {
                let nodes = server.run(&["CLUSTER", "NODES"]).await;
                let mut known: Vec<_> = nodes.text()?.lines().filter_map(port_and_role).collect();
                known.sort_unstable();
                (known == wanted).then_some(())
            })
            .await;
        }
    }

    /// Kills a master, waits until its replica took over, and starts the killed one as the replica of that.
    pub(crate) async fn fail_over(&mut self, n: usize) {
        self.masters[n].kill().await;
        eventually(GOSSIP, "a replica that takes over", async || {
            let role = self.replicas[n].run(&["ROLE"]).await;
            (role.items()[0].text() == Some("master")).then_some(())
        })
        .await;
        std::mem::swap(&mut self.masters[n], &mut self.replicas[n]);
        self.replicas[n].restart().await;
        self.replicas[n].info_is("master_link_status", "up").await;
        self.masters[n].info_is("connected_slaves", "1").await;
        self.agree().await;
        self.is_well().await;
    }

    /// As the broker's config names it.
    pub(crate) fn url(&self) -> String {
        let masters: Vec<String> = self.masters.iter().map(|m| format!("127.0.0.1:{}", m.port())).collect();
        format!("redis+cluster://{}", masters.join(","))
    }

    /// Waits until every master knows all of them and says `ok`.
    pub(crate) async fn is_well(&self) {
        for master in &self.masters {
            eventually(GOSSIP, "a cluster that is ok", async || {
                let info = master.run(&["CLUSTER", "INFO"]).await;
                let info = info.text()?;
                let known = format!("cluster_known_nodes:{}\r\n", self.masters.len() + self.replicas.len());
                (info.contains("cluster_state:ok") && info.contains(&known)).then_some(())
            })
            .await;
        }
    }

    /// The slots of all keys whose name has this text, without repeats.
    pub(crate) async fn slots_of(&self, text: &str) -> Vec<u16> {
        let mut slots = Vec::new();
        for master in &self.masters {
            for key in master.keys(&format!("*{text}*")).await {
                let slot = master.run(&["CLUSTER", "KEYSLOT", &key]).await.number();
                slots.push(slot.and_then(|slot| u16::try_from(slot).ok()).expect("a slot"));
            }
        }
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// The master that has this slot now.
    pub(crate) async fn owner(&self, slot: u16) -> usize {
        let ranges = self.masters[0].run(&["CLUSTER", "SLOTS"]).await;
        let slot = i64::from(slot);
        let owner = ranges.items().iter().find_map(|range| {
            let [first, last, master, ..] = range.items() else {
                return None;
            };
            let has = (first.number()?..=last.number()?).contains(&slot);
            has.then(|| master.items()[1].number())?
        });
        let port = owner.expect("every slot has a master");
        let is_it = |master: &Redis| i64::from(master.port()) == port;
        self.masters.iter().position(is_it).expect("one of our masters")
    }

    /// Begins to move a slot to the next master; all of its keys stay where they were. Returns source and target.
    pub(crate) async fn begin_to_move(&self, slot: u16) -> (usize, usize) {
        let from = self.owner(slot).await;
        let to = (from + 1) % self.masters.len();
        let [source, target] = [&self.masters[from], &self.masters[to]];
        let [source_id, target_id] = [id(source).await, id(target).await];
        let number = slot.to_string();
        target
            .run(&["CLUSTER", "SETSLOT", &number, "IMPORTING", &source_id])
            .await;
        source
            .run(&["CLUSTER", "SETSLOT", &number, "MIGRATING", &target_id])
            .await;
        (from, to)
    }

    /// Moves a slot with its keys to the next master.
    pub(crate) async fn move_slot(&self, slot: u16) {
        let (from, to) = self.begin_to_move(slot).await;
        let [source, target] = [&self.masters[from], &self.masters[to]];
        let target_id = id(target).await;
        let number = slot.to_string();
        let port = target.port().to_string();
        loop {
            let keys = source.run(&["CLUSTER", "GETKEYSINSLOT", &number, "100"]).await.texts();
            if keys.is_empty() {
                break;
            }
            for key in keys {
                source
                    .run(&["MIGRATE", "127.0.0.1", &port, &key, "0", MIGRATE_MS])
                    .await;
            }
        }
        // The new owner first; else two servers could redirect a client back and forth.
        let third = &self.masters[(from + 2) % self.masters.len()];
        for master in [target, source, third] {
            master.run(&["CLUSTER", "SETSLOT", &number, "NODE", &target_id]).await;
        }
        eventually(PATIENCE, "the slot to be moved", async || {
            (self.owner(slot).await == to).then_some(())
        })
        .await;
    }
}

async fn start_server() -> Redis {
    Redis::start_as(|| {
        // The bus has a port of its own; by default it is 10,000 higher, where the system's free ports are.
        let bus = some_port().to_string();
        let words = [
            "--appendonly",
            "no",
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "3000",
            "--cluster-port",
            &bus,
            // A replica is sent all data at once, not after waiting for others that might want the same.
            "--repl-diskless-sync-delay",
            "0",
        ];
        words.map(str::to_owned).into()
    })
    .await
}

/// Of a line of `CLUSTER NODES`, and whether that node is a master. Not of one that fails or has lost its slots.
fn port_and_role(line: &str) -> Option<(u16, bool)> {
    let mut fields = line.split(' ');
    let address = fields.nth(1)?;
    let flags = fields.next()?;
    let port = address.split('@').next()?.rsplit(':').next()?.parse().ok()?;
    let is_master = flags.split(',').any(|flag| flag == "master");
    let has_slots = fields.count() > 5;
    (!flags.contains("fail") && is_master == has_slots).then_some((port, is_master))
}

async fn meet(one: &Redis, other: &Redis) {
    let [port, bus] = [other.port(), bus_port(other).await].map(|port| port.to_string());
    one.run(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
}

async fn bus_port(master: &Redis) -> u16 {
    let answer = master.run(&["CONFIG", "GET", "cluster-port"]).await;
    let port = answer.field("cluster-port").and_then(|port| port.parse().ok());
    port.expect("a port")
}

async fn id(master: &Redis) -> String {
    master.run(&["CLUSTER", "MYID"]).await.text().expect("an id").to_owned()
}

#[tokio::test]
async fn a_replica_takes_over() {
    let mut cluster = RedisCluster::with_replicas().await;
    let slot = cluster.masters[0].run(&["CLUSTER", "KEYSLOT", "{k}"]).await.number();
    let owner = cluster
        .owner(u16::try_from(slot.expect("a number")).expect("a slot"))
        .await;
    let old = cluster.masters[owner].port();
    cluster.masters[owner].run(&["SET", "{k}", "v"]).await;
    cluster.masters[owner].run(&["WAIT", "1", "5000"]).await;
    cluster.fail_over(owner).await;
    assert_ne!(cluster.masters[owner].port(), old);
    assert_eq!(cluster.masters[owner].run(&["GET", "{k}"]).await.text(), Some("v"));
}

#[tokio::test]
async fn a_slot_moves_with_its_keys() {
    let cluster = RedisCluster::start().await;
    let slot = cluster.masters[0].run(&["CLUSTER", "KEYSLOT", "{k}"]).await.number();
    let slot = u16::try_from(slot.expect("a number")).expect("a slot");
    let before = cluster.owner(slot).await;
    cluster.masters[before].run(&["SET", "{k}:1", "v"]).await;
    cluster.move_slot(slot).await;
    let after = cluster.owner(slot).await;
    assert_ne!(before, after);
    assert_eq!(cluster.masters[after].run(&["GET", "{k}:1"]).await.text(), Some("v"));
    assert_eq!(cluster.slots_of("k}:").await, [slot]);
}
