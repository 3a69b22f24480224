//! Classes of addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is, as far as that decides who may call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Public or private, or a name.
    Ordinary,
    /// The machine itself.
    Loopback,
    /// One link, and with it the metadata services of most clouds.
    LinkLocal,
    /// A metadata or wire service of a cloud outside the link-local ranges.
    Metadata,
    /// Many machines.
    Multicast,
    /// No machine: the unspecified address, and ranges that nobody may use.
    Unspecified,
    /// The API server.
    ApiServer,
}

/// Metadata and wire services: Alibaba, Azure, Oracle; AWS and Google by IPv6.
const METADATA: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// The same by name.
const METADATA_NAMES: [&str; 5] =
    ["metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"];

/// The Service of the API server, as far as a resolver completes it.
const API_SERVER_NAMES: [&str; 4] =
    ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];

impl Class {
    /// The class of an IP address. One that carries another inside, as mapped and translated ones do, has the class of
    /// that.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if METADATA.contains(&address) {
            return Self::Metadata;
        }
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => {
                embedded(address).map_or_else(|| Self::of_v6(address), |it| Self::of(it.into()))
            }
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            [127, ..] => Self::Loopback,
            [169, 254, ..] => Self::LinkLocal,
            [224..=239, ..] => Self::Multicast,
            [0 | 240..=255, ..] => Self::Unspecified,
            _ => Self::Ordinary,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        match address {
            Ipv6Addr::LOCALHOST => Self::Loopback,
            Ipv6Addr::UNSPECIFIED => Self::Unspecified,
            _ if address.is_unicast_link_local() => Self::LinkLocal,
            _ if address.is_multicast() => Self::Multicast,
            _ => Self::Ordinary,
        }
    }

    /// The class that a name tells without being resolved.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        match name.as_str() {
            name if name == "localhost" || name.ends_with(".localhost") => Self::Loopback,
            name if METADATA_NAMES.contains(&name) => Self::Metadata,
            name if API_SERVER_NAMES.contains(&name) => Self::ApiServer,
            _ => Self::Ordinary,
        }
    }

    /// What it is, in a sentence.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ordinary => "an ordinary address",
            Self::Loopback => "an address of the machine itself (loopback)",
            Self::LinkLocal => "a link-local address, where clouds keep their metadata service",
            Self::Metadata => "a metadata service of a cloud",
            Self::Multicast => "a multicast address",
            Self::Unspecified => "an address that is no machine's",
            Self::ApiServer => "the API server",
        }
    }
}

/// The IPv4 address inside an IPv6 one: mapped, compatible, NAT64, 6to4, Teredo (which stores it inverted).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    // They are their own, not those of 0.0.0.0 and 0.0.0.1.
    if address.is_unspecified() || address.is_loopback() {
        return None;
    }
    let (high, low) = match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => (high, low),
        [0x2001, 0, _, _, _, _, high, low] => (!high, !low),
        _ => return None,
    };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Some(Ipv4Addr::new(a, b, c, d))
}
