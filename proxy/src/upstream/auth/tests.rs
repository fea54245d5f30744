//! The authorizers against stub services on this machine.

mod aws;
mod azure;
mod google;
mod stub;

use super::env::Env;
use super::http::Client;
use super::{AuthError, Authorizer};
use crate::upstream::Pools;
use ::http::{HeaderMap, Method};
use pingora_core::connectors::ConnectorOptions;
use sallyport_config::model::{HttpVersions, KindSettings, ProviderKind, Upstream};
use sallyport_config::snapshot::Provider;
use sallyport_filters::outgoing::Outgoing;
use std::sync::Arc;

fn provider(kind: ProviderKind, settings: KindSettings) -> Provider {
    Provider {
        name: "p".into(),
        kind,
        tls: true,
        host: "up.example".into(),
        port: 443,
        authority: "up.example".into(),
        base_path: "".into(),
        api_key: None,
        settings,
        headers: Vec::new(),
        http: HttpVersions::Auto,
        ca_file: None,
        tls_name: "up.example".into(),
        passthrough: std::sync::Arc::default(),
        enabled: true,
        generation: 1,
        managed: true,
    }
}

/// Over connections of its own; `listed`: networks that may be used.
fn client(listed: &[&str]) -> Client {
    let settings = Upstream {
        allow_networks: listed.iter().map(|n| n.parse().unwrap()).collect(),
        ..Upstream::default()
    };
    Client::new(Arc::new(Pools::new(ConnectorOptions::new(4))), &settings)
}

fn authorizer(kind: ProviderKind, settings: KindSettings, env: &[(&'static str, String)]) -> Authorizer {
    Authorizer::with(&provider(kind, settings), client(&[]), Env::of(env))
}

fn request() -> Outgoing {
    Outgoing {
        path_and_query: "/model/a.b-v1%3A0/converse".into(),
        headers: HeaderMap::new(),
        body: "{}".into(),
        splices: Vec::new(),
    }
}

/// A call's `authorization` header.
async fn authorized(a: &Authorizer) -> Result<String, AuthError> {
    let mut out = request();
    a.authorize(&mut out, &Method::POST, "up.example").await?;
    let value = &out.headers["authorization"];
    assert!(value.is_sensitive());
    Ok(value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn kinds_with_a_key_need_nothing_more() {
    for kind in ProviderKind::ALL {
        let mut p = provider(kind, KindSettings::default_of(kind));
        p.api_key = Some(sallyport_config::model::Secret::new("k"));
        let a = Authorizer::with(&p, client(&[]), Env::of(&[]));
        let mut out = request();
        a.authorize(&mut out, &Method::POST, "up.example").await.unwrap();
        a.refused();
        assert!(out.headers.is_empty(), "{kind:?}");
    }
}

#[test]
fn the_client_learns_nothing_of_the_story() {
    let e = AuthError::Refused {
        what: "Microsoft Entra ID",
        status: 401,
        story: "invalid_client: inside".into(),
    };
    let r = e.rejection("azure");
    assert_eq!((r.kind.status(), r.code), (502, "upstream_refused"));
    assert!(!r.message.contains("Entra") && r.detail.unwrap().contains("401: invalid_client: inside"));
}
