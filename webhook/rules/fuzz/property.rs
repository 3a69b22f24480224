//! What holds of any text that is given for an address. It asks the standard library and `inet_aton` what they would
//! dial, not the classes of the product.

use rules::address::{Address, Door, Networks};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The networks of an installation that allows private ones only, and everything that can be allowed.
const LISTS: [&str; 3] = ["", "10.0.0.0/8", "0.0.0.0/0,::/0"];

/// No panic; and an address that may be called is what it looks like, and nobody's who must never be called.
pub(crate) fn endpoint(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(address) = Address::parse(text) else { return };
    let (_, written) = text.split_once("://").unwrap_or_default();
    let written = written.trim_end_matches('/').to_ascii_lowercase();
    let host = address.host();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let port = written.strip_prefix(&host).map(|port| port.trim_start_matches(':'));
    assert!(port.is_some_and(|port| port.chars().all(|c| c.is_ascii_digit())), "{text:?} is {host}");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
    assert!(written.chars().all(plain), "{text:?}");
    let _ = address.with_name(text);
    for list in LISTS {
        let Ok(networks) = list.parse::<Networks>() else { panic!("{list}") };
        for door in [Door::Storage, Door::Server] {
            let dialled = dialled(address.host());
            if let (Ok(()), Some(dialled)) = (networks.judge_unresolved(&address, door), dialled) {
                assert!(may_be_called(dialled, list), "{text:?} is {dialled}");
            }
        }
    }
}

/// What a resolver takes for an address without asking anybody.
fn dialled(host: &str) -> Option<IpAddr> {
    host.parse().ok().or_else(|| inet_aton(host).map(IpAddr::V4))
}

/// One to four numbers in C's notation, of which the last fills the rest.
fn inet_aton(host: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<u32> = host.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = numbers.split_last()?;
    if first.len() > 3 || first.iter().any(|octet| *octet > 255) {
        return None;
    }
    let high = first.iter().zip([24, 16, 8]).fold(0, |sum, (octet, shift)| sum | octet << shift);
    let room = 32 - 8 * first.len();
    (u64::from(*last) < 1 << room).then(|| Ipv4Addr::from(high | last))
}

fn number(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    match lower.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None if lower.starts_with('0') && lower.len() > 1 => u32::from_str_radix(&lower, 8).ok(),
        None => lower.parse().ok(),
    }
}

fn may_be_called(address: IpAddr, list: &str) -> bool {
    let everything = list.starts_with("0.0.0.0/0");
    match address {
        IpAddr::V4(it) => v4_may_be_called(it, everything),
        IpAddr::V6(it) => {
            let inside = it.to_ipv4_mapped().into_iter().chain(translated(it));
            !it.is_unspecified()
                && !it.is_multicast()
                && !it.is_unicast_link_local()
                && (everything || !it.is_loopback())
                && inside.into_iter().all(|it| v4_may_be_called(it, everything))
        }
    }
}

fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let nat64 = octets.starts_with(&[0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]);
    nat64.then(|| Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]))
}

fn v4_may_be_called(address: Ipv4Addr, everything: bool) -> bool {
    !address.is_unspecified()
        && !address.is_broadcast()
        && !address.is_multicast()
        && !address.is_link_local()
        && (everything || !address.is_loopback())
}
