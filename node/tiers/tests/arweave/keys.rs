//! Keys in files, and the bytes of an item.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use cid::Cid;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use x0_tiers::{ArweaveKey, DataItem, ItemId};

use super::ethereum_key;

fn opened(dir: &Path, text: &str, mode: u32) -> Result<ArweaveKey, String> {
    let path = dir.join("key");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    ArweaveKey::open(&path).map_err(|error| error.to_string())
}

#[test]
fn a_key_that_others_can_read_or_that_is_none_is_refused_with_the_mend() {
    let dir = tempfile::tempdir().unwrap();
    let digits = "01".repeat(32);
    assert!(opened(dir.path(), &digits, 0o600).is_ok());
    assert!(opened(dir.path(), &format!(" 0x{digits}\n"), 0o400).is_ok());
    let cases = [
        (digits.clone(), 0o644, "chmod 600"),
        (digits[2..].to_owned(), 0o600, "64 hexadecimal digits"),
        ("zz".repeat(32), 0o600, "64 hexadecimal digits"),
        ("00".repeat(32), 0o600, "none that Ethereum has"),
        (String::new(), 0o600, "holds no key"),
        (
            "{\"kty\":\"RSA\"}".to_owned(),
            0o600,
            "a field of the wallet is missing",
        ),
        (jwk("EC", "AQAB"), 0o600, "of another kind"),
        (jwk("RSA", "AQAB"), 0o600, "4096 bits"),
        (
            jwk("RSA", &"w".repeat(683)),
            0o600,
            "do not belong together",
        ),
        (jwk("RSA", "+/"), 0o600, "not in base64url"),
    ];
    for (text, mode, wanted) in cases {
        let refused = opened(dir.path(), &text, mode).err().unwrap();
        assert!(refused.contains(wanted), "{wanted}: {refused}");
        assert!(!refused.contains(&digits), "the secret is not told");
    }
    let missing = ArweaveKey::open(&dir.path().join("none")).err().unwrap();
    assert!(
        missing.to_string().contains("Name another file"),
        "{missing}"
    );
}

fn jwk(kty: &str, n: &str) -> String {
    let field = |name: &str| format!("\"{name}\":\"AQAB\"");
    let rest = ["e", "d", "p", "q", "dp", "dq", "qi"].map(field).join(",");
    format!("{{\"kty\":\"{kty}\",\"n\":\"{n}\",{rest}}}")
}

/// The item of one key and one block, which arbundles accepts (`arbundles_accepts_items_of_either_key_…`).
#[test]
fn the_bytes_of_an_item_stay_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let key = ethereum_key(dir.path());
    let cid: Cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
        .parse()
        .unwrap();
    let item = DataItem::sign(&key, &cid, b"ciphertext").unwrap();
    let again = DataItem::sign(&key, &cid, b"ciphertext").unwrap();
    assert_eq!(
        item.bytes(),
        again.bytes(),
        "the same block is the same item"
    );
    assert_eq!(ItemId::parse(&item.id().to_string()), Some(item.id()));
    assert_eq!(
        HEXLOWER.encode(&Sha256::digest(item.bytes())),
        "3a273173339f6a06f2d95bfaeef73ed0743fdaffbf28900a3924f010e47d87b4"
    );
}

#[test]
fn what_is_no_id_is_not_taken_for_one() {
    for text in ["", "abc", &"a".repeat(42), &"a".repeat(44), &"+".repeat(43)] {
        assert_eq!(ItemId::parse(text), None, "{text}");
    }
}
