use super::{NAMESPACE, cluster, judged, leaves, restore, with};
use crate::Kind;
use crate::defaults::{Installation, defaults, filled, stored};
use crate::schema::prepared;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Value, json};

const DEFAULTED: [&str; 3] = ["audience", "executorImage", "jwtAuthRole"];

const CONSTANT: [&str; 10] = [
    "spec.source.target.provider",
    "spec.source.target.region",
    "spec.source.target.usePathStyle",
    "spec.source.target.partSize",
    "spec.source.target.concurrency",
    "spec.source.target.insecureSkipVerify",
    "spec.jwtAuthMount",
    "spec.force",
    "spec.overrideOperationLock",
    "spec.startingDeadlineSeconds",
];

fn installation() -> impl Strategy<Value = Installation> {
    proptest::option::of("[a-z]{1,8}").prop_map(|restore_jwt_auth_role| Installation {
        audience: "openbao-internal".to_owned(),
        executor_image: "recovery:1".to_owned(),
        restore_jwt_auth_role,
    })
}

/// Right and wrong values, and the words that must never come back.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Eighths: what serde_json writes of them it reads back to the last bit.
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        "\\PC{0,80}".prop_map(Value::from),
        vec("[a-z]{0,3}", 0..2).prop_map(Value::from),
        select(vec!["", "is immutable", "field is immutable", "IS IMMUTABLE;", NAMESPACE])
            .prop_map(Value::from),
    ]
}

/// The object with some of its fields changed or gone.
fn mixed(object: Value) -> impl Strategy<Value = Value> {
    let paths = leaves(&object);
    vec((select(paths), value()), 0..6).prop_map(move |changes| {
        changes.into_iter().fold(object.clone(), |object, (path, value)| with(&object, &path, value))
    })
}

/// The object with some of its fields gone: most of these are admitted.
fn partial(object: Value) -> impl Strategy<Value = Value> {
    let paths = leaves(&object);
    let count = paths.len();
    subsequence(paths, 0..count).prop_map(move |gone| {
        gone.into_iter().fold(object.clone(), |object, path| with(&object, &path, Value::Null))
    })
}

fn without_defaulted(mut object: Value) -> Value {
    let spec = object["spec"].as_object_mut().unwrap();
    spec.retain(|field, _| !DEFAULTED.contains(&field.as_str()));
    object
}

proptest! {
    #[test]
    fn defaulting_is_idempotent_and_touches_its_three_fields_only(new in mixed(restore()), by in installation()) {
        let once = filled(&new, &defaults(Kind::Restore, &new, None, &by));
        prop_assert!(defaults(Kind::Restore, &once, None, &by).is_empty());
        prop_assert_eq!(without_defaulted(once), without_defaulted(new));
    }

    #[test]
    fn what_is_admitted_stays_admitted_after_defaulting(new in partial(restore()), by in installation()) {
        let stored = stored(Kind::Restore, &new, None, &by);
        let (before, after) = (judged(Kind::Restore, &new, None), judged(Kind::Restore, &stored, None));
        for found in after.violations {
            prop_assert!(before.is_refused(), "{}", found);
        }
    }

    #[test]
    fn a_manifest_that_left_fields_out_stays_equal_whatever_the_installation_says(
        new in mixed(restore()),
        at_creation in installation(),
        today in installation(),
        left_out in subsequence(DEFAULTED.to_vec(), 0..=3),
    ) {
        let old = filled(&new, &defaults(Kind::Restore, &new, None, &at_creation));
        let from_git = left_out.iter().fold(old.clone(), |object, field| with(&object, &format!("spec.{field}"), Value::Null));
        let stored = filled(&from_git, &defaults(Kind::Restore, &from_git, Some(&old), &today));
        prop_assert_eq!(&stored, &old);
        prop_assert!(!judged(Kind::Restore, &stored, Some(&old)).is_refused());
    }

    /// Bug: a manifest that leaves a constant default out counts as another request than the stored one.
    #[test]
    fn constant_defaults_may_be_left_out(left_out in subsequence(CONSTANT.to_vec(), 0..=CONSTANT.len())) {
        let whole = with(&restore(), "spec.source.target.usePathStyle", json!(false));
        let bare = left_out.iter().fold(whole.clone(), |object, path| with(&object, path, Value::Null));
        let stored = prepared(Kind::Restore, &bare);
        prop_assert_eq!(&stored["spec"], &whole["spec"]);
        prop_assert_eq!(&prepared(Kind::Restore, &stored), &stored);
    }

    #[test]
    fn any_change_of_one_field_is_refused_and_named(old in mixed(restore()), at: Index, value in value()) {
        let paths = leaves(&restore());
        let path = at.get(&paths);
        let new = with(&old, path, value);
        let verdict = judged(Kind::Restore, &new, Some(&old));
        prop_assert_eq!(verdict.is_refused(), new != old);
        for found in &verdict.violations {
            prop_assert!(path.starts_with(&found.field), "{} is told, {} was changed", found.field, path);
        }
    }

    /// Bug: a manifest that another tool wrote anew counts as another request.
    #[test]
    fn another_way_to_write_the_same_is_no_change(old in mixed(restore()), nulls: bool) {
        let mut new: Value = serde_json::from_str(&rewritten(&old)).unwrap();
        if nulls {
            new["spec"]["tokenSecretRef"] = Value::Null;
        }
        prop_assert!(!judged(Kind::Restore, &new, Some(&old)).is_refused());
    }

    #[test]
    fn the_words_that_make_tools_delete_never_come_back(
        old in mixed(restore()),
        new in mixed(restore()),
        cluster in mixed(cluster()),
        name in "(is immutable|[a-z]{1,5})",
    ) {
        let odd = with(&new, &format!("spec.{name}"), json!(1));
        for verdict in [
            judged(Kind::Restore, &new, Some(&old)),
            judged(Kind::Restore, &odd, Some(&new)),
            judged(Kind::Restore, &odd, None),
            judged(Kind::Cluster, &cluster, None),
        ] {
            let whole = format!("{} {:?} {:?}", verdict.message(), verdict.violations, verdict.warnings);
            prop_assert!(!whole.to_lowercase().contains("immutable"), "{whole}");
        }
    }

    #[test]
    fn each_violation_says_its_field_and_a_fix(new in mixed(restore()), cluster in mixed(cluster())) {
        let verdicts = [judged(Kind::Restore, &new, None), judged(Kind::Cluster, &cluster, None)];
        for found in verdicts.into_iter().flat_map(|verdict| verdict.violations) {
            prop_assert!(found.field.starts_with("spec"), "{found:?}");
            prop_assert!(found.message.contains(": "), "{found:?}");
        }
    }
}

/// The same JSON with the keys of every object backwards, and whole numbers with a point.
fn rewritten(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields =
                fields.iter().rev().map(|(name, value)| format!("{}:{}", json!(name), rewritten(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Number(number) if number.as_i64().is_some_and(|it| it.abs() < 1 << 50) => {
            format!("{number}.0")
        }
        other => other.to_string(),
    }
}
