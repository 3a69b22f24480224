//! Durations as Go writes them: `168h`, `1h30m`, `1.5s`. Kubernetes takes nothing else where it takes a duration.

/// Parses as `time.ParseDuration` of Go does, which has the last word in a `CronJob`. Nanoseconds; none where Go
/// refuses.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let negative = text.starts_with('-');
    if unsigned == "0" {
        return Some(0);
    }
    let mut rest = unsigned;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (amount, after) = term(rest)?;
        total = total.checked_add(amount).filter(|total| *total <= LIMIT)?;
        rest = after;
    }
    match (unsigned.is_empty(), negative) {
        (true, _) => None,
        // The most negative duration has no positive twin.
        (false, true) => 0_i64.checked_sub_unsigned(total),
        (false, false) => i64::try_from(total).ok(),
    }
}

/// 2^63: what a negative duration can hold.
const LIMIT: u64 = 1 << 63;

/// One number with its unit, in nanoseconds, and what follows.
fn term(text: &str) -> Option<(u64, &str)> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let unit = unit(name)?;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let nanoseconds = whole.checked_mul(unit).filter(|nanoseconds| *nanoseconds <= LIMIT)?;
    Some((nanoseconds.checked_add(part(fraction, unit))?, rest))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// So many digits of a fraction count: they reach below a nanosecond of an hour.
const FRACTION_DIGITS: usize = 18;

/// `0.<fraction>` of a unit, rounded down; Go reckons in floating point and may say a nanosecond more.
fn part(fraction: &str, unit: u64) -> u64 {
    let (value, scale) = fraction
        .bytes()
        .take(FRACTION_DIGITS)
        .fold((0_u128, 1_u128), |(value, scale), digit| (value * 10 + u128::from(digit - b'0'), scale * 10));
    u64::try_from(value * u128::from(unit) / scale).unwrap_or_default()
}

fn unit(name: &str) -> Option<u64> {
    Some(match name {
        "ns" => 1,
        // The micro sign, and the Greek letter that looks like it.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::parse;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000_000;

    /// Most are out of Go's own test of `ParseDuration`.
    #[test]
    fn what_go_takes_is_taken() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("-0", 0),
            ("+0", 0),
            ("5s", 5 * SECOND),
            ("-5s", -5 * SECOND),
            ("5.s", 5 * SECOND),
            (".5s", SECOND / 2),
            ("1.00400s", SECOND + 4_000_000),
            ("12\u{b5}s", 12_000),
            ("12\u{3bc}s", 12_000),
            ("168h", 168 * 3600 * SECOND),
            ("10.5s4m", 250 * SECOND + SECOND / 2),
            ("1h2m3s4ms5us6ns", 3_723_004_005_006),
            ("9007199254740993ns", 9_007_199_254_740_993),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("0.3333333333333333333h", 1_199_999_999_999),
            ("0.100000000000000000000h", 360 * SECOND),
        ] {
            assert_eq!(parse(text), Some(nanoseconds), "{text}");
        }
    }

    /// Bug: admitted here, refused by the API server when the `CronJob` is written.
    #[test]
    fn what_go_refuses_is_refused() {
        for text in [
            "",
            "3",
            "-",
            "s",
            ".",
            "-.",
            ".s",
            "+.s",
            "1d",
            "7 d",
            "1h ",
            " 1h",
            "1h-5m",
            "1e3s",
            "9223372036854775808ns",
            "9223372036854775.808us",
            "3000000h",
            "-9223372036854775809ns",
            "99999999999999999999h",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    proptest! {
        /// Bug: a panic on a stranger's text ends the review.
        #[test]
        fn any_text_has_an_answer(text in "[-+]?[0-9.]{0,30}[a-z\u{b5}]{0,3}[0-9.]{0,5}[hms]?") {
            let _ = parse(&text);
        }
    }
}
