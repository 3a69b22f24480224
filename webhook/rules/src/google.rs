//! The key file of a service account of Google: JSON that itself says where a signed assertion is sent, and so an
//! address that credentials go to. Only what Google's own files have passes, and what a client gets is what was judged.

use crate::text::{is_blank, shown};
use serde_json::{Map, Value, json};
use url::Url;

/// The one kind of credentials that has no address of its own to ask (`external_account` and its like name any).
const TYPE: &str = "service_account";

/// End of the host of every service account's address of mail.
const ACCOUNTS: &str = ".gserviceaccount.com";

/// Where an assertion may be sent, over the years of such files.
const TOKEN_ADDRESSES: [&str; 4] = [
    "https://oauth2.googleapis.com/token",
    "https://accounts.google.com/o/oauth2/token",
    "https://www.googleapis.com/oauth2/v4/token",
    "https://www.googleapis.com/oauth2/v3/token",
];

/// Hosts that the other addresses of a file are at.
const HOSTS: [&str; 3] = ["accounts.google.com", "oauth2.googleapis.com", "www.googleapis.com"];

/// The only universe that is supported.
const UNIVERSE: &str = "googleapis.com";

/// What clients read from a file though Google writes it into none: another store, and no authentication at it.
const FOREIGN: [&str; 2] = ["gcs_base_url", "disable_oauth"];

/// A key file that only leads to Google.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyFile {
    account: String,
    json: String,
}

/// Why a text is no such file. No value of it is told but addresses, since the rest is secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// No JSON object.
    #[error("is no JSON object: give the key file of a service account as Google made it")]
    NotJson,
    /// Other credentials.
    #[error(
        "has type {0}, which can name any address to ask for a token: give the key file of a service account (type {TYPE})"
    )]
    Type(String),
    /// A field is missing, empty, or no text.
    #[error("has no text in {0}: give the key file of a service account as Google made it")]
    Missing(&'static str),
    /// The account is none.
    #[error("has a client_email that is no service account of Google: give the key file as Google made it")]
    Account,
    /// A field leads elsewhere.
    #[error(
        "has {value} in {field}, which is none of Google's own: give the key file of a service account as Google made it"
    )]
    Elsewhere {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// A field that is none of Google's.
    #[error("has {0}, which is for emulators of the store: leave that out")]
    Foreign(&'static str),
}

impl KeyFile {
    /// Reads and judges a key file.
    ///
    /// # Errors
    /// What it has that could send an assertion elsewhere, or what it lacks.
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let fields: Map<String, Value> = serde_json::from_str(text).map_err(|_| KeyFileError::NotJson)?;
        let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind != TYPE {
            return Err(KeyFileError::Type(shown(kind, 63).to_string()));
        }
        if let Some(foreign) = FOREIGN.into_iter().find(|field| fields.contains_key(*field)) {
            return Err(KeyFileError::Foreign(foreign));
        }
        judge_addresses(&fields)?;
        let account = required(&fields, "client_email")?;
        if !is_account(account) {
            return Err(KeyFileError::Account);
        }
        // Nothing else is handed on: of a field that stands there twice, and of one that nobody here knows, a client
        // could read what was not judged.
        let json = json!({
            "type": TYPE,
            "private_key_id": required(&fields, "private_key_id")?,
            "private_key": required(&fields, "private_key")?,
            "client_email": account,
            "token_uri": TOKEN_ADDRESSES[0],
        });
        Ok(Self { account: account.to_owned(), json: json.to_string() })
    }

    /// The address of mail of the account.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// What a client is given in place of the file. It holds the private key.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }
}

fn required<'a>(fields: &'a Map<String, Value>, field: &'static str) -> Result<&'a str, KeyFileError> {
    let text = fields.get(field).and_then(Value::as_str).filter(|text| !is_blank(text));
    text.ok_or(KeyFileError::Missing(field))
}

fn judge_addresses(fields: &Map<String, Value>) -> Result<(), KeyFileError> {
    let judge = |field: &'static str, is_own: fn(&str) -> bool| match fields.get(field) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(text)) if is_own(text) => Ok(()),
        Some(value) => {
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            Err(KeyFileError::Elsewhere { field, value: shown(&text, 100).to_string() })
        }
    };
    judge("token_uri", |text| TOKEN_ADDRESSES.contains(&text))?;
    judge("universe_domain", |text| text == UNIVERSE)?;
    judge("auth_uri", is_googles)?;
    judge("auth_provider_x509_cert_url", is_googles)?;
    judge("client_x509_cert_url", is_googles)
}

/// An address at one of Google's hosts, spelt in the one way that every parser understands alike.
fn is_googles(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/%:".contains(c);
    let Ok(url) = Url::parse(text) else { return false };
    let host = url.host_str().unwrap_or_default();
    text.chars().all(plain) && HOSTS.contains(&host) && text.starts_with(&format!("https://{host}/"))
}

/// It becomes the issuer of an assertion.
fn is_account(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let Some((name, domain)) = text.split_once('@') else { return false };
    !name.is_empty() && name.chars().all(plain) && domain.chars().all(plain) && domain.ends_with(ACCOUNTS)
}

#[cfg(test)]
mod tests;
