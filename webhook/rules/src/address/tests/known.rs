//! What stores and servers are called in the documents of their makers.

use super::parse;
use crate::address::{Class, Door, Networks};

const ADDRESSES: [(&str, &[&str]); 18] = [
    (
        "Amazon S3",
        &[
            "https://s3.amazonaws.com",
            "https://s3.eu-central-1.amazonaws.com",
            "https://s3-eu-west-1.amazonaws.com",
            "https://s3.dualstack.eu-west-1.amazonaws.com",
            "https://s3-fips.us-east-1.amazonaws.com",
            "https://s3-fips.dualstack.us-west-2.amazonaws.com",
            "https://s3-accelerate.amazonaws.com",
            "https://openbao-backups.s3.us-west-2.amazonaws.com",
            "https://bucket.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com",
            "https://s3express-use1-az4.us-east-1.amazonaws.com",
            "https://s3.eu-central-1.api.aws",
        ],
    ),
    (
        "Amazon S3, GovCloud",
        &["https://s3.us-gov-west-1.amazonaws.com", "https://s3-fips.dualstack.us-gov-east-1.amazonaws.com"],
    ),
    (
        "Amazon S3, China",
        &["https://s3.cn-north-1.amazonaws.com.cn", "https://s3.dualstack.cn-northwest-1.amazonaws.com.cn"],
    ),
    (
        "Amazon S3, isolated and European partitions",
        &[
            "https://s3.us-iso-east-1.c2s.ic.gov",
            "https://s3.us-isob-east-1.sc2s.sgov.gov",
            "https://s3.us-isof-south-1.csp.hci.ic.gov",
            "https://s3.eu-isoe-west-1.cloud.adc-e.uk",
            "https://s3.eusc-de-east-1.amazonaws.eu",
        ],
    ),
    (
        "Google Cloud Storage",
        &[
            "https://storage.googleapis.com",
            "https://storage.europe-west3.rep.googleapis.com",
            "https://storage-backups.p.googleapis.com",
            "https://restricted.googleapis.com",
        ],
    ),
    (
        "Azure Blob Storage",
        &[
            "https://account.blob.core.windows.net",
            "https://account-secondary.blob.core.windows.net",
            "https://account.z6.blob.storage.azure.net",
            "https://account.privatelink.blob.core.windows.net",
        ],
    ),
    (
        "Azure Blob Storage, sovereign clouds",
        &["https://account.blob.core.usgovcloudapi.net", "https://account.blob.core.chinacloudapi.cn"],
    ),
    (
        "MinIO",
        &[
            "https://minio.storage.svc:9000",
            "https://minio.storage.svc.cluster.local:9000",
            "https://minio-0.minio-hl.storage.svc.cluster.local:9000",
            "https://minio:9000",
            "https://minio.storage:9000",
            "https://play.min.io:9000",
            "https://10.1.2.3:9000",
            "https://192.168.178.20:9000",
            "https://[fd12:3456:789a::10]:9000",
            "https://[2001:db8::10]:9000",
        ],
    ),
    ("Garage", &["https://garage.garage.svc:3900", "https://s3.garage.example"]),
    (
        "Ceph",
        &[
            "https://rook-ceph-rgw-my-store.rook-ceph.svc:443",
            "https://rgw.ceph.example:7480",
            "https://100.64.1.2:7480",
        ],
    ),
    (
        "Cloudflare R2",
        &[
            "https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com",
            "https://0123456789abcdef0123456789abcdef.eu.r2.cloudflarestorage.com",
        ],
    ),
    (
        "Backblaze B2",
        &["https://s3.us-west-004.backblazeb2.com", "https://s3.eu-central-003.backblazeb2.com"],
    ),
    ("Wasabi", &["https://s3.wasabisys.com", "https://s3.eu-central-2.wasabisys.com"]),
    ("Hetzner", &["https://fsn1.your-objectstorage.com/", "https://hel1.your-objectstorage.com"]),
    ("OVH", &["https://s3.gra.io.cloud.ovh.net", "https://s3.eu-west-par.io.cloud.ovh.net"]),
    ("Scaleway", &["https://s3.fr-par.scw.cloud", "https://s3.nl-ams.scw.cloud"]),
    ("DigitalOcean", &["https://fra1.digitaloceanspaces.com", "https://nyc3.digitaloceanspaces.com"]),
    (
        "OpenBao",
        &[
            "https://prod-cluster-0.prod-cluster.security.svc:8200",
            "HTTPS://Bao-0.Bao.Security.SVC:8200",
            "https://my-localhost-gw.example.com:443",
            "https://xn--bcher-kva.example:8200",
            "https://172.16.0.9:8200",
        ],
    ),
];

/// Bug: a legitimate store or server is refused.
#[test]
fn every_known_address_passes_both_doors() {
    let mut count = 0;
    for (maker, addresses) in ADDRESSES {
        for text in addresses {
            let address = parse(text).unwrap_or_else(|error| panic!("{maker}: {text} {error}"));
            assert_eq!(address.class(), Class::Ordinary, "{maker}: {text}");
            for door in [Door::Storage, Door::Server] {
                let judged = Networks::default().judge_unresolved(&address, door);
                assert_eq!(judged, Ok(()), "{maker}: {text}");
            }
            count += 1;
        }
    }
    println!("{count} addresses of {} makers", ADDRESSES.len());
}
