//! Room for posts that are under way. A tenant has at most as much of it as it leaves free for others: so one alone has half of
//! it, two have a third each, and whoever comes next finds room.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

/// Posts that are under way at once, of all tenants: as many as polls that wait.
const POSTS: usize = 65_536;

/// What is under way in one direction.
pub struct PostRoom {
    /// Bytes of all posts at most.
    bytes: usize,
    under_way: Mutex<UnderWay>,
}

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
pub struct PostPlace {
    room: Arc<PostRoom>,
    tenant: Arc<str>,
    bytes: usize,
}

// === impl PostRoom ===

impl PostRoom {
    /// Room for so many bytes.
    pub fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes,
            under_way: Mutex::default(),
        })
    }

    /// Takes a place for a post of so many bytes, if there is one for the tenant.
    pub fn enter(self: &Arc<Self>, tenant: &Arc<str>, bytes: usize) -> Option<PostPlace> {
        let mut under_way = self.under_way.lock();
        let own = under_way.tenants.get(tenant).copied().unwrap_or_default().with(bytes);
        let all = under_way.all.with(bytes);
        if own.posts > POSTS.saturating_sub(all.posts) || !self.holds(own, all) {
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

    /// Whether there is room for what a tenant has, and all have together.
    fn holds(&self, own: Load, all: Load) -> bool {
        // One that has nothing else under way may be larger than what it leaves.
        all.bytes <= self.bytes && (own.posts == 1 || own.bytes <= self.bytes - all.bytes)
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

impl PostPlace {
    /// Its post has so many more bytes. Returns whether there is room for them; if not, nothing is taken.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let mut under_way = self.room.under_way.lock();
        let mut own = under_way.tenants.get(&self.tenant).copied().unwrap_or_default();
        let mut all = under_way.all;
        own.bytes += bytes;
        all.bytes += bytes;
        let has_room = self.room.holds(own, all);
        if has_room {
            under_way.all = all;
            under_way.tenants.insert(self.tenant.clone(), own);
            self.bytes += bytes;
        }
        has_room
    }
}

impl Drop for PostPlace {
    fn drop(&mut self) {
        let mut under_way = self.room.under_way.lock();
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

    const MIB: usize = 1_048_576;
    const BYTES: usize = 24 * MIB;

    fn fill(room: &Arc<PostRoom>, tenant: &str, bytes: usize) -> Vec<PostPlace> {
        let tenant = tenant.into();
        std::iter::from_fn(|| room.enter(&tenant, bytes)).collect()
    }

    #[test]
    fn a_flood_leaves_as_much_as_it_takes() {
        let room = PostRoom::new(BYTES);
        let first = fill(&room, "first", 0);
        assert_eq!(first.len(), POSTS / 2);
        let second = fill(&room, "second", 0);
        assert_eq!(second.len(), POSTS / 4, "half of what was free");
        assert!(room.enter(&"first".into(), 0).is_none());
        assert!(room.enter(&"third".into(), 0).is_some());
        drop((first, second));
        assert!(room.under_way.lock().tenants.is_empty(), "nothing is kept of tenants");
        assert_eq!(room.under_way.lock().all, Load::default());
    }

    #[test]
    fn bytes_are_shared_like_posts_and_one_large_post_has_room() {
        let room = PostRoom::new(BYTES);
        let large = room.enter(&"first".into(), 17 * MIB).unwrap();
        assert!(room.enter(&"first".into(), 1).is_none(), "it leaves less than it has");
        assert!(room.enter(&"second".into(), 8 * MIB).is_none());
        assert!(room.enter(&"second".into(), 7 * MIB).is_some());
        drop(large);
        assert_eq!(fill(&room, "first", MIB).len(), 12);
    }

    #[test]
    fn a_post_whose_length_is_not_known_grows_while_there_is_room() {
        let room = PostRoom::new(BYTES);
        let [first, second]: [Arc<str>; 2] = ["first".into(), "second".into()];
        let mut flood: Vec<_> = (0..3).map(|_| room.enter(&first, 0).unwrap()).collect();
        while flood.iter_mut().all(|post| post.grow(MIB)) {}
        let mut other = room.enter(&second, 0).unwrap();
        assert!(other.grow(10 * MIB), "a flood leaves as much as it takes");
        assert!(!other.grow(3 * MIB));
        drop((flood, other));
        assert_eq!(room.under_way.lock().all, Load::default());
    }
}
