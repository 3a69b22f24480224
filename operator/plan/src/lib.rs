//! The motion: what is observed goes in, what to do comes out. Nothing here reads a clock or the world.

pub mod cluster;
pub mod lease;
pub mod lock;
pub mod proof;
pub mod restore;
pub mod retention;
