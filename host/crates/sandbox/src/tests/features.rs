//! Features of WebAssembly: which are on, and that each of the others is refused by its name.

use wasmparser::WasmFeatures;

use super::*;
use crate::features::{OFF, ON};

/// What uses a feature, in a component, by the feature's name.
const USES: [(&str, &str); 21] = [
    ("memory64", "(core module (memory i64 1))"),
    ("memory64", "(core module (table i64 1 funcref))"),
    ("threads", "(core module (memory 1 1 shared))"),
    ("shared-everything-threads", "(core module (type (shared (func))))"),
    (
        "relaxed-simd",
        "(core module (func (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1))))",
    ),
    ("tail-call", "(core module (func $f (return_call $f)))"),
    ("exceptions", "(core module (tag))"),
    ("legacy-exceptions", "(core module (func try catch_all end))"),
    ("reference-types (externref)", "(core module (table 1 externref))"),
    ("gc", "(core module (type (struct (field i32))))"),
    (
        "function-references",
        "(core module (type $t (func)) (func (param (ref $t))))",
    ),
    ("custom-page-sizes", "(core module (memory 1 (pagesize 1)))"),
    (
        "memory-control",
        "(core module (memory 1) (func (memory.discard (i32.const 0) (i32.const 0))))",
    ),
    ("stack-switching", "(core module (type $f (func)) (type (cont $f)))"),
    (
        "wide-arithmetic",
        "(core module (func (param i64 i64 i64 i64) (result i64 i64)
           (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3))))",
    ),
    ("component-model async", "(type (future u32))"),
    ("component-model error-context", "(type (option error-context))"),
    (
        "component-model values",
        "(import \"a\" (value $a string)) (export \"b\" (value $a))",
    ),
    ("component-model fixed-length lists", "(type (list u32 4))"),
    ("component-model maps", "(type (map string u32))"),
    ("component-model nested names", "(import \"a:b:c/d\" (instance))"),
];

/// Those that the text format cannot say, or that need one that is off too.
const UNSAID: [&str; 9] = [
    "custom-descriptors",
    "compact-imports",
    "component-model async (stackful)",
    "component-model async (more builtins)",
    "component-model threading",
    "component-model gc",
    "component-model memory64",
    "component-model implements",
    "component-model canonical names",
];

#[test]
fn every_feature_is_either_on_or_off() {
    let off = OFF.iter().fold(WasmFeatures::empty(), |all, refused| {
        assert!(!all.intersects(refused.flags), "{} is off twice", refused.name);
        assert!(!refused.reason.is_empty(), "{}", refused.name);
        let is_used = USES.iter().any(|(name, _)| *name == refused.name);
        assert!(is_used != UNSAID.contains(&refused.name), "{}", refused.name);
        all.union(refused.flags)
    });
    assert_eq!(ON.intersection(off), WasmFeatures::empty());
    assert_eq!(ON.union(off), WasmFeatures::all());
}

#[test]
fn a_component_that_uses_what_is_off_is_refused_by_its_name() {
    let stage = Stage::new();
    for (name, used) in USES {
        let error = match stage.sandbox.load("p", format!("(component {used})").as_bytes()) {
            Ok(_) => panic!("{name}: it is loaded"),
            Err(error) => error.to_string(),
        };
        // Some stand on others: garbage collection is two.
        let (used, reason) = error.split_once(" of WebAssembly").expect(&error);
        assert!(used.starts_with("uses ") && used.contains(name), "{name}: {error}");
        assert!(OFF.iter().any(|off| reason.contains(off.reason)), "{name}: {error}");
    }
}

#[test]
fn a_memory_limit_over_the_pools_is_told() {
    let stage = Stage::with_options(SandboxOptions {
        instances: Some(16),
        max_memory_bytes: 16 * MIB,
        ..SandboxOptions::default()
    });
    stage.bind("publish-allow", options()).unwrap();
    let more = BindingOptions {
        memory_bytes: 17 * MIB,
        ..options()
    };
    let error = stage
        .bind("publish-allow", more)
        .err()
        .expect("over the pool")
        .to_string();
    assert!(error.contains("17 MiB") && error.contains("memory_mib"), "{error}");
}
