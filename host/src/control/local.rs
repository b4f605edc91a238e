//! Orders on this node: each is sent to every shard, and is done when every shard has confirmed it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::merge;
use super::order::{ChannelEntry, Connection, NodeReport, Order, PAGE_ENTRIES, Report};
use crate::pushed::PushedTenants;
use crate::shard::{Control, Slice, Whom};
use protocol::codes::{self, CloseCode};
use protocol::names::{Channel, Topic};
use registry::{BanChange, BanOrder, BansFull, Registry};

/// How long the shards may take. An order that takes longer is not cancelled: a busy shard carries it out later.
/// The report says that it is not known to be done.
pub const ORDER_WAIT: Duration = Duration::from_secs(3);

/// This node, for carrying out orders.
#[derive(Clone)]
pub struct Local {
    node: Arc<str>,
    registry: Arc<Registry>,
    shards: Vec<mpsc::Sender<Control>>,
    pushed: PushedTenants,
}

impl Local {
    /// The node of this name, with these shards.
    pub fn new(
        node: Arc<str>,
        registry: Arc<Registry>,
        shards: Vec<mpsc::Sender<Control>>,
        pushed: PushedTenants,
    ) -> Self {
        Self {
            node,
            registry,
            shards,
            pushed,
        }
    }

    /// Carries out an order and reports, after [`ORDER_WAIT`] at the latest.
    pub async fn report(&self, order: &Order) -> NodeReport {
        let result = match tokio::time::timeout(ORDER_WAIT, self.carry_out(order)).await {
            Ok(result) => result,
            Err(_) => Err(format!("the shards did not do it within {ORDER_WAIT:?}")),
        };
        NodeReport {
            node: self.node.to_string(),
            result,
        }
    }

    async fn carry_out(&self, order: &Order) -> Result<Report, String> {
        match order {
            Order::DisconnectUser { tenant, user, code } => {
                let code = close_code(*code)?;
                self.cut_off(tenant, &Whom::User(user.as_str().into()), code).await
            }
            Order::DisconnectSession { tenant, session, code } => {
                let code = close_code(*code)?;
                self.cut_off(tenant, &Whom::Session(session.as_str().into()), code)
                    .await
            }
            Order::Unsubscribe { tenant, user, channel } => self.unsubscribe(tenant, user, channel).await,
            Order::Ban { .. } | Order::Unban { .. } => {
                let ban = self.ban_order(order).expect("it is one about a ban");
                self.change_ban(&ban).await
            }
            Order::Channels {
                tenant,
                prefix,
                after,
                limit,
            } => self.channels(tenant, prefix, after.as_deref(), *limit).await,
            Order::Connections {
                tenant,
                user,
                after,
                limit,
            } => {
                self.connections(tenant, user.as_deref(), after.as_deref(), *limit)
                    .await
            }
            Order::Count { tenant } => self.count(tenant).await,
            Order::ReadTenant { tenant } => self.read_tenant(tenant).await,
        }
    }

    /// The registry of this node.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// An order about a ban, for the registry. One without a stamp gets one now.
    pub fn ban_order(&self, order: &Order) -> Option<BanOrder> {
        let (tenant, subject, change, stamp) = match order {
            Order::Ban {
                tenant,
                subject,
                seconds,
                less_ms,
                at_least,
                stamp,
            } => {
                let less = Duration::from_millis((*less_ms).into());
                let length = Duration::from_secs(*seconds).saturating_sub(less);
                let change = if *at_least {
                    BanChange::Extend(length)
                } else {
                    BanChange::Replace(length)
                };
                (tenant, subject, change, stamp)
            }
            Order::Unban { tenant, subject, stamp } => (tenant, subject, BanChange::Lift, stamp),
            _ => return None,
        };
        Some(BanOrder {
            tenant: tenant.as_str().into(),
            subject: subject.clone(),
            stamp: stamp.clone().unwrap_or_else(|| self.registry.stamp()),
            change,
            given: Instant::now(),
        })
    }

    async fn change_ban(&self, ban: &BanOrder) -> Result<Report, String> {
        // The ban comes first, so that it refuses a connection that comes after the others were ended.
        match self.registry.apply(ban) {
            Ok(was_refused) if ban.change == BanChange::Lift => {
                let affected = was_refused.into();
                return Ok(Report::Done { affected });
            }
            Ok(_) if self.registry.check_ban(&ban.tenant, &ban.subject).is_ok() => {
                // A later order lifted it.
                return Ok(Report::Done { affected: 0 });
            }
            Ok(_) => {}
            // In a cluster it is recorded all the same, and asked for at every connect.
            Err(_) if self.registry.has_cluster() => {}
            Err(BansFull { limit, .. }) => return Ok(Report::BansFull { limit }),
        }
        let code = match ban.subject.is_revocation() {
            true => codes::CLOSE_NOT_AUTHENTICATED,
            false => codes::BANNED,
        };
        self.cut_off(&ban.tenant, &Whom::from(ban), code).await
    }

    async fn cut_off(&self, tenant: &str, whom: &Whom, code: CloseCode) -> Result<Report, String> {
        let tenant: Arc<str> = tenant.into();
        let counts = self.ask(|done| Control::CutOff {
            tenant: tenant.clone(),
            whom: whom.clone(),
            code,
            done,
        });
        Ok(Report::Done {
            affected: counts.await?.into_iter().sum(),
        })
    }

    async fn unsubscribe(&self, tenant: &str, user: &str, channel: &str) -> Result<Report, String> {
        let topic = Topic {
            tenant: tenant.into(),
            channel: Channel::parse(channel).map_err(|error| error.to_string())?,
        };
        let user: Arc<str> = user.into();
        let counts = self.ask(|done| Control::Unsubscribe {
            topic: topic.clone(),
            user: user.clone(),
            code: codes::CLOSE_PERMISSION_DENIED,
            done,
        });
        Ok(Report::Done {
            affected: counts.await?.into_iter().sum(),
        })
    }

    async fn channels(&self, tenant: &str, prefix: &str, after: Option<&str>, limit: usize) -> Result<Report, String> {
        let (tenant, prefix): (Arc<str>, Arc<str>) = (tenant.into(), prefix.into());
        let slice = slice(after, limit);
        let shards = self.ask(|answer| Control::Channels {
            tenant: tenant.clone(),
            prefix: prefix.clone(),
            slice: slice.clone(),
            answer,
        });
        let shards = shards.await?.into_iter().map(|channels| {
            let entry = |(channel, subscribers): (Channel, u64)| ChannelEntry {
                channel: channel.as_str().to_owned(),
                subscribers,
            };
            channels.into_iter().map(entry).collect()
        });
        let channels = merge::first_channels(shards, slice.limit);
        Ok(Report::Channels { channels })
    }

    async fn connections(
        &self,
        tenant: &str,
        user: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Report, String> {
        let (tenant, user): (Arc<str>, Option<Arc<str>>) = (tenant.into(), user.map(Arc::from));
        let slice = slice(after, limit);
        let shards = self.ask(|answer| Control::Connections {
            tenant: tenant.clone(),
            user: user.clone(),
            slice: slice.clone(),
            answer,
        });
        let connections = shards.await?.into_iter().flatten().map(|one| Connection {
            session: one.session.to_string(),
            user: one.user.map(|user| user.to_string()),
            tenant: tenant.to_string(),
            node: self.node.to_string(),
            transport: one.transport.to_owned(),
            remote_address: one.remote.to_string(),
            connected_at_ms: one.since_ms,
            channels: one.channels,
        });
        let connections = merge::first_connections(connections.collect(), slice.limit);
        Ok(Report::Connections { connections })
    }

    async fn count(&self, tenant: &str) -> Result<Report, String> {
        let tenant: Arc<str> = tenant.into();
        let counts = self.ask(|answer| Control::Count {
            tenant: tenant.clone(),
            answer,
        });
        let counts = counts.await?;
        Ok(Report::Count {
            connections: counts.iter().map(|count| count.connections).sum(),
            subscriptions: counts.iter().map(|count| count.subscriptions).sum(),
            quarantined: counts.iter().any(|count| count.quarantined),
        })
    }

    async fn read_tenant(&self, tenant: &str) -> Result<Report, String> {
        let outcome = self.pushed.read(tenant).await.map_err(|error| error.to_string())?;
        Ok(Report::Tenant {
            version: outcome.version.map(|version| version.to_string()),
            hindrance: outcome.hindrance,
        })
    }

    /// Asks all shards at once, and waits for all.
    async fn ask<T>(&self, control: impl Fn(oneshot::Sender<T>) -> Control) -> Result<Vec<T>, String> {
        let gone = || "a shard is gone".to_owned();
        let mut waiting = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            let (tell, answer) = oneshot::channel();
            shard.send(control(tell)).await.map_err(|_| gone())?;
            waiting.push(answer);
        }
        let mut answers = Vec::with_capacity(waiting.len());
        for answer in waiting {
            answers.push(answer.await.map_err(|_| gone())?);
        }
        Ok(answers)
    }
}

/// One entry more than the page has shows whether there is another page.
fn slice(after: Option<&str>, limit: usize) -> Slice {
    Slice {
        after: after.map(Arc::from),
        limit: limit.min(PAGE_ENTRIES) + 1,
    }
}

fn close_code(code: u16) -> Result<CloseCode, String> {
    codes::operator_close(code).ok_or_else(|| format!("an operator may not close with {code}"))
}
