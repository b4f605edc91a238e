//! The config: what is wrong is told with its line, and what is right stays right.

use std::path::Path;

use config::Config;

/// The text of a config file.
///
/// # Panics
/// When a property does not hold.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let path = Path::new("fuzz/sluicegate.toml");
    let lines = text.split('\n').count();
    match config::parse(path, text) {
        Ok(config) => {
            check(&config);
            // A comment changes nothing.
            let commented = format!("# first\n{text}\n# last");
            let again = config::parse(path, &commented).unwrap_or_else(|problems| panic!("with a comment: {problems}"));
            assert_eq!(again.tenants.len(), config.tenants.len());
            let keys = |config: &Config| -> Vec<String> {
                let warnings = config.warnings.iter();
                warnings.map(|warning| warning.place().key().to_owned()).collect()
            };
            assert_eq!(keys(&again), keys(&config));
        }
        Err(problems) => {
            let mut any = false;
            for problem in &problems {
                any = true;
                super::one_line(&problem.to_string());
                let line = problem.place().line();
                assert!(
                    line.is_none_or(|line| (1..=lines).contains(&line)),
                    "{problem} of {lines} lines"
                );
            }
            assert!(any, "refused without a reason");
        }
    }
}

fn check(config: &Config) {
    assert!(!config.tenants.is_empty());
    for tenant in &config.tenants {
        assert!(config::is_name(&tenant.name), "{}", tenant.name);
        let limits = &tenant.limits;
        assert!((64..=16 * 1024 * 1024).contains(&limits.message_bytes));
        for entry in &tenant.chain {
            assert!(config.plugins.iter().any(|plugin| plugin.name == entry.plugin));
            assert!(!entry.deadline.is_zero());
        }
    }
    let mut names: Vec<&str> = config.tenants.iter().map(|tenant| &*tenant.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), config.tenants.len(), "two tenants of one name");
}
