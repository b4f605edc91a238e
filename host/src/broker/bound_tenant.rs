//! A tenant with its plugins, and what a shard has to do to run it so.

use std::sync::Arc;

use super::link::{BoundLink, chain_problem};
use super::quarantined::{QuarantinedTenant, reason};
use super::wanted::{Owner, WantedTenant};
use crate::shard::{NewRules, NewTenant};
use chain::{Chain, Defaults};
use config::{ChainEntry, Problem, Tenant};
use sandbox::{FirstUse, Plugin, UnusablePlugin};

#[derive(Clone)]
pub(super) struct BoundTenant {
    /// What it is to have.
    pub wanted: Arc<Tenant>,
    /// What it has: the same, or, if it is quarantined and keeps something, what it had.
    pub settings: Arc<Tenant>,
    /// One for each entry of the chain in `settings`. None: it is quarantined, and has nothing that it could keep.
    pub links: Option<Vec<BoundLink>>,
    /// Why it is quarantined; empty if it is not.
    pub problems: Vec<Problem>,
    pub owner: Owner,
    /// Whether its plugins may work at another time. What is wrong with a pushed file stays wrong.
    pub may_recover: bool,
}

// === impl BoundTenant ===

impl BoundTenant {
    /// A tenant that runs as it is wanted.
    pub(super) fn running(wanted: Arc<Tenant>, owner: Owner, links: Vec<BoundLink>) -> Self {
        Self {
            settings: wanted.clone(),
            wanted,
            links: Some(links),
            problems: Vec::new(),
            owner,
            may_recover: true,
        }
    }

    /// A tenant that cannot run as it is wanted: it keeps what it had `before`, or is closed.
    pub(super) fn failed(wanted: Arc<Tenant>, owner: Owner, problems: Vec<Problem>, before: Option<&Self>) -> Self {
        let kept = before.and_then(|before| Some((before.settings.clone(), before.links.clone()?)));
        let (settings, links) = match kept {
            Some((settings, links)) => (settings, Some(links)),
            None => (wanted.clone(), None),
        };
        Self {
            wanted,
            settings,
            links,
            problems,
            owner,
            may_recover: true,
        }
    }

    /// It is to run as it is wanted.
    pub(super) fn wanted(&self) -> WantedTenant {
        WantedTenant {
            tenant: self.wanted.clone(),
            owner: self.owner,
        }
    }

    /// It keeps nothing.
    pub(super) fn close(&mut self) {
        self.settings.clone_from(&self.wanted);
        self.links = None;
    }

    /// Its plugins, each with what it is bound by.
    pub(super) fn chain(&self) -> impl Iterator<Item = (&ChainEntry, &BoundLink)> {
        self.settings.chain.iter().zip(self.links.iter().flatten())
    }

    pub(super) fn is_quarantined(&self) -> bool {
        !self.problems.is_empty()
    }

    pub(super) fn quarantined(&self) -> Option<QuarantinedTenant> {
        Some(QuarantinedTenant {
            name: self.settings.name.clone(),
            keeps: self.links.is_some(),
            reason: self.problems.first().map(reason)?,
        })
    }

    /// Whether it runs `wanted` already, with these plugins.
    pub(super) fn runs(&self, wanted: &Arc<Tenant>, plugin: impl Fn(&str) -> Option<Arc<Plugin>>) -> bool {
        let is_same = Arc::ptr_eq(&self.wanted, wanted) || *self.wanted == **wanted;
        let is_bound = |link: &BoundLink| {
            let present = plugin(link.plugin.name());
            present.is_some_and(|present| Arc::ptr_eq(&present, &link.plugin))
        };
        is_same && !self.is_quarantined() && self.links.as_ref().is_some_and(|links| links.iter().all(is_bound))
    }

    /// What its plugins, as they are bound now, tell of their first use.
    pub(super) fn first_use(&self) -> Option<&Arc<FirstUse>> {
        let first = self.links.as_ref()?.first()?;
        Some(first.binding.first_use())
    }

    pub(super) fn has(&self, first_use: &Arc<FirstUse>) -> bool {
        self.first_use().is_some_and(|own| Arc::ptr_eq(own, first_use))
    }

    /// What is wrong with a plugin of its chain.
    pub(super) fn problem(&self, failed: &UnusablePlugin) -> Option<Problem> {
        let (entry, link) = self.chain().find(|(entry, _)| entry.plugin == failed.plugin)?;
        // It was checked when it was loaded.
        let schema = link.plugin.settings_schema().map(serde_json::from_str);
        let schema = schema.and_then(Result::ok);
        Some(chain_problem(&self.settings, entry, schema.as_ref(), &failed.reason))
    }

    /// What a shard has to do that ran it as it was `before`: nothing that changes nothing.
    pub(super) fn for_shard(&self, before: Option<&Self>) -> NewTenant {
        NewTenant {
            settings: self.settings.clone(),
            rules: self.rules(before),
            quarantined: self.is_quarantined(),
        }
    }

    fn rules(&self, before: Option<&Self>) -> NewRules {
        let Some(links) = &self.links else {
            return NewRules::Closed;
        };
        let defaults = self.defaults();
        if before.is_some_and(|before| before.has_links(links) && before.defaults() == defaults) {
            return NewRules::SameChain;
        }
        let links = links.clone();
        NewRules::Chain {
            eager: links.iter().any(|link| link.binding.is_eager()),
            first_use: self.first_use().cloned().unwrap_or_default(),
            build: Box::new(move || Chain::new(links.into_iter().map(BoundLink::on_this_shard).collect(), defaults)),
        }
    }

    fn has_links(&self, others: &[BoundLink]) -> bool {
        let Some(links) = &self.links else { return false };
        let is_same = |(own, other): (&BoundLink, &BoundLink)| {
            Arc::ptr_eq(&own.binding, &other.binding) && own.on_fault == other.on_fault
        };
        links.len() == others.len() && links.iter().zip(others).all(is_same)
    }

    fn defaults(&self) -> Defaults {
        Defaults {
            anonymous: self.settings.anonymous,
            allow: self.settings.default_allow,
            message_bytes: self.settings.limits.message_bytes,
        }
    }
}
