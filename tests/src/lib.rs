//! The local cluster: a real control plane, a small node that runs pods as processes, OpenBao, an object store; the
//! demo, and the harness of every test that crosses a wall.

pub mod acts;
pub mod balancer;
pub mod cluster;
pub mod control_plane;
pub mod corpus;
pub mod fault_proxy;
pub mod harness;
pub mod line;
pub mod node;
pub mod object_store;
pub mod openbao;
pub mod operator;
pub mod reference;
pub mod rehearsal;
pub mod scenario;
pub mod site;
pub mod stub;
pub mod tools;
