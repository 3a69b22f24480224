//! Cron schedules as a `CronJob` of Kubernetes takes them: the grammar of robfig/cron's standard parser, and what the
//! API server forbids beside it. It is stricter than most (no seconds, no 7 for Sunday, no L, W or #) and in places
//! laxer (`1,,2`), so no general parser of cron says the same.

use crate::duration;

/// The times of a schedule: for each field a bit per value, or one fixed pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// At the times that all fields allow.
    Fields(Fields),
    /// `@every`: nanoseconds between two runs.
    Every(i64),
}

/// Five fields, bit `n` for value `n`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    bits: u64,
    /// Written as `*` or `?`: then days and weekdays must both fit, where else one of them is enough.
    star: bool,
}

/// Why a schedule is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// A time zone inside the schedule.
    #[error("it has TZ in it, which a CronJob refuses; timeZone is the field for that")]
    TimeZone,
    /// Not five fields.
    #[error("it has {0} fields instead of five (minute, hour, day of month, month, day of week)")]
    FieldCount(usize),
    /// A field has no such value.
    #[error("its {0} is not a list of numbers, names or ranges within {1} to {2}")]
    Field(&'static str, u32, u32),
    /// A word after `@` that is none.
    #[error(
        "it is not one of @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly, @every <duration>"
    )]
    Descriptor,
    /// What follows `@every` is no duration.
    #[error("what follows @every is not a duration such as 6h or 1h30m")]
    Every,
}

/// What a field can hold.
struct Bounds {
    name: &'static str,
    least: u32,
    most: u32,
    /// Names of the values from `least` on.
    names: &'static [&'static str],
}

const MINUTES: Bounds = Bounds { name: "minute", least: 0, most: 59, names: &[] };
const HOURS: Bounds = Bounds { name: "hour", least: 0, most: 23, names: &[] };
const DAYS: Bounds = Bounds { name: "day of month", least: 1, most: 31, names: &[] };
const MONTHS: Bounds = Bounds {
    name: "month",
    least: 1,
    most: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAYS: Bounds = Bounds {
    name: "day of week",
    least: 0,
    most: 6,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

/// The descriptors, and the fields that each stands for.
const DESCRIPTORS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Most days that each month has.
const MONTH_DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Schedule {
    /// Parses a schedule.
    ///
    /// # Errors
    /// When a `CronJob` would be refused for it.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        if text.contains("TZ") {
            return Err(ScheduleError::TimeZone);
        }
        if let Some(pause) = text.strip_prefix("@every ") {
            return duration::parse(pause).map(Self::Every).ok_or(ScheduleError::Every);
        }
        if text.starts_with('@') {
            let known = DESCRIPTORS.iter().find(|(name, _)| *name == text);
            return known.map_or(Err(ScheduleError::Descriptor), |(_, fields)| Self::parse(fields));
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err(ScheduleError::FieldCount(fields.len()));
        };
        Ok(Self::Fields(Fields {
            minutes: Field::parse(minutes, &MINUTES)?,
            hours: Field::parse(hours, &HOURS)?,
            days: Field::parse(days, &DAYS)?,
            months: Field::parse(months, &MONTHS)?,
            weekdays: Field::parse(weekdays, &WEEKDAYS)?,
        }))
    }

    /// Whether no time fits, as on 31 February.
    #[must_use]
    pub fn never_comes(&self) -> bool {
        match self {
            Self::Fields(fields) => fields.never_come(),
            Self::Every(_) => false,
        }
    }
}

impl Fields {
    fn never_come(&self) -> bool {
        let weekday = self.weekdays.bits != 0;
        let day = (1..)
            .zip(MONTH_DAYS)
            .any(|(month, days)| self.months.has(month) && (1..=days).any(|day| self.days.has(day)));
        let both = self.days.star || self.weekdays.star;
        let date = if both { day && weekday } else { day || weekday && self.months.bits != 0 };
        self.minutes.bits == 0 || self.hours.bits == 0 || !date
    }
}

impl Field {
    fn parse(text: &str, bounds: &Bounds) -> Result<Self, ScheduleError> {
        let wrong = || ScheduleError::Field(bounds.name, bounds.least, bounds.most);
        let nothing = Self { bits: 0, star: false };
        // Empty entries do not count: the parser of the API server skips them too.
        text.split(',').filter(|entry| !entry.is_empty()).try_fold(nothing, |all, entry| {
            let one = bounds.entry(entry).ok_or_else(wrong)?;
            Ok(Self { bits: all.bits | one.bits, star: all.star || one.star })
        })
    }

    const fn has(self, value: u32) -> bool {
        self.bits >> value & 1 == 1
    }
}

impl Bounds {
    /// `*`, `n`, `n-m`, each with or without `/step`.
    fn entry(&self, text: &str) -> Option<Field> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(number(step)?)),
            None => (text, None),
        };
        let mut ends = range.split('-');
        let (first, last, more) = (ends.next()?, ends.next(), ends.next());
        let any = matches!(first, "*" | "?");
        let (low, high) = if any {
            // What follows the star is not looked at.
            (self.least.into(), self.most.into())
        } else {
            let low = self.value(first)?;
            let high = last.map_or(Some(low), |last| self.value(last))?;
            // `n/step` means from n on.
            (low, if last.is_none() && step.is_some() { self.most.into() } else { high })
        };
        let fits = u64::from(self.least) <= low && low <= high && high <= u64::from(self.most);
        let step = step.unwrap_or(1);
        if !fits || step == 0 || (more.is_some() && !any) {
            return None;
        }
        let values = (low..=high).step_by(usize::try_from(step).ok()?);
        Some(Field { bits: values.fold(0, |bits, value| bits | 1 << value), star: any && step == 1 })
    }

    fn value(&self, text: &str) -> Option<u64> {
        let named = (self.least..).zip(self.names).find(|(_, name)| name.eq_ignore_ascii_case(text));
        named.map_or_else(|| number(text), |(value, _)| Some(value.into()))
    }
}

/// A number as Go's `Atoi` takes it, that is with a sign too, and not below zero.
fn number(text: &str) -> Option<u64> {
    text.parse::<i64>().ok()?.try_into().ok()
}

#[cfg(test)]
mod tests;
