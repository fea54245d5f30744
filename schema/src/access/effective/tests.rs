use super::*;
use crate::access::built_in;
use proptest::prelude::*;

const ME: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);
const T: Uuid = Uuid::from_u128(10);
const U: Uuid = Uuid::from_u128(11);

fn role(name: &str, grants: Vec<Grant>) -> Role {
    Role { name: name.into(), description: String::new(), grants }
}

fn grant(effect: Effect, scope: Scope, permissions: &[&str]) -> Grant {
    let permissions = permissions.iter().map(|p| (*p).into()).collect();
    Grant { effect, scope, permissions, surfaces: vec![], models: vec![], tools: vec![] }
}

fn call(effect: Effect, surfaces: &[&str], models: &[&str]) -> Grant {
    let list = |l: &[&str]| l.iter().map(|p| (*p).to_owned()).collect();
    Grant { surfaces: list(surfaces), models: list(models), ..grant(effect, Scope::Own, &[]) }
}

fn tool_call(effect: Effect, tools: &[&str]) -> Grant {
    let tools = tools.iter().map(|p| (*p).to_owned()).collect();
    Grant { tools, ..grant(effect, Scope::Own, &[]) }
}

fn me(assignments: Vec<(Role, Option<Uuid>)>) -> Effective {
    let subject = Subject { id: Some(ME), ..Subject::default() };
    Effective::new(subject, assignments.into_iter().map(|(role, team)| Assignment { role, team }).collect())
}

fn held(names: &[&str]) -> Effective {
    me(names.iter().map(|n| (built_in(n).unwrap(), None)).collect())
}

fn given(name: &str, team: Option<Uuid>) -> Vec<Assignment> {
    vec![Assignment { role: built_in(name).unwrap(), team }]
}

#[test]
fn nothing_opens_nothing() {
    let nobody = me(vec![]);
    for p in Permission::ALL {
        assert_eq!(nobody.reach(*p).is_none(), !p.is_free(), "{p}");
    }
    assert!(!nobody.may_call("chat", "gpt-5", None).allowed);
    let empty = me(vec![(role("empty", vec![call(Effect::Allow, &["chat"], &[])]), None)]);
    assert!(!empty.may_call("chat", "gpt-5", None).allowed, "an empty list opens nothing");
}

#[test]
fn own_is_ones_own_and_a_team_is_that_team() {
    let dev = held(&["developer"]);
    let mine = Object { owner: Some(ME), teams: &[] };
    let theirs = Object { owner: Some(OTHER), teams: &[T] };
    assert!(dev.may_on(Permission::KeysWrite, mine).allowed);
    assert!(!dev.may_on(Permission::KeysWrite, theirs).allowed);
    assert!(!dev.may_on(Permission::KeysWrite, Object::default()).allowed, "what nobody owns is not mine");

    let subject = Subject { id: Some(ME), teams: [T, U].into(), manages: [T].into() };
    let manager = Effective::new(subject, given("developer", None));
    assert!(manager.may_on(Permission::KeysWrite, theirs).allowed);
    assert!(!manager.may_on(Permission::KeysWrite, Object { owner: Some(OTHER), teams: &[U] }).allowed);
    assert_eq!(manager.reach(Permission::KeysRead), Reach { all: false, own: true, teams: [T].into() });
}

#[test]
fn a_deny_wins_and_a_weak_role_takes_no_restriction_away() {
    let deny = role("no-gpt", vec![call(Effect::Deny, &["*"], &["gpt-4o"])]);
    let dev = || built_in("developer").unwrap();
    let both = me(vec![(dev(), None), (deny, None)]);
    assert!(both.may_call("chat", "gpt-4o-mini", None).allowed, "whole names only");
    let d = both.may_call("chat", "gpt-4o", None);
    assert!(!d.allowed);
    assert_eq!(d.because, ["no-gpt"]);
    let more = me(vec![
        (dev(), None),
        (role("no-gpt", vec![call(Effect::Deny, &["*"], &["gpt-4o"])]), None),
        (built_in("viewer").unwrap(), None),
    ]);
    assert!(!more.may_call("chat", "gpt-4o", None).allowed);
    let no_keys = role("no-keys", vec![grant(Effect::Deny, Scope::All, &["keys.*"])]);
    let me = me(vec![(dev(), None), (no_keys, None)]);
    assert!(me.reach(Permission::KeysRead).is_none());
    assert!(!me.may_on(Permission::KeysRead, Object { owner: Some(ME), teams: &[] }).allowed);
}

#[test]
fn surface_and_model_must_come_from_one_grant() {
    let r =
        role("r", vec![call(Effect::Allow, &["chat"], &["a"]), call(Effect::Allow, &["embeddings"], &["b"])]);
    let e = me(vec![(r, None)]);
    assert!(e.may_call("chat", "a", None).allowed && e.may_call("embeddings", "b", None).allowed);
    assert!(!e.may_call("chat", "b", None).allowed && !e.may_call("embeddings", "a", None).allowed);
}

#[test]
fn a_role_in_a_team_holds_for_keys_of_that_team() {
    let e = me(vec![(built_in("developer").unwrap(), Some(T))]);
    assert!(e.may_call("chat", "a", Some(T)).allowed);
    assert!(!e.may_call("chat", "a", Some(U)).allowed && !e.may_call("chat", "a", None).allowed);
}

#[test]
fn the_pass_through_must_be_named() {
    let star = me(vec![(role("star", vec![call(Effect::Allow, &["*"], &["*"])]), None)]);
    assert!(star.may_call("chat", "a", None).allowed && !star.may_call("passthrough", "", None).allowed);
}

/// As the gateway has it: a `*` that denies closes the pass-through too.
#[test]
fn a_star_that_denies_closes_the_pass_through() {
    let deny = role("none", vec![call(Effect::Deny, &["*"], &["*"])]);
    let e = me(vec![(built_in("developer").unwrap(), None), (deny, None)]);
    assert!(!e.may_call("passthrough", "", None).allowed);
}

#[test]
fn a_tool_is_opened_by_a_role_and_closed_by_any() {
    let open = || role("files", vec![tool_call(Effect::Allow, &["files/*", "search/web"])]);
    let e = me(vec![(open(), None)]);
    let d = e.may_call_tool("files/read", None);
    assert_eq!((d.allowed, d.because), (true, vec!["files".to_owned()]));
    assert!(e.may_call_tool("search/web", None).allowed);
    for closed in ["search/web2", "files", "other/read", ""] {
        assert!(!e.may_call_tool(closed, None).allowed, "{closed}");
    }
    let deny = || role("no-delete", vec![tool_call(Effect::Deny, &["*/delete"])]);
    let e = me(vec![(open(), None), (deny(), Some(T))]);
    let d = e.may_call_tool("files/delete", Some(T));
    assert_eq!((d.allowed, d.because), (false, vec![format!("no-delete in team {T}")]));
    assert!(e.may_call_tool("files/delete", None).allowed, "a role in a team says nothing elsewhere");
    assert!(!held(&["viewer"]).may_call_tool("files/read", None).allowed);
    assert!(!e.may_call("chat", "gpt-5", None).allowed, "tools open no surface");
    let chats = me(vec![(role("chats", vec![call(Effect::Allow, &["*"], &["*"])]), None)]);
    assert!(!chats.may_call_tool("files/read", None).allowed, "surfaces and models open no tool");
}

#[test]
fn a_giver_who_is_denied_a_tool_gives_models_but_no_tools() {
    let deny = role("no", vec![tool_call(Effect::Deny, &["files/delete"])]);
    let e = me(vec![(built_in("developer").unwrap(), None), (deny, None)]);
    let gift = |grant| vec![Assignment { role: role("gift", vec![grant]), team: None }];
    assert!(e.covers(&gift(tool_call(Effect::Allow, &["files/*"]))).is_err());
    assert!(e.covers(&gift(call(Effect::Allow, &["chat"], &["*"]))).is_ok());
    let few = me(vec![(role("few", vec![tool_call(Effect::Allow, &["files/*"])]), None)]);
    assert!(few.covers(&gift(tool_call(Effect::Allow, &["files/read", "files/r*"]))).is_ok());
    assert!(few.covers(&gift(tool_call(Effect::Allow, &["*"]))).unwrap_err().contains("tool *"));
}

#[test]
fn nobody_gives_what_he_has_not() {
    let covers = |who: &str, what: &str| held(&[who]).covers(&given(what, None)).is_ok();
    for name in super::super::BUILT_IN {
        assert!(covers("super_admin", name), "{name}");
    }
    assert!(covers("admin", "admin") && covers("admin", "developer") && covers("admin", "viewer"));
    assert!(covers("admin", "team_manager"));
    assert!(!covers("admin", "super_admin"));
    assert!(
        !covers("team_manager", "admin") && !covers("developer", "viewer") && !covers("viewer", "developer")
    );
    let star =
        vec![Assignment { role: role("star", vec![grant(Effect::Allow, Scope::All, &["*"])]), team: None }];
    let missing = held(&["admin"]).covers(&star).unwrap_err();
    assert!(missing.contains("users.erase"), "{missing}");
}

#[test]
fn a_giver_who_is_denied_a_model_cannot_give_it() {
    let deny = call(Effect::Deny, &["*"], &["gpt-4o"]);
    let e = me(vec![(built_in("super_admin").unwrap(), None), (role("no", vec![deny.clone()]), None)]);
    let open = role("open", vec![call(Effect::Allow, &["chat"], &["*"])]);
    let as_given = |role| vec![Assignment { role, team: None }];
    assert!(e.covers(&as_given(open.clone())).is_err());
    let kept = Role { grants: [open.grants, vec![deny]].concat(), ..open };
    assert!(e.covers(&as_given(kept)).is_ok());
}

#[test]
fn managers_make_managers_of_their_team_only() {
    let subject = Subject { id: Some(ME), teams: [T].into(), manages: [T].into() };
    let manager = Effective::new(subject, given("developer", None));
    let of = |team| {
        let s = Subject { id: Some(OTHER), teams: [team].into(), manages: [team].into() };
        Effective::new(s, vec![]).assignments().to_vec()
    };
    assert!(manager.covers(&of(T)).is_ok());
    assert!(manager.covers(&of(U)).is_err());
}

fn any_role() -> impl Strategy<Value = Role> {
    let words =
        prop::sample::subsequence(vec!["keys.read", "keys.write", "users.*", "*", "audit.read"], 0..3);
    let scope = prop::sample::select(vec![Scope::Own, Scope::Team, Scope::All]);
    let effect = prop::sample::select(vec![Effect::Allow, Effect::Allow, Effect::Deny]);
    let grant = (
        effect,
        scope,
        words,
        prop::sample::subsequence(vec!["chat", "*"], 0..2),
        prop::sample::subsequence(vec!["a", "b*", "*"], 0..3),
        prop::sample::subsequence(vec!["s/a", "s/*", "*/b", "*"], 0..3),
    )
        .prop_map(|(effect, scope, words, surfaces, models, tools)| Grant {
            tools: tools.into_iter().map(Into::into).collect(),
            surfaces: surfaces.into_iter().map(Into::into).collect(),
            models: models.into_iter().map(Into::into).collect(),
            ..grant(effect, scope, &words)
        });
    prop::collection::vec(grant, 0..3).prop_map(|grants| role("r", grants))
}

proptest! {
    /// What was given after `covers` said yes opens nothing to the receiver that is closed to the giver.
    #[test]
    fn giving_never_opens_more(giver in prop::collection::vec(any_role(), 0..3), gift in any_role()) {
        let giver = me(giver.into_iter().map(|r| (r, None)).collect());
        let gift = vec![Assignment { role: gift, team: None }];
        prop_assume!(giver.covers(&gift).is_ok());
        let receiver = Effective::new(Subject { id: Some(OTHER), ..Subject::default() }, gift);
        for surface in ["chat", "embeddings"] {
            for model in ["a", "b1", "c"] {
                let got = receiver.may_call(surface, model, None).allowed;
                prop_assert!(!got || giver.may_call(surface, model, None).allowed, "{surface} {model}");
            }
        }
        for tool in ["s/a", "s/b", "t/b", "t/c"] {
            let got = receiver.may_call_tool(tool, None).allowed;
            prop_assert!(!got || giver.may_call_tool(tool, None).allowed, "{tool}");
        }
        let foreign = Object { owner: Some(Uuid::from_u128(9)), teams: &[] };
        for p in Permission::ALL.iter().filter(|p| !p.is_free()) {
            let got = receiver.may_on(*p, foreign).allowed;
            prop_assert!(!got || giver.may_on(*p, foreign).allowed, "{p}");
        }
    }

    /// Reach and decision agree: where nothing is in reach nothing may be done, and the other way round.
    #[test]
    fn reach_and_decision_agree(roles in prop::collection::vec(any_role(), 0..4), teamed: bool) {
        let team = teamed.then_some(T);
        let e = me(roles.into_iter().map(|r| (r, team)).collect());
        let objects = [
            Object { owner: Some(ME), teams: &[] },
            Object { owner: Some(OTHER), teams: &[T] },
            Object { owner: Some(OTHER), teams: &[] },
        ];
        for p in Permission::ALL.iter().filter(|p| p.is_owned()) {
            let reach = e.reach(*p);
            if reach.is_none() {
                prop_assert!(objects.iter().all(|o| !e.may_on(*p, *o).allowed), "{p}");
            }
            if e.may_on(*p, objects[2]).allowed {
                prop_assert!(reach.all);
            }
        }
    }
}
