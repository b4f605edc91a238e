//! A plugin's settings against the schema it carries.

use serde_json::Value;

use super::engine::Sandbox;
use super::error::LoadError;

/// Checks `settings`; without a schema everything fits.
pub(super) fn check(sandbox: &Sandbox, schema: Option<&Value>, settings: &Value) -> Result<(), LoadError> {
    let Some(schema) = schema else {
        return Ok(());
    };
    let errors = sandbox.compiler.violations(&sandbox.engine, schema, settings)?;
    if errors.is_empty() {
        Ok(())
    } else {
        Err(LoadError::Settings { errors })
    }
}
