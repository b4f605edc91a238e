//! Everything that a fuzzer found worth keeping, as an ordinary test.

use std::fs;
use std::panic::catch_unwind;
use std::path::PathBuf;

use fuzz_properties::TARGETS;

/// Files and bytes of a target at most: enough to reach every branch, little enough to keep.
const FILES: usize = 200;
const BYTES: usize = 300 * 1024;

#[test]
fn every_property_holds_for_the_corpus() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    for (target, check) in TARGETS {
        let entries = fs::read_dir(folder.join(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
        let (mut files, mut bytes) = (0, 0);
        for entry in entries {
            let path = entry.expect("an entry").path();
            let data = fs::read(&path).expect("a file");
            files += 1;
            bytes += data.len();
            assert!(catch_unwind(|| check(&data)).is_ok(), "{target}: {}", path.display());
        }
        assert!((1..=FILES).contains(&files), "{target}: {files} files");
        assert!(bytes <= BYTES, "{target}: {bytes} bytes");
    }
    let folders = fs::read_dir(folder).expect("a folder").count();
    assert_eq!(folders, TARGETS.len(), "a corpus without a target");
}
