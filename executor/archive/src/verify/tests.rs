use super::*;
use crate::expected_object_size;
use crate::testing::{Parts, block, gzip, member, records, state};
use proptest::prelude::*;
use std::io::Write;

pub(super) fn read(object: &[u8]) -> Result<Summary, ArchiveError> {
    let mut verifier = Verifier::new();
    verifier.push(object)?;
    verifier.finish()
}

pub(super) fn read_in_pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Summary, ArchiveError> {
    let mut verifier = Verifier::new();
    for piece in pieces {
        verifier.push(piece)?;
    }
    verifier.finish()
}

#[test]
fn a_whole_snapshot_is_summed_up() {
    let parts = Parts::good();
    let object = parts.object();
    let summary = read(&object).unwrap();
    assert_eq!(summary.sha256, hex(&Sha256::digest(&object)));
    assert_eq!(summary.object_size, object.len() as u64);
    assert_eq!(
        summary.object_size,
        expected_object_size(parts.members[0].1.len() as u64, summary.state_size)
    );
    assert_eq!((summary.index, summary.term, summary.records), (33, 3, 7));
    assert_eq!(summary.newest_version.unwrap().to_string(), "2.10.0");
    assert_eq!(summary.unreadable_version, None);
    assert_eq!(summary.barrier_keys_sha256, hex(&Sha256::digest(b"root key under the seal key")));
    assert_eq!(
        (summary.seal.kind.as_str(), summary.seal.secret_shares, summary.seal.secret_threshold),
        ("shamir", 5, 3)
    );
    assert_eq!((summary.meta, summary.sealed), (parts.members[0].1.clone(), parts.members[3].1.clone()));
}

/// Bug: our idea of the format is not OpenBao's. One node of 2.7.2, Shamir seal, nothing but what `sys/init` writes.
#[test]
fn a_snapshot_that_openbao_made_is_taken() {
    let summary = read(include_bytes!("../../fixtures/openbao-2.7.2.snap")).unwrap();
    assert_eq!((summary.object_size, summary.state_size, summary.records), (16_921, 11_896, 27));
    assert_eq!((summary.index, summary.term, summary.id.as_str()), (29, 3, "bolt-snapshot"));
    assert_eq!(summary.newest_version.unwrap().to_string(), "2.7.2");
    assert_eq!((summary.seal.kind.as_str(), summary.seal.secret_shares), ("shamir", 1));
    assert_eq!(expected_object_size(summary.meta.len() as u64, summary.state_size), summary.object_size);
}

/// Bug: state is lost between two pushes.
/// Bug: progress and the size of the parts go by a total that is not the object's, or that comes too late.
#[test]
fn the_size_is_known_after_the_first_kilobyte() {
    let object = include_bytes!("../../fixtures/openbao-2.7.2.snap");
    let mut verifier = Verifier::new();
    assert_eq!(verifier.announced(), None);
    verifier.push(&object[..2048]).unwrap();
    assert_eq!(verifier.announced(), Some(object.len() as u64));
}

#[test]
fn one_byte_at_a_time_is_the_same_snapshot() {
    let object = Parts::good().object();
    assert_eq!(read_in_pieces(object.chunks(1)), read(&object));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_pieces_are_the_same_snapshot(cuts in proptest::collection::vec(0_usize..200_000, 0..20)) {
        let mut records = records();
        records.push(("logical/large", (0..150_000_u32).map(|n| n.to_le_bytes()[1]).collect()));
        records.sort();
        let object = Parts::of(&state(&records)).object();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(object.len())).collect();
        cuts.extend([0, object.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &object[cut[0]..cut[1]]);
        prop_assert_eq!(read_in_pieces(pieces), read(&object));
    }
}

/// Bug: a reader that stops at the last member takes an object without its end for whole, as the server does.
#[test]
fn an_object_cut_anywhere_is_truncated() {
    let object = Parts::good().object();
    for end in 0..object.len() {
        let error = read(&object[..end]).unwrap_err();
        assert!(matches!(error, ArchiveError::Truncated { .. }), "cut at {end}: {error}");
        assert!(error.is_early_end());
    }
}

/// Bits that mean nothing to any reader (RFC 1952 2.3.1, RFC 1951 3.2.4): time, level and system in the gzip header; in
/// the first byte of the one stored block the five bits up to the next byte; behind the end of the last block, which
/// takes ten bits, six more.
fn meaningless(index: usize, length: usize) -> u8 {
    match index {
        4..=9 => 0xff,
        10 => 0xf8,
        _ if index == length - 9 => 0xfc,
        _ => 0,
    }
}

/// Bug: a part of the format that nothing checks.
#[test]
fn any_flipped_bit_is_seen() {
    let object = Parts::good().object();
    for index in 0..object.len() {
        for bit in (0..8).map(|shift| 1_u8 << shift) {
            let mut bent = object.clone();
            bent[index] ^= bit;
            let meaning = meaningless(index, object.len()) & bit == 0;
            assert_eq!(read(&bent).is_err(), meaning, "bit {bit:#04x} of byte {index}");
        }
    }
}

#[test]
fn more_than_one_snapshot_is_refused() {
    let object = Parts::good().object();
    let twice = [object.as_slice(), &object].concat();
    assert_eq!(read(&twice), Err(ArchiveError::BytesAfterGzip));
    for tail in [&b"\0"[..], b"garbage", b"\x1f\x8b"] {
        assert_eq!(read(&[&object, tail].concat()), Err(ArchiveError::BytesAfterGzip));
    }
}

#[test]
fn what_was_wrong_once_stays_wrong() {
    let mut verifier = Verifier::new();
    assert_eq!(verifier.push(b"no snapshot"), Err(ArchiveError::NotGzip));
    assert_eq!(verifier.push(&Parts::good().object()), Err(ArchiveError::NotGzip));
    assert_eq!(verifier.finish(), Err(ArchiveError::NotGzip));
}

/// Bug: members that the server refuses, or that hide another archive, are taken.
#[test]
fn other_members_are_refused() {
    let swapped = |a, b| {
        let mut parts = Parts::good();
        parts.members.swap(a, b);
        parts
    };
    let mut extra = Parts::good();
    extra.members.push(("evil", b"x".to_vec()));
    let mut twice = Parts::good();
    twice.members.push(("state.bin", Vec::new()));
    for parts in [swapped(0, 1), swapped(2, 3), extra, twice] {
        let error = read(&parts.object()).unwrap_err();
        assert!(matches!(error, ArchiveError::UnexpectedMember { .. }), "{error}");
    }
    for missing in 0..4 {
        let mut parts = Parts::good();
        parts.members.remove(missing);
        let error = read(&parts.object()).unwrap_err();
        assert!(
            matches!(error, ArchiveError::UnexpectedMember { .. } | ArchiveError::MissingMember { .. }),
            "{missing} missing: {error}"
        );
    }
    for kind in [tar::EntryType::Symlink, tar::EntryType::Directory, tar::EntryType::GNULongName] {
        let error = read(&gzip(&block(kind, "meta.json", 0, b""))).unwrap_err();
        assert!(matches!(error, ArchiveError::Header { .. }), "{error}");
    }
}

/// Bug: the end of the tar archive is not looked at, so a stream that the server ended early passes.
#[test]
fn the_end_of_the_archive_is_two_blocks_of_zeros() {
    let with_end = |end: Vec<u8>| read(&Parts { end, ..Parts::good() }.object());
    for length in [0, 512, 1023, 1025] {
        let error = with_end(vec![0; length]).unwrap_err();
        assert_eq!(error, ArchiveError::Truncated { inside: "the end of the archive" }, "{length} bytes");
    }
    assert!(with_end(vec![0; 10_240]).is_ok());
    assert_eq!(with_end(vec![0; 20_480]), Err(ArchiveError::Filling));
    assert_eq!(with_end([vec![0; 1024], member("evil", b"x")].concat()), Err(ArchiveError::Filling));
}

#[test]
fn lists_of_hashes_that_do_not_fit_are_refused() {
    let with_member = |index: usize, bytes: Vec<u8>| {
        let mut parts = Parts::good();
        parts.members[index].1 = bytes;
        read(&parts.object()).unwrap_err()
    };
    let sums = String::from_utf8(Parts::good().members[2].1.clone()).unwrap();
    let (first, second) = sums.split_at(sums.len() / 2);
    for wrong in
        [String::new(), first.to_owned(), first.repeat(2), sums.clone() + first, sums.replace("  ", " ")]
    {
        assert_eq!(with_member(2, wrong.clone().into_bytes()), ArchiveError::Sums, "{wrong}");
    }
    assert_eq!(with_member(2, sums.trim_end().as_bytes().to_vec()), ArchiveError::Sums, "no last line end");
    let wrong = format!("{}{second}", "0".repeat(64) + &first[64..]);
    assert!(matches!(with_member(2, wrong.into_bytes()), ArchiveError::WrongDigest { .. }));
    for sealed in [&b""[..], b"\x0a\x00", b"\x0a\x7fshort"] {
        assert_eq!(with_member(3, sealed.to_vec()), ArchiveError::Sealed);
    }
    assert!(matches!(with_member(3, vec![0; 10_000]), ArchiveError::MemberTooLarge { size: 10_000, .. }));
}

#[test]
fn meta_json_has_to_describe_this_state() {
    let with_meta = |meta: &str| {
        let mut parts = Parts::good();
        parts.members[0].1 = meta.as_bytes().to_vec();
        parts.sign();
        read(&parts.object()).unwrap_err()
    };
    let meta = String::from_utf8(Parts::good().members[0].1.clone()).unwrap();
    assert!(matches!(with_meta("{}"), ArchiveError::Meta { .. }));
    assert!(matches!(with_meta(&meta.replace("\"Version\":1", "\"Version\":2")), ArchiveError::Meta { .. }));
    assert!(matches!(with_meta(&meta.replace("\"Size\":", "\"Size\":1")), ArchiveError::StateSize { .. }));
}

/// Bug: a snapshot of Consul or Nomad has the same container; restored by force it seals the cluster.
#[test]
fn state_without_what_unseals_it_is_refused() {
    for key in ["core/keyring", "core/seal-config", "core/hsm/barrier-unseal-keys"] {
        let kept: Vec<_> = records().into_iter().filter(|(name, _)| *name != key).collect();
        assert_eq!(read(&Parts::of(&state(&kept)).object()), Err(ArchiveError::MissingRecord { key }));
    }
    let mut records = records();
    records[2].1 = b"no JSON".to_vec();
    assert_eq!(read(&Parts::of(&state(&records)).object()), Err(ArchiveError::SealConfig));
}

/// Bug: a few megabytes that unpack to terabytes keep the reader busy for days, and fill the disk of the server.
#[test]
fn a_bomb_is_refused_long_before_it_is_unpacked() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let header = block(tar::EntryType::Regular, "meta.json", 64, b"{}");
    let pax = block(tar::EntryType::XHeader, "PaxHeaders.0/state.bin", 21, b"21 size=107374182400\n");
    let state = block(tar::EntryType::Regular, "state.bin", 0, b"");
    // Record of 2^36 bytes: key "a", value of 2^36 - 16 bytes.
    let record = b"\x80\x80\x80\x80\x80\x02\x0a\x01a\x12\xf0\xff\xff\xff\xff\x01";
    for bytes in [&header[..], &pax, &state, record] {
        gzip.write_all(bytes).unwrap();
    }
    for _ in 0..64 {
        gzip.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let object = gzip.finish().unwrap();
    assert!(object.len() < 100_000, "{}", object.len());
    assert_eq!(read(&object), Err(ArchiveError::Bomb));
}

/// Bug: a snapshot that an older server compressed is taken for a bomb.
#[test]
fn a_snapshot_that_is_compressed_is_taken() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&Parts::good().tar()).unwrap();
    assert!(read(&gzip.finish().unwrap()).is_ok());
}

/// Bug: an archive without any data passes, and empties the cluster.
#[test]
fn an_empty_state_is_refused() {
    assert_eq!(read(&Parts::of(b"").object()), Err(ArchiveError::MissingRecord { key: "core/keyring" }));
    assert_eq!(read(b""), Err(ArchiveError::Truncated { inside: "the gzip header" }));
}

#[test]
fn a_version_that_cannot_be_compared_is_told() {
    let mut records = records();
    records.insert(6, ("core/versions/next", Vec::new()));
    let summary = read(&Parts::of(&state(&records)).object()).unwrap();
    assert_eq!(summary.unreadable_version.as_deref(), Some("next"));
    assert_eq!(summary.newest_version.unwrap().to_string(), "2.10.0");
}

/// The header of a state.bin of 8 GiB and more: Go writes its size as a PAX record, and 0 where it does not fit.
fn with_pax(records: &str, size: u64) -> Vec<u8> {
    let parts = Parts::good();
    let mut tar = member("meta.json", &parts.members[0].1);
    let length = records.len() as u64;
    tar.extend(block(tar::EntryType::XHeader, "PaxHeaders.0/state.bin", length, records.as_bytes()));
    tar.extend(block(tar::EntryType::Regular, "state.bin", size, &parts.members[1].1));
    for (name, bytes) in &parts.members[2..] {
        tar.extend(member(name, bytes));
    }
    tar.extend(&parts.end);
    gzip(&tar)
}

#[test]
fn a_size_in_a_pax_record_is_taken() {
    let size = Parts::good().members[1].1.len();
    assert!((100..1000).contains(&size), "three digits make a record of 12 bytes");
    let records = format!("12 size={size}\n");
    let object = with_pax(&records, 0);
    assert!(read(&object).is_ok());
    assert_eq!(read_in_pieces(object.chunks(1)), read(&object));
    let fault = |records: &str, size| match read(&with_pax(records, size)).unwrap_err() {
        ArchiveError::Header { expected: "state.bin", fault } => fault,
        other => panic!("{other}"),
    };
    assert_eq!(fault(&records, 5), "two different sizes");
    assert_eq!(fault("11 path=ab\n", 0), "PAX records other than one size");
    assert_eq!(fault(&"x".repeat(600), 0), "too many PAX records");
}

/// Bug: memory grows with the input. A state.bin said to be 100 GiB, of one value, is read in the memory of the reader.
#[test]
fn a_huge_value_is_not_kept() {
    let mut tar = member("meta.json", b"{}");
    tar.extend(block(tar::EntryType::XHeader, "PaxHeaders.0/state.bin", 21, b"21 size=107374182400\n"));
    tar.extend(block(tar::EntryType::Regular, "state.bin", 0, b""));
    let mut state = Content::new();
    let mut untar = Untar::new();
    untar.push(&tar, &mut state).unwrap();
    // Record of 2^36 bytes: key "a", value of 2^36 - 16 bytes.
    untar.push(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x02, 0x0a, 1, b'a', 0x12], &mut state).unwrap();
    untar.push(&[0xf0, 0xff, 0xff, 0xff, 0xff, 0x01], &mut state).unwrap();
    for _ in 0..1000 {
        untar.push(&vec![0x5a; 65_536], &mut state).unwrap();
    }
    assert_eq!(untar.expected(), "state.bin");
}
