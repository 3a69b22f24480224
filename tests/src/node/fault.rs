//! Faults that a test asks a pod for.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

/// The annotation; a new value is a new order.
pub(crate) const ANNOTATION: &str = "node.local/fault";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// SIGKILL to the containers, as by the kernel when memory is short.
    Kill,
    /// SIGSTOP to every process.
    Freeze,
    /// SIGCONT to every process.
    Thaw,
    /// The processes are killed and nothing is reported any more, as on a lost node.
    Lose,
}

/// The order a pod carries, with its text to tell a new one from an old one.
pub(super) fn ordered(pod: &Pod) -> Option<(&str, Fault)> {
    let text = pod.annotations().get(ANNOTATION)?;
    let fault = match text.split('-').next()? {
        "kill" => Fault::Kill,
        "freeze" => Fault::Freeze,
        "thaw" => Fault::Thaw,
        "lose" => Fault::Lose,
        _ => {
            tracing::warn!(pod = pod.name_any(), text, "unknown fault; nothing was done to the pod");
            return None;
        }
    };
    Some((text, fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_makes_a_new_order_of_the_same_fault() {
        let mut pod = Pod::default();
        assert_eq!(ordered(&pod), None);
        pod.annotations_mut().insert(ANNOTATION.into(), "kill-2".into());
        assert_eq!(ordered(&pod), Some(("kill-2", Fault::Kill)));
        pod.annotations_mut().insert(ANNOTATION.into(), "explode".into());
        assert_eq!(ordered(&pod), None);
    }
}
