//! `GET /v1/models` and `GET /v1/models/{id}` in the client's dialect.
//!
//! OpenAI <https://platform.openai.com/docs/api-reference/models>; Anthropic
//! <https://docs.anthropic.com/en/api/models-list> (pages by `limit`, `before_id`, `after_id`); Gemini: [`gemini`].

mod gemini;

use crate::exchange::Exchange;
use crate::filter::access::{is_visible, no_such_model, visible_models};
use crate::rejection::{ErrorKind, Rejection};
use crate::surface::Dialect;
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde::Serialize;

/// Anthropic's page size, unless the client says otherwise, and at most.
const PAGE: usize = 20;
const MAX_PAGE: usize = 1000;

/// The answer to a call of [`crate::surface::Surface::Models`] that has passed the chain: a JSON body, or the 404 of
/// the dialect. Only models that the key may use are in it.
pub fn answer(x: &Exchange, query: Option<&str>) -> Result<Bytes, Rejection> {
    match (&x.path_id, x.dialect) {
        (Some(id), _) if !is_visible(x, id) => {
            Err(no_such_model(id, x.dialect, "is not visible to this key"))
        }
        (Some(id), Dialect::Gemini) => gemini::one(x, id),
        (None, Dialect::Gemini) => gemini::list(x, query.unwrap_or_default()),
        (Some(id), Dialect::Anthropic) => Ok(json(&Anthropic::new(id))),
        (Some(id), _) => Ok(json(&OpenAi::new(id))),
        (None, Dialect::Anthropic) => anthropic_list(x, query.unwrap_or_default()),
        (None, _) => {
            let models = visible_models(x);
            let data = models.iter().map(|m| OpenAi::new(&m.name)).collect();
            Ok(json(&OpenAiList { object: "list", data }))
        }
    }
}

#[derive(Serialize)]
struct OpenAiList<'a> {
    object: &'static str,
    data: Vec<OpenAi<'a>>,
}

#[derive(Serialize)]
struct OpenAi<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    owned_by: &'static str,
}

impl<'a> OpenAi<'a> {
    /// When a model was made is not known here (the epoch), and who serves it is nobody's business.
    const fn new(id: &'a str) -> Self {
        Self { id, object: "model", created: 0, owned_by: "system" }
    }
}

#[derive(Serialize)]
struct AnthropicList<'a> {
    data: Vec<Anthropic<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Anthropic<'a> {
    r#type: &'static str,
    id: &'a str,
    display_name: &'a str,
    /// "May be set to an epoch value if the release date is unknown."
    created_at: &'static str,
    lifecycle: &'static str,
}

impl<'a> Anthropic<'a> {
    const fn new(id: &'a str) -> Self {
        Self {
            r#type: "model",
            id,
            display_name: id,
            created_at: "1970-01-01T00:00:00Z",
            lifecycle: "active",
        }
    }
}

/// One page. A cursor that is not in the list is a 400, as at Anthropic.
fn anthropic_list(x: &Exchange, query: &str) -> Result<Bytes, Rejection> {
    let page = Page::read(query)?;
    let models = visible_models(x);
    let place = |param: &str, id: &str| {
        models.iter().position(|m| *m.name == *id).ok_or_else(|| bad(param, "there is no such model"))
    };
    // After a cursor the page begins; before a cursor it ends.
    let (from, to) = match (&page.after, &page.before) {
        (Some(id), _) => {
            let from = place("after_id", id)? + 1;
            (from, (from + page.limit).min(models.len()))
        }
        (None, Some(id)) => {
            let to = place("before_id", id)?;
            (to.saturating_sub(page.limit), to)
        }
        (None, None) => (0, page.limit.min(models.len())),
    };
    let has_more = if page.after.is_none() && page.before.is_some() { from > 0 } else { to < models.len() };
    let data: Vec<_> = models[from..to].iter().map(|m| Anthropic::new(&m.name)).collect();
    let (first_id, last_id) = (data.first().map(|m| m.id), data.last().map(|m| m.id));
    Ok(json(&AnthropicList { has_more, first_id, last_id, data }))
}

struct Page {
    limit: usize,
    before: Option<String>,
    after: Option<String>,
}

impl Page {
    fn read(query: &str) -> Result<Self, Rejection> {
        let mut page = Self { limit: PAGE, before: None, after: None };
        for (name, value) in query.split('&').filter_map(|p| p.split_once('=')) {
            let text = || percent_decode_str(value).decode_utf8_lossy().into_owned();
            match name {
                "limit" => {
                    let n = value.parse().ok().filter(|n| (1..=MAX_PAGE).contains(n));
                    page.limit = n.ok_or_else(|| bad("limit", "must be a number from 1 to 1000"))?;
                }
                "before_id" => page.before = Some(text()),
                "after_id" => page.after = Some(text()),
                _ => {}
            }
        }
        if page.before.is_some() && page.after.is_some() {
            return Err(bad("after_id", "cannot be given together with before_id"));
        }
        Ok(page)
    }
}

fn bad(param: &str, what: &str) -> Rejection {
    Rejection::client(ErrorKind::InvalidRequest, "invalid_parameter", format!("{param}: {what}")).param(param)
}

/// These types always serialise.
fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

#[cfg(test)]
mod tests;
