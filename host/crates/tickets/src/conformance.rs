//! The contract of a store of tickets as a suite: every implementation runs it.

use std::time::Duration;

use crate::store::{IssueRefused, Opens, SealedTicket, TicketId, TicketStore};
use Opens::{Stream, WebSocket};

/// Runs the whole suite. `make` makes a store that is empty.
pub(crate) async fn suite<S: TicketStore>(make: impl AsyncFn() -> S) {
    a_ticket_is_redeemed_once(&make().await).await;
    what_opened_a_stream_resumes_it(&make().await).await;
    of_many_at_once_one_gets_it(&make().await).await;
    what_is_over_is_none(&make().await).await;
    a_tenant_has_so_many(&make().await).await;
    a_limit_that_is_lowered_is_reached(&make().await).await;
}

/// A ticket that is told apart by its number, and resumes for a minute longer than the one before it.
pub(crate) fn ticket(number: u8) -> SealedTicket {
    SealedTicket {
        id: TicketId([number; 32]),
        sealed: vec![0, number, b'\r', b'\n', 0xff],
        redeemable: Duration::from_mins(1),
        resumable: Duration::from_mins(60 + u64::from(number)),
    }
}

async fn keep(store: &impl TicketStore, numbers: impl IntoIterator<Item = u8>, at_most: usize) {
    for number in numbers {
        store.keep("acme", ticket(number), at_most).await.unwrap();
    }
}

async fn takes(store: &impl TicketStore, number: u8, opens: Opens) -> bool {
    let taken = store.take("acme", ticket(number).id, opens).await.unwrap();
    taken
        .inspect(|sealed| assert_eq!(*sealed, ticket(number).sealed))
        .is_some()
}

async fn finds(store: &impl TicketStore, number: u8) -> bool {
    let found = store.find("acme", ticket(number).id).await.unwrap();
    found
        .inspect(|sealed| assert_eq!(*sealed, ticket(number).sealed))
        .is_some()
}

async fn a_ticket_is_redeemed_once(store: &impl TicketStore) {
    keep(store, [1, 2], 10).await;
    assert_eq!(
        store.take("other", ticket(1).id, WebSocket).await,
        Ok(None),
        "another tenant's"
    );
    assert!(!takes(store, 3, WebSocket).await, "never issued");
    assert!(takes(store, 1, WebSocket).await);
    for opens in [WebSocket, Stream] {
        assert!(!takes(store, 1, opens).await, "spent");
    }
    assert!(!finds(store, 1).await, "a WebSocket is not resumed");
    assert!(!finds(store, 2).await, "not redeemed");
    assert!(takes(store, 2, WebSocket).await, "nobody else's was spent");
}

async fn what_opened_a_stream_resumes_it(store: &impl TicketStore) {
    keep(store, [1], 10).await;
    assert!(takes(store, 1, Stream).await);
    for _ in 0..3 {
        assert!(finds(store, 1).await);
    }
    for opens in [WebSocket, Stream] {
        assert!(!takes(store, 1, opens).await, "it opens nothing else");
    }
    assert!(finds(store, 1).await);
    assert_eq!(store.find("other", ticket(1).id).await, Ok(None), "another tenant's");
}

async fn of_many_at_once_one_gets_it(store: &impl TicketStore) {
    keep(store, [1], 10).await;
    let (one, two, three, four) = tokio::join!(
        takes(store, 1, WebSocket),
        takes(store, 1, Stream),
        takes(store, 1, WebSocket),
        takes(store, 1, Stream)
    );
    let got = [one, two, three, four].into_iter().filter(|got| *got).count();
    assert_eq!(got, 1);
}

async fn what_is_over_is_none(store: &impl TicketStore) {
    let over = SealedTicket {
        redeemable: Duration::ZERO,
        ..ticket(1)
    };
    // Also when it counted, it makes room at once.
    for _ in 0..3 {
        store.keep("acme", over.clone(), 1).await.unwrap();
        assert!(!takes(store, 1, Stream).await);
    }
    let token_is_over = SealedTicket {
        resumable: Duration::ZERO,
        ..ticket(2)
    };
    store.keep("acme", token_is_over, 1).await.unwrap();
    assert!(takes(store, 2, Stream).await);
    assert!(!finds(store, 2).await, "its token is not good any more");
}

async fn a_tenant_has_so_many(store: &impl TicketStore) {
    keep(store, 1..=3, 3).await;
    let Err(IssueRefused::Full { limit: 3, retry_after }) = store.keep("acme", ticket(4), 3).await else {
        panic!("there is room");
    };
    assert!(
        retry_after > Duration::ZERO && retry_after <= ticket(1).redeemable,
        "{retry_after:?}"
    );
    store.keep("other", ticket(4), 3).await.expect("tenants do not share");
    assert!(!takes(store, 4, WebSocket).await);
    assert!(takes(store, 1, WebSocket).await, "all that were issued are kept");
    keep(store, [4], 3).await;

    // Of those that resume, the one that ends first gives way; of the others none does.
    for number in [3, 4] {
        assert!(takes(store, number, Stream).await);
    }
    keep(store, [5], 3).await;
    assert!(!finds(store, 3).await);
    assert!(finds(store, 4).await);
    keep(store, [6], 3).await;
    assert!(!finds(store, 4).await);
    assert!(matches!(
        store.keep("acme", ticket(7), 3).await,
        Err(IssueRefused::Full { .. })
    ));
    for number in [2, 5, 6] {
        assert!(takes(store, number, WebSocket).await);
    }
}

async fn a_limit_that_is_lowered_is_reached(store: &impl TicketStore) {
    keep(store, 1..=6, 6).await;
    for number in 1..=6 {
        assert!(takes(store, number, Stream).await);
    }
    for number in 7..=10 {
        keep(store, [number], 3).await;
        assert!(takes(store, number, Stream).await);
    }
    let mut left = 0;
    for number in 1..=10 {
        left += usize::from(finds(store, number).await);
    }
    assert_eq!(left, 3);
}
