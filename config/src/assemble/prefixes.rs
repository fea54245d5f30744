//! Well-known names of models → the provider of their kind, without an entry in `models`.

use crate::model::ProviderKind;
use crate::models::{Model, Route};
use crate::snapshot::Provider;
use std::sync::Arc;

/// Names, and the kinds that may serve them: the first that has a provider. Azure and Bedrock have names of their own
/// and need entries.
const PREFIXES: [(&str, &[ProviderKind]); 8] = [
    ("gpt-*", &[ProviderKind::Openai]),
    ("o1*", &[ProviderKind::Openai]),
    ("o3*", &[ProviderKind::Openai]),
    ("o4*", &[ProviderKind::Openai]),
    ("chatgpt-*", &[ProviderKind::Openai]),
    ("text-embedding-*", &[ProviderKind::Openai]),
    ("claude-*", &[ProviderKind::Anthropic]),
    ("gemini-*", &[ProviderKind::Gemini, ProviderKind::Vertex]),
];

/// The models that `routing.prefixes` stands for. With two enabled providers of a kind there is no telling which is
/// meant: neither.
pub(super) fn models(providers: &imbl::HashMap<Arc<str>, Arc<Provider>>) -> Vec<Model> {
    let only = |kind: ProviderKind| {
        let mut of_kind = providers.values().filter(|p| p.enabled && p.kind == kind);
        match (of_kind.next(), of_kind.next()) {
            (None, _) => Found::None,
            (Some(p), None) => Found::One(p.name.clone()),
            (Some(_), Some(_)) => Found::Several,
        }
    };
    let model = |(name, kinds): &(&str, &[ProviderKind])| {
        let found = kinds.iter().map(|k| only(*k)).find(|f| !matches!(f, Found::None))?;
        let Found::One(provider) = found else { return None };
        let route = Route { provider, model: None, weight: 1 };
        Some(Model { name: (*name).into(), routes: vec![route], managed: true, charge: None })
    };
    PREFIXES.iter().filter_map(model).collect()
}

enum Found {
    None,
    One(Arc<str>),
    Several,
}
