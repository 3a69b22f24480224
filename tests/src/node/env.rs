//! The environment, command and arguments of a container.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use k8s_openapi::api::core::v1::{Container, EnvVarSource, Pod};
use kube::ResourceExt;

use super::objects::{Data, Objects};
use super::support::Problem;
use super::{Image, fields};

pub(super) type Environment = BTreeMap<String, String>;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Replaces `$(NAME)` by its value. An unknown name stays as it is, and `$$` stands for one `$`.
pub(super) fn expand(text: &str, values: &Environment) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match values.get(name) {
                Some(value) => out.push_str(value),
                None => out.extend(["$(", name, ")"]),
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out + rest
}

/// The pod's host name.
pub(super) fn hostname(pod: &Pod) -> String {
    pod.spec.as_ref().and_then(|spec| spec.hostname.clone()).unwrap_or_else(|| pod.name_any())
}

/// The whole environment of a container, in the order of the pod's list, so that later ones may use earlier ones.
pub(super) fn build(
    container: &Container,
    pod: &Pod,
    ip: Ipv4Addr,
    api_server: SocketAddr,
    objects: &Objects,
) -> Result<Environment, Problem> {
    let mut values = Environment::from([
        ("PATH".into(), PATH.into()),
        ("HOSTNAME".into(), hostname(pod)),
        ("KUBERNETES_SERVICE_HOST".into(), api_server.ip().to_string()),
        ("KUBERNETES_SERVICE_PORT".into(), api_server.port().to_string()),
    ]);
    for variable in container.env.iter().flatten() {
        let value = match &variable.value_from {
            None => Some(expand(variable.value.as_deref().unwrap_or_default(), &values)),
            Some(source) => from_source(source, pod, ip, objects)
                .map_err(|problem| Problem(format!("env {}: {problem}", variable.name)))?,
        };
        if let Some(value) = value {
            values.insert(variable.name.clone(), value);
        }
    }
    Ok(values)
}

fn from_source(
    source: &EnvVarSource,
    pod: &Pod,
    ip: Ipv4Addr,
    objects: &Objects,
) -> Result<Option<String>, Problem> {
    if let Some(field) = &source.field_ref {
        let value = fields::value(pod, ip, &field.field_path);
        return value.map(Some).ok_or_else(|| unknown_field(&field.field_path));
    }
    if let Some(key) = &source.secret_key_ref {
        return pick("secret", &objects.secrets, &key.name, &key.key, key.optional.unwrap_or_default());
    }
    if let Some(key) = &source.config_map_key_ref {
        return pick(
            "configmap",
            &objects.config_maps,
            &key.name,
            &key.key,
            key.optional.unwrap_or_default(),
        );
    }
    Err(Problem("this node knows fieldRef, secretKeyRef and configMapKeyRef only".into()))
}

pub(super) fn unknown_field(path: &str) -> Problem {
    Problem(format!("this node does not know the field {path}"))
}

fn pick(
    kind: &str,
    objects: &BTreeMap<String, Data>,
    name: &str,
    key: &str,
    optional: bool,
) -> Result<Option<String>, Problem> {
    let object = objects.get(name);
    match object.and_then(|data| data.get(key)) {
        Some(value) => Ok(Some(String::from_utf8_lossy(value).into_owned())),
        None if optional => Ok(None),
        None if object.is_none() => Err(Problem(format!("{kind} \"{name}\" not found"))),
        None => Err(Problem(format!("couldn't find key {key} in {kind} {name}"))),
    }
}

/// Program and arguments: `command` stands in for the image's entrypoint, `args` follow either.
pub(super) fn argv(container: &Container, image: &Image, values: &Environment) -> Vec<String> {
    let own = container.command.as_ref().filter(|command| !command.is_empty());
    let expanded =
        |texts: &[String]| -> Vec<String> { texts.iter().map(|text| expand(text, values)).collect() };
    let mut argv = own.map_or_else(|| image.entrypoint.clone(), |command| expanded(command));
    argv.extend(expanded(container.args.as_deref().unwrap_or_default()));
    argv
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(value: serde_json::Value) -> Container {
        serde_json::from_value(value).unwrap()
    }

    fn built(container: &Container, objects: &Objects) -> Result<Environment, Problem> {
        let api_server = SocketAddr::from(([127, 0, 0, 1], 6443));
        build(container, &Pod::default(), Ipv4Addr::new(127, 97, 0, 10), api_server, objects)
    }

    #[test]
    fn references_are_replaced_escaped_or_left() {
        let values = Environment::from([("A".into(), "1".into())]);
        for (text, expected) in [
            ("$(A)-$(B)", "1-$(B)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("cost: 5$", "cost: 5$"),
            ("$A $(A", "$A $(A"),
            ("ä$(A)ö", "ä1ö"),
        ] {
            assert_eq!(expand(text, &values), expected, "{text}");
        }
    }

    #[test]
    fn later_variables_use_earlier_ones() {
        let container = container(serde_json::json!({"name": "c", "env": [
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "URL", "value": "http://$(IP):$(LATER)"}, {"name": "LATER", "value": "1"}]}));
        assert_eq!(built(&container, &Objects::default()).unwrap()["URL"], "http://127.97.0.10:$(LATER)");
    }

    #[test]
    fn a_missing_secret_is_a_problem_unless_optional() {
        let with = |optional: bool| {
            container(serde_json::json!({"name": "c", "env": [{"name": "T", "valueFrom":
                {"secretKeyRef": {"name": "s", "key": "k", "optional": optional}}}]}))
        };
        assert_eq!(
            built(&with(false), &Objects::default()),
            Err(Problem("env T: secret \"s\" not found".into()))
        );
        assert!(!built(&with(true), &Objects::default()).unwrap().contains_key("T"));
        let objects = Objects {
            secrets: BTreeMap::from([("s".into(), Data::from([("k".into(), b"v".to_vec())]))]),
            ..Objects::default()
        };
        assert_eq!(built(&with(false), &objects).unwrap()["T"], "v");
    }

    #[test]
    fn command_replaces_the_entrypoint_and_args_do_not() {
        let image = Image { entrypoint: vec!["/webhook".into()], files: vec![] };
        let values = Environment::from([("P".into(), "9443".into())]);
        let args = container(serde_json::json!({"name": "c", "args": ["--port=$(P)"]}));
        assert_eq!(argv(&args, &image, &values), ["/webhook", "--port=9443"]);
        let command = container(serde_json::json!({"name": "c", "command": ["/sh"], "args": ["x"]}));
        assert_eq!(argv(&command, &image, &values), ["/sh", "x"]);
    }
}
