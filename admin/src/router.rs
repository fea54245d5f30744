//! Routes, each behind its line of the permission table, inside the layers that every request passes.

use crate::error::AdminError;
use crate::guard::{Guard, Post, stand};
use crate::harden;
use crate::host::{self, HostPolicy};
use crate::openapi;
use crate::pace;
use crate::permission::{Rule, TABLE, rule};
use crate::sign_in::{factor, me, passkey, passkeys, reset, sessions, setup};
use crate::state::AdminState;
use crate::{accounts, audit, effective, roles, teams, users};
use crate::{calls, health, keys, oidc, snapshot};
use crate::{models, providers, scim, settings, transfer};
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::any;
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::{OpenApi, RefOr, Schema};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

/// The API without a listener; for tests and for whoever serves it himself. Refuses to be built while a route
/// lacks its line in the permission table.
pub fn router(state: AdminState) -> Result<Router, AdminError> {
    app(state, HostPolicy::Any)
}

/// The API for a listener with this policy.
pub(crate) fn app(state: AdminState, hosts: HostPolicy) -> Result<Router, AdminError> {
    let paced = from_fn_with_state(state.clone(), pace::by_address);
    let cors = harden::cors(state.cors_origins())?;
    let (routes, _) = routes(state.guard(), None)?;
    let mut routes = routes
        .with_state(state)
        .route("/scim/v2/Me", any(scim::not_implemented))
        .route("/scim/v2/Bulk", any(scim::not_implemented))
        .fallback(harden::no_route)
        .method_not_allowed_fallback(harden::no_method)
        .layer(from_fn(harden::weigh))
        .layer(from_fn(harden::hurry))
        .layer(from_fn(scim::speak));
    if let Some(cors) = cors {
        routes = routes.layer(cors);
    }
    Ok(routes.layer(paced).layer(from_fn_with_state(hosts, host::check)).layer(from_fn(harden::dress)))
}

/// The routes as OpenAPI describes them, without anything behind them.
pub(crate) fn describe() -> Result<OpenApi, AdminError> {
    let (_, described) = routes(Arc::new(Guard::closed()), Some(Described::new(openapi::head())))?;
    Ok(described.unwrap_or_default().document)
}

/// All routes of the API; `described`: and what they are, added to this.
fn routes(
    guard: Arc<Guard>,
    described: Option<Described>,
) -> Result<(Router<AdminState>, Option<Described>), AdminError> {
    let mut api = Api { router: Router::new(), described, guard, table: TABLE, used: Vec::new() };
    api.add(routes!(health::get))?;
    api.add(routes!(calls::list))?;
    api.add(routes!(calls::get))?;
    api.add(routes!(calls::costs::list))?;
    api.add(routes!(snapshot::get))?;
    api.add(routes!(openapi::get))?;
    api.add(routes!(sessions::post, sessions::delete))?;
    api.add(routes!(sessions::refresh))?;
    api.add(routes!(sessions::list, sessions::delete_others))?;
    api.add(routes!(sessions::delete_one))?;
    api.add(routes!(me::get))?;
    api.add(routes!(me::put_password))?;
    api.add(routes!(factor::begin_totp, factor::remove_totp))?;
    api.add(routes!(factor::confirm_totp))?;
    api.add(routes!(factor::recovery_left, factor::new_recovery_codes))?;
    api.add(routes!(factor::reset))?;
    api.add(routes!(passkeys::list))?;
    api.add(routes!(passkeys::begin))?;
    api.add(routes!(passkeys::finish))?;
    api.add(routes!(passkeys::rename, passkeys::remove))?;
    api.add(routes!(passkey::begin))?;
    api.add(routes!(passkey::finish))?;
    api.add(routes!(setup::get, setup::post))?;
    api.add(routes!(reset::post))?;
    api.add(routes!(oidc::presets::list))?;
    api.add(routes!(oidc::write::list, oidc::write::create))?;
    api.add(routes!(oidc::write::get, oidc::write::change, oidc::write::delete))?;
    api.add(routes!(oidc::trial::begin, oidc::trial::get))?;
    api.add(routes!(oidc::trial::activate))?;
    api.add(routes!(oidc::trial::disable))?;
    api.add(routes!(oidc::login::list))?;
    api.add(routes!(oidc::login::begin))?;
    api.add(routes!(oidc::login::callback))?;
    api.add(routes!(oidc::logout::backchannel))?;
    api.add(routes!(keys::list, keys::create))?;
    api.add(routes!(keys::bulk::post))?;
    api.add(routes!(keys::get, keys::change))?;
    api.add(routes!(keys::effective::get))?;
    api.add(routes!(keys::rotate))?;
    api.add(routes!(keys::fetch_secret))?;
    api.add(routes!(keys::disable))?;
    api.add(routes!(keys::enable))?;
    api.add(routes!(keys::revoke))?;
    api.add(routes!(keys::archive))?;
    api.add(routes!(users::list, users::create))?;
    api.add(routes!(users::get, users::change, users::delete))?;
    api.add(routes!(users::end_sessions))?;
    api.add(routes!(users::data::export))?;
    api.add(routes!(users::data::erase))?;
    api.add(routes!(effective::of_user))?;
    api.add(routes!(teams::list, teams::create))?;
    api.add(routes!(teams::get, teams::change, teams::delete))?;
    api.add(routes!(teams::members::list))?;
    api.add(routes!(teams::members::get, teams::members::put, teams::members::remove))?;
    api.add(routes!(accounts::list, accounts::create))?;
    api.add(routes!(accounts::get, accounts::change, accounts::delete))?;
    api.add(routes!(effective::of_account))?;
    api.add(routes!(roles::matrix::get))?;
    api.add(routes!(roles::list, roles::create))?;
    api.add(routes!(roles::get, roles::replace, roles::delete))?;
    api.add(routes!(roles::history::list))?;
    api.add(routes!(audit::list))?;
    api.add(routes!(audit::verify))?;
    api.add(routes!(scim::clients::list, scim::clients::create))?;
    api.add(routes!(scim::clients::get, scim::clients::change, scim::clients::delete))?;
    api.add(routes!(scim::clients::rotate))?;
    api.add(routes!(scim::discovery::config))?;
    api.add(routes!(scim::discovery::resource_types))?;
    api.add(routes!(scim::discovery::resource_type))?;
    api.add(routes!(scim::discovery::schemas))?;
    api.add(routes!(scim::discovery::schema))?;
    api.add(routes!(scim::query::search))?;
    api.add(routes!(scim::users::list, scim::users::create))?;
    api.add(routes!(scim::users::search))?;
    api.add(routes!(scim::users::get, scim::users::replace, scim::users::patch, scim::users::delete))?;
    api.add(routes!(scim::groups::list, scim::groups::create))?;
    api.add(routes!(scim::groups::search))?;
    api.add(routes!(scim::groups::get, scim::groups::replace, scim::groups::patch, scim::groups::delete))?;
    api.add(routes!(providers::list, providers::create))?;
    api.add(routes!(providers::get, providers::change, providers::delete))?;
    api.add(routes!(providers::test::post))?;
    api.add(routes!(providers::import::list, providers::import::post))?;
    api.add(routes!(models::list, models::create))?;
    api.add(routes!(models::get, models::change, models::delete))?;
    api.add(routes!(settings::list))?;
    api.add(routes!(settings::get, settings::put, settings::delete))?;
    api.add(routes!(settings::history))?;
    api.add(routes!(transfer::export))?;
    api.add(routes!(transfer::import))?;
    api.finish()
}

struct Api<S> {
    router: Router<S>,
    described: Option<Described>,
    guard: Arc<Guard>,
    table: &'static [Rule],
    used: Vec<Rule>,
}

/// The routes as OpenAPI has them. Twenty megabytes while it is built: a service that runs sends the committed text.
#[derive(Default)]
struct Described {
    document: OpenApi,
    schemas: HashMap<String, RefOr<Schema>>,
}

impl Described {
    fn new(document: OpenApi) -> Self {
        Self { document, schemas: HashMap::new() }
    }

    /// Two schemas of one name would be one in the document.
    fn check<S>(&mut self, routes: &UtoipaMethodRouter<S>) -> Result<(), AdminError> {
        for (name, schema) in &routes.0 {
            match self.schemas.get(name) {
                Some(other) if other != schema => return Err(AdminError::OneName { name: name.clone() }),
                _ => drop(self.schemas.insert(name.clone(), schema.clone())),
            }
        }
        Ok(())
    }
}

impl<S: Clone + Send + Sync + 'static> Api<S> {
    /// Adds routes behind their guard.
    fn add(&mut self, routes: UtoipaMethodRouter<S>) -> Result<(), AdminError> {
        if let Some(described) = &mut self.described {
            described.check(&routes)?;
        }
        let mut rules = Vec::new();
        for (path, item) in &routes.1.paths {
            for method in methods(item) {
                match rule(self.table, method, path) {
                    Some(rule) => rules.push(*rule),
                    None => return Err(AdminError::NoPermission { method, path: path.clone() }),
                }
            }
        }
        self.used.extend(rules.iter().copied());
        let post = Post { guard: Arc::clone(&self.guard), rules: rules.into() };
        let routes = routes.map(|methods| methods.route_layer(from_fn_with_state(post, stand)));
        let document = self.described.as_mut().map(|d| std::mem::take(&mut d.document)).unwrap_or_default();
        let (router, document) = OpenApiRouter::with_openapi(document).routes(routes).split_for_parts();
        if let Some(described) = &mut self.described {
            described.document = document;
        }
        self.router = std::mem::take(&mut self.router).merge(router);
        Ok(())
    }

    /// The router, if every line of the table has found its route.
    fn finish(self) -> Result<(Router<S>, Option<Described>), AdminError> {
        match self.table.iter().find(|r| !self.used.contains(r)) {
            Some(Rule { method, path, .. }) => Err(AdminError::NoRoute { method, path }),
            None => Ok((self.router, self.described)),
        }
    }
}

fn methods(item: &PathItem) -> Vec<&'static str> {
    [
        (&item.get, "GET"),
        (&item.put, "PUT"),
        (&item.post, "POST"),
        (&item.delete, "DELETE"),
        (&item.options, "OPTIONS"),
        (&item.head, "HEAD"),
        (&item.patch, "PATCH"),
        (&item.trace, "TRACE"),
    ]
    .into_iter()
    .filter_map(|(operation, method)| operation.is_some().then_some(method))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::Permission;

    #[utoipa::path(get, path = "/a", responses((status = 200)))]
    async fn a() {}

    #[utoipa::path(post, path = "/a", responses((status = 200)))]
    async fn post_a() {}

    const ONLY_GET_A: &[Rule] = &[Rule { method: "GET", path: "/a", permission: Permission::Public }];

    fn api(table: &'static [Rule]) -> Api<()> {
        Api {
            router: Router::new(),
            described: Some(Described::default()),
            guard: Arc::new(Guard::closed()),
            table,
            used: Vec::new(),
        }
    }

    #[test]
    fn a_route_without_a_line_and_a_line_without_a_route_are_refused() {
        let mut fits = api(ONLY_GET_A);
        fits.add(routes!(a)).unwrap();
        assert!(fits.finish().is_ok());

        let e = api(ONLY_GET_A).add(routes!(a, post_a)).unwrap_err();
        assert_eq!(e.to_string(), "POST /a has no line in the permission table");

        let e = api(ONLY_GET_A).finish().err().unwrap();
        assert_eq!(e.to_string(), "the permission table names GET /a, which no route serves");
    }

    mod one {
        #[derive(serde::Serialize, utoipa::ToSchema)]
        struct Thing {
            a: u8,
        }
        #[utoipa::path(get, path = "/a", responses((status = 200, body = Thing)))]
        pub(super) async fn shown() {}
        #[utoipa::path(get, path = "/b", responses((status = 200, body = Thing)))]
        pub(super) async fn shown_again() {}
    }

    mod two {
        #[derive(serde::Serialize, utoipa::ToSchema)]
        struct Thing {
            b: u8,
        }
        #[utoipa::path(get, path = "/c", responses((status = 200, body = Thing)))]
        pub(super) async fn shown() {}
    }

    #[test]
    fn two_schemas_of_one_name_are_refused() {
        const THREE: &[Rule] = &[
            Rule { method: "GET", path: "/a", permission: Permission::Public },
            Rule { method: "GET", path: "/b", permission: Permission::Public },
            Rule { method: "GET", path: "/c", permission: Permission::Public },
        ];
        let mut clash = api(THREE);
        clash.add(routes!(one::shown)).unwrap();
        clash.add(routes!(one::shown_again)).unwrap();
        let e = clash.add(routes!(two::shown)).unwrap_err();
        assert_eq!(e.to_string(), "two schemas of the OpenAPI document are called Thing");
    }
}
