//! How a ticket in a query becomes the token behind it.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::StatusCode;
use tickets::{Opens, TicketsUnavailable};

use super::entry::unavailable;
use super::query::{self, QueryPair};
use super::refusal::HttpRefusal;
use super::state::Gateway;
use super::turned_away::COME_BACK;
use config::Tenant;

/// The pairs of a request's query.
pub(super) fn query(request: &Request) -> Result<Vec<QueryPair>, HttpRefusal> {
    query::pairs(request.uri()).map_err(|error| HttpRefusal::new(StatusCode::BAD_REQUEST, error.to_string()))
}

/// The ticket in a request's query.
pub(super) fn of_query(request: &Request) -> Result<Option<String>, HttpRefusal> {
    let mut tickets = query(request)?.into_iter().filter(|(name, _)| name == "ticket");
    let first = tickets.next().map(|(_, ticket)| ticket);
    if tickets.next().is_some() {
        return Err(HttpRefusal::new(
            StatusCode::BAD_REQUEST,
            "the query has more than one ticket",
        ));
    }
    Ok(first)
}

/// The token behind a ticket that opens something.
pub(super) async fn redeem(
    gateway: &Gateway,
    remote: IpAddr,
    tenant: &Tenant,
    ticket: &str,
    opens: Opens,
) -> Result<String, HttpRefusal> {
    check_penalty(gateway, remote)?;
    let redeemed = gateway.tickets.redeem(&tenant.name, ticket, opens).await;
    token(gateway, remote, redeemed)
}

/// The token behind a ticket that opened a stream, or opens one now. `comes_back`: the client says how far it has the stream.
pub(super) async fn redeem_for_stream(
    gateway: &Gateway,
    remote: IpAddr,
    tenant: &Tenant,
    ticket: &str,
    comes_back: bool,
) -> Result<String, HttpRefusal> {
    check_penalty(gateway, remote)?;
    let redeemed = match gateway.tickets.redeem(&tenant.name, ticket, Opens::Stream).await {
        Ok(None) if comes_back => gateway.tickets.resume(&tenant.name, ticket).await,
        redeemed => redeemed,
    };
    token(gateway, remote, redeemed)
}

/// Whoever's address failed to authenticate too often has to wait.
pub(super) fn check_penalty(gateway: &Gateway, remote: IpAddr) -> Result<(), HttpRefusal> {
    match gateway.doorkeeper.penalty(remote) {
        None => Ok(()),
        Some(left) => {
            let sentence = "too many authentications from this address failed; try again later";
            Err(HttpRefusal::new(StatusCode::TOO_MANY_REQUESTS, sentence).retry_after(left))
        }
    }
}

fn token(
    gateway: &Gateway,
    remote: IpAddr,
    redeemed: Result<Option<String>, TicketsUnavailable>,
) -> Result<String, HttpRefusal> {
    match redeemed {
        Ok(Some(token)) => Ok(token),
        Ok(None) => {
            gateway.doorkeeper.failed(remote);
            let sentence = "the ticket is used, too old or not of this tenant; get a new one by POST /ticket";
            Err(HttpRefusal::new(StatusCode::UNAUTHORIZED, sentence))
        }
        Err(error) => {
            tracing::warn!(%error, "a ticket could not be looked up");
            Err(unavailable("tickets cannot be looked up now", COME_BACK))
        }
    }
}
