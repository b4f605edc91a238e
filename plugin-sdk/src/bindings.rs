//! Generated from the contract in `wit/v0.1`, on wasm only; knows nothing of the SDK's own types.
//!
//! One world for everything a plugin may import, and one a hook: a component exports all of a world or
//! nothing, while imports that are not called fall away by themselves.
#![allow(missing_docs, unsafe_code, clippy::all, clippy::pedantic)]

pub mod imports {
    wit_bindgen::generate!({
        path: "wit/v0.1",
        inline: "package sluicegate:sdk; world imports {
            import sluicegate:plugin/types@0.1.0;
            import sluicegate:plugin/effects@0.1.0;
            import sluicegate:plugin/log@0.1.0;
            import sluicegate:plugin/kv@0.1.0;
            import sluicegate:plugin/limiter@0.1.0;
            import sluicegate:plugin/metrics@0.1.0;
        }",
        generate_all,
        pub_export_macro: true,
    });
}

pub use imports::sluicegate::plugin::{effects, kv, limiter, log, metrics, types};

pub mod lifecycle {
    wit_bindgen::generate!({
        path: "wit/v0.1",
        inline: "package sluicegate:sdk; world lifecycle { export sluicegate:plugin/lifecycle@0.1.0; }",
        pub_export_macro: true,
        export_macro_name: "export_lifecycle",
    });
    pub use exports::sluicegate::plugin::lifecycle::Guest;
}

/// The modules differ in the hook's name alone, but `generate!` takes only literals.
macro_rules! hook {
    ($module:ident, $interface:ident, $world:literal, $export:literal) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "wit/v0.1",
                inline: $world,
                with: { "sluicegate:plugin/types@0.1.0": crate::bindings::types },
                pub_export_macro: true,
                export_macro_name: $export,
            });
            pub use exports::sluicegate::plugin::$interface::Guest;
        }
    };
}

hook!(
    connect,
    connect_hook,
    "package sluicegate:sdk; world connect { export sluicegate:plugin/connect-hook@0.1.0; }",
    "export_connect"
);
hook!(
    subscribe,
    subscribe_hook,
    "package sluicegate:sdk; world subscribe { export sluicegate:plugin/subscribe-hook@0.1.0; }",
    "export_subscribe"
);
hook!(
    publish,
    publish_hook,
    "package sluicegate:sdk; world publish { export sluicegate:plugin/publish-hook@0.1.0; }",
    "export_publish"
);
hook!(
    disconnect,
    disconnect_hook,
    "package sluicegate:sdk; world disconnect { export sluicegate:plugin/disconnect-hook@0.1.0; }",
    "export_disconnect"
);
