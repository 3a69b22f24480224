//! Ports of this machine.

use std::net::TcpListener;

/// Ports of 127.0.0.1 that are free now. All are held until the last is known, so they differ.
///
/// # Errors
/// When the system has none.
pub fn free_ports(count: usize) -> std::io::Result<Vec<u16>> {
    let held: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}
