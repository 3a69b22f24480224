//! IPv4 addresses inside IPv6 ones: who dials the one may reach the other.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Every IPv4 address that an IPv6 one may stand for.
pub(super) fn all(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let octets = address.octets();
    let at = |places: [usize; 4]| Ipv4Addr::from(places.map(|place| octets[place]));
    let last = [12, 13, 14, 15];
    match address.segments() {
        // They are their own, not those of 0.0.0.0 and 0.0.0.1.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Vec::new(),
        // Compatible and mapped (RFC 4291), translated (RFC 2765), NAT64 (RFC 6052), ISATAP (RFC 5214).
        [0, 0, 0, 0, 0, 0 | 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, ..]
        | [_, _, _, _, 0 | 0x200, 0x5efe, ..] => vec![at(last)],
        // NAT64 of one's own (RFC 8215), where the length of the prefix is anybody's (RFC 6052, 2.2).
        [0x64, 0xff9b, 1, ..] => {
            let readings = [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], last].map(at);
            // What is read by another length than the real one begins with a 0 as a rule, and so stands for nothing.
            let sound = readings.into_iter().filter(|inside| inside.octets()[0] != 0).collect::<Vec<_>>();
            if sound.is_empty() { readings.to_vec() } else { sound }
        }
        // 6to4 (RFC 3056).
        [0x2002, ..] => vec![at([2, 3, 4, 5])],
        // Teredo (RFC 4380), which inverts it.
        [0x2001, 0, ..] => vec![Ipv4Addr::from(!u32::from(at(last)))],
        _ => Vec::new(),
    }
}
