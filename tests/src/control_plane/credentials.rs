//! Certificates, keys and tokens of a control plane, new for each.

use super::secrets::{token, write_private};
use super::{ControlPlaneError, LIFETIME, Slot};
use certs::issue::{self, Pair};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::json;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A client whose clock is a day behind trusts it too.
const BACK_DATED: SignedDuration = SignedDuration::from_hours(48);

/// What the control plane is started and used with. All files lie in `pki` of its folder.
pub(super) struct Credentials {
    authority: Pair,
    administrator: String,
    pub(super) kubeconfig: PathBuf,
    pub(super) service_account_public_key: PathBuf,
}

impl Credentials {
    /// Makes all of them and writes them down.
    pub(super) fn write(
        folder: &Path,
        slot: &Slot,
        api_server: SocketAddr,
    ) -> Result<Self, ControlPlaneError> {
        let pki = folder.join("pki");
        for folder in [&pki, &folder.join("logs")] {
            fs::create_dir_all(folder)?;
        }
        let now = Timestamp::now().checked_sub(BACK_DATED).unwrap_or(Timestamp::now());
        let authority = issue::authority("local cluster", now, LIFETIME)?;
        let leaf = issue::leaf(&authority, &names(slot, api_server), now, LIFETIME)?;
        let tokens = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let (administrator, controller_manager) = (token()?, token()?);

        let kubeconfig = folder.join("kubeconfig");
        let public_key = pki.join("service-accounts.pub");
        let users = format!(
            "{administrator},admin,admin,\"system:masters\"\n{controller_manager},controller-manager,controller-manager,\"system:masters\"\n"
        );
        for (path, contents) in [
            (pki.join("ca.crt"), authority.certificate.clone()),
            (pki.join("server.crt"), leaf.certificate),
            (pki.join("server.key"), leaf.key),
            (pki.join("service-accounts.key"), tokens.serialize_pem()),
            (public_key.clone(), tokens.public_key_pem()),
            (pki.join("tokens.csv"), users),
            (
                pki.join("controller-manager.kubeconfig"),
                kubeconfig_text(&pki, api_server, &controller_manager),
            ),
            (kubeconfig.clone(), kubeconfig_text(&pki, api_server, &administrator)),
        ] {
            write_private(&path, &contents)?;
        }
        Ok(Self { authority, administrator, kubeconfig, service_account_public_key: public_key })
    }

    /// Asks the programs of the control plane as their administrator.
    pub(super) fn client(&self) -> Result<reqwest::Client, ControlPlaneError> {
        let bearer = HeaderValue::from_str(&format!("Bearer {}", self.administrator));
        let headers: HeaderMap = bearer.into_iter().map(|value| (AUTHORIZATION, value)).collect();
        let authority = reqwest::Certificate::from_pem(self.authority.certificate.as_bytes())?;
        Ok(reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([authority])
            .default_headers(headers)
            .timeout(Duration::from_secs(5))
            .build()?)
    }
}

fn names(slot: &Slot, api_server: SocketAddr) -> Vec<String> {
    let addresses = [api_server.ip().to_string(), slot.service_address(1).to_string()];
    let service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"].map(str::to_owned);
    addresses.into_iter().chain(service).collect()
}

/// JSON, which is YAML.
fn kubeconfig_text(pki: &Path, api_server: SocketAddr, token: &str) -> String {
    let server = format!("https://{api_server}");
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": {"server": server, "certificate-authority": pki.join("ca.crt")}}],
        "users": [{"name": "local", "user": {"token": token}}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "local"}}],
        "current-context": "local",
    })
    .to_string()
}
