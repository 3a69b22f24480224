use super::*;

/// As the console of Google makes it, but for the key.
const FILE: &str = r#"{
  "type": "service_account",
  "project_id": "backups",
  "private_key_id": "0123456789abcdef",
  "private_key": "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
  "client_email": "openbao@backups.iam.gserviceaccount.com",
  "client_id": "106684530697242476361",
  "auth_uri": "https://accounts.google.com/o/oauth2/auth",
  "token_uri": "https://oauth2.googleapis.com/token",
  "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
  "client_x509_cert_url": "https://www.googleapis.com/robot/v1/metadata/x509/openbao%40backups.iam.gserviceaccount.com",
  "universe_domain": "googleapis.com"
}"#;

fn with(field: &str, value: Value) -> String {
    let mut file: Value = serde_json::from_str(FILE).unwrap();
    file[field] = value;
    file.to_string()
}

fn without(fields: &[&str]) -> String {
    let mut file: Map<String, Value> = serde_json::from_str(FILE).unwrap();
    file.retain(|field, _| !fields.contains(&field.as_str()));
    Value::from(file).to_string()
}

#[test]
fn the_files_of_google_pass_and_lead_to_google_only() {
    let optional = ["client_id", "project_id", "auth_uri", "client_x509_cert_url", "universe_domain"];
    let older = with("token_uri", json!("https://accounts.google.com/o/oauth2/token"));
    let default = with("client_email", json!("123-compute@developer.gserviceaccount.com"));
    let newer = with("a_field_of_next_year", json!("x"));
    for file in [FILE.to_owned(), without(&optional), older, default, newer] {
        let key = KeyFile::parse(&file).ok().unwrap();
        let handed: Map<String, Value> = serde_json::from_str(key.json()).unwrap();
        assert_eq!(handed["token_uri"], "https://oauth2.googleapis.com/token");
        assert_eq!(handed["client_email"], key.account());
        assert!(handed["private_key"].as_str().unwrap().ends_with("KEY-----\n"));
        assert_eq!(handed.len(), 5, "{handed:?}");
    }
}

/// Bug: an assertion that opens the bucket is signed and sent to a stranger.
#[test]
fn no_field_leads_elsewhere() {
    let addresses =
        ["token_uri", "auth_uri", "auth_provider_x509_cert_url", "client_x509_cert_url", "universe_domain"];
    for value in [
        json!("https://attacker.example/token"),
        json!("http://oauth2.googleapis.com/token"),
        json!("https://oauth2.googleapis.com@attacker.example/token"),
        json!("https://oauth2.googleapis.com.attacker.example/token"),
        json!("https://attacker.example/#oauth2.googleapis.com/token"),
        json!("https://oauth2.googleapis.com\\@attacker.example/token"),
        json!("https://oauth2.googleapis.com:8443/token"),
        json!("https://OAUTH2.googleapis.com/token"),
        json!("https://oauth2.googleapis.com./token"),
        json!("https://\u{ff4f}auth2.googleapis.com/token"),
        json!(" https://oauth2.googleapis.com/token"),
        json!("https://metadata.google.internal/computeMetadata/v1/"),
        json!(["https://oauth2.googleapis.com/token"]),
        json!({"url": "https://oauth2.googleapis.com/token"}),
        json!(""),
    ] {
        for field in addresses {
            let error = KeyFile::parse(&with(field, value.clone())).err();
            assert!(
                matches!(&error, Some(KeyFileError::Elsewhere { field: told, .. }) if *told == field),
                "{field} {value} {error:?}"
            );
        }
    }
}

/// Bug: another kind of credentials brings its own address, or a program to run.
#[test]
fn other_kinds_and_other_stores_are_refused() {
    for kind in [
        json!("external_account"),
        json!("external_account_authorized_user"),
        json!("impersonated_service_account"),
        json!("authorized_user"),
        json!("gdch_service_account"),
        json!("Service_Account"),
        json!(""),
        json!(null),
        json!(1),
    ] {
        assert!(matches!(KeyFile::parse(&with("type", kind)).err(), Some(KeyFileError::Type(_))));
    }
    for (field, value) in [("gcs_base_url", json!(null)), ("disable_oauth", json!(false))] {
        assert_eq!(KeyFile::parse(&with(field, value)).err(), Some(KeyFileError::Foreign(field)));
    }
    for account in ["a@attacker.example", "a@gserviceaccount.com", "a\"@b.iam.gserviceaccount.com", "@a.b"] {
        let error = KeyFile::parse(&with("client_email", json!(account))).err();
        assert_eq!(error, Some(KeyFileError::Account), "{account}");
    }
}

/// Bug: what is judged is the one of two fields of a name, and a client reads the other.
#[test]
fn a_field_that_stands_there_twice_is_handed_on_once_as_it_was_judged() {
    let twice = FILE.replacen('{', "{\"token_uri\": \"https://attacker.example/\",", 1);
    assert!(!KeyFile::parse(&twice).ok().unwrap().json().contains("attacker"));
    let other_way = FILE.replacen(
        "\"universe_domain\"",
        "\"token_uri\": \"https://attacker.example/\", \"universe_domain\"",
        1,
    );
    assert!(matches!(KeyFile::parse(&other_way).err(), Some(KeyFileError::Elsewhere { .. })));
}

/// Bug: the private key is in a message, and so in status, events and logs.
#[test]
fn no_error_tells_a_secret() {
    for text in ["", "[]", "\"c2VjcmV0\"", "{\"private_key\": \"c2VjcmV0\"", "null"] {
        assert_eq!(KeyFile::parse(text).err(), Some(KeyFileError::NotJson), "{text}");
    }
    for field in ["private_key", "private_key_id", "client_email"] {
        assert_eq!(KeyFile::parse(&without(&[field])).err(), Some(KeyFileError::Missing(field)));
        let odd = with(field, json!(["c2VjcmV0"]));
        assert!(!KeyFile::parse(&odd).err().unwrap().to_string().contains("c2VjcmV0"));
    }
}
