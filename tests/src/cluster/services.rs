//! What runs on the cluster's node: `OpenBao`, the object store, and the chart, all started at once.

use super::{ClusterError, Prepared, environment, install, io_error, kube_error};
use crate::control_plane::secrets::write_private;
use crate::control_plane::{Access, Slot};
use crate::object_store::{self, ObjectStore};
use crate::openbao::{self, OpenBao, Servers};
use clap::ValueEnum;
use futures::future::try_join_all;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// The node asks pods every second whether they are ready, and a slow machine takes more than one answer.
const SERVED_WITHIN: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(100);

/// Which `OpenBao` clusters run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OpenBaoChoice {
    /// `bao` with three nodes and `solo` with one.
    Both,
    /// None.
    None,
    /// `solo`, with one node.
    One,
    /// `bao`, with three nodes.
    Three,
}

impl OpenBaoChoice {
    fn servers(self) -> &'static [Servers] {
        match self {
            Self::Both => &[openbao::BAO, openbao::SOLO],
            Self::None => &[],
            Self::One => &[openbao::SOLO],
            Self::Three => &[openbao::BAO],
        }
    }
}

/// A cluster whose control plane and node run.
pub(super) struct Site<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) access: &'a Access,
    pub(super) slot: &'a Slot,
    pub(super) client: kube::Client,
}

impl Site<'_> {
    /// Starts everything, writes the file `env`, and says how to use it.
    pub(super) async fn start(&self) -> Result<(), ClusterError> {
        let report = &self.prepared.report;
        let (folder, slot) = (&self.prepared.folder, self.slot);
        let servers = self.prepared.options.openbao.servers();
        let openbao = try_join_all(servers.iter().map(async |servers| {
            let openbao = openbao::start(&self.client, slot, folder, servers).await?;
            report.done(&format!("OpenBao {}, nodes: {}", servers.name, servers.replicas));
            Ok::<_, ClusterError>(openbao)
        }));
        let object_store = async {
            let store = object_store::start(&self.client, slot, folder).await?;
            report.done("object store");
            Ok::<_, ClusterError>(store)
        };
        let chart = async {
            install::chart(&self.prepared.tools, &self.access.kubeconfig, folder).await?;
            report.done("chart: operator and webhook; admission answers");
            Ok::<_, ClusterError>(())
        };
        let (openbao, store, ()) = tokio::try_join!(openbao, object_store, chart)?;
        openbao::register(&self.client, servers).await.map_err(kube_error("the OpenBaoCluster objects"))?;
        let addresses = openbao.iter().map(|openbao| &openbao.address).chain([&store.address]);
        try_join_all(addresses.map(|address| served(address))).await?;

        let path = self.write_environment(openbao.first(), &store)?;
        super::report::say(&format!(
            "ready in {:.0} s; in another shell: . {}\nCtrl-C ends it",
            report.seconds(),
            environment::quoted(&path.display().to_string())
        ));
        Ok(())
    }

    fn write_environment(
        &self,
        openbao: Option<&OpenBao>,
        store: &ObjectStore,
    ) -> Result<PathBuf, ClusterError> {
        let text = |path: &PathBuf| path.display().to_string();
        let mut variables = vec![
            ("KUBECONFIG", text(&self.access.kubeconfig)),
            ("SERVICE_ACCOUNT_PUBLIC_KEY", text(&self.access.service_account_public_key)),
            ("S3_ENDPOINT", store.address.clone()),
            ("AWS_ENDPOINT_URL", store.address.clone()),
            ("AWS_ACCESS_KEY_ID", store.access_key.clone()),
            ("AWS_SECRET_ACCESS_KEY", store.secret_key.clone()),
            ("AWS_CA_BUNDLE", text(&store.authority)),
            ("AWS_REGION", object_store::REGION.to_owned()),
            ("S3_BUCKET", object_store::BUCKET.to_owned()),
        ];
        if let Some(openbao) = openbao {
            variables.extend([
                ("BAO_ADDR", openbao.address.clone()),
                ("BAO_CACERT", text(&openbao.authority)),
                ("BAO_TOKEN", openbao.root_token.clone()),
            ]);
        }
        let path = self.prepared.folder.join("env");
        let rendered = environment::render(&variables, self.prepared.tools.folder());
        write_private(&path, &rendered).map_err(io_error(&path))?;
        Ok(path)
    }
}

/// Waits until the Service at this URL has a pod: a server that answers by itself is ready for the node some moments later.
async fn served(url: &str) -> Result<(), ClusterError> {
    let address = url.trim_start_matches("https://");
    let accepted = async {
        while TcpStream::connect(address).await.is_err() {
            sleep(POLL).await;
        }
    };
    let not_served = |_| ClusterError::NotServed { url: url.to_owned(), within: SERVED_WITHIN };
    timeout(SERVED_WITHIN, accepted).await.map_err(not_served)
}
