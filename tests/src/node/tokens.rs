//! Projected service account tokens, issued by the API server for one pod.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount, ServiceAccountTokenProjection};
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt};

use super::objects::namespace_of;
use super::support::Problem;

/// Which token: a projected volume can hold several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) volume: String,
    pub(super) path: String,
}

struct Token {
    value: String,
    renew_at: Timestamp,
}

/// The tokens of one pod.
#[derive(Default)]
pub(super) struct Tokens(BTreeMap<Key, Token>);

/// What the API server gives where a volume does not say.
const DEFAULT_SECONDS: i64 = 3600;

impl Tokens {
    pub(super) fn value(&self, key: &Key) -> Option<&str> {
        self.0.get(key).map(|token| token.value.as_str())
    }

    /// Asks for every token that is missing or at 80 % of its life. A token that cannot be renewed is kept.
    pub(super) async fn renew(&mut self, client: &Client, pod: &Pod, now: Timestamp) -> Result<(), Problem> {
        for (key, wanted) in wanted(pod) {
            let held = self.0.get(&key);
            if held.is_some_and(|token| now < token.renew_at) {
                continue;
            }
            match issue(client, pod, wanted, now).await {
                Ok(token) => {
                    self.0.insert(key, token);
                }
                Err(problem) if held.is_some() => {
                    tracing::warn!(pod = pod.name_any(), %problem, "token not renewed");
                }
                Err(problem) => return Err(problem),
            }
        }
        Ok(())
    }
}

fn wanted(pod: &Pod) -> impl Iterator<Item = (Key, &ServiceAccountTokenProjection)> {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes.flat_map(|volume| {
        let sources = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
        sources
            .filter_map(|source| source.service_account_token.as_ref())
            .map(|token| (Key { volume: volume.name.clone(), path: token.path.clone() }, token))
    })
}

async fn issue(
    client: &Client,
    pod: &Pod,
    wanted: &ServiceAccountTokenProjection,
    now: Timestamp,
) -> Result<Token, Problem> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace_of(pod));
    let account =
        pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref()).unwrap_or("default");
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: wanted.audience.iter().cloned().collect(),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".into()),
                kind: Some("Pod".into()),
                name: Some(pod.name_any()),
                uid: pod.uid(),
            }),
            expiration_seconds: wanted.expiration_seconds,
        },
        ..TokenRequest::default()
    };
    let answer = accounts.create_token_request(account, &PostParams::default(), &request).await?;
    let status = answer.status.ok_or_else(|| Problem("the API server issued no token".into()))?;
    let life = wanted.expiration_seconds.unwrap_or(DEFAULT_SECONDS);
    Ok(Token { value: status.token, renew_at: now + SignedDuration::from_secs(life * 4 / 5) })
}
