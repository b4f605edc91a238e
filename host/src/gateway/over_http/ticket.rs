//! `POST /ticket`: for a token, something that a URL may have, once.

use std::rc::Rc;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use tickets::{IssueRefused, REDEEMABLE};

use super::answers::{ClientPage, boxed, json as json_body};
use crate::gateway::bearer;
use crate::gateway::entry::{self, Admitted, Entrant, Stay, unavailable};
use crate::gateway::refusal::HttpRefusal;
use crate::gateway::state::Gateway;
use crate::gateway::turned_away::COME_BACK;
use crate::session::{TokenRefused, Transport};
use crate::shard::Shard;

/// A token that is to be judged.
#[derive(Clone)]
pub(in crate::gateway) struct TicketRequest {
    admitted: Admitted,
    page: ClientPage,
}

pub(in crate::gateway) fn answer(
    gateway: &Gateway,
    named: Option<&str>,
    request: &Request,
) -> Result<Box<TicketRequest>, Box<Response>> {
    let page = ClientPage::of(gateway, named, request).map_err(boxed)?;
    let judged = judge(gateway, &page, request).map(Box::new);
    judged.map_err(|refusal| page.answer(Err(refusal)).into())
}

fn judge(gateway: &Gateway, page: &ClientPage, request: &Request) -> Result<TicketRequest, HttpRefusal> {
    let visit = entry::visit(request)?;
    let remote = visit.peer.client(request.headers());
    entry::check_node(gateway, visit)?;
    let Some(token) = bearer::header_token(request.headers())? else {
        let sentence = "a ticket is given for a token: send it as Authorization: Bearer TOKEN";
        return Err(HttpRefusal::new(StatusCode::UNAUTHORIZED, sentence));
    };
    let shown = entry::shown(request, page.origin.as_deref());
    let entrant = Entrant {
        token: Some(token),
        request: shown,
        stay: Stay::WithConnection,
    };
    Ok(TicketRequest {
        admitted: entry::admit(gateway, visit, remote, &page.tenant, entrant)?,
        page: page.clone(),
    })
}

// === impl TicketRequest ===

impl TicketRequest {
    /// Has the tenant's plugins judge the token, and keeps it for who brings the ticket.
    pub(in crate::gateway) async fn issue(self, gateway: &Arc<Gateway>, shard: &Rc<Shard>) -> Response {
        let page = self.page.clone();
        let answered = self.judge(gateway, shard).await;
        page.answer(answered)
    }

    async fn judge(self, gateway: &Arc<Gateway>, shard: &Rc<Shard>) -> Result<Response, HttpRefusal> {
        let token = self.admitted.token.clone().unwrap_or_default();
        let posts = gateway.sessions.add(&self.admitted.tenant);
        let (name, transport) = (
            posts.name.clone(),
            Transport::Polls {
                posts,
                codec: protocol::Codec::Json,
            },
        );
        let tenant = &self.page.tenant;
        let Some(opening) = self.admitted.opening(name, transport, None) else {
            return Err(unavailable("the token cannot be judged now", COME_BACK));
        };
        let Some(of_shard) = shard.tenant(&tenant.name) else {
            return Err(unavailable("the tenant cannot be served now", COME_BACK));
        };
        let expires_ms = opening.judge_token(shard.clone(), of_shard).await.map_err(refused)?;
        let limit = tenant.limits.tickets;
        let issued = gateway.tickets.issue(&tenant.name, &token, expires_ms, limit).await;
        let ticket = issued.map_err(|error| {
            let sentence = error.to_string();
            match error {
                IssueRefused::Full { retry_after, .. } => {
                    HttpRefusal::new(StatusCode::TOO_MANY_REQUESTS, sentence).retry_after(retry_after)
                }
                IssueRefused::TokenTooLarge => HttpRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, sentence),
                IssueRefused::Unavailable(error) => {
                    tracing::warn!(%error, "a ticket could not be issued");
                    unavailable("no ticket can be issued now", COME_BACK)
                }
            }
        })?;
        let expires_in_ms = u64::try_from(REDEEMABLE.as_millis()).unwrap_or(u64::MAX);
        Ok(json_body(
            json!({ "ticket": ticket, "expires_in_ms": expires_in_ms }).to_string(),
        ))
    }
}

fn refused(
    TokenRefused {
        code,
        sentence,
        retry_after,
    }: TokenRefused,
) -> HttpRefusal {
    let status = match code {
        4429 => StatusCode::TOO_MANY_REQUESTS,
        4503 | 4504 => StatusCode::SERVICE_UNAVAILABLE,
        4403 | 4451 => StatusCode::FORBIDDEN,
        _ => StatusCode::UNAUTHORIZED,
    };
    let refusal = HttpRefusal::new(status, sentence);
    match (status, retry_after) {
        (_, Some(wait)) => refusal.retry_after(wait),
        (StatusCode::SERVICE_UNAVAILABLE, None) => refusal.retry_after(COME_BACK),
        _ => refusal,
    }
}
