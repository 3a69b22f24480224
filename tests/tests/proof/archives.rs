//! Archives as OpenBao writes them, compressed anew, and padded: what the check accepts is restored by no server that lacks its
//! tail, however the connection ends.

use crate::place::place;
use api::conditions::Reason;
use archive::Verifier;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::{DeflateEncoder, GzEncoder};
use reqwest::{Certificate, Client, StatusCode};
use serde_json::json;
use std::io::{Read, Write};
use tests::fault_proxy::{How, Where};
use tests::harness::lane;
use tests::openbao::outside::{Seal, Settings};
use tests::site::{KEPT, LOST, NOT_APPLIED, Site, Verdict};

/// The server hears the end, hears a reset, or hears nothing until its read timeout.
const ENDINGS: [How; 3] = [How::Close, How::Reset, How::Part];
const READ_TIMEOUT: &str = "3s";

fn gzip(plain: &[u8], level: u32) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(level));
    gzip.write_all(plain).unwrap();
    gzip.finish().unwrap()
}

/// 60 000 stored blocks without content before the last block.
fn empty_blocks(plain: &[u8]) -> Vec<u8> {
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::none());
    deflated.write_all(plain).unwrap();
    deflated.flush().unwrap();
    let whole = gzip(plain, 0);
    let (head, trailer) = (&whole[..10], &whole[whole.len() - 8..]);
    let empty = [0, 0, 0, 0xff, 0xff].repeat(60_000);
    [head, deflated.get_ref(), &empty, &[0x03, 0x00], trailer].concat()
}

/// With each of these a server begins to restore before the last 256 KiB are there: measured.
fn padded(tar: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    let zeros = gzip(&[tar, &vec![0; 512 * 1024]].concat(), 0);
    let members = [gzip(tar, 0), gzip(b"", 0).repeat(14_000)].concat();
    [("zeros", zeros), ("empty-blocks", empty_blocks(tar)), ("empty-members", members)]
}

/// Sends it, and whatever becomes of the connection is its own affair.
async fn post(site: &Site, archive: Vec<u8>) -> Option<StatusCode> {
    let authority = Certificate::from_pem(site.proxies[0].authority.as_bytes()).unwrap();
    let client = Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
    let url = format!("{}/v1/sys/storage/raft/snapshot", site.proxies[0].address);
    let request = client.post(url).header("X-Vault-Token", &site.scenario.openbao.root_token);
    request.body(archive).send().await.ok().map(|answer| answer.status())
}

/// Up to its tail, and no further.
async fn cut_short(site: &Site, archive: &[u8], tail: u64, ending: How) {
    site.proxies[0].set_tail(tail);
    let stopped = site.proxies[0].stop_at(Where::BeforeTail);
    let posted = post(site, archive.to_vec());
    let cut = async { stopped.held().await.unwrap().end(ending) };
    let (answered, ()) = futures::join!(posted, cut);
    assert_eq!(answered, None, "{ending:?}");
}

fn restored(site: &Site) -> usize {
    site.outside.nodes[0].log().unwrap().matches("restored user snapshot").count()
}

/// Bug: the recorded tail is shorter than what a server can do without, so that a restore begins before it is claimed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_archive_is_applied_without_its_tail() {
    let _lane = lane().await;
    let place = place().await;
    let settings =
        Settings { read_timeout: READ_TIMEOUT, ..Settings::one("archives", Seal::fresh("local").unwrap()) };
    let site = Site::start(&place, &settings).await.unwrap();
    site.scenario.fill(1).await.unwrap();
    let key = site.lose().await.unwrap();
    let written = site.scenario.object(&key).await.unwrap();
    let mut tar = Vec::new();
    GzDecoder::new(&written[..]).read_to_end(&mut tar).unwrap();

    let again = (0..=9).map(|level| (format!("level {level}"), gzip(&tar, level)));
    for (before, (name, archive)) in again.chain([("as written".to_owned(), written)]).enumerate() {
        let mut verifier = Verifier::new();
        verifier.push(&archive).unwrap();
        let tail = verifier.finish().unwrap().tail;
        println!("{name}: {} bytes, of which the tail has {tail}", archive.len());
        for ending in ENDINGS {
            cut_short(&site, &archive, tail, ending).await;
        }
        assert_eq!((restored(&site), site.value().await.unwrap().as_str()), (before, LOST), "{name}");
        // The same archive with its tail, so that it is the tail that it lacked.
        assert_eq!(post(&site, archive).await, Some(StatusCode::NO_CONTENT), "{name}");
        let applied = async || (restored(&site) > before).then_some(());
        place.eventually("the whole archive is applied", applied).await;
        assert_eq!(site.value().await.unwrap(), KEPT, "{name}");
        site.scenario.write(LOST).await.unwrap();
    }
    for (name, archive) in padded(&tar) {
        let key = format!("clusters/archives/{name}.snap");
        site.scenario.put(&key, archive).await.unwrap();
        let restore = site.restore(&format!("padded-{name}"), &key, &json!({})).await.unwrap();
        let refused = Verdict { reason: Reason::SnapshotInvalid, value: LOST, ..NOT_APPLIED };
        restore.judge(&site, &refused).await;
    }
}
