//! Reads a channel's messages.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::gateway::api::context::Api;
use crate::gateway::api::endpoint::{AdminCall, Endpoint, Nothing, Verb};
use crate::gateway::api::problem::{
    BAD_QUERY, INTERNAL, NO_HISTORY, ProblemDetails, ProblemKind, UNAVAILABLE, UNRECOVERABLE,
};
use crate::gateway::api::values::{ChannelPath, Limit, Offset};
use crate::session::{ANSWER_BYTES, fitting};
use backplane::HistoryRange;
use config::{Scope, Tenant};
use protocol::names::Topic;
use protocol::{Codec, Position};

pub(super) struct ReadHistory;

/// The part of the history to read.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryQuery {
    #[serde(default)]
    limit: Limit,
    /// Comes together with `since_offset`: only messages after this position; before it, if reversed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    since_epoch: Option<String>,
    /// Comes together with `since_epoch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Offset")]
    since_offset: Option<Offset>,
    /// The newest message comes first.
    #[serde(default)]
    reverse: bool,
}

/// A part of the history, oldest message first unless reversed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HistoryAnswer {
    channel: String,
    /// The epoch of the history: offsets of another one mean nothing here.
    epoch: String,
    /// The offset of the newest message; 0 if there was none yet.
    offset: u64,
    /// Messages as subscribers get them. Fewer than asked for if they are large: ask again from the last one.
    #[schemars(with = "Vec<serde_json::Value>")]
    messages: Vec<Box<RawValue>>,
}

impl Endpoint for ReadHistory {
    const NAME: &'static str = "readHistory";
    const VERB: Verb = Verb::Get;
    const PATH: &'static str = "/tenants/{tenant}/channels/{channel}/history";
    const SUMMARY: &'static str = "Read the messages of a channel.";
    const SCOPE: Scope = Scope::Read;
    const PROBLEMS: &'static [ProblemKind] = &[NO_HISTORY, UNRECOVERABLE, UNAVAILABLE];
    type Tenant = Arc<Tenant>;
    type Path = ChannelPath;
    type Query = HistoryQuery;
    type Body = Nothing;
    type Answer = HistoryAnswer;

    async fn carry_out(api: Arc<Api>, call: AdminCall<Self>) -> Result<HistoryAnswer, ProblemDetails> {
        let topic = Topic {
            tenant: call.tenant.name.clone(),
            channel: call.path.channel.0,
        };
        let settings = call.tenant.channel(&topic.channel);
        if settings.history.is_none() {
            return Err(NO_HISTORY.because("history in its [[tenants.channels]] turns it on"));
        }
        let reverse = call.query.reverse;
        let range = HistoryRange {
            limit: Some(call.query.limit.entries()),
            since: since(call.query)?,
            reverse,
            bytes: Some(ANSWER_BYTES),
        };
        let page = api.backplane.history(&topic, settings, range).await?;
        // Backwards, what is gone is simply the end.
        if !page.whole && !reverse {
            return Err(UNRECOVERABLE.because("read it without since"));
        }
        let raw = |json: bytes::Bytes| {
            let text = String::from_utf8(json.into()).map_err(|error| error.to_string())?;
            RawValue::from_string(text).map_err(|error| error.to_string())
        };
        let messages = fitting(&page.messages, Codec::Json, ANSWER_BYTES)
            .map(raw)
            .collect::<Result<_, _>>();
        Ok(HistoryAnswer {
            channel: topic.channel.as_str().to_owned(),
            epoch: page.newest.epoch.to_string(),
            offset: page.newest.offset,
            messages: messages.map_err(|error| INTERNAL.because(error))?,
        })
    }
}

fn since(query: HistoryQuery) -> Result<Option<Position>, ProblemDetails> {
    match (query.since_epoch, query.since_offset) {
        (Some(epoch), Some(offset)) => Ok(Some(Position {
            epoch: epoch.into(),
            offset: offset.0,
        })),
        (None, None) => Ok(None),
        _ => Err(BAD_QUERY.because("since_epoch and since_offset come together")),
    }
}
