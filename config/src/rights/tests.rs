use super::*;
use crate::pattern::PatternSet;
use proptest::prelude::*;
use sallyport_schema::access::{Assignment, Effective, Grant, Role, Subject};
use serde_json::json;

const TEAM: Uuid = Uuid::from_u128(7);

fn set(list: &[String]) -> Arc<PatternSet> {
    Arc::new(PatternSet::new(list))
}

/// A key for `TEAM` with these tools, of somebody who has these roles there.
struct World {
    key: Key,
    team: Team,
    owner: Owner,
    roles: Roles,
}

impl World {
    fn new(key: &[String], team: &[String], roles: &[Vec<Grant>]) -> Self {
        let none = set(&[]);
        let name = |n: usize| -> Arc<str> { format!("role-{n}").into() };
        Self {
            key: Key {
                id: Uuid::from_u128(1),
                name: "k".into(),
                prefix: "sp-00000001".into(),
                user: Some(Uuid::from_u128(2)),
                account: None,
                team: Some(TEAM),
                surfaces: none.clone(),
                models: none.clone(),
                tools: set(key),
                expires_at: None,
                networks: None,
                revoked: false,
                disabled: false,
                labels: None,
            },
            team: Team {
                id: TEAM,
                name: "t".into(),
                active: true,
                surfaces: none.clone(),
                models: none,
                tools: set(team),
            },
            owner: Owner {
                id: Uuid::from_u128(2),
                active: true,
                roles: (0..roles.len()).map(|n| Held { role: name(n), team: None }).collect(),
            },
            roles: roles.iter().enumerate().map(|(n, g)| (name(n), Arc::new(CallRights::new(g)))).collect(),
        }
    }

    fn bounds(&self) -> Bounds<'_> {
        Bounds { key: &self.key, team: Some(&self.team), owner: Some(&self.owner), roles: &self.roles }
    }

    fn opens(&self, tool: &str) -> bool {
        self.bounds().allow(Wanted::Tool(tool))
    }
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|w| (*w).to_owned()).collect()
}

fn grant(effect: &str, tools: &[&str]) -> Grant {
    serde_json::from_value(json!({ "effect": effect, "tools": tools })).unwrap()
}

/// LESSONS.md: "two disjoint lists intersect to empty = unrestricted; adding a weak role removes a restriction; deny
/// ignored".
#[test]
fn key_team_and_roles_must_all_open_a_tool() {
    let all = words(&["*"]);
    let open = || vec![grant("allow", &["files/*", "search/web"])];
    let w = World::new(&words(&["files/read", "search/*"]), &all, &[open()]);
    assert!(w.opens("files/read") && w.opens("search/web"));
    assert!(!w.opens("files/write"), "not in the key's list");
    assert!(!w.opens("search/news"), "no role opens it");
    assert!(!World::new(&words(&["files/*"]), &words(&["search/*"]), &[open()]).opens("files/read"));
    for (key, team, roles) in [
        (&[][..], &all[..], vec![open()]),
        (&all, &[], vec![open()]),
        (&all, &all, vec![]),
        (&all, &all, vec![vec![]]),
    ] {
        assert!(!World::new(key, team, &roles).opens("files/read"), "an empty list opens nothing");
    }
    let denied = [open(), vec![grant("deny", &["*/read"])], vec![grant("allow", &["*"])]];
    let w = World::new(&all, &all, &denied);
    assert!(!w.opens("files/read") && w.opens("files/write"), "a deny wins over whatever allows");
    let said: Vec<_> =
        w.bounds().said(&w.owner, Wanted::Tool("files/read")).map(|(h, s)| (&*h.role, s)).collect();
    assert_eq!(said, [("role-0", true), ("role-1", false), ("role-2", true)]);
}

#[test]
fn a_role_in_another_team_says_nothing_and_without_an_owner_the_lists_decide() {
    let all = words(&["*"]);
    let mut w = World::new(&all, &all, &[vec![grant("allow", &["*"])]]);
    w.owner.roles = Arc::new([Held { role: "role-0".into(), team: Some(Uuid::from_u128(8)) }]);
    assert!(!w.opens("files/read"));
    w.owner.roles = Arc::new([Held { role: "role-0".into(), team: Some(TEAM) }]);
    assert!(w.opens("files/read"));
    let alone = Bounds { owner: None, team: None, ..w.bounds() };
    assert!(alone.allow(Wanted::Tool("files/read")));
    w.key.tools = set(&[]);
    assert!(!Bounds { owner: None, team: None, ..w.bounds() }.allow(Wanted::Tool("files/read")));
}

fn any_tools() -> impl Strategy<Value = Vec<String>> {
    let words = vec!["s/a", "s/*", "*/b", "t/c", "*"];
    prop::sample::subsequence(words, 0..4).prop_map(|list| list.into_iter().map(str::to_owned).collect())
}

fn any_role() -> impl Strategy<Value = Vec<Grant>> {
    let effect = prop::sample::select(vec!["allow", "allow", "deny"]);
    let line = (effect, any_tools()).prop_map(|(effect, tools)| {
        serde_json::from_value(json!({ "effect": effect, "tools": tools })).unwrap()
    });
    prop::collection::vec(line, 0..3)
}

proptest! {
    /// What the gateway decides is: in the key's list, in the team's, and allowed by what the admin API says of the
    /// owner; and a deny more never opens anything.
    #[test]
    fn a_tool_is_open_where_every_one_opens_it(
        key in any_tools(), team in any_tools(), roles in prop::collection::vec(any_role(), 0..4), no in any_tools(),
    ) {
        let w = World::new(&key, &team, &roles);
        let denied: Vec<Grant> = vec![serde_json::from_value(json!({ "effect": "deny", "tools": no })).unwrap()];
        let closed = World::new(&key, &team, &[&roles[..], &[denied]].concat());
        let role = |grants| Role { name: "r".into(), description: String::new(), grants };
        let held = roles.into_iter().map(|g| Assignment { role: role(g), team: None }).collect();
        let told = Effective::new(Subject::default(), held);
        for tool in ["s/a", "s/b", "t/b", "t/c", "u/d"] {
            let listed = PatternSet::new(&key).allows(tool) && PatternSet::new(&team).allows(tool);
            prop_assert_eq!(w.opens(tool), listed && told.may_call_tool(tool, Some(TEAM)).allowed, "{}", tool);
            prop_assert!(!closed.opens(tool) || w.opens(tool));
            prop_assert!(!closed.opens(tool) || !PatternSet::new(&no).allows(tool));
        }
    }
}
