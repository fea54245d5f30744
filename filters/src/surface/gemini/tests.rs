use super::super::{find as find_any, told_in};
use super::*;

fn at(method: &str, path: &str) -> Result<(Surface, Option<(String, bool)>), NoMatch> {
    let m = find_any(&method.parse().unwrap(), path, Dialect::OpenAi)?;
    assert_eq!(m.dialect, Dialect::Gemini, "{path}");
    Ok((m.surface, m.named.map(|n| (n.model, n.stream))))
}

#[test]
fn every_method_in_every_version() {
    for version in ["v1", "v1beta", "v1beta1", "v1alpha"] {
        for (verb, surface, stream) in [
            ("generateContent", Surface::Generate, false),
            ("streamGenerateContent", Surface::Generate, true),
            ("countTokens", Surface::GeminiCountTokens, false),
            ("embedContent", Surface::GeminiEmbed, false),
            ("batchEmbedContents", Surface::GeminiBatchEmbed, false),
        ] {
            for (resource, model) in [
                ("models/gemini-2.5-flash", "gemini-2.5-flash"),
                ("models/org/name", "org/name"),
                ("models/org%2Fname", "org/name"),
                ("models/ft:gpt-4o:org::id", "ft:gpt-4o:org::id"),
                ("models/gpt%20x%3By", "gpt x;y"),
                ("tunedModels/mine-1", "tunedModels/mine-1"),
                ("publishers/google/models/gemini-3-pro", "gemini-3-pro"),
                ("publishers/meta/models/llama-4", "meta/llama-4"),
                ("projects/p-1/locations/us-central1/publishers/google/models/gemini-3-pro", "gemini-3-pro"),
            ] {
                let path = format!("/{version}/{resource}:{verb}");
                assert_eq!(at("POST", &path), Ok((surface, Some((model.to_owned(), stream)))), "{path}");
                assert_eq!(at("GET", &path), Err(NoMatch::Method("POST")), "{path}");
            }
        }
    }
}

/// A way around access: a name that a server reads as another one, or as another path.
#[test]
fn a_name_cannot_lead_to_another_path() {
    for name in [
        "",
        ".",
        "..",
        "%2e%2e",
        "a/../b",
        "a%2F..%2Fb",
        "a%2f%2e%2e%2fb",
        "a//b",
        "/a",
        "a/",
        "a\\b",
        "a%5Cb",
        "a%00",
        "a%0D%0Ab",
        "a%3Fkey=x",
        "a%23b",
        "%252e%252e",
        "a%252Fb",
    ] {
        for path in [
            format!("/v1beta/models/{name}:generateContent"),
            format!("/v1/models/{name}:generateContent"),
            format!("/v1beta/tunedModels/{name}:generateContent"),
            format!("/v1beta1/publishers/google/models/{name}:generateContent"),
        ] {
            assert_eq!(at("POST", &path), Err(NoMatch::Path), "{path}");
        }
    }
    // No UTF-8.
    assert_eq!(at("POST", "/v1beta/models/a%ff:generateContent"), Err(NoMatch::Path));
    let long = "x".repeat(MAX_NAME + 1);
    assert_eq!(at("POST", &format!("/v1beta/models/{long}:generateContent")), Err(NoMatch::Path));
}

#[test]
fn lists_and_unknown_paths() {
    let model = |path| {
        let m = find_any(&Method::GET, path, Dialect::OpenAi).unwrap();
        assert_eq!((m.surface, m.dialect), (Surface::Models, Dialect::Gemini), "{path}");
        m.id
    };
    assert_eq!(model("/v1beta/models"), None);
    assert_eq!(model("/v1beta/models/gemini-3-pro"), Some("gemini-3-pro"));
    assert_eq!(model("/v1beta/models/org%2Fx"), Some("org%2Fx"));
    assert_eq!(model("/v1beta/tunedModels/x"), Some("tunedModels/x"));
    for (method, path, want) in [
        ("DELETE", "/v1beta/models/x", NoMatch::Method("GET")),
        ("POST", "/v1beta/models", NoMatch::Method("GET")),
        ("POST", "/v1beta/models/x", NoMatch::Method("GET")),
        ("POST", "/v1beta/models/x:embedText", NoMatch::Path),
        ("POST", "/v1/models/x:embedText", NoMatch::Path),
        ("POST", "/v1/models/x", NoMatch::Method("GET")),
        ("GET", "/v1beta", NoMatch::Path),
        ("GET", "/v1beta/", NoMatch::Path),
        ("GET", "/v1beta/models/", NoMatch::Path),
        ("POST", "/v1beta/cachedContents", NoMatch::Path),
        ("POST", "/v1beta/chat/completions", NoMatch::Path),
        ("POST", "/v1beta2/models/x:generateContent", NoMatch::Path),
        ("POST", "/v1/publishers/google/models/x:predict", NoMatch::Path),
        ("POST", "/v1/projects/p/locations/x:generateContent", NoMatch::Path),
    ] {
        assert_eq!(at(method, path), Err(want), "{method} {path}");
    }
    // GET /v1/models is everybody's: the client's headers tell.
    for spoken in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini] {
        for path in ["/v1/models", "/v1/models/x"] {
            let m = find_any(&Method::GET, path, spoken).unwrap();
            assert_eq!((m.surface, m.dialect), (Surface::Models, spoken), "{path}");
        }
    }
}

#[test]
fn errors_of_unknown_paths_are_told_in_the_clients_words() {
    for (method, path, want) in [
        ("GET", "/v1beta/nothing", Dialect::Gemini),
        ("GET", "/v1beta", Dialect::Gemini),
        ("POST", "/v1/models/x:embedText", Dialect::Gemini),
        ("DELETE", "/v1/models/ft:gpt-4o:org::id", Dialect::OpenAi),
        ("POST", "/v1/nothing", Dialect::OpenAi),
        ("POST", "/v1betatron/x", Dialect::OpenAi),
    ] {
        assert_eq!(told_in(&method.parse().unwrap(), path, Dialect::OpenAi), want, "{method} {path}");
    }
    assert_eq!(told_in(&Method::GET, "/nothing", Dialect::Anthropic), Dialect::Anthropic);
    assert_eq!(told_in(&Method::GET, "/nothing", Dialect::Gemini), Dialect::Gemini);
}

#[test]
fn alt_tells_the_framing() {
    let framing = |query| {
        let mut n = Named { model: "m".into(), stream: true, framing: Framing::Array };
        n.read_query(query).map(|()| n.framing)
    };
    for query in [None, Some(""), Some("alt=json"), Some("key=x&balt=sse"), Some("alt=")] {
        assert_eq!(framing(query), Ok(Framing::Array), "{query:?}");
    }
    for query in ["alt=sse", "key=x&alt=sse", "$alt=sse", "%24alt=sse&x"] {
        assert_eq!(framing(Some(query)), Ok(Framing::Sse), "{query}");
    }
    for query in ["alt=proto", "alt=media"] {
        assert_eq!(framing(Some(query)), Err(UnknownAlt), "{query}");
    }
}

#[test]
fn names_in_bodies() {
    let named = |model: &str| Named { model: model.into(), stream: false, framing: Framing::Array };
    assert!(named("x").is("models/x") && named("x").is("x") && named("org/x").is("models/org/x"));
    assert!(named("x").is("projects/p/locations/l/publishers/google/models/x"));
    assert!(named("tunedModels/x").is("tunedModels/x"));
    assert!(
        !named("x").is("models/y") && !named("x").is("tunedModels/x") && !named("x").is("models/models/x")
    );
    assert_eq!(resource("x"), "models/x");
    assert_eq!(resource("org/x"), "models/org/x");
    assert_eq!(resource("tunedModels/x"), "tunedModels/x");
}
