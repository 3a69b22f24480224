//! Every name that is derived from a request or a cluster, and every label, annotation and finalizer of ours.

use sha2::{Digest, Sha256};

/// Finalizer on an `OpenBaoRestore`.
pub const FINALIZER: &str = "openbao.org/recovery";
/// Label that says who manages an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`], and field manager of the operator.
pub const MANAGER: &str = "openbao-recovery";
/// Label with the name of the cluster.
pub const CLUSTER_LABEL: &str = "openbao.org/cluster";
/// Label that is `restore` or `backup`.
pub const COMPONENT_LABEL: &str = "openbao.org/component";
/// Annotation with the UID of the request that a Job or ticket belongs to.
pub const REQUEST_UID: &str = "openbao.org/request-uid";
/// Annotation of a pod that carries its Task.
pub const TASK: &str = "openbao.org/task";
/// Annotation of a ticket with the UID of the Job that it was given to.
pub const JOB_UID: &str = "openbao.org/job-uid";
/// Annotation of a ticket with the executor's Report.
pub const REPORT: &str = "openbao.org/report";
/// Annotation of a ticket with the bytes moved: `<bytes>/<total>`.
pub const PROGRESS: &str = "openbao.org/progress";
/// Annotation of a ticket with the multipart upload that a backup has begun; see [`crate::task::Upload`].
pub const UPLOAD: &str = "openbao.org/upload";
/// Annotation of the `CronJob` of a cluster's backups with what has to be remembered between two of them.
pub const LEDGER: &str = "openbao.org/backup-ledger";
/// Annotation of that `CronJob` and its Jobs with the digest of the template that they were made from.
pub const TEMPLATE: &str = "openbao.org/template";
/// Annotation of a backup's Job that no schedule made: why the operator made it.
pub const CAUSE: &str = "openbao.org/cause";
/// Annotation by which Kubernetes says for which time of the schedule a Job was made.
pub const SLOT: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";
/// Annotation of a restore's ticket with what its claim says; see [`crate::task::Claimed`].
pub const CLAIM: &str = "openbao.org/claim";
/// Annotation of a restore's ticket with how its POST ended, as its pod saw it; see [`crate::task::Answered`].
pub const ANSWER: &str = "openbao.org/answer";
/// Annotation of a backup's ticket with the markers that its pod has to consume, its own from before its snapshot is asked
/// for; a list of [`crate::task::SnapshotMarker`].
pub const SNAPSHOT_MARKER: &str = "openbao.org/snapshot-marker";
/// Annotation of the Lease of an OpenBao with the request that works on it.
pub const HOLDER: &str = "openbao.org/holder";
/// Annotation with the name of the request that a request was once: a copy under another name is another request.
pub const REQUEST_NAME: &str = "openbao.org/request-name";
/// Annotation that gives up a request, with its UID as value.
pub const ABANDON: &str = "openbao.org/abandon";
/// Annotation that settles an unknown outcome: `<uid>/applied` or `<uid>/not-applied`.
pub const OUTCOME: &str = "openbao.org/outcome";
/// Annotation that lets the same intent run again, with the UID of its latest run as value.
pub const AGAIN: &str = "openbao.org/again";
/// Annotation of a cluster that triggers a backup whenever its value changes.
pub const TRIGGER_BACKUP: &str = "openbao.org/trigger-backup";
/// Environment variable of the executor with the networks that stores may be in, comma separated.
pub const STORAGE_ALLOW_CIDRS: &str = "STORAGE_ALLOW_CIDRS";
/// The one container of our Jobs.
pub const CONTAINER: &str = "executor";

/// Longest name of a Job: it becomes a label value of its pods.
const JOB_NAME: usize = 63;
/// Longest name of a `CronJob`: its Jobs' names add 11 characters (Kubernetes refuses more).
const CRON_JOB_NAME: usize = 52;
/// Longest name of a `ServiceAccount`.
const SUBDOMAIN_NAME: usize = 253;
/// Hexadecimal digits of the hash that tells cut names apart.
const HASH_DIGITS: usize = 10;

/// Job, ticket, Role and `RoleBinding` of the check of a request.
#[must_use]
pub fn check_job(request: &str) -> String {
    fitted(&format!("check-{request}"), JOB_NAME)
}

/// Job, ticket, Role and `RoleBinding` of a restore.
#[must_use]
pub fn restore_job(request: &str) -> String {
    fitted(&format!("restore-{request}"), JOB_NAME)
}

/// Job of the `n`-th proof of a request, from 1.
#[must_use]
pub fn prove_job(request: &str, n: u32) -> String {
    fitted(&format!("prove-{request}-{n}"), JOB_NAME)
}

/// `CronJob` of a cluster's backups.
#[must_use]
pub fn backup_cron_job(cluster: &str) -> String {
    fitted(&format!("{cluster}-backup"), CRON_JOB_NAME)
}

/// Job of a backup that no schedule made; `cause` is the value of the trigger, or the version upgraded to.
#[must_use]
pub fn backup_job(cluster: &str, cause: &str) -> String {
    fitted(&format!("{cluster}-backup-{}", hash(cause)), JOB_NAME)
}

/// `ServiceAccount` that restores of a cluster run as.
#[must_use]
pub fn restore_service_account(cluster: &str) -> String {
    cut(&format!("{cluster}-restore-serviceaccount"), SUBDOMAIN_NAME)
}

/// `ServiceAccount` that backups of a cluster run as.
#[must_use]
pub fn backup_service_account(cluster: &str) -> String {
    cut(&format!("{cluster}-backup-serviceaccount"), SUBDOMAIN_NAME)
}

/// A name without dots, at most `limit` characters long. One that had to change ends in a hash of the original, so
/// that two requests never share a Job.
fn fitted(name: &str, limit: usize) -> String {
    if name.contains('.') { hashed(&name.replace('.', "-"), name, limit) } else { cut(name, limit) }
}

fn cut(name: &str, limit: usize) -> String {
    if name.len() <= limit { name.to_owned() } else { hashed(name, name, limit) }
}

fn hashed(readable: &str, original: &str, limit: usize) -> String {
    let kept: String = readable.chars().take(limit - HASH_DIGITS - 1).collect();
    format!("{}-{}", kept.trim_end_matches(['-', '.']), hash(original))
}

/// Ten hexadecimal digits that tell texts apart.
#[must_use]
pub fn hash(text: &str) -> String {
    let mut digits = hexadecimal(&Sha256::digest(text));
    digits.truncate(HASH_DIGITS);
    digits
}

/// Two lower-case hexadecimal digits a byte.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or_default());
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_names_stay_as_they_are() {
        assert_eq!(check_job("prod-restore"), "check-prod-restore");
        assert_eq!(prove_job("prod-restore", 2), "prove-prod-restore-2");
        assert_eq!(backup_cron_job("my-cluster"), "my-cluster-backup");
        assert_eq!(backup_service_account("backup-cluster"), "backup-cluster-backup-serviceaccount");
    }

    #[test]
    fn a_dotted_name_never_meets_the_dashed_one() {
        assert_ne!(restore_job("a.b"), restore_job("a-b"));
        assert!(!restore_job("a.b").contains('.'));
    }

    proptest! {
        #[test]
        fn every_name_fits_and_is_a_valid_label(request in "[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?") {
            for name in [check_job(&request), restore_job(&request), prove_job(&request, u32::MAX)] {
                prop_assert!(name.len() <= JOB_NAME, "{name}");
                prop_assert!(!name.contains('.') && !name.ends_with('-'), "{name}");
            }
            prop_assert!(backup_cron_job(&request).len() <= CRON_JOB_NAME);
            prop_assert!(restore_service_account(&request).len() <= SUBDOMAIN_NAME);
        }

        #[test]
        fn different_long_requests_get_different_jobs(a in "[a-z]{70,90}", b in "[a-z]{70,90}") {
            prop_assume!(a != b);
            prop_assert_ne!(restore_job(&a), restore_job(&b));
        }
    }
}
