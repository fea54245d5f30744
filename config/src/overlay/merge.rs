//! Laying one tree over another. Associative: what an overlay removed stays as a tombstone until the end, so that
//! `(a + b) + c` and `a + (b + c)` are the same document.

use super::node::{Data, Entry, Mark, Node};
use crate::errors::Problem;

/// Lays `over` on `base`. What looks like a slip (deleting what is not there) goes to `warnings`.
pub fn merge(base: Node, over: Node, warnings: &mut Vec<Problem>) -> Node {
    merge_at(base, over, "", warnings)
}

fn merge_at(base: Node, over: Node, path: &str, warnings: &mut Vec<Problem>) -> Node {
    if over.mark != Mark::Merge {
        return over;
    }
    let Node { data: below, origin: below_origin, mark } = base;
    let Node { data: above, origin, .. } = over;
    // On a tombstone (or a value of another kind) the new value stands alone, and would on anything further below.
    let alone = |data, origin| Node { data, origin, mark: Mark::Replace };
    if mark == Mark::Delete && above != Data::Empty {
        return alone(above, origin);
    }
    match (below, above) {
        (below, Data::Empty) => Node { data: below, origin: below_origin, mark },
        (Data::Empty, above) => Node { data: above, origin, mark },
        (Data::Map(below), Data::Map(above)) => {
            Node { data: Data::Map(merge_maps(below, above, path, warnings)), origin: below_origin, mark }
        }
        (Data::List(below), Data::List(above)) => match (named(&below), named(&above)) {
            (true, true) => Node {
                data: Data::List(merge_named(below, above, path, warnings)),
                origin: below_origin,
                mark,
            },
            (false, false) => Node { data: Data::List(above), origin, mark },
            _ => alone(Data::List(above), origin),
        },
        (Data::Scalar(_), above @ Data::Scalar(_)) => Node { data: above, origin, mark },
        (_, above) => alone(above, origin),
    }
}

fn named(items: &[Node]) -> bool {
    !items.is_empty() && items.iter().all(|i| i.item_name().is_some())
}

fn merge_maps(
    mut below: Vec<Entry>,
    above: Vec<Entry>,
    path: &str,
    warnings: &mut Vec<Problem>,
) -> Vec<Entry> {
    for entry in above {
        let inner = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
        match below.iter().position(|e| e.key == entry.key) {
            Some(i) => {
                let old = below.remove(i);
                let value = merge_at(old.value, entry.value, &inner, warnings);
                below.insert(i, Entry { value, key: entry.key, key_origin: entry.key_origin });
            }
            None => {
                warn_of_nothing(&entry.value, &inner, warnings);
                below.push(entry);
            }
        }
    }
    below
}

fn merge_named(mut below: Vec<Node>, above: Vec<Node>, path: &str, warnings: &mut Vec<Problem>) -> Vec<Node> {
    for item in above {
        let name = item.item_name().unwrap_or_default().to_owned();
        let inner = format!("{path}[{name}]");
        match below.iter().position(|b| b.item_name() == Some(&name)) {
            Some(i) => {
                let old = below.remove(i);
                below.insert(i, merge_at(old, item, &inner, warnings));
            }
            None => {
                warn_of_nothing(&item, &inner, warnings);
                below.push(item);
            }
        }
    }
    below
}

fn warn_of_nothing(node: &Node, path: &str, warnings: &mut Vec<Problem>) {
    if node.mark == Mark::Delete {
        let message = "`!delete` removes nothing: no earlier file sets it";
        warnings.push(Problem::new(Some(node.origin.clone()), path, message));
    }
}
