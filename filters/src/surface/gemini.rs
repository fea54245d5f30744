//! Gemini's paths: `/{version}/models/{model}:{method}`. The model and whether the answer is a stream stand in them,
//! which other dialects say in the body.
//!
//! Source: <https://ai.google.dev/api/all-methods>; of Vertex AI, which Google's SDKs speak with the same bodies,
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/projects.locations.publishers.models>.

use super::{Dialect, Matched, NoMatch, Surface};
use crate::codec::gemini::Framing;
use http::Method;
use percent_encoding::percent_decode_str;

/// Longest name of a model.
const MAX_NAME: usize = 512;

/// What a path says of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The model: `NAME` of `models/NAME` and `publishers/google/models/NAME`, else with its collection
    /// (`tunedModels/NAME`) or publisher (`meta/NAME`).
    pub model: String,
    /// `streamGenerateContent`.
    pub stream: bool,
    /// How the stream is framed. The path does not tell: see [`Named::read_query`].
    pub framing: Framing,
}

/// `alt` asks for a format that there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAlt;

impl Named {
    /// Takes in `alt` of the query (`$alt`, as Google's system parameters may be written, too).
    ///
    /// # Errors
    /// Another value than `json` and `sse`.
    pub fn read_query(&mut self, query: Option<&str>) -> Result<(), UnknownAlt> {
        self.framing = Framing::Array;
        for (name, value) in query.unwrap_or_default().split('&').filter_map(|p| p.split_once('=')) {
            let is = |want: &str| name == want || percent_decode_str(name).eq(want.bytes());
            if !is("alt") && !is("$alt") {
                continue;
            }
            self.framing = match value {
                "sse" => Framing::Sse,
                "json" | "" => Framing::Array,
                _ => return Err(UnknownAlt),
            };
        }
        Ok(())
    }

    /// Is it the same model that a resource name in the body says (`models/NAME`, or the name alone)?
    pub fn is(&self, resource: &str) -> bool {
        self.model == resource || model_of(resource).as_deref() == Some(&*self.model)
    }
}

/// The name of a model at Google, in its collection.
pub fn resource(model: &str) -> String {
    match model.split_once('/') {
        Some(("models" | "tunedModels" | "publishers" | "projects", _)) => model.to_owned(),
        _ => ["models/", model].concat(),
    }
}

/// Is the path one that only Gemini's clients ask for?
pub(super) fn is_own(method: &Method, path: &str) -> bool {
    let Some((version, rest)) = split(path) else { return false };
    version != "v1"
        || rest.starts_with("projects/")
        || rest.starts_with("publishers/")
        || (*method == Method::POST && in_collection(rest) && rest.contains(':'))
}

fn in_collection(rest: &str) -> bool {
    rest.starts_with("models/") || rest.starts_with("tunedModels/")
}

/// Version and what follows it.
fn split(path: &str) -> Option<(&str, &str)> {
    let (version, rest) = path.strip_prefix('/')?.split_once('/').unwrap_or((path.get(1..)?, ""));
    matches!(version, "v1" | "v1beta" | "v1beta1" | "v1alpha").then_some((version, rest))
}

/// Finds the surface; None: not one of Gemini's paths.
pub(super) fn find<'a>(method: &Method, path: &'a str) -> Option<Result<Matched<'a>, NoMatch>> {
    let (version, rest) = split(path)?;
    if let Some((surface, named)) = call(rest) {
        return Some(match (*method == Method::POST, named) {
            (_, None) => Err(NoMatch::Path),
            (false, _) => Err(NoMatch::Method("POST")),
            (true, named) => Ok(Matched { surface, dialect: Dialect::Gemini, id: None, named }),
        });
    }
    let own = is_own(method, path);
    if version == "v1" {
        // The lists of models are everybody's.
        return own.then_some(Err(NoMatch::Path));
    }
    if *method == Method::POST && in_collection(rest) && rest.contains(':') {
        // A method that there is not.
        return Some(Err(NoMatch::Path));
    }
    let id = match rest {
        "models" => None,
        _ => match rest.strip_prefix("models/") {
            Some(id) if !id.is_empty() => Some(id),
            _ if rest.len() > "tunedModels/".len() && in_collection(rest) => Some(rest),
            _ => return Some(Err(NoMatch::Path)),
        },
    };
    if *method != Method::GET {
        return Some(Err(NoMatch::Method("GET")));
    }
    Some(Ok(Matched { surface: Surface::Models, dialect: Dialect::Gemini, id, named: None }))
}

/// A method of a model. The inner None: the model has no name that could be one.
fn call(rest: &str) -> Option<(Surface, Option<Named>)> {
    let decoded = percent_decode_str(rest).decode_utf8().ok()?;
    let (resource, verb) = decoded.rsplit_once(':')?;
    let (surface, stream) = match verb {
        "generateContent" => (Surface::Generate, false),
        "streamGenerateContent" => (Surface::Generate, true),
        "countTokens" => (Surface::GeminiCountTokens, false),
        "embedContent" => (Surface::GeminiEmbed, false),
        "batchEmbedContents" => (Surface::GeminiBatchEmbed, false),
        _ => return None,
    };
    let named = model_of(resource).map(|model| Named { model, stream, framing: Framing::Array });
    Some((surface, named))
}

/// The model of a resource name.
fn model_of(resource: &str) -> Option<String> {
    let mut rest = resource;
    if let Some(project) = rest.strip_prefix("projects/") {
        let (_, location) = project.split_once('/')?;
        (_, rest) = location.strip_prefix("locations/")?.split_once('/')?;
    }
    let name = if let Some(name) = rest.strip_prefix("models/") {
        name.to_owned()
    } else if rest.starts_with("tunedModels/") {
        rest.to_owned()
    } else {
        let (publisher, name) = rest.strip_prefix("publishers/")?.split_once("/models/")?;
        if publisher == "google" { name.to_owned() } else { [publisher, "/", name].concat() }
    };
    is_name(&name).then_some(name)
}

/// A model's name goes into a path at the provider: nothing that a server could take for a way to another path may be
/// in one.
fn is_name(name: &str) -> bool {
    let segment = |s: &str| !s.is_empty() && s.bytes().any(|c| c != b'.');
    let fits = |c: char| !c.is_control() && !matches!(c, '\\' | '?' | '#' | '%');
    name.len() <= MAX_NAME && name.chars().all(fits) && name.split('/').all(segment)
}

#[cfg(test)]
mod tests;
