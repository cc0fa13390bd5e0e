//! `ALLOWED_ORIGINS`: whose pages may speak to the coordinator from other origins.

use super::variables::ConfigError;

/// The variable.
const ALLOWED_ORIGINS: &str = "ALLOWED_ORIGINS";

/// Origins that are allowed, alone or as all that lie below a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedOrigins(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// As browsers write it.
    Exact(String),
    /// `https://*.preview.example:8443`, cut at the star.
    Below {
        /// `https://`.
        start: String,
        /// `.preview.example:8443`.
        end: String,
    },
}

impl AllowedOrigins {
    /// Reads a list such as `https://app.example,https://*.preview.example,capacitor://localhost`. The error tells which
    /// entry is none.
    pub(super) fn parse(list: &str) -> Result<Self, ConfigError> {
        let entries = list.split(',').map(str::trim).enumerate();
        let entries = entries.filter(|(_, entry)| !entry.is_empty());
        let entries: Result<_, _> = entries
            .map(|(place, entry)| {
                Entry::parse(entry).ok_or_else(|| ConfigError {
                    variable: ALLOWED_ORIGINS,
                    reason: format!(
                        "has no origin as its entry {}: each has to be one such as https://app.example, \
                         https://*.preview.example or capacitor://localhost, without a path, with commas between",
                        place.saturating_add(1)
                    )
                    .into(),
                })
            })
            .collect();
        entries.map(Self)
    }

    /// Whether it is one of them, as a browser's `Origin` header has it.
    pub(crate) fn contains(&self, origin: &str) -> bool {
        self.0.iter().any(|entry| entry.fits(origin))
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let (scheme, authority) = (scheme.to_ascii_lowercase(), authority.to_ascii_lowercase());
        let default_port = match scheme.as_str() {
            "https" => "443",
            "http" => "80",
            // What apps have in place of a site: a name, and no port.
            _ => {
                let is_name = is_scheme(&scheme) && is_host(&authority);
                return is_name.then(|| Self::Exact(format!("{scheme}://{authority}")));
            }
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority.as_str(), None),
        };
        if !port.is_none_or(is_port) {
            return None;
        }
        // Browsers leave it out.
        let port = port.filter(|port| *port != default_port);
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        match host.strip_prefix('*') {
            // Not of a whole top-level domain.
            Some(below) => {
                let name = below.strip_prefix('.')?;
                (is_host(name) && name.contains('.')).then(|| Self::Below {
                    start: format!("{scheme}://"),
                    end: format!("{below}{port}"),
                })
            }
            None => (is_host(host) || is_ipv6(host)).then(|| Self::Exact(format!("{scheme}://{host}{port}"))),
        }
    }

    fn fits(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::Below { start, end } => origin
                .strip_prefix(start.as_str())
                .and_then(|rest| rest.strip_suffix(end.as_str()))
                .is_some_and(is_host),
        }
    }
}

/// Source: RFC 3986, section 3.1.
fn is_scheme(text: &str) -> bool {
    let is_one = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(is_one)
}

/// Labels of lower-case letters, digits, hyphens and underscores, with dots between. Names in other scripts have to be
/// given as browsers send them, in Punycode.
fn is_host(text: &str) -> bool {
    let is_one = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    text.split('.')
        .all(|label| !label.is_empty() && label.bytes().all(is_one))
}

fn is_ipv6(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn origins_of_sites_apps_and_previews_are_taken_as_browsers_write_them() {
        let allowed = AllowedOrigins::parse(
            "https://App.example:443, http://localhost:80,http://localhost:3000, http://[::1]:5173,capacitor://localhost,\
             tauri://localhost,chrome-extension://abcdefghijklmnop,,https://*.preview.example,http://*.test.example:8080",
        )
        .unwrap();
        for origin in [
            "https://app.example",
            "http://localhost",
            "http://localhost:3000",
            "http://[::1]:5173",
            "capacitor://localhost",
            "tauri://localhost",
            "chrome-extension://abcdefghijklmnop",
            "https://branch-7.preview.example",
            "https://a.b.preview.example",
            "http://x.test.example:8080",
        ] {
            assert!(allowed.contains(origin), "{origin}");
        }
        for origin in [
            "null",
            "http://app.example",
            "https://app.example:443",
            "https://APP.example",
            "https://evil.example",
            "https://app.example.evil.example",
            "https://preview.example",
            "https://.preview.example",
            "https://evilpreview.example",
            "http://x.preview.example",
            "https://x.preview.example:8443",
            "https://x.preview.example.evil.example",
            "https://evil.example/.preview.example",
            "https://evil.example@x.preview.example",
            "https://evil.example:1.preview.example",
            "capacitor://localhost.evil.example",
            "chrome-extension://ponmlkjihgfedcba",
        ] {
            assert!(!allowed.contains(origin), "{origin}");
        }
        assert!(!AllowedOrigins::default().contains("https://app.example"));
    }

    #[test]
    fn a_wrong_entry_is_named_by_its_place() {
        for wrong in [
            "*",
            "null",
            "app.example",
            "https://",
            "https://app.example/",
            "https://app.example/path",
            "https://app.example?a",
            "https://user@app.example",
            "https://app.example:0",
            "https://app.example:+1",
            "https://app.example:99999",
            "https://app example",
            "https://münchen.example",
            "https://*.example",
            "https://*",
            "https://a.*.example",
            "https://*.*.example",
            "https://[::1",
            "https://..",
            "capacitor://*.localhost",
            "capacitor://localhost:1",
            "1app://localhost",
            "://localhost",
        ] {
            let error =
                AllowedOrigins::parse(&format!("https://a.example,, {wrong} ,also wrong")).unwrap_err();
            let text = error.to_string();
            assert!(
                text.starts_with("the variable ALLOWED_ORIGINS has no origin as its entry 3:"),
                "{wrong}: {text}"
            );
        }
    }
}
