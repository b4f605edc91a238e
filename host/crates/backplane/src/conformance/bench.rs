//! What the suite speaks with: a backplane, what its shards are sent, and the words to say it in.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{
    Account, Allowance, Backplane, Envelope, HistoryRange, InboxReceiver, Interest, PublishOptions, Published,
    Rejection, Reply,
};
use chain::{Asked, Caller, Chain, Defaults, PublishDecision, PublishQuestion};
use config::{ChannelSettings, History};
use protocol::names::{Channel, Topic};
use protocol::{Content, Member};

/// What most tests may have.
pub(crate) const ANY: Allowance = Allowance::UNLIMITED;

/// A backplane for two shards, and what each of them is sent.
pub(crate) struct Bench {
    pub backplane: Arc<dyn Backplane>,
    pub inboxes: Vec<InboxReceiver>,
}

pub(crate) fn topic(name: &str) -> Topic {
    Topic {
        tenant: "acme".into(),
        channel: Channel::parse(name).unwrap(),
    }
}

pub(crate) fn with_history(size: usize) -> Arc<ChannelSettings> {
    Arc::new(ChannelSettings {
        history: Some(History {
            size,
            ttl: Duration::from_mins(1),
        }),
        presence: true,
        join_leave: true,
        ..ChannelSettings::default()
    })
}

pub(crate) fn member(session: &str) -> Member {
    Member {
        user: Some("ann".into()),
        session: session.into(),
    }
}

impl Bench {
    /// Publishes as the chain would let it.
    pub(crate) async fn publish(&self, topic: &Topic, data: &str, options: PublishOptions) -> Published {
        self.ask(topic, data, options).await.unwrap()
    }

    /// The same, for who waits in another way.
    pub(crate) fn ask(
        &self,
        topic: &Topic,
        data: &str,
        options: PublishOptions,
    ) -> Reply<'static, Published, Rejection> {
        let defaults = Defaults {
            anonymous: true,
            allow: true,
            message_bytes: 100_000,
        };
        let caller = Caller::new("s".into(), topic.tenant.clone(), [127, 0, 0, 1].into(), "websocket");
        let mut chain = Chain::new(Vec::new(), defaults);
        let data = Bytes::copy_from_slice(data.as_bytes());
        let question = PublishQuestion::new(topic.channel.clone(), Content::Json, data, true);
        let asked = chain.ask(question, &Arc::new(caller), &mut || false);
        let Asked::Answered(Ok(PublishDecision::Pass(permit))) = asked else {
            panic!("an open chain passes everything");
        };
        self.backplane.clone().publish(permit, options)
    }

    /// What shard `index` was sent so far, as text: the data of messages, `join`s and `leave`s.
    pub(crate) async fn received(&mut self, index: usize) -> Vec<String> {
        self.envelopes(index).await.iter().map(text).collect()
    }

    /// What shard `index` was sent so far.
    pub(crate) async fn envelopes(&mut self, index: usize) -> Vec<Envelope> {
        // What comes after everything else that was sent before.
        let barrier = topic("barrier");
        let settings = Arc::default();
        let seat = Interest::join(&self.backplane, &barrier, &settings, &ANY, index)
            .await
            .unwrap();
        self.publish(&barrier, "barrier", options(&settings)).await;
        let mut received = Vec::new();
        loop {
            let envelope = self.next(index).await;
            if *envelope.topic() == barrier {
                break;
            }
            received.push(envelope);
        }
        drop(seat);
        received
    }

    pub(crate) async fn next(&mut self, index: usize) -> Envelope {
        let envelope = tokio::time::timeout(Duration::from_secs(5), self.inboxes[index].next()).await;
        envelope.expect("something comes")
    }

    /// The next that shard `index` is sent.
    pub(crate) async fn received_one(&mut self, index: usize) -> String {
        text(&self.next(index).await)
    }

    /// What lies in the inbox of shard `index` now.
    pub(crate) fn waiting(&mut self, index: usize) -> Vec<String> {
        let inbox = &mut self.inboxes[index];
        std::iter::from_fn(|| inbox.try_next())
            .map(|envelope| text(&envelope))
            .collect()
    }

    pub(crate) async fn history(
        &self,
        topic: &Topic,
        settings: &ChannelSettings,
        range: HistoryRange,
    ) -> (u64, Vec<u64>, bool) {
        let page = self.backplane.history(topic, settings, range).await.unwrap();
        let offsets = page.messages.iter().map(|m| m.position.as_ref().unwrap().offset);
        (page.newest.offset, offsets.collect(), page.whole)
    }
}

pub(super) fn text(envelope: &Envelope) -> String {
    match envelope {
        Envelope::Message(publication) => String::from_utf8(publication.data.to_vec()).unwrap(),
        Envelope::Presence(change) => {
            let kind = if change.joined { "join" } else { "leave" };
            format!("{kind} {}", change.member.session)
        }
        Envelope::Lost(topic) => format!("lost {topic}"),
    }
}

pub(crate) fn options(settings: &Arc<ChannelSettings>) -> PublishOptions {
    PublishOptions {
        from: None,
        key: None,
        ephemeral: false,
        echo: true,
        settings: settings.clone(),
        allowance: ANY,
    }
}

/// What `user` may have of a tenant with these limits.
pub(crate) fn allowance(user: &str, open_channels: usize, history_bytes: usize) -> Allowance {
    Allowance {
        account: Account::User(user.into()),
        open_channels,
        history_bytes,
        ..ANY
    }
}
