//! A parsed JSON document whose values are read through borrowed nodes.

use crate::status::{Failure, Status};
use serde_json::Value;

/// Members of an object stand sorted by key, so lookup is a binary search and an index costs nothing
/// (a `serde_json::Map` would walk its tree for every index).
#[derive(Debug, PartialEq)]
pub enum Node {
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Node::Null,
            Value::Bool(flag) => Node::Bool(flag),
            Value::Number(number) => Node::Number(number.as_f64().unwrap_or(f64::NAN)),
            Value::String(text) => Node::String(text),
            Value::Array(elements) => Node::Array(elements.into_iter().map(Node::from).collect()),
            Value::Object(members) => {
                let mut members: Vec<_> = members
                    .into_iter()
                    .map(|(key, value)| (key, Node::from(value)))
                    .collect();
                members.sort_by(|left, right| left.0.cmp(&right.0));
                Node::Object(members)
            }
        }
    }
}

impl Node {
    pub fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        serde_json::from_slice::<Value>(bytes)
            .map(Node::from)
            .map_err(|error| Failure::new(Status::Malformed, format!("not valid JSON ({error})")))
    }

    pub fn size(&self) -> usize {
        match self {
            Node::Array(elements) => elements.len(),
            Node::Object(members) => members.len(),
            _ => 0,
        }
    }

    pub fn value(&self, index: usize) -> Option<&Node> {
        match self {
            Node::Array(elements) => elements.get(index),
            Node::Object(members) => members.get(index).map(|member| &member.1),
            _ => None,
        }
    }

    pub fn key(&self, index: usize) -> Option<&str> {
        match self {
            Node::Object(members) => members.get(index).map(|member| member.0.as_str()),
            _ => None,
        }
    }

    pub fn member(&self, key: &[u8]) -> Option<&Node> {
        match self {
            Node::Object(members) => members
                .binary_search_by(|member| member.0.as_bytes().cmp(key))
                .ok()
                .map(|index| &members[index].1),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::guard;
    use crate::test_bytes::mutations;

    const DOCUMENT: &str =
        r#"{"b": [1, -2.5e3, true, null, "é\n"], "a": {"": false}, "b2": 9007199254740993}"#;

    #[test]
    fn members_are_found_by_key_and_by_index() {
        let root = Node::parse(DOCUMENT.as_bytes()).unwrap();
        assert_eq!(root.size(), 3);
        assert_eq!(
            (root.key(0), root.key(1), root.key(2)),
            (Some("a"), Some("b"), Some("b2"))
        );
        let list = root.member(b"b").unwrap();
        assert_eq!(list.value(1), Some(&Node::Number(-2500.0)));
        assert_eq!(list.value(4), Some(&Node::String("é\n".into())));
        assert!(list.value(5).is_none() && list.key(0).is_none() && root.member(b"c").is_none());
        assert_eq!(root.member(b"a").unwrap().member(b""), Some(&Node::Bool(false)));
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        let root = Node::parse(br#"{"a": 1, "a": 2}"#).unwrap();
        assert_eq!((root.size(), root.member(b"a")), (1, Some(&Node::Number(2.0))));
    }

    #[test]
    fn hostile_documents_are_refused() {
        let deep = "[".repeat(1_000_000);
        let deep_closed = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        let hostile: [&[u8]; 10] = [
            b"",
            b"{",
            b"{\"a\": 1,}",
            b"NaN",
            b"1e999",
            b"\"\xff\xfe\"",
            b"\"\\ud800\"",
            b"{} {}",
            deep.as_bytes(),
            deep_closed.as_bytes(),
        ];
        for bytes in hostile {
            assert_eq!(Node::parse(bytes).unwrap_err().status, Status::Malformed);
        }
    }

    #[test]
    fn mutated_documents_never_panic() {
        for bytes in mutations(DOCUMENT.as_bytes(), 4000) {
            let status = guard(|| Node::parse(&bytes)).map_or_else(|failure| failure.status, |_| Status::Ok);
            assert_ne!(status, Status::Panic);
        }
    }
}
