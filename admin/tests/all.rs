//! The admin service from outside: its routes without sockets, then the whole service over real ones.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a test's way to fail")]

mod all {
    mod authenticator;
    mod costs;
    mod data;
    mod enforced;
    mod house;
    mod keys;
    mod kit;
    mod matrix;
    mod oidc;
    mod oidc_fake;
    mod oidc_kit;
    mod oidc_logout;
    mod oidc_people;
    mod passkeys;
    mod people;
    mod postgres;
    mod resources;
    mod routes;
    mod scim;
    mod second_factor;
    mod sessions;
    mod sign_in;
    mod tools;
    mod wire;
}
