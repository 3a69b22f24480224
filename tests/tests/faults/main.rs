//! Restores and backups that meet every fault on their way: connections that break at each point of the POST, snapshots
//! that are not this cluster's, servers that fall over. Each ends with the right verdict, which OpenBao itself confirms.
#![expect(clippy::unwrap_used, reason = "what cannot be read or made fails the test")]

mod backup;
mod bomb;
mod foreign;
mod frozen;
mod nodes;
mod site;
