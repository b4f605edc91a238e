//! The Prometheus text of `/metrics` as samples.

use std::collections::BTreeMap;

/// One line: a name, labels, a value.
#[derive(Debug)]
pub(crate) struct Sample {
    /// The name, `_bucket`, `_sum` and `_count` included.
    pub name: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

/// One scrape.
#[derive(Debug)]
pub(crate) struct Metrics(Vec<Sample>);

impl Metrics {
    /// Reads the exposition format; panics on what is not.
    pub(crate) fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(sample).collect())
    }

    /// The sum of all samples with this name and these labels. None: there is no such sample.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let found: Vec<f64> = self.with(name, labels).map(|sample| sample.value).collect();
        (!found.is_empty()).then(|| found.iter().sum())
    }

    /// The values of one label in the samples with this name and these labels.
    pub(crate) fn label_values(&self, name: &str, labels: &[(&str, &str)], label: &str) -> Vec<String> {
        self.with(name, labels)
            .filter_map(|sample| sample.labels.get(label).cloned())
            .collect()
    }

    fn with(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = &Sample> {
        self.0.iter().filter(move |sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(key, value)| sample.labels.get(*key).is_some_and(|v| v == value))
        })
    }

    pub(crate) fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.0.iter()
    }

    /// The names that there are.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|sample| sample.name.as_str())
    }
}

fn sample(line: &str) -> Sample {
    let bad = || -> ! { panic!("no sample: {line:?}") };
    let (series, value) = match line.rfind('}') {
        Some(end) => line.split_at(end + 1),
        None => line.split_once(' ').unwrap_or_else(|| bad()),
    };
    let value = value.split_whitespace().next().unwrap_or_else(|| bad());
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    Sample {
        name: name.to_owned(),
        labels: read_labels(labels.strip_suffix('}').unwrap_or_else(|| bad())),
        value: value.parse().unwrap_or_else(|_| bad()),
    }
}

fn read_labels(mut text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    while let Some((key, rest)) = text.split_once("=\"") {
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next().expect("a label value ends") {
                (at, '"') => break at + 1,
                (_, '\\') => match chars.next().expect("an escape has a second half").1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, c) => value.push(c),
            }
        };
        labels.insert(key.trim_start_matches([',', ' ']).to_owned(), value);
        text = &rest[end..];
    }
    labels
}

#[test]
fn the_harness_reads_the_exposition_format() {
    let metrics = Metrics::read("# HELP a b\na 3\nb{x=\"1\",y=\"q\\\"}\"} 2 123\nb{x=\"2\"} 0.5\n");
    assert_eq!(metrics.sum("a", &[]), Some(3.0));
    assert_eq!(metrics.sum("b", &[]), Some(2.5));
    assert_eq!(metrics.sum("b", &[("y", "q\"}")]), Some(2.0));
    assert_eq!(metrics.sum("c", &[]), None);
    assert_eq!(metrics.names().count(), 3);
}
