//! `cargo xtask fuzz`: builds the fuzz targets with the compiler that builds everything else, and runs them one after the
//! other. What they find is kept in `target/fuzz/`; what is worth keeping for good goes to `fuzz/corpus/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::workspace::Workspace;
use crate::{needs, shell};

/// What libFuzzer wants of instrumented code: cargo-fuzz sets the same. Without a sanitizer these are flags of a stable
/// compiler, and there is no `unsafe` of ours in what is fuzzed.
const FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
    "-Ccodegen-units=1",
];
/// Bytes of an input at most: what breaks with more breaks with less, and is tried more often.
const INPUT_BYTES: u32 = 4_096;
/// Seconds that one input may take.
const INPUT_SECONDS: u32 = 10;
/// What a target may keep in `fuzz/corpus/`; `fuzz/properties/tests/corpus.rs` checks it.
const CORPUS_FILES: usize = 200;
const CORPUS_BYTES: u64 = 300 * 1024;
/// Fuzzing takes the time that nobody else wants.
const NICENESS: &str = "15";

#[derive(Debug, PartialEq, Eq)]
struct Arguments {
    target: Option<String>,
    minutes: u64,
    minimise: bool,
}

pub(crate) fn run(workspace: &Workspace, words: &[&str]) -> Result<()> {
    let arguments = parse(words)?;
    needs::ensure(&[needs::C_COMPILER])?;
    let fuzzing = Fuzzing {
        root: workspace.root.join("fuzz"),
        work: workspace.target.join("fuzz"),
    };
    let targets = fuzzing.targets(arguments.target.as_deref())?;
    let programs = fuzzing.build(workspace)?;
    let mut failed = Vec::new();
    for target in targets {
        let outcome = match arguments.minimise {
            true => fuzzing.minimise(&programs, &target),
            false => fuzzing.fuzz(&programs, &target, arguments.minutes),
        };
        if let Err(problem) = outcome {
            println!("{target}: {problem:#}");
            failed.push(target);
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("found something: {}", failed.join(", ")),
    }
}

fn parse(words: &[&str]) -> Result<Arguments> {
    let mut arguments = Arguments {
        target: None,
        minutes: 10,
        minimise: false,
    };
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        match word {
            "--minutes" => {
                let value = words.next().context("--minutes needs a value")?;
                arguments.minutes = value.parse().context("--minutes")?;
            }
            "--minimise" => arguments.minimise = true,
            target if !target.starts_with('-') && arguments.target.is_none() => {
                arguments.target = Some(target.to_owned());
            }
            _ => bail!("unknown: {word}. Usage: cargo xtask fuzz [TARGET] [--minutes N] [--minimise]"),
        }
    }
    ensure!(arguments.minutes > 0, "--minutes is at least 1");
    Ok(arguments)
}

/// Where things are: the sources with the corpora that are kept, and a folder for all that comes and goes.
struct Fuzzing {
    root: PathBuf,
    work: PathBuf,
}

// === impl Fuzzing ===

impl Fuzzing {
    /// All targets, or the one that is asked for.
    fn targets(&self, wanted: Option<&str>) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(self.root.join("fuzz_targets"))? {
            let path = entry?.path();
            all.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
        all.sort();
        match wanted {
            None => Ok(all),
            Some(wanted) if all.iter().any(|target| target == wanted) => Ok(vec![wanted.to_owned()]),
            Some(wanted) => bail!("no target {wanted}; there are {}", all.join(", ")),
        }
    }

    /// Builds all targets; the folder of the programs.
    fn build(&self, workspace: &Workspace) -> Result<PathBuf> {
        // The same versions of everything as in the broker.
        fs::copy(workspace.root.join("Cargo.lock"), self.root.join("Cargo.lock"))?;
        let version = shell::output(Command::new("rustc").arg("-vV").current_dir(&self.root))?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.context("rustc names no host")?;
        let mut cargo = workspace.cargo();
        // With a target named, build scripts and macros are not instrumented.
        cargo
            .args(["build", "--release", "--bins", "--target", host])
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.work)
            .env("RUSTFLAGS", FLAGS.join(" "));
        shell::run(&mut cargo)?;
        Ok(self.work.join(host).join("release"))
    }

    fn kept(&self, target: &str) -> PathBuf {
        self.root.join("corpus").join(target)
    }

    /// A folder of this target for what comes and goes.
    fn folder(&self, what: &str, target: &str) -> Result<PathBuf> {
        let folder = self.work.join(what).join(target);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(folder)
    }

    fn program(programs: &Path, target: &str) -> Command {
        let mut command = Command::new("nice");
        command.args(["-n", NICENESS]).arg(programs.join(target));
        command.arg(format!("-max_len={INPUT_BYTES}"));
        command
    }

    fn fuzz(&self, programs: &Path, target: &str, minutes: u64) -> Result<()> {
        println!("\n== {target}, {minutes} min");
        let found = self.folder("found", target)?;
        let log = self.work.join(format!("{target}.log"));
        let mut command = Self::program(programs, target);
        command
            .arg(self.folder("corpus", target)?)
            .arg(self.kept(target))
            .arg(format!("-max_total_time={}", minutes * 60))
            .arg(format!("-timeout={INPUT_SECONDS}"))
            .arg(format!("-artifact_prefix={}/", found.display()))
            .arg("-print_final_stats=1")
            .stderr(fs::File::create(&log)?);
        let ended = command.status().with_context(|| shell::describe(&command))?;
        let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        for line in text.lines().filter(|line| line.starts_with("stat::")) {
            println!("{line}");
        }
        if !ended.success() {
            let told: Vec<&str> = text.lines().filter(|line| is_telling(line)).collect();
            bail!(
                "{}\nthe whole: {}; the input in {}: mend it, and keep it in {}",
                told.join("\n"),
                log.display(),
                found.display(),
                self.kept(target).display()
            );
        }
        Ok(())
    }

    /// Makes the corpus that is kept anew, of the fewest and smallest inputs that reach as much.
    fn minimise(&self, programs: &Path, target: &str) -> Result<()> {
        let merged = self.folder("merged", target)?;
        fs::remove_dir_all(&merged)?;
        fs::create_dir_all(&merged)?;
        let mut command = Self::program(programs, target);
        command
            .args(["-merge=1", "-use_counters=0"])
            .arg(&merged)
            .arg(self.folder("corpus", target)?)
            .arg(self.kept(target));
        shell::run(command.stderr(fs::File::create(self.work.join(format!("{target}.merge.log")))?))?;
        let mut inputs = Vec::new();
        for entry in fs::read_dir(&merged)? {
            let entry = entry?;
            inputs.push((entry.metadata()?.len(), entry.path()));
        }
        inputs.sort();
        let (all, mut bytes) = (inputs.len(), 0);
        let kept = self.kept(target);
        fs::remove_dir_all(&kept)?;
        fs::create_dir_all(&kept)?;
        let mut files = 0;
        for (length, path) in inputs {
            bytes += length;
            if files == CORPUS_FILES || bytes > CORPUS_BYTES {
                break;
            }
            files += 1;
            fs::copy(&path, kept.join(path.file_name().context("an input has a name")?))?;
        }
        println!("{target}: {files} of {all} inputs kept");
        Ok(())
    }
}

/// Lines of libFuzzer and of a panic that say what was found.
fn is_telling(line: &str) -> bool {
    ["panicked at", "ERROR:", "SUMMARY:", "Test unit written", "assertion"]
        .iter()
        .any(|word| line.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read() {
        let some = parse(&["config", "--minutes", "3"]).unwrap();
        assert_eq!(
            (some.target.as_deref(), some.minutes, some.minimise),
            (Some("config"), 3, false)
        );
        let all = parse(&["--minimise"]).unwrap();
        assert_eq!((all.target, all.minutes, all.minimise), (None, 10, true));
        for words in [&["--minutes"][..], &["--minutes", "0"], &["a", "b"], &["--fast"]] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn every_target_has_a_program_a_corpus_and_a_folder() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("fuzz");
        let fuzzing = Fuzzing {
            work: PathBuf::new(),
            root,
        };
        let manifest = fs::read_to_string(fuzzing.root.join("Cargo.toml")).unwrap();
        let targets = fuzzing.targets(None).unwrap();
        assert!(!targets.is_empty());
        for target in targets {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
            assert!(fuzzing.kept(&target).is_dir(), "{target}");
        }
        assert!(fuzzing.targets(Some("nothing")).is_err());
    }
}
