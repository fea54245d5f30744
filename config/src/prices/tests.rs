use super::*;
use crate::model::LongPrompt;
use crate::testing::loaded;
use proptest::prelude::*;

fn price(text: &str) -> Rate {
    let l = loaded(&format!("prices: {{models: {{m: {text}}}}}"));
    *l.prices.find("m").unwrap()
}

fn usage(input: u64, cached: u64, output: u64) -> Usage {
    Usage { input, cached_input: cached, output, ..Usage::default() }
}

const DOLLAR: i64 = 1_000_000_000;

#[test]
fn cached_tokens_are_neither_at_full_price_nor_twice() {
    let r = price("{input: 2, cached_input: 0.5, output: 8}");
    // 1M prompt tokens, 400k of them cached: 0.6 × 2 + 0.4 × 0.5.
    assert_eq!(r.cost(&usage(1_000_000, 400_000, 0)), DOLLAR * 14 / 10);
    assert_eq!(r.cost(&usage(1_000_000, 1_000_000, 1_000_000)), DOLLAR / 2 + 8 * DOLLAR);
    // More cached than there are: as if all were.
    assert_eq!(r.cost(&usage(1_000_000, 9_000_000, 0)), DOLLAR / 2);
}

#[test]
fn custom_prices_keep_their_cache_rates() {
    let r = price("{input: 3, cached_input: 0.3, cache_write: 3.75, cache_write_1h: 6, output: 15}");
    let u = Usage {
        input: 1_000_000,
        cached_input: 100_000,
        cache_write: 200_000,
        cache_write_1h: 300_000,
        output: 0,
        reasoning: 0,
    };
    // 0.4 × 3 + 0.1 × 0.3 + 0.2 × 3.75 + 0.3 × 6
    assert_eq!(r.cost(&u), DOLLAR * 378 / 100);
    // What is not said is as the input; the long-lived write as the short-lived one.
    let r = price("{input: 3, output: 15}");
    assert_eq!((r.cached_input, r.cache_write, r.cache_write_1h), (3_000_000, 3_000_000, 3_000_000));
    assert_eq!(price("{input: 3, cache_write: 4}").cache_write_1h, 4_000_000);
}

#[test]
fn reasoning_is_a_part_of_the_output() {
    let u = Usage { output: 1_000_000, reasoning: 250_000, ..Usage::default() };
    assert_eq!(price("{input: 1, output: 8}").cost(&u), 8 * DOLLAR);
    assert_eq!(price("{input: 1, output: 8, reasoning: 4}").cost(&u), 7 * DOLLAR);
    let more = Usage { output: 10, reasoning: 1_000_000, ..Usage::default() };
    assert_eq!(price("{input: 1, output: 8, reasoning: 4}").cost(&more), 40_000);
}

#[test]
fn a_long_prompt_has_its_own_prices_for_all_of_the_call() {
    let r =
        price("{input: 2, output: 10, long_prompt: {above: 1000, input: 4, cached_input: 1, output: 15}}");
    assert_eq!(r.cost(&usage(1000, 0, 100)), 2_000_000 + 1_000_000);
    // Cached tokens count for the length.
    assert_eq!(r.cost(&usage(1001, 1000, 100)), 4000 + 1_000_000 + 1_500_000);
}

#[test]
fn rounding_is_half_up_and_nothing_overflows() {
    // 0.0005 dollars a million: half a nano-dollar a token.
    let r = price("{input: 0.0005, output: 0}");
    assert_eq!(r.cost(&usage(1, 0, 0)), 1);
    assert_eq!(r.cost(&usage(2, 0, 0)), 1);
    assert_eq!(r.cost(&usage(3, 0, 0)), 2);
    assert_eq!(price("{input: 0.0004}").cost(&usage(1, 0, 0)), 0);
    assert_eq!(price("{input: 1000000}").cost(&usage(u64::MAX, 0, u64::MAX)), i64::MAX);
    assert_eq!(price("{input: 0}").cost(&usage(u64::MAX, 0, 0)), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_cost_lies_between_the_cheapest_and_the_dearest_rate(
        rates in prop::array::uniform6(0i64..100_000_000),
        counts in prop::array::uniform6(0u64..10_000_000),
    ) {
        let [input, cached_input, cache_write, cache_write_1h, output, reasoning] = rates;
        let r = Rate { input, cached_input, cache_write, cache_write_1h, output, reasoning, long_prompt: None };
        let [a, b, c, d, e, f] = counts;
        let u = Usage { input: a, cached_input: b, cache_write: c, cache_write_1h: d, output: e, reasoning: f };
        let tokens = i128::from(a) + i128::from(e);
        let cost = i128::from(r.cost(&u)) * 1000;
        let (low, high) = (rates.iter().min().unwrap(), rates.iter().max().unwrap());
        prop_assert!(cost >= tokens * i128::from(*low) - 500 && cost <= tokens * i128::from(*high) + 500);
    }
}

#[test]
fn what_the_configuration_says_wins_over_the_table() {
    let l = loaded("prices: {models: {'gpt-5*': {input: 7}, gpt-5-mini: {input: 9}}}");
    let input = |m: &str| l.prices.find(m).unwrap().input;
    // A glob of the configuration wins over an exact name of the table; an exact one over the glob.
    assert_eq!((input("gpt-5"), input("gpt-5-mini")), (7_000_000, 9_000_000));
    assert_eq!(input("gpt-4.1"), 2_000_000);
}

#[test]
fn a_glob_may_begin_with_its_star() {
    let l = loaded("prices: {models: {'*-mine': {input: 7}, 'zz-*': {input: 8}, '*': {input: 9}}}");
    let input = |m: &str| l.prices.find(m).unwrap().input;
    assert_eq!(
        (input("a-mine"), input("zz-a"), input("other"), input("")),
        (7_000_000, 8_000_000, 9_000_000, 9_000_000)
    );
}

#[test]
fn a_price_file_takes_the_place_of_the_table() {
    let dir = tempfile::tempdir().unwrap();
    let at = |n: &str| dir.path().join(n);
    std::fs::write(at("p.yaml"), "models: {mine: {input: 1, output: 2}}").unwrap();
    std::fs::write(at("c.yaml"), format!("prices: {{file: '{}'}}", at("p.yaml").display())).unwrap();
    let l = crate::load(&[at("c.yaml")], &|_| None).unwrap();
    assert!(l.prices.find("mine").is_some() && l.prices.find("gpt-5").is_none());
    assert!(l.files.contains(&at("p.yaml")));
    std::fs::write(at("p.yaml"), "models: {mine: {input: 1, output: 3}}").unwrap();
    assert_ne!(crate::load(&[at("c.yaml")], &|_| None).unwrap().hash, l.hash, "its content counts");
    std::fs::write(at("p.yaml"), "models:\n  mine: {inpt: 1}\n  b: {input: -1}\n").unwrap();
    let e = crate::load(&[at("c.yaml")], &|_| None).unwrap_err().to_string();
    assert!(e.contains("p.yaml:2:10: models.mine: unknown key `inpt`; did you mean `input`?"), "{e}");
    std::fs::remove_file(at("p.yaml")).unwrap();
    let e = crate::load(&[at("c.yaml")], &|_| None).unwrap_err().to_string();
    assert!(e.contains("prices.file: cannot read"), "{e}");
}

fn table() -> PriceTable {
    PriceTable::new(&built_in().unwrap().models)
}

#[test]
fn the_built_in_table_knows_names_and_dated_snapshots() {
    let t = table();
    let usd = |m: &str| {
        t.find(m).map(|r| (r.input as f64 / 1e6, r.cached_input as f64 / 1e6, r.output as f64 / 1e6))
    };
    for (model, want) in [
        ("gpt-5", (1.25, 0.125, 10.0)),
        ("gpt-5-2025-08-07", (1.25, 0.125, 10.0)),
        ("gpt-5-mini", (0.25, 0.025, 2.0)),
        ("gpt-5-mini-2025-08-07", (0.25, 0.025, 2.0)),
        ("gpt-5-nano-2025-08-07", (0.05, 0.005, 0.4)),
        ("gpt-5-pro-2025-10-06", (15.0, 15.0, 120.0)),
        ("gpt-4o-2024-08-06", (2.5, 1.25, 10.0)),
        ("gpt-4o-2024-05-13", (5.0, 5.0, 15.0)),
        ("gpt-4o-mini-2024-07-18", (0.15, 0.075, 0.6)),
        ("gpt-4.1-nano", (0.1, 0.025, 0.4)),
        ("gpt-6.2-sol", (2.0, 0.1, 10.0)),
        ("gpt-6-luna", (0.1, 0.01, 0.5)),
        ("o3-2025-04-16", (2.0, 0.5, 8.0)),
        ("o3-mini-2025-01-31", (1.1, 0.55, 4.4)),
        ("o3-pro-2025-06-10", (20.0, 20.0, 80.0)),
        ("claude-sonnet-4-20250514", (3.0, 0.3, 15.0)),
        ("claude-sonnet-4-5-20250929", (3.0, 0.3, 15.0)),
        ("claude-opus-4-20250514", (15.0, 1.5, 75.0)),
        ("claude-opus-4-5-20251101", (5.0, 0.5, 25.0)),
        ("claude-opus-5-5", (4.0, 0.2, 20.0)),
        ("claude-haiku-5-5", (0.1, 0.01, 0.5)),
        ("claude-haiku-4-5-20251001", (1.0, 0.1, 5.0)),
        ("gemini-2.5-pro", (1.25, 0.125, 10.0)),
        ("gemini-2.5-flash-lite", (0.1, 0.01, 0.4)),
        ("text-embedding-3-small", (0.02, 0.02, 0.0)),
        ("omni-moderation-latest", (0.0, 0.0, 0.0)),
    ] {
        assert_eq!(usd(model), Some(want), "{model}");
    }
    // No glob reaches into a sibling or a model that is not known.
    for unknown in [
        "gpt-5-whatever",
        "gpt-5.9",
        "gpt-4o-audio-preview",
        "claude-opus-9",
        "gemini-2.5-flash-image",
        "o3-deep-research",
    ] {
        assert_eq!(usd(unknown), None, "{unknown}");
    }
}

#[test]
fn the_built_in_table_is_plausible() {
    let file = built_in().unwrap();
    assert_eq!(
        file.sources.iter().map(|s| s.provider.as_str()).collect::<Vec<_>>(),
        ["openai", "anthropic", "google"]
    );
    for s in &file.sources {
        assert!(s.url.starts_with("https://") && s.date.len() == 10, "{s:?}");
    }
    for (name, p) in &file.models {
        let flat = |l: &LongPrompt| Price {
            input: l.input,
            cached_input: l.cached_input,
            output: l.output,
            ..Price::default()
        };
        for p in [Some(p.clone()), p.long_prompt.as_ref().map(flat)].into_iter().flatten() {
            assert!(p.cached_input.is_none_or(|c| c <= p.input), "{name}: a cached token is not dearer");
            assert!(p.cache_write.is_none_or(|w| w >= p.input), "{name}: a cache write is not cheaper");
            assert!(p.output == 0.0 || p.output >= p.input, "{name}: an output token is not cheaper");
        }
        if name.starts_with("claude-") {
            assert!(
                p.cache_write.is_some() && p.cache_write_1h.is_some() && p.cached_input.is_some(),
                "{name}"
            );
        }
    }
}
