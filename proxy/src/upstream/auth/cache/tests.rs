//! Expiry, refresh ahead, one fetch for all, failures.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts its fetches; fails those that `fails` says; takes `slow`.
struct Counter {
    count: Arc<AtomicUsize>,
    life: Option<Duration>,
    slow: Duration,
    fails: fn(usize) -> bool,
}

#[async_trait]
impl Source<usize> for Counter {
    async fn fetch(&self) -> Result<Fresh<usize>, AuthError> {
        let n = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::time::sleep(self.slow).await;
        if (self.fails)(n) {
            return Err(AuthError::Refused { what: "stub", status: 500, story: "no".into() });
        }
        Ok(Fresh { value: n, life: self.life })
    }
}

fn cached(
    life: Option<Duration>,
    slow: Duration,
    fails: fn(usize) -> bool,
) -> (Arc<Cached<usize>>, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let source = Counter { count: count.clone(), life, slow, fails };
    (Arc::new(Cached::new(&"p".into(), Box::new(source))), count)
}

const MS: Duration = Duration::from_millis(1);

#[tokio::test]
async fn fifty_calls_and_one_fetch() {
    let (c, count) = cached(None, MS * 50, |_| false);
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let c = c.clone();
            tokio::spawn(async move { *c.get().await.unwrap() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 1);
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_client_that_leaves_does_not_end_the_fetch() {
    let (c, count) = cached(None, MS * 50, |_| false);
    assert!(tokio::time::timeout(MS * 5, c.get()).await.is_err());
    assert_eq!(*c.get().await.unwrap(), 1);
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn fetched_anew_ahead_of_the_end_while_the_old_one_is_used() {
    // Anew from 700 to 800 ms on, of no use from 900 ms on.
    let (c, count) = cached(Some(MS * 1000), MS * 20, |_| false);
    assert_eq!(*c.get().await.unwrap(), 1);
    tokio::time::sleep(MS * 300).await;
    assert_eq!(*c.get().await.unwrap(), 1);
    assert_eq!(count.load(Ordering::SeqCst), 1);
    tokio::time::sleep(MS * 480).await;
    assert_eq!(*c.get().await.unwrap(), 1, "the old one, at once");
    tokio::time::sleep(MS * 80).await;
    assert_eq!(*c.get().await.unwrap(), 2);
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_failing_refresh_keeps_the_old_one_while_it_is_good() {
    let (c, count) = cached(Some(MS * 1000), Duration::ZERO, |n| n > 1);
    assert_eq!(*c.get().await.unwrap(), 1);
    tokio::time::sleep(MS * 820).await;
    for _ in 0..3 {
        assert_eq!(*c.get().await.unwrap(), 1);
        tokio::time::sleep(MS * 10).await;
    }
    assert_eq!(count.load(Ordering::SeqCst), 2, "a pause after a failure");
    tokio::time::sleep(MS * 100).await;
    let e = c.get().await.unwrap_err();
    assert!(matches!(e, AuthError::Refused { status: 500, .. }), "{e}");
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn after_a_failure_nobody_asks_for_a_while_and_then_it_may_work() {
    let (c, count) = cached(None, MS * 20, |n| n == 1);
    let both = tokio::join!(c.get(), c.get());
    assert!(both.0.is_err() && both.1.is_err());
    assert!(c.get().await.is_err());
    assert_eq!(count.load(Ordering::SeqCst), 1);
    tokio::time::sleep(PAUSE).await;
    assert_eq!(*c.get().await.unwrap(), 2);
}

#[test]
fn when_it_is_renewed() {
    let now = Instant::now();
    let held = |life| Held::new(Fresh { value: (), life }, now);
    for _ in 0..100 {
        let hour = held(Some(Duration::from_secs(3600)));
        assert!(!hour.due(now + Duration::from_secs(3100)) && hour.due(now + Duration::from_secs(3301)));
        assert!(
            hour.useful(now + Duration::from_secs(3589)) && !hour.useful(now + Duration::from_secs(3591))
        );
        let minute = held(Some(Duration::from_secs(60)));
        assert!(!minute.due(now + Duration::from_secs(40)) && minute.due(now + Duration::from_secs(49)));
    }
    let dead = held(Some(Duration::ZERO));
    assert!(dead.due(now) && !dead.useful(now));
    let eternal = held(None);
    assert!(
        !eternal.due(now + Duration::from_secs(1 << 30))
            && eternal.useful(now + Duration::from_secs(1 << 30))
    );
}

#[tokio::test]
async fn what_is_young_is_not_forgotten() {
    let (c, count) = cached(Some(Duration::from_secs(3600)), Duration::ZERO, |_| false);
    c.get().await.unwrap();
    c.forget();
    c.get().await.unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 1);
    // As if it had been fetched a while ago.
    let mut old = Held::new(Fresh { value: 7, life: Some(Duration::from_secs(3600)) }, Instant::now());
    old.fetched = Instant::now().checked_sub(YOUNG * 2).unwrap();
    c.0.held.store(Some(Arc::new(old)));
    assert_eq!(*c.get().await.unwrap(), 7);
    c.forget();
    assert_eq!(*c.get().await.unwrap(), 2);
}
