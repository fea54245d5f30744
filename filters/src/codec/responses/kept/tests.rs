use super::*;

fn turn(request: &str, response: &str) -> Turn {
    let turn = Turn::new(request.as_bytes(), response.as_bytes()).unwrap();
    Turn::from_bytes(&turn.to_bytes()).unwrap()
}

#[test]
fn turns_stand_in_front_of_the_input_as_they_were_written() {
    let first = turn(
        r#"{"model":"m","input":"Hi é \"there\""}"#,
        r#"{"id":"resp_1","status":"completed","output":[{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"x=="},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Yo","annotations":[]}]}]}"#,
    );
    let second = turn(
        r#"{"input":[{"role":"user","content":"2"},{"type":"function_call_output","call_id":"c","output":"1.50"}]}"#,
        r#"{"output":[]}"#,
    );
    let request = r#"{"previous_response_id":"resp_2","model":"m","temperature":1.50,"input":[{"role":"user","content":"3"}],"instructions":null}"#;
    let body = continued(request.as_bytes(), vec![first, second]).unwrap();
    let want = r#"{"model":"m","temperature":1.50,"input":[{"type":"message","role":"user","content":"Hi é \"there\""},{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"x=="},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Yo","annotations":[]}]},{"role":"user","content":"2"},{"type":"function_call_output","call_id":"c","output":"1.50"},{"role":"user","content":"3"}]}"#;
    assert_eq!(String::from_utf8(body).unwrap(), want);
    assert!(continued(b"[]", Vec::new()).is_err());
    assert_eq!(continued(b"{}", Vec::new()).unwrap(), br#"{"input":[]}"#);
}

#[test]
fn a_request_for_the_background_is_made_at_once() {
    let asked = br#"{"background":true,"stream":true,"model":"m","input":"x"}"#;
    assert_eq!(at_once(asked, false).unwrap(), br#"{"model":"m","input":"x"}"#);
    assert_eq!(at_once(asked, true).unwrap(), br#"{"stream":true,"model":"m","input":"x"}"#);
}

#[test]
fn references_are_replaced_and_nothing_else() {
    let asked = r#"{"model":"m","input":[{"type":"item_reference","id":"msg_1"}, {"role":"user","content":"\"item_reference\" 1.0"},{"id":"msg_2","type":"item_reference"}]}"#;
    assert_eq!(references(asked.as_bytes()).unwrap(), ["msg_1", "msg_2"]);
    let t =
        turn(r#"{"input":"x"}"#, r#"{"output":[{"id":"msg_1","n":1.50},{"id":"msg_2"},{"id":"msg_3"},7]}"#);
    let found = t.outputs(|id| id != "msg_3").unwrap();
    let find = |id: &str| found.iter().find(|(known, _)| known == id).map(|(_, item)| &**item);
    let want = r#"{"model":"m","input":[{"id":"msg_1","n":1.50},{"role":"user","content":"\"item_reference\" 1.0"},{"id":"msg_2"}]}"#;
    assert_eq!(String::from_utf8(dereferenced(asked.as_bytes(), find, 1000).unwrap()).unwrap(), want);
    assert_eq!(dereferenced(asked.as_bytes(), find, 40).unwrap_err().field, "input");
    assert_eq!(dereferenced(asked.as_bytes(), |_| None, 1000).unwrap_err().field, "msg_1");
    for plain in [r#"{"input":"item_reference"}"#, "{}", r#"{"input":[{"type":"item_reference"}]}"#] {
        assert!(references(plain.as_bytes()).unwrap().is_empty());
    }
}

#[test]
fn an_object_tells_its_status() {
    let t = turn(r#"{"input":"x"}"#, r#"{"id":"r","status":"queued","output":[],"error":null}"#);
    assert_eq!(t.object("queued"), br#"{"id":"r","status":"queued","output":[],"error":null}"#);
    assert_eq!(t.object("in_progress"), br#"{"id":"r","status":"in_progress","output":[],"error":null}"#);
    let failed = t.failed("server_error", "It broke.");
    assert_eq!(
        String::from_utf8(failed).unwrap(),
        r#"{"id":"r","status":"failed","output":[],"error":{"code":"server_error","message":"It broke."}}"#
    );
}

#[test]
fn input_items_come_in_pages() {
    let t = turn(
        r#"{"input":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"type":"function_call","id":"fc_own","call_id":"c","name":"f","arguments":"{}"}]}"#,
        "{}",
    );
    let page = |limit, ascending, after: Option<&str>| {
        let query = PageQuery { limit, ascending, after: after.map(str::to_owned) };
        let list = t.input_items(&query, "77")?;
        let list: Value = serde_json::from_slice(&list).unwrap();
        let ids: Vec<_> =
            list["data"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(list["first_id"].as_str(), ids.first().map(String::as_str));
        assert_eq!(list["last_id"].as_str(), ids.last().map(String::as_str));
        Ok::<_, DecodeError>((ids, list["has_more"].as_bool().unwrap()))
    };
    let ids = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    assert_eq!(page(20, false, None).unwrap(), (ids(&["fc_own", "msg_7701", "msg_7700"]), false));
    assert_eq!(page(2, true, None).unwrap(), (ids(&["msg_7700", "msg_7701"]), true));
    assert_eq!(page(2, true, Some("msg_7701")).unwrap(), (ids(&["fc_own"]), false));
    assert_eq!(page(2, true, Some("fc_own")).unwrap(), (ids(&[]), false));
    assert_eq!(page(2, true, Some("other")).unwrap_err().field, "after");
    let query = PageQuery { limit: 1, ascending: true, after: None };
    let list: Value = serde_json::from_slice(&t.input_items(&query, "77").unwrap()).unwrap();
    assert_eq!(list["data"][0]["content"], json!([{ "type": "input_text", "text": "a" }]));
}
