//! Publishes the operator's message in one channel. No plugin is asked.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::gateway::api::context::Api;
use crate::gateway::api::endpoint::{AdminCall, Endpoint, Nothing, Verb};
use crate::gateway::api::message_data::{DataEncoding, MessageData};
use crate::gateway::api::problem::{
    BAD_BODY, LIMIT_EXCEEDED, ProblemDetails, ProblemKind, TOO_LARGE, UNAVAILABLE, WRONG_CONTENT,
};
use crate::gateway::api::values::{ChannelName, MessageKey};
use backplane::{Account, Allowance, PublishOptions, Published};
use chain::{Message, Permit, Unfit};
use config::{Scope, Tenant};
use protocol::names::{Channel, Topic};

pub(super) struct PublishMessage;

/// A message for one channel.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishBody {
    pub channel: ChannelName,
    /// Any JSON. Subscribers get it byte for byte.
    #[serde(skip_serializing)]
    #[schemars(with = "serde_json::Value")]
    pub data: Box<RawValue>,
    /// Where the channel is binary: how its bytes stand in `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<DataEncoding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<MessageKey>,
    /// An ephemeral message is in no history, and is the first to be dropped for a slow receiver.
    #[serde(default)]
    pub ephemeral: bool,
}

/// A message that was published, or was before.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PublishAnswer {
    /// The id of the message; for a duplicate, of the first one.
    pub message: String,
    /// The epoch of the channel's history, if the message is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// The message's offset in that history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// True if the key was seen within the channel's window, and nothing was published.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
}

impl Endpoint for PublishMessage {
    const NAME: &'static str = "publish";
    const VERB: Verb = Verb::Post;
    const PATH: &'static str = "/tenants/{tenant}/publish";
    const SUMMARY: &'static str = "Publish a message to a channel.";
    const SCOPE: Scope = Scope::Publish;
    const PROBLEMS: &'static [ProblemKind] = &[WRONG_CONTENT, LIMIT_EXCEEDED, UNAVAILABLE];
    type Tenant = Arc<Tenant>;
    type Path = Nothing;
    type Query = Nothing;
    type Body = PublishBody;
    type Answer = PublishAnswer;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<PublishAnswer, ProblemDetails> {
        let PublishBody {
            channel,
            data,
            encoding,
            key,
            ephemeral,
        } = call.body;
        let message = OperatorMessage {
            data: MessageData::read(data, encoding)?,
            key,
            ephemeral,
        };
        message.publish(&api, &call.tenant, channel.0).await
    }
}

/// A message of the operator, for any channel.
#[derive(Clone)]
pub(super) struct OperatorMessage {
    pub data: MessageData,
    pub key: Option<MessageKey>,
    pub ephemeral: bool,
}

impl OperatorMessage {
    pub(super) async fn publish(
        self,
        api: &Api,
        tenant: &Tenant,
        channel: Channel,
    ) -> Result<PublishAnswer, ProblemDetails> {
        let metrics = api.metrics.tenant(&tenant.name);
        let outcome = self.try_publish(api, tenant, channel).await;
        match &outcome {
            Ok(_) => metrics.published.inc(),
            Err(_) => metrics.refused.inc(),
        }
        Ok(outcome?.into())
    }

    async fn try_publish(self, api: &Api, tenant: &Tenant, channel: Channel) -> Result<Published, ProblemDetails> {
        self.data.check(tenant.channel(&channel).content)?;
        let options = PublishOptions {
            from: None,
            key: self.key.map(|key| key.0.into_boxed_str()),
            ephemeral: self.ephemeral,
            echo: true,
            settings: tenant.channel(&channel).clone(),
            allowance: Allowance::new(Account::Operator, tenant),
        };
        let message = Message {
            topic: Topic {
                tenant: tenant.name.clone(),
                channel,
            },
            content: self.data.content,
            data: self.data.bytes,
            tags: Vec::new(),
        };
        let permit = Permit::by_operator(message, tenant.limits.message_bytes)?;
        Ok(api.backplane.clone().publish(permit, options).await?)
    }
}

impl From<Unfit> for ProblemDetails {
    fn from(unfit: Unfit) -> Self {
        let kind = match unfit {
            Unfit::TooLarge { .. } => TOO_LARGE,
            Unfit::NotJson(_) => BAD_BODY,
        };
        kind.because(unfit.to_string())
    }
}

impl From<Published> for PublishAnswer {
    fn from(published: Published) -> Self {
        let (epoch, offset) = published.position.map(|at| (at.epoch.to_string(), at.offset)).unzip();
        Self {
            message: published.id.to_string(),
            epoch,
            offset,
            duplicate: published.duplicate,
        }
    }
}
