//! The endpoints, each in a file of its own. Those that concern connections send an order to all nodes (`nodes.rs`);
//! publishing and reading go to the backplane.

mod ban;
mod bans;
mod broadcast;
mod channels;
mod connections;
mod count;
mod disconnect;
mod history;
mod nodes;
mod presence;
mod publish;
mod revocations;
mod tenant_config;
mod unsubscribe;

use super::route::Route;

/// All endpoints, in the order of the document.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::of::<publish::PublishMessage>(),
        Route::of::<broadcast::BroadcastMessage>(),
        Route::of::<count::CountConnections>(),
        Route::of::<channels::ListChannels>(),
        Route::of::<presence::ReadPresence>(),
        Route::of::<history::ReadHistory>(),
        Route::of::<connections::ListConnections>(),
        Route::of::<disconnect::DisconnectUser>(),
        Route::of::<disconnect::DisconnectSession>(),
        Route::of::<unsubscribe::UnsubscribeUser>(),
        Route::of::<ban::BanUser>(),
        Route::of::<ban::UnbanUser>(),
        Route::of::<ban::BanAddress>(),
        Route::of::<ban::UnbanAddress>(),
        Route::of::<bans::ListBans>(),
        Route::of::<revocations::RevokeTokens>(),
        Route::of::<revocations::ListRevocations>(),
        Route::of::<revocations::DeleteRevocation>(),
        Route::of::<tenant_config::ReadTenantConfig>(),
        Route::of::<tenant_config::PushTenantConfig>(),
        Route::of::<tenant_config::DeleteTenantConfig>(),
    ]
}
