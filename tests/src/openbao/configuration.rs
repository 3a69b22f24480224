//! The configuration file of one server.

/// What differs between servers.
pub(super) struct Configuration<'a> {
    /// Folder of the data.
    pub(super) data: &'a str,
    /// Of the server in raft.
    pub(super) node: &'a str,
    /// Host and port of API and cluster, to listen on.
    pub(super) listen: [&'a str; 2],
    /// URLs of API and cluster, for the others.
    pub(super) urls: [&'a str; 2],
    /// API of each server to join.
    pub(super) joins: &'a [String],
    /// Folder with `ca.crt`, `tls.crt` and `tls.key`.
    pub(super) tls: &'a str,
    /// None is a Shamir seal.
    pub(super) seal: Option<Sealed<'a>>,
    /// How long the end of a request is waited for.
    pub(super) read_timeout: &'a str,
}

/// What seals a server by itself.
pub(super) enum Sealed<'a> {
    /// A key of this name in a file.
    Static { id: &'a str, file: &'a str },
    /// The key [`TRANSIT_KEY`] of another OpenBao.
    Transit { address: &'a str, token: &'a str, authority: &'a str },
}

/// Name of the key that seals.
pub(super) const TRANSIT_KEY: &str = "unseal";

impl Sealed<'_> {
    fn render(&self) -> String {
        match self {
            Self::Static { id, file } => {
                format!(
                    "seal \"static\" {{\n  current_key_id = \"{id}\"\n  current_key = \"file://{file}\"\n}}\n"
                )
            }
            Self::Transit { address, token, authority } => format!(
                "seal \"transit\" {{\n  address = \"{address}\"\n  token = \"{token}\"\n  tls_ca_cert = \"{authority}\"\n  \
                 key_name = \"{TRANSIT_KEY}\"\n  mount_path = \"transit/\"\n}}\n"
            ),
        }
    }
}

impl Configuration<'_> {
    pub(super) fn render(&self) -> String {
        let Self { data, node, listen, urls, joins, tls, seal, read_timeout } = self;
        let join = |url: &String| {
            format!(
                "  retry_join {{\n    leader_api_addr = \"{url}\"\n    leader_ca_cert_file = \"{tls}/ca.crt\"\n  }}\n"
            )
        };
        let joins: String = joins.iter().map(join).collect();
        let seal = seal.as_ref().map(Sealed::render).unwrap_or_default();
        format!(
            r#"storage "raft" {{
  path = "{data}"
  node_id = "{node}"
  performance_multiplier = "1"
{joins}}}
listener "tcp" {{
  address = "{}"
  cluster_address = "{}"
  tls_cert_file = "{tls}/tls.crt"
  tls_key_file = "{tls}/tls.key"
  http_read_timeout = "{read_timeout}"
}}
{seal}api_addr = "{}"
cluster_addr = "{}"
"#,
            listen[0], listen[1], urls[0], urls[1]
        )
    }
}
