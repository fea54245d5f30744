//! The query string of `GET /api/calls`.

use crate::problem::Problem;
use sallyport_schema::log_store::{CallFilter, Cursor, PAGE_MAX};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::IntoParams;
use uuid::Uuid;

/// Calls on a page, unless asked for.
const DEFAULT_LIMIT: u32 = 50;

/// Characters of a text parameter, at most.
const MAX_TEXT: usize = 200;

/// Filters and paging. What is not known is refused: a mistyped filter must not mean "everything".
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallQuery {
    /// A virtual key: its id, or its prefix as the log shows it.
    #[param(min_length = 1, max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f\\ufffd]+$")]
    pub(super) key: Option<String>,
    /// The model that was asked for.
    #[param(min_length = 1, max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f\\ufffd]+$")]
    pub(super) model: Option<String>,
    /// A user or service account, by id: the owner of the key.
    #[param(value_type = Option<Uuid>)]
    pub(super) user: Option<String>,
    /// A team, by id.
    #[param(value_type = Option<Uuid>)]
    pub(super) team: Option<String>,
    /// A tag that the key had then.
    #[param(min_length = 1, max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f\\ufffd]+$")]
    pub(super) tag: Option<String>,
    /// The provider of the last attempt.
    #[param(min_length = 1, max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f\\ufffd]+$")]
    pub(super) provider: Option<String>,
    /// A status (`429`) or a class of them (`4xx`).
    #[param(pattern = "^[1-5]([0-9][0-9]|xx)$", example = "4xx")]
    pub(super) status: Option<String>,
    /// A surface: `chat`, `messages`, …
    #[param(min_length = 1, max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f\\ufffd]+$")]
    pub(super) surface: Option<String>,
    /// Calls that started at this instant or later (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    pub(super) from: Option<String>,
    /// Calls that started before this instant (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    pub(super) to: Option<String>,
    /// Calls on a page.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 50)]
    pub(super) limit: Option<String>,
    /// `next` of the page before.
    #[param(pattern = "^[A-Za-z0-9_-]{32}$")]
    pub(super) cursor: Option<String>,
}

impl CallQuery {
    /// What to ask of the log.
    pub(super) fn read(self) -> Result<(CallFilter, Option<Cursor>), Problem> {
        let mut filter = CallFilter {
            limit: self.limit.map_or(Ok(DEFAULT_LIMIT), |l| limit(&l))?,
            model: self.model.map(|m| text("model", m)).transpose()?,
            user_id: self.user.map(|id| uuid("user", &id)).transpose()?,
            team_id: self.team.map(|id| uuid("team", &id)).transpose()?,
            tag: self.tag.map(|t| text("tag", t)).transpose()?,
            provider: self.provider.map(|p| text("provider", p)).transpose()?,
            surface: self.surface.map(|s| text("surface", s)).transpose()?,
            from: self.from.map(|t| instant("from", &t)).transpose()?,
            to: self.to.map(|t| instant("to", &t)).transpose()?,
            ..CallFilter::default()
        };
        match self.status.map(|s| status(&s)).transpose()? {
            Some(Status::Exact(status)) => filter.status = Some(status),
            Some(Status::Class(class)) => filter.status_class = Some(class),
            None => {}
        }
        if let Some(key) = self.key.map(|k| text("key", k)).transpose()? {
            match key.parse::<Uuid>() {
                Ok(id) => filter.key_id = Some(id),
                Err(_) => filter.key_prefix = Some(key),
            }
        }
        let after = self.cursor.map(|c| c.parse().map_err(|_| bad_cursor()));
        Ok((filter, after.transpose()?))
    }
}

/// Not a place in the log.
pub(super) fn bad_cursor() -> Problem {
    bad("cursor is not one that this API gave; leave it out to begin with the newest")
}

pub(super) fn bad(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::bad_request("bad_parameter", detail)
}

/// A text that the store can compare with.
pub(super) fn text(name: &str, value: String) -> Result<String, Problem> {
    if !(1..=MAX_TEXT).contains(&value.chars().count()) {
        return Err(bad(format!("{name} must have 1 to {MAX_TEXT} characters")));
    }
    // U+FFFD stands where the client sent bytes that are no UTF-8.
    if value.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
        return Err(bad(format!("{name} must be UTF-8 without control characters")));
    }
    Ok(value)
}

fn uuid(name: &str, text: &str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| bad(format!("{name} must be an id (UUID)")))
}

fn limit(text: &str) -> Result<u32, Problem> {
    match text.parse() {
        Ok(n @ 1..=PAGE_MAX) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(n),
        _ => Err(bad(format!("limit must be a number from 1 to {PAGE_MAX}"))),
    }
}

enum Status {
    Exact(u16),
    /// 4 for 4xx.
    Class(u8),
}

fn status(text: &str) -> Result<Status, Problem> {
    let read = match text.as_bytes() {
        [class @ b'1'..=b'5', b'x', b'x'] => Some(Status::Class(class - b'0')),
        [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] => text.parse().ok().map(Status::Exact),
        _ => None,
    };
    read.ok_or_else(|| bad("status must be a status such as 429 or a class such as 4xx"))
}

fn instant(name: &str, text: &str) -> Result<OffsetDateTime, Problem> {
    // A `+` that was not escaped arrives as a space.
    OffsetDateTime::parse(&text.replace(' ', "+"), &Rfc3339)
        .map_err(|_| bad(format!("{name} must be a time such as 2026-01-31T12:00:00Z")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn read(query: &str) -> Result<(CallFilter, Option<Cursor>), String> {
        let uri: http::Uri = format!("/api/calls?{query}").parse().unwrap();
        let query: axum::extract::Query<CallQuery> =
            axum::extract::Query::try_from_uri(&uri).map_err(|e| e.body_text())?;
        query.0.read().map_err(|p| serde_json::to_value(&p).unwrap()["detail"].as_str().unwrap().to_owned())
    }

    #[test]
    fn every_filter_is_read() {
        let id = Uuid::now_v7();
        let (f, after) = read(&format!(
            "key={id}&user={id}&team={id}&tag=blue&provider=openai&model=gpt-5&status=4xx&surface=chat&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00+02:00&limit=7"
        ))
        .unwrap();
        let want = CallFilter {
            key_id: Some(id),
            key_prefix: None,
            model: Some("gpt-5".into()),
            user_id: Some(id),
            team_id: Some(id),
            tag: Some("blue".into()),
            provider: Some("openai".into()),
            status: None,
            status_class: Some(4),
            surface: Some("chat".into()),
            from: Some(datetime!(2026-01-01 0:00 UTC)),
            to: Some(datetime!(2026-01-01 22:00 UTC)),
            limit: 7,
            visible: None,
        };
        assert_eq!((f, after), (want, None));
        let (f, _) = read("key=sp-AbCd&status=429").unwrap();
        assert_eq!(f.key_prefix.as_deref(), Some("sp-AbCd"));
        assert_eq!((f.status, f.limit), (Some(429), DEFAULT_LIMIT));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for bad in [
            "modell=x",
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=%2B5",
            "limit=x",
            "limit=",
            "status=600",
            "status=4x",
            "status=42",
            "status=",
            "from=yesterday",
            "to=2026-01-01",
            "cursor=x",
            "cursor=",
            "key=",
            "model=a%00b",
            "tag=",
            "user=me",
            "team=",
            "surface=a%0Ab",
            "status=4xx&status=5xx",
        ] {
            let e = read(bad);
            assert!(e.is_err(), "{bad}: {e:?}");
        }
        assert!(read(&format!("model={}", "x".repeat(201))).is_err());
    }
}
