//! Orders on this node: told to every shard, done when every shard says so.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::order::{ChannelEntry, Connection, NodeReport, Order, Report};
use super::{PAGE_ENTRIES, merge};
use crate::protocol::codes::{self, CloseCode};
use crate::protocol::names::{Channel, Topic};
use crate::registry::Registry;
use crate::shard::{Control, Slice, Whom};

/// How long the shards may take. An order that takes longer is not taken back: a shard that was only busy
/// carries it out later, and the report says that it was not known to be done.
pub const ORDER_WAIT: Duration = Duration::from_secs(3);

/// This node, as orders meet it.
#[derive(Clone)]
pub struct Local {
    node: Arc<str>,
    registry: Arc<Registry>,
    shards: Vec<mpsc::Sender<Control>>,
}

impl Local {
    /// The node of this name, with these shards.
    pub fn new(node: Arc<str>, registry: Arc<Registry>, shards: Vec<mpsc::Sender<Control>>) -> Self {
        Self { node, registry, shards }
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
            Order::Ban {
                tenant,
                user,
                seconds,
                at_least,
            } => {
                let (tenant_name, user_name) = (tenant.as_str().into(), user.as_str().into());
                let length = Duration::from_secs(*seconds);
                // The ban first: whoever connects after their connections were ended meets it.
                if *at_least {
                    self.registry.ban(&tenant_name, &user_name, length);
                } else {
                    self.registry.set_ban(&tenant_name, &user_name, length);
                }
                self.cut_off(tenant, &Whom::User(user_name), codes::BANNED).await
            }
            Order::Unban { tenant, user } => {
                let (tenant, user) = (tenant.as_str().into(), user.as_str().into());
                let lifted = self.registry.unban(&tenant, &user);
                Ok(Report::Done {
                    affected: lifted.into(),
                })
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
        }
    }

    async fn cut_off(&self, tenant: &str, whom: &Whom, code: CloseCode) -> Result<Report, String> {
        let tenant: Arc<str> = tenant.into();
        let counts = self.ask(|done| Control::CutOff {
            tenant: tenant.clone(),
            whom: whom.clone(),
            code,
            done: Some(done),
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

/// One entry more than the page has tells whether there is another page.
fn slice(after: Option<&str>, limit: usize) -> Slice {
    Slice {
        after: after.map(Arc::from),
        limit: limit.min(PAGE_ENTRIES) + 1,
    }
}

fn close_code(code: u16) -> Result<CloseCode, String> {
    codes::operator_close(code).ok_or_else(|| format!("an operator may not close with {code}"))
}
