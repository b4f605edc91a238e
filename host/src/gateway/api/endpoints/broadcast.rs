//! Publishes one message of the operator in many channels, in each for itself: a channel that fails does not stop the
//! others, and the answer has a result for each.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::publish::{OperatorMessage, PublishAnswer};
use crate::gateway::api::context::Api;
use crate::gateway::api::endpoint::{AdminCall, Endpoint, Nothing, Verb};
use crate::gateway::api::message_data::{DataEncoding, MessageData};
use crate::gateway::api::problem::{INTERNAL, ProblemDetails, ProblemKind, TOO_LATE, WRONG_CONTENT};
use crate::gateway::api::values::{ChannelName, MessageKey};
use config::{Scope, Tenant};

/// Channels of one call at most.
const CHANNELS: usize = 1000;
/// The part of the call's time in which the answer is written that says which channels were too slow.
const TO_ANSWER: Duration = Duration::from_millis(250);

pub(super) struct BroadcastMessage;

/// A message for many channels.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BroadcastBody {
    /// In each of them the message is published once.
    #[schemars(title = "1 to 1000 channel names, each once", length(min = 1, max = CHANNELS), extend("uniqueItems" = true))]
    channels: Vec<ChannelName>,
    /// Any JSON. Subscribers get it byte for byte.
    #[serde(skip_serializing)]
    #[schemars(with = "serde_json::Value")]
    data: Box<RawValue>,
    /// Where the channels are binary: how their bytes stand in `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoding: Option<DataEncoding>,
    /// Holds in each channel for itself: the same call again publishes where it failed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<MessageKey>,
    /// An ephemeral message is in no history, and is the first to be dropped for a slow receiver.
    #[serde(default)]
    ephemeral: bool,
}

/// How often the message was published.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct BroadcastAnswer {
    /// Channels in which it was published, or was before under the same key.
    published: usize,
    /// Channels in which it was not published, or is not known to be.
    failed: usize,
    /// One for each channel, in the order of the call.
    results: Vec<ChannelResult>,
}

/// The result in one channel: `message`, or `error`.
#[derive(Debug, Serialize, JsonSchema)]
struct ChannelResult {
    channel: String,
    #[serde(flatten)]
    published: Option<PublishAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<PartProblem>,
}

/// Why publishing failed in one channel.
#[derive(Debug, Serialize, JsonSchema)]
struct PartProblem {
    /// The `code` of a problem.
    code: String,
    /// The `detail` of a problem.
    detail: String,
}

impl Endpoint for BroadcastMessage {
    const NAME: &'static str = "broadcast";
    const VERB: Verb = Verb::Post;
    const PATH: &'static str = "/tenants/{tenant}/broadcast";
    const SUMMARY: &'static str = "Publish one message to many channels.";
    const SCOPE: Scope = Scope::Publish;
    const PROBLEMS: &'static [ProblemKind] = &[WRONG_CONTENT];
    type Tenant = Arc<Tenant>;
    type Path = Nothing;
    type Query = Nothing;
    type Body = BroadcastBody;
    type Answer = BroadcastAnswer;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<BroadcastAnswer, ProblemDetails> {
        let BroadcastBody {
            channels,
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
        let until = call.until - TO_ANSWER;
        let mut results: Vec<Option<Result<PublishAnswer, ProblemDetails>>> = channels.iter().map(|_| None).collect();
        let mut tasks = JoinSet::new();
        for (index, channel) in channels.iter().enumerate() {
            let (api, tenant, message, channel) =
                (api.clone(), call.tenant.clone(), message.clone(), channel.0.clone());
            tasks.spawn(async move {
                let outcome = timeout_at(until, message.publish(&api, &tenant, channel)).await;
                let outcome =
                    outcome.unwrap_or_else(|_| Err(TOO_LATE.because("it is not known whether it was published here")));
                (index, outcome)
            });
        }
        while let Some(done) = tasks.join_next().await {
            if let Ok((index, outcome)) = done {
                results[index] = Some(outcome);
            }
        }
        let failed_task = || Err(INTERNAL.because("the log says more"));
        let outcomes = results.into_iter().map(|result| result.unwrap_or_else(failed_task));
        Ok(answer(&channels, outcomes))
    }
}

fn answer(
    channels: &[ChannelName],
    outcomes: impl Iterator<Item = Result<PublishAnswer, ProblemDetails>>,
) -> BroadcastAnswer {
    let mut answer = BroadcastAnswer {
        published: 0,
        failed: 0,
        results: Vec::with_capacity(channels.len()),
    };
    for (channel, outcome) in channels.iter().zip(outcomes) {
        let (published, error) = match outcome {
            Ok(published) => {
                answer.published += 1;
                (Some(published), None)
            }
            Err(problem) => {
                answer.failed += 1;
                let (code, detail) = problem.as_part();
                let error = PartProblem {
                    code: code.to_owned(),
                    detail: detail.to_owned(),
                };
                (None, Some(error))
            }
        };
        answer.results.push(ChannelResult {
            channel: channel.0.as_str().to_owned(),
            published,
            error,
        });
    }
    answer
}
