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
    /// Name of the key of the static seal, and its file; a Shamir seal has none.
    pub(super) seal: Option<(&'a str, &'a str)>,
    /// How long the end of a request is waited for.
    pub(super) read_timeout: &'a str,
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
        let seal = seal.map_or_else(String::new, |(id, file)| {
            format!(
                "seal \"static\" {{\n  current_key_id = \"{id}\"\n  current_key = \"file://{file}\"\n}}\n"
            )
        });
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
