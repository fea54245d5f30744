//! The two cookies of a session, and the one of a passkey. `__Host-` binds them to this host alone and demands `Secure` and `Path=/`
//! (RFC 6265bis, 4.1.3.2); browsers take `Secure` cookies from `http://localhost` too.

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use std::time::Duration;
use uuid::Uuid;

/// Access token.
pub(crate) const ACCESS: &str = "__Host-sallyport";
/// `<session>.<refresh secret>`.
pub(crate) const REFRESH: &str = "__Host-sallyport-refresh";

/// The challenge of a sign-in with a passkey.
pub(crate) const PASSKEY: &str = "__Host-sallyport-passkey";

/// The cookie's value, if the client sent it exactly once. (No other host can set a `__Host-` cookie, so two are a
/// broken client.)
pub(crate) fn find<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut found = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(n, _)| *n == name)
        .map(|(_, value)| value);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// Sets one.
pub(crate) fn set(headers: &mut HeaderMap, name: &str, value: &str, age: Duration) {
    let text =
        format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={}", age.as_secs());
    if let Ok(mut text) = HeaderValue::from_str(&text) {
        text.set_sensitive(true);
        headers.append(SET_COOKIE, text);
    }
}

/// Takes those of the session away.
pub(crate) fn clear(headers: &mut HeaderMap) {
    for name in [ACCESS, REFRESH] {
        set(headers, name, "", Duration::ZERO);
    }
}

/// Session and secret of a refresh cookie.
pub(crate) fn refresh(headers: &HeaderMap) -> Option<(Uuid, &str)> {
    let (session, secret) = find(headers, REFRESH)?.split_once('.')?;
    Some((session.parse().ok()?, secret)).filter(|(_, s)| s.len() <= 128)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|l| (COOKIE, l.parse().unwrap())).collect()
    }

    #[test]
    fn found_among_others_and_never_in_doubt() {
        let h = headers(&["a=b; __Host-sallyport=x.y.z;c=d", "__Host-sallyport-refresh=r"]);
        assert_eq!(
            (find(&h, ACCESS), find(&h, REFRESH), find(&h, "c")),
            (Some("x.y.z"), Some("r"), Some("d"))
        );
        assert_eq!(find(&headers(&["__Host-sallyport=a; __Host-sallyport=b"]), ACCESS), None);
        assert_eq!(find(&headers(&["__host-sallyport=a", "x__Host-sallyport=a", ""]), ACCESS), None);
    }

    #[test]
    fn as_the_prefix_demands() {
        let mut h = HeaderMap::new();
        set(&mut h, ACCESS, "v", Duration::from_secs(9));
        assert_eq!(h[SET_COOKIE], "__Host-sallyport=v; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=9");
    }

    #[test]
    fn a_refresh_cookie_is_a_session_and_a_secret() {
        let id = Uuid::now_v7();
        let good = headers(&[&format!("{REFRESH}={id}.secret")]);
        assert_eq!(refresh(&good), Some((id, "secret")));
        for bad in ["nothing", "no-uuid.secret", &format!("{id}.{}", "x".repeat(200))] {
            assert_eq!(refresh(&headers(&[&format!("{REFRESH}={bad}")])), None, "{bad}");
        }
    }
}
