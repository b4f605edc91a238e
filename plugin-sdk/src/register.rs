//! How a plugin becomes a component: `register!`, and the calls it makes on wasm. Natively it only checks
//! that the plugin has the hooks it names, so the same crate runs in `cargo test`.

/// Makes the crate a plugin with the hooks named: any of `connect`, `subscribe`, `publish`, `disconnect`.
///
/// ```
/// use sluicegate_plugin::{Denial, NoSettings, Plugin, Session, SetupError, SubscribeHook, SubscribeVerdict};
///
/// struct Deny;
///
/// impl Plugin for Deny {
///     type Settings = NoSettings;
///     fn new(_: NoSettings) -> Result<Self, SetupError> {
///         Ok(Self)
///     }
/// }
///
/// impl SubscribeHook for Deny {
///     fn on_subscribe(&mut self, _: &Session, channel: &str) -> SubscribeVerdict {
///         match channel {
///             "staff" => Denial::new(4403, "staff_only").into(),
///             _ => SubscribeVerdict::Abstain,
///         }
///     }
/// }
///
/// sluicegate_plugin::register!(Deny: subscribe);
/// ```
///
/// A hook that the type does not have is an error of the compiler, at the macro:
///
/// ```compile_fail
/// # use sluicegate_plugin::{NoSettings, Plugin, SetupError};
/// # struct Idle;
/// # impl Plugin for Idle {
/// #     type Settings = NoSettings;
/// #     fn new(_: NoSettings) -> Result<Self, SetupError> { Ok(Self) }
/// # }
/// sluicegate_plugin::register!(Idle: publish);
/// ```
#[macro_export]
macro_rules! register {
    ($plugin:ty: $($hook:ident),+ $(,)?) => {
        const _: () = {
            $($crate::__has_hook!($hook, $plugin);)+
        };
        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, clippy::pedantic)]
        const _: () = {
            ::std::thread_local! {
                static PLUGIN: $crate::__private::Slot<$plugin> =
                    const { $crate::__private::Slot::new(::core::option::Option::None) };
            }

            #[unsafe(link_section = "sluicegate:settings-schema")]
            #[used]
            static SCHEMA: [u8; $crate::__private::schema::<$plugin>().len()] =
                $crate::__private::bytes($crate::__private::schema::<$plugin>());

            struct Glue;
            impl $crate::__private::lifecycle::Guest for Glue {
                fn init(config: ::std::string::String) -> ::core::result::Result<(), ::std::string::String> {
                    $crate::__private::init(&PLUGIN, &config)
                }
            }
            $crate::__private::lifecycle::export_lifecycle!(
                Glue with_types_in $crate::__private::lifecycle
            );
            $($crate::__export_hook!($hook, Glue, PLUGIN);)+
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __has_hook {
    (connect, $plugin:ty) => {
        const _: fn() = $crate::__private::has_connect::<$plugin>;
    };
    (subscribe, $plugin:ty) => {
        const _: fn() = $crate::__private::has_subscribe::<$plugin>;
    };
    (publish, $plugin:ty) => {
        const _: fn() = $crate::__private::has_publish::<$plugin>;
    };
    (disconnect, $plugin:ty) => {
        const _: fn() = $crate::__private::has_disconnect::<$plugin>;
    };
    ($other:ident, $plugin:ty) => {
        ::core::compile_error!(::core::concat!(
            "there is no hook `",
            ::core::stringify!($other),
            "`: the hooks are connect, subscribe, publish and disconnect"
        ));
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_hook {
    (connect, $glue:ident, $slot:ident) => {
        impl $crate::__private::connect::Guest for $glue {
            fn on_connect(
                handshake: &$crate::__private::types::Handshake,
                session: &$crate::__private::types::Session,
            ) -> $crate::__private::types::ConnectVerdict {
                $crate::__private::on_connect(&$slot, handshake, session)
            }
        }
        $crate::__private::connect::export_connect!($glue with_types_in $crate::__private::connect);
    };
    (subscribe, $glue:ident, $slot:ident) => {
        impl $crate::__private::subscribe::Guest for $glue {
            fn on_subscribe(
                session: &$crate::__private::types::Session,
                channel: ::std::string::String,
            ) -> $crate::__private::types::SubscribeVerdict {
                $crate::__private::on_subscribe(&$slot, session, &channel)
            }
        }
        $crate::__private::subscribe::export_subscribe!($glue with_types_in $crate::__private::subscribe);
    };
    (publish, $glue:ident, $slot:ident) => {
        impl $crate::__private::publish::Guest for $glue {
            fn on_publish(
                session: &$crate::__private::types::Session,
                channel: ::std::string::String,
                data: ::std::vec::Vec<u8>,
            ) -> $crate::__private::types::PublishVerdict {
                $crate::__private::on_publish(&$slot, session, &channel, &data)
            }
        }
        $crate::__private::publish::export_publish!($glue with_types_in $crate::__private::publish);
    };
    (disconnect, $glue:ident, $slot:ident) => {
        impl $crate::__private::disconnect::Guest for $glue {
            fn on_disconnect(session: &$crate::__private::types::Session, code: u16) {
                $crate::__private::on_disconnect(&$slot, session, code)
            }
        }
        $crate::__private::disconnect::export_disconnect!($glue with_types_in $crate::__private::disconnect);
    };
    ($other:ident, $glue:ident, $slot:ident) => {};
}

/// What the macros above call; no part of the SDK's promise.
#[doc(hidden)]
#[allow(missing_docs, reason = "called by the macros alone")]
pub mod __private {
    use crate::{ConnectHook, DisconnectHook, PublishHook, SubscribeHook};

    pub fn has_connect<P: ConnectHook>() {}
    pub fn has_subscribe<P: SubscribeHook>() {}
    pub fn has_publish<P: PublishHook>() {}
    pub fn has_disconnect<P: DisconnectHook>() {}

    #[cfg(target_family = "wasm")]
    pub use super::component::*;
}

#[cfg(target_family = "wasm")]
#[allow(missing_docs, reason = "called by the macros alone")]
mod component {
    use std::{cell::RefCell, panic, thread::LocalKey};

    use crate::{
        ConnectHook, DisconnectHook, Handshake, Plugin, PublishHook, Session, Settings, SubscribeHook, log, settings,
    };

    pub use crate::bindings::{connect, disconnect, lifecycle, publish, subscribe, types};

    /// Where the one instance of the component lives between calls.
    pub type Slot<P> = RefCell<Option<P>>;

    pub const fn schema<P: Plugin>() -> &'static str {
        <P::Settings as Settings>::SCHEMA
    }

    /// Text as an array, because a custom section cannot hold a pointer.
    pub const fn bytes<const N: usize>(text: &str) -> [u8; N] {
        let mut out = [0; N];
        let mut at = 0;
        while at < N {
            out[at] = text.as_bytes()[at];
            at += 1;
        }
        out
    }

    pub fn init<P: Plugin>(slot: &'static LocalKey<Slot<P>>, config: &str) -> Result<(), String> {
        // Before the plugin's first line, so a panic in its constructor is told too.
        panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let text = panic.payload_as_str().unwrap_or("(no text)");
            log::write(log::Level::Error, &format!("panicked at {place}: {text}"));
        }));
        let plugin = P::new(settings::parse(config)?).map_err(|error| error.reason().to_owned())?;
        slot.set(Some(plugin));
        Ok(())
    }

    fn with<P: Plugin, T>(slot: &'static LocalKey<Slot<P>>, call: impl FnOnce(&mut P) -> T) -> T {
        slot.with_borrow_mut(|plugin| call(plugin.as_mut().expect("the host calls init first")))
    }

    pub fn on_connect<P: ConnectHook>(
        slot: &'static LocalKey<Slot<P>>,
        handshake: &types::Handshake,
        session: &types::Session,
    ) -> types::ConnectVerdict {
        with(slot, |p| {
            p.on_connect(&Handshake::new(handshake), &Session::new(session))
        })
        .into()
    }

    pub fn on_subscribe<P: SubscribeHook>(
        slot: &'static LocalKey<Slot<P>>,
        session: &types::Session,
        channel: &str,
    ) -> types::SubscribeVerdict {
        with(slot, |p| p.on_subscribe(&Session::new(session), channel)).into()
    }

    pub fn on_publish<P: PublishHook>(
        slot: &'static LocalKey<Slot<P>>,
        session: &types::Session,
        channel: &str,
        data: &[u8],
    ) -> types::PublishVerdict {
        with(slot, |p| p.on_publish(&Session::new(session), channel, data)).into()
    }

    pub fn on_disconnect<P: DisconnectHook>(slot: &'static LocalKey<Slot<P>>, session: &types::Session, code: u16) {
        with(slot, |p| p.on_disconnect(&Session::new(session), code));
    }
}
