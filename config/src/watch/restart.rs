//! Settings that are read once, at the start.

use crate::model::Config;

/// The settings that differ and take effect only after a restart.
pub fn needs_restart(old: &Config, new: &Config) -> Vec<String> {
    let pairs: [(&str, bool); 25] = [
        ("data_dir", old.data_dir == new.data_dir),
        ("instance", old.instance == new.instance),
        ("server.listen", old.server.listen == new.server.listen),
        ("server.tls", old.server.tls == new.server.tls),
        ("server.threads", old.server.threads == new.server.threads),
        ("server.head_timeout", old.server.head_timeout == new.server.head_timeout),
        ("server.drain_delay", old.server.drain_delay == new.server.drain_delay),
        ("server.drain", old.server.drain == new.server.drain),
        ("admin.listen", old.admin.listen == new.admin.listen),
        ("admin.tls", old.admin.tls == new.admin.tls),
        ("admin.token", old.admin.token == new.admin.token),
        ("admin.password", old.admin.password == new.admin.password),
        ("admin.session", old.admin.session == new.admin.session),
        ("admin.public_url", old.admin.public_url == new.admin.public_url),
        ("admin.cors_origins", old.admin.cors_origins == new.admin.cors_origins),
        ("admin.rate_limit", old.admin.rate_limit == new.admin.rate_limit),
        ("admin.second_factor", old.admin.second_factor == new.admin.second_factor),
        ("metrics.listen", old.metrics.listen == new.metrics.listen),
        ("log", old.log == new.log),
        ("database", old.database == new.database),
        ("redis", old.redis == new.redis),
        ("encryption", old.encryption == new.encryption),
        ("upstream.keepalive_pool", old.upstream.keepalive_pool == new.upstream.keepalive_pool),
        ("upstream.ca_files", old.upstream.ca_files == new.upstream.ca_files),
        ("call_log", old.call_log == new.call_log),
    ];
    pairs.iter().filter(|(_, same)| !same).map(|(path, _)| (*path).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    #[test]
    fn only_what_differs_and_is_read_once() {
        let old = Config::default();
        let mut new = old.clone();
        new.server.threads = 3;
        new.server.max_body = crate::units::Size::mib(1);
        new.database.url = Some(Secret::new("postgres://a"));
        assert_eq!(needs_restart(&old, &new), ["server.threads", "database"]);
        assert!(needs_restart(&new, &new).is_empty());
    }
}
