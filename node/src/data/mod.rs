//! What this node holds about somebody, in forms that any program can read.
//!
//! A row is *about* a key if it holds the key's bytes, or its text or hexadecimal form: so nothing that names somebody is
//! passed over because a new kind of record was not thought of.

pub mod pack;

use ipld_core::ipld::Ipld;
use serde_json::{Map, Value, json};
use x0_crypto::PublicKey;

/// The ways in which a key may stand in bytes.
pub struct Names {
    forms: [Vec<u8>; 3],
}

impl Names {
    /// Prepares to look for a key.
    pub fn of(key: &PublicKey) -> Self {
        let hex = data_encoding::HEXLOWER.encode(key.bytes());
        Self {
            forms: [
                key.bytes().to_vec(),
                key.to_string().into_bytes(),
                hex.into_bytes(),
            ],
        }
    }

    /// Tells whether the bytes name the key.
    pub fn stand_in(&self, bytes: &[u8]) -> bool {
        let stands = |form: &[u8]| bytes.windows(form.len()).any(|part| part == form);
        self.forms.iter().any(|form| stands(form))
    }
}

/// Writes DAG-CBOR down as DAG-JSON (ipld.io/specs/codecs/dag-json); bytes that are none, as bytes.
pub fn dag_json(bytes: &[u8]) -> Value {
    match serde_ipld_dagcbor::from_slice::<Ipld>(bytes) {
        Ok(ipld) => value(ipld),
        Err(_) => bytes_value(bytes),
    }
}

fn value(ipld: Ipld) -> Value {
    match ipld {
        Ipld::Null => Value::Null,
        Ipld::Bool(is) => Value::Bool(is),
        Ipld::Integer(number) => match (u64::try_from(number), i64::try_from(number)) {
            (Ok(number), _) => json!(number),
            (_, Ok(number)) => json!(number),
            (Err(_), Err(_)) => Value::String(number.to_string()),
        },
        Ipld::Float(number) => json!(number),
        Ipld::String(text) => Value::String(text),
        Ipld::Bytes(bytes) => bytes_value(&bytes),
        Ipld::List(items) => Value::Array(items.into_iter().map(value).collect()),
        Ipld::Map(fields) => {
            let fields = fields.into_iter().map(|(name, it)| (name, value(it)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Ipld::Link(link) => json!({ "/": link.to_string() }),
    }
}

fn bytes_value(bytes: &[u8]) -> Value {
    json!({ "/": { "bytes": data_encoding::BASE64_NOPAD.encode(bytes) } })
}

/// Writes down what a record says, whole or erased, from its encoding.
pub fn said(record: &[u8]) -> Value {
    let Ok(Ipld::Map(fields)) = serde_ipld_dagcbor::from_slice::<Ipld>(record) else {
        return bytes_value(record);
    };
    match fields.get("body") {
        Some(Ipld::Bytes(body)) => dag_json(body),
        Some(_) | None => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use x0_crypto::{ContentId, Identity};
    use zeroize::Zeroizing;

    use super::*;

    fn key(number: u8) -> PublicKey {
        Identity::from_seed(Zeroizing::new([number; 32])).public()
    }

    #[test]
    fn a_key_is_found_in_each_of_its_forms_and_no_other_key_is() {
        let (one, other) = (key(1), key(2));
        let names = Names::of(&one);
        let hex = data_encoding::HEXLOWER.encode(one.bytes());
        for form in [one.bytes().to_vec(), one.to_string().into(), hex.into()] {
            let bytes = [b"before".as_slice(), &form, b"after"].concat();
            assert!(names.stand_in(&bytes));
            assert!(!Names::of(&other).stand_in(&bytes));
            assert!(!names.stand_in(&form[1..]));
        }
    }

    #[test]
    fn dag_cbor_becomes_dag_json() {
        let link = ContentId::of(b"something");
        let map: BTreeMap<&str, Ipld> = BTreeMap::from([
            ("bytes", Ipld::Bytes(vec![1, 2, 3])),
            ("least", Ipld::Integer(-5)),
            ("most", Ipld::Integer(i128::from(u64::MAX))),
            ("list", Ipld::List(vec![Ipld::Null, Ipld::Bool(true)])),
        ]);
        let encoded = serde_ipld_dagcbor::to_vec(&map).unwrap();
        assert_eq!(
            dag_json(&encoded),
            json!({
                "bytes": { "/": { "bytes": "AQID" } },
                "least": -5,
                "most": u64::MAX,
                "list": [null, true],
            })
        );
        let encoded = serde_ipld_dagcbor::to_vec(&link).unwrap();
        assert_eq!(dag_json(&encoded), json!({ "/": link.to_string() }));
        assert_eq!(dag_json(&[0xff]), json!({ "/": { "bytes": "/w" } }));
    }
}
