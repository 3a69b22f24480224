//! Classes of addresses.

use super::embedded;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is, as far as that decides who may call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Public or private, or a name.
    Ordinary,
    /// The machine itself.
    Loopback,
    /// Reserved (240.0.0.0/4), which some networks use all the same.
    Reserved,
    /// One link, and with it the metadata services of most clouds.
    LinkLocal,
    /// A metadata or wire service of a cloud outside the link-local ranges.
    Metadata,
    /// Many machines.
    Multicast,
    /// No machine: the unspecified address, its range, and the broadcast address.
    Unspecified,
    /// The API server.
    ApiServer,
}

/// Metadata and wire services: Alibaba, Azure, Oracle; by IPv6 Google, Oracle, Scaleway, Akamai, Alibaba.
const METADATA: [IpAddr; 8] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200)),
];

/// The same by name.
const METADATA_NAMES: [&str; 5] =
    ["metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"];

/// What hosts files call the machine itself, beside `localhost` and all below it.
const LOOPBACK_NAMES: [&str; 4] = ["localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"];

/// The Service of the API server, as far as a resolver completes it.
const API_SERVER_NAMES: [&str; 4] =
    ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];

impl Class {
    /// The class of an IP address. One that carries another inside, as mapped and translated ones do, has the worse
    /// class of the two.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => {
                let inside = embedded::all(address).into_iter().map(Self::of_v4);
                inside.fold(Self::of_v6(address), Self::worse)
            }
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            _ if METADATA.contains(&address.into()) => Self::Metadata,
            [127, ..] => Self::Loopback,
            [169, 254, ..] => Self::LinkLocal,
            [224..=239, ..] => Self::Multicast,
            [0, ..] | [255, 255, 255, 255] => Self::Unspecified,
            [240..=255, ..] => Self::Reserved,
            _ => Self::Ordinary,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        match address {
            Ipv6Addr::LOCALHOST => Self::Loopback,
            Ipv6Addr::UNSPECIFIED => Self::Unspecified,
            _ if METADATA.contains(&address.into()) => Self::Metadata,
            // AWS keeps all services of a link in it.
            _ if address.segments().starts_with(&[0xfd00, 0xec2]) => Self::Metadata,
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
            name if LOOPBACK_NAMES.contains(&name) || name.ends_with(".localhost") => Self::Loopback,
            name if METADATA_NAMES.contains(&name) => Self::Metadata,
            name if API_SERVER_NAMES.contains(&name) => Self::ApiServer,
            _ => Self::Ordinary,
        }
    }

    /// Whether an installation can admit it.
    pub(super) const fn can_be_listed(self) -> bool {
        matches!(self, Self::Ordinary | Self::Loopback | Self::Reserved)
    }

    fn worse(self, other: Self) -> Self {
        if self == Self::Ordinary || self.can_be_listed() && !other.can_be_listed() { other } else { self }
    }

    /// What it is, in a sentence.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ordinary => "an ordinary address",
            Self::Loopback => "an address of the machine itself (loopback)",
            Self::Reserved => "a reserved address",
            Self::LinkLocal => "a link-local address, where clouds keep their metadata service",
            Self::Metadata => "a metadata service of a cloud",
            Self::Multicast => "a multicast address",
            Self::Unspecified => "an address that is no machine's",
            Self::ApiServer => "the API server",
        }
    }
}
