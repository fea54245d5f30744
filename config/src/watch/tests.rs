use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

struct Running {
    dir: tempfile::TempDir,
    watcher: Arc<Watcher>,
    reloads: mpsc::Receiver<Arc<Loaded>>,
}

fn start(prepare: impl FnOnce(&Path) -> PathBuf) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let file = prepare(dir.path());
    let env: Env = Arc::new(|_| None);
    let first = Arc::new(load(std::slice::from_ref(&file), &*env).unwrap());
    let (watcher, reloads) = Watcher::start(vec![file], env, first);
    Running { dir, watcher, reloads }
}

impl Running {
    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    async fn next(&mut self) -> Arc<Loaded> {
        tokio::time::timeout(Duration::from_secs(20), self.reloads.recv()).await.expect("no reload").unwrap()
    }
    async fn until(&self, what: &str, good: impl Fn(&ReloadState) -> bool) -> Arc<ReloadState> {
        let mut states = self.watcher.subscribe();
        let wait = async { states.wait_for(|s| good(s)).await.unwrap().clone() };
        tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("never: {what}"))
    }
}

fn simple(dir: &Path) -> PathBuf {
    fs::write(dir.join("c.yaml"), "instance: a").unwrap();
    dir.join("c.yaml")
}

fn name(l: &Loaded) -> Option<&str> {
    l.config.instance.as_deref()
}

#[tokio::test]
async fn a_file_written_in_place_or_replaced_is_taken() {
    let mut r = start(simple);
    fs::write(r.at("c.yaml"), "instance: b").unwrap();
    assert_eq!(name(&*r.next().await), Some("b"));
    // As editors do.
    fs::write(r.at(".c.yaml.tmp"), "instance: c").unwrap();
    fs::rename(r.at(".c.yaml.tmp"), r.at("c.yaml")).unwrap();
    assert_eq!(name(&*r.next().await), Some("c"));
    let state = r.until("counted", |s| s.reloads == 2).await;
    assert_eq!((state.failures, &state.last_error), (0, &None));
    assert_eq!(state.needs_restart, ["instance"]);
}

#[tokio::test]
async fn a_bad_file_keeps_the_old_configuration_and_says_so() {
    let mut r = start(simple);
    fs::write(r.at("c.yaml"), "instence: b\nserver: {threads: x}").unwrap();
    let state = r.until("an error", |s| s.failures == 1).await;
    let message = &state.last_error.as_ref().unwrap().message;
    assert!(message.contains("did you mean `instance`?") && message.lines().count() == 2, "{message}");
    assert!(r.reloads.try_recv().is_err());
    let first = state.hash.clone();
    // As it was: the error is over, nothing is new.
    fs::write(r.at("c.yaml"), "instance: a # again").unwrap();
    let state = r.until("no error", |s| s.last_error.is_none()).await;
    assert_eq!((state.hash.clone(), state.reloads, state.failures), (first, 0, 1));
    fs::write(r.at("c.yaml"), "instance: b").unwrap();
    assert_eq!(name(&*r.next().await), Some("b"));
}

#[tokio::test]
async fn a_swapped_config_map_is_taken() {
    let mut r = start(|dir| {
        for (version, name) in [("..v1", "a"), ("..v2", "b")] {
            fs::create_dir(dir.join(version)).unwrap();
            fs::write(dir.join(version).join("c.yaml"), format!("instance: {name}")).unwrap();
        }
        symlink("..v1", dir.join("..data")).unwrap();
        symlink("..data/c.yaml", dir.join("c.yaml")).unwrap();
        dir.join("c.yaml")
    });
    symlink("..v2", r.at("..data_tmp")).unwrap();
    fs::rename(r.at("..data_tmp"), r.at("..data")).unwrap();
    assert_eq!(name(&*r.next().await), Some("b"));
}

#[tokio::test]
async fn a_secret_behind_file_is_followed() {
    let mut r = start(|dir| {
        fs::create_dir(dir.join("secrets")).unwrap();
        fs::write(dir.join("secrets/one"), "0123456789abcdef").unwrap();
        fs::write(dir.join("secrets/two"), "second-0123456789").unwrap();
        fs::write(dir.join("c.yaml"), "metrics: {token: 'file:secrets/one'}").unwrap();
        dir.join("c.yaml")
    });
    let token = |l: &Loaded| l.config.metrics.token.as_ref().unwrap().expose().to_owned();
    fs::write(r.at("secrets/one"), "fedcba9876543210").unwrap();
    assert_eq!(token(&*r.next().await), "fedcba9876543210");
    // A reload may name other files.
    fs::write(r.at("c.yaml"), "metrics: {token: 'file:secrets/two'}").unwrap();
    assert_eq!(token(&*r.next().await), "second-0123456789");
    r.until("it follows", |s| s.reloads == 2).await;
    fs::write(r.at("secrets/two"), "third-0123456789").unwrap();
    assert_eq!(token(&*r.next().await), "third-0123456789");
}

#[tokio::test]
async fn it_reloads_when_asked() {
    let variable = Arc::new(std::sync::Mutex::new("a".to_owned()));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.yaml");
    fs::write(&file, "instance: ${NAME}").unwrap();
    let read = variable.clone();
    let env: Env = Arc::new(move |_| Some(read.lock().unwrap().clone()));
    let first = Arc::new(load(std::slice::from_ref(&file), &*env).unwrap());
    let (watcher, reloads) = Watcher::start(vec![file], env, first);
    let mut r = Running { dir, watcher, reloads };
    *variable.lock().unwrap() = "b".into();
    r.watcher.reload();
    assert_eq!(name(&*r.next().await), Some("b"));
}

#[tokio::test]
async fn reading_the_files_leads_to_no_further_reading() {
    let r = start(simple);
    let mut states = r.watcher.subscribe();
    r.watcher.reload();
    states.changed().await.unwrap();
    // A reading that led to the next one would come after the quiet time.
    let again = tokio::time::timeout(QUIET * 6, states.changed()).await;
    assert!(again.is_err(), "it read again");
}

#[tokio::test]
async fn it_ends_with_its_receiver() {
    let r = start(simple);
    let weak = Arc::downgrade(&r.watcher);
    drop(r);
    let gone = async {
        while weak.upgrade().is_some() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), gone).await.is_ok());
}
