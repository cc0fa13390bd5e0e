//! The coordinator itself: whether it is there, well, and lets us in.

use http::Method;
use serde::Deserialize;
use syncsphere_protocol::{TokenError, TokenReply};
use url::Url;

use super::browser::Browser;
use super::coordinator::{CallError, Coordinator, error_of};
use super::cors;
use super::report::Report;

/// Whether there is a coordinator worth looking at further.
pub fn answers(browser: &Browser, endpoint: &str, report: &mut Report) -> bool {
    let answer = match browser.send(&Method::GET, &format!("{endpoint}/healthz"), &[], None) {
        Ok(answer) => answer,
        Err(error) => {
            report.failure(
                "reachable",
                format!("{endpoint} does not answer: {error}"),
                "check the address and that the worker is deployed (`npx wrangler deploy --env production`) or running (`cargo xtask demo`)",
            );
            return false;
        }
    };
    if answer.header("x-request-id").is_none() {
        report.failure(
            "reachable",
            format!("{endpoint} answers, but not as a coordinator (status {} for /healthz)", answer.status.as_u16()),
            "check the address and the worker's route; what stands before the worker has to pass /healthz, /v1/* and /.well-known/* on",
        );
        return false;
    }
    report.ok("reachable", format!("{endpoint} answers"));
    if is_plain_http(endpoint) {
        report.warning(
            "transport",
            "tokens and URLs travel unencrypted",
            "serve the coordinator over https",
        );
    }
    if answer.status.is_success() {
        report.ok("health", "storage and a workspace answer");
        return true;
    }
    let error = error_of(&answer);
    let Some(variable) = misconfigured(&error) else {
        let cure = match error.code() {
            Some("storage_unavailable") => {
                "see that the storage server runs and that S3_ENDPOINT is its address"
            }
            _ => {
                "see the findings below; the worker's log (`npx wrangler tail`) has the cause beside the request's id"
            }
        };
        report.failure("health", format!("it is not well: {}", error.message()), cure);
        return true;
    };
    report.failure(
        "health",
        error.message(),
        format!(
            "set {variable}: a secret by `npx wrangler secret put {variable}`, another variable in wrangler.toml; docs/coordinator.md lists them"
        ),
    );
    false
}

/// The variable that the coordinator cannot start with.
fn misconfigured(error: &CallError) -> Option<String> {
    let CallError::Problem(problem) = error else {
        return None;
    };
    let (name, _) = problem.detail.strip_prefix("the variable ")?.split_once(' ')?;
    Some(name.to_owned())
}

fn is_plain_http(endpoint: &str) -> bool {
    endpoint.starts_with("http://") && !is_this_machine(endpoint)
}

/// Loopback addresses, which browsers trust like https.
/// Source: <https://w3c.github.io/webappsec-secure-contexts/#is-origin-trustworthy>
pub fn is_this_machine(origin: &str) -> bool {
    let Ok(url) = Url::parse(origin) else { return false };
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The keys that tokens are verified with: there, and public ones alone.
pub fn publishes_keys(browser: &Browser, endpoint: &str, report: &mut Report) {
    #[derive(Deserialize)]
    struct Keys {
        keys: Vec<serde_json::Map<String, serde_json::Value>>,
    }
    let url = format!("{endpoint}/.well-known/jwks.json");
    let keys = browser
        .send(&Method::GET, &url, &[], None)
        .and_then(|answer| answer.json::<Keys>());
    let cure = "set AUTH_SIGNING_KEY (`openssl genpkey -algorithm ed25519` makes one) by `npx wrangler secret put AUTH_SIGNING_KEY`";
    match keys {
        Ok(Keys { keys }) if keys.iter().any(|key| key.contains_key("d")) => report.failure(
            "keys",
            "/.well-known/jwks.json tells a private key",
            "replace AUTH_SIGNING_KEY at once, and see who serves that path",
        ),
        Ok(Keys { keys }) if keys.iter().any(|key| key.contains_key("kid")) => {
            report.ok(
                "keys",
                format!("{} published for verifying tokens", counted(keys.len(), "key")),
            );
        }
        Ok(_) => report.failure("keys", "/.well-known/jwks.json names no key", cure),
        Err(error) => report.failure("keys", format!("/.well-known/jwks.json: {error}"), cure),
    }
}

/// `1 key`, `2 keys`.
pub fn counted(count: usize, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {what}{ending}")
}

/// Whether pages of `origin` may speak to the coordinator.
pub fn allows_origin(browser: &Browser, endpoint: &str, origin: &str, report: &mut Report) {
    if origin == endpoint {
        report.ok(
            "coordinator-cors",
            "pages are the coordinator's own (--origin names others)",
        );
        return;
    }
    let needed = ["authorization", "content-type", "idempotency-key"];
    let asked = needed.join(",");
    let headers = [
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", asked.as_str()),
    ];
    let answer = browser.send(
        &Method::OPTIONS,
        &format!("{endpoint}/v1/uploads"),
        &headers,
        None,
    );
    let objection = match answer {
        Ok(answer) => cors::problem(answer.status, &answer.headers, origin, "POST", &needed),
        Err(error) => Some(error.to_string()),
    };
    match objection {
        None => report.ok(
            "coordinator-cors",
            format!("pages of {origin} may speak to the coordinator"),
        ),
        Some(objection) => report.failure(
            "coordinator-cors",
            format!("the coordinator turns pages of {origin} away: {objection}"),
            format!("add {origin} to ALLOWED_ORIGINS in wrangler.toml, and deploy"),
        ),
    }
}

/// The token that was given, or a guest's.
pub fn token(browser: &Browser, endpoint: &str, given: Option<&str>, report: &mut Report) -> Option<String> {
    let guest = guest_token(browser, endpoint);
    if guest.is_ok() && !is_this_machine(endpoint) {
        report.warning(
            "guests",
            "anybody gets a token for any workspace",
            "set AUTH_GUEST=off, and let your backend mint tokens (AUTH_CLIENTS, docs/coordinator.md)",
        );
    }
    if let Some(token) = given {
        return Some(token.to_owned());
    }
    match guest {
        Ok(token) => {
            report.ok("token", "a guest's was given");
            Some(token)
        }
        Err(said) => {
            report.failure(
                "token",
                format!("no token was given, and guests get none: {said}"),
                "run it again with --token or SYNCSPHERE_TOKEN, a token that may read and write files, as your backend mints them for its users",
            );
            None
        }
    }
}

fn guest_token(browser: &Browser, endpoint: &str) -> Result<String, String> {
    // A workspace of its own, so that nobody sees the trial.
    let form = b"grant_type=urn%3Asyncsphere%3Aguest&workspace=syncsphere-doctor".to_vec();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let url = format!("{endpoint}/v1/auth/token");
    let answer = browser
        .send(&Method::POST, &url, &headers, Some(form))
        .map_err(|error| error.to_string())?;
    match answer.json::<TokenReply>() {
        Ok(reply) => Ok(reply.access_token.into_inner()),
        Err(_) => Err(match answer.json::<TokenError>() {
            Ok(error) => error.error,
            Err(_) => format!("status {}", answer.status.as_u16()),
        }),
    }
}

/// Whether the token lets us read files; whether it lets us write, the trial upload will tell.
pub fn accepts_token(coordinator: &Coordinator<'_>, report: &mut Report) -> bool {
    match coordinator.list_files() {
        Ok(()) => {
            report.ok("access", "the token is accepted and may read files");
            true
        }
        Err(error) => {
            let cure = match error.code() {
                Some("unauthenticated") => {
                    "take a fresh token; its issuer and audience have to be AUTH_ISSUER and AUTH_AUDIENCE, and both clocks right"
                }
                Some("forbidden") => "take a token with the scope `files:read files:write`",
                Some("rate_limited") => "wait a little and run it again",
                _ => "see the worker's log (`npx wrangler tail`) beside the request's id",
            };
            report.failure(
                "access",
                format!("the token is not accepted: {}", error.message()),
                cure,
            );
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_this_machine;

    #[test]
    fn loopback_addresses_are_this_machine() {
        for here in ["http://localhost:1", "http://127.0.0.1:2", "http://[::1]:3"] {
            assert!(is_this_machine(here), "{here}");
        }
        for elsewhere in ["http://localhost.example", "http://10.0.0.1", "http://[::2]"] {
            assert!(!is_this_machine(elsewhere), "{elsewhere}");
        }
    }
}
