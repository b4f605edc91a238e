//! Room for posts that are under way. A tenant has at most as much of it as it leaves free for others: so one alone has half of
//! it, two have a third each, and whoever comes next finds room.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

/// Posts that are under way at once, of all tenants: as many as polls that wait.
const POSTS: usize = 65_536;
/// Bytes of them. Redis gives up a subscriber whose messages of 32 MiB were not read.
const BYTES: usize = 24 * 1_048_576;

/// What is under way in one direction.
#[derive(Default)]
pub(crate) struct PostRoom(Mutex<UnderWay>);

#[derive(Default)]
struct UnderWay {
    all: Load,
    tenants: HashMap<Arc<str>, Load, RandomState>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Load {
    posts: usize,
    bytes: usize,
}

/// The place of a post, given back when dropped.
pub(crate) struct PostPlace {
    room: Arc<PostRoom>,
    tenant: Arc<str>,
    bytes: usize,
}

// === impl PostRoom ===

impl PostRoom {
    /// Takes a place for a post of so many bytes, if there is one for the tenant.
    pub(crate) fn enter(self: &Arc<Self>, tenant: &Arc<str>, bytes: usize) -> Option<PostPlace> {
        let mut under_way = self.0.lock();
        let own = under_way.tenants.get(tenant).copied().unwrap_or_default().with(bytes);
        let all = under_way.all.with(bytes);
        // One that has nothing else under way may be larger than what it leaves.
        let has_room = own.posts <= POSTS.saturating_sub(all.posts)
            && all.bytes <= BYTES
            && (own.posts == 1 || own.bytes <= BYTES - all.bytes);
        if !has_room {
            return None;
        }
        under_way.all = all;
        under_way.tenants.insert(tenant.clone(), own);
        Some(PostPlace {
            room: self.clone(),
            tenant: tenant.clone(),
            bytes,
        })
    }
}

// === impl Load ===

impl Load {
    fn with(self, bytes: usize) -> Self {
        Self {
            posts: self.posts + 1,
            bytes: self.bytes + bytes,
        }
    }

    fn without(self, bytes: usize) -> Self {
        Self {
            posts: self.posts - 1,
            bytes: self.bytes - bytes,
        }
    }
}

// === impl PostPlace ===

impl Drop for PostPlace {
    fn drop(&mut self) {
        let mut under_way = self.room.0.lock();
        under_way.all = under_way.all.without(self.bytes);
        if let Some(own) = under_way.tenants.get_mut(&self.tenant) {
            *own = own.without(self.bytes);
            if own.posts == 0 {
                under_way.tenants.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(room: &Arc<PostRoom>, tenant: &str, bytes: usize) -> Vec<PostPlace> {
        let tenant = tenant.into();
        std::iter::from_fn(|| room.enter(&tenant, bytes)).collect()
    }

    #[test]
    fn a_flood_leaves_as_much_as_it_takes() {
        let room = Arc::new(PostRoom::default());
        let first = fill(&room, "first", 0);
        assert_eq!(first.len(), POSTS / 2);
        let second = fill(&room, "second", 0);
        assert_eq!(second.len(), POSTS / 4, "half of what was free");
        assert!(room.enter(&"first".into(), 0).is_none());
        assert!(room.enter(&"third".into(), 0).is_some());
        drop((first, second));
        assert!(room.0.lock().tenants.is_empty(), "nothing is kept of tenants");
        assert_eq!(room.0.lock().all, Load::default());
    }

    #[test]
    fn bytes_are_shared_like_posts_and_one_large_post_has_room() {
        const MIB: usize = 1_048_576;
        let room = Arc::new(PostRoom::default());
        let large = room.enter(&"first".into(), 17 * MIB).unwrap();
        assert!(room.enter(&"first".into(), 1).is_none(), "it leaves less than it has");
        assert!(room.enter(&"second".into(), 8 * MIB).is_none());
        assert!(room.enter(&"second".into(), 7 * MIB).is_some());
        drop(large);
        assert_eq!(fill(&room, "first", MIB).len(), 12);
    }
}
