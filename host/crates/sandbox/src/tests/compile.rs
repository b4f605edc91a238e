//! Compiling elsewhere: what another engine made is what this one runs. The process itself is tested on the wire, where
//! there is a program for it.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::*;
use crate::code;

#[test]
fn machine_code_of_the_compiling_engine_fits_the_others() {
    let stage = Stage::new();
    let hash = |engine: &wasmtime::Engine| {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    };
    assert_eq!(
        hash(&code::for_compiling().unwrap()),
        hash(&stage.sandbox.engine.engine)
    );
}

#[test]
fn a_program_that_is_no_compiler_is_told() {
    let compiler = |program: &str| CompilerOptions::Child {
        program: program.into(),
        args: Vec::new(),
    };
    for (program, why) in [
        ("/no/such/program", "cannot be started"),
        ("/bin/false", "ended: exit status: 1"),
        // It answers with what it is asked.
        ("/bin/cat", "ended:"),
    ] {
        let options = SandboxOptions {
            instances: Some(1),
            compiler: compiler(program),
            ..SandboxOptions::default()
        };
        let sandbox = Sandbox::new(options).unwrap();
        let binary = wat::parse_str(text("publish-allow")).unwrap();
        let error = sandbox.load("p", &binary).map(|_| ()).unwrap_err().to_string();
        assert!(
            error.contains("the process that compiles") && error.contains(why),
            "{error}"
        );
    }
}
