//! The nouns of OpenBao Recovery, `openbao.org/v1alpha1`: the two custom resources, every name that is derived from
//! them, their conditions, and what operator and executor say to each other. Nothing here reads or writes the world.
#![expect(clippy::duplicated_attributes, reason = "each printer column repeats the words of the others")]

pub mod backup;
pub mod cluster;
pub mod conditions;
pub mod crds;
pub mod duration;
pub mod intent;
pub mod lock;
pub mod names;
pub mod restore;
pub mod schedule;
pub mod target;
pub mod task;

pub use backup::{BackupSpec, BackupStatus, Retention};
pub use cluster::{Connection, OpenBaoCluster, OpenBaoClusterSpec, OpenBaoClusterStatus, SelfInit};
pub use lock::{Operation, OperationLock};
pub use restore::{OpenBaoRestore, OpenBaoRestoreSpec, OpenBaoRestoreStatus, Phase};
pub use target::{SecretReference, StorageTarget, TokenReference};

/// The API group of both custom resources, and the prefix of every annotation, label and finalizer of ours.
pub const GROUP: &str = "openbao.org";

/// The only version of the API so far.
pub const VERSION: &str = "v1alpha1";
