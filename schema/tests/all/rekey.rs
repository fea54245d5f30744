//! Another master key, while rows are being written.

use super::rows;
use sallyport_schema::audit::{Actor, AuditFilter};
use sallyport_schema::envelope::{
    KeyRing, MasterKey, PROVIDER_API_KEY, PROVIDER_SECRETS, USER_TOTP, USER_TOTP_PENDING,
};
use sallyport_schema::store::Store;
use sallyport_schema::store::people::NewPerson;
use sallyport_schema::testing::TestPg;
use std::time::Duration;

const SECRET: &[u8] = b"sk-planted-secret";

#[tokio::test]
async fn all_that_is_sealed_is_sealed_anew_and_nothing_is_lost() {
    let pg = TestPg::shared().await;
    let url = pg.database().await;
    let store = Store::connect(&url, 4, Duration::from_secs(60)).await.unwrap();
    let old = KeyRing::new(MasterKey::generate().unwrap());
    let mut providers = Vec::new();
    for n in 0..250 {
        let mut row = rows::provider(&format!("p{n}"));
        row.api_key = Some(old.seal(&PROVIDER_API_KEY.place(row.id), SECRET).unwrap());
        row.secrets = (n % 2 == 0).then(|| old.seal(&PROVIDER_SECRETS.place(row.id), b"{}").unwrap());
        store.upsert_provider(&row).await.unwrap();
        providers.push(row);
    }
    // one that was copied from another row, and one that no key opens
    providers[7].api_key = providers[8].api_key.clone();
    providers[9].api_key = Some(KeyRing::new(MasterKey::generate().unwrap()).seal("x", SECRET).unwrap());
    for n in [7, 9] {
        store.upsert_provider(&providers[n]).await.unwrap();
    }
    let mut people = Vec::new();
    for n in 0..3 {
        let person = NewPerson {
            email: format!("{n}@example.com"),
            name: "Ada".into(),
            source: "local",
            password: None,
            roles: vec![],
        };
        let id = store.create_person(&person, false, &Actor::cli()).await.unwrap().id;
        let pending = old.seal(&USER_TOTP_PENDING.place(id), SECRET).unwrap();
        store.begin_totp(id, &pending, &Actor::cli()).await.unwrap();
        if n > 0 {
            let sealed = old.seal(&USER_TOTP.place(id), SECRET).unwrap();
            store.confirm_totp(id, (&pending, &sealed), 1, &[], &Actor::cli()).await.unwrap();
        }
        people.push((id, n > 0));
    }
    let mut new = KeyRing::new(MasterKey::generate().unwrap());
    new.previous.push(old.current.clone());

    let done = store.rekey(&new, &Actor::cli()).await.unwrap();
    let of = |c| done.iter().find(|d| d.column == c).unwrap();
    assert_eq!((of(PROVIDER_API_KEY).sealed, of(PROVIDER_SECRETS).sealed), (248, 125));
    assert_eq!((of(USER_TOTP).sealed, of(USER_TOTP_PENDING).sealed), (2, 1));
    let mut left: Vec<_> = of(PROVIDER_API_KEY).unopened.iter().map(|(row, _)| row.clone()).collect();
    let mut bad = [providers[7].id.to_string(), providers[9].id.to_string()];
    left.sort();
    bad.sort();
    assert_eq!(left, bad);

    // the old key is not needed any more
    let alone = KeyRing::new(new.current.clone());
    for row in store.load().await.unwrap().providers {
        let opened = alone.open(&PROVIDER_API_KEY.place(row.id), row.api_key.as_deref().unwrap());
        match bad.contains(&row.id.to_string()) {
            true => assert!(opened.is_err()),
            false => assert_eq!(&**opened.unwrap(), SECRET),
        }
    }
    for (id, on) in people {
        let (pending, on) = match on {
            false => (store.pending_totp(id).await.unwrap(), None),
            true => {
                (None, store.password_row(&store.person(id).await.unwrap().unwrap().email).await.unwrap())
            }
        };
        let opened = match (pending, on) {
            (Some(pending), None) => alone.open(&USER_TOTP_PENDING.place(id), &pending),
            (None, Some(row)) => alone.open(&USER_TOTP.place(id), &row.totp.unwrap()),
            other => panic!("{other:?}"),
        };
        assert_eq!(&**opened.unwrap(), SECRET);
    }
    let again = store.rekey(&new, &Actor::cli()).await.unwrap();
    assert!(again.iter().all(|d| d.sealed == 0), "what is done is not done again");
    let told = AuditFilter { action: Some("encryption.rekey".into()), ..AuditFilter::default() };
    assert_eq!(store.audit_trail(&told, None, 10).await.unwrap().len(), 5);
    let dump = TestPg::value(&url, "SELECT string_agg(row_to_json(p)::text, '') FROM providers p").await;
    assert!(!dump.contains("planted") && !dump.contains(&hex::encode(SECRET)));
}
