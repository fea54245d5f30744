//! The sections other than providers and models.

use super::Judge;
use crate::model::{Admin, Config, Duration, Price, TlsFiles};
use base64::Engine as _;
use sallyport_schema::access::{BUILT_IN, is_built_in};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;

pub(super) fn check(c: &Config, judge: &mut Judge<'_>) {
    if c.data_dir.0.as_os_str().is_empty() {
        judge.error("data_dir", "write a directory, as in ./data");
    }
    if c.instance.as_deref().is_some_and(|n| n.trim().is_empty() || n.len() > 200) {
        judge.error("instance", "write a name of 1 to 200 characters");
    }
    listeners(c, judge);
    sign_in(&c.admin, judge);
    second_factor(&c.admin, judge);
    limits(c, judge);
    database(c, judge);
    encryption(c, judge);
    if let Err(message) = log_filter(&c.log.level) {
        judge.error("log.level", message);
    }
    for (i, file) in c.upstream.ca_files.iter().enumerate() {
        pem(file, &format!("upstream.ca_files[{i}]"), judge);
    }
    for (name, price) in &c.prices.models {
        if let Err(message) = check_price(name, price) {
            judge.error(&format!("prices.models.{name}"), message);
        }
    }
}

fn listeners(c: &Config, judge: &mut Judge<'_>) {
    if c.server.listen.is_empty() {
        judge.error("server.listen", "no address to listen on; write a list such as [0.0.0.0:3000]");
    }
    let mut all: Vec<(String, SocketAddr)> =
        c.server.listen.iter().enumerate().map(|(i, a)| (format!("server.listen[{i}]"), *a)).collect();
    all.push(("admin.listen".into(), c.admin.listen));
    all.extend(c.metrics.listen.map(|a| ("metrics.listen".into(), a)));
    for (i, (path, address)) in all.iter().enumerate() {
        let clash = all[..i].iter().find(|(_, other)| overlap(*other, *address));
        if let Some((other, _)) = clash {
            judge.error(path, format!("{address} is taken by {other}; choose another port"));
        }
    }
    if let Some(text) = &c.server.public_url {
        let fine = url::Url::parse(text).is_ok_and(|u| {
            matches!(u.scheme(), "http" | "https")
                && u.has_host()
                && u.query().is_none()
                && u.username().is_empty()
        });
        if !fine {
            judge.error(
                "server.public_url",
                "not a URL that clients can use; write one such as https://ai.corp",
            );
        }
    }
    tls(c.server.tls.as_ref(), "server.tls", judge);
    tls(c.admin.tls.as_ref(), "admin.tls", judge);
    if !c.admin.listen.ip().is_loopback() && c.admin.tls.is_none() {
        judge.warn(
            "admin.listen",
            "the admin service is reachable from other machines without TLS: its token travels in clear; set admin.tls or listen on 127.0.0.1",
        );
    }
    for (path, token) in [("admin.token", &c.admin.token), ("metrics.token", &c.metrics.token)] {
        match token.as_ref().map(|t| t.expose()) {
            Some(t) if t.is_empty() || t.chars().any(|ch| !ch.is_ascii_graphic()) => {
                judge.error(path, "a token is made of visible ASCII characters, without spaces");
            }
            Some(t) if t.len() < 16 => judge.warn(path, "a token of fewer than 16 characters can be guessed"),
            _ => {}
        }
    }
}

/// How people sign in to the admin service.
fn sign_in(admin: &Admin, judge: &mut Judge<'_>) {
    if !(12..=128).contains(&admin.password.min_length) {
        judge.error("admin.password.min_length", "must be from 12 to 128 characters");
    }
    let hours = |h: u64| Duration::secs(h * 3600);
    let times = [
        ("admin.password.temporary", admin.password.temporary, Duration::secs(60), hours(30 * 24)),
        ("admin.session.max_age", admin.session.max_age, Duration::secs(15 * 60), hours(30 * 24)),
        ("admin.session.idle", admin.session.idle, Duration::secs(16 * 60), hours(30 * 24)),
    ];
    for (path, time, least, most) in times {
        if time < least || time > most {
            judge.error(path, format!("must be from {least} to {most}"));
        }
    }
    let name = &admin.site_name;
    if name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        judge.error("admin.site_name", "write a name of 1 to 100 characters");
    }
    for (i, origin) in admin.cors_origins.iter().enumerate() {
        let fine = url::Url::parse(origin).is_ok_and(|u| {
            matches!(u.scheme(), "http" | "https")
                && u.has_host()
                && u.origin().ascii_serialization() == *origin
        });
        if !fine {
            judge.error(
                &format!("admin.cors_origins[{i}]"),
                "write an origin as browsers send it: scheme, host and port, as in https://tools.corp",
            );
        }
    }
    for (i, secret) in admin.session.secrets.iter().enumerate() {
        if !hard_to_guess(secret.expose()) {
            judge.error(
                &format!("admin.session.secrets[{i}]"),
                "whoever guesses it can sign in as anybody: use at least 32 random characters (`openssl rand -base64 32`)",
            );
        }
    }
}

/// Passkeys: browsers offer them to pages of the host that they were made for, on HTTPS or localhost; and who needs a
/// second factor.
fn second_factor(admin: &Admin, judge: &mut Judge<'_>) {
    if let Some(text) = &admin.public_url {
        let fine = url::Url::parse(text).is_ok_and(|u| {
            let secure = u.scheme() == "https" || (u.scheme() == "http" && u.host_str() == Some("localhost"));
            let plain = u.path() == "/" && u.query().is_none() && u.fragment().is_none();
            secure && plain && u.domain().is_some() && u.username().is_empty() && u.password().is_none()
        });
        if !fine {
            judge.error(
                "admin.public_url",
                "write the URL that browsers use, with a host name and no path, such as https://sallyport.corp (http only for localhost)",
            );
        }
    }
    for (i, role) in admin.second_factor.required_roles.iter().enumerate() {
        let path = format!("admin.second_factor.required_roles[{i}]");
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        if role.len() > 63 || !role.starts_with(|c: char| c.is_ascii_lowercase()) || !role.chars().all(word) {
            judge.error(&path, "not the name of a role: lower-case letters, digits, _ and -, a letter first");
        } else if !is_built_in(role) {
            judge.warn(
                &path,
                format!(
                    "`{role}` is no built-in role ({}): it counts if there is a custom role of this name",
                    BUILT_IN.join(", ")
                ),
            );
        }
    }
}

/// At least 32 bytes that carry at least 100 bits by their own frequencies. (A random secret in hex or base64 does; a
/// word, a repeated one or a row of the same characters does not.)
fn hard_to_guess(secret: &str) -> bool {
    let bytes = secret.as_bytes();
    let mut counts = [0_u32; 256];
    for b in bytes {
        counts[usize::from(*b)] += 1;
    }
    let n = f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    let bits: f64 =
        counts.iter().filter(|c| **c > 0).map(|c| f64::from(*c) * (n / f64::from(*c)).log2()).sum();
    let distinct = counts.iter().filter(|c| **c > 0).count();
    let repeats = (1..=bytes.len() / 2).any(|period| bytes.iter().zip(&bytes[period..]).all(|(a, b)| a == b));
    bytes.len() >= 32 && distinct >= 10 && bits >= 100.0 && !repeats
}

/// Would the second bind fail? (Port 0 is "any free one".)
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let ip = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && ip
}

fn limits(c: &Config, judge: &mut Judge<'_>) {
    let times: [(&str, Duration); 12] = [
        ("server.body_timeout", c.server.body_timeout),
        ("server.keepalive", c.server.keepalive),
        ("server.write_timeout", c.server.write_timeout),
        ("upstream.connect_timeout", c.upstream.connect_timeout),
        ("upstream.first_byte_timeout", c.upstream.first_byte_timeout),
        ("upstream.idle_timeout", c.upstream.idle_timeout),
        ("upstream.keepalive", c.upstream.keepalive),
        ("upstream.max_backoff", c.upstream.max_backoff),
        ("database.timeout", c.database.timeout),
        ("call_log.flush_interval", c.call_log.flush_interval),
        ("responses.background.timeout", c.responses.background.timeout),
        ("responses.background.ask_every", c.responses.background.ask_every),
    ];
    for (path, time) in times {
        if time.get().is_zero() {
            judge.error(path, "must be more than 0");
        } else if time > Duration::secs(7 * 24 * 3600) {
            judge.error(path, "must not be more than 7 days (168h)");
        }
    }
    let retention = c.responses.retention;
    if retention.get().is_zero() || retention > Duration::secs(3650 * 24 * 3600) {
        judge.error("responses.retention", "must be more than 0 and at most 10 years (87600h)");
    }
    if c.responses.background.limit > 10_000 {
        judge.error("responses.background.limit", "must be at most 10000");
    }
    if c.server.max_body.bytes() == 0 {
        judge.error("server.max_body", "must be more than 0: no request could have a body");
    }
    if c.server.max_passthrough_body.bytes() == 0 {
        judge.error("server.max_passthrough_body", "must be more than 0: no upload could pass");
    }
    if c.server.threads > 1024 {
        judge.error("server.threads", "must be at most 1024; 0 is one a core");
    }
    for (path, value) in [("server.drain", c.server.drain), ("server.drain_delay", c.server.drain_delay)] {
        if value > Duration::secs(24 * 3600) {
            judge.error(path, "must not be more than 24h");
        }
    }
    if !(1..=20).contains(&c.upstream.max_attempts) {
        judge.error("upstream.max_attempts", "must be from 1 (no retry) to 20");
    }
    if c.upstream.backoff > c.upstream.max_backoff {
        judge.error("upstream.backoff", "must not be longer than upstream.max_backoff");
    }
    if c.upstream.keepalive_pool == 0 {
        judge.error("upstream.keepalive_pool", "must be at least 1");
    }
    if !(1..=1000).contains(&c.database.max_connections) {
        judge.error("database.max_connections", "must be from 1 to 1000");
    }
    if !(1..=10_000_000).contains(&c.call_log.queue) {
        judge.error("call_log.queue", "must be from 1 to 10000000 events");
    }
    if c.call_log.flush_interval > Duration::millis(100)
        && c.call_log.flush_interval <= Duration::secs(604_800)
    {
        judge.warn("call_log.flush_interval", "a killed process can lose the events of more than 100 ms");
    }
    if c.call_log.spool_max.bytes() < 1 << 20 {
        judge.error("call_log.spool_max", "must be at least 1MiB");
    }
}

fn database(c: &Config, judge: &mut Judge<'_>) {
    if let Some(secret) = &c.database.url {
        let form = "write postgres://user:password@host/database";
        match url::Url::parse(secret.expose()) {
            // Not the parser's own words: they may quote the password.
            Err(_) => judge.error("database.url", format!("not a URL; {form}")),
            Ok(u) if !matches!(u.scheme(), "postgres" | "postgresql") => {
                judge.error("database.url", format!("not a Postgres URL; {form}"));
            }
            Ok(_) => {}
        }
        if c.encryption.master_key.is_none() {
            judge.warn(
                "encryption.master_key",
                "not set, while the database is shared: each instance would make a key of its own and could not read the others' secrets",
            );
        }
    }
    if let Some(dir) = &c.database.binaries {
        if c.database.url.is_some() {
            judge.warn("database.binaries", "is not used: database.url is set");
        } else if !dir.join("postgres").is_file() {
            judge.error("database.binaries", format!("there is no `postgres` in {}", dir.display()));
        }
    }
}

fn encryption(c: &Config, judge: &mut Judge<'_>) {
    let mut seen = HashSet::new();
    let current = c.encryption.master_key.iter().map(|k| ("encryption.master_key".to_owned(), k));
    let previous = c.encryption.previous_keys.iter().enumerate();
    let previous = previous.map(|(i, k)| (format!("encryption.previous_keys[{i}]"), k));
    for (path, key) in current.chain(previous) {
        match base64::engine::general_purpose::STANDARD.decode(key.expose()) {
            Ok(bytes) if bytes.len() == 32 => {
                if !seen.insert(bytes) {
                    judge.error(&path, "the key is there twice");
                }
            }
            _ => judge.error(&path, "must be 32 bytes in base64; `openssl rand -base64 32` makes one"),
        }
    }
}

/// A first look at a tracing filter: levels that are not levels.
fn log_filter(filter: &str) -> Result<(), String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    if filter.trim().is_empty() {
        return Err("write a level: off, error, warn, info, debug or trace".into());
    }
    for part in filter.split(',').map(str::trim) {
        let (level, sure) = match part.rsplit_once('=') {
            Some((_, level)) => (level.trim(), true),
            None => (part, false),
        };
        let lower = level.to_ascii_lowercase();
        if LEVELS.contains(&lower.as_str()) || lower.parse::<u8>().is_ok_and(|n| n <= 5) {
            continue;
        }
        let near = crate::shape::nearest(&lower, LEVELS);
        // A bare word may also be the name of a module.
        if sure || (near.is_some() && !part.contains(['[', ':', '_'])) {
            let hint = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            return Err(format!("`{level}` is none of {}{hint}", LEVELS.join(", ")));
        }
    }
    Ok(())
}

fn tls(files: Option<&TlsFiles>, path: &str, judge: &mut Judge<'_>) {
    if let Some(files) = files {
        pem(&files.cert, &format!("{path}.cert"), judge);
        pem(&files.key, &format!("{path}.key"), judge);
    }
}

/// Is it a readable PEM file?
pub(super) fn pem(file: &Path, path: &str, judge: &mut Judge<'_>) {
    match std::fs::read(file) {
        Err(e) => judge.error(path, format!("cannot read {}: {e}", file.display())),
        Ok(bytes) if !bytes.windows(11).any(|w| w == b"-----BEGIN ") => {
            judge.error(path, format!("{} is not a PEM file", file.display()));
        }
        Ok(_) => {}
    }
}

/// Prices must be numbers that can be paid.
pub(crate) fn check_price(name: &str, p: &Price) -> Result<(), String> {
    if name.is_empty() {
        return Err("a price needs the name of a model".into());
    }
    let short = [
        ("input", Some(p.input)),
        ("cached_input", p.cached_input),
        ("cache_write", p.cache_write),
        ("cache_write_1h", p.cache_write_1h),
        ("output", Some(p.output)),
        ("reasoning", p.reasoning),
    ];
    let long = p.long_prompt.iter().flat_map(|l| {
        [
            ("long_prompt.input", Some(l.input)),
            ("long_prompt.cached_input", l.cached_input),
            ("long_prompt.cache_write", l.cache_write),
            ("long_prompt.cache_write_1h", l.cache_write_1h),
            ("long_prompt.output", Some(l.output)),
            ("long_prompt.reasoning", l.reasoning),
        ]
    });
    for (field, value) in short.into_iter().chain(long) {
        if value.is_some_and(|v| !v.is_finite() || !(0.0..=1e6).contains(&v)) {
            return Err(format!("{field}: a price is 0 to 1000000 US dollars per million tokens"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_filters() {
        for ok in ["info", "sallyport_proxy=debug,warn", "INFO", "h2", "a::b=trace", "off", "3"] {
            assert!(log_filter(ok).is_ok(), "{ok}");
        }
        for bad in ["", "inof", "debg", "x=verbose", "warn,a=infoo"] {
            assert!(log_filter(bad).is_err(), "{bad}");
        }
    }
}
