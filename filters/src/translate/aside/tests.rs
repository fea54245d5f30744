use super::*;

#[test]
fn nobody_else_has_them() {
    let way = |kind, surface| way(kind, "m", surface);
    assert_eq!(way(ProviderKind::Anthropic, Surface::GeminiEmbed), None);
    assert_eq!(way(ProviderKind::Openai, Surface::Generate), None);
    assert_eq!(way(ProviderKind::Openai, Surface::Rerank), None);
}
