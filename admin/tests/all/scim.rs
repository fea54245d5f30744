//! SCIM over HTTP: the RFC's examples, what directories send, and what a client may not do.

mod tokens;

use super::kit::{Answer, TOKEN, answer, call_json, managed, send};
use axum::Router;
use axum::body::Body;
use http::Request;
use sallyport_admin::permission::{Permission, TABLE};
use sallyport_schema::audit::{Actor, AuditFilter, Verified};
use sallyport_schema::rows::HeldRole;
use sallyport_schema::store::Store;
use sallyport_schema::store::people::NewPerson;
use sallyport_schema::testing::TestPg;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const USERS: &str = "/scim/v2/Users";
const GROUPS: &str = "/scim/v2/Groups";

struct Directory {
    _pg: Arc<TestPg>,
    store: Store,
    router: Router,
    token: String,
    client: String,
}

impl Directory {
    async fn new(client: Value) -> Self {
        let pg = TestPg::shared().await;
        let (router, store) = managed(&pg.database().await).await;
        let made = call_json(&router, "POST", "/api/scim_clients", &client, &[]).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let made = made.json();
        let (token, client) = (made["token"].as_str().unwrap(), made["client"]["id"].as_str().unwrap());
        Self { token: token.to_owned(), client: client.to_owned(), _pg: pg, store, router }
    }

    async fn plain() -> Self {
        Self::new(json!({"name": "entra", "default_roles": [{"role": "developer"}]})).await
    }

    async fn with(&self, method: &str, uri: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(uri).header("host", "admin.example.com");
        request = request.header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |json| Body::from(json.to_string()));
        request = request.header("content-type", "application/scim+json");
        let answer = answer(&self.router, request.body(body).unwrap()).await;
        if !answer.body.is_empty() {
            assert_eq!(answer.headers["content-type"], "application/scim+json", "{}", answer.text());
        }
        answer
    }

    async fn ask(&self, method: &str, uri: &str, body: Option<Value>) -> Answer {
        self.with(method, uri, body.as_ref(), &[]).await
    }

    /// It must succeed.
    async fn done(&self, method: &str, uri: &str, body: Option<Value>) -> Value {
        let a = self.ask(method, uri, body).await;
        assert!(a.status.is_success(), "{method} {uri}: {}", a.text());
        if a.body.is_empty() { Value::Null } else { a.json() }
    }

    async fn patch(&self, uri: &str, operations: Value) -> Answer {
        self.ask("PATCH", uri, Some(json!({"schemas": [PATCH], "Operations": operations}))).await
    }

    async fn user(&self, name: &str) -> Value {
        self.done("POST", USERS, Some(json!({"schemas": [USER], "userName": name}))).await
    }

    /// A user of ours.
    async fn local(&self, email: &str, role: &str) -> Uuid {
        let new = NewPerson {
            email: email.into(),
            name: email.into(),
            source: "local",
            password: None,
            roles: vec![HeldRole { role: role.into(), team: None }],
        };
        self.store.create_person(&new, false, &Actor::cli()).await.unwrap().id
    }
}

fn at(kind: &str, resource: &Value) -> String {
    format!("{kind}/{}", resource["id"].as_str().unwrap())
}

fn id(resource: &Value) -> Uuid {
    resource["id"].as_str().unwrap().parse().unwrap()
}

/// Status, and `scimType` of an error of RFC 7644, 3.12.
fn failure(a: &Answer) -> (u16, String) {
    let json = a.json();
    assert_eq!(json["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
    assert_eq!(json["status"], a.status.as_u16().to_string(), "a text");
    assert!(!json["detail"].as_str().unwrap().is_empty());
    (a.status.as_u16(), json["scimType"].as_str().unwrap_or_default().to_owned())
}

/// RFC 7644, 3.3 to 3.6 and 3.14.
#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_user_by_the_rfc() {
    let d = Directory::plain().await;
    let new = json!({
        "schemas": [USER], "userName": "bjensen@example.com", "externalId": "bjensen",
        "name": {"formatted": "Ms. Barbara J Jensen III", "familyName": "Jensen", "givenName": "Barbara"},
        "emails": [{"value": "bjensen@example.com", "type": "work"}], "nickName": "Babs",
    });
    let made = d.ask("POST", USERS, Some(new.clone())).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let user = made.json();
    let uri = at(USERS, &user);
    let address = format!("http://admin.example.com{uri}");
    assert_eq!(
        (made.headers["location"].to_str().unwrap(), &user["meta"]["location"]),
        (&*address, &json!(address))
    );
    assert_eq!(made.headers["etag"].to_str().unwrap(), user["meta"]["version"]);
    assert_eq!((&user["active"], &user["meta"]["resourceType"]), (&json!(true), &json!("User")));
    assert_eq!((&user["emails"], &user["name"]), (&new["emails"], &new["name"]));
    assert!(user.get("nickName").is_none() && user.get("password").is_none());
    let person = d.store.person(id(&user)).await.unwrap().unwrap();
    assert_eq!(
        (&*person.email, &*person.name, &*person.source),
        ("bjensen@example.com", "Ms. Barbara J Jensen III", "scim")
    );
    assert_eq!((person.roles[0].role.as_str(), person.has_password), ("developer", false));
    assert_eq!(failure(&d.ask("POST", USERS, Some(new.clone())).await), (409, "uniqueness".into()));
    let case = json!({"schemas": [USER], "userName": "BJENSEN@example.com"});
    assert_eq!(failure(&d.ask("POST", USERS, Some(case)).await), (409, "uniqueness".into()));

    let known =
        d.with("GET", &uri, None, &[("if-none-match", user["meta"]["version"].as_str().unwrap())]).await;
    assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
    let mut put = new;
    put["emails"] = json!([{"value": "bjensen@example.com"}, {"value": "babs@jensen.org"}]);
    put["name"].as_object_mut().unwrap().remove("formatted");
    let after = d.done("PUT", &uri, Some(put)).await;
    assert_eq!(
        (&after["name"], after["emails"].as_array().unwrap().len()),
        (&json!({"familyName": "Jensen", "givenName": "Barbara"}), 2)
    );
    assert_ne!(after["meta"]["version"], user["meta"]["version"]);
    assert_eq!(d.store.person(id(&user)).await.unwrap().unwrap().name, "Barbara Jensen");

    let off =
        json!({"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": false}]});
    let stale =
        d.with("PATCH", &uri, Some(&off), &[("if-match", user["meta"]["version"].as_str().unwrap())]).await;
    assert_eq!(failure(&stale).0, 412);
    let fresh =
        d.with("PATCH", &uri, Some(&off), &[("if-match", after["meta"]["version"].as_str().unwrap())]).await;
    assert_eq!((fresh.status.as_u16(), &fresh.json()["active"]), (200, &json!(false)));
    let again = d.ask("PATCH", &uri, Some(off)).await.json();
    assert_eq!(again["meta"]["version"], fresh.json()["meta"]["version"], "nothing changed");
    let person = d.store.person(id(&user)).await.unwrap().unwrap();
    assert_eq!((person.active, person.epoch), (false, 1), "sessions end");

    assert_eq!(d.ask("DELETE", &uri, None).await.status, 204);
    assert_eq!(failure(&d.ask("GET", &uri, None).await).0, 404);
    assert_eq!(failure(&d.ask("DELETE", &uri, None).await).0, 404);
    d.user("bjensen@example.com").await;

    let filter = AuditFilter { actor_id: Some(d.client.clone()), ..AuditFilter::default() };
    let rows = d.store.audit_trail(&filter, None, 50).await.unwrap();
    let actions: Vec<_> = rows.iter().rev().map(|r| r.action.as_str()).collect();
    assert_eq!(actions, ["user.create", "user.update", "user.update", "user.delete", "user.create"]);
    assert!(rows.iter().all(|r| r.actor == "scim:entra" && r.actor_kind == "scim"));
    assert!(matches!(d.store.audit_verify().await.unwrap(), Verified::Whole { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_sorted_and_paged() {
    let d = Directory::plain().await;
    for n in 0..7 {
        let new = json!({"schemas": [USER], "userName": format!("U{n}@example.com"), "externalId": format!("e{n}"),
                         "displayName": format!("N{}", 9 - n), "active": n != 3});
        d.done("POST", USERS, Some(new)).await;
    }
    let names = |list: &Value| -> Vec<String> {
        list["Resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["userName"].as_str().unwrap_or_default()[..2].to_owned())
            .collect()
    };
    let page = d.done("GET", &format!("{USERS}?startIndex=3&count=2"), None).await;
    assert_eq!(
        (&page["totalResults"], &page["startIndex"], &page["itemsPerPage"]),
        (&json!(7), &json!(3), &json!(2))
    );
    assert_eq!(names(&page), ["U2", "U3"]);
    let none = d.done("GET", &format!("{USERS}?count=0"), None).await;
    assert_eq!((&none["totalResults"], &none["Resources"]), (&json!(7), &json!([])));
    for (query, found) in [
        ("filter=userName%20eq%20%22u4@EXAMPLE.com%22", vec!["U4"]),
        ("filter=externalId%20eq%20%22e5%22", vec!["U5"]),
        ("filter=userName%20eq%20%22nobody%22", vec![]),
        ("filter=active%20eq%20false", vec!["U3"]),
        (
            "filter=(userName%20sw%20%22u1%22%20or%20userName%20sw%20%22u2%22)%20and%20not%20(externalId%20eq%20%22e2%22)",
            vec!["U1"],
        ),
        ("filter=meta.lastModified%20gt%20%222020-01-01T00:00:00Z%22&startIndex=6", vec!["U5", "U6"]),
        ("sortBy=displayName&count=3", vec!["U6", "U5", "U4"]),
        ("sortBy=displayName&sortOrder=descending&count=1&startIndex=2", vec!["U1"]),
    ] {
        let list = d.done("GET", &format!("{USERS}?{query}"), None).await;
        assert_eq!(names(&list), found, "{query}");
    }
    let search = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": "displayName eq \"N7\"", "attributes": ["userName"], "startIndex": 1, "count": 10});
    let found = d.done("POST", &format!("{USERS}/.search"), Some(search)).await;
    assert_eq!(
        found["Resources"][0].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["schemas", "id", "userName"]
    );
    d.done("POST", GROUPS, Some(json!({"schemas": [GROUP], "displayName": "N5"}))).await;
    let all = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": "displayName sw \"N\"", "sortBy": "displayName", "startIndex": 2, "count": 3});
    let found = d.done("POST", "/scim/v2/.search", Some(all)).await;
    let kinds = found["Resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["meta"]["resourceType"].as_str().unwrap(), r["displayName"].as_str().unwrap()));
    assert_eq!(kinds.collect::<Vec<_>>(), [("User", "N4"), ("User", "N5"), ("Group", "N5")]);
    assert_eq!(found["totalResults"], 8);
    for (query, word) in [
        ("filter=userName%20eq", "invalidFilter"),
        ("sortOrder=sideways", "invalidValue"),
        ("attributes=a%20b", "invalidValue"),
        ("count=many", "invalidValue"),
    ] {
        assert_eq!(
            failure(&d.ask("GET", &format!("{USERS}?{query}"), None).await),
            (400, word.into()),
            "{query}"
        );
    }
}

/// Okta: "filter, POST, PUT of the whole group, PATCH without a path".
#[tokio::test(flavor = "multi_thread")]
async fn okta_fills_a_group() {
    let d = Directory::plain().await;
    let (ada, bob) = (d.user("ada@example.com").await, d.user("bob@example.com").await);
    let member = |u: &Value| json!({"value": u["id"], "display": u["userName"]});
    let new = json!({"schemas": [GROUP], "displayName": "Platform", "members": [member(&ada)]});
    let group = d.done("POST", GROUPS, Some(new.clone())).await;
    let uri = at(GROUPS, &group);
    assert_eq!(group["members"][0]["value"], ada["id"]);
    let seen = d.done("GET", &at(USERS, &ada), None).await;
    assert_eq!(seen["groups"][0]["display"], "Platform");
    assert_eq!(seen["groups"][0]["$ref"], format!("http://admin.example.com{uri}"));
    assert_eq!(failure(&d.ask("POST", GROUPS, Some(new)).await), (409, "uniqueness".into()));

    let both = json!({"schemas": [GROUP], "id": group["id"], "displayName": "Platform", "members": [member(&ada), member(&bob)]});
    let after = d.done("PUT", &uri, Some(both)).await;
    assert_eq!(after["members"].as_array().unwrap().len(), 2);
    assert_ne!(after["meta"]["version"], group["meta"]["version"], "members are part of the version");
    let team = id(&group);
    assert_eq!(d.store.team_members(team, None, None, 9).await.unwrap().len(), 2);
    let renamed =
        d.patch(&uri, json!([{"op": "replace", "value": {"id": group["id"], "displayName": "Core"}}])).await;
    assert_eq!((renamed.status.as_u16(), &renamed.json()["displayName"]), (200, &json!("Core")));
    let gone = format!("members[value eq \"{}\"]", ada["id"].as_str().unwrap());
    let left = d.patch(&uri, json!([{"op": "remove", "path": gone}])).await.json();
    assert_eq!(left["members"].as_array().unwrap().len(), 1);
    let stranger = d.local("carol@example.com", "developer").await;
    let strange =
        d.patch(&uri, json!([{"op": "add", "path": "members", "value": [{"value": stranger}]}])).await;
    assert_eq!(failure(&strange), (400, "invalidValue".into()), "not one of the client's");
    let nested =
        json!([{"op": "add", "path": "members", "value": [{"value": group["id"], "type": "Group"}]}]);
    assert_eq!(failure(&d.patch(&uri, nested).await), (400, "invalidValue".into()));
    assert_eq!(d.done("GET", &format!("{GROUPS}?filter=members%20pr"), None).await["totalResults"], 1);
    let slim = d.done("GET", &format!("{uri}?excludedAttributes=members"), None).await;
    assert!(slim.get("members").is_none());
    assert_eq!(d.ask("DELETE", &uri, None).await.status, 204);
    assert!(d.store.team(team).await.unwrap().is_none());
    assert_eq!(failure(&d.ask("GET", &uri, None).await).0, 404);
}

/// A member whom the directory does not know stays in the team; so does what a manager is.
#[tokio::test(flavor = "multi_thread")]
async fn others_in_the_team_are_let_be() {
    let d = Directory::plain().await;
    let ada = d.user("ada@example.com").await;
    let group = d
        .done(
            "POST",
            GROUPS,
            Some(json!({"schemas": [GROUP], "displayName": "red", "members": [{"value": ada["id"]}]})),
        )
        .await;
    let (team, uri) = (id(&group), at(GROUPS, &group));
    let carol = d.local("carol@example.com", "developer").await;
    d.store.put_member(team, carol, false, &Actor::cli()).await.unwrap();
    d.store.put_member(team, id(&ada), true, &Actor::cli()).await.unwrap();
    let same = d.done("PUT", &uri, Some(json!({"schemas": [GROUP], "displayName": "red", "externalId": "x", "members": [{"value": ada["id"]}]}))).await;
    assert_eq!(same["members"].as_array().unwrap().len(), 1);
    let epoch = d.store.person(id(&ada)).await.unwrap().unwrap().epoch;
    let members = d.store.team_members(team, None, None, 9).await.unwrap();
    assert_eq!(
        members.iter().map(|m| (m.user, m.manager)).collect::<Vec<_>>(),
        [(id(&ada), true), (carol, false)]
    );
    d.done("PUT", &uri, Some(json!({"schemas": [GROUP], "displayName": "red"}))).await;
    let members = d.store.team_members(team, None, None, 9).await.unwrap();
    assert_eq!(members.iter().map(|m| m.user).collect::<Vec<_>>(), [carol]);
    assert_eq!(
        d.store.person(id(&ada)).await.unwrap().unwrap().epoch,
        epoch + 1,
        "a manager no more: sessions end"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_bound_by_its_roles_and_sees_only_its_own() {
    let d = Directory::new(json!({"name": "hr", "roles": [{"role": "admin"}], "adopt": true,
                                  "default_roles": [{"role": "developer"}]}))
    .await;
    let root = d.local("root@example.com", "super_admin").await;
    let dave = d.local("dave@example.com", "developer").await;
    let all = d.done("GET", USERS, None).await;
    assert_eq!(all["totalResults"], 0, "local users are not its own");
    assert_eq!(failure(&d.ask("GET", &format!("{USERS}/{dave}"), None).await).0, 404);
    let new = |name: &str| Some(json!({"schemas": [USER], "userName": name}));
    assert_eq!(failure(&d.ask("POST", USERS, new("root@example.com")).await).0, 403, "above it");
    assert_eq!(d.store.person(root).await.unwrap().unwrap().source, "local");
    let taken = d.done("POST", USERS, new("Dave@example.com")).await;
    assert_eq!((id(&taken), &taken["userName"]), (dave, &json!("Dave@example.com")));
    assert_eq!(d.store.person(dave).await.unwrap().unwrap().source, "scim");

    // he rises: the client cannot touch him any more
    let rises = sallyport_schema::store::people::PersonChange {
        roles: Some(vec![HeldRole { role: "super_admin".into(), team: None }]),
        ..Default::default()
    };
    d.store.change_person(dave, None, &rises, &Actor::cli()).await.unwrap();
    let uri = at(USERS, &taken);
    let off = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    assert_eq!(failure(&d.patch(&uri, off.clone()).await).0, 403);
    assert_eq!(failure(&d.ask("DELETE", &uri, None).await).0, 403);
    let group = json!({"schemas": [GROUP], "displayName": "red", "members": [{"value": taken["id"]}]});
    assert_eq!(failure(&d.ask("POST", GROUPS, Some(group)).await).0, 403);
    // the admin API is not open to it
    assert_eq!(send(&d.router, "GET", "/api/users", Some(&d.token)).await.problem().0, 403);

    // another client: takes over nobody whom the first looks after
    let other = json!({"name": "second", "adopt": true});
    let other = call_json(&d.router, "POST", "/api/scim_clients", &other, &[]).await.json();
    let second = Directory {
        token: other["token"].as_str().unwrap().into(),
        client: String::new(),
        _pg: d._pg.clone(),
        store: d.store.clone(),
        router: d.router.clone(),
    };
    assert_eq!(
        failure(&second.ask("POST", USERS, new("dave@example.com")).await),
        (409, "uniqueness".into())
    );
    assert_eq!(failure(&second.ask("GET", &uri, None).await).0, 404);
    // the last super admin stays, even for a client that may all
    let root_again = second.done("POST", USERS, new("root@example.com")).await;
    d.store.delete_person(dave, None, &Actor::cli()).await.unwrap();
    assert_eq!(failure(&second.patch(&at(USERS, &root_again), off).await).0, 409);
    assert!(d.store.person(root).await.unwrap().unwrap().active);
    // its client gone, a user stays, and may be taken over
    let gone = format!("/api/scim_clients/{}", other["client"]["id"].as_str().unwrap());
    assert_eq!(send(&d.router, "DELETE", &gone, Some(TOKEN)).await.status, 204);
    assert_eq!(failure(&second.ask("GET", USERS, None).await).0, 401);
    assert!(d.store.person(root).await.unwrap().unwrap().active);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_adopt_a_name_that_is_taken_stays_so() {
    let d = Directory::plain().await;
    let eve = d.local("eve@example.com", "viewer").await;
    let new = json!({"schemas": [USER], "userName": "eve@example.com"});
    assert_eq!(failure(&d.ask("POST", USERS, Some(new)).await), (409, "uniqueness".into()));
    let mail = json!({"schemas": [USER], "userName": "eve", "emails": [{"value": "EVE@example.com"}]});
    assert_eq!(failure(&d.ask("POST", USERS, Some(mail)).await), (409, "uniqueness".into()));
    assert_eq!(d.store.person(eve).await.unwrap().unwrap().source, "local");
    d.store.create_team("red", &Default::default(), &Actor::cli()).await.unwrap();
    let red = json!({"schemas": [GROUP], "displayName": "red"});
    assert_eq!(failure(&d.ask("POST", GROUPS, Some(red)).await), (409, "uniqueness".into()));
}

/// RFC 7644, 3.7 and 3.11: what is not there says so in SCIM's words, and the configuration agrees.
#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_me_and_no_bulk() {
    let d = Directory::plain().await;
    let config = d.done("GET", "/scim/v2/ServiceProviderConfig", None).await;
    assert_eq!((&config["bulk"]["supported"], &config["bulk"]["maxOperations"]), (&json!(false), &json!(0)));
    let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
        {"method": "POST", "path": "/Users", "bulkId": "q", "data": {"schemas": [USER], "userName": "eve"}}]});
    assert_eq!(failure(&d.ask("POST", "/scim/v2/Bulk", Some(bulk)).await), (501, String::new()));
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(failure(&d.ask(method, "/scim/v2/Me", None).await), (501, String::new()), "{method}");
    }
    assert_eq!(failure(&d.ask("GET", "/scim/v2/Nothing", None).await).0, 404);
    assert_eq!(d.done("GET", USERS, None).await["totalResults"], 0);
}

/// What an administrator changes is what counts, and what the directory sees.
#[tokio::test(flavor = "multi_thread")]
async fn the_row_is_what_counts() {
    let d = Directory::plain().await;
    let new = json!({"schemas": [USER], "userName": "ada@example.com", "displayName": "Ada"});
    let ada = d.done("POST", USERS, Some(new)).await;
    let uri = at(USERS, &ada);
    let change = json!({"email": "lovelace@example.com", "name": "Lovelace"});
    let uri_of_ours = format!("/api/users/{}", ada["id"].as_str().unwrap());
    assert_eq!(call_json(&d.router, "PATCH", &uri_of_ours, &change, &[]).await.status, 200);
    let seen = d.done("GET", &uri, None).await;
    assert_eq!(
        (&seen["userName"], &seen["displayName"]),
        (&json!("lovelace@example.com"), &json!("Lovelace"))
    );
    let found =
        d.done("GET", &format!("{USERS}?filter=userName%20eq%20%22lovelace@example.com%22"), None).await;
    assert_eq!(found["totalResults"], 1);
    let old = d.done("GET", &format!("{USERS}?filter=userName%20eq%20%22ada@example.com%22"), None).await;
    assert_eq!(old["totalResults"], 0);
    // a status that is taken away counts as false
    let none = d.patch(&uri, json!([{"op": "remove", "path": "active"}])).await;
    assert!(none.json().get("active").is_none(), "{}", none.text());
    assert!(!d.store.person(id(&ada)).await.unwrap().unwrap().active);
    let put = json!({"schemas": [USER], "userName": "lovelace@example.com"});
    d.done("PUT", &uri, Some(put.clone())).await;
    assert!(
        !d.store.person(id(&ada)).await.unwrap().unwrap().active,
        "a PUT that does not say so wakes nobody"
    );
    let on = d.patch(&uri, json!([{"op": "add", "path": "active", "value": true}])).await;
    assert_eq!(on.json()["active"], true);
    assert_eq!(d.done("PUT", &uri, Some(put)).await["active"], true);
}
