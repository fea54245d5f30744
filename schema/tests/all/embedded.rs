//! The supervisor of the private Postgres.

use sallyport_schema::embedded::{Access, Embedded, EmbeddedError, EmbeddedOptions};
use sallyport_schema::store::Store;
use sallyport_schema::testing::{TestPg, temp_dir};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// Waits until a condition holds; the bound only ends a test that would hang.
async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn answers(url: &str) -> bool {
    match Store::connect(url, 1, Duration::from_secs(2)).await {
        Ok(store) => store.ping().await.is_ok(),
        Err(_) => false,
    }
}

#[tokio::test]
async fn data_survive_a_stop_and_nobody_else_can_reach_the_socket() {
    let dir = temp_dir();
    let options = EmbeddedOptions::new(dir.path());
    let first = Embedded::start(&options).await.unwrap();
    let url = first.url().to_owned();
    TestPg::execute(&url, "CREATE TABLE kept (n int)").await;
    let mode = std::fs::metadata(dir.path().join("postgres")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(TestPg::value(&url, "SELECT current_setting('listen_addresses')").await, "");
    assert_eq!(TestPg::value(&url, "SELECT current_setting('fsync')").await, "on");
    assert_eq!(TestPg::value(&url, "SELECT current_setting('server_encoding')").await, "UTF8");
    let pid = first.pid().unwrap();
    first.shutdown().await;
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(!dir.path().join("postgres/data/postmaster.pid").exists(), "a clean stop");

    let second = Embedded::start(&options).await.unwrap();
    assert_eq!(TestPg::value(second.url(), "SELECT count(*) FROM kept").await, "0");
    second.shutdown().await;
}

#[tokio::test]
async fn a_second_process_attaches_and_does_not_start_another() {
    let dir = temp_dir();
    let options = EmbeddedOptions::new(dir.path());
    assert_eq!(Embedded::attach(&options).await.unwrap(), None);
    let owner = Embedded::start(&options).await.unwrap();
    assert_eq!(Embedded::attach(&options).await.unwrap().as_deref(), Some(owner.url()));
    assert!(matches!(Embedded::open(&options).await.unwrap(), Access::Attached(url) if url == owner.url()));
    let error = Embedded::start(&options).await.err().unwrap();
    assert!(matches!(error, EmbeddedError::InUse { .. }), "{error}");
    assert!(answers(owner.url()).await, "the refused second start did no harm");
    owner.shutdown().await;
    let access = Embedded::open(&options).await.unwrap();
    assert!(matches!(access, Access::Owned(_)));
    access.shutdown().await;
    assert_eq!(Embedded::attach(&options).await.unwrap(), None);
}

#[tokio::test]
async fn kill_9_of_postgres_loses_nothing_acknowledged_and_it_comes_back() {
    let pg = TestPg::start().await;
    let url = pg.database().await;
    let before = pg.embedded().pid().unwrap();
    TestPg::execute(&url, "INSERT INTO users (email) VALUES ('kept@example.org')").await;
    pg.kill9();
    eventually("restarted", async || pg.embedded().pid().is_some_and(|pid| pid != before)).await;
    eventually("answers", async || answers(&url).await).await;
    assert_eq!(TestPg::value(&url, "SELECT count(*) FROM users").await, "1");
    assert!(pg.embedded().restarts() >= 1);
}

#[tokio::test]
async fn a_postgres_left_over_by_a_killed_owner_is_replaced() {
    let dir = temp_dir();
    let options = EmbeddedOptions::new(dir.path());
    let first = Embedded::start(&options).await.unwrap();
    let old = first.pid().unwrap();
    first.abandon();
    assert!(Path::new(&format!("/proc/{old}")).exists());
    // abandoned without its lock, as after kill -9 of the owner where no parent-death signal is to be had
    let second = Embedded::start(&options).await.unwrap();
    assert_ne!(second.pid().unwrap(), old);
    assert!(answers(second.url()).await);
    second.shutdown().await;
}

/// Not a test: the process that the next one kills.
#[tokio::test]
#[ignore = "run by its parent"]
async fn child_that_owns_a_postgres() {
    let Some(dir) = std::env::var_os("SALLYPORT_TEST_CHILD_PG") else { return };
    let pg = Embedded::start(&EmbeddedOptions::new(dir)).await.unwrap();
    println!("started {}", pg.pid().unwrap());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn kill_9_of_the_owner_ends_its_postgres_and_the_next_run_has_the_data() {
    let dir = temp_dir();
    let mut child = std::process::Command::new("/proc/self/exe")
        .args(["--exact", "embedded::child_that_owns_a_postgres", "--ignored", "--nocapture"])
        .env("SALLYPORT_TEST_CHILD_PG", dir.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let pid = lines
        .map_while(Result::ok)
        .find_map(|line| line.split_once("started ").map(|(_, pid)| pid.to_owned()))
        .unwrap();
    let options = EmbeddedOptions::new(dir.path());
    let url = Embedded::attach(&options).await.unwrap().unwrap();
    TestPg::execute(&url, "CREATE TABLE kept (n int)").await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(Embedded::attach(&options).await.unwrap(), None, "the lock ended with the process");
    let next = Embedded::start(&options).await.unwrap();
    // in a container without an init it stays a zombie
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    assert!(status.is_empty() || status.contains("State:\tZ"), "the old one has ended: {status}");
    assert_eq!(TestPg::value(next.url(), "SELECT count(*) FROM kept").await, "0");
    next.shutdown().await;
}

#[tokio::test]
async fn a_half_made_cluster_is_made_anew() {
    let dir = temp_dir();
    let half = dir.path().join("postgres/data.new/base");
    std::fs::create_dir_all(&half).unwrap();
    std::fs::write(half.join("1"), "x").unwrap();
    let pg = Embedded::start(&EmbeddedOptions::new(dir.path())).await.unwrap();
    assert!(answers(pg.url()).await);
    pg.shutdown().await;
}

#[tokio::test]
async fn data_of_another_major_version_are_refused() {
    let dir = temp_dir();
    let data = dir.path().join("postgres/data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("PG_VERSION"), "9\n").unwrap();
    let error = Embedded::start(&EmbeddedOptions::new(dir.path())).await.err().unwrap();
    assert!(matches!(error, EmbeddedError::VersionMismatch { data: 9, .. }), "{error}");
}

#[tokio::test]
async fn broken_data_end_in_postgres_own_words() {
    let dir = temp_dir();
    let options = EmbeddedOptions::new(dir.path());
    Embedded::start(&options).await.unwrap().shutdown().await;
    std::fs::write(dir.path().join("postgres/data/global/pg_control"), "rubbish").unwrap();
    let error = Embedded::start(&options).await.err().unwrap();
    assert!(matches!(&error, EmbeddedError::Ended(words) if words.contains("pg_control")), "{error}");
}

#[tokio::test]
async fn a_deep_data_dir_works_through_a_short_socket_path() {
    let dir = temp_dir();
    let deep = dir.path().join("deep ,\"dir".repeat(12));
    let pg = Embedded::start(&EmbeddedOptions::new(&deep)).await.unwrap();
    assert!(answers(pg.url()).await);
    pg.shutdown().await;
}

#[tokio::test]
async fn an_odd_name_of_the_data_dir_is_no_trouble() {
    let dir = temp_dir();
    let odd = dir.path().join("a ,\"b&%ü");
    let pg = Embedded::start(&EmbeddedOptions::new(&odd)).await.unwrap();
    assert!(answers(pg.url()).await);
    pg.shutdown().await;
}

#[tokio::test]
async fn as_root_a_barred_directory_is_named() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: only root runs Postgres as another user");
        return;
    }
    let dir = temp_dir();
    let barred = dir.path().join("barred");
    std::fs::create_dir(&barred).unwrap();
    std::fs::set_permissions(&barred, std::fs::Permissions::from_mode(0o700)).unwrap();
    let error = Embedded::start(&EmbeddedOptions::new(barred.join("data"))).await.err().unwrap();
    let text = error.to_string();
    assert!(text.contains(&format!("chmod o+x {}", barred.canonicalize().unwrap().display())), "{text}");
}

#[tokio::test]
async fn missing_binaries_are_a_sentence() {
    let dir = temp_dir();
    let mut options = EmbeddedOptions::new(dir.path());
    options.bin_dir = Some(dir.path().join("nowhere"));
    let error = Embedded::start(&options).await.err().unwrap();
    assert!(matches!(error, EmbeddedError::NoBinariesIn(_)), "{error}");
    assert!(EmbeddedError::BinariesMissing.to_string().contains("apt-get install postgresql"));
}
