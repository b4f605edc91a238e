//! Who may do what where: the rules, made ready at the start. Knows sessions only as [`Facts`].

use std::borrow::Cow;
use std::cell::OnceCell;

use sluicegate_plugin::channel::{Hole, Pattern};

use crate::{
    claims::{Names, Places},
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
    /// By the claim's number.
    when: Vec<(usize, Scalar)>,
}

impl Rule {
    /// The channel first: it costs nothing to ask.
    fn fits<F: Facts>(&self, asked: &Question<'_, F>, channel: &str) -> bool {
        self.channels.matches_with(channel, |hole| match hole {
            Hole::User => asked.facts.user().map(Cow::Borrowed),
            Hole::Claim(name) => asked.claim(name),
        }) && self.when.iter().all(|(number, wanted)| asked.is(*number, wanted))
    }
}

/// One question to the rules, for which the claims are looked through once at most.
struct Question<'f, F> {
    facts: &'f F,
    names: &'f Names,
    places: OnceCell<Places>,
}

impl<F: Facts> Question<'_, F> {
    fn places(&self) -> &Places {
        self.places.get_or_init(|| self.names.find(self.facts.claims()))
    }

    fn claim(&self, name: &str) -> Option<Cow<'_, str>> {
        let number = self.names.number(name)?;
        self.places().text(self.facts.claims(), number)
    }

    fn is(&self, number: usize, wanted: &Scalar) -> bool {
        self.places().is(self.facts.claims(), number, wanted)
    }
}

/// All rules of the settings, and the claims that they name.
pub struct Rules {
    rules: Vec<Rule>,
    names: Names,
}

impl Rules {
    /// Checks the settings of all rules.
    ///
    /// # Errors
    /// The first rule that cannot work, by its place.
    pub fn check(settings: Vec<RuleSettings>) -> Result<Self, String> {
        let mut names = Names::default();
        let mut rules = Vec::new();
        for (index, rule) in settings.into_iter().enumerate() {
            let channels = Pattern::parse(&rule.channels);
            let channels = channels.map_err(|e| format!("rules[{index}].channels: {e}"))?;
            if rule.allow.is_empty() {
                return Err(format!("rules[{index}].allow: a rule that allows nothing does nothing"));
            }
            for hole in channels.holes() {
                if let Hole::Claim(name) = hole {
                    names.add(name);
                }
            }
            let when = rule.when.into_iter().map(|(name, wanted)| (names.add(&name), wanted));
            rules.push(Rule {
                when: when.collect(),
                allow: rule.allow.into_iter().collect(),
                channels,
            });
        }
        Ok(Self { rules, names })
    }

    fn ask<'f, F>(&'f self, facts: &'f F) -> Question<'f, F> {
        Question {
            facts,
            names: &self.names,
            places: OnceCell::new(),
        }
    }

    /// Everything that the rules together allow the session in the channel.
    #[must_use]
    pub fn allowed(&self, facts: &impl Facts, channel: &str) -> Actions {
        let asked = self.ask(facts);
        let mut allowed = Actions::default();
        for rule in &self.rules {
            if rule.fits(&asked, channel) {
                allowed.add(rule.allow);
            }
        }
        allowed
    }

    /// Whether some rule allows this one action; asks no rule that does not speak of it.
    #[must_use]
    pub fn allows(&self, action: Action, facts: &impl Facts, channel: &str) -> bool {
        let asked = self.ask(facts);
        self.rules
            .iter()
            .any(|rule| rule.allow.has(action) && rule.fits(&asked, channel))
    }
}
