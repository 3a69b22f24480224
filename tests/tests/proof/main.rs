//! Whether a restore was applied is told rightly, whatever breaks and whatever the world does meanwhile, and a backup is
//! whole or none: what is told is held against what OpenBao has.
#![expect(clippy::unwrap_used, reason = "what cannot be read or made fails the test")]

mod answers;
mod archives;
mod balancers;
mod bomb;
mod clones;
mod disturbed;
mod exclusive;
mod foreign;
mod frozen;
mod lanes;
mod nodes;
mod place;
mod play;
mod seen;
mod single;
mod table;
mod truth;
mod world;
