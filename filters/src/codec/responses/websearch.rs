//! Another vendor's web search as this format's: the tool of a request, the call in an answer.

use super::encode_items::field;
use super::json::{Str, object};
use crate::ir::block::ServerKind;
use crate::ir::{Losses, Origin, Raw, Spot};
use serde::Serialize;
use serde_json::value::RawValue;

object! {
    /// Anthropic's `web_search_*` tool.
    Theirs {
        kind "type": Str<'de>,
        name "name": Str<'de>,
        allowed_domains "allowed_domains": &'de RawValue,
        user_location "user_location": &'de RawValue,
    }
}

/// `web_search`.
#[derive(Serialize)]
pub(super) struct Out {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    filters: Option<Filters>,
    /// The same members at both vendors: `type`, `city`, `region`, `country`, `timezone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_location: Option<Raw>,
}

#[derive(Serialize)]
struct Filters {
    allowed_domains: Raw,
}

/// The tool; None: it is no web search.
pub(super) fn tool(
    kind: ServerKind,
    origin: Origin,
    raw: &Raw,
    at: &Spot,
    losses: &mut Losses,
) -> Option<Out> {
    if kind != ServerKind::WebSearch {
        return None;
    }
    let mut out = Out { r#type: "web_search", filters: None, user_location: None };
    if origin == Origin::Anthropic {
        let t: Theirs<'_> = serde_json::from_str(raw.text()).ok()?;
        let own = |v: &RawValue| Raw(v.to_owned());
        out.filters = t.allowed_domains.map(|d| Filters { allowed_domains: own(d) });
        out.user_location = t.user_location.map(own);
        for (key, _) in t.rest {
            // How often it may search and where a cache point is change the cost, where it may search the answer.
            match &*key {
                "max_uses" | "cache_control" => {
                    losses.hint(field(at, &key), "the provider's web search has no such setting");
                }
                _ => losses.add(field(at, &key), "the provider's web search has no such setting"),
            }
        }
    }
    Some(out)
}

/// The words searched for, of another vendor's call (`{"input":{"query":"…"}}`); None: it is a result.
pub(super) fn query(raw: &Raw) -> Option<String> {
    object! {
        Call { input "input": Input<'de> }
    }
    object! {
        Input { query "query": Str<'de> }
    }
    let call: Call<'_> = serde_json::from_str(raw.text()).ok()?;
    call.input?.query.map(Str::into_string)
}
