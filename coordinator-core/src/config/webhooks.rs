//! Where changes are sent to by HTTP: `WEBHOOKS`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use syncsphere_protocol::{ChangeKind, DestinationKind, Redacted};

use super::hosts::{is_public, is_this_machine};
use super::variables::{ConfigError, Vars};
use crate::ledger::Destination;

/// The variables.
const WEBHOOKS: &str = "WEBHOOKS";
const WEBHOOK_LOOPBACK: &str = "WEBHOOK_LOOPBACK";

/// What the queue is called among the destinations.
pub(crate) const QUEUE: &str = "queue";

/// What the metadata database is called among the destinations.
const DATABASE: &str = "database";

/// Most webhooks. Source: own choice; a variable of the platform ends at 5 KB.
const MAX_WEBHOOKS: usize = 10;

/// Longest name, and longest address, in bytes. Source: own choice.
const MAX_NAME: usize = 32;
const MAX_URL: usize = 2_048;

/// Most secrets of one webhook: the one in use and those before and after it. Source: own choice.
const MAX_SECRETS: usize = 3;

/// Length of a secret, in bytes.
///
/// Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#symmetric>
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// One address that changes are sent to.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// What it is called among the destinations.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) url: Redacted<http::Uri>,
    /// What messages are signed with, each by itself.
    pub(crate) secrets: Redacted<Vec<Vec<u8>>>,
    /// What it is told of; nothing stands for everything.
    kinds: Vec<ChangeKind>,
}

/// One entry, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    url: String,
    secret: String,
    #[serde(default)]
    kinds: Vec<ChangeKind>,
}

/// Reads both variables.
pub(super) fn from_vars(vars: &Vars<'_>) -> Result<Vec<Webhook>, ConfigError> {
    let may_loop = vars.choice(
        WEBHOOK_LOOPBACK,
        "has to be on or off",
        &[("off", false), ("on", true)],
    )?;
    let wrong = |reason: &'static str| ConfigError {
        variable: WEBHOOKS,
        reason: reason.into(),
    };
    let list = vars.optional(WEBHOOKS).unwrap_or("[]");
    let entries: Vec<Entry> = serde_json::from_str(list)
        .map_err(|_| wrong("has to be a JSON list of webhooks as docs/guides/events.md describes it"))?;
    if entries.len() > MAX_WEBHOOKS {
        return Err(wrong("has more than 10 webhooks"));
    }
    let mut webhooks: Vec<Webhook> = Vec::new();
    for entry in entries {
        if webhooks.iter().any(|known| known.name == entry.name) {
            return Err(wrong("has two webhooks of one name"));
        }
        webhooks.push(entry.webhook(may_loop).map_err(wrong)?);
    }
    Ok(webhooks)
}

impl Webhook {
    /// What it is called among the destinations.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the ledger knows of it.
    pub(super) fn destination(&self) -> Destination {
        Destination {
            name: self.name.clone(),
            kind: DestinationKind::Webhook,
            kinds: self.kinds.clone(),
        }
    }
}

/// What the ledger knows of the queue.
pub(super) fn queue() -> Destination {
    Destination {
        name: QUEUE.to_owned(),
        kind: DestinationKind::Queue,
        kinds: Vec::new(),
    }
}

impl Entry {
    fn webhook(self, may_loop: bool) -> Result<Webhook, &'static str> {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let is_name = (1..=MAX_NAME).contains(&self.name.len()) && self.name.bytes().all(is_plain);
        if !is_name || [QUEUE, DATABASE].contains(&self.name.as_str()) {
            return Err(
                "has a name that is not 1 to 32 small letters, digits and dashes, or is queue or database",
            );
        }
        let url = public_url(&self.url, may_loop).ok_or(
            "has a url that is not https to a public host (docs/guides/events.md), or has a name and password",
        )?;
        let secrets: Option<Vec<_>> = self.secret.split(',').map(|secret| key(secret.trim())).collect();
        let secrets = secrets.filter(|secrets| secrets.len() <= MAX_SECRETS).ok_or(
            "has a secret that is not whsec_ and 24 to 64 bytes as base64, or more than three of them",
        )?;
        Ok(Webhook {
            name: self.name,
            url: Redacted(url),
            secrets: Redacted(secrets),
            kinds: self.kinds,
        })
    }
}

fn key(secret: &str) -> Option<Vec<u8>> {
    let key = STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?;
    SECRET_BYTES.contains(&key.len()).then_some(key)
}

/// The address, if it leads out of the deployment's own networks.
fn public_url(text: &str, may_loop: bool) -> Option<http::Uri> {
    let uri: http::Uri = text.parse().ok().filter(|_| text.len() <= MAX_URL)?;
    let host = uri.host()?.to_owned();
    let has_credentials = uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'));
    let is_allowed = if may_loop && is_this_machine(&host) {
        matches!(uri.scheme_str(), Some("http" | "https"))
    } else {
        uri.scheme_str() == Some("https") && is_public(&host)
    };
    (is_allowed && !has_credentials).then_some(uri)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn read(list: &str, loopback: &str) -> Result<Vec<Webhook>, ConfigError> {
        let vars = [(WEBHOOKS, list), (WEBHOOK_LOOPBACK, loopback)];
        let vars = vars
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        from_vars(&Vars(&vars))
    }

    fn entry(url: &str) -> String {
        let secret = format!("whsec_{}", STANDARD.encode([7; 24]));
        serde_json::json!([{ "name": "orders", "url": url, "secret": secret }]).to_string()
    }

    #[test]
    fn only_public_hosts_are_taken_and_loopback_by_its_variable() {
        for url in [
            "https://hooks.example.com/a?b=c",
            "https://8.8.8.8/",
            "https://[2a00::1]:8443/",
        ] {
            assert!(read(&entry(url), "off").is_ok(), "{url}");
        }
        for url in [
            "http://hooks.example.com/",
            "https://localhost/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.0.0.1/",
            "https://0x7f000001/",
            "https://10.1.2.3/",
            "https://172.16.0.1/",
            "https://192.168.0.1/",
            "https://100.64.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://metadata.google.internal/",
            "https://metadata.google.internal./",
            "https://printer.local/",
            "https://intranet/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fd00::1]/",
            "https://[fe80::1]/",
            "https://[64:ff9b::a00:1]/",
            "https://user:pass@hooks.example.com/",
            "ftp://hooks.example.com/",
            "/relative",
        ] {
            assert!(read(&entry(url), "off").is_err(), "{url}");
        }
        assert!(read(&entry("http://127.0.0.1:1234/"), "on").is_ok());
        assert!(read(&entry("http://10.0.0.1/"), "on").is_err());
        assert!(read(&entry("http://127.0.0.1:1234/"), "yes").is_err());
    }

    #[test]
    fn what_is_wrong_with_a_list_is_told_without_its_words() {
        let secret = format!("whsec_{}", STANDARD.encode([7; 24]));
        let hook = |name: &str, secret: &str, more: &str| {
            format!(r#"{{"name":"{name}","url":"https://a.example/","secret":"{secret}"{more}}}"#)
        };
        let good = hook("orders", &secret, r#","kinds":["file.available","file.deleted"]"#);
        let webhooks = read(&format!("[{good}]"), "off").unwrap();
        assert!(webhooks[0].destination().wants(ChangeKind::Available));
        assert!(!webhooks[0].destination().wants(ChangeKind::Uploading));
        let rotated = hook("orders", &format!("{secret}, {secret}"), "");
        assert_eq!(
            read(&format!("[{rotated}]"), "off").unwrap()[0].secrets.0.len(),
            2
        );
        for list in [
            "{}".to_owned(),
            format!("[{good},{good}]"),
            format!("[{}]", hook("queue", &secret, "")),
            format!("[{}]", hook("database", &secret, "")),
            format!("[{}]", hook("Orders", &secret, "")),
            format!("[{}]", hook("", &secret, "")),
            format!("[{}]", hook("a", "whsec_c2hvcnQ=", "")),
            format!("[{}]", hook("a", "plain", "")),
            format!("[{}]", hook("a", &secret, r#","kinds":["file.eaten"]"#)),
            format!("[{}]", hook("a", &secret, r#","more":1"#)),
            format!(
                "[{}]",
                (0..11)
                    .map(|n| hook(&format!("h{n}"), &secret, ""))
                    .collect::<Vec<_>>()
                    .join(",")
            ),
        ] {
            let error = read(&list, "off").unwrap_err();
            assert_eq!(error.variable, WEBHOOKS);
            assert!(!error.to_string().contains(&secret), "{error}");
        }
        assert!(!format!("{webhooks:?}").contains("example"));
    }
}
