//! `broadcast`: the operator says one thing in many channels. Each is published for itself: one that fails
//! does not stop the others, and the answer says what became of each.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::Api;
use super::endpoint::{Call, Endpoint, Nothing, Verb};
use super::problem::{BAD_BODY, INTERNAL, Problem, TOO_LATE};
use super::publish::{PublishAnswer, Saying};
use super::values::{ChannelName, MessageKey};
use crate::config::Scope;

/// Channels of one call at most.
const CHANNELS: usize = 1000;
/// Kept of the call's time to say which channels were too slow.
const TO_ANSWER: Duration = Duration::from_millis(250);

pub(super) struct Broadcast;

/// What to say, and in which channels.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BroadcastBody {
    /// Each once.
    #[schemars(length(min = 1, max = CHANNELS))]
    channels: Vec<ChannelName>,
    /// Any JSON. Subscribers get it byte for byte.
    #[serde(skip_serializing)]
    #[schemars(with = "serde_json::Value")]
    data: Box<RawValue>,
    /// Of each of the channels for itself: sending the same again publishes where it failed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<MessageKey>,
    /// Takes no history, and is the first to be dropped for a slow receiver.
    #[serde(default)]
    ephemeral: bool,
}

/// What became of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct BroadcastAnswer {
    /// Channels in which it was published, or was before under the same key.
    published: usize,
    /// Channels in which it was not, or is not known to be.
    failed: usize,
    /// One for each channel, in the order of the call.
    results: Vec<ChannelResult>,
}

/// What became of it in one channel: `message`, or `error`.
#[derive(Debug, Serialize, JsonSchema)]
struct ChannelResult {
    channel: String,
    #[serde(flatten)]
    published: Option<PublishAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<PartProblem>,
}

/// Why it failed in one channel.
#[derive(Debug, Serialize, JsonSchema)]
struct PartProblem {
    /// As in a problem.
    code: String,
    /// As in a problem.
    detail: String,
}

impl Endpoint for Broadcast {
    const NAME: &'static str = "broadcast";
    const VERB: Verb = Verb::Post;
    const PATH: &'static str = "/tenants/{tenant}/broadcast";
    const SUMMARY: &'static str = "Publish one message to many channels.";
    const SCOPE: Scope = Scope::Publish;
    type Path = Nothing;
    type Query = Nothing;
    type Body = BroadcastBody;
    type Answer = BroadcastAnswer;

    async fn carry_out(api: Arc<Api>, call: Call<Self>) -> Result<BroadcastAnswer, Problem> {
        let BroadcastBody {
            channels,
            data,
            key,
            ephemeral,
        } = call.body;
        check(&channels)?;
        let saying = Saying {
            data: Bytes::from(String::from(Box::<str>::from(data))),
            key,
            ephemeral,
        };
        let until = call.until - TO_ANSWER;
        let mut results: Vec<Option<Result<PublishAnswer, Problem>>> = channels.iter().map(|_| None).collect();
        let mut tasks = JoinSet::new();
        for (index, channel) in channels.iter().enumerate() {
            let (api, tenant, saying, channel) = (api.clone(), call.tenant.clone(), saying.clone(), channel.0.clone());
            tasks.spawn(async move {
                let outcome = timeout_at(until, saying.publish(&api, &tenant, channel)).await;
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

fn check(channels: &[ChannelName]) -> Result<(), Problem> {
    if channels.is_empty() || channels.len() > CHANNELS {
        let found = channels.len();
        return Err(BAD_BODY.because(format!("channels: 1 to {CHANNELS}, not {found}")));
    }
    let mut seen = HashSet::with_capacity(channels.len());
    match channels.iter().find(|channel| !seen.insert(&channel.0)) {
        Some(twice) => Err(BAD_BODY.because(format!("channels: {:?} is there twice", twice.0.as_str()))),
        None => Ok(()),
    }
}

fn answer(channels: &[ChannelName], outcomes: impl Iterator<Item = Result<PublishAnswer, Problem>>) -> BroadcastAnswer {
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
