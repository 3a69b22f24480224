use super::*;

/// Bug: a snapshot of more than 10 000 parts fails at its end, after hours; or every one is sent in parts that are too
/// large for its memory.
#[test]
fn parts_grow_so_that_they_never_run_out() {
    let (ten, gib) = (10 * MIB, 1024 * MIB);
    for (total, expected) in
        [(0, ten), (gib, ten), (10_000 * ten, ten), (10_000 * ten + 1, 11 * MIB), (5 * 1024 * gib, 525 * MIB)]
    {
        assert_eq!(part_size(ten, total), expected, "{total}");
        assert!(total.div_ceil(part_size(ten, total)) <= MOST_PARTS);
    }
}

/// Bug: a store that writes an `ETag` in two ways never has a backup, since each good one is thrown away.
#[test]
fn an_etag_is_the_same_in_whatever_way_it_is_written() {
    for (made, found, same) in [
        ("\"a-2\"", "\"a-2\"", true),
        ("a-2", "\"a-2\"", true),
        ("\"a-2\"", "W/\"a-2\"", true),
        ("", "\"a-2\"", true),
        ("\"\"", "\"a-2\"", true),
        ("\"a-2\"", "\"b-2\"", false),
        ("\"a-2\"", "", false),
    ] {
        assert_eq!(is_same(made, found), same, "{made} {found}");
    }
}
