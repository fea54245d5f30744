//! One page of a list, in each provider's form.

use super::Listed;
use serde::Deserialize;

/// A form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    OpenAi,
    Anthropic,
    Gemini,
    Vertex,
    BedrockModels,
    BedrockProfiles,
}

/// What a page says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) models: Vec<Listed>,
    /// What asks for the next one.
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
struct OpenAi {
    data: Vec<OpenAiModel>,
}

#[derive(Deserialize)]
struct OpenAiModel {
    id: String,
    #[serde(default)]
    owned_by: Option<String>,
}

#[derive(Deserialize)]
struct Anthropic {
    data: Vec<AnthropicModel>,
    #[serde(default)]
    has_more: bool,
    #[serde(default)]
    last_id: Option<String>,
}

#[derive(Deserialize)]
struct AnthropicModel {
    id: String,
    #[serde(default)]
    display_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Google {
    /// An empty list is left out.
    #[serde(default, alias = "publisherModels")]
    models: Vec<GoogleModel>,
    #[serde(default)]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GoogleModel {
    name: String,
    #[serde(default)]
    display_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BedrockModels {
    model_summaries: Vec<BedrockModel>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BedrockModel {
    model_id: String,
    #[serde(default)]
    model_name: String,
    #[serde(default)]
    inference_types_supported: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BedrockProfiles {
    inference_profile_summaries: Vec<BedrockProfile>,
    #[serde(default)]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BedrockProfile {
    inference_profile_id: String,
    #[serde(default)]
    inference_profile_name: String,
}

impl Format {
    /// The parameter that asks for the next page.
    pub(super) const fn token(self) -> &'static str {
        match self {
            Self::Anthropic => "after_id",
            Self::BedrockModels | Self::BedrockProfiles => "nextToken",
            Self::OpenAi | Self::Gemini | Self::Vertex => "pageToken",
        }
    }

    /// Reads a page.
    pub(super) fn read(self, body: &[u8]) -> Result<Page, String> {
        let page = match self {
            Self::OpenAi => {
                // Some compatible servers give the bare list.
                let bare = body.trim_ascii_start().starts_with(b"[");
                let data = if bare { read(body)? } else { read::<OpenAi>(body)?.data };
                let model = |m: OpenAiModel| listed(m.id, m.owned_by.unwrap_or_default());
                Page { models: data.into_iter().map(model).collect(), next: None }
            }
            Self::Anthropic => {
                let list: Anthropic = read(body)?;
                let models = list.data.into_iter().map(|m| listed(m.id, m.display_name));
                Page { models: models.collect(), next: list.last_id.filter(|_| list.has_more) }
            }
            Self::Gemini | Self::Vertex => {
                let list: Google = read(body)?;
                let models = list.models.into_iter().map(|m| listed(short(&m.name), m.display_name));
                Page { models: models.collect(), next: list.next_page_token }
            }
            Self::BedrockModels => {
                let list: BedrockModels = read(body)?;
                // The others are called by a profile, or bought.
                let models = list.model_summaries.into_iter().filter(|m| {
                    m.inference_types_supported.is_empty()
                        || m.inference_types_supported.iter().any(|t| t == "ON_DEMAND")
                });
                Page { models: models.map(|m| listed(m.model_id, m.model_name)).collect(), next: None }
            }
            Self::BedrockProfiles => {
                let list: BedrockProfiles = read(body)?;
                let models = list.inference_profile_summaries.into_iter();
                let models = models.map(|p| listed(p.inference_profile_id, p.inference_profile_name));
                Page { models: models.collect(), next: list.next_token }
            }
        };
        Ok(Page { next: page.next.filter(|t| !t.is_empty()), ..page })
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|e| e.to_string())
}

fn listed(name: String, title: String) -> Listed {
    Listed { name, title }
}

/// `models/NAME` and `publishers/WHO/models/NAME` are called NAME.
fn short(resource: &str) -> String {
    let name = resource.strip_prefix("models/").or_else(|| resource.split_once("/models/").map(|(_, n)| n));
    name.unwrap_or(resource).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(format: Format, body: &str) -> (Vec<String>, Option<String>) {
        let page = format.read(body.as_bytes()).unwrap();
        (page.models.into_iter().map(|m| m.name).collect(), page.next)
    }

    #[test]
    fn each_form() {
        for (format, body, names, next) in [
            (
                Format::OpenAi,
                r#"{"object":"list","data":[{"id":"a","object":"model","owned_by":"x"},{"id":"b"}]}"#,
                &["a", "b"][..],
                None,
            ),
            (Format::OpenAi, r#" [{"id":"a"}]"#, &["a"], None),
            (
                Format::Anthropic,
                r#"{"data":[{"id":"c","display_name":"C"}],"has_more":true,"last_id":"c"}"#,
                &["c"],
                Some("c"),
            ),
            (Format::Anthropic, r#"{"data":[],"has_more":false,"last_id":"c"}"#, &[], None),
            (
                Format::Gemini,
                r#"{"models":[{"name":"models/g"},{"name":"tunedModels/t"}],"nextPageToken":"n"}"#,
                &["g", "tunedModels/t"],
                Some("n"),
            ),
            (
                Format::Vertex,
                r#"{"publisherModels":[{"name":"publishers/google/models/g"}],"nextPageToken":""}"#,
                &["g"],
                None,
            ),
            (Format::Gemini, "{}", &[], None),
            (
                Format::BedrockModels,
                r#"{"modelSummaries":[{"modelId":"a","inferenceTypesSupported":["ON_DEMAND"]},{"modelId":"b","inferenceTypesSupported":["INFERENCE_PROFILE"]}]}"#,
                &["a"],
                None,
            ),
            (
                Format::BedrockProfiles,
                r#"{"inferenceProfileSummaries":[{"inferenceProfileId":"eu.b","inferenceProfileName":"EU b","status":"ACTIVE"}],"nextToken":"t"}"#,
                &["eu.b"],
                Some("t"),
            ),
        ] {
            let names = names.iter().map(|n| (*n).to_owned()).collect();
            assert_eq!(page(format, body), (names, next.map(str::to_owned)), "{format:?}");
        }
        for format in [Format::OpenAi, Format::Anthropic, Format::BedrockModels, Format::BedrockProfiles] {
            assert!(format.read(b"<html>").is_err() && format.read(b"{}").is_err(), "{format:?}");
        }
    }
}
