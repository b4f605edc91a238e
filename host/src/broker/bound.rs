//! Tenants with their plugins, ready for shards; and which of them are quarantined. A tenant is never run without one of
//! its plugins: it runs as configured, or keeps all that it had, or sends its clients away.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use printable::printable;

use super::attempt::{Attempt, BoundLink, chain_problem};
use crate::shard::{NewRules, NewTenant};
use chain::{Chain, Defaults};
use config::{Config, Problem, Problems, Tenant};
use sandbox::{FirstUse, UnusablePlugin};

/// Bytes of one reason in logs and on `/readyz`; guests choose parts of them.
const REASON_BYTES: usize = 512;

/// The tenants of a config, each with its rules.
pub struct Bound {
    tenants: Vec<BoundTenant>,
    /// What is wrong with plugins that no tenant uses.
    unused: Vec<Problem>,
}

#[derive(Clone)]
struct BoundTenant {
    settings: Arc<Tenant>,
    /// None: it is quarantined, and has nothing that it could keep.
    links: Option<Vec<BoundLink>>,
    /// Whether shards do not have it yet.
    is_new: bool,
    /// Why it is quarantined; empty if it is not.
    problems: Vec<Problem>,
}

/// A tenant whose plugins failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QuarantinedTenant {
    pub name: Arc<str>,
    /// Whether it runs as it did before the reload; else its clients are sent away.
    pub keeps: bool,
    /// The first thing that was wrong: one line, without what could do harm in a log.
    pub reason: String,
}

// === impl QuarantinedTenant ===

impl QuarantinedTenant {
    /// What it means for its clients.
    pub(super) fn consequence(&self) -> &'static str {
        if self.keeps {
            "it keeps the settings and plugins that it had"
        } else {
            "its clients are sent away"
        }
    }
}

impl fmt::Display for QuarantinedTenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.name, self.consequence(), self.reason)
    }
}

// === impl Bound ===

impl Bound {
    /// What becomes of each tenant. One that failed keeps what it had `before`, or is closed.
    ///
    /// # Errors
    /// The problems, if there are any and the config is strict, all tenants failed, or the default tenant has nothing
    /// that it could keep.
    pub(super) fn settle(config: &Config, attempt: Attempt, before: Option<&Self>) -> Result<Self, Problems> {
        let Attempt { problems, tenants } = attempt;
        let bound = config.tenants.iter().zip(tenants).map(|(settings, tried)| match tried {
            Some(Ok(links)) => BoundTenant {
                settings: settings.clone(),
                links: Some(links),
                is_new: true,
                problems: Vec::new(),
            },
            Some(Err(problems)) => Self::quarantine(settings, problems, before),
            None => Self::quarantine(settings, Vec::new(), before),
        });
        let bound: Vec<BoundTenant> = bound.collect();
        let is_default = |tenant: &BoundTenant| Some(&tenant.settings.name) == config.server.default_tenant.as_ref();
        let all_failed = bound.iter().all(BoundTenant::is_quarantined);
        let no_default = bound.iter().any(|tenant| is_default(tenant) && tenant.links.is_none());
        if !problems.is_empty() && (config.server.strict || all_failed || no_default) {
            return Err(problems.into());
        }
        let concerns = |problem: &Problem| bound.iter().any(|tenant| tenant.problems.contains(problem));
        let unused = problems.into_iter().filter(|problem| !concerns(problem)).collect();
        Ok(Self { tenants: bound, unused })
    }

    fn quarantine(settings: &Arc<Tenant>, problems: Vec<Problem>, before: Option<&Self>) -> BoundTenant {
        let had = before.and_then(|before| {
            before
                .tenants
                .iter()
                .find(|tenant| tenant.settings.name == settings.name)
        });
        match had {
            Some(had) if had.links.is_some() => BoundTenant {
                is_new: false,
                problems,
                ..had.clone()
            },
            _ => BoundTenant {
                settings: settings.clone(),
                links: None,
                is_new: true,
                problems,
            },
        }
    }

    /// The same tenants after some were tried again.
    pub(super) fn after_retry(&self, config: &Config, attempt: Attempt) -> Self {
        let tenants = self.tenants.iter().zip(&config.tenants).zip(attempt.tenants);
        let tenants = tenants.map(|((tenant, settings), tried)| match tried {
            Some(Ok(links)) => BoundTenant {
                settings: settings.clone(),
                links: Some(links),
                is_new: true,
                problems: Vec::new(),
            },
            Some(Err(problems)) => BoundTenant {
                is_new: false,
                problems,
                ..tenant.clone()
            },
            None => BoundTenant {
                is_new: false,
                ..tenant.clone()
            },
        });
        Self {
            tenants: tenants.collect(),
            unused: Vec::new(),
        }
    }

    /// The same tenants, but that those with these plugins are quarantined: they could not be used when they were first
    /// asked. What was replaced meanwhile is no matter.
    pub(super) fn after_first_use(&self, unusable: &[UnusablePlugin]) -> Self {
        let tenants = self.tenants.iter().map(|tenant| {
            let failed = unusable.iter().filter(|failed| tenant.has(&failed.first_use));
            let problems: Vec<Problem> = failed.filter_map(|failed| tenant.problem(failed)).collect();
            if problems.is_empty() {
                return BoundTenant {
                    is_new: false,
                    ..tenant.clone()
                };
            }
            BoundTenant {
                settings: tenant.settings.clone(),
                links: None,
                is_new: true,
                problems,
            }
        });
        Self {
            tenants: tenants.collect(),
            unused: Vec::new(),
        }
    }

    /// The tenants of `config`, of which those that were tried are new or others than `before`.
    pub(super) fn after_change(config: &Config, attempt: Attempt, before: &Self) -> Self {
        let mut had: HashMap<&str, &BoundTenant> = HashMap::new();
        had.extend(before.tenants.iter().map(|tenant| (&*tenant.settings.name, tenant)));
        let tenants = config
            .tenants
            .iter()
            .zip(attempt.tenants)
            .map(|(settings, tried)| match tried {
                Some(Ok(links)) => BoundTenant {
                    settings: settings.clone(),
                    links: Some(links),
                    is_new: true,
                    problems: Vec::new(),
                },
                Some(Err(problems)) => Self::quarantine(settings, problems, Some(before)),
                None => match had.get(&*settings.name) {
                    Some(had) => BoundTenant {
                        is_new: false,
                        ..(*had).clone()
                    },
                    None => Self::quarantine(settings, Vec::new(), None),
                },
            });
        Self {
            tenants: tenants.collect(),
            unused: Vec::new(),
        }
    }

    pub(super) fn is_quarantined(&self, name: &str) -> bool {
        self.tenants
            .iter()
            .any(|tenant| *tenant.settings.name == *name && tenant.is_quarantined())
    }

    pub(super) fn has_quarantined(&self) -> bool {
        self.tenants.iter().any(BoundTenant::is_quarantined)
    }

    /// The quarantined tenants.
    pub(super) fn quarantined(&self) -> Vec<QuarantinedTenant> {
        let quarantined = self.tenants.iter().filter(|tenant| tenant.is_quarantined());
        quarantined
            .map(|tenant| QuarantinedTenant {
                name: tenant.settings.name.clone(),
                keeps: tenant.links.is_some(),
                reason: tenant.problems.first().map_or_else(String::new, reason),
            })
            .collect()
    }

    /// What is wrong with plugins that no tenant uses, one line each.
    pub(super) fn unused(&self) -> impl Iterator<Item = String> {
        self.unused.iter().map(reason)
    }

    /// The settings in force. Those that are kept come first: a host that now is another tenant's is the other's.
    pub(super) fn settings(&self) -> Vec<Arc<Tenant>> {
        let (kept, present): (Vec<_>, Vec<_>) = self.tenants.iter().partition(|tenant| tenant.is_quarantined());
        kept.into_iter()
            .chain(present)
            .map(|tenant| tenant.settings.clone())
            .collect()
    }

    /// What a shard needs to run these tenants.
    pub fn for_shard(&self) -> Vec<NewTenant> {
        self.tenants.iter().cloned().map(BoundTenant::for_shard).collect()
    }
}

fn reason(problem: &Problem) -> String {
    printable(&problem.to_string(), REASON_BYTES).into_owned()
}

impl BoundTenant {
    fn is_quarantined(&self) -> bool {
        !self.problems.is_empty()
    }

    /// What its plugins, as they are bound now, tell of their first use.
    fn first_use(&self) -> Option<&Arc<FirstUse>> {
        let first = self.links.as_ref()?.first()?;
        Some(first.binding.first_use())
    }

    fn has(&self, first_use: &Arc<FirstUse>) -> bool {
        self.first_use().is_some_and(|own| Arc::ptr_eq(own, first_use))
    }

    fn problem(&self, failed: &UnusablePlugin) -> Option<Problem> {
        let mut chain = self.settings.chain.iter();
        let entry = chain.find(|entry| entry.plugin == failed.plugin)?;
        Some(chain_problem(&self.settings, entry, &failed.reason))
    }

    fn for_shard(self) -> NewTenant {
        let defaults = Defaults {
            anonymous: self.settings.anonymous,
            allow: self.settings.default_allow,
            message_bytes: self.settings.limits.message_bytes,
        };
        let quarantined = self.is_quarantined();
        let first_use = self.first_use().cloned().unwrap_or_default();
        let rules = match self.links {
            _ if !self.is_new => NewRules::Unchanged,
            None => NewRules::Closed,
            Some(links) => NewRules::Chain {
                eager: links.iter().any(|link| link.binding.is_eager()),
                first_use,
                build: Box::new(move || {
                    Chain::new(links.into_iter().map(BoundLink::on_this_shard).collect(), defaults)
                }),
            },
        };
        NewTenant {
            settings: self.settings,
            rules,
            quarantined,
        }
    }
}
