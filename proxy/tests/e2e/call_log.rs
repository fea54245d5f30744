//! One record a call, whatever became of it, and none lost.

use super::support::answer::json;
use super::support::database::Database;
use super::support::gateway::{Gateway, Setup};
use super::support::setups::{DIALECTS, openai};
use super::support::stub::Stub;
use super::support::wait::until;
use sallyport_schema::testing::TestPg;
use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const PATH: &str = "/v1/chat/completions";
const BODY: &[u8] = br#"{"model":"m","messages":[]}"#;

/// Lessons, Metering: "failed attempts and disconnects invisible in the log"; Control plane: "denials not audited".
/// (Cancelled calls: `cancel`; failures of the upstream: `retries`, `streams`.)
#[tokio::test]
async fn refused_calls_are_logged() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let narrow = gateway.new_key(&["--surfaces", "models,messages", "--models", "*"]).await;
    let bearer = gateway.bearer();
    let cases: [(&str, &str, &[u8], u16); 5] = [
        (PATH, "Bearer sp-nobody", BODY, 401),
        (PATH, &format!("Bearer {narrow}"), BODY, 403),
        (PATH, &bearer, br#"{"model":"unknown"}"#, 404),
        (PATH, &bearer, b"not json", 400),
        ("/v1/messages", &bearer, br#"{"model":"m","mod"#, 400),
    ];
    for (path, key, body, status) in cases {
        let answer = gateway.client().await.call("POST", path, &[("authorization", key)], body).await;
        let call = gateway.logged(&answer.expect(status).id()).await;
        assert_eq!(call["status"], status, "{call}");
        assert_eq!(call["error_source"], "client", "{call}");
        assert!(call["error_code"].as_str().is_some_and(|c| !c.is_empty()), "{call}");
        assert_eq!(call["attempts"], 0, "{call}");
        assert_eq!(call["key_id"].is_null(), status == 401, "{call}");
        assert_eq!(call["surface"], if path == PATH { "chat" } else { "messages" });
        assert!(call["usage"].is_null() && call["cost"].is_null(), "{call}");
        assert!(!call.to_string().contains("sp-nobody"), "{call}");
    }
    let denied = gateway.admin("/api/calls?status=403").await.json();
    assert_eq!(denied["calls"].as_array().unwrap().len(), 1, "{denied}");
    let key = denied["calls"][0]["key_id"].as_str().unwrap().to_owned();
    let of_key = gateway.admin(&format!("/api/calls?key={key}&status=4xx")).await.json();
    assert_eq!(of_key["calls"].as_array().unwrap().len(), 1, "{of_key}");
    assert_eq!(
        gateway.client().await.call("GET", "/api/calls", &[], b"").await.status(),
        404,
        "not on the gateway's port"
    );
}

/// Prompts and answers are nobody's business: no record of this issue holds them.
#[tokio::test]
async fn no_prompt_in_the_log() {
    let stub = Stub::answering(|_| json(500, r#"{"error":{"message":"TOPSECRET-ANSWER"}}"#)).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let body = r#"{"model":"m","messages":[{"role":"user","content":"TOPSECRET-PROMPT"}]}"#;
    let answer = gateway.post(PATH, body).await;
    gateway.logged(&answer.id()).await;
    let all = gateway.admin("/api/calls").await.text();
    assert!(!all.contains("TOPSECRET-PROMPT"), "{all}");
    assert!(!gateway.process.said().contains("TOPSECRET-PROMPT"));
    assert!(!gateway.process.said().contains(&gateway.key));
}

/// "kill -9 under load loses at most the events of the last 100 ms."
#[tokio::test]
async fn a_crash_loses_at_most_the_last_moment() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let done: Mutex<Vec<(String, Instant)>> = Mutex::default();
    let until = Instant::now() + Duration::from_secs(1);
    let client = async || {
        let mut client = gateway.client().await;
        let bearer = gateway.bearer();
        while Instant::now() < until || done.lock().unwrap().len() < 400 {
            let answer = client.call("POST", PATH, &[("authorization", &bearer)], BODY).await;
            done.lock().unwrap().push((answer.expect(200).id(), Instant::now()));
        }
    };
    futures::future::join_all((0..8).map(|_| client())).await;
    let done = done.into_inner().unwrap();
    let killed = Instant::now();
    let (directory, database) = gateway.crash();
    let next = Setup::new(openai(&stub.url())).in_directory(directory).on(&database.unwrap()).start().await;
    let old: Vec<_> = done.iter().filter(|(_, at)| killed - *at > Duration::from_millis(100)).collect();
    assert!(old.len() > 50, "too few calls to tell: {}", old.len());
    for (id, _) in old {
        next.logged(id).await;
    }
    // What was in the spool is replayed once, not twice.
    let ids = all_ids(&next).await;
    assert_eq!(ids.len(), ids.iter().collect::<HashSet<_>>().len());
}

async fn all_ids(gateway: &Gateway) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = gateway.admin(&format!("/api/calls?limit=1000{cursor}")).await;
        let page = page.expect(200).json();
        ids.extend(page["calls"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

/// "A stopped Postgres loses none", and traffic goes on meanwhile (principle 2; Lessons, Resilience: "too many clients
/// from the database fails authentication"; Control plane: "Audit rows dropped when an insert fails").
#[tokio::test]
async fn a_stopped_postgres_loses_nothing() {
    let mut cluster = TestPg::start().await;
    let database = Database::at(cluster.database().await);
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Setup::new(openai(&stub.url())).on(&database).start().await;
    let mut client = gateway.client().await;
    let bearer = gateway.bearer();
    let mut ids = Vec::new();
    for phase in 0..3 {
        match phase {
            1 => cluster.stop().await,
            2 => cluster.start_again().await,
            _ => {}
        }
        for _ in 0..50 {
            let began = Instant::now();
            let answer = client.call("POST", PATH, &[("authorization", &bearer)], BODY).await;
            ids.push(answer.expect(200).id());
            assert!(
                began.elapsed() < Duration::from_secs(4),
                "a call waited for the database (its time-out is 5 s)"
            );
        }
        gateway.get("/health/ready", &[]).await.expect(200);
        if phase == 1 {
            let gateway = &gateway;
            let health = until("health to tell that Postgres is away", || async move {
                let health = gateway.admin("/api/health").await.json();
                (health["status"] == "degraded").then_some(health)
            })
            .await;
            assert!(health.to_string().contains("postgres"), "{health}");
            let calls = gateway.admin("/api/calls").await;
            assert_eq!(calls.status(), 503, "{}", calls.text());
        }
    }
    for id in &ids {
        gateway.logged(id).await;
    }
}

/// SIGTERM: what was logged a moment before is there afterwards.
#[tokio::test]
async fn an_orderly_end_loses_nothing() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let mut ids = Vec::new();
    for dialect in [DIALECTS[0], DIALECTS[1], DIALECTS[0]] {
        ids.push(gateway.post(dialect.path, dialect.body).await.expect(200).id());
    }
    let (directory, database) = gateway.stop().await;
    let next = Setup::new(openai(&stub.url())).in_directory(directory).on(&database.unwrap()).start().await;
    for id in ids {
        next.logged(&id).await;
    }
}
