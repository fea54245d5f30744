//! Who may do what to whose things: every route that the OpenAPI document has × every built-in role × one's own things,
//! those of a team that one is in, and others'. What must come of it is said here, in `MAY`, and not taken from the code.

use super::house::{House, PASSWORD};
use super::kit::{Answer, TOKEN, answer, call};
use axum::body::Body;
use http::Request;
use sallyport_schema::access::BUILT_IN;
use sallyport_schema::audit::{Actor, AuditFilter, Verified};
use sallyport_schema::log_store::{LogStore as _, PgLogStore};
use sallyport_schema::rows::HeldRole;
use sallyport_schema::store::people::NewPerson;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The columns of `MAY`. All are in the team red; `team_manager` and `manager` (a developer otherwise) manage it.
const ROLES: [&str; 6] = ["super_admin", "admin", "team_manager", "developer", "viewer", "manager"];

/// What each role may, and to whose things. `a`: everybody's; `t`: one's own and those of teams that one manages; `o`:
/// one's own; `-`: nobody's.
const MAY: [(&str, [char; 6]); 29] = [
    ("health.read", ['a', 'a', '-', '-', 'a', '-']),
    ("calls.read", ['a', 'a', 't', 'o', 'a', 't']),
    ("snapshot.read", ['a', 'a', '-', '-', 'a', '-']),
    ("api.read", ['a', 'a', 'a', 'a', 'a', 'a']),
    ("users.read", ['a', 'a', 't', 'o', 'a', 't']),
    ("users.write", ['a', 'a', '-', '-', '-', '-']),
    ("users.reset", ['a', 'a', '-', '-', '-', '-']),
    ("users.erase", ['a', '-', '-', '-', '-', '-']),
    ("teams.read", ['a', 'a', 't', 'o', 'a', 't']),
    ("teams.write", ['a', 'a', '-', '-', '-', '-']),
    ("teams.members", ['a', 'a', 't', '-', '-', 't']),
    ("service_accounts.read", ['a', 'a', 't', '-', 'a', 't']),
    ("service_accounts.write", ['a', 'a', 't', '-', '-', 't']),
    ("keys.read", ['a', 'a', 't', 'o', 'a', 't']),
    ("keys.write", ['a', 'a', 't', 'o', '-', 't']),
    ("roles.read", ['a', 'a', 'a', '-', 'a', '-']),
    ("roles.write", ['a', '-', '-', '-', '-', '-']),
    ("providers.read", ['a', 'a', '-', '-', 'a', '-']),
    ("providers.write", ['a', 'a', '-', '-', '-', '-']),
    ("models.read", ['a', 'a', 'a', 'a', 'a', 'a']),
    ("models.write", ['a', 'a', '-', '-', '-', '-']),
    ("settings.read", ['a', 'a', '-', '-', 'a', '-']),
    ("settings.write", ['a', 'a', '-', '-', '-', '-']),
    ("sign_in.read", ['a', 'a', '-', '-', '-', '-']),
    ("sign_in.write", ['a', '-', '-', '-', '-', '-']),
    ("audit.read", ['a', 'a', '-', '-', '-', '-']),
    ("config.export", ['a', 'a', '-', '-', '-', '-']),
    ("config.import", ['a', '-', '-', '-', '-', '-']),
    // Whoever has signed in.
    ("signed_in", ['o', 'o', 'o', 'o', 'o', 'o']),
];

/// Whose a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Own,
    Team,
    /// Users and service accounts among them are super admins.
    Other,
    /// The organisation's, or a list: the permission opens it or not.
    Whole,
}

/// Things that belong to somebody: where their paths begin, what it takes to see them, whose there are.
const OWNED: [(&str, &str, &[Whose]); 6] = [
    ("/api/users/{id}", "users.read", &[Whose::Own, Whose::Team, Whose::Other]),
    ("/api/teams/{id}", "teams.read", &[Whose::Own, Whose::Other]),
    ("/api/service_accounts/{id}", "service_accounts.read", &[Whose::Team, Whose::Other]),
    ("/api/keys/{id}", "keys.read", &[Whose::Own, Whose::Team, Whose::Other]),
    ("/api/calls/{id}", "calls.read", &[Whose::Own, Whose::Team, Whose::Other]),
    ("/api/sessions/{id}", "signed_in", &[Whose::Own, Whose::Other]),
];

fn may(column: usize, permission: &str) -> char {
    let line = MAY.iter().find(|(p, _)| *p == permission);
    line.unwrap_or_else(|| panic!("who may {permission}? say it in MAY")).1[column]
}

const fn reaches(how_far: char, whose: Whose) -> bool {
    match how_far {
        'a' => true,
        't' => matches!(whose, Whose::Own | Whose::Team),
        'o' => matches!(whose, Whose::Own),
        _ => false,
    }
}

/// None: it is done, or would be if the request said what.
fn refusal(column: usize, route: &Route, whose: Whose) -> Option<u16> {
    let how_far = may(column, &route.permission);
    let seen = route.owned.is_some_and(|(_, read, _)| reaches(may(column, read), whose));
    let changes = route.owned.is_some_and(|(_, read, _)| *read != route.permission);
    let above = changes
        && whose == Whose::Other
        && ROLES[column] != "super_admin"
        && ["/api/users", "/api/service_accounts"].iter().any(|p| route.path.starts_with(p));
    match () {
        // Only the bootstrap token sets up.
        () if route.name() == "POST /api/setup" => Some(403),
        () if how_far == '-' => Some(403),
        // A list is of what one may see.
        () if whose == Whose::Whole => None,
        () if !reaches(how_far, whose) && seen => Some(403),
        () if !reaches(how_far, whose) => Some(404),
        // Nobody above oneself is changed.
        () if above => Some(403),
        () => None,
    }
}

struct Route {
    method: String,
    path: String,
    permission: String,
    owned: Option<&'static (&'static str, &'static str, &'static [Whose])>,
}

impl Route {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// What is done to oneself, or to the team that all the rest needs.
    fn ends_it(&self, whose: Whose) -> bool {
        let done = self.method == "DELETE" || ["/password", "/erase"].iter().any(|e| self.path.ends_with(e));
        let kind = self.owned.is_some_and(|(p, ..)| matches!(*p, "/api/users/{id}" | "/api/teams/{id}"));
        done && kind && whose == Whose::Own && !self.path.contains("{user_id}")
    }

    fn body(&self) -> Option<Value> {
        match self.method.as_str() {
            "GET" => None,
            _ if self.owned.is_none() => Some(json!({"no": "such field"})),
            _ if self.path.contains("{user_id}") && self.method == "PUT" => Some(json!({"role": "member"})),
            "PATCH" | "PUT" => Some(json!({})),
            _ if self.path.ends_with("/rotate") => Some(json!({})),
            _ => None,
        }
    }
}

/// All routes that the document has.
fn routes(document: &Value) -> Vec<Route> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let permission = operation["x-permission"].as_str();
            let permission = permission.unwrap_or_else(|| panic!("{method} {path}: what does it need?"));
            let starts = |p: &str| *path == p || path.starts_with(&format!("{p}/"));
            all.push(Route {
                method: method.to_uppercase(),
                path: path.clone(),
                permission: permission.to_owned(),
                owned: OWNED.iter().find(|(p, ..)| starts(p)),
            });
        }
    }
    all
}

/// The people, and a way to make things of theirs.
struct Town {
    house: House,
    red: Uuid,
    blue: Uuid,
    other: Uuid,
    others_session: Uuid,
}

impl Town {
    async fn new() -> Self {
        let house = House::new().await;
        let team = async |name: &str| id(&root(&house, "POST", "/api/teams", json!({"name": name})).await);
        let (red, blue) = (team("red").await, team("blue").await);
        let other = house.person("other@example.com", "super_admin").await.id;
        let session = sign_in(&house, "other@example.com").await.json();
        let others_session = session["session"].as_str().unwrap().parse().unwrap();
        Self { house, red, blue, other, others_session }
    }

    /// A user of no roles, in the team or a super admin.
    async fn somebody(&self, whose: Whose) -> Uuid {
        let role = (whose == Whose::Other).then(|| HeldRole { role: "super_admin".into(), team: None });
        let new = NewPerson {
            email: format!("{}@example.com", Uuid::now_v7()),
            name: "x".into(),
            source: "local",
            password: None,
            roles: role.into_iter().collect(),
        };
        let made = self.house.store.create_person(&new, false, &Actor::cli()).await.unwrap().id;
        if whose == Whose::Team {
            self.house.store.put_member(self.red, made, false, &Actor::cli()).await.unwrap();
        }
        made
    }

    /// A thing that no other request was about, as far as it can be.
    async fn thing(&self, kind: &str, whose: Whose, me: Uuid, email: &str) -> Uuid {
        match kind {
            "/api/users/{id}" if whose == Whose::Own => me,
            "/api/users/{id}" => self.somebody(whose).await,
            "/api/teams/{id}" if whose == Whose::Own => self.red,
            "/api/teams/{id}" => {
                let new = json!({"name": Uuid::now_v7().to_string()});
                id(&root(&self.house, "POST", "/api/teams", new).await)
            }
            "/api/service_accounts/{id}" => {
                let (team, roles) = match whose {
                    Whose::Team => (self.red, json!([])),
                    _ => (self.blue, json!([{"role": "super_admin"}])),
                };
                let new = json!({"name": Uuid::now_v7().to_string(), "team": team, "roles": roles});
                id(&root(&self.house, "POST", "/api/service_accounts", new).await)
            }
            "/api/keys/{id}" => {
                let mut new = json!({"name": "x", "surfaces": ["chat"], "models": ["gpt-*"]});
                match whose {
                    Whose::Own => new["user"] = json!(me),
                    Whose::Team => new["team"] = json!(self.red),
                    _ => new["user"] = json!(self.other),
                }
                id(&root(&self.house, "POST", "/api/keys", new).await["key"])
            }
            "/api/calls/{id}" => {
                let mut record = call(time::OffsetDateTime::now_utc());
                record.user_id = (whose == Whose::Own).then_some(me);
                record.team_id = (whose == Whose::Team).then_some(self.red);
                PgLogStore::new(self.house.store.clone())
                    .append(std::slice::from_ref(&record))
                    .await
                    .unwrap();
                record.id
            }
            "/api/sessions/{id}" if whose == Whose::Own => {
                let session = sign_in(&self.house, email).await.json();
                session["session"].as_str().unwrap().parse().unwrap()
            }
            "/api/sessions/{id}" => self.others_session,
            _ => panic!("{kind}"),
        }
    }

    /// Somebody in the team, or nobody in it who could be put there.
    async fn member(&self, route: &Route, team: Uuid) -> Uuid {
        let member = self.somebody(Whose::Own).await;
        if route.method != "PUT" {
            self.house.store.put_member(team, member, false, &Actor::cli()).await.unwrap();
        }
        member
    }

    async fn token(&self, email: &str) -> String {
        let a = sign_in(&self.house, email).await;
        let cookies = a.headers.get_all("set-cookie").iter().map(|c| c.to_str().unwrap());
        let access = cookies.filter_map(|c| c.strip_prefix("__Host-sallyport=")).next().unwrap();
        access.split(';').next().unwrap().to_owned()
    }
}

fn id(of: &Value) -> Uuid {
    of["id"].as_str().unwrap_or_else(|| panic!("{of}")).parse().unwrap()
}

async fn root(house: &House, method: &str, uri: &str, body: Value) -> Value {
    let a = ask(house, Some(TOKEN), method, uri, Some(body)).await;
    assert!(a.status.is_success(), "{method} {uri}: {}", a.text());
    a.json()
}

async fn sign_in(house: &House, email: &str) -> Answer {
    let a =
        ask(house, None, "POST", "/api/session", Some(json!({"email": email, "password": PASSWORD}))).await;
    assert_eq!(a.status, 200, "{email}: {}", a.text());
    a
}

async fn ask(house: &House, token: Option<&str>, method: &str, uri: &str, body: Option<Value>) -> Answer {
    let mut request = Request::builder().method(method).uri(uri).header("host", "localhost");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = match body {
        Some(json) => {
            request = request.header("content-type", "application/json");
            Body::from(json.to_string())
        }
        None => Body::empty(),
    };
    answer(&house.router, request.body(body).unwrap()).await
}

/// What is of the files or built in, or nothing.
fn whole(path: &str) -> String {
    let name = match path {
        p if p.starts_with("/api/providers/") => "openai",
        p if p.starts_with("/api/models/") => "gpt-5",
        p if p.starts_with("/api/settings/") => "upstream.backoff",
        _ => "viewer",
    };
    let mut uri = path.replace("{name}", name);
    while let (Some(from), Some(to)) = (uri.find('{'), uri.find('}')) {
        uri.replace_range(from..=to, &Uuid::nil().to_string());
    }
    uri
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_document_for_every_role_on_whose_things() {
    assert!(BUILT_IN.iter().all(|r| ROLES.contains(r)), "a built-in role is not in the matrix");
    let town = Town::new().await;
    let document = ask(&town.house, Some(TOKEN), "GET", "/api/openapi.json", None).await.json();
    let routes = routes(&document);
    let mut checked = 0;
    for (column, role) in ROLES.into_iter().enumerate() {
        let email = format!("{role}@example.com");
        let (held, manages) = match role {
            "manager" => ("developer", true),
            "team_manager" => (role, true),
            _ => (role, false),
        };
        let me = town.house.person(&email, held).await.id;
        town.house.store.put_member(town.red, me, manages, &Actor::cli()).await.unwrap();
        let token = town.token(&email).await;
        for route in routes.iter().filter(|r| !matches!(r.permission.as_str(), "public" | "scim")) {
            for whose in route.owned.map_or(&[Whose::Whole][..], |(.., all)| all).iter().copied() {
                let wanted = refusal(column, route, whose);
                if wanted.is_none() && route.ends_it(whose) {
                    continue;
                }
                let uri = match route.owned {
                    None => whole(&route.path),
                    Some((kind, ..)) => {
                        let thing = town.thing(kind, whose, me, &email).await;
                        let mut uri = route.path.replace("{id}", &thing.to_string());
                        if uri.contains("{user_id}") {
                            let member = town.member(route, thing).await;
                            uri = uri.replace("{user_id}", &member.to_string());
                        }
                        uri
                    }
                };
                let leaves = route.name() == "DELETE /api/session";
                let another = if leaves { Some(town.token(&email).await) } else { None };
                let token = another.as_deref().unwrap_or(&token);
                let a = ask(&town.house, Some(token), &route.method, &uri, route.body()).await;
                let status = a.status.as_u16();
                let about = format!("{role}, {whose:?}: {} {uri}: {}", route.method, a.text());
                match wanted {
                    Some(wanted) => assert_eq!(status, wanted, "{about}"),
                    None if route.owned.is_some() => assert!(!matches!(status, 401 | 403 | 404), "{about}"),
                    None => assert!(!matches!(status, 401 | 403), "{about}"),
                }
                checked += 1;
            }
        }
    }
    assert!(checked > 6 * routes.len(), "{checked}");
    let denied = AuditFilter { outcome: Some("denied".into()), ..AuditFilter::default() };
    let denied = town.house.store.audit_trail(&denied, None, 1).await.unwrap();
    assert!(!denied.is_empty(), "denials are in the trail");
    assert!(matches!(town.house.store.audit_verify().await.unwrap(), Verified::Whole { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_anonymous_get_what_is_public_and_nothing_else() {
    let town = Town::new().await;
    let document = ask(&town.house, Some(TOKEN), "GET", "/api/openapi.json", None).await.json();
    let mut public = BTreeSet::new();
    for route in routes(&document) {
        let a = ask(&town.house, None, &route.method, &whole(&route.path), route.body()).await;
        if route.permission == "public" {
            public.insert(route.name());
        } else if route.permission == "scim" {
            // It has tokens of its own (and errors of its own form).
            assert_eq!(a.status, 401, "{}", route.name());
        } else {
            assert_eq!(a.problem(), (401, "missing_token".into()), "{}", route.name());
        }
    }
    let wanted = [
        "GET /api/health",
        "GET /api/oidc/{slug}/callback",
        "GET /api/oidc/{slug}/login",
        "GET /api/setup",
        "GET /api/sign_in",
        "POST /api/oidc/{slug}/backchannel_logout",
        "POST /api/session",
        "POST /api/session/passkey/begin",
        "POST /api/session/passkey/finish",
        "POST /api/session/refresh",
    ];
    assert_eq!(public.iter().map(String::as_str).collect::<Vec<_>>(), wanted, "is it public on purpose?");
}
