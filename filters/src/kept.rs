//! Responses that the gateway keeps for providers without state: how a call knows of them. What is kept of one, and
//! what is made of it: [`crate::codec::responses::Turn`].

use bytes::Bytes;
use uuid::Uuid;

/// How their ids begin. OpenAI's go on with hexadecimal digits: `s` is none.
const PREFIX: &str = "resp_sp";

/// The id of the response that the call `call` makes.
pub fn id_of(call: Uuid) -> String {
    format!("{PREFIX}{}", call.simple())
}

/// Is it the id of a response that a gateway keeps? (Otherwise a provider made it.)
pub fn is_ours(id: &str) -> bool {
    call_of(id).is_some()
}

/// The call that made it.
pub fn call_of(id: &str) -> Option<Uuid> {
    Uuid::try_parse(id.strip_prefix(PREFIX)?).ok()
}

/// The response that the output item `item` belongs to (`msg_sp…`, `fc_sp…`: the codec makes them of the response's id);
/// None: no gateway made it.
pub fn maker_of(item: &str) -> Option<String> {
    let (_, rest) = item.split_once('_')?;
    let call = rest.strip_prefix("sp")?.get(..32)?;
    Uuid::try_parse(call).ok().map(id_of)
}

/// What a call knows of the response that it continues or makes.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// The client's own body, before earlier turns were put in front of its input; None: there are none.
    pub asked: Option<Bytes>,
    /// The response that is continued.
    pub previous: Option<String>,
    /// It is being made in the background, for the client that this id was told.
    pub background: Option<Uuid>,
    /// The response object of the background, once it is there.
    pub object: Option<Bytes>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_who_keeps_it() {
        let call = Uuid::now_v7();
        assert_eq!(call_of(&id_of(call)), Some(call));
        for theirs in ["resp_0123456789abcdef", "resp_sp", "resp_spx", "msg_1", ""] {
            assert!(!is_ours(theirs), "{theirs}");
            assert_eq!(maker_of(theirs), None);
        }
        let id = id_of(call);
        let item = format!("msg_{}0f", id.strip_prefix("resp_").unwrap());
        assert_eq!(maker_of(&item), Some(id));
        for theirs in ["msg_0123456789abcdef0123456789abcdef0123", "msg_sp00", "fc_sp\u{e9}", "sp"] {
            assert_eq!(maker_of(theirs), None, "{theirs}");
        }
    }
}
