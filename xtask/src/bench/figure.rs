//! One figure beside its reference, and the table of all of them.

use serde_json::{Value, json};

/// A measured cost and what it is held against. Less is better.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured, for a person.
    pub what: String,
    /// Its name in `result.json`.
    pub key: &'static str,
    /// The cost.
    pub ours: f64,
    /// The reference's cost in the same run.
    pub reference: f64,
    /// What the reference is.
    pub beside: &'static str,
    /// Of both costs.
    pub unit: &'static str,
    /// What the ratio may be at most; none for figures without one.
    pub bound: Option<f64>,
}

impl Figure {
    /// Ours as a multiple of the reference.
    pub fn ratio(&self) -> f64 {
        self.ours / self.reference
    }

    fn verdict(&self) -> &'static str {
        match self.bound {
            Some(bound) if self.ratio() > bound => "OVER",
            Some(_) => "ok",
            None => "",
        }
    }

    fn cells(&self) -> [String; 6] {
        [
            self.what.clone(),
            format!("{:.3} {}", self.ours, self.unit),
            format!("{:.3} {} ({})", self.reference, self.unit, self.beside),
            format!("{:.2}", self.ratio()),
            self.bound.map_or_else(String::new, |bound| format!("{bound:.1}")),
            self.verdict().to_owned(),
        ]
    }

    pub fn to_json(&self) -> Value {
        json!({
            "key": self.key,
            "what": self.what,
            "ours": self.ours,
            "reference": self.reference,
            "beside": self.beside,
            "unit": self.unit,
            "ratio": self.ratio(),
            "bound": self.bound,
        })
    }
}

/// All figures, a line each, in aligned columns.
pub fn table(figures: &[Figure]) -> String {
    let heads = ["figure", "Sluicegate", "reference", "ratio", "at most", ""].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(heads)
        .chain(figures.iter().map(Figure::cells))
        .collect();
    let widths: [usize; 6] = std::array::from_fn(|column| {
        let lengths = rows.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or(0)
    });
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(ours: f64, bound: Option<f64>) -> Figure {
        Figure {
            what: "a hook".into(),
            key: "hook",
            ours,
            reference: 2.0,
            beside: "bare",
            unit: "µs",
            bound,
        }
    }

    #[test]
    fn a_ratio_over_its_bound_is_seen() {
        let table = table(&[figure(2.0, Some(1.3)), figure(3.0, Some(1.3)), figure(9.0, None)]);
        let ends: Vec<_> = table.lines().map(|line| line.rsplit("  ").next().unwrap()).collect();
        assert_eq!(ends, ["at most", "ok", "OVER", "4.50"]);
    }
}
