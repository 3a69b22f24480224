//! The networks that an installation lets its Jobs reach.

use super::{Address, Class};
use crate::look::Door;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// Ranges that are allowed. None: every ordinary address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// A text is no list of ranges.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a range of addresses; give a comma separated list such as 10.0.0.0/8,fd00::/8")]
pub struct NetworksError(String);

impl FromStr for Networks {
    type Err = NetworksError;

    /// Parses a comma separated list; an empty text is an empty list.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ranges = text.split(',').map(str::trim).filter(|range| !range.is_empty());
        let parsed: Result<_, _> =
            ranges.map(|range| range.parse().map_err(|_| NetworksError(range.to_owned()))).collect();
        parsed.map(Self)
    }
}

impl Networks {
    /// Whether a store may have this address. A list that is set is the whole list, and alone admits loopback; nothing
    /// admits what no Job may ever call.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        match Class::of(address) {
            Class::Ordinary => self.0.is_empty() || self.lists(address),
            Class::Loopback => self.lists(address),
            Class::LinkLocal | Class::Metadata | Class::Multicast | Class::Unspecified | Class::ApiServer => {
                false
            }
        }
    }

    fn lists(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(&address.to_canonical()))
    }

    /// Whether an address may be called, as far as it tells without being resolved. The list is for stores; of servers
    /// it only says whether loopback is allowed.
    pub(crate) fn admits_unresolved(&self, address: &Address, door: Door) -> bool {
        match (address.class(), address.literal(), door) {
            (Class::Ordinary, None, _) | (Class::Ordinary, Some(_), Door::Server) => true,
            (_, Some(literal), _) => self.admits(literal),
            (Class::Loopback, None, _) => self.lists(Ipv4Addr::LOCALHOST.into()),
            (_, None, _) => false,
        }
    }
}
