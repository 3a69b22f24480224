//! The table of rules, and the judge that goes through it.

use crate::look::Look::{
    self, Address, Backup, Change, Connection, Login, Part, Request, Secret, Target, Written,
};
use crate::subject::Subject;
use crate::verdict::Verdict;
use crate::{backup, change, connection, endpoint, login, names, part, request, store};

/// What a finding of a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The object is refused.
    Refuses,
    /// The object is admitted, with a warning.
    Warns,
}

/// One law.
#[derive(Debug)]
pub struct Rule {
    /// Stable name, for metrics, logs and reports.
    pub id: &'static str,
    /// What a finding does.
    pub weight: Weight,
    /// What holds for an object without a finding, in one line.
    pub law: &'static str,
    pub(crate) look: Look,
}

impl Rule {
    /// What it looks at, in the words of the API.
    #[must_use]
    pub const fn looks_at(&self) -> &'static str {
        self.look.subject()
    }
}

const fn refuse(id: &'static str, look: Look, law: &'static str) -> Rule {
    Rule { id, weight: Weight::Refuses, law, look }
}

const fn warn(id: &'static str, look: Look, law: &'static str) -> Rule {
    Rule { id, weight: Weight::Warns, law, look }
}

/// Every law there is, in the order in which findings are told.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    refuse("immutability", Change(change::judge), "a request never changes once it is created"),
    refuse("unknown-field", Written(part::unknown), "every field is one of the API"),
    refuse("shape", Part(part::shape), "every field has the type of the API, and the required ones are there"),
    refuse("empty-string", Part(part::empty_strings), "a field that can be left out is left out, or has a value"),

    refuse("cluster-name", Request(names::cluster), "cluster names an OpenBaoCluster of the same namespace"),
    refuse("break-glass", Request(request::break_glass), "overrideOperationLock comes with force"),
    refuse("key", Request(request::key), "source.key is the whole key of one object, without tricks"),
    refuse("sha256", Request(request::sha256), "source.sha256 is a SHA-256 of 64 hexadecimal digits"),
    refuse("deadline", Request(request::deadline), "startingDeadlineSeconds is positive"),
    warn("force", Request(request::force), "a restore goes neither across seal keys nor onto an unhealthy or upgrading cluster"),
    warn("unpinned-force", Request(request::unpinned_force), "a restore with force pins its snapshot by source.sha256"),
    warn("key-suffix", Request(request::suffix), "source.key ends in .snap"),
    warn("foreign-key", Request(request::foreign), "source.key is no backup of another cluster"),

    refuse("secret-name", Secret(names::secret), "a reference names a Secret"),
    refuse("secret-namespace", Secret(names::namespace), "a Secret is of the same namespace"),
    refuse("secret-key", Secret(names::key), "a key is one that a Secret can have"),
    refuse("system-secret", Secret(names::system), "a credential is no system Secret: none that ends in -unseal-key, -root-token, -tls-ca or -tls-server"),

    refuse("authentication", Login(login::authentication), "a JWT role or a token is given, or (backups) initialisation made the role"),
    refuse("jwt-mount", Login(login::mount), "jwtAuthMount is the path of a mount"),
    refuse("image", Login(login::image), "an image is a reference that a node can pull"),
    refuse("one-image", Login(login::one_image), "executorImage and image, which are one field, agree"),
    warn("both-logins", Login(login::both), "a JWT role or a token is given, not both"),

    refuse("provider", Target(store::provider), "provider is s3, gcs or azure"),
    refuse("bucket", Target(store::bucket), "a bucket or container is named, in letters that names of stores have"),
    refuse("region", Target(store::region), "region is letters, digits and dashes"),
    refuse("azure-account", Target(store::account), "an Azure account is named, in letters that accounts have"),
    refuse("gcs-project", Target(store::project), "gcs.project is the id of a project"),
    refuse("role-arn", Target(store::role), "roleArn is the ARN of an IAM role"),
    refuse("other-provider", Target(store::others), "nothing is set that only another provider reads"),
    refuse("path-prefix", Target(store::prefix), "pathPrefix is the beginning of keys, without tricks"),
    refuse("part-size", Target(store::part_size), "partSize is within 5 MiB and 5 GiB"),
    refuse("concurrency", Target(store::concurrency), "concurrency is within 1 and 64"),
    warn("unverified-store", Target(store::unverified), "the certificate of the store is verified"),

    refuse("address", Address(endpoint::form), "an address is a URL of scheme, host and port only, without tricks"),
    refuse("plaintext", Address(endpoint::plaintext), "an address is https, or http to a Service of the cluster"),
    refuse("address-class", Address(endpoint::class), "a host is none that no Job may call, and in storage.allowCIDRs if that is set"),
    warn("plaintext-service", Address(endpoint::service), "an address is https"),

    refuse("server-twice", Connection(connection::twice), "each server has one address"),
    warn("server-missing", Connection(connection::missing), "each of spec.replicas servers has an address"),
    refuse("tls-server-name", Connection(connection::server_name), "tlsServerName is a host name"),

    refuse("schedule", Backup(backup::schedule), "schedule is one that a CronJob takes"),
    refuse("time-zone", Backup(backup::time_zone), "timeZone is a name of the IANA database"),
    refuse("retention", Backup(backup::retention), "maxCount is not negative, maxAge a positive Go duration"),
    warn("schedule-never", Backup(backup::never), "schedule comes at some time"),
];

/// Judges by every rule that has something to look at.
#[must_use]
pub fn judge(subject: &Subject<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for rule in RULES {
        rule.look.each(subject, |path, found| verdict.add(rule, path, found));
    }
    verdict
}
