//! The partitions that channels are divided into. Everything of a channel lies under the hash tag of its partition, so
//! that in a Cluster the channels of a partition share a slot: they are subscribed together and move together.

use std::collections::HashMap;

use redis_client::{SLOTS, slot_of_tag};

use protocol::names::Topic;

/// Which partition, counted from 0.
pub(super) type Partition = u16;

/// Digits of a tag, lowest first.
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A number of partitions, with their tags.
#[derive(Debug)]
pub(super) struct Partitions {
    tags: Vec<Box<str>>,
    slots: Vec<u16>,
}

impl Partitions {
    /// So many partitions, at least one and at most one for every four slots. Partition `i` of `n` gets the shortest
    /// tag whose slot is in the `i`-th of `n` equal parts of the slots: masters have ranges of slots, so each of them
    /// gets its share. The same numbers give the same tags on every node.
    pub(super) fn new(count: u16) -> Self {
        let count = usize::from(count.max(1));
        let mut found: HashMap<usize, Box<str>> = HashMap::with_capacity(count);
        for number in 0_u64.. {
            if found.len() == count {
                break;
            }
            let tag = tag(number);
            let part = usize::from(slot_of_tag(tag.as_bytes())) * count / usize::from(SLOTS);
            found.entry(part).or_insert(tag);
        }
        let tags: Vec<_> = (0..count)
            .map(|part| found.remove(&part).expect("all are found"))
            .collect();
        let slots = tags.iter().map(|tag| slot_of_tag(tag.as_bytes())).collect();
        Self { tags, slots }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.tags.len()
    }

    /// The partition of a channel.
    pub(super) fn of(&self, topic: &Topic) -> Partition {
        let hash = hash(&[topic.tenant.as_bytes(), b"/", topic.channel.as_str().as_bytes()]);
        Partition::try_from(hash % self.tags.len() as u64).expect("there are fewer")
    }

    /// What stands between the braces of a partition's names.
    pub(super) fn tag(&self, partition: Partition) -> &str {
        &self.tags[usize::from(partition)]
    }

    /// Where a partition lies.
    pub(super) fn slot(&self, partition: Partition) -> u16 {
        self.slots[usize::from(partition)]
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Partition> + use<> {
        0..Partition::try_from(self.tags.len()).expect("there are fewer than slots")
    }
}

fn tag(mut number: u64) -> Box<str> {
    let mut tag = String::new();
    loop {
        tag.push(char::from(DIGITS[usize::try_from(number % 36).expect("below 36")]));
        number /= 36;
        if number == 0 {
            return tag.into();
        }
        // So that every text comes once: "a" and "a0" are two.
        number -= 1;
    }
}

/// FNV-1a, and then the last step of `MurmurHash3` (64 bits), which spreads what FNV leaves in the upper bits. Nodes of
/// all versions have to agree on it.
fn hash(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.iter());
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    for factor in [0xff51_afd7_ed55_8ccd_u64, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use protocol::names::Channel;

    /// How many of them each of so many masters has, when the slots are divided evenly.
    fn of_each(slots: impl Iterator<Item = u16>, masters: usize) -> Vec<usize> {
        let mut counts = vec![0; masters];
        for slot in slots {
            counts[usize::from(slot) * masters / usize::from(SLOTS)] += 1;
        }
        counts
    }

    #[test]
    fn tags_lie_evenly_over_the_masters() {
        for (count, masters, fewest, most) in [
            (256, 3, 85, 86),
            (256, 10, 24, 27),
            (256, 16, 16, 16),
            (1000, 3, 332, 335),
            (1000, 16, 61, 64),
            (64, 3, 20, 22),
            (4096, 10, 408, 411),
        ] {
            let partitions = Partitions::new(count);
            let counts = of_each(partitions.all().map(|partition| partitions.slot(partition)), masters);
            let (least, greatest) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!((fewest..=most).contains(least), "{count} over {masters}: {counts:?}");
            assert!((fewest..=most).contains(greatest), "{count} over {masters}: {counts:?}");
        }
    }

    #[test]
    fn tags_are_short_and_all_different() {
        for count in [1, 2, 7, 256, 4096] {
            let partitions = Partitions::new(count);
            let tags: HashSet<_> = partitions.tags.iter().collect();
            assert_eq!(tags.len(), usize::from(count));
            assert!(tags.iter().all(|tag| (1..=3).contains(&tag.len())), "{tags:?}");
        }
    }

    #[test]
    fn channels_are_spread_over_the_partitions() {
        let partitions = Partitions::new(256);
        let mut counts = vec![0_u32; 256];
        for n in 0..25_600 {
            let channel = Channel::parse(&format!("room:{n}")).unwrap();
            let tenant = "acme".into();
            counts[usize::from(partitions.of(&Topic { tenant, channel }))] += 1;
        }
        assert!(counts.iter().all(|count| (50..150).contains(count)), "{counts:?}");
    }

    /// Nodes of two versions would not meet if one of these changed.
    #[test]
    fn what_is_agreed_on_stays() {
        let hashed = hash(&[b"acme", b"/", b"room:1"]);
        assert_eq!((hashed, hashed % 256), (2_934_534_347_066_168_977, 145));
        let partitions = Partitions::new(3);
        let slots: Vec<_> = partitions.all().map(|partition| partitions.slot(partition)).collect();
        assert_eq!(
            (partitions.tags.join(" "), slots),
            ("3 1 0".into(), vec![1584, 9842, 13_907])
        );
        assert_eq!(Partitions::new(256).tags[..5].join(" "), "ru 14 rq 10 9t");
    }
}
