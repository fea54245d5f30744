use super::*;
use crate::surface::Surface;
use crate::testing::{World, model, route};
use sallyport_config::models::ModelTable;
use serde_json::{Value, json};
use std::sync::Arc;

fn ask(w: &World, dialect: Dialect, id: Option<&str>, query: Option<&str>) -> Result<Value, Rejection> {
    let mut x = w.call(Surface::Models, "");
    x.dialect = dialect;
    x.path_id = id.map(str::to_owned);
    answer(&x, query).map(|b| serde_json::from_slice(&b).unwrap())
}

#[test]
fn openai() {
    let w = World::new();
    let one = |id: &str| json!({"id": id, "object": "model", "created": 0, "owned_by": "system"});
    assert_eq!(
        ask(&w, Dialect::OpenAi, None, None).unwrap(),
        json!({"object": "list", "data": [one("claude-opus-5"), one("fast"), one("gpt-5")]}),
        "also what another dialect's provider serves, but not what nobody serves"
    );
    assert_eq!(ask(&w, Dialect::OpenAi, Some("gpt-5"), None).unwrap(), one("gpt-5"));
    let e = ask(&w, Dialect::OpenAi, Some("nope"), None).unwrap_err();
    assert_eq!((e.kind, e.code), (ErrorKind::NotFound, "model_not_found"));
}

#[test]
fn anthropic_pages() {
    let mut w = World::new();
    let names: Vec<String> = (0..25).map(|n| format!("claude-{n:02}")).collect();
    w.snapshot.models =
        Arc::new(ModelTable::new(names.iter().map(|n| model(n, vec![route("anthropic", None, 1)]))));
    let page = |query: &str| {
        let v = ask(&w, Dialect::Anthropic, None, Some(query)).unwrap();
        let ids: Vec<_> =
            v["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(v["first_id"].as_str(), ids.first().map(String::as_str));
        assert_eq!(v["last_id"].as_str(), ids.last().map(String::as_str));
        (ids, v["has_more"].as_bool().unwrap())
    };
    assert_eq!(page(""), (names[..20].to_vec(), true));
    assert_eq!(page("beta=true&limit=1000"), (names.clone(), false));
    assert_eq!(page("limit=3"), (names[..3].to_vec(), true));
    assert_eq!(page("limit=3&after_id=claude-22"), (names[23..].to_vec(), false));
    assert_eq!(page("after_id=claude%2D24"), (Vec::new(), false));
    assert_eq!(page("limit=3&before_id=claude-10"), (names[7..10].to_vec(), true));
    assert_eq!(page("before_id=claude-02"), (names[..2].to_vec(), false));
    for bad in ["limit=0", "limit=1001", "limit=x", "after_id=nope", "after_id=claude-01&before_id=claude-02"]
    {
        let e = ask(&w, Dialect::Anthropic, None, Some(bad)).unwrap_err();
        assert_eq!(e.kind, ErrorKind::InvalidRequest, "{bad}");
    }
    let one = ask(&w, Dialect::Anthropic, Some("claude-07"), None).unwrap();
    assert_eq!(
        one,
        json!({"type": "model", "id": "claude-07", "display_name": "claude-07",
            "created_at": "1970-01-01T00:00:00Z", "lifecycle": "active"})
    );
    assert_eq!(ask(&w, Dialect::Anthropic, Some("gpt-5"), None).unwrap_err().message, "model: gpt-5");
}

#[test]
fn gemini_pages() {
    let mut w = World::new();
    let names: Vec<String> = (0..55).map(|n| format!("m-{n:02}")).collect();
    w.snapshot.models =
        Arc::new(ModelTable::new(names.iter().map(|n| model(n, vec![route("anthropic", None, 1)]))));
    let page = |query: &str| {
        let v = ask(&w, Dialect::Gemini, None, Some(query)).unwrap();
        let ids: Vec<_> = v["models"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["name"].as_str().unwrap().trim_start_matches("models/").to_owned())
            .collect();
        (ids, v["nextPageToken"].as_str().map(str::to_owned))
    };
    let (first, token) = page("");
    assert_eq!(first, names[..50]);
    let token = token.unwrap();
    assert_eq!(page(&format!("pageSize=3&pageToken={token}")).0, names[50..53]);
    assert_eq!(page(&format!("pageToken={token}")), (names[50..].to_vec(), None));
    assert_eq!(page("pageSize=100000"), (names.clone(), None));
    assert_eq!(page("pageSize=0&pageToken=").0.len(), 50);
    for bad in ["pageSize=-1", "pageSize=x", "pageToken=*"] {
        let e = ask(&w, Dialect::Gemini, None, Some(bad)).unwrap_err();
        assert_eq!(e.kind, ErrorKind::InvalidRequest, "{bad}");
    }
    let one = ask(&w, Dialect::Gemini, Some("m-07"), None).unwrap();
    assert_eq!((&one["name"], &one["displayName"]), (&json!("models/m-07"), &json!("m-07")));
    assert_eq!(one["supportedGenerationMethods"][0], "generateContent");
    let e = ask(&w, Dialect::Gemini, Some("nope"), None).unwrap_err();
    assert!(e.message.starts_with("models/nope is not found"), "{}", e.message);
}
