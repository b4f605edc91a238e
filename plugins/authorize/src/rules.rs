//! Who may do what where: the rules, made ready at the start. Knows sessions only as [`Facts`].

use std::borrow::Cow;

use sluicegate_plugin::channel::{Hole, Pattern};

use crate::{
    claims,
    settings::{Action, RuleSettings, Scalar},
};

/// What rules may ask about a session. Each answer may cost a call into the broker, so rules ask late.
pub trait Facts {
    /// The session's user.
    fn user(&self) -> Option<&str>;
    /// The session's claims: JSON text of an object.
    fn claims(&self) -> &str;
}

/// A set of actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actions(u8);

impl Actions {
    const fn bit(action: Action) -> u8 {
        1 << action as u8
    }

    /// Whether the action is in the set.
    #[must_use]
    pub const fn has(self, action: Action) -> bool {
        self.0 & Self::bit(action) != 0
    }

    fn add(&mut self, more: Self) {
        self.0 |= more.0;
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        Self(actions.into_iter().fold(0, |set, action| set | Self::bit(action)))
    }
}

struct Rule {
    channels: Pattern,
    allow: Actions,
    when: Vec<(String, Scalar)>,
}

impl Rule {
    /// The channel first: it costs nothing to ask.
    fn fits(&self, facts: &impl Facts, channel: &str) -> bool {
        self.channels.matches_with(channel, |hole| match hole {
            Hole::User => facts.user().map(Cow::Borrowed),
            Hole::Claim(name) => claims::text(facts.claims(), name),
        }) && self
            .when
            .iter()
            .all(|(name, wanted)| claims::is(facts.claims(), name, wanted))
    }
}

/// All rules of the settings.
pub struct Rules(Vec<Rule>);

impl Rules {
    /// Checks the settings of all rules.
    ///
    /// # Errors
    /// The first rule that cannot work, by its place.
    pub fn check(settings: Vec<RuleSettings>) -> Result<Self, String> {
        let rules = settings.into_iter().enumerate().map(|(index, rule)| {
            let channels = Pattern::parse(&rule.channels);
            let channels = channels.map_err(|e| format!("rules[{index}].channels: {e}"))?;
            if rule.allow.is_empty() {
                return Err(format!("rules[{index}].allow: a rule that allows nothing does nothing"));
            }
            Ok(Rule {
                channels,
                allow: rule.allow.into_iter().collect(),
                when: rule.when.into_iter().collect(),
            })
        });
        Ok(Self(rules.collect::<Result<_, _>>()?))
    }

    /// Everything that the rules together allow the session in the channel.
    #[must_use]
    pub fn allowed(&self, facts: &impl Facts, channel: &str) -> Actions {
        let mut allowed = Actions::default();
        for rule in &self.0 {
            if rule.fits(facts, channel) {
                allowed.add(rule.allow);
            }
        }
        allowed
    }

    /// Whether some rule allows this one action; asks no rule that does not speak of it.
    #[must_use]
    pub fn allows(&self, action: Action, facts: &impl Facts, channel: &str) -> bool {
        self.0
            .iter()
            .any(|rule| rule.allow.has(action) && rule.fits(facts, channel))
    }
}
