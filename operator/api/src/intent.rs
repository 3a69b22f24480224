//! What makes two requests the same intent, so that one that was deleted and re-created by a tool does not run again.

use crate::OpenBaoRestore;
use sha2::{Digest, Sha256};

/// SHA-256, hexadecimal, over the request's name, cluster, key, and the place of the snapshot.
#[must_use]
pub fn digest(request: &OpenBaoRestore) -> String {
    let spec = &request.spec;
    let target = &spec.source.target;
    let container = target.azure.as_ref().and_then(|azure| azure.container.as_deref());
    let parts = [
        request.metadata.name.as_deref().unwrap_or_default(),
        &spec.cluster,
        &spec.source.key,
        &target.provider,
        target.endpoint.as_deref().unwrap_or_default(),
        target.bucket.as_deref().unwrap_or_default(),
        container.unwrap_or_default(),
        target.path_prefix.as_deref().unwrap_or_default(),
    ];
    // NUL cannot stand in any of them, so no two lists run together.
    crate::names::hexadecimal(&Sha256::digest(parts.join("\0")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn request(change: impl Fn(&mut Value)) -> OpenBaoRestore {
        let mut object = json!({
            "apiVersion": "openbao.org/v1alpha1", "kind": "OpenBaoRestore", "metadata": {"name": "dr"},
            "spec": {"cluster": "c", "source": {"key": "k", "target": {"bucket": "b"}}}
        });
        change(&mut object);
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn the_intent_is_the_name_the_cluster_and_the_snapshot_and_nothing_else() {
        let digest_of = |change: &dyn Fn(&mut Value)| digest(&request(change));
        let base = digest_of(&|_| {});
        assert_eq!(base, digest_of(&|object| object["metadata"]["uid"] = json!("another")));
        assert_eq!(base, digest_of(&|object| object["spec"]["force"] = json!(true)));
        assert_ne!(base, digest_of(&|object| object["metadata"]["name"] = json!("dr-2")));
        assert_ne!(base, digest_of(&|object| object["spec"]["cluster"] = json!("d")));
        assert_ne!(base, digest_of(&|object| object["spec"]["source"]["key"] = json!("l")));
        assert_ne!(base, digest_of(&|object| object["spec"]["source"]["target"]["bucket"] = json!("d")));
    }
}
