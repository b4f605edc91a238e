//! Which features of WebAssembly a plugin may use. Every one that the parser knows is in one of two lists, so that one
//! that comes with a new engine is off until somebody decides about it.

use wasmparser::{Validator, WasmFeatures};
use wasmtime::Config;

use super::error::LoadError;

/// What compilers of today's languages need, or what only changes how code is written down.
pub(super) const ON: WasmFeatures = WasmFeatures::FLOATS
    .union(WasmFeatures::MUTABLE_GLOBAL)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::COMPONENT_MODEL);

/// A feature that plugins do not get.
pub(super) struct RefusedFeature {
    pub(super) flags: WasmFeatures,
    /// As the proposals are called.
    pub(super) name: &'static str,
    pub(super) reason: &'static str,
}

const NO_ASYNC: &str = "a hook answers at once";
const NOT_RELEASED: &str = "it is not part of the standard yet";
const NO_COLLECTOR: &str = "the broker has no collector for a guest's objects";

/// What plugins do not get, and why.
pub(super) const OFF: [RefusedFeature; 29] = [
    off(
        WasmFeatures::MEMORY64,
        "memory64",
        "an instance's memory is far below 4 GiB, and accesses by 64-bit addresses are checked one by one",
    ),
    off(WasmFeatures::THREADS, "threads", "an instance is called by one thread"),
    off(
        WasmFeatures::SHARED_EVERYTHING_THREADS,
        "shared-everything-threads",
        "an instance is called by one thread",
    ),
    off(
        WasmFeatures::RELAXED_SIMD,
        "relaxed-simd",
        "its results differ from machine to machine, and nodes decide alike",
    ),
    off(
        WasmFeatures::TAIL_CALL,
        "tail-call",
        "no compiler that makes plugins needs it",
    ),
    off(WasmFeatures::EXCEPTIONS, "exceptions", NO_COLLECTOR),
    off(WasmFeatures::LEGACY_EXCEPTIONS, "legacy-exceptions", NO_COLLECTOR),
    off(WasmFeatures::GC_TYPES, "reference-types (externref)", NO_COLLECTOR),
    off(WasmFeatures::GC, "gc", NO_COLLECTOR),
    off(
        WasmFeatures::FUNCTION_REFERENCES,
        "function-references",
        "no compiler that makes plugins needs it",
    ),
    off(
        WasmFeatures::CUSTOM_PAGE_SIZES,
        "custom-page-sizes",
        "memories are bounded in pages of 64 KiB",
    ),
    off(
        WasmFeatures::MEMORY_CONTROL,
        "memory-control",
        "the host alone maps memory",
    ),
    off(
        WasmFeatures::STACK_SWITCHING,
        "stack-switching",
        "a call has one stack, and that a limit",
    ),
    off(WasmFeatures::WIDE_ARITHMETIC, "wide-arithmetic", NOT_RELEASED),
    off(WasmFeatures::CUSTOM_DESCRIPTORS, "custom-descriptors", NO_COLLECTOR),
    off(WasmFeatures::COMPACT_IMPORTS, "compact-imports", NOT_RELEASED),
    off(WasmFeatures::CM_ASYNC, "component-model async", NO_ASYNC),
    off(
        WasmFeatures::CM_ASYNC_STACKFUL,
        "component-model async (stackful)",
        NO_ASYNC,
    ),
    off(
        WasmFeatures::CM_MORE_ASYNC_BUILTINS,
        "component-model async (more builtins)",
        NO_ASYNC,
    ),
    off(
        WasmFeatures::CM_THREADING,
        "component-model threading",
        "an instance is called by one thread",
    ),
    off(
        WasmFeatures::CM_ERROR_CONTEXT,
        "component-model error-context",
        NOT_RELEASED,
    ),
    off(WasmFeatures::CM_VALUES, "component-model values", NOT_RELEASED),
    off(
        WasmFeatures::CM_NESTED_NAMES,
        "component-model nested names",
        NOT_RELEASED,
    ),
    off(
        WasmFeatures::CM_FIXED_LENGTH_LISTS,
        "component-model fixed-length lists",
        NOT_RELEASED,
    ),
    off(WasmFeatures::CM_GC, "component-model gc", NO_COLLECTOR),
    off(WasmFeatures::CM_MAP, "component-model maps", NOT_RELEASED),
    off(
        WasmFeatures::CM64,
        "component-model memory64",
        "an instance's memory is far below 4 GiB",
    ),
    off(WasmFeatures::CM_IMPLEMENTS, "component-model implements", NOT_RELEASED),
    off(
        WasmFeatures::CM_CANON_NAMES,
        "component-model canonical names",
        NOT_RELEASED,
    ),
];

/// Bytes of a component of which it is found out which feature it uses that is off; a larger one gets the validator's
/// words alone.
const EXPLAINED_BYTES: usize = 1024 * 1024;

const fn off(flags: WasmFeatures, name: &'static str, reason: &'static str) -> RefusedFeature {
    RefusedFeature { flags, name, reason }
}

/// Turns every feature on or off by its name, whatever the engine's default is.
pub(super) fn apply(config: &mut Config) {
    config.wasm_features(ON, true);
    for refused in &OFF {
        config.wasm_features(refused.flags, false);
    }
}

/// The features that keep `component` from being valid, if that is what does.
pub(super) fn refusal(component: &[u8]) -> Option<LoadError> {
    let is_valid = |features| Validator::new_with_features(features).validate_all(component).is_ok();
    let mut features = OFF.iter().fold(ON, |all, refused| all.union(refused.flags));
    if component.len() > EXPLAINED_BYTES || !is_valid(features) {
        return None;
    }
    let mut used = Vec::new();
    for refused in &OFF {
        let without = features.difference(refused.flags);
        if is_valid(without) {
            features = without;
        } else {
            used.push(refused);
        }
    }
    let first = used.first()?;
    Some(LoadError::Feature {
        names: used.iter().map(|refused| refused.name).collect::<Vec<_>>().join(", "),
        reason: first.reason,
    })
}
