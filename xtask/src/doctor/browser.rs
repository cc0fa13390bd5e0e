//! HTTP as a page speaks it: with an `Origin`, following nothing, reading no more than it should.

use std::io::ErrorKind;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use http::{HeaderMap, Method, Request, StatusCode};
use ureq::{Agent, Error};

/// Sends requests of a page of one origin.
pub struct Browser {
    agent: Agent,
    origin: String,
}

/// A reply, read whole.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

// Source: own choices. Five mebibytes over a line of 0.5 Mbit/s take 80 s.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

// Most that is read of a reply, in bytes. Source: own choice, above the largest file that is sent here.
const MAX_REPLY_BYTES: u64 = 16 << 20;

impl Browser {
    /// A browser that shows a page of this origin.
    pub fn new(origin: &str) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(TOTAL_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(concat!("syncsphere-doctor/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Self {
            agent,
            origin: origin.to_owned(),
        }
    }

    /// Sends a request; an error names no address.
    pub fn send(
        &self,
        method: &Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Answer> {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(url)
            .header("origin", &self.origin);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let wrong = || anyhow!("it cannot be asked: the address or a header has no valid form");
        let answered = match body {
            Some(body) => self.agent.run(request.body(body).map_err(|_| wrong())?),
            None => self.agent.run(request.body(()).map_err(|_| wrong())?),
        };
        let mut response = answered.map_err(|error| anyhow!("{}", shortened(&error)))?;
        let body = response
            .body_mut()
            .with_config()
            .limit(MAX_REPLY_BYTES)
            .read_to_vec();
        Ok(Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: body.map_err(|error| anyhow!("the reply ends early: {}", shortened(&error)))?,
        })
    }
}

impl Answer {
    /// A header's value, where there is one that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).context("the reply is not as the API describes it")
    }
}

/// Without the address, which may be a signed one.
fn shortened(error: &Error) -> String {
    match error {
        Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
            "nothing listens there".to_owned()
        }
        Error::Io(error) => format!("the connection failed ({})", error.kind()),
        Error::Timeout(_) => "it takes too long".to_owned(),
        Error::HostNotFound => "the host's name is not known".to_owned(),
        Error::ConnectionFailed => "the connection failed".to_owned(),
        Error::Rustls(error) => format!("TLS failed ({error})"),
        Error::Tls(what) => format!("TLS failed ({what})"),
        Error::BodyExceedsLimit(_) => "the reply is too large".to_owned(),
        _ => "no HTTP comes back".to_owned(),
    }
}
