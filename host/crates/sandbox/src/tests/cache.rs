//! Compiled plugins on disk: used when they are whole, compiled again when they are not, kept while there is room.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
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
    stage.sandbox.settle_cache();
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

/// Loads plugins that differ, as a start does.
fn load_all(dir: &Path, cache_bytes: u64, numbers: impl Iterator<Item = usize>) {
    let stage = Stage::with_options(SandboxOptions {
        instances: Some(16),
        cache_dir: Some(dir.to_owned()),
        cache_bytes,
        ..SandboxOptions::default()
    });
    let load = |number: usize| {
        let different = format!("(component (@custom \"number\" \"{number}\")");
        let text = text("publish-allow").replacen("(component", &different, 1);
        stage.sandbox.load("p", text.as_bytes()).unwrap()
    };
    let plugins: Vec<_> = numbers.map(load).collect();
    stage.sandbox.settle_cache();
    drop(plugins);
}

/// Files by name, with what tells one that was written again.
fn inodes(dir: &Path) -> BTreeMap<PathBuf, u64> {
    let inode = |path: PathBuf| (path.clone(), fs::metadata(path).unwrap().ino());
    files(dir).into_iter().map(inode).collect()
}

#[test]
fn a_load_that_does_not_fit_does_not_push_itself_out() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("cache");
    load_all(&dir, u64::MAX, 0..1);
    let room = 4 * fs::metadata(&files(&dir)[0]).unwrap().len() + 1000;
    load_all(&dir, room, 0..6);
    let kept = inodes(&dir);
    assert_eq!(kept.len(), 4);
    for numbers in [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [0, 2, 4, 1, 3, 5]] {
        load_all(&dir, room, numbers.into_iter());
        assert_eq!(inodes(&dir), kept, "{numbers:?}: the same four are found again");
    }
}

#[test]
fn what_a_load_did_not_use_makes_room_and_the_oldest_goes_first() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("cache");
    load_all(&dir, u64::MAX, 0..1);
    let (first, inode) = inodes(&dir).pop_first().unwrap();
    let room = 4 * fs::metadata(&first).unwrap().len() + 1000;
    age(&first);
    load_all(&dir, room, 1..4);
    assert_eq!(inodes(&dir).get(&first), Some(&inode), "there is room for all four");
    load_all(&dir, room, 4..5);
    let left = inodes(&dir);
    assert!(left.len() == 4 && !left.contains_key(&first));
    let unfinished = dir.join("1-1-1.new");
    fs::write(&unfinished, "of a process that died").unwrap();
    age(&unfinished);
    load_all(&dir, room, 4..5);
    assert_eq!(inodes(&dir), left);
}

#[test]
fn a_smaller_bound_holds_after_the_next_load() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("cache");
    load_all(&dir, u64::MAX, 0..3);
    let size = fs::metadata(&files(&dir)[0]).unwrap().len();
    load_all(&dir, 2 * size + 1000, 0..3);
    assert_eq!(files(&dir).len(), 2);
    load_all(&dir, 10, 0..3);
    assert_eq!(files(&dir).len(), 0);
}

#[test]
fn a_directory_is_as_safe_as_those_above_it() {
    let home = tempfile::tempdir().unwrap();
    let used_in = |mode: u32, owner: Option<u32>| {
        let name = format!("{mode:o}-{owner:?}");
        let above = home.path().join(&name);
        let dir = above.join("between/cache");
        fs::create_dir_all(dir.parent().unwrap()).unwrap();
        fs::set_permissions(&above, fs::Permissions::from_mode(mode)).unwrap();
        if let Some(owner) = owner {
            std::os::unix::fs::chown(&above, Some(owner), None).unwrap();
        }
        // A link elsewhere does not hide what is above.
        let link = home.path().join(format!("link-{name}"));
        std::os::unix::fs::symlink(&dir, &link).unwrap();
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        use_guest(&link);
        !files(&dir).is_empty()
    };
    for (mode, is_used) in [
        (0o755, true),
        (0o1777, true),
        (0o777, false),
        (0o775, false),
        (0o757, false),
    ] {
        assert_eq!(used_in(mode, None), is_used, "{mode:o}");
    }
    let is_root = fs::metadata(home.path()).unwrap().uid() == 0;
    if is_root {
        assert!(!used_in(0o755, Some(4_321)), "of another user");
    }
}
