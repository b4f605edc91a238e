//! Many nodes' reports made one. Pure.
//!
//! For a page of `limit` entries, each node reports its first `limit + 1` after the cursor. An entry that is among
//! the first `limit` of all nodes together is among the first `limit` of every node that has it. So sums over
//! a page are complete, and one further entry shows that there is another page.

use std::collections::BTreeMap;

use super::order::{ChannelEntry, Connection, NodeCount, NodeReport, Report};

/// A part of a list, and the cursor to the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub entries: Vec<T>,
    /// The `after` of the next page; none after the last.
    pub next: Option<String>,
}

/// The nodes that did not carry out the order, each with the reason. A node that sent a report of another kind,
/// as one of another version may, is among them.
pub fn unreached(reports: &[NodeReport], answers: fn(&Report) -> bool) -> impl Iterator<Item = (&str, &str)> {
    reports.iter().filter_map(move |report| match &report.result {
        Ok(told) if answers(told) => None,
        Ok(_) => Some((report.node.as_str(), "it answered something else than it was asked")),
        Err(why) => Some((report.node.as_str(), why.as_str())),
    })
}

/// The sum of what all nodes affected.
pub fn done(reports: &[NodeReport]) -> u64 {
    let affected = reports.iter().map(|report| match &report.result {
        Ok(Report::Done { affected }) => *affected,
        _ => 0,
    });
    affected.sum()
}

/// A page of the channels of all nodes, each with the subscribers of all nodes.
pub fn channels(reports: Vec<NodeReport>, limit: usize) -> Page<ChannelEntry> {
    let nodes = reports.into_iter().filter_map(|report| match report.result {
        Ok(Report::Channels { channels }) => Some(channels),
        _ => None,
    });
    page(first_channels(nodes, limit.saturating_add(1)), limit, |entry| {
        &entry.channel
    })
}

/// A page of the connections of all nodes.
pub fn connections(reports: Vec<NodeReport>, limit: usize) -> Page<Connection> {
    let nodes = reports.into_iter().filter_map(|report| match report.result {
        Ok(Report::Connections { connections }) => Some(connections),
        _ => None,
    });
    let first = first_connections(nodes.flatten().collect(), limit.saturating_add(1));
    page(first, limit, |entry| &entry.session)
}

/// What each node counted, in the order of their names. A node that hands over to another process is two for a while.
pub fn counts(reports: &[NodeReport]) -> Vec<NodeCount> {
    let mut counts: BTreeMap<&str, NodeCount> = BTreeMap::new();
    for report in reports {
        if let Ok(Report::Count {
            connections,
            subscriptions,
            quarantined,
        }) = report.result
        {
            let count = counts.entry(&report.node).or_insert_with(|| NodeCount {
                node: report.node.clone(),
                connections: 0,
                subscriptions: 0,
                quarantined: false,
            });
            count.connections += connections;
            count.subscriptions += subscriptions;
            count.quarantined |= quarantined;
        }
    }
    counts.into_values().collect()
}

/// The first channels of several lists. Subscribers of channels with one name are added up.
pub(super) fn first_channels(lists: impl Iterator<Item = Vec<ChannelEntry>>, limit: usize) -> Vec<ChannelEntry> {
    let mut sums = BTreeMap::new();
    for entry in lists.flatten() {
        *sums.entry(entry.channel).or_default() += entry.subscribers;
    }
    let entry = |(channel, subscribers)| ChannelEntry { channel, subscribers };
    sums.into_iter().take(limit).map(entry).collect()
}

/// The first connections, by their sessions.
pub(super) fn first_connections(mut connections: Vec<Connection>, limit: usize) -> Vec<Connection> {
    connections.sort_by(|one, other| one.session.cmp(&other.session));
    connections.truncate(limit);
    connections
}

fn page<T>(mut entries: Vec<T>, limit: usize, name: impl Fn(&T) -> &String) -> Page<T> {
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(|last| name(last).clone());
    Page { entries, next }
}
