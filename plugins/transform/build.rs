//! Renders the settings schema that the component carries.

#[allow(dead_code, unreachable_pub, reason = "only the schema is needed here")]
#[path = "src/settings.rs"]
mod settings;

fn main() {
    sluicegate_plugin_build::settings_schema::<settings::Settings>();
}
