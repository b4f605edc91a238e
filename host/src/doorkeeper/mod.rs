//! Who may come in now: what all shards count of addresses, tenants, users and the node, and whether the node has time and
//! memory for more. Decides nothing about who is inside. Knows no socket and no HTTP.

mod address_pass;
mod keeper;
mod overload;
mod tenant_door;

pub use address_pass::AddressPass;
pub use keeper::Doorkeeper;
pub use overload::ShardLag;
pub use tenant_door::{TenantPlace, TenantRefusal};
