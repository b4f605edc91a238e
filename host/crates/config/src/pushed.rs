//! A tenant that is pushed by the admin API: its TOML comes from outside, so it gets less trust than the operator's files.

use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;

use super::ceilings::Ceilings;
use super::claims::TakenNames;
use super::name::{NAME_RULE, is_name};
use super::plugins::PluginFile;
use super::problem::{Place, Problems};
use super::secrets::{self, SettingsSchemaOf};
use super::section::{Section, Value};
use super::source::Source;
use super::tenant::{Tenant, TenantReading};
use super::tenant_files::FILE_BYTES;

/// What a pushed tenant is checked against.
#[derive(Clone, Copy)]
pub struct PushRules<'a> {
    pub ceilings: &'a Ceilings,
    /// Those that its chain may name.
    pub plugins: &'a [PluginFile],
    /// What other tenants have. The pushed tenant's own earlier version may be among them.
    pub taken: &'a TakenNames,
    /// Says which of a plugin's settings are secrets.
    pub schema_of: &'a SettingsSchemaOf<'a>,
}

/// The tenant `name` that `text` is: the content of one `[[tenants]]` table. Problems stand in the file `NAME.toml`.
///
/// # Errors
/// Everything that is wrong with it, which includes what is above a ceiling, what another tenant has, and values that stand in
/// this node's environment or files. Of syntax errors only the first.
pub fn check_pushed(name: &str, text: &str, rules: PushRules<'_>) -> Result<Tenant, Problems> {
    let file = format!("{name}.toml");
    let whole = Place::file(Path::new(&file));
    if !is_name(name) {
        return Err(whole.problem("that is no tenant name").hint(NAME_RULE).into());
    }
    if text.len() as u64 > FILE_BYTES {
        return Err(whole.problem(format!("has more than {FILE_BYTES} bytes")).into());
    }
    let source = Source::pushed(Path::new(&file), text);
    let document = source.document(text);
    let tenant = document.map(|table| read(&source, table.get_ref(), name, rules));
    let problems = source.into_told().problems;
    match tenant {
        Some(tenant) if problems.is_empty() => Ok(tenant),
        Some(_) | None => Err(problems.into()),
    }
}

fn read(source: &Source, table: &DeTable<'_>, name: &str, rules: PushRules<'_>) -> Tenant {
    for (_, value) in Section::root(source, table).entries() {
        refuse_values_kept_elsewhere(&value);
    }
    secrets::refuse_masks(Section::root(source, table), rules.schema_of);
    let reading = TenantReading {
        plugins: rules.plugins,
        ceilings: Some(rules.ceilings),
        name: Some(name),
    };
    let read = reading.tenant(Section::root(source, table));
    let (name_place, host_places) = (&read.name_place, &read.host_places);
    for conflict in rules.taken.conflicts_at(&read.tenant, name_place, host_places) {
        source.report(conflict);
    }
    Arc::unwrap_or_clone(read.tenant)
}

/// A pushed tenant reads nothing of this node: neither its environment nor its files.
fn refuse_values_kept_elsewhere(value: &Value<'_>) {
    if let Some(what) = value.kept_elsewhere() {
        let hint = "write the value itself; only the files of the operator may take values from elsewhere";
        value.problem(format!("a pushed tenant may not use {{ {what} }}"), hint);
        return;
    }
    for inner in value.children() {
        refuse_values_kept_elsewhere(&inner);
    }
}
