//! How long 100 000 keys take to load, what a key costs in memory, what one change costs.
//! `cargo run --release -p sallyport-config --example snapshot_size` (Linux: reads /proc/self/statm).

use sallyport_config::last_good::Frozen;
use sallyport_config::snapshot::Source;
use sallyport_config::{Assembler, LastGood, Loaded, load};
use sallyport_schema::envelope::{KeyRing, MasterKey};
use sallyport_schema::labels::Labels;
use sallyport_schema::rows::{Change, KeyRow, StoredState};
use sallyport_schema::store::Store;
use sallyport_schema::testing::TestPg;
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use uuid::Uuid;

const KEYS: u128 = 100_000;

fn key(n: u128) -> KeyRow {
    // Spread like a hash.
    let mut hash = [0; 32];
    for (i, chunk) in hash.chunks_mut(16).enumerate() {
        let x = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).rotate_left(64 * i as u32);
        chunk.copy_from_slice(&x.to_be_bytes());
    }
    KeyRow {
        id: Uuid::from_u128(n),
        name: format!("team-{} key {n}", n % 500),
        hash,
        prefix: format!("sp-{:08x}", n as u32),
        user_id: Some(Uuid::from_u128(n / 3)),
        team_id: Some(Uuid::from_u128(n % 500)),
        surfaces: vec!["chat".into(), "messages".into(), "responses".into()],
        models: (0..n % 20).map(|i| format!("model-{i}*")).collect(),
        tools: (0..n % 5).map(|i| format!("server-{i}/*")).collect(),
        created_at: OffsetDateTime::UNIX_EPOCH,
        expires_at: Some(OffsetDateTime::UNIX_EPOCH),
        revoked_at: None,
        service_account_id: None,
        networks: None,
        disabled_at: None,
        labels: Labels::default(),
    }
}

fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split(' ').nth(1).and_then(|p| p.parse().ok()).unwrap_or(0.0);
    pages * 4096.0
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("snapshot-size-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let file = dir.join("c.yaml");
    std::fs::write(&file, "")?;
    let loaded = load(&[file], &|_| None)?;
    let ring = Arc::new(KeyRing::new(MasterKey::generate()?));
    let mut assembler = Assembler::new(&loaded, StoredState::default(), Source::Store, ring.clone());

    // One by one, so that the rows themselves don't count.
    let before = resident();
    let began = Instant::now();
    for n in 0..KEYS {
        assembler.apply(Change::Key(key(n)));
    }
    let took = began.elapsed();
    eprintln!(
        "{:.0} bytes a key (resident), {:.1} µs a change",
        (resident() - before) / KEYS as f64,
        took.as_secs_f64() * 1e6 / KEYS as f64
    );

    let snapshot = assembler.snapshot().clone();
    let asked: Vec<_> = (0..KEYS).step_by(7).map(|n| key(n).hash).collect();
    let began = Instant::now();
    let found = asked.iter().filter(|h| snapshot.keys.contains_key(*h)).count();
    eprintln!("{found} look-ups, {:.0} ns each", began.elapsed().as_nanos() as f64 / found as f64);
    let began = Instant::now();
    for _ in 0..100 {
        assert!(asked[..100].iter().all(|h| snapshot.keys.contains_key(h)));
    }
    eprintln!("{:.0} ns each while hot", began.elapsed().as_nanos() as f64 / 10_000.0);
    drop(snapshot);

    let rows = StoredState { keys: (0..KEYS).map(key).collect(), ..StoredState::default() };
    let began = Instant::now();
    assembler.apply(Change::Everything(Box::new(rows)));
    eprintln!("{KEYS} keys at once: {:?}", began.elapsed());

    let last_good = LastGood::new(&dir, ring);
    let began = Instant::now();
    last_good.write(&Frozen::of(&assembler))?;
    eprintln!(
        "last-good copy written in {:?}, {} bytes",
        began.elapsed(),
        std::fs::metadata(dir.join(sallyport_config::last_good::FILE))?.len()
    );
    let began = Instant::now();
    let read = last_good.read()?.map_or(0, |s| s.keys.len());
    eprintln!("{read} keys read in {:?}", began.elapsed());
    std::fs::remove_dir_all(&dir)?;
    tokio::runtime::Runtime::new()?.block_on(from_postgres(&loaded))
}

/// The same from a Postgres of its own, with 1000 models of two routes each: what a start waits for.
async fn from_postgres(loaded: &Loaded) -> Result<(), Box<dyn std::error::Error>> {
    let pg = TestPg::start().await;
    let url = pg.database().await;
    TestPg::execute(
        &url,
        "ALTER TABLE virtual_keys DISABLE TRIGGER ALL; ALTER TABLE models DISABLE TRIGGER ALL;
         ALTER TABLE routes DISABLE TRIGGER ALL;
         INSERT INTO models (name) SELECT 'model-' || g FROM generate_series(1, 1000) g;
         INSERT INTO routes (model_id, provider, upstream_model)
             SELECT id, 'p' || n, name FROM models, generate_series(1, 2) n;
         INSERT INTO virtual_keys (name, hash, prefix, surfaces, models, tools, expires_at)
             SELECT 'team key ' || g, sha256(g::text::bytea), 'sp-' || lpad(g::text, 8, '0'),
                    '{chat,messages,responses}', ARRAY(SELECT 'model-' || i || '*' FROM generate_series(1, g % 20) i),
                    ARRAY(SELECT 'server-' || i || '/*' FROM generate_series(1, g % 5) i), now() + interval '1 year' FROM generate_series(1, 100000) g;
         ANALYZE",
    )
    .await;
    let store = Store::connect(&url, 2, Duration::from_secs(60)).await?;
    for _ in 0..3 {
        let began = Instant::now();
        let state = store.load().await?;
        let read = began.elapsed();
        let counts = (state.keys.len(), state.models.len());
        let ring = Arc::new(KeyRing::new(MasterKey::generate()?));
        let assembler = Assembler::new(loaded, state, Source::Store, ring);
        let models = assembler.snapshot().models.all().count();
        eprintln!(
            "{counts:?} rows read from Postgres in {read:?}, serving ({models} models) after {:?}",
            began.elapsed()
        );
    }
    Ok(())
}
