//! What the name of a host tells of where it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a host is the machine at hand.
///
/// Source: RFC 6761 section 6.3 for the names, RFC 6890 for the addresses.
pub(super) fn is_this_machine(host: &str) -> bool {
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_ascii_lowercase();
    let is_loopback = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    host == "localhost" || host.ends_with(".localhost") || is_loopback
}

/// Names below which only private networks have hosts, and those of clouds' metadata services.
///
/// Source: RFC 6761, RFC 6762 (`local`), RFC 8375 (`home.arpa`), ICANN's resolution of 2024-07-29 (`internal`, below
/// which Google's and AWS's metadata are), and what office networks use.
const PRIVATE_SUFFIXES: [&str; 9] = [
    "localhost",
    "local",
    "internal",
    "home.arpa",
    "lan",
    "intranet",
    "corp",
    "home",
    "localdomain",
];

/// Whether a host can be one that everybody reaches, as far as its name tells.
pub(super) fn is_public(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if let Ok(address) = host.parse::<IpAddr>() {
        return match address {
            IpAddr::V4(address) => is_public_v4(address),
            IpAddr::V6(address) => is_public_v6(address),
        };
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    // A number at the end is an address in another spelling: 127.1, 0x7f.0.0.1, 2130706433.
    let is_number = last.starts_with(|c: char| c.is_ascii_digit());
    let is_private = PRIVATE_SUFFIXES.iter().any(|suffix| {
        host.strip_suffix(suffix)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    host.contains('.') && !is_number && !is_private
}

/// Source: <https://www.iana.org/assignments/iana-ipv4-special-registry/>
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_special = match first {
        0 | 10 | 127 | 224..=255 => true,
        100 => (64..128).contains(&second),
        169 => second == 254,
        172 => (16..32).contains(&second),
        192 => second == 168 || (second == 0 && (third == 0 || third == 2)),
        198 => second == 18 || second == 19 || (second == 51 && third == 100),
        203 => second == 0 && third == 113,
        _ => false,
    };
    !is_special
}

/// Global unicast only, and none that holds an IPv4 address (6to4, Teredo) or is for examples.
///
/// Source: <https://www.iana.org/assignments/iana-ipv6-special-registry/>
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_global = (0x2000..0x4000).contains(&first);
    let is_special =
        first == 0x2002 || (first == 0x2001 && (second < 0x0200 || second == 0x0db8)) || first == 0x3fff;
    is_global && !is_special
}
