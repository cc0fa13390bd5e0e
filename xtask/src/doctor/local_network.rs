//! Storage inside a local network and pages outside of it: browsers ask people first.

use std::net::{IpAddr, Ipv6Addr, ToSocketAddrs};

use url::{Host, Url};

use super::report::Report;

/// Says so where storage is at an address of a local network, or of this machine, and pages of `origin` are not. What has no
/// address here is not judged.
///
/// Source: <https://developer.chrome.com/blog/local-network-access>
pub fn examine(storage: &str, origin: &str, report: &mut Report) {
    let is_local = |url: &str| addresses(url).map(|addresses| addresses.iter().any(is_local));
    if is_local(storage) == Some(true) && is_local(origin) == Some(false) {
        report.warning(
            "local-network",
            format!("{storage} is in a local network and pages of {origin} are not: Chromium asks people before it sends anything there"),
            "have them allow it, and serve the pages by https; or give S3_PUBLIC_ENDPOINT a public address (docs/errors.md#local_network_blocked)",
        );
    }
}

/// Where the host of a URL is, as far as that can be told here.
fn addresses(url: &str) -> Option<Vec<IpAddr>> {
    let url = Url::parse(url).ok()?;
    match url.host()? {
        Host::Ipv4(address) => Some(vec![address.into()]),
        Host::Ipv6(address) => Some(vec![address.into()]),
        Host::Domain(name) => {
            let found = (name, url.port_or_known_default()?).to_socket_addrs().ok()?;
            let found: Vec<_> = found.map(|address| address.ip()).collect();
            (!found.is_empty()).then_some(found)
        }
    }
}

/// Source: <https://wicg.github.io/local-network-access/#ip-address-space-section>
fn is_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            // 100.64.0.0/10 is for networks of providers, RFC 6598.
            let [a, b, ..] = address.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            address.is_private() || address.is_loopback() || address.is_link_local() || is_shared
        }
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_local(&mapped.into()),
            None => {
                *address == Ipv6Addr::LOCALHOST
                    || address.is_unique_local()
                    || address.is_unicast_link_local()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_networks_are_known_by_their_addresses() {
        let judged = |url: &str| addresses(url).map(|addresses| addresses.iter().any(is_local));
        for local in [
            "http://127.0.0.1:9000",
            "https://192.168.1.20",
            "https://10.0.0.1:1",
            "https://100.64.0.1",
            "https://[::1]",
            "https://[fd00::1]",
            "https://[fe80::1]",
            "https://[::ffff:10.0.0.1]",
        ] {
            assert_eq!(judged(local), Some(true), "{local}");
        }
        for public in [
            "https://203.0.113.7",
            "https://100.128.0.1",
            "https://[2001:db8::1]",
        ] {
            assert_eq!(judged(public), Some(false), "{public}");
        }
        assert_eq!(judged("https://app.invalid"), None);
    }
}
