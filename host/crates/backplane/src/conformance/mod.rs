//! The contract of a backplane as a suite: every implementation runs it.

mod bench;
mod delivery;
mod history;
mod limits;
mod presence;

pub(super) use bench::{ANY, Bench, allowance, member, options, topic, with_history};
pub(super) use delivery::what_is_said_in_one_breath_keeps_its_order;

/// Runs the whole suite.
pub(super) async fn suite(mut bench: Bench) {
    delivery::a_shard_is_reached_between_join_and_leave(&mut bench).await;
    delivery::offsets_count_up_by_one_and_order_is_the_same_everywhere(&mut bench).await;
    what_is_said_in_one_breath_keeps_its_order(&mut bench).await;
    delivery::tenants_do_not_meet(&mut bench).await;
    history::history_keeps_the_newest(&mut bench).await;
    history::recovery_is_whole_or_says_so(&mut bench).await;
    history::every_position_has_an_answer(&mut bench).await;
    history::what_an_unused_channel_tells_hides_no_message(&mut bench).await;
    limits::over_the_limit_new_channels_alone_are_refused(&mut bench).await;
    delivery::a_key_is_published_once(&mut bench).await;
    delivery::ephemeral_takes_no_history(&mut bench).await;
    presence::presence_is_told_once(&mut bench).await;
    presence::a_snapshot_says_which_changes_came_before_it(&mut bench).await;
}
