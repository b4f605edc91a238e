//! Loading has bounds: what a plugin's author, or a wrong path, makes large or slow is refused with the setting that raises
//! the bound, and nobody waits for it meanwhile.

use std::fs::File;
use std::path::Path;

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, Signal, getpriority_process, kill_process, test_kill_process};

use crate::support::broker::{run, serve};
use crate::support::config::{Home, complete};
use crate::support::process::Process;
use crate::support::{Broker, PATIENCE, eventually, http};

/// One tenant, `m`, with the plugin in this file; and `victim`, without any.
fn config(file: &str, more: &str) -> String {
    format!(
        r#"
        plugins = {{ p = {{ file = "{file}" }} }}
        {more}
        tenants = [
            {{ name = "victim", anonymous = true, default = "allow" }},
            {{ name = "m", chain = [{{ plugin = "p" }}] }},
        ]
        "#
    )
}

async fn check(config: &Path) -> (Option<i32>, String) {
    let (code, out, err) = run(&["config", "check", "--config", config.to_str().unwrap()]).await;
    (code, out + &err)
}

/// `config check` refuses the plugin with these bytes.
async fn refused(bytes: &[u8], more: &str, words: &[&str]) {
    let home = Home::new();
    home.put("guests/p.wasm", bytes);
    home.write(&complete(&config("guests/p.wasm", more)));
    let (code, said) = check(&home.config()).await;
    assert_eq!(code, Some(1), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

// === files ===

#[tokio::test]
async fn what_is_no_file_is_not_waited_for() {
    let home = Home::new();
    mkfifoat(CWD, home.path("pipe"), Mode::RUSR | Mode::WUSR).expect("a pipe");
    let sparse = File::create(home.path("sparse")).expect("a file");
    sparse.set_len(1 << 40).expect("a long file");
    for (path, why) in [
        ("pipe", "a pipe, not a regular file"),
        ("/dev/zero", "a device, not a regular file"),
        ("guests", "a directory, not a regular file"),
        ("sparse", "has more than"),
    ] {
        home.write(&complete(&config(path, "")));
        let (code, said) = check(&home.config()).await;
        assert_eq!(code, Some(1), "{path}: {said}");
        assert!(said.contains(why) && said.contains("plugins.p"), "{path}: {said}");
        let (code, said) = check(&home.path(path)).await;
        assert_eq!(code, Some(1), "the config {path}: {said}");
        assert!(said.contains(why), "the config {path}: {said}");
    }
}

#[tokio::test]
async fn a_large_component_names_its_setting() {
    let more = "sandbox = { component_mib = 1 }";
    let large = vec![b' '; 1_048_577];
    refused(&large, more, &["more than 1 MiB", "sandbox.component_mib"]).await;
}

// === compiling ===

/// A component whose one function has so many multiplications that it takes seconds and hundreds of MiB to compile.
fn hog() -> Vec<u8> {
    // local.get 0, i32.const 7, i32.mul, local.set 0
    let step = [0x20, 0, 0x41, 7, 0x6c, 0x21, 0];
    let mut body = vec![0];
    body.extend(step.repeat(1_000_000));
    body.push(0x0b);
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    // A function type with one parameter; a function of it; its body.
    section(&mut module, 1, &[1, 0x60, 1, 0x7f, 0]);
    section(&mut module, 3, &[1, 0]);
    let mut code = vec![1];
    length(&mut code, body.len());
    code.extend(body);
    section(&mut module, 10, &code);
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    section(&mut component, 1, &module);
    component
}

fn section(to: &mut Vec<u8>, id: u8, content: &[u8]) {
    to.push(id);
    length(to, content.len());
    to.extend(content);
}

/// In LEB128.
fn length(to: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = u8::try_from(length & 0x7f).expect("seven bits");
        length >>= 7;
        to.push(if length == 0 { low } else { low | 0x80 });
        if length == 0 {
            return;
        }
    }
}

#[tokio::test]
async fn compiling_takes_no_more_time_than_it_may() {
    let more = "sandbox = { compile_seconds = 1, compile_memory_mib = 8192 }";
    refused(
        &hog(),
        more,
        &["compiling it takes more than 1s", "sandbox.compile_seconds"],
    )
    .await;
}

#[tokio::test]
async fn compiling_takes_no_more_memory_than_it_may() {
    let more = "sandbox = { compile_memory_mib = 64 }";
    let words = ["more than 64 MiB of memory", "sandbox.compile_memory_mib"];
    refused(&hog(), more, &words).await;
    // What is within the bounds is compiled in them.
    let home = Home::new();
    home.write(&complete(&config("guests/publish-allow.wasm", more)));
    let (code, said) = check(&home.config()).await;
    assert_eq!(code, Some(0), "{said}");
}

/// How far the thread that loads stands behind the broker's other threads. A compiler stands behind the thread that starts it.
const LOADING_NICE: i32 = 10;

/// The process in which this one has a component compiled, once it has taken its limits on itself: the low priority is the
/// last of them but one.
async fn compiler_of(children: impl Fn() -> Vec<i32>, starter_nice: i32) -> Pid {
    let own = getpriority_process(None).expect("the tests have a priority, and the broker has it too");
    let is_restrained = |pid: &i32| {
        let pid = Pid::from_raw(*pid);
        getpriority_process(pid).is_ok_and(|nice| nice > own + starter_nice)
    };
    let child = eventually(PATIENCE, "a compiler", async || {
        children().into_iter().find(is_restrained)
    })
    .await;
    Pid::from_raw(child).expect("a process number")
}

/// Holds a compiler up for as long as it lives. It must not outlive its parent.
fn hold_up(compiler: Pid) {
    kill_process(compiler, Signal::STOP).expect("it is ours");
}

async fn is_gone(compiler: Pid) {
    eventually(PATIENCE, "the compiler's end", async || {
        test_kill_process(compiler).err()
    })
    .await;
}

/// Compiling may take longer than any test.
const NO_LIMITS: &str = "sandbox = { compile_seconds = 3600, compile_memory_mib = 8192 }";

#[tokio::test]
async fn a_start_that_compiles_lives_and_can_be_ended() {
    let home = Home::new();
    home.put("guests/p.wasm", hog());
    home.write(&complete(&config("guests/p.wasm", NO_LIMITS)));
    let process = serve(&home, "info").await;
    let admin = process.stdout.wait_for(&["admin on http://"]).await;
    let admin = admin
        .rsplit('/')
        .next()
        .expect("an address")
        .parse()
        .expect("an address");
    let compiler = compiler_of(|| process.children(), LOADING_NICE).await;
    hold_up(compiler);
    assert_eq!(http::get(admin, "/healthz").await.status, 200);
    let ready = http::get(admin, "/readyz").await;
    assert_eq!((ready.status, &*ready.body), (503, "not ready: starting or draining\n"));
    assert_eq!(http::get(admin, "/metrics").await.status, 200);
    assert_eq!(http::get(admin, "/api/v1/tenants/victim").await.status, 503);
    assert!(!process.stdout.text().contains("listening"));
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code().await, Some(0));
    is_gone(compiler).await;
}

#[tokio::test]
async fn a_reload_that_compiles_holds_up_nobody() {
    let broker = Broker::start(&config("guests/publish-allow.wasm", NO_LIMITS)).await;
    let mut ann = broker.dial("ann").tenant("victim").connect().await;
    ann.subscribe("c").await;
    broker.home.put("guests/publish-allow.wasm", hog());
    broker.begin_reload();
    let compiler = compiler_of(|| broker.children(), LOADING_NICE).await;
    hold_up(compiler);
    assert_eq!(broker.admin_get("/healthz").await.status, 200);
    assert_eq!(broker.admin_get("/readyz").await.body, "ready\n");
    ann.publish("hi").await.expect_message("hi").await;
    broker.dial("bob").tenant("victim").connect().await.still_works().await;
    // A second signal waits for the first to be done.
    broker.begin_reload();
    broker.terminate();
    ann.expect_disconnect(4000, "shutting_down", true).await;
    assert_eq!(broker.exit_code().await, Some(0));
    is_gone(compiler).await;
}

#[tokio::test]
async fn a_compiler_that_is_killed_is_a_problem_of_its_plugin_alone() {
    let broker = Broker::start(&config("guests/publish-allow.wasm", NO_LIMITS)).await;
    broker.home.put("guests/publish-allow.wasm", hog());
    broker.begin_reload();
    let compiler = compiler_of(|| broker.children(), LOADING_NICE).await;
    kill_process(compiler, Signal::KILL).expect("it is ours");
    broker
        .log()
        .wait_for(&["a tenant is quarantined", "was killed", "sandbox.compile_memory_mib"])
        .await;
    broker.dial("ann").tenant("victim").connect().await.still_works().await;
}

#[tokio::test]
async fn config_check_that_is_killed_leaves_no_compiler() {
    let home = Home::new();
    home.put("guests/p.wasm", hog());
    home.write(&complete(&config("guests/p.wasm", NO_LIMITS)));
    let file = home.config();
    let args = [
        "config".as_ref(),
        "check".as_ref(),
        "--config".as_ref(),
        file.as_os_str(),
    ];
    let process = Process::start(args, "info");
    let compiler = compiler_of(|| process.children(), 0).await;
    hold_up(compiler);
    process.signal(Signal::KILL);
    process.ended().await;
    is_gone(compiler).await;
}

// === schemas ===

/// A guest that carries this schema.
fn with_schema(schema: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/publish-allow.wat");
    let text = std::fs::read_to_string(&path).expect("the guest");
    let section = format!(
        "(component\n  (@custom \"sluicegate:settings-schema\" \"{}\")",
        schema.replace('\\', "\\\\").replace('"', "\\\"")
    );
    wat::parse_str(text.replacen("(component", &section, 1)).expect("a component")
}

#[tokio::test]
async fn a_schema_that_multiplies_is_not_waited_for() {
    let twice = |n: u32| {
        let next = format!("{{\"$ref\":\"#/$defs/d{}\"}}", n + 1);
        format!("\"d{n}\":{{\"allOf\":[{next},{next}]}}")
    };
    let defs: Vec<String> = (0..40).map(twice).collect();
    let chain = format!(
        "{{\"$ref\":\"#/$defs/d0\",\"$defs\":{{{},\"d40\":{{}}}}}}",
        defs.join(",")
    );
    let pattern = r#"{"properties":{"x":{"pattern":"^(?=(a|aa)+$)(a|aa)+\\1b$"}}}"#;
    for (schema, words) in [
        (&*chain, &["its settings against its schema takes more than"][..]),
        // The pattern's own bound, or the time's.
        (pattern, &["tenants[1].chain[0]"]),
        // Not JSON, not a schema, and more than may be nested.
        ("{", &["no JSON Schema"]),
        ("{\"type\":\"no-type\"}", &["no JSON Schema"]),
        (
            &*format!("{}{{}}{}", "{\"not\":".repeat(200), "}".repeat(200)),
            &["no JSON Schema", "recursion"],
        ),
    ] {
        let home = Home::new();
        home.put("guests/p.wasm", with_schema(schema));
        let settings = format!("plugin = \"p\", config = {{ x = \"{}\" }}", "a".repeat(60));
        home.write(&complete(
            &config("guests/p.wasm", "").replace("plugin = \"p\"", &settings),
        ));
        let (code, said) = check(&home.config()).await;
        assert_eq!(code, Some(1), "{schema}: {said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in: {said}");
        }
    }
}
