//! `GET /v1beta/models` and `GET /v1beta/models/{id}` in Gemini's shape <https://ai.google.dev/api/models>, in pages by
//! `pageSize` and `pageToken`.

use super::{bad, json};
use crate::exchange::Exchange;
use crate::filter::access::visible_models;
use crate::rejection::Rejection;
use crate::selector;
use crate::surface::{Surface, resource};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use sallyport_config::models::Model;
use serde::Serialize;

/// Google's page size, unless the client says otherwise, and at most ("even if a larger one is passed").
const PAGE: usize = 50;
const MAX_PAGE: usize = 1000;

/// Surfaces, and what Google calls the method.
const METHODS: [(Surface, &str); 4] = [
    (Surface::Generate, "generateContent"),
    (Surface::GeminiCountTokens, "countTokens"),
    (Surface::GeminiEmbed, "embedContent"),
    (Surface::GeminiBatchEmbed, "batchEmbedContents"),
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    models: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// What is not known here (versions, limits) is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    name: String,
    display_name: &'a str,
    supported_generation_methods: Vec<&'static str>,
}

fn entry<'a>(x: &Exchange, name: &'a str, model: &Model) -> Entry<'a> {
    let can = METHODS.into_iter().filter(|(surface, _)| selector::speaks(model, &x.snapshot, *surface));
    Entry {
        name: resource(name),
        display_name: name,
        supported_generation_methods: can.map(|(_, method)| method).collect(),
    }
}

/// One model that the key may use.
pub(super) fn one(x: &Exchange, id: &str) -> Result<Bytes, Rejection> {
    match x.snapshot.models.find(id) {
        Some(model) => Ok(json(&entry(x, id, model))),
        None => Err(super::no_such_model(id, x.dialect, "does not exist")),
    }
}

/// One page. Tokens are names: a model that has gone since does not break the list.
pub(super) fn list(x: &Exchange, query: &str) -> Result<Bytes, Rejection> {
    let (size, after) = page(query)?;
    let all = visible_models(x);
    let from = after.map_or(0, |after| all.partition_point(|m| *m.name <= *after));
    let to = (from + size).min(all.len());
    let models = all[from..to].iter().map(|m| entry(x, &m.name, m)).collect();
    let last = all[from..to].last().filter(|_| to < all.len());
    let next_page_token = last.map(|m| URL_SAFE_NO_PAD.encode(&*m.name));
    Ok(json(&List { models, next_page_token }))
}

fn page(query: &str) -> Result<(usize, Option<String>), Rejection> {
    let (mut size, mut after) = (PAGE, None);
    for (name, value) in query.split('&').filter_map(|p| p.split_once('=')) {
        match name {
            "pageSize" | "page_size" => {
                size = match value.parse::<i64>() {
                    Ok(0) => PAGE,
                    Ok(n) if n > 0 => usize::try_from(n).unwrap_or(MAX_PAGE).min(MAX_PAGE),
                    _ => return Err(bad("pageSize", "must be a number, and not below 0")),
                };
            }
            "pageToken" | "page_token" if !value.is_empty() => {
                let text = percent_decode_str(value).decode_utf8_lossy();
                let name = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
                let name = name.and_then(|n| String::from_utf8(n).ok());
                after = Some(name.ok_or_else(|| bad("pageToken", "is none of this list"))?);
            }
            _ => {}
        }
    }
    Ok((size, after))
}
