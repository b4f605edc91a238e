//! Names of tenants in other tables: looked up when all files of tenants were read.

use std::collections::HashSet;
use std::sync::Arc;

use super::nearest::nearest;
use super::problem::{Place, Problem};
use super::section::Value;

/// The names, in the order in which they were read.
#[derive(Clone, Debug, Default)]
pub(super) struct References(Vec<Reference>);

#[derive(Clone, Debug)]
struct Reference {
    name: Arc<str>,
    /// The name as messages show it.
    shown: String,
    place: Place,
    /// Whether the tenant may come later, where tenants come and go.
    may_come: bool,
}

// === impl References ===

impl References {
    /// The tenant that is named here, which must be there.
    pub(super) fn tenant(&mut self, value: &Value<'_>) -> Option<Arc<str>> {
        self.note(value, false)
    }

    /// The tenant that is named here. Where tenants come and go it need not be there yet, or any more.
    pub(super) fn tenant_that_may_come(&mut self, value: &Value<'_>) -> Option<Arc<str>> {
        self.note(value, true)
    }

    fn note(&mut self, value: &Value<'_>, may_come: bool) -> Option<Arc<str>> {
        let text = value.text()?;
        let name: Arc<str> = text.get().into();
        self.0.push(Reference {
            name: name.clone(),
            shown: format!("{text:?}"),
            place: value.place.clone(),
            may_come,
        });
        Some(name)
    }

    /// Tells which of them are not among `names`.
    pub(super) fn check<'a>(
        &self,
        names: impl Iterator<Item = &'a str> + Clone,
        come_and_go: bool,
        problems: &mut Vec<Problem>,
        warnings: &mut Vec<Problem>,
    ) {
        let known: HashSet<&str> = names.clone().collect();
        for reference in &self.0 {
            let Reference { name, place, .. } = reference;
            if known.contains(&**name) {
                continue;
            }
            let mut problem = place.problem(format!("no tenant is named {}", reference.shown));
            if let Some(near) = nearest(name, names.clone()) {
                problem = problem.hint(format!("the nearest is {near:?}"));
            }
            if reference.may_come && come_and_go {
                warnings.push(problem);
            } else {
                problems.push(problem);
            }
        }
    }
}
