//! Ports of this machine.

use std::io::{Error, ErrorKind};
use std::iter::repeat_with;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below those that Linux gives to connections (32768 and up): one of them could take the port of a server that has not
/// started yet, or is started again.
const RANGE: Range<u16> = 20_000..32_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Ports of 127.0.0.1 that are free now, and that this process has not given before. All are held until the last is known.
///
/// # Errors
/// When there are not so many.
pub fn free_ports(count: usize) -> std::io::Result<Vec<u16>> {
    let free = |port| Some((port, TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?));
    let held: Vec<(u16, TcpListener)> =
        repeat_with(next).take(RANGE.len()).filter_map(free).take(count).collect();
    if held.len() < count {
        return Err(Error::new(ErrorKind::AddrNotAvailable, "too few ports of 20000 to 31999 are free"));
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

/// Processes begin at different ones.
fn next() -> u16 {
    let number = std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
    let within = number % u32::from(RANGE.end - RANGE.start);
    RANGE.start + u16::try_from(within).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Bug: two servers get one port, or one gets a port that somebody has.
    #[test]
    fn no_port_is_given_twice_or_taken_from_somebody() {
        let first = free_ports(6).unwrap();
        let following = RANGE.start + (first[5] - RANGE.start + 1) % (RANGE.end - RANGE.start);
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, following));
        let all: BTreeSet<u16> = first.into_iter().chain(free_ports(6).unwrap()).collect();
        assert_eq!(all.len(), 12);
        assert!(!all.contains(&following) && all.iter().all(|port| RANGE.contains(port)), "{all:?}");
    }
}
