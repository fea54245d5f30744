//! What must stay the same within a session: the client's network, and what kind of program it is.

use sallyport_config::model::BindAddress;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a session that began at `then` may go on at `now`.
pub(crate) fn same_network(bind: BindAddress, then: IpAddr, now: IpAddr) -> bool {
    let (v4, v6) = match bind {
        BindAddress::Exact => (32, 128),
        BindAddress::Prefix => (24, 56),
        BindAddress::Off => return true,
    };
    network(then, v4, v6) == network(now, v4, v6)
}

/// The address with its last bits at zero.
pub(crate) fn network(address: IpAddr, v4: u32, v6: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(a) => Ipv4Addr::from_bits(a.to_bits() & u32::MAX.checked_shl(32 - v4).unwrap_or(0)).into(),
        IpAddr::V6(a) => {
            Ipv6Addr::from_bits(a.to_bits() & u128::MAX.checked_shl(128 - v6).unwrap_or(0)).into()
        }
    }
}

/// Browser or program of a `User-Agent`, without its version: an update ends no session.
pub(crate) fn family(agent: &str) -> &str {
    // the more special one first: Edge and Opera call themselves Chrome too, and Chrome calls itself Safari
    const BROWSERS: [&str; 6] = ["Edg", "OPR", "Firefox", "Chrome", "CriOS", "Safari"];
    BROWSERS
        .into_iter()
        .find(|name| agent.contains(&format!("{name}/")))
        .unwrap_or_else(|| agent.split(['/', ' ']).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let same = |bind, a: &str, b: &str| same_network(bind, a.parse().unwrap(), b.parse().unwrap());
        use BindAddress::{Exact, Off, Prefix};
        assert!(same(Prefix, "192.0.2.1", "192.0.2.254") && !same(Prefix, "192.0.2.1", "192.0.3.1"));
        assert!(same(Prefix, "::ffff:192.0.2.1", "192.0.2.2"));
        assert!(same(Prefix, "2001:db8:0:ff00::1", "2001:db8:0:ffff::2"));
        assert!(!same(Prefix, "2001:db8:0:fe00::1", "2001:db8:0:ff00::1"));
        assert!(same(Exact, "192.0.2.1", "192.0.2.1") && !same(Exact, "192.0.2.1", "192.0.2.2"));
        assert!(!same(Exact, "2001:db8::1", "2001:db8::2"));
        assert!(same(Off, "192.0.2.1", "2001:db8::1"));
        assert!(!same(Prefix, "192.0.2.1", "2001:db8::1"));
    }

    #[test]
    fn families() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
        let edge = format!("{chrome} Edg/126.0.0.0");
        assert_eq!((family(chrome), family(&edge)), ("Chrome", "Edg"));
        assert_eq!(family(chrome), family(&chrome.replace("126", "127")));
        assert_eq!(family("Mozilla/5.0 (X11; rv:127.0) Gecko/20100101 Firefox/127.0"), "Firefox");
        assert_eq!(
            (family("curl/8.5.0"), family("python-requests/2 x"), family("")),
            ("curl", "python-requests", "")
        );
    }
}
