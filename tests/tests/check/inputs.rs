//! What is read, what is passed over, and what cannot be used.

use crate::support::{BAD, GOOD, OTHER, check, folder};
use serde_json::Value;
use std::path::Path;

/// Bug: a pipeline goes on over a refusal, or over a file that nobody could read.
#[test]
fn the_exit_code_says_admitted_refused_or_unusable() {
    let warned = BAD.replace("../", "");
    let files = folder(&[
        ("good.yaml", GOOD),
        ("bad.yaml", BAD),
        ("warned.yaml", &warned),
        ("broken.yaml", "a: [\n"),
        ("latin.yaml", "a: b\n"),
        ("version.yaml", &GOOD.replace("v1alpha1", "v1")),
        ("nameless.yaml", &GOOD.replace("  name: good\n", "")),
    ]);
    std::fs::write(files.path().join("latin.yaml"), b"a: b\nc: \xe9\n").unwrap();
    for (arguments, code, told) in [
        (&["good.yaml"][..], 0, ""),
        (&["bad.yaml"], 1, ""),
        (&["good.yaml", "bad.yaml"], 1, ""),
        (&["warned.yaml"], 0, ""),
        (&["--warnings-as-errors", "warned.yaml"], 1, ""),
        (&["--warnings-as-errors", "good.yaml"], 0, ""),
        (&["absent.yaml"], 2, "absent.yaml:1: cannot be read"),
        (&["broken.yaml"], 2, "broken.yaml:1: is not YAML"),
        (&["latin.yaml"], 2, "latin.yaml:2: is not UTF-8"),
        (&["version.yaml"], 2, "version.yaml:1: no API server knows openbao.org/v1"),
        (&["nameless.yaml"], 2, "nameless.yaml:3: OpenBaoRestore has no name"),
        (&["bad.yaml", "broken.yaml"], 2, "broken.yaml:1"),
        (&["--old", "broken.yaml", "good.yaml"], 2, "broken.yaml:1"),
        (&["--old", "-", "-"], 2, "stdin:1: is named twice"),
        (&["--storage-allow-cidrs", "10.0.0.0/99", "good.yaml"], 2, "is not a range of addresses"),
        (&[], 2, "FILE"),
    ] {
        let output = check(files.path(), arguments, "");
        assert_eq!(output.code, code, "{arguments:?}: {}{}", output.stdout, output.stderr);
        assert!(output.stderr.contains(told), "{arguments:?}: {}", output.stderr);
    }
}

#[test]
fn a_folder_is_read_with_all_below_it() {
    let files = folder(&[
        ("apps/prod/restore.yaml", BAD),
        ("apps/prod/deep/er/good.yml", GOOD),
        ("apps/list.json", r#"{"kind": "ConfigMap", "apiVersion": "v1"}"#),
        (
            "apps/several.yaml",
            &format!(
                "---\n{OTHER}---\n# nothing\n---\n{OTHER}---\n{}",
                GOOD.replace("name: good", "name: third")
            ),
        ),
        ("apps/notes.txt", BAD),
        ("apps/.git/restore.yaml", BAD),
        ("chart/templates/service.yaml", "kind: Service\n{{- if .Values.x }}\nspec: {}\n{{- end }}\n"),
    ]);
    std::os::unix::fs::symlink(files.path(), files.path().join("apps/loop")).unwrap();
    let output = check(files.path(), &["."], "");
    assert_eq!(output.code, 1, "{}", output.stderr);
    let summary = "3 objects judged, 1 refused, 1 with warnings; 3 of other kinds passed over";
    assert!(output.stdout.contains(summary), "{}", output.stdout);
    assert!(output.stdout.contains("5 files: "), "{}", output.stdout);
    assert!(
        output.stdout.contains("1 files that are no YAML and do not name openbao.org"),
        "{}",
        output.stdout
    );
    assert!(
        output.stdout.contains("./apps/prod/restore.yaml:13:5: error: spec.source.key: "),
        "{}",
        output.stdout
    );
}

/// A template that would make one of our objects has to be rendered, not left unread.
#[test]
fn a_template_of_ours_is_not_passed_over() {
    let template = GOOD.replace("spec:\n", "spec:\n{{- if .Values.x }}\n");
    let files = folder(&[("templates/restore.yaml", &template)]);
    let output = check(files.path(), &["."], "");
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains("./templates/restore.yaml:7: "), "{}", output.stderr);
    assert!(output.stderr.contains("helm template ... | webhook check -"), "{}", output.stderr);
}

/// What kustomize and helm write, and what `kubectl get -o json` and `-o yaml` do.
#[test]
fn the_standard_input_takes_streams_and_lists() {
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {}- {}",
        BAD.replace('\n', "\n  "),
        OTHER.replace('\n', "\n  ")
    );
    let list = list.replace("  - apiVersion", "- apiVersion");
    let stream =
        format!("# Source: chart/templates/a.yaml\n{OTHER}---\n# Source: chart/templates/b.yaml\n{BAD}");
    for (input, line) in [(&list, 16), (&stream, 19)] {
        let output = check(Path::new("/"), &["-"], input);
        assert_eq!(output.code, 1, "{}{}", output.stdout, output.stderr);
        let expected = format!("stdin:{line}:");
        assert!(output.stdout.contains(&expected), "{expected} {}", output.stdout);
        assert!(
            output.stdout.contains("1 objects judged, 1 refused, 1 with warnings; 1 of other kinds"),
            "{}",
            output.stdout
        );
    }
}

#[test]
fn an_object_of_before_makes_it_an_update() {
    let stored = GOOD.replace(
        "spec:\n",
        "spec:\n  audience: openbao-internal\n  jwtAuthMount: jwt\n  startingDeadlineSeconds: 3600\n",
    );
    let changed = GOOD.replace("backup.snap", "other.snap");
    let files = folder(&[
        ("stored.yaml", &stored),
        ("good.yaml", GOOD),
        ("changed.yaml", &changed),
        ("elsewhere.yaml", &changed.replace("namespace: security", "namespace: staging")),
        ("bare.yaml", &changed.replace("  namespace: security\n", "")),
        ("twice.yaml", &format!("{GOOD}---\n{GOOD}")),
    ]);
    for (arguments, code) in [
        (&["--old", "stored.yaml", "good.yaml"][..], 0),
        (&["--old", "stored.yaml", "changed.yaml"], 1),
        (&["--old", "stored.yaml", "elsewhere.yaml"], 0),
        (&["--old", "stored.yaml", "bare.yaml"], 0),
        (&["--old", "stored.yaml", "-n", "security", "bare.yaml"], 1),
        (&["--old", "twice.yaml", "good.yaml"], 2),
        (&["--old", ".", "good.yaml"], 2),
    ] {
        let output = check(files.path(), arguments, "");
        assert_eq!(output.code, code, "{arguments:?}: {}{}", output.stdout, output.stderr);
        let told = output
            .stdout
            .contains("changed.yaml:12:5: error: spec.source.key: changed, but a request never changes");
        assert_eq!(told, code == 1 && arguments.contains(&"changed.yaml"), "{}", output.stdout);
    }
}

/// The flags that the webhook has decide the same here.
#[test]
fn flags_of_the_installation_decide() {
    let nobody = GOOD.replace("  jwtAuthRole: restore\n", "");
    let near = GOOD.replace("      bucket", "      endpoint: https://127.0.0.1:9000\n      bucket");
    let files = folder(&[("nobody.yaml", &nobody), ("near.yaml", &near)]);
    for (arguments, code) in [
        (&["nobody.yaml"][..], 1),
        (&["--restore-jwt-auth-role", "restore", "nobody.yaml"], 0),
        (&["near.yaml"], 1),
        (&["--storage-allow-cidrs", "127.0.0.0/8", "near.yaml"], 0),
        (&["--storage-allow-cidrs", "10.0.0.0/8,fd00::/8", "near.yaml"], 1),
    ] {
        let output = check(files.path(), arguments, "");
        assert_eq!(output.code, code, "{arguments:?}: {}{}", output.stdout, output.stderr);
    }
}

/// The default of a flag stands for what the chart gives.
#[test]
fn the_image_of_the_chart_is_the_default() {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/chart");
    let read = |name: &str| -> Value {
        serde_saphyr::from_str(&std::fs::read_to_string(chart.join(name)).unwrap()).unwrap()
    };
    let (values, about) = (read("values.yaml"), read("Chart.yaml"));
    let repository = values["image"]["repository"].as_str().unwrap();
    let image = format!("[default: {repository}:{}]", about["appVersion"].as_str().unwrap());
    let help = check(&chart, &["--help"], "");
    assert!(help.stdout.contains(&image), "{image}: {}", help.stdout);
}
