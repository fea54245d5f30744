use super::*;
use crate::snapshot::Source;
use crate::testing::{account, id, key, loaded, model, provider, ring, role, team, user};
use std::os::unix::fs::PermissionsExt as _;

fn state() -> StoredState {
    let mut expired = key(2, 2, &[]);
    expired.expires_at = Some(OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap());
    expired.networks = Some(vec!["10.0.0.0/8".into()]);
    let mut revoked = key(3, 3, &["chat", "messages"]);
    revoked.revoked_at = Some(OffsetDateTime::UNIX_EPOCH);
    revoked.service_account_id = Some(id(3));
    revoked.disabled_at = Some(OffsetDateTime::UNIX_EPOCH);
    revoked.labels.tags = vec!["blue".into()];
    revoked.labels.metadata.insert("cost centre".into(), "4711".into());
    StoredState {
        settings: [("a".to_owned(), serde_json::json!({ "b": 1 }))].into(),
        users: vec![user(1, true), user(2, false)],
        accounts: vec![account(3, true)],
        roles: vec![role(4, &["chat"])],
        teams: vec![team(5, &["gpt-*"])],
        keys: vec![key(1, 1, &["chat"]), expired, revoked],
        providers: vec![provider(7, "p", &ring(1))],
        models: vec![model(8, "m-*", "p")],
    }
}

fn assembler(state: StoredState) -> Assembler {
    Assembler::new(&loaded(""), state, Source::Store, ring(1))
}

#[test]
fn what_is_written_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = LastGood::new(dir.path(), ring(1));
    assert!(file.read().unwrap().is_none());
    let before = assembler(state());
    file.write(&Frozen::of(&before)).unwrap();
    file.write(&Frozen::of(&before)).unwrap();
    let after = assembler(file.read().unwrap().unwrap());
    let (b, a) = (before.snapshot(), after.snapshot());
    assert_eq!(a.keys.len(), 3);
    for (hash, key) in &b.keys {
        assert_eq!(format!("{key:?}"), format!("{:?}", a.keys[hash]));
    }
    assert!(a.keys[&[3; 32]].revoked && a.keys[&[2; 32]].expires_at == Some(1_700_000_000));
    assert_eq!(format!("{:?}", a.users[&id(2)]), format!("{:?}", b.users[&id(2)]));
    assert_eq!(format!("{:?}", a.accounts), format!("{:?}", b.accounts));
    assert_eq!(a.roles, b.roles);
    assert!(a.roles["role-4"].say("chat", Some("m")).is_some());
    assert_eq!(format!("{:?}", a.teams), format!("{:?}", b.teams));
    assert_eq!(format!("{:?}", a.providers), format!("{:?}", b.providers));
    assert_eq!(a.providers["p"].api_key.as_ref().unwrap().expose(), "sk-stored");
    assert!(a.models.find("m-1").is_some());
    assert_eq!(after.settings, before.settings);
    let path = dir.path().join(FILE);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!String::from_utf8_lossy(&fs::read(&path).unwrap()).contains("key 1"), "it is encrypted");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_changed_file_or_another_master_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = LastGood::new(dir.path(), ring(1));
    file.write(&Frozen::of(&assembler(state()))).unwrap();
    let e = LastGood::new(dir.path(), ring(2)).read().unwrap_err().to_string();
    assert!(e.contains("cannot be opened with this master key") && e.contains(FILE), "{e}");
    let path = dir.path().join(FILE);
    let good = fs::read(&path).unwrap();
    for cut in [0, 1, good.len() / 2, good.len() - 1] {
        fs::write(&path, &good[..cut]).unwrap();
        assert!(file.read().is_err(), "{cut}");
    }
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    fs::write(&path, &bad).unwrap();
    assert!(matches!(file.read(), Err(LastGoodError::Sealed { .. })));
    fs::write(&path, ring(1).seal(AAD, b"{\"lists\":[]}").unwrap()).unwrap();
    assert!(matches!(file.read(), Err(LastGoodError::Form { .. })));
}

#[test]
fn a_left_over_of_a_crash_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("snapshot.new"), "half").unwrap();
    let file = LastGood::new(dir.path(), ring(1));
    file.write(&Frozen::of(&assembler(state()))).unwrap();
    assert!(file.read().unwrap().is_some());
    assert_eq!(fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(LastGood::new(Path::new("/nowhere"), ring(1)).write(&Frozen::of(&assembler(state()))).is_err());
}
