//! The real binary from outside: clients, upstreams and databases in the tests' hands. One binary for all, because
//! linking takes longer than running.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::large_futures, reason = "tests are not a hot path")]

mod e2e {
    mod access;
    mod auth;
    mod background_usage;
    mod bodies;
    mod call_log;
    mod cancel;
    mod cli;
    mod connections;
    mod control_plane;
    mod counts;
    mod embedded;
    mod embeddings;
    mod estimates;
    mod gemini_front;
    mod gemini_native;
    mod harness;
    mod headers;
    mod kept_references;
    mod kept_responses;
    mod kept_streams;
    mod kinds;
    mod kinds_auth;
    mod kinds_errors;
    mod lifecycle;
    mod memory;
    mod metering;
    mod models;
    mod models_list;
    mod passthrough;
    mod recorded;
    mod redis;
    mod rerank;
    mod resources;
    mod retries;
    mod state;
    mod stored_responses;
    mod streams;
    mod translated;
    mod translated_errors;
    mod translated_requests;
    mod translated_streams;
    mod upstream_tls;
    mod verbatim;

    mod support {
        pub(crate) mod answer;
        pub(crate) mod client;
        pub(crate) mod database;
        pub(crate) mod gateway;
        pub(crate) mod h2client;
        pub(crate) mod h2stub;
        pub(crate) mod kinds;
        pub(crate) mod ports;
        pub(crate) mod process;
        pub(crate) mod samples;
        pub(crate) mod setups;
        pub(crate) mod speech;
        pub(crate) mod stub;
        pub(crate) mod tls;
        pub(crate) mod wait;
        pub(crate) mod wire;
    }
}
