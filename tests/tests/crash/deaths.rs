//! A restore on which somebody dies, and what is watched meanwhile.

use crate::support::{cluster, installed};
use api::names;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use tests::line::{Cut, Line, Options, Side, Write};

/// Who dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Operator,
    Executor,
}

/// At which write of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Death {
    pub(crate) who: Who,
    pub(crate) cut: Cut,
}

impl Death {
    /// The n-th of all, from 0: each write on both sides.
    pub(crate) fn nth(who: Who, number: usize) -> Self {
        let side = if number.is_multiple_of(2) { Side::Before } else { Side::After };
        Self { who, cut: Cut { at: Write::Nth(number / 2 + 1), side } }
    }
}

/// What was seen of it.
pub(crate) struct Seen<T> {
    /// What was written by each of the two, as far as their lines were there.
    pub(crate) operator: Vec<String>,
    pub(crate) executor: Vec<String>,
    pub(crate) was_cut: bool,
    /// How the restore ended.
    pub(crate) end: T,
}

impl<T> Seen<T> {
    pub(crate) fn written(&self, who: Who) -> &[String] {
        if who == Who::Operator { &self.operator } else { &self.executor }
    }

    /// The write at which somebody died.
    pub(crate) fn last_word(&self, death: Death) -> &str {
        let Write::Nth(write) = death.cut.at else { return "" };
        self.written(death.who).get(write - 1).map_or("", String::as_str)
    }
}

/// Starts an operator for a namespace, has `begin` make a request and `end` wait for its end; whoever is to die dies on
/// the way, and is followed by another operator, or by none of that executor's kind.
pub(crate) async fn watch<T>(
    namespace: &str,
    death: Option<Death>,
    begin: impl AsyncFnOnce(),
    end: impl AsyncFn() -> T,
) -> Seen<T> {
    let cut = |who| death.filter(|death| death.who == who).map(|death| death.cut);
    let line = |cut, pods| Line::open(cluster(), namespace, Options { cut, pods, ..Options::default() });
    let pods = line(cut(Who::Executor), None).await.unwrap();
    let first = line(cut(Who::Operator), Some(pods.address())).await.unwrap();
    let second = line(None, Some(pods.address())).await.unwrap();
    let operator = installed().await.start(&first, &[]).unwrap();
    begin().await;
    let (end, was_cut) = tokio::select! {
        end = end() => (end, false),
        () = first.is_cut() => {
            operator.kill();
            let _operator = installed().await.start(&second, &[]).unwrap();
            (end().await, true)
        }
        () = pods.is_cut() => {
            kill_pods(namespace).await;
            (end().await, true)
        }
    };
    let operator = [first.written(), second.written()].concat();
    Seen { operator, executor: pods.written(), was_cut, end }
}

/// Those of our Jobs, by SIGKILL.
async fn kill_pods(namespace: &str) {
    let pods = Api::<Pod>::namespaced(cluster().client().await, namespace);
    let ours = ListParams::default().labels(&format!("{}={}", names::MANAGED_BY, names::MANAGER));
    for pod in pods.list(&ours).await.unwrap() {
        cluster().fault(namespace, &pod.name_any(), "kill");
    }
}
