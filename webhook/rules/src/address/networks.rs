//! The networks that an installation lets its Jobs reach.

use super::{Address, Class};
use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// Ranges that are allowed. None: every ordinary address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// Who is behind an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// An object store.
    Storage,
    /// A server of OpenBao.
    Server,
}

/// Why an address may not be called; the text goes behind what names the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There is a list, and it is not in it.
    #[error(
        "is none of the networks that storage.allowCIDRs of the installation lists: use one that is, or have an administrator add it"
    )]
    Unlisted,
    /// Only a list admits it.
    #[error(
        "is {}, which no Job may call unless storage.allowCIDRs of the installation lists it: give the address that others reach it by",
        .0.name()
    )]
    UnlessListed(Class),
    /// Nothing admits it.
    #[error("is {}, which no Job may ever call: give the address of the store or server", .0.name())]
    Never(Class),
}

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

impl fmt::Display for Networks {
    /// As it is parsed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
    }
}

impl Networks {
    /// Whether an address may be called. For stores a list that is set is the whole list; of servers it only says whether
    /// loopback and reserved addresses are allowed, which it alone admits. Nothing admits what no Job may ever call.
    ///
    /// # Errors
    /// Why it may not.
    pub fn judge(&self, address: IpAddr, door: Door) -> Result<(), Denied> {
        match Class::of(address) {
            Class::Ordinary if door == Door::Server || self.0.is_empty() || self.lists(address) => Ok(()),
            Class::Ordinary => Err(Denied::Unlisted),
            class => self.judge_class(class, address),
        }
    }

    /// The same of an address that may be a name, as far as it tells without being resolved.
    ///
    /// # Errors
    /// Why it may not.
    pub fn judge_unresolved(&self, address: &Address, door: Door) -> Result<(), Denied> {
        match (address.literal(), address.class()) {
            (Some(literal), _) => self.judge(literal, door),
            (None, Class::Ordinary) => Ok(()),
            (None, class) => self.judge_class(class, Ipv4Addr::LOCALHOST.into()),
        }
    }

    fn judge_class(&self, class: Class, address: IpAddr) -> Result<(), Denied> {
        match class {
            class if !class.can_be_listed() => Err(Denied::Never(class)),
            _ if self.lists(address) => Ok(()),
            class => Err(Denied::UnlessListed(class)),
        }
    }

    fn lists(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(&address.to_canonical()))
    }
}
