use super::*;
use serde_json::json;
use std::fmt::Write;

fn only(text: &str) -> Node {
    let mut documents = documents(text).unwrap();
    assert_eq!(documents.len(), 1, "{text}");
    documents.remove(0)
}

fn place(text: &str, path: &str) -> (u64, u64) {
    let place = only(text).find(path);
    (place.line, place.column)
}

const MANIFEST: &str = "\
# a comment
apiVersion: openbao.org/v1alpha1
kind: OpenBaoRestore
spec:
  source:
    key: >-
      a long
      key
    target: {bucket: b,
      region: r}
  list:
  - one
  - name: two
";

/// Bug: the reader of a report is sent to another line than the field's.
#[test]
fn a_field_stands_where_its_name_does() {
    for (path, at) in [
        ("kind", (3, 1)),
        ("spec", (4, 1)),
        ("spec.source.key", (6, 5)),
        ("spec.source.target", (9, 5)),
        ("spec.source.target.bucket", (9, 14)),
        ("spec.source.target.region", (10, 7)),
        ("spec.list[0]", (12, 5)),
        ("spec.list[1]", (13, 5)),
        ("spec.list[1].name", (13, 5)),
        // What is not there stands where it is missing.
        ("spec.jwtAuthRole", (4, 1)),
        ("spec.source.target.endpoint", (9, 5)),
        ("spec.list[2]", (11, 3)),
    ] {
        assert_eq!(place(MANIFEST, path), at, "{path}");
    }
}

#[test]
fn json_has_places_too() {
    let text = "{\n\t\"kind\": \"List\",\n\t\"items\": [\n\t\t{\"a\": [1,\n 2]}\n\t]\n}";
    assert_eq!(place(text, "items"), (3, 2));
    assert_eq!(place(text, "items[0].a"), (4, 4));
    assert_eq!(place(text, "items[0].a[1]"), (5, 2));
    assert_eq!(only(text).value(), json!({"kind": "List", "items": [{"a": [1, 2]}]}));
}

#[test]
fn documents_are_told_apart_and_empty_ones_left_out() {
    let text = "---\n# nothing\n---\na: 1\n...\n---\n\n---\nb: 2\n";
    let found = documents(text).unwrap();
    assert_eq!(found.iter().map(Node::value).collect::<Vec<_>>(), [json!({"a": 1}), json!({"b": 2})]);
    assert_eq!(found[1].find("b").line, 8 + 1);
    assert!(documents("").unwrap().is_empty());
    let bom = "\u{feff}a: 1\r\nb: x\r\n";
    assert_eq!((only(bom).value(), only(bom).find("b").line), (json!({"a": 1, "b": "x"}), 2));
}

/// An alias stands where it is used, and what is merged in where it is merged.
#[test]
fn anchors_are_followed() {
    let text = "base: &base\n  bucket: b\n  region: r\none: *base\ntwo:\n  <<: *base\n  region: other\n";
    assert_eq!(only(text).value()["one"], json!({"bucket": "b", "region": "r"}));
    assert_eq!(only(text).value()["two"], json!({"bucket": "b", "region": "other"}));
    assert_eq!(place(text, "one.bucket").0, 4);
    assert_eq!(place(text, "two.region").0, 7);
}

#[test]
fn what_is_no_yaml_says_where_and_not_what() {
    for (text, line) in [
        ("a: b\nc: [s3cr3t\n", 2),
        ("a: b\n{{- if s3cr3t }}\n", 2),
        ("a: 1\na: s3cr3t\n", 2),
        ("a: *s3cr3t\n", 1),
    ] {
        let error = documents(text).unwrap_err();
        assert_eq!(error.line, line, "{error}");
        println!("{error}");
        assert!(!error.to_string().contains("s3cr3t"), "{error}");
    }
}

/// Bug: a bomb of a few lines holds a build machine up for ever.
#[test]
fn a_bomb_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let inner = vec![format!("*a{}", n - 1); 10].join(", ");
        writeln!(text, "a{n}: &a{n} [{inner}]").unwrap();
    }
    assert!(documents(&text).is_err());
    assert!(documents(&"[".repeat(100_000)).is_err());
}
