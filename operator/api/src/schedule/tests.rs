use super::*;
use proptest::prelude::*;

fn fields(text: &str) -> Fields {
    match Schedule::parse(text).unwrap() {
        Schedule::Fields(fields) => fields,
        Schedule::Every(_) => panic!("{text} has no fields"),
    }
}

fn values(field: Field) -> Vec<u32> {
    (0..64).filter(|value| field.has(*value)).collect()
}

#[test]
fn fields_hold_what_they_say() {
    let all = fields("5-7,30 */6 1,,15 JAN-mar/2 ?");
    assert_eq!(values(all.minutes), [5, 6, 7, 30]);
    assert_eq!(values(all.hours), [0, 6, 12, 18]);
    assert_eq!(values(all.days), [1, 15]);
    assert_eq!(values(all.months), [1, 3]);
    assert_eq!(values(all.weekdays), [0, 1, 2, 3, 4, 5, 6]);
    assert!(all.weekdays.star && !all.hours.star);
    assert_eq!(values(fields("50/4 0 * * *").minutes), [50, 54, 58]);
    assert_eq!(Schedule::parse("@weekly"), Schedule::parse("0 0 * * SUN"));
    assert_eq!(Schedule::parse("@every 90m"), Ok(Schedule::Every(5_400_000_000_000)));
}

/// Held against the API server itself by `tests/tests/admission/schedules.rs`.
#[test]
fn the_traps_of_the_grammar_are_known() {
    for text in ["* * * * 6", "*-x 0 * * *", ", 0 * * *", "+5 0 * * *", "0\t3  * * *", "@every -1h"] {
        assert!(Schedule::parse(text).is_ok(), "{text}");
    }
    for text in [
        "",
        "* * * *",
        "0 0 3 * * *",
        "* * * * 7",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "5-1 * * * *",
        "1-2-3 * * * *",
        "*/0 * * * *",
        "1/2/3 * * * *",
        "-1 * * * *",
        "1- * * * *",
        "* * L * *",
        "* * * * MON#2",
        "* * 15W * *",
        "* * * * monday",
        "*/99999999999999999999 * * * *",
        " @daily",
        "@Daily",
        "@reboot",
        "@every",
        "@every 1d",
        "CRON_TZ=UTC 0 3 * * *",
        "TZ=UTC 0 3 * * *",
        "TZ",
    ] {
        assert!(Schedule::parse(text).is_err(), "{text:?}");
    }
}

/// Bug: a backup that never runs is admitted without a word.
#[test]
fn a_schedule_that_never_comes_is_known() {
    for text in [
        "0 3 31 2 *",
        "0 3 30,31 FEB ?",
        "0 3 31 4,6,9,11 *",
        ", 3 * * *",
        "0 , * * *",
        "0 3 * , *",
        "0 3 * * ,",
    ] {
        assert!(Schedule::parse(text).unwrap().never_comes(), "{text}");
    }
    for text in
        ["0 3 * * *", "0 3 29 2 *", "0 3 31 2 MON", "0 3 31 2 */2", "0 3 31 * *", "@every 1s", "@yearly"]
    {
        assert!(!Schedule::parse(text).unwrap().never_comes(), "{text}");
    }
}

proptest! {
    /// Bug: a panic on a stranger's text ends the review.
    #[test]
    fn any_text_has_an_answer(text in "[-*?/,0-9a-zA-Z@ ]{0,20}") {
        let _ = Schedule::parse(&text).map(|schedule| schedule.never_comes());
    }
}
