//! Compiled plugins on disk: used when they are whole, compiled again when they are not.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use super::*;

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Loads a guest through a cache in `dir` and calls it.
fn use_guest(dir: &Path) {
    let stage = Stage::with_cache(Some(dir.to_owned()));
    let mut slot = stage.slot("publish-allow");
    assert_eq!(publish(&mut slot, "1").unwrap().verdict, PublishVerdict::Allow);
}

/// Sets a time that no write would, to see whether the file was written again.
fn age(file: &Path) {
    fs::File::open(file)
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH)
        .unwrap();
}

#[test]
fn a_plugin_is_compiled_once() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("made/on/demand");
    use_guest(&dir);
    let written = files(&dir);
    assert_eq!(written.len(), 1);
    let content = fs::read(&written[0]).unwrap();
    age(&written[0]);
    use_guest(&dir);
    assert_eq!(files(&dir), written);
    assert_eq!(fs::read(&written[0]).unwrap(), content);
}

#[test]
fn only_this_user_may_use_it() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("cache");
    use_guest(&dir);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&files(&dir)[0]), 0o600);

    let open = home.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    use_guest(&open);
    assert!(
        files(&open).is_empty(),
        "a directory that others may write to is not used"
    );
}

#[test]
fn a_damaged_file_is_compiled_again() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("cache");
    use_guest(&dir);
    let file = files(&dir).remove(0);
    let good = fs::read(&file).unwrap();
    for at in [0, 7, 8, 39, 40, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&file, &bad).unwrap();
        use_guest(&dir);
        assert_eq!(fs::read(&file).unwrap(), good, "byte {at}");
    }
    for length in [0, 5, 20, good.len() - 1] {
        fs::write(&file, &good[..length]).unwrap();
        use_guest(&dir);
        assert_eq!(fs::read(&file).unwrap(), good, "cut to {length}");
    }
}

#[test]
fn a_file_under_the_name_of_another_plugin_is_not_believed() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("cache");
    use_guest(&dir);
    let ours = files(&dir).remove(0);
    let stage = Stage::with_cache(Some(dir.clone()));
    stage.load("publish-deny").unwrap();
    let theirs = files(&dir).into_iter().find(|file| *file != ours).unwrap();
    fs::copy(&theirs, &ours).unwrap();
    use_guest(&dir);
}
