//! Redis: its address, without asking it.

use super::Judge;
use super::sections::pem;
use crate::model::{Config, Duration};
use sallyport_schema::redis::{self, RedisError};

pub(super) fn check(c: &Config, judge: &mut Judge<'_>) {
    let r = &c.redis;
    if let Some(file) = &r.ca_file {
        pem(file, "redis.ca_file", judge);
    }
    match &r.url {
        Some(url) => {
            let authorities = r.ca_file.as_ref().and_then(|file| std::fs::read(file).ok());
            match redis::check(url.expose(), authorities) {
                Ok(()) => {}
                Err(e @ RedisError::BadAuthorities(_)) => judge.error("redis.ca_file", e.to_string()),
                Err(e) => judge.error("redis.url", e.to_string()),
            }
        }
        None if r.ca_file.is_some() => judge.warn("redis.ca_file", "is not used: redis.url is not set"),
        None => {}
    }
    if !c.database.listen && r.url.is_none() {
        judge.error("database.listen", "without it changes are heard by Redis alone: set redis.url");
    }
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    if r.prefix.is_empty() || r.prefix.len() > 64 || !r.prefix.chars().all(word) {
        judge.error("redis.prefix", "write a word of 1 to 64 letters, digits, _ - . and :");
    }
    for (path, time) in
        [("redis.connect_timeout", r.connect_timeout), ("redis.command_timeout", r.command_timeout)]
    {
        if time.get().is_zero() || time > Duration::secs(60) {
            judge.error(path, "must be more than 0 and at most 60s");
        }
    }
}
