use super::*;
use crate::testing::record;
use proptest::prelude::*;

fn read(state: &[u8]) -> Result<u64, RecordFault> {
    let mut records = Records::new(state.len() as u64);
    records.push(state).and_then(|()| records.finish()).map(|(count, _)| count).map_err(|error| match error {
        ArchiveError::Record { fault, .. } => fault,
        other => panic!("{other}"),
    })
}

#[test]
fn keys_have_to_ascend() {
    let (a, b, ab) = (record("a", b"1", false), record("b", b"", true), record("ab", b"2", false));
    assert_eq!(read(&[&a[..], &ab, &b].concat()), Ok(3));
    assert_eq!(read(&[&b[..], &a].concat()), Err(RecordFault::Order));
    assert_eq!(read(&[&a[..], &a].concat()), Err(RecordFault::Order));
}

/// Bug: a length inside a record reaches into the next one.
#[test]
fn a_record_has_only_what_an_entry_has() {
    for (state, fault) in [
        (&b"\x00"[..], RecordFault::NoKey),
        (b"\x02\x12\x00", RecordFault::NoKey),
        (b"\x02\x0a\x00", RecordFault::NoKey),
        (b"\x03\x0a\x05abcde", RecordFault::TooShort),
        (b"\x04\x0a\x01a\x12", RecordFault::TooShort),
        (b"\x05\x0a\x01a\x12\x01", RecordFault::TooShort),
        (b"\x09\x0a\x01a", RecordFault::TooShort),
        (b"\x05\x0a\x01a\x20\x01", RecordFault::Field),
        (b"\x06\x0a\x01a\x0a\x01b", RecordFault::Field),
        (b"\x05\x0a\x01a\x18\x02", RecordFault::Field),
        (b"\x03\x0a\x01\xff", RecordFault::KeyText),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", RecordFault::Number),
        (b"\x80", RecordFault::TooShort),
    ] {
        assert_eq!(read(state), Err(fault), "{state:?}");
    }
    assert_eq!(read(&record(&"k".repeat(32_769), b"", false)), Err(RecordFault::LongKey));
    assert_eq!(read(&record(&"k".repeat(32_768), b"v", true)), Ok(1));
}

#[test]
fn a_value_of_no_bytes_may_be_there_or_not() {
    assert_eq!(read(b"\x05\x0a\x01a\x12\x00"), Ok(1));
    assert_eq!(read(b"\x03\x0a\x01a"), Ok(1));
    assert_eq!(read(b""), Ok(0));
}

proptest! {
    /// Bug: a panic, an endless loop, or an end that no longer fits the lengths.
    #[test]
    fn any_bytes_end_in_a_count_or_a_fault(state in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut records = Records::new(state.len() as u64);
        let whole = read(&state);
        let piecewise = state.chunks(1).try_for_each(|piece| records.push(piece)).and_then(|()| records.finish());
        prop_assert_eq!(whole.is_ok(), piecewise.is_ok());
    }
}
