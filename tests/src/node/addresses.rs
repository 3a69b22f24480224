//! Addresses of pods: the free ones of a /20.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// The first nine addresses are left to others of the same network.
const FIRST: u32 = 10;
/// Addresses in a /20.
const SIZE: u32 = 4096;

/// The next free address after `last`, from the start again at the end: one that was just freed is not given at once
/// to another pod, which would get the connections of the old one. None if all are taken.
pub(super) fn next(
    network: Ipv4Addr,
    taken: &BTreeSet<Ipv4Addr>,
    last: Option<Ipv4Addr>,
) -> Option<Ipv4Addr> {
    let base = u32::from(network);
    let span = SIZE - FIRST - 1;
    let start = last.map_or(0, |last| u32::from(last).wrapping_sub(base + FIRST).wrapping_add(1) % span);
    (0..span).map(|step| Ipv4Addr::from(base + FIRST + (start + step) % span)).find(|ip| !taken.contains(ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: Ipv4Addr = Ipv4Addr::new(127, 97, 240, 0);

    #[test]
    fn a_freed_address_is_not_given_at_once() {
        let first = next(NETWORK, &BTreeSet::new(), None).unwrap();
        assert_eq!(first, Ipv4Addr::new(127, 97, 240, 10));
        assert_eq!(next(NETWORK, &BTreeSet::new(), Some(first)).unwrap(), Ipv4Addr::new(127, 97, 240, 11));
    }

    #[test]
    fn the_end_of_the_network_is_followed_by_its_start() {
        let last = Ipv4Addr::new(127, 97, 255, 254);
        let taken = BTreeSet::from([Ipv4Addr::new(127, 97, 240, 10)]);
        assert_eq!(next(NETWORK, &taken, Some(last)), Some(Ipv4Addr::new(127, 97, 240, 11)));
    }

    #[test]
    fn a_full_network_has_none() {
        let all: BTreeSet<_> = (10..4095).map(|n| Ipv4Addr::from(u32::from(NETWORK) + n)).collect();
        assert_eq!(next(NETWORK, &all, None), None);
        let mut one_free = all.clone();
        one_free.remove(&Ipv4Addr::new(127, 97, 255, 254));
        assert_eq!(next(NETWORK, &one_free, None), Some(Ipv4Addr::new(127, 97, 255, 254)));
    }
}
