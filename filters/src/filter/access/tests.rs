use super::*;
use crate::testing::{World, headers, request};
use sallyport_config::pattern::PatternSet;
use sallyport_config::rights::{CallRights, Held};
use sallyport_schema::access::Grant;
use serde_json::json;
use uuid::Uuid;

fn enter(w: &World, surface: Surface, body: &str) -> Result<(), Rejection> {
    let mut x = w.call(surface, body);
    let h = headers(&[]);
    match Access.on_request(&mut x, request("/v1/x", None, &h)) {
        Step::Ready(r) => r,
        Step::Wait(_) => panic!("access never waits"),
    }
}

fn set(list: &[&str]) -> Arc<PatternSet> {
    Arc::new(PatternSet::new(list))
}

/// Surfaces with a body that they take, and a model that the test snapshot serves on them.
const SURFACES: [(Surface, &str); 10] = [
    (Surface::Chat, "gpt-5"),
    (Surface::Completions, "gpt-5"),
    (Surface::Embeddings, "gpt-5"),
    (Surface::Responses, "gpt-5"),
    (Surface::ResponsesCompact, "gpt-5"),
    (Surface::Messages, "claude-opus-5"),
    (Surface::CountTokens, "claude-opus-5"),
    (Surface::Moderations, "gpt-5"),
    (Surface::Images, "gpt-5"),
    (Surface::Audio, "gpt-5"),
];

fn roles(w: &mut World, held: &[(&str, Option<Uuid>)], grants: serde_json::Value) {
    let grants: Vec<Grant> = serde_json::from_value(grants).unwrap();
    w.snapshot.roles.insert("custom".into(), Arc::new(CallRights::new(&grants)));
    w.user.roles = held.iter().map(|(role, team)| Held { role: (*role).into(), team: *team }).collect();
}

/// LESSONS.md: "two disjoint lists intersect to empty = unrestricted; adding a weak role removes a restriction; deny
/// ignored". The key, its team and the roles of its owner must all say yes.
#[test]
fn the_owners_roles_bound_the_key() {
    let chat = |w: &World, model| enter(w, Surface::Chat, &body(model)).map_err(|e| e.code);
    let mut w = World::new();
    roles(&mut w, &[], json!([]));
    assert_eq!(chat(&w, "gpt-5"), Err("surface_not_allowed"), "no role, no call");
    roles(&mut w, &[("viewer", None), ("gone", None)], json!([]));
    assert_eq!(
        chat(&w, "gpt-5"),
        Err("surface_not_allowed"),
        "a viewer calls nothing, nor does an unknown role"
    );
    roles(&mut w, &[("custom", None)], json!([{"surfaces": ["chat"], "models": ["gpt-4"]}]));
    assert_eq!(chat(&w, "gpt-5"), Err("model_not_found"));
    assert_eq!(enter(&w, Surface::Embeddings, &body("gpt-4")).unwrap_err().code, "surface_not_allowed");
    w.key.models = set(&["gpt-5"]);
    roles(&mut w, &[("custom", None)], json!([{"surfaces": ["chat"], "models": ["claude-*"]}]));
    for model in ["gpt-5", "claude-opus-5"] {
        assert_eq!(chat(&w, model), Err("model_not_found"), "disjoint lists open nothing");
    }
    w.key.models = set(&["*"]);
    let deny = json!([{"effect": "deny", "surfaces": ["*"], "models": ["gpt-5"]}]);
    roles(&mut w, &[("custom", None), ("developer", None)], deny.clone());
    assert_eq!(chat(&w, "gpt-5"), Err("model_not_found"), "a deny wins over whatever allows");
    roles(&mut w, &[("developer", None), ("custom", Some(Uuid::from_u128(99)))], deny);
    assert_eq!(chat(&w, "gpt-5"), Ok(()), "a role in another team says nothing here");
    let team = w.key.team;
    roles(&mut w, &[("developer", team)], json!([]));
    assert_eq!(chat(&w, "gpt-5"), Ok(()));
    w.key.team = Some(Uuid::from_u128(98));
    assert_eq!(chat(&w, "gpt-5"), Err("surface_not_allowed"));
}

/// Surface and model must be opened by one and the same grant.
#[test]
fn a_model_of_one_surface_is_not_open_on_another() {
    let mut w = World::new();
    let grants = json!([{"surfaces": ["chat"], "models": ["gpt-4"]}, {"surfaces": ["embeddings"], "models": ["gpt-5"]}]);
    roles(&mut w, &[("custom", None)], grants);
    assert_eq!(enter(&w, Surface::Chat, &body("gpt-5")).unwrap_err().code, "model_not_found");
    assert!(enter(&w, Surface::Embeddings, &body("gpt-5")).is_ok());
}

fn body(model: &str) -> String {
    format!("{{\"model\":\"{model}\"}}")
}

/// LESSONS.md: "Allow-lists checked on one route only".
#[test]
fn every_surface_is_checked_the_same_way() {
    for (surface, model) in SURFACES {
        let mut w = World::new();
        assert!(enter(&w, surface, &body(model)).is_ok(), "{surface:?}");
        w.key.models = set(&["other"]);
        let e = enter(&w, surface, &body(model)).unwrap_err();
        assert_eq!((e.kind, e.code), (ErrorKind::NotFound, "model_not_found"), "{surface:?}");
        w.key.models = set(&["*"]);
        w.key.surfaces = set(&["other"]);
        let e = enter(&w, surface, &body(model)).unwrap_err();
        assert_eq!((e.kind, e.code), (ErrorKind::Permission, "surface_not_allowed"), "{surface:?}");
        let e = enter(&World::new(), surface, "{}").unwrap_err();
        assert_eq!((e.kind, e.param.as_deref()), (ErrorKind::InvalidRequest, Some("model")), "{surface:?}");
    }
    let mut w = World::new();
    for surface in [Surface::StoredResponse, Surface::Models] {
        assert!(enter(&w, surface, "").is_ok());
    }
    w.key.surfaces = set(&["chat"]);
    for surface in [Surface::StoredResponse, Surface::Models] {
        assert_eq!(enter(&w, surface, "").unwrap_err().kind, ErrorKind::Permission);
    }
    assert!(enter(&w, Surface::Hello, "").is_ok());
}

/// LESSONS.md: "two disjoint lists intersect to empty = unrestricted"; "Empty means nothing".
#[test]
fn key_and_team_must_both_allow_and_empty_is_nothing() {
    for (key, team, want) in [
        (&["*"][..], &["*"][..], true),
        (&["gpt-5"], &["gpt-*"], true),
        (&["gpt-5"], &["claude-*"], false),
        (&[], &["*"], false),
        (&["*"], &[], false),
        (&[], &[], false),
        // LESSONS.md: "prefix match (`gpt-4` opens `gpt-4o`)".
        (&["gpt"], &["*"], false),
    ] {
        let mut w = World::new();
        w.key.models = set(key);
        w.team.models = set(team);
        assert_eq!(enter(&w, Surface::Chat, &body("gpt-5")).is_ok(), want, "models {key:?} {team:?}");
    }
    for (key, team, want) in [
        (&["chat"][..], &["*"][..], true),
        (&["chat"], &["messages"], false),
        (&[], &["*"], false),
        (&["*"], &[], false),
    ] {
        let mut w = World::new();
        w.key.surfaces = set(key);
        w.team.surfaces = set(team);
        assert_eq!(enter(&w, Surface::Chat, &body("gpt-5")).is_ok(), want, "surfaces {key:?} {team:?}");
    }
}

/// A key made for "everything" was made for models: no `*` opens the pass-through.
#[test]
fn the_pass_through_must_be_named() {
    for (key, team, want) in [
        (&["*"][..], &["*"][..], false),
        (&["pass*"], &["passthrough"], false),
        (&["passthrough"], &["*"], false),
        (&["chat", "passthrough"], &["passthrough", "*"], true),
    ] {
        let mut w = World::new();
        w.key.surfaces = set(key);
        w.team.surfaces = set(team);
        let got = enter(&w, Surface::Passthrough, "");
        assert_eq!(got.is_ok(), want, "{key:?} {team:?}");
        assert!(got.is_ok() || got.unwrap_err().code == "surface_not_allowed");
    }
}

#[test]
fn unknown_forbidden_and_unservable_models_look_the_same() {
    let mut w = World::new();
    w.key.models = set(&["gpt-*", "claude-*", "lost", "nothing"]);
    assert!(enter(&w, Surface::Chat, &body("claude-opus-5")).is_ok(), "a conversation is translated");
    let message = |model: &str| {
        let e = enter(&w, Surface::Embeddings, &body(model)).unwrap_err();
        assert_eq!((e.kind, e.code, e.param), (ErrorKind::NotFound, "model_not_found", None));
        e.message.replace(model, "M")
    };
    // forbidden, unknown, at a provider that has no such surface, at a provider that is gone
    let all: Vec<_> = ["fast", "nothing", "claude-opus-5", "lost"].map(message).into();
    assert!(all.iter().all(|m| *m == all[0]), "{all:?}");
    assert_eq!(all[0], "The model `M` does not exist or you do not have access to it.");
    for surface in [Surface::Completions, Surface::Moderations, Surface::Images, Surface::Audio] {
        let e = enter(&w, surface, &body("claude-opus-5")).unwrap_err();
        assert_eq!(e.code, "model_not_found", "{surface:?} cannot be translated");
    }
    assert!(enter(&w, Surface::CountTokens, &body("gpt-5")).is_ok(), "a count is translated, or estimated");
    let e = enter(&w, Surface::CountTokens, &body("nothing")).unwrap_err();
    assert_eq!((e.code, e.message.as_str()), ("model_not_found", "model: nothing"));
    let e = enter(&w, Surface::Responses, &body("nope")).unwrap_err();
    assert_eq!(e.param.as_deref(), Some("model"));
    let e = enter(&w, Surface::Messages, &body("nope")).unwrap_err();
    assert_eq!(e.message, "model: nope");
    let e = enter(&w, Surface::Chat, &body(&format!("a\\n{}", "b".repeat(500)))).unwrap_err();
    assert!(e.message.len() < 200 && !e.message.contains('\n'));
}

#[test]
fn models_beside_the_main_one_are_checked_too() {
    let mut w = World::new();
    let text = r#"{"model":"claude-opus-5","tools":[{"type":"advisor_20260301","model":"claude-secret"}]}"#;
    assert!(enter(&w, Surface::Messages, text).is_ok());
    w.key.models = set(&["claude-opus-5"]);
    let e = enter(&w, Surface::Messages, text).unwrap_err();
    assert_eq!((e.code, e.message.as_str()), ("model_not_found", "model: claude-secret"));
}

#[test]
fn without_a_principal_the_gate_stays_shut() {
    let w = World::new();
    let mut x = w.call(Surface::Chat, &body("gpt-5"));
    x.principal = None;
    assert!(check(&x).is_err());
}

/// LESSONS.md: a form's model is checked like any other.
#[test]
fn forms_are_checked_too() {
    let mut w = World::new();
    w.key.models = set(&["other"]);
    let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nx\r\n--b\r\n\
                Content-Disposition: form-data; name=\"model\"\r\n\r\ngpt-5\r\n--b--\r\n";
    let mut x = w.call(Surface::Audio, r#"{"model":"other"}"#);
    x.body =
        crate::body::RequestBody::parse(form.into(), Some("multipart/form-data; boundary=b"), Surface::Audio)
            .unwrap();
    assert_eq!(check(&x).unwrap_err().code, "model_not_found");
}

#[test]
fn visible_are_named_allowed_and_served() {
    let mut w = World::new();
    let names = |w: &World, dialect| {
        let mut x = w.call(Surface::Models, "");
        x.dialect = dialect;
        visible_models(&x).iter().map(|m| m.name.to_string()).collect::<Vec<_>>()
    };
    // Whatever a client speaks, its conversation reaches every provider. `claude-*` is no name, `lost` is at nobody's.
    for dialect in [Dialect::OpenAi, Dialect::Responses, Dialect::Anthropic] {
        w.team.models = set(&["*"]);
        assert_eq!(names(&w, dialect), ["claude-opus-5", "fast", "gpt-5"]);
        w.team.models = set(&["gpt-*", "lost"]);
        assert_eq!(names(&w, dialect), ["gpt-5"]);
        w.team.models = set(&[]);
        assert!(names(&w, dialect).is_empty());
    }
    let mut w = World::new();
    w.key.models = set(&["claude-*"]);
    let mut x = w.call(Surface::Models, "");
    x.dialect = Dialect::Anthropic;
    assert!(is_visible(&x, "claude-opus-5") && is_visible(&x, "claude-by-glob") && !is_visible(&x, "gpt-5"));
}
