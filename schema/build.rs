//! Embeds the migrations: a new file under `postgres/` must rebuild the crate (the macro alone only sees the old ones).
fn main() {
    println!("cargo:rerun-if-changed=postgres");
}
