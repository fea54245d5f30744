//! The SSRF guard: providers may live at public addresses, and at others only where the configuration lists them.
//! Literal addresses are judged when the configuration is read, names at each resolution: the address that was judged
//! is the one that is connected to.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// May a provider have this address?
pub fn allowed(ip: IpAddr, listed: &[IpNet]) -> bool {
    let ip = canonical(ip);
    is_public(ip) || listed.iter().any(|n| n.contains(&ip))
}

/// A network as people write it: `10.0.0.0/8`, or one address.
pub fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// `::ffff:10.0.0.1` and `64:ff9b::10.0.0.1` (RFC 6052) mean the IPv4 address inside.
pub fn canonical(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => {
            let s = v6.segments();
            let embedded = || {
                let [a, b] = s[6].to_be_bytes();
                let [c, d] = s[7].to_be_bytes();
                IpAddr::V4(Ipv4Addr::new(a, b, c, d))
            };
            match v6.to_ipv4_mapped() {
                Some(v4) => IpAddr::V4(v4),
                None if s[..6] == [0x64, 0xff9b, 0, 0, 0, 0] => embedded(),
                None => ip,
            }
        }
    }
}

/// Globally reachable, by the IANA special-purpose registries (RFC 6890).
pub fn is_public(ip: IpAddr) -> bool {
    match canonical(ip) {
        IpAddr::V4(a) => is_public_v4(a),
        IpAddr::V6(a) => is_public_v6(a),
    }
}

fn is_public_v4(a: Ipv4Addr) -> bool {
    let o = a.octets();
    !(a.is_private()
        || a.is_loopback()
        || a.is_link_local()
        || a.is_broadcast()
        || a.is_documentation()
        || a.is_multicast()
        || o[0] == 0
        || o[0] >= 240
        || (o[0] == 100 && o[1] & 0xc0 == 64) // 100.64/10, carrier-grade NAT
        || (o[0] == 192 && o[1] == 0 && o[2] == 0) // 192.0.0/24
        || (o[0] == 198 && o[1] & 0xfe == 18)) // 198.18/15, benchmarks
}

fn is_public_v6(a: Ipv6Addr) -> bool {
    let s = a.segments();
    // Only 2000::/3 is given out; of it, not the documentation, Teredo and 6to4 prefixes.
    s[0] & 0xe000 == 0x2000
        && !(s[0] == 0x2001 && (s[1] == 0 || s[1] == 0xdb8))
        && s[0] != 0x2002
        && s[0] != 0x3fff
}

#[cfg(test)]
mod tests {
    use super::*;

    /// LESSONS: private upstreams (a vLLM in the cluster) blocked by SSRF rules without an allow-list.
    #[test]
    fn private_addresses_need_the_allow_list() {
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "::",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "224.0.0.1",
        ] {
            let ip: IpAddr = ip.parse().unwrap();
            assert!(!allowed(ip, &[]), "{ip}");
        }
        for ip in ["1.1.1.1", "104.18.6.192", "2606:4700::6812:7c0", "64:ff9b::101:101"] {
            let ip: IpAddr = ip.parse().unwrap();
            assert!(allowed(ip, &[]), "{ip}");
        }
        let listed: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        assert!(allowed("10.9.9.9".parse().unwrap(), &listed));
        assert!(allowed("::ffff:10.9.9.9".parse().unwrap(), &listed));
        assert!(!allowed("192.168.0.1".parse().unwrap(), &listed));
    }
}
