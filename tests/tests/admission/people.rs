//! People with real Roles. What they may do is asked of the API server as they, never as its administrator.

use crate::support::cluster;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tests::harness::Output;

static ROLES: AtomicU32 = AtomicU32::new(1);

/// Verbs on things of one kind, or on one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Right {
    verbs: Vec<&'static str>,
    resource: &'static str,
    name: Option<String>,
}

impl Right {
    pub(crate) fn to(verbs: &[&'static str], resource: &'static str) -> Self {
        Self { verbs: verbs.to_vec(), resource, name: None }
    }

    pub(crate) fn on(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    /// A verb of ours on one cluster.
    pub(crate) fn on_cluster(verb: &'static str, name: &str) -> Self {
        Self::to(&[verb], "openbaoclusters").on(name)
    }

    /// To name one Secret without being able to read it.
    pub(crate) fn to_use(secret: &str) -> Self {
        Self::to(&["use"], "secrets").on(secret)
    }

    fn group(&self) -> &'static str {
        match self.resource {
            "secrets" => "",
            "jobs" => "batch",
            _ => api::GROUP,
        }
    }

    fn rule(&self) -> Value {
        let mut rule =
            json!({"apiGroups": [self.group()], "resources": [self.resource], "verbs": self.verbs});
        if let Some(name) = &self.name {
            rule["resourceNames"] = json!([name]);
        }
        rule
    }
}

/// A user of one namespace.
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) namespace: String,
}

impl Person {
    /// Somebody with a Role that says no more than this.
    pub(crate) async fn with(name: &str, namespace: &str, rights: &[Right]) -> Self {
        let person = Self { name: name.to_owned(), namespace: namespace.to_owned() };
        person.may(rights).await;
        person
    }

    /// Gives a Role more, and waits until it is enforced.
    pub(crate) async fn may(&self, rights: &[Right]) {
        let name = format!("role-{}", ROLES.fetch_add(1, Ordering::Relaxed));
        let metadata = json!({"name": name, "namespace": self.namespace});
        let (group, version) = ("rbac.authorization.k8s.io", "rbac.authorization.k8s.io/v1");
        let rules: Vec<Value> = rights.iter().map(Right::rule).collect();
        let role = json!({"apiVersion": version, "kind": "Role", "metadata": metadata, "rules": rules});
        let binding = json!({
            "apiVersion": version, "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": [{"apiGroup": group, "kind": "User", "name": self.name}],
        });
        administer(
            &["create", "-f", "-"],
            Some(&json!({"apiVersion": "v1", "kind": "List", "items": [role, binding]})),
        );
        for right in rights {
            self.is_enforced(right).await;
        }
    }

    /// Binds a `ClusterRole` in this namespace, and waits until `right`, which it gives, is enforced.
    pub(crate) async fn is_bound(&self, role: &str, right: &Right) {
        let name = format!("role-{}", ROLES.fetch_add(1, Ordering::Relaxed));
        let (role, user) = (format!("--clusterrole={role}"), format!("--user={}", self.name));
        administer(&["create", "rolebinding", &name, "-n", &self.namespace, &role, &user], None);
        self.is_enforced(right).await;
    }

    async fn is_enforced(&self, right: &Right) {
        let reviews: Api<SubjectAccessReview> = Api::all(cluster().client().await);
        let asked = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(self.name.clone()),
                resource_attributes: Some(ResourceAttributes {
                    group: Some(right.group().to_owned()),
                    namespace: Some(self.namespace.clone()),
                    resource: right.resource.split('/').next().map(str::to_owned),
                    subresource: right.resource.split('/').nth(1).map(str::to_owned),
                    verb: right.verbs.first().map(|verb| (*verb).to_owned()),
                    name: right.name.clone(),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let what = format!("{} has {right:?}", self.name);
        cluster()
            .eventually(&what, Duration::from_secs(30), async || {
                let answer = reviews.create(&PostParams::default(), &asked).await.unwrap();
                answer.status.is_some_and(|status| status.allowed).then_some(())
            })
            .await;
    }

    pub(crate) fn kubectl(&self, arguments: &[&str], manifest: Option<&Value>) -> Output {
        let own = ["--as", &self.name, "-n", &self.namespace];
        cluster().kubectl(&[arguments, &own].concat(), manifest.map(Value::to_string).as_deref())
    }

    /// Merges into an object.
    pub(crate) fn merge(&self, kind: &str, name: &str, more: &[&str], patch: &Value) -> Output {
        let patch = patch.to_string();
        let arguments = ["patch", kind, name, "--type=merge", "-p", &patch];
        self.kubectl(&[&arguments, more].concat(), None)
    }
}

/// As administrator, who may do everything.
pub(crate) fn administer(arguments: &[&str], manifest: Option<&Value>) -> String {
    let output = cluster().kubectl(arguments, manifest.map(Value::to_string).as_deref());
    assert_eq!(output.code, 0, "kubectl {arguments:?}: {}{}", output.stdout, output.stderr);
    output.stdout
}

/// It was done.
#[track_caller]
pub(crate) fn admitted(output: &Output) {
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
}

/// A policy refused it, and the message names each of these.
#[track_caller]
pub(crate) fn refused(output: &Output, tells: &[&str]) {
    assert_ne!(output.code, 0, "this was admitted: {}", output.stdout);
    let text = &output.stderr;
    assert!(text.contains("Forbidden") && text.contains("ValidatingAdmissionPolicy"), "{text}");
    for told in tells {
        assert!(text.contains(told), "the refusal does not name {told}: {text}");
    }
}
