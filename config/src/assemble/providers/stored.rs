//! A stored provider, as if it had been written in YAML: one form, one set of rules.
//!
//! A row has columns for what every provider has, `settings` for the other fields of YAML's provider, and `secrets`,
//! an envelope of the same form, for those of its fields that are secret. The latter is laid over the former.

use crate::model::{Provider, ProviderKind};
use sallyport_schema::envelope::{KeyRing, PROVIDER_API_KEY, PROVIDER_SECRETS, SealedColumn};
use sallyport_schema::rows::ProviderRow;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroizing;

/// Fields of a provider that have a column.
const COLUMNS: [&str; 5] = ["name", "kind", "base_url", "api_key", "enabled"];

/// Never serde's own words: they may quote a secret.
const FORM: &str = "settings do not have the expected form";

/// The provider that a row means.
///
/// # Errors
/// It cannot be read: an envelope of another key, settings of another form. Quotes no secret.
pub fn written(row: &ProviderRow, keyring: &KeyRing) -> Result<Provider, String> {
    let mut whole = match &row.settings {
        Value::Null => Map::new(),
        Value::Object(map) => map.clone(),
        _ => return Err(FORM.into()),
    };
    if COLUMNS.iter().any(|c| whole.contains_key(*c)) {
        return Err(FORM.into());
    }
    let kind = ProviderKind::deserialize(Value::from(row.kind.as_str()))
        .map_err(|_| format!("unknown kind `{}`", row.kind))?;
    whole.insert("name".into(), Value::from(row.name.as_str()));
    whole.insert("kind".into(), Value::from(kind.word()));
    let open = decode(whole.clone());
    let secrets = match &row.secrets {
        None => Map::new(),
        Some(sealed) => object(&opened(row, PROVIDER_SECRETS, sealed, keyring)?)?,
    };
    // What is sealed may be needed for the form to be whole: only with nothing sealed must it be whole at once.
    let clear = open.ok().map(|p| p.settings());
    if let Some((field, _)) = clear.as_ref().and_then(|s| s.secrets().into_iter().next()) {
        return Err(format!("{field} stands in the settings in clear; it belongs into the sealed `secrets`"));
    }
    lay_over(&mut whole, secrets);
    let mut p = decode(whole)?;
    p.base_url = match row.base_url.as_str() {
        "" => None,
        text => Some(Url::parse(text).map_err(|_| "base_url is not a URL".to_owned())?),
    };
    p.enabled = row.enabled;
    if let Some(sealed) = &row.api_key {
        let key = opened(row, PROVIDER_API_KEY, sealed, keyring)?;
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("its API key is not visible ASCII text".into());
        }
        p.api_key = Some(crate::model::Secret::new(key.as_str()));
    }
    Ok(p)
}

fn decode(map: Map<String, Value>) -> Result<Provider, String> {
    Provider::deserialize(Value::Object(map)).map_err(|_| FORM.to_owned())
}

fn opened(
    row: &ProviderRow,
    column: SealedColumn,
    sealed: &[u8],
    keyring: &KeyRing,
) -> Result<Zeroizing<String>, String> {
    let what = if column == PROVIDER_API_KEY { "its API key" } else { "its secrets" };
    let opened =
        keyring.open(&column.place(row.id), sealed).map_err(|e| format!("{what} cannot be read: {e}"))?;
    let text = std::str::from_utf8(&opened).map_err(|_| format!("{what}: not text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|_| "its secrets do not have the expected form".to_owned())
}

/// Maps merge, all else replaces.
fn lay_over(below: &mut Map<String, Value>, above: Map<String, Value>) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Object(inner)), Value::Object(over)) => lay_over(inner, over),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}
