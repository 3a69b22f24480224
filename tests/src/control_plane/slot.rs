//! A slot: the part of 127.96.0.0/16 and 127.97.0.0/16 that is one cluster's, so that several can run at once.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// A /16 is cut into this many /20.
const SLOTS: u8 = 16;
/// Third octets in a /20.
const STRIDE: u8 = 16;
/// Whoever listens here, on the first address of the pod network, has the slot.
const CLAIM_PORT: u16 = 40000;

/// A claimed slot. The claim ends with this value, or with the process.
#[derive(Debug)]
pub struct Slot {
    number: u8,
    _claim: TcpListener,
}

/// Why there is no slot. Nothing was started.
#[derive(Debug, thiserror::Error)]
#[error(
    "all {SLOTS} slots of local clusters are taken ({0}); end one with `cargo cluster down`, or see who listens with `ss -ltnp sport = :{CLAIM_PORT}`"
)]
pub struct SlotError(std::io::Error);

/// Where the programs of a control plane listen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) etcd_client: SocketAddr,
    pub(super) etcd_peer: SocketAddr,
    pub(super) api_server: SocketAddr,
    pub(super) controller_manager: SocketAddr,
}

impl Slot {
    /// Claims the first slot that nobody has.
    pub fn claim() -> Result<Self, SlotError> {
        let mut last = None;
        for number in 0..SLOTS {
            match TcpListener::bind((first_pod_address(number), CLAIM_PORT)) {
                Ok(claim) => return Ok(Self { number, _claim: claim }),
                Err(error) => last = Some(error),
            }
        }
        Err(SlotError(last.unwrap_or_else(|| std::io::ErrorKind::AddrNotAvailable.into())))
    }

    /// Its number, from 0.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// First address of its /20 of pods. The control plane listens on the address after the network's own.
    #[must_use]
    pub fn pod_network(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, 97, STRIDE * self.number, 0)
    }

    /// The `n`-th address of its /20 of Services. Up to 255 they are never given out by the API server on its own,
    /// except 1, which is the Service `kubernetes`.
    #[must_use]
    pub fn service_address(&self, n: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, 96, STRIDE * self.number, n)
    }

    /// Four ports that are free now. All four are held until the last is known, so they differ.
    pub(super) fn free_ports(&self) -> std::io::Result<Ports> {
        let bind = || TcpListener::bind((first_pod_address(self.number), 0));
        let held = [bind()?, bind()?, bind()?, bind()?];
        let [etcd_client, etcd_peer, api_server, controller_manager] = &held;
        Ok(Ports {
            etcd_client: etcd_client.local_addr()?,
            etcd_peer: etcd_peer.local_addr()?,
            api_server: api_server.local_addr()?,
            controller_manager: controller_manager.local_addr()?,
        })
    }
}

fn first_pod_address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 97, STRIDE * number, 1)
}

#[cfg(test)]
mod tests {
    use super::Slot;

    /// Two clusters at once would answer on each other's Service addresses.
    #[test]
    fn two_slots_share_no_address() {
        let (one, two) = (Slot::claim().unwrap(), Slot::claim().unwrap());
        assert_ne!(one.pod_network(), two.pod_network());
        assert_ne!(one.service_address(1), two.service_address(1));
        let ports = two.free_ports().unwrap();
        assert_ne!(ports.etcd_client, ports.etcd_peer);
    }
}
