use super::*;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sallyport_config::model::Duration as Configured;

fn policy() -> RetryPolicy {
    let upstream = Upstream {
        max_attempts: 3,
        backoff: Configured::millis(200),
        max_backoff: Configured::secs(5),
        ..Upstream::default()
    };
    RetryPolicy::from(&upstream)
}

fn attempt(number: u32, has_other: bool, failure: Failure) -> Attempt {
    Attempt { number, on_same: 1, has_other, failure, hint: RetryHint::default() }
}

fn decide(a: &Attempt) -> Decision {
    policy().decide(a, &mut StdRng::seed_from_u64(1))
}

/// LESSONS.md: "A client's own 400 retried on every upstream".
#[test]
fn the_clients_own_errors_end_the_call() {
    assert_eq!(decide(&attempt(1, true, Failure::Answer(Fault::ClientsOwn))), Decision::GiveUp);
}

/// LESSONS.md: "An out-of-credit 400/402 or a revoked upstream key (401) not treated as that upstream's fault."
#[test]
fn an_upstream_that_refuses_us_is_left_for_another_and_not_asked_again() {
    let refused = Failure::Answer(Fault::CredentialsOrCredit);
    assert_eq!(decide(&attempt(1, true, refused)), Decision::Other);
    assert_eq!(decide(&attempt(1, false, refused)), Decision::GiveUp);
}

#[test]
fn another_candidate_is_tried_at_once_whatever_the_failed_one_says() {
    let hint = RetryHint { after: Some(Duration::from_secs(3600)), never: true };
    for failure in [Failure::Connect, Failure::Timeout, Failure::Answer(Fault::Retryable)] {
        assert_eq!(decide(&Attempt { hint, ..attempt(1, true, failure) }), Decision::Other);
        assert_eq!(decide(&attempt(3, true, failure)), Decision::GiveUp, "attempts are bounded");
    }
}

/// LESSONS.md: "Retry-After lost."
#[test]
fn the_same_candidate_is_asked_again_after_what_it_said() {
    let told = |after: u64, never| {
        let hint = RetryHint { after: Some(Duration::from_secs(after)), never };
        decide(&Attempt { hint, ..attempt(1, false, Failure::Answer(Fault::Retryable)) })
    };
    assert_eq!(told(2, false), Decision::Same(Duration::from_secs(2)));
    assert_eq!(told(5, false), Decision::Same(Duration::from_secs(5)));
    assert_eq!(told(6, false), Decision::GiveUp, "longer than max_backoff: the client is told");
    assert_eq!(told(1, true), Decision::GiveUp, "x-should-retry: false");
}

proptest! {
    #[test]
    fn jitter_is_between_zero_and_the_doubled_bounded_base(on_same in 1..100_u32, seed in any::<u64>()) {
        let a = Attempt { on_same, ..attempt(1, false, Failure::Connect) };
        let most = Duration::from_millis(200).saturating_mul(1 << (on_same - 1).min(10)).min(Duration::from_secs(5));
        match policy().decide(&a, &mut StdRng::seed_from_u64(seed)) {
            Decision::Same(wait) => prop_assert!(wait <= most),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
