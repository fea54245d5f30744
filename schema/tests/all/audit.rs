//! The audit trail against somebody with the database in his hands.

use sallyport_schema::audit::{Actor, AuditFilter, Event, Verified};
use sallyport_schema::store::Store;
use sallyport_schema::store::roles::CustomRole;
use sallyport_schema::testing::TestPg;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

fn event(n: u32) -> Event {
    let after = serde_json::json!({"z": n, "a": [1.5, "ü", null], "m": {"y": 1, "b": "x"}});
    Event::done("user.update").on("user", n, format!("user {n}")).changed(None, Some(after))
}

async fn store(url: &str) -> Store {
    Store::connect(url, 8, LONG).await.unwrap()
}

/// The first event that is found to be wrong; 0: none is.
async fn broken_at(store: &Store) -> i64 {
    match store.audit_verify().await.unwrap() {
        Verified::Broken { seq, .. } => seq,
        Verified::Whole { rows, .. } => {
            assert_eq!(rows, 5);
            0
        }
    }
}

#[tokio::test]
async fn what_was_done_to_the_trail_is_found() {
    let pg = TestPg::shared().await;
    let url = pg.database().await;
    let store = store(&url).await;
    for (found, change) in [
        (0, "SELECT 1"),
        (1, "DELETE FROM audit_log WHERE seq = 1"),
        (3, "UPDATE audit_log SET actor = 'somebody else' WHERE seq = 3"),
        (3, "UPDATE audit_log SET after = '{\"z\": 4}' WHERE seq = 3"),
        (3, "UPDATE audit_log SET at = at + interval '1 microsecond' WHERE seq = 3"),
        (3, "UPDATE audit_log SET outcome = 'denied' WHERE seq = 3"),
        (3, "UPDATE audit_log SET hash = sha256('x') WHERE seq = 3"),
        (3, "DELETE FROM audit_log WHERE seq = 3"),
        (3, "DELETE FROM audit_log WHERE seq = 3; UPDATE audit_log SET seq = seq - 1 WHERE seq > 3"),
        // put in: a copy of the row before, the later ones moved up
        (
            3,
            "UPDATE audit_log SET seq = seq + 100 WHERE seq >= 3; UPDATE audit_log SET seq = seq - 99 WHERE seq >= 100;
             INSERT INTO audit_log SELECT 3, at, actor_kind, actor_id, actor, address, agent, action, target_kind,
                 target_id, target, outcome, reason, before, after, request_id, hash, hash
                 FROM audit_log WHERE seq = 2",
        ),
    ] {
        // an owner of the database can put the triggers aside
        TestPg::execute(&url, "SET session_replication_role = replica; TRUNCATE audit_log").await;
        for n in 1..=5 {
            store.note(&Actor::cli(), &event(n)).await.unwrap();
        }
        TestPg::execute(&url, &format!("SET session_replication_role = replica; {change}")).await;
        assert_eq!(broken_at(&store).await, found, "{change}");
    }
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_the_trail() {
    let pg = TestPg::shared().await;
    let url = pg.database().await;
    let store = store(&url).await;
    store.note(&Actor::cli(), &event(1)).await.unwrap();
    for sql in ["UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"] {
        let tried = format!(
            "DO $$ BEGIN {sql}; RAISE 'it was done'; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$"
        );
        TestPg::execute(&url, &tried).await;
    }
    assert!(matches!(store.audit_verify().await.unwrap(), Verified::Whole { rows: 1, .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_make_one_chain() {
    let pg = TestPg::shared().await;
    let url = pg.database().await;
    let (a, b) = (store(&url).await, store(&url).await);
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..40 {
        let store = if n % 2 == 0 { a.clone() } else { b.clone() };
        writers.spawn(async move { store.note(&Actor::system("test"), &event(n)).await });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap().unwrap();
    }
    let Verified::Whole { rows, head } = a.audit_verify().await.unwrap() else { panic!("broken") };
    assert_eq!(rows, 40);
    let newest = a.audit_trail(&AuditFilter::default(), None, 1).await.unwrap();
    assert_eq!(newest[0].hash.iter().map(|b| format!("{b:02x}")).collect::<String>(), head);
}

/// A role that is just being given cannot be deleted under the giver's hands.
#[tokio::test]
async fn a_role_that_somebody_has_stays() {
    use sallyport_schema::access::Role;
    use sallyport_schema::rows::HeldRole;
    use sallyport_schema::store::accounts::NewAccount;
    let pg = TestPg::shared().await;
    let store = store(&pg.database().await).await;
    let role = Role { name: "nothing".into(), description: String::new(), grants: vec![] };
    let by = Actor::cli();
    let CustomRole { version, holders: 0, .. } = store.create_role(&role, &by).await.unwrap() else {
        panic!("new and held")
    };
    let new = NewAccount {
        name: "robot".into(),
        description: String::new(),
        team: None,
        active: true,
        roles: vec![HeldRole { role: "nothing".into(), team: None }],
    };
    let robot = store.create_service_account(&new, &by).await.unwrap();
    let refused = store.delete_role("nothing", Some(version), &by).await.unwrap_err();
    assert!(refused.to_string().contains("somebody has it"), "{refused}");
    store.delete_service_account(robot.id, None, &by).await.unwrap();
    store.delete_role("nothing", Some(version), &by).await.unwrap();
    let history = store.role_history("nothing", None, 10).await.unwrap();
    assert_eq!(
        history.iter().map(|c| (c.before.is_some(), c.after.is_some())).collect::<Vec<_>>(),
        [(true, false), (false, true)]
    );
}

/// LESSONS: "a deactivated owner's keys keep working": the gateways hear that a team's service accounts are off.
#[tokio::test]
async fn a_team_takes_its_service_accounts_along() {
    use sallyport_schema::rows::Change;
    use sallyport_schema::store::accounts::NewAccount;
    use sallyport_schema::store::teams::TeamChange;
    let pg = TestPg::shared().await;
    let url = pg.database().await;
    let admin = store(&url).await;
    let by = Actor::cli();
    let team = admin.create_team("red", &TeamChange::default(), &by).await.unwrap();
    let new = NewAccount {
        name: "robot".into(),
        description: String::new(),
        team: Some(team.id),
        active: true,
        roles: vec![],
    };
    let robot = admin.create_service_account(&new, &by).await.unwrap();
    let gateway = store(&url).await;
    let mut changes = gateway.watch(sallyport_schema::changes::Watch::default());
    let mut hears = async |active: bool| {
        tokio::time::timeout(LONG, async {
            loop {
                let rows = match changes.recv().await.expect("open") {
                    Change::Everything(state) => state.accounts,
                    Change::Account(row) => vec![row],
                    _ => continue,
                };
                if rows.iter().any(|r| r.id == robot.id && r.active == active) {
                    break;
                }
            }
        })
        .await
        .unwrap_or_else(|_| panic!("nobody told that the account is active: {active}"));
    };
    hears(true).await;
    let off = TeamChange { active: Some(false), ..TeamChange::default() };
    admin.change_team(team.id, None, &off, &by).await.unwrap();
    hears(false).await;
    let on = TeamChange { active: Some(true), ..TeamChange::default() };
    admin.change_team(team.id, None, &on, &by).await.unwrap();
    hears(true).await;
    admin.delete_team(team.id, None, &by).await.unwrap();
    hears(false).await;
}
