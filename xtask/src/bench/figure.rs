//! One figure beside its reference, and the table of all of them.

use serde_json::{Value, json};

/// The bound of a figure, by its reference.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bound {
    /// At most so many times the reference.
    Times(f64),
    /// At least this share of the reference: more is better.
    Share(f64),
    /// At most so much above the reference, in the figure's unit.
    Above(f64),
    /// At most this, in the figure's unit; the reference only shows what the machine can do.
    Most(f64),
}

/// A measured figure and its reference. Less is better, unless the bound is a share.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// What was measured, for a person.
    pub what: String,
    /// Its name in `result.json`.
    pub key: &'static str,
    /// What we measured.
    pub ours: f64,
    /// The reference in the same run.
    pub reference: f64,
    /// What the reference is.
    pub beside: &'static str,
    /// Of both.
    pub unit: &'static str,
    /// None for figures that are only shown.
    pub bound: Option<Bound>,
}

impl Figure {
    /// Ours as a multiple of the reference.
    pub(super) fn ratio(&self) -> f64 {
        self.ours / self.reference
    }

    fn verdict(&self) -> &'static str {
        let kept = match self.bound {
            None => return "",
            Some(Bound::Times(most)) => self.ratio() <= most,
            Some(Bound::Share(least)) => self.ratio() >= least,
            Some(Bound::Above(most)) => self.ours - self.reference <= most,
            Some(Bound::Most(most)) => self.ours <= most,
        };
        if kept { "ok" } else { "OVER" }
    }

    fn bound(&self) -> String {
        let unit = self.unit;
        match self.bound {
            None => String::new(),
            Some(Bound::Times(most)) => format!("at most {most}"),
            Some(Bound::Share(least)) => format!("at least {least}"),
            Some(Bound::Above(most)) => format!("at most {most} {unit} more"),
            Some(Bound::Most(most)) => format!("at most {most} {unit}"),
        }
    }

    fn cells(&self) -> [String; 6] {
        [
            self.what.clone(),
            format!("{:.3} {}", self.ours, self.unit),
            format!("{:.3} {} ({})", self.reference, self.unit, self.beside),
            format!("{:.2}", self.ratio()),
            self.bound(),
            self.verdict().to_owned(),
        ]
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "key": self.key,
            "what": self.what,
            "ours": self.ours,
            "reference": self.reference,
            "beside": self.beside,
            "unit": self.unit,
            "ratio": self.ratio(),
            "bound": self.bound(),
            "verdict": self.verdict(),
        })
    }
}

/// All figures, a line each, in aligned columns.
pub(super) fn table(figures: &[Figure]) -> String {
    let heads = ["figure", "Sluicegate", "reference", "ratio", "bound", ""].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(heads)
        .chain(figures.iter().map(Figure::cells))
        .collect();
    aligned(&rows)
}

/// Rows as lines, in aligned columns.
pub(super) fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let lengths = rows.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or(0)
    });
    let line = |row: &[String; COLUMNS]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(ours: f64, bound: Option<Bound>) -> Figure {
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
    fn a_figure_out_of_its_bound_is_seen() {
        let verdicts = [
            (2.0, Bound::Times(1.3), "ok"),
            (3.0, Bound::Times(1.3), "OVER"),
            (1.2, Bound::Share(0.6), "ok"),
            (1.1, Bound::Share(0.6), "OVER"),
            (3.0, Bound::Above(1.0), "ok"),
            (3.1, Bound::Above(1.0), "OVER"),
            (3.0, Bound::Most(3.0), "ok"),
            (3.1, Bound::Most(3.0), "OVER"),
        ];
        for (ours, bound, verdict) in verdicts {
            assert_eq!(figure(ours, Some(bound)).verdict(), verdict, "{ours} {bound:?}");
        }
        let table = table(&[figure(3.0, Some(Bound::Times(1.3))), figure(9.0, None)]);
        let ends: Vec<_> = table.lines().map(|line| line.rsplit("  ").next().unwrap()).collect();
        assert_eq!(ends, ["bound", "OVER", "4.50"]);
    }
}
