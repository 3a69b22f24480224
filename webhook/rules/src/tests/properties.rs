use super::{cluster, judged, restore, with};
use crate::{Installation, Kind, defaults, filled};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

const DEFAULTED: [&str; 3] = ["audience", "executorImage", "jwtAuthRole"];

const LEAVES: [&str; 12] = [
    "spec.cluster",
    "spec.source.key",
    "spec.source.sha256",
    "spec.source.target.bucket",
    "spec.source.target.partSize",
    "spec.source.target.credentialsSecretRef.name",
    "spec.tokenSecretRef.name",
    "spec.audience",
    "spec.image",
    "spec.jwtAuthRole",
    "spec.force",
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
        "\\PC{0,80}".prop_map(Value::from),
        select(vec!["", "is immutable", "field is immutable", "IS IMMUTABLE;"]).prop_map(Value::from),
    ]
}

fn mixed(object: Value) -> impl Strategy<Value = Value> {
    vec((select(&LEAVES[..]), value()), 0..6).prop_map(move |changes| {
        changes.into_iter().fold(object.clone(), |object, (path, value)| with(&object, path, value))
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

    #[test]
    fn any_change_of_one_field_is_refused_and_named(old in mixed(restore()), path in select(&LEAVES[..]), value in value()) {
        let new = with(&old, path, value);
        let verdict = judged(Kind::Restore, &new, Some(&old));
        prop_assert_eq!(verdict.is_refused(), new != old);
        for found in &verdict.violations {
            prop_assert!(path.starts_with(&found.field), "{} is told, {} was changed", found.field, path);
        }
    }

    #[test]
    fn the_order_of_keys_is_no_change(old in mixed(restore())) {
        let reversed = reversed(&old);
        let new: Value = serde_json::from_str(&reversed).unwrap();
        prop_assert!(!judged(Kind::Restore, &new, Some(&old)).is_refused());
    }

    #[test]
    fn the_words_that_make_tools_delete_never_come_back(
        old in mixed(restore()),
        new in mixed(restore()),
        name in "(is immutable|[a-z]{1,5})",
        text in value(),
    ) {
        let cluster = with(&cluster(), &format!("spec.backup.{name}"), text.clone());
        let cluster = with(&with(&cluster, "spec.backup.jwtAuthRole", text.clone()), "spec.backup.target.provider", text);
        let odd = with(&new, &format!("spec.{name}"), json!(1));
        for verdict in [
            judged(Kind::Restore, &new, Some(&old)),
            judged(Kind::Restore, &odd, Some(&new)),
            judged(Kind::Restore, &new, None),
            judged(Kind::Cluster, &cluster, None),
        ] {
            let whole = format!("{} {:?} {:?}", verdict.message(), verdict.violations, verdict.warnings);
            prop_assert!(!whole.to_lowercase().contains("immutable"), "{whole}");
        }
    }

    #[test]
    fn each_violation_says_its_field_and_a_fix(new in mixed(restore())) {
        for found in judged(Kind::Restore, &new, None).violations {
            prop_assert!(found.field.starts_with("spec"), "{found:?}");
            prop_assert!(found.message.contains(": "), "{found:?}");
        }
    }
}

/// The same JSON with the keys of every object backwards.
fn reversed(value: &Value) -> String {
    let Value::Object(fields) = value else { return value.to_string() };
    let fields = fields.iter().rev().map(|(name, value)| format!("{}:{}", json!(name), reversed(value)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}
