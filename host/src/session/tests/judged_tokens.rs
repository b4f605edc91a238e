//! Tokens that are judged without a session, for a ticket: whoever could not connect by one gets none.

use super::support::Stage;
use crate::session::judged_token::TokenRefused;
use crate::transport::memory::MemoryStream;
use config::Limits;
use registry::BanSubject;

const ADDRESS: [u8; 4] = [127, 0, 0, 1];

async fn judge(stage: &Stage, token: &str) -> Result<Option<u64>, TokenRefused> {
    let mut opening = Stage::opening(&MemoryStream::new(0), Some(token), &[]);
    let doorkeeper = &stage.shard.common.doorkeeper;
    opening.place = doorkeeper.enter(&"acme".into(), &Limits::default(), 100).unwrap();
    let tenant = stage.shard.tenant("acme").unwrap();
    opening.judge_token(stage.shard.clone(), tenant).await
}

async fn refused(stage: &Stage, token: &str) -> (u16, bool) {
    let refused = judge(stage, token).await.expect_err("it is none");
    (refused.code, refused.retry_after.is_some())
}

#[tokio::test]
async fn a_token_is_good_unless_it_is_over_or_revoked_or_its_user_is_banned() {
    let stage = Stage::new("");
    assert_eq!(judge(&stage, "ann/1").await.unwrap(), None);
    assert_eq!(refused(&stage, "expired").await, (4410, false));
    stage.ban(BanSubject::Token("1".into()));
    stage.ban(BanSubject::TokensOf("eve".into()));
    stage.ban(BanSubject::User("bob".into()));
    for (token, code) in [("ann/1", 4401), ("eve/2", 4401), ("bob/3", 4451)] {
        assert_eq!(refused(&stage, token).await, (code, code == 4451), "{token}");
    }
    assert!(judge(&stage, "ann/2").await.is_ok());
}

#[tokio::test]
async fn a_plugin_that_bans_is_heard() {
    let stage = Stage::new("");
    assert_eq!(refused(&stage, "banned").await, (4403, false));
    let registry = &stage.shard.common.registry;
    assert!(
        registry
            .check_ban("acme", &BanSubject::Address(std::net::IpAddr::from(ADDRESS).into()))
            .is_err()
    );
}

#[tokio::test]
async fn who_comes_too_often_waits() {
    let stage = Stage::new("connects_per_second_per_user = 1");
    let mut judged = Vec::new();
    for _ in 0..20 {
        judged.push(judge(&stage, "ann").await);
    }
    let late = judged.into_iter().find_map(Result::err).expect("too often");
    assert!(late.code == 4429 && late.retry_after.is_some(), "{late:?}");
}
