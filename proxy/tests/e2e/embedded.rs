//! A newcomer's private Postgres: starts, keeps, survives, ends with the process.

use super::support::answer::json;
use super::support::gateway::Setup;
use super::support::setups::openai;
use super::support::stub::Stub;
use super::support::wait::until;
use std::path::Path;

const PATH: &str = "/v1/chat/completions";
const BODY: &[u8] = br#"{"model":"m","messages":[]}"#;

/// Ids of processes whose command line names `directory`.
fn processes_of(directory: &Path) -> Vec<u32> {
    let needle = directory.to_string_lossy().into_owned();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|id| {
            std::fs::read(format!("/proc/{id}/cmdline"))
                .is_ok_and(|c| String::from_utf8_lossy(&c).contains(&needle))
        })
        .collect()
}

async fn nothing_left(directory: &Path) {
    until("every process that was started to be gone", || async {
        processes_of(directory).is_empty().then_some(())
    })
    .await;
}

/// "A second `make run` finds its data again", and Ctrl-C stops everything.
#[tokio::test]
async fn data_survive_an_orderly_end() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Setup::new(openai(&stub.url())).embedded().start().await;
    let key = gateway.key.clone();
    let id = gateway.post(PATH, BODY).await.expect(200).id();
    gateway.logged(&id).await;
    let listed = gateway.cli_ok(&["keys", "list"], &[]).await;
    assert!(
        listed.contains(&key[..9]),
        "the command line reaches the private Postgres of a running gateway: {listed}"
    );
    let (directory, _) = gateway.stop().await;
    nothing_left(directory.path()).await;

    let mut gateway = Setup::new(openai(&stub.url())).embedded().in_directory(directory).spawn().await;
    gateway.ready().await;
    gateway.key = key;
    gateway.post(PATH, BODY).await.expect(200);
    gateway.logged(&id).await;
    let (directory, _) = gateway.stop().await;
    nothing_left(directory.path()).await;
}

/// kill -9 of everything: a stale pid file, crash recovery, and nothing acknowledged is lost.
#[tokio::test]
async fn data_survive_a_crash() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Setup::new(openai(&stub.url())).embedded().start().await;
    let key = gateway.key.clone();
    let id = gateway.post(PATH, BODY).await.expect(200).id();
    gateway.logged(&id).await;
    for process in processes_of(gateway.directory()) {
        if process != gateway.process.id() {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(process as i32),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
    }
    let (directory, _) = gateway.crash();
    let mut gateway = Setup::new(openai(&stub.url())).embedded().in_directory(directory).spawn().await;
    gateway.ready().await;
    gateway.key = key;
    gateway.post(PATH, BODY).await.expect(200);
    gateway.logged(&id).await;
}

/// A gateway that is killed takes its private Postgres along: nothing stays behind to hold the data directory.
#[tokio::test]
async fn a_killed_gateway_leaves_nothing_running() {
    let gateway = Setup::new(openai("http://127.0.0.1:9/v1")).embedded().start().await;
    let (directory, _) = gateway.crash();
    nothing_left(directory.path()).await;
}

/// The private Postgres dies under a running gateway: it is started again, and traffic never stops.
#[tokio::test]
async fn a_dead_postgres_is_started_again() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Setup::new(openai(&stub.url())).embedded().start().await;
    let postmaster =
        std::fs::read_dir("/proc").unwrap().filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let own = processes_of(gateway.directory());
    let killed: Vec<_> = postmaster
        .filter(|id| own.contains(id) && *id != gateway.process.id())
        .filter(|id| {
            std::fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|c| c.trim() == "postgres")
        })
        .collect();
    assert!(!killed.is_empty(), "no private Postgres among {own:?}");
    for id in killed {
        let _ =
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(id as i32), nix::sys::signal::Signal::SIGKILL);
    }
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(gateway.post(PATH, BODY).await.expect(200).id());
    }
    for id in ids {
        gateway.logged(&id).await;
    }
    gateway.new_key(&["--surfaces", "*"]).await;
}

/// The data directory holds secrets: it is nobody else's to read.
#[tokio::test]
async fn files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let gateway = Setup::new(openai("http://127.0.0.1:9/v1")).embedded().start().await;
    let data = gateway.directory().join("data");
    let master = std::fs::metadata(data.join("master.key")).unwrap().permissions().mode();
    assert_eq!(master & 0o777, 0o600);
    for entry in std::fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o006, 0, "{} is open to others: {mode:o}", entry.path().display());
    }
}
