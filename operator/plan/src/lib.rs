//! The motion: what is observed goes in, what to do comes out. Nothing here reads a clock or the world.

pub mod backup;
pub mod cluster;
mod condition;
mod job;
pub mod lease;
pub mod lock;
pub mod owned;
mod pod;
pub mod proof;
pub mod restore;
pub mod retention;
mod servers;
