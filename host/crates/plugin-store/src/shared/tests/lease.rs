use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::test_store;
use crate::shared::lease::{Lease, Step};

/// A bucket that answers at once, and nodes with leases of it.
struct Bucket {
    now: Instant,
    per_second: f64,
    burst: f64,
    tokens: (f64, Instant),
    nodes: Vec<Lease>,
    asked: usize,
}

impl Bucket {
    fn new(nodes: usize, per_second: f64, burst: f64) -> Self {
        let now = Instant::now();
        Self {
            now,
            per_second,
            burst,
            tokens: (burst, now),
            nodes: (0..nodes).map(|_| Lease::new(now, per_second, burst)).collect(),
            asked: 0,
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn answer(&mut self, node: usize, terms: &super::super::LeaseTerms) {
        self.asked += 1;
        let (given, rest) = test_store::lease(self.tokens, self.now, terms);
        self.tokens = (rest, self.now);
        self.nodes[node].answered(self.now, given, rest);
    }

    fn take(&mut self, node: usize, cost: f64) -> Result<(), u64> {
        self.nodes[node].offer(self.now, self.per_second, self.burst, cost);
        loop {
            match self.nodes[node].step(self.now, cost) {
                Step::Taken(more) => {
                    if let Some(terms) = more {
                        self.answer(node, &terms);
                    }
                    return Ok(());
                }
                Step::Refused(wait) => return Err(wait),
                Step::Ask(terms) => self.answer(node, &terms),
                Step::Wait => panic!("it was answered"),
            }
        }
    }

    fn sweep(&mut self) {
        for node in 0..self.nodes.len() {
            if let Some(terms) = self.nodes[node].give_back(self.now) {
                self.answer(node, &terms);
            }
        }
    }
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn three_nodes_have_one_limit() {
    // The smaller a bucket is for its rate, the less can be had in advance.
    let cases = [
        (100.0, 100.0, 0.2),
        (500.0, 100.0, 0.2),
        (900.0, 1000.0, 0.2),
        (50.0, 5.0, 0.2),
        (500.0, 20.0, 0.6),
    ];
    for (rate, burst, share) in cases {
        let mut bucket = Bucket::new(3, rate, burst);
        let mut allowed = 0.0;
        for n in 0..20_000 {
            if bucket.take(n % 3, 1.0).is_ok() {
                allowed += 1.0;
            }
            bucket.pass(MS);
        }
        let exact = burst + rate * 20.0;
        let off: f64 = allowed / exact - 1.0;
        assert!(off.abs() < 0.01, "{allowed} of {exact} at {rate}/s, burst {burst}");
        let asked = bucket.asked as f64 / 20_000.0;
        assert!(asked < share, "{asked} of all asked at {rate}/s, burst {burst}");
    }
}

#[test]
fn who_is_under_the_limit_is_not_refused() {
    let mut bucket = Bucket::new(3, 500.0, 50.0);
    for n in 0..20_000 {
        assert_eq!(bucket.take(n % 3, 1.0), Ok(()), "check {n}");
        bucket.pass(MS * 5 / 2);
    }
    assert!(bucket.asked < 5_000, "{} asked", bucket.asked);
}

#[test]
fn small_buckets_are_asked_each_time_and_nothing_is_held() {
    let mut bucket = Bucket::new(3, 1.0, 10.0);
    for n in 0..10 {
        assert_eq!(bucket.take(n % 3, 1.0), Ok(()));
    }
    assert_eq!(bucket.asked, 10);
    assert_eq!(bucket.take(0, 1.0), Err(1000), "it had the last");
    assert_eq!(bucket.asked, 10);
    assert_eq!(bucket.take(1, 1.0), Err(1000));
    assert_eq!(bucket.asked, 11, "that node did not know yet");
    assert_eq!(bucket.take(1, 1.0), Err(1000));
    assert_eq!(bucket.asked, 11, "now it does");
}

#[test]
fn what_is_not_used_is_given_back() {
    let mut bucket = Bucket::new(2, 0.1, 80.0);
    for _ in 0..30 {
        bucket.take(0, 1.0).unwrap();
    }
    assert!(bucket.tokens.0 < 50.0, "it holds some in advance");
    bucket.pass(MS * 199);
    bucket.sweep();
    assert!(bucket.tokens.0 < 50.0, "it may go on");
    bucket.pass(MS);
    bucket.sweep();
    for n in 0..50 {
        assert_eq!(bucket.take(1, 1.0), Ok(()), "{n}");
    }
    assert!(bucket.take(1, 1.0).is_err());
}

#[test]
fn a_first_message_takes_little() {
    let mut bucket = Bucket::new(1, 100.0, 1000.0);
    bucket.take(0, 1.0).unwrap();
    assert!(bucket.tokens.0 >= 998.0, "{}", bucket.tokens.0);
}

#[test]
fn a_bucket_that_got_some_back_is_noticed() {
    let mut bucket = Bucket::new(1, 0.01, 10.0);
    for _ in 0..10 {
        bucket.take(0, 1.0).unwrap();
    }
    assert!(bucket.take(0, 1.0).is_err());
    bucket.tokens.0 = 5.0;
    assert!(bucket.take(0, 1.0).is_err());
    bucket.pass(MS * 250);
    assert_eq!(bucket.take(0, 1.0), Ok(()));
}

#[test]
fn what_is_spent_alone_is_settled() {
    let now = Instant::now();
    let mut lease = Lease::new(now, 1.0, 10.0);
    lease.offer(now, 1.0, 10.0, 1.0);
    assert!(matches!(lease.step(now, 1.0), Step::Ask(_)));
    assert_eq!(lease.step(now, 1.0), Step::Wait);
    assert_eq!(lease.take_alone(now, 1.0), Ok(()));
    lease.failed();
    let Step::Ask(terms) = lease.step(now, 1.0) else {
        panic!("it asks again");
    };
    assert_eq!((terms.settle, terms.need, terms.want), (1.0, 1.0, 1.0));
    lease.failed();
    let Step::Ask(again) = lease.step(now, 1.0) else {
        panic!("and again");
    };
    assert_eq!(again, terms, "a request that failed settled nothing");
}

#[test]
fn an_answer_that_comes_late_pays_for_who_did_not_wait() {
    let now = Instant::now();
    let mut lease = Lease::new(now, 0.0, 2.0);
    lease.offer(now, 0.0, 2.0, 1.0);
    assert!(matches!(lease.step(now, 1.0), Step::Ask(_)));
    assert_eq!(lease.take_alone(now, 1.0), Ok(()));
    lease.answered(now, 1.0, 1.0);
    let Step::Ask(terms) = lease.step(now, 1.0) else {
        panic!("the token that came is spent");
    };
    assert!(terms.settle.abs() < 1e-9);
}

proptest! {
    /// No more than the burst and what the rate brought, whatever nodes do; and a lone node's waits are enough.
    #[test]
    fn never_more_than_burst_and_rate(
        rate in 0.1f64..2_000.0,
        burst in 1u32..200,
        steps in prop::collection::vec((0u64..40, 0usize..3, 1u32..5, any::<bool>()), 1..400),
    ) {
        let mut bucket = Bucket::new(3, rate, f64::from(burst));
        let start = bucket.now;
        let mut allowed = 0.0;
        for (millis, node, cost, sweep) in steps {
            bucket.pass(MS * u32::try_from(millis).unwrap());
            if sweep {
                bucket.sweep();
            }
            if cost <= burst && bucket.take(node, f64::from(cost)).is_ok() {
                allowed += f64::from(cost);
            }
            let most = f64::from(burst) + rate * (bucket.now - start).as_secs_f64();
            prop_assert!(allowed <= most + 1e-3, "{} of {}", allowed, most);
        }
    }

    #[test]
    fn a_wait_that_was_promised_is_enough(
        rate in 0.1f64..2_000.0,
        burst in 1u32..200,
        steps in prop::collection::vec((0u64..40, 1u32..5), 1..400),
    ) {
        let mut bucket = Bucket::new(1, rate, f64::from(burst));
        for (millis, cost) in steps {
            bucket.pass(MS * u32::try_from(millis).unwrap());
            if cost <= burst && let Err(wait) = bucket.take(0, f64::from(cost)) {
                bucket.pass(MS * u32::try_from(wait).unwrap());
                prop_assert_eq!(bucket.take(0, f64::from(cost)), Ok(()));
            }
        }
    }
}
