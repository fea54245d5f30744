use super::*;
use crate::testing::{model, provider, route, snapshot};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sallyport_config::model::ProviderKind;
use std::sync::Arc;

fn world() -> Snapshot {
    let mut s = snapshot();
    for name in ["a", "b", "c", "d"] {
        s.providers.insert(name.into(), Arc::new(provider(name, ProviderKind::OpenaiCompatible)));
    }
    s
}

fn order(m: &Model, s: &Snapshot, surface: Surface, seed: u64) -> Vec<String> {
    candidates(m, s, surface, &mut StdRng::seed_from_u64(seed)).map(|t| t.provider.name.to_string()).collect()
}

#[test]
fn shares_follow_the_weights_and_zero_comes_last() {
    let s = world();
    let m =
        model("m", vec![route("d", None, 0), route("a", None, 1), route("b", None, 3), route("c", None, 0)]);
    let mut first_b = 0;
    for seed in 0..4000 {
        let o = order(&m, &s, Surface::Chat, seed);
        assert_eq!(o.len(), 4);
        assert_eq!(o[2..], ["d", "c"], "fallbacks in their own order");
        first_b += u32::from(o[0] == "b");
    }
    // 3000 expected, deviation 27: five of them.
    assert!((2860..3140).contains(&first_b), "{first_b}");
}

#[test]
fn what_cannot_serve_is_skipped() {
    let mut s = world();
    let mut off = provider("b", ProviderKind::Openai);
    off.enabled = false;
    s.providers.insert("b".into(), Arc::new(off));
    let m = model(
        "m",
        vec![
            route("b", None, 1),
            route("gone", None, 1),
            route("anthropic", None, 1),
            route("a", Some("x"), 1),
        ],
    );
    for conversation in [Surface::Chat, Surface::Responses, Surface::Messages] {
        let mut all = order(&m, &s, conversation, 1);
        all.sort();
        assert_eq!(all, ["a", "anthropic"], "{conversation:?} is translated where need be");
    }
    // What has no translation stays with those who speak it.
    for openai in [Surface::Completions, Surface::Embeddings, Surface::Moderations, Surface::Images] {
        assert_eq!(order(&m, &s, openai, 1), ["a"], "{openai:?}");
    }
    assert_eq!(order(&m, &s, Surface::CountTokens, 1).len(), 2, "counted there, or estimated here");
    assert_eq!(order(&model("e", vec![]), &s, Surface::Chat, 1), Vec::<String>::new());
    let target = candidates(&m, &s, Surface::Embeddings, &mut StdRng::seed_from_u64(1)).next().unwrap();
    assert_eq!(target.model.as_deref(), Some("x"));
    // Disabled is not unknown.
    let only_b = model("m", vec![route("b", None, 1)]);
    assert!(speaks(&only_b, &s, Surface::Chat) && order(&only_b, &s, Surface::Chat, 1).is_empty());
    assert!(
        speaks(&only_b, &s, Surface::Messages)
            && speaks(&only_b, &s, Surface::CountTokens)
            && !speaks(&model("e", vec![route("gone", None, 1)]), &s, Surface::Chat)
    );
}

#[test]
fn a_strategy_may_take_routes_out() {
    #[derive(Debug)]
    struct Reverse;
    impl Strategy for Reverse {
        fn order(&self, routes: &mut SmallVec<[&Route; 4]>, _: &mut dyn RngCore) {
            routes.reverse();
            routes.truncate(1);
        }
    }
    let s = world();
    let m = model("m", vec![route("a", None, 1), route("b", None, 1)]);
    let got: Vec<_> = candidates_by(&Reverse, &m, &s, Surface::Chat, &mut StdRng::seed_from_u64(1)).collect();
    assert_eq!((got.len(), &*got[0].provider.name), (1, "b"));
}
