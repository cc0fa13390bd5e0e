//! The addresses under which storage has been met: a browser keeps six HTTP/1.1 connections to each.

use crate::io::PartRequest;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Origin(u8);

/// More than this many count as one. Source: own choice; the coordinator gives four at the most.
const MOST: usize = 8;

/// All of them, in the order in which they were met.
#[derive(Debug, Default)]
pub(crate) struct Origins(Vec<String>);

impl Origins {
    /// The origin of a request's URL: scheme, host and port.
    pub(crate) fn of(&mut self, request: &PartRequest) -> Origin {
        let origin = origin_of(&request.url);
        let index = match self.0.iter().position(|known| known == origin) {
            Some(index) => index,
            None if self.0.len() < MOST => {
                self.0.push(origin.to_owned());
                self.0.len() - 1
            }
            None => 0,
        };
        Origin(index as u8)
    }

    /// How many there are, at least 1.
    pub(crate) fn count(&self) -> usize {
        self.0.len().max(1)
    }
}

/// The beginning of a URL: its scheme, and its host with port.
pub fn origin_of(url: &str) -> &str {
    let slashes = url.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
    let end = slashes.map(|(at, _)| at).nth(2);
    end.and_then(|end| url.get(..end)).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let mut origins = Origins::default();
        let mut of = |url: &str| {
            origins.of(&PartRequest {
                method: "PUT".to_owned(),
                url: url.to_owned().into(),
                headers: Vec::new().into_iter().collect(),
                fields: Vec::new().into_iter().collect(),
            })
        };
        let first = of("https://one.test/bucket/key?partNumber=1");
        assert_eq!(first, of("https://one.test/bucket/other"));
        assert_ne!(first, of("https://two.test/bucket/key"));
        assert_ne!(first, of("https://one.test:444/bucket/key"));
        assert_ne!(first, of("http://one.test/bucket/key"));
        assert_eq!(origins.count(), 4);
        assert_eq!(Origins::default().count(), 1);
    }
}
