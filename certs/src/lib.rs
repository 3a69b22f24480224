//! Certificates of the admission webhook: issued, renewed with overlap, and swapped without dropping a connection.
//!
//! [`issue`] makes pairs, [`renew`] decides what comes next and only computes, [`keyring`] is what the PKI Secret
//! holds, [`reload`] serves the newest leaf. Nothing here reads a clock or a file: time and contents are arguments.

pub mod issue;
pub mod keyring;
mod read;
pub mod reload;
pub mod renew;

pub use read::{ReadError, Validity};
