//! Tokens made to deceive: widened, forged, spliced, truncated, or saying what x0 does not understand.

use biscuit_auth::builder::{self, Algorithm, BiscuitBuilder, BlockBuilder};
use biscuit_auth::datalog::SymbolTable;
use biscuit_auth::format::schema;
use biscuit_auth::{Biscuit, KeyPair};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::capability::{
    CapabilityError, MAX_BLOCKS, MAX_CAVEATS, MAX_TOKEN_BYTES, Refusal, RootKey,
};

#[test]
fn a_block_that_grants_more_is_refused_by_name_and_gains_nothing_in_biscuit_either() {
    let widened = with_block(&token(&[]), r#"can("mesh.shutdown");"#);

    let error = widened.verify(&root().public()).unwrap_err();

    assert_eq!(
        error.to_string(),
        "block 1 of the token says `can(\"mesh.shutdown\")`, which this x0 does not understand \
         (only the first block may state facts); a token is refused as a whole rather than read in part"
    );
    let biscuit = Biscuit::from(widened.as_bytes(), biscuit_root()).unwrap();
    let act = Use {
        action: action("mesh.shutdown"),
        ..act()
    };
    let authorizer = crate::capability::datalog::write_use(&act).unwrap();
    assert!(authorizer.build(&biscuit).unwrap().authorize().is_err());
}

#[test]
fn a_block_with_a_larger_limit_gains_nothing() {
    let widened = narrowed(
        &token(&["affects_nodes_le=5"]),
        &["affects_nodes_le=500", "scope=network"],
    );

    let refusal = widened
        .verify(&root().public())
        .unwrap()
        .authorize(&act())
        .unwrap_err();

    assert_eq!(
        refusal.to_string(),
        "the token allows at most 5 nodes, the act names 10"
    );
}

#[test]
fn a_token_of_another_root_is_refused() {
    let forged =
        Token::grant_seeded(&identity(9).capability_root(), &grant(&[]), &[7; 32]).unwrap();

    assert_eq!(
        forged.verify(&root().public()).unwrap_err(),
        not_from_root()
    );
}

#[test]
fn the_identity_key_is_not_a_capability_root() {
    let identity_as_root = RootKey::from_bytes(*identity(1).public().bytes()).unwrap();

    assert!(matches!(
        token(&[]).verify(&identity_as_root),
        Err(CapabilityError::NotFromRoot { .. })
    ));
}

#[test]
fn a_narrowing_cannot_be_taken_off() {
    let narrow = narrowed(&token(&[]), &["scope=local"]);

    let stripped = edited(&narrow, |frame| {
        frame.blocks.pop();
    });

    assert_eq!(
        stripped.verify(&root().public()).unwrap_err(),
        not_from_root()
    );
}

#[test]
fn blocks_cannot_be_moved_between_tokens() {
    let (strict, loose) = (
        narrowed(&token(&["scope=local"]), &["scope=local"]),
        token(&["scope=network"]),
    );
    let loose = loose
        .attenuate_seeded(&caveats(&["scope=network"]), &[55; 32])
        .unwrap();
    let donor = schema::Biscuit::decode(loose.as_bytes()).unwrap();

    let spliced = edited(&strict, |frame| frame.blocks = donor.blocks.clone());
    let spliced_with_proof = edited(&strict, |frame| {
        frame.blocks = donor.blocks.clone();
        frame.proof = donor.proof.clone();
    });

    assert_eq!(
        spliced.verify(&root().public()).unwrap_err(),
        not_from_root()
    );
    assert_eq!(
        spliced_with_proof.verify(&root().public()).unwrap_err(),
        not_from_root()
    );
}

#[test]
fn no_prefix_of_a_token_and_no_token_with_a_flipped_bit_verifies() {
    let token = narrowed(&token(&["scope=regional"]), &["affects_nodes_le=20"]);
    let (root, bytes) = (root().public(), token.as_bytes());
    assert!(token.verify(&root).is_ok());

    for end in 0..bytes.len() {
        assert!(
            Token::from_bytes(&bytes[..end])
                .unwrap()
                .verify(&root)
                .is_err(),
            "prefix of {end}"
        );
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(
            Token::from_bytes(&flipped).unwrap().verify(&root).is_err(),
            "bit {bit}"
        );
    }
}

#[test]
fn what_later_blocks_may_not_say_is_refused_with_block_and_statement() {
    let cases = [
        (r#"holder("me");"#, "holder(\"me\")"),
        (
            r#"time(2030-01-01T00:00:00Z);"#,
            "time(2030-01-01T00:00:00Z)",
        ),
        (r#"can($a) <- action($a);"#, "can($a) <- action($a)"),
        (r#"check if user("root");"#, "check if user(\"root\")"),
        (r#"check if true;"#, "check if true"),
        (
            r#"check if nodes($n), $n < 5;"#,
            "check if nodes($n), $n < 5",
        ),
        (
            r#"check if nodes($n), $n >= 5;"#,
            "check if nodes($n), $n >= 5",
        ),
        (
            r#"check if nodes($n), $n <= -1;"#,
            "check if nodes($n), $n <= -1",
        ),
        (
            r#"check if nodes($n), $n <= 4294967296;"#,
            "check if nodes($n), $n <= 4294967296",
        ),
        (
            r#"check if network_share_bp($s), $s <= 10001;"#,
            "check if network_share_bp($s), $s <= 10001",
        ),
        (
            r#"check if nodes($n), $n <= 5, $n <= 6;"#,
            "check if nodes($n), $n <= 5, $n <= 6",
        ),
        (
            r#"check if nodes($n), time($t), $n <= 5;"#,
            "check if nodes($n), time($t), $n <= 5",
        ),
        (
            r#"check if nodes($n), $n <= 5 or nodes($n), $n <= 9;"#,
            "check if nodes($n), $n <= 5 or nodes($n), $n <= 9",
        ),
        (
            r#"check all nodes($n), $n <= 5;"#,
            "check all nodes($n), $n <= 5",
        ),
        (
            r#"reject if nodes($n), $n <= 5;"#,
            "reject if nodes($n), $n <= 5",
        ),
        (
            r#"check if nodes($n), $n <= 5 trusting authority;"#,
            "$n <= 5 trusting authority",
        ),
        (
            r#"check if scope($s), {"regional"}.contains($s);"#,
            "{\"regional\"}.contains($s)",
        ),
        (
            r#"check if scope($s), {"local", "galactic"}.contains($s);"#,
            "galactic",
        ),
        (
            r#"check if scope($s), ["local"].contains($s);"#,
            "[\"local\"].contains($s)",
        ),
        (
            r#"check if action($a), {"Not An Action"}.contains($a);"#,
            "Not An Action",
        ),
        (r#"check if peer_signatures($p), $p >= 0;"#, "$p >= 0"),
        (r#"check if multi_sig($k, 5), $k >= 0;"#, "$k >= 0"),
        (r#"check if multi_sig($k, 5), $k >= 6;"#, "$k >= 6"),
        (r#"check if multi_sig($k, 256), $k >= 3;"#, "256"),
        (r#"check if multi_sig(5, $k), $k >= 3;"#, "multi_sig(5, $k)"),
        (r#"check if vote(hex:00);"#, "vote(hex:00)"),
        (r#"check if vote("yes");"#, "vote(\"yes\")"),
    ];
    for (code, named) in cases {
        let error = with_block(&token(&[]), code)
            .verify(&root().public())
            .unwrap_err();
        let CapabilityError::NotUnderstood {
            block: 1,
            statement,
            ..
        } = &error
        else {
            panic!("{code}: {error}")
        };
        assert!(statement.contains(named), "{code}: {error}");
    }
}

#[test]
fn what_a_root_may_not_say_is_refused_too() {
    let holder = format!(
        "holder(hex:{});",
        data_encoding::HEXLOWER.encode(agent().bytes())
    );
    let cases = [
        (r#"can("a");"#.to_owned(), "nobody is named as holder"),
        (holder.clone(), "no action is granted"),
        (
            format!(r#"{holder} can("A");"#),
            "not the name of an action",
        ),
        (format!(r#"{holder} can("a", "b");"#), "known facts are"),
        (
            format!(r#"{holder} can("a"); admin(true);"#),
            "known facts are",
        ),
        (
            format!(r#"{holder} holder(hex:{}); can("a");"#, "01".repeat(32)),
            "holder",
        ),
        (
            r#"holder(hex:00); can("a");"#.to_owned(),
            "the holder is not an Ed25519 public key",
        ),
        (
            format!(r#"holder(hex:{}); can("a");"#, "00".repeat(32)),
            "the holder is not an Ed25519 public key",
        ),
        (
            format!(r#"{holder} can("a"); check if operation("x");"#),
            "no caveat of x0",
        ),
        (
            format!(r#"{holder} can("a"); can("b") <- can("a");"#),
            "no rules",
        ),
    ];
    for (code, reason) in cases {
        let biscuit = BiscuitBuilder::new()
            .code(&code)
            .unwrap()
            .build(root().key_pair())
            .unwrap();
        let error = Token::from_bytes(&biscuit.to_vec().unwrap())
            .unwrap()
            .verify(&root().public())
            .unwrap_err();
        assert!(
            matches!(error, CapabilityError::NotUnderstood { block: 0, .. }),
            "{code}: {error}"
        );
        assert!(error.to_string().contains(reason), "{code}: {error}");
    }
}

#[test]
fn comments_seals_root_numbers_third_parties_and_other_curves_are_refused() {
    let plain = Biscuit::from(token(&[]).as_bytes(), biscuit_root()).unwrap();
    let of = |biscuit: Biscuit| Token::from_bytes(&biscuit.to_vec().unwrap()).unwrap();
    let grant = || crate::capability::datalog::write_grant(&grant(&[])).unwrap();
    let stranger = KeyPair::new();
    let third_party = plain
        .third_party_request()
        .unwrap()
        .create_block(
            &stranger.private(),
            BlockBuilder::new().code("can(\"all\");").unwrap(),
        )
        .unwrap();
    let p256 = KeyPair::new_with_algorithm(Algorithm::Secp256r1);
    let cases = [
        (
            of(plain
                .append(BlockBuilder::new().context("trust me".to_owned()))
                .unwrap()),
            "trust me",
        ),
        (
            of(plain
                .append(BlockBuilder::new().scope(builder::Scope::Previous))
                .unwrap()),
            "trusting",
        ),
        (of(plain.seal().unwrap()), "a seal"),
        (
            of(grant().root_key_id(3).build(root().key_pair()).unwrap()),
            "a root key number",
        ),
        (
            of(plain
                .append_third_party(stranger.public(), third_party)
                .unwrap()),
            "third party",
        ),
        (
            of(grant()
                .build_with_key_pair(root().key_pair(), SymbolTable::new(), &p256)
                .unwrap()),
            "not Ed25519",
        ),
    ];
    for (token, named) in cases {
        let error = token.verify(&root().public()).unwrap_err();
        assert!(
            matches!(&error, CapabilityError::NotUnderstood { statement, .. } if statement.contains(named)),
            "{error}"
        );
    }
}

#[test]
fn fields_that_no_decoder_knows_are_refused() {
    // Field 15, a byte string: protobuf decoders skip it without a word.
    let unknown = [(15 << 3) | 2, 2, b'h', b'i'];
    let in_frame = [token(&[]).as_bytes(), &unknown].concat();
    let in_block = resigned(&token(&[]), |block| block.extend(unknown));

    let error = Token::from_bytes(&in_frame)
        .unwrap()
        .verify(&root().public())
        .unwrap_err();
    assert_eq!(
        error,
        CapabilityError::Malformed {
            reason: "not in the canonical encoding".to_owned()
        }
    );
    let error = in_block.verify(&root().public()).unwrap_err();
    assert!(
        matches!(error, CapabilityError::NotUnderstood { block: 0, .. }),
        "{error}"
    );
}

#[test]
fn symbols_that_nothing_uses_or_a_later_block_lends_are_refused() {
    let unused = resigned(&token(&[]), |block| {
        let mut decoded = schema::Block::decode(block.as_slice()).unwrap();
        decoded.symbols.push("a hidden message".to_owned());
        *block = decoded.encode_to_vec();
    });
    let error = unused.verify(&root().public()).unwrap_err();
    assert!(
        matches!(&error, CapabilityError::NotUnderstood { block: 0, statement, .. } if statement == "a hidden message")
    );

    let trick = with_block(&token(&[]), "check if user(\"\u{1b}[2Jbye\");");
    let error = trick.verify(&root().public()).unwrap_err().to_string();
    assert!(
        error.contains(r#"user("\u{1b}[2Jbye")"#),
        "no command reaches a terminal: {error}"
    );

    // The first block loses its last word, the name of an action; the second block brings another in its place.
    let lending = resigned(&token(&[]), |block| {
        let mut decoded = schema::Block::decode(block.as_slice()).unwrap();
        decoded.symbols.pop();
        *block = decoded.encode_to_vec();
    });
    let lent = with_block(
        &lending,
        r#"check if action($action), {"mesh.shutdown"}.contains($action);"#,
    );
    let error = lent.verify(&root().public()).unwrap_err();
    assert!(
        matches!(error, CapabilityError::NotUnderstood { block: 0, .. }),
        "{error}"
    );
}

#[test]
fn bounds_hold_when_making_and_when_reading() {
    let most = (1..MAX_BLOCKS).fold(token(&[]), |token, _| narrowed(&token, &["scope=local"]));
    assert!(most.verify(&root().public()).is_ok());
    assert_eq!(
        most.attenuate(&caveats(&["scope=local"])).unwrap_err(),
        CapabilityError::TooManyBlocks {
            blocks: MAX_BLOCKS + 1
        }
    );
    let over = with_block(&most, r#"check if nodes($nodes), $nodes <= 5;"#);
    assert_eq!(
        over.verify(&root().public()).unwrap_err(),
        CapabilityError::TooManyBlocks {
            blocks: MAX_BLOCKS + 1
        }
    );

    assert_eq!(
        Token::from_bytes(&[0; MAX_TOKEN_BYTES + 1]).unwrap_err(),
        CapabilityError::TooLarge {
            bytes: MAX_TOKEN_BYTES + 1
        }
    );
    let many = vec![Caveat::RequiresPeerSignature; MAX_CAVEATS + 1];
    assert!(matches!(
        token(&[]).attenuate(&many),
        Err(CapabilityError::CaveatCount { .. })
    ));
    assert!(matches!(
        token(&[]).attenuate(&[]),
        Err(CapabilityError::CaveatCount { .. })
    ));
    let code = "check if nodes($nodes), $nodes <= 5;".repeat(MAX_CAVEATS + 1);
    let error = with_block(&token(&[]), &code)
        .verify(&root().public())
        .unwrap_err();
    assert!(
        matches!(error, CapabilityError::NotUnderstood { block: 1, .. }),
        "{error}"
    );

    let nothing = Grant {
        actions: BTreeSet::new(),
        ..grant(&[])
    };
    assert!(matches!(
        Token::grant(&root(), &nothing),
        Err(CapabilityError::ActionCount { actions: 0 })
    ));
    let senseless = Caveat::RequiresMultiSig { k: 3, n: 2 };
    assert_eq!(
        token(&[])
            .attenuate(std::slice::from_ref(&senseless))
            .unwrap_err(),
        CapabilityError::SenselessCaveat { caveat: senseless }
    );
}

#[test]
fn the_largest_token_the_bounds_allow_is_still_decided() {
    let actions = (0..64).map(|n| action(&format!("a{n}"))).collect();
    let grant = Grant {
        holder: agent(),
        actions,
        caveats: vec![Caveat::AffectsNodesLe(10); MAX_CAVEATS],
    };
    let token = Token::grant_seeded(&root(), &grant, &[7; 32]).unwrap();
    let token = (1..MAX_BLOCKS).fold(token, |token, _| {
        token
            .attenuate_seeded(&vec![Caveat::AffectsNodesLe(10); MAX_CAVEATS], &[8; 32])
            .unwrap()
    });
    let capability = token.verify(&root().public()).unwrap();

    assert_eq!(
        capability.authorize(&Use {
            action: action("a63"),
            ..act()
        }),
        Ok(())
    );
    let refusal = capability
        .authorize(&Use {
            action: action("a63"),
            nodes: 11,
            ..act()
        })
        .unwrap_err();
    assert!(
        matches!(refusal, Refusal::Caveats { failed } if failed.len() == MAX_BLOCKS * MAX_CAVEATS)
    );
}

proptest! {
    #[test]
    fn random_bytes_never_panic_and_never_verify(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let token = Token::from_bytes(&bytes).unwrap();

        prop_assert!(token.verify(&root().public()).is_err());
        prop_assert!(token.attenuate_seeded(&caveats(&["scope=local"]), &[8; 32]).is_err());
    }

    #[test]
    fn mutated_tokens_never_panic_and_never_verify(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..6),
    ) {
        let token = narrowed(&token(&["requires_dao_vote", "actions=routing.update"]), &["requires_multi_sig=3-of-5"]);
        let mut bytes = token.as_bytes().to_vec();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => {
                    bytes.remove(at);
                }
            }
        }
        let mutated = Token::from_bytes(&bytes).unwrap();

        prop_assert!(bytes == token.as_bytes() || mutated.verify(&root().public()).is_err());
        // Whatever narrowing makes of it must not verify either.
        if let Ok(narrower) = mutated.attenuate_seeded(&caveats(&["scope=local"]), &[8; 32]) {
            prop_assert!(bytes == token.as_bytes() || narrower.verify(&root().public()).is_err());
        }
    }

    /// Blocks with valid signatures, whose content is random: the reader meets what no signature check stops.
    #[test]
    fn signed_nonsense_never_panics_and_is_never_understood(
        nonsense in prop::collection::vec(any::<u8>(), 1..200),
        at in any::<prop::sample::Index>(),
        replace: bool,
    ) {
        let genuine = token(&["requires_dao_vote", "actions=routing.update"]);
        let signed = resigned(&genuine, |block| {
            let start = at.index(block.len());
            let end = if replace { (start + nonsense.len()).min(block.len()) } else { start };
            block.splice(start..end, nonsense.iter().copied());
        });

        if let Ok(capability) = signed.verify(&root().public()) {
            // It says something else that is well formed; then it must be what a root could have granted.
            let said = Grant {
                holder: *capability.holder(),
                actions: capability.actions().clone(),
                caveats: capability.blocks()[0].clone(),
            };
            let made = Token::grant_seeded(&root(), &said, &[7; 32]).unwrap();
            let understood = made.verify(&root().public()).unwrap();
            prop_assert_eq!(understood.blocks(), capability.blocks());
        }
    }
}

fn not_from_root() -> CapabilityError {
    CapabilityError::NotFromRoot {
        root: root().public(),
    }
}

fn biscuit_root() -> biscuit_auth::PublicKey {
    root().key_pair().public()
}

/// Appends a block of any Datalog, as someone with a plain Biscuit library can.
fn with_block(token: &Token, code: &str) -> Token {
    let biscuit = biscuit_auth::UnverifiedBiscuit::from(token.as_bytes()).unwrap();
    let block = BlockBuilder::new().code(code).unwrap();
    Token::from_bytes(&biscuit.append(block).unwrap().to_vec().unwrap()).unwrap()
}

/// Changes the frame without signing anew.
fn edited(token: &Token, edit: impl FnOnce(&mut schema::Biscuit)) -> Token {
    let mut frame = schema::Biscuit::decode(token.as_bytes()).unwrap();
    edit(&mut frame);
    Token::from_bytes(&frame.encode_to_vec()).unwrap()
}

/// Changes the bytes of the first block and signs them as the root would (Biscuit signature payload, version 0).
fn resigned(token: &Token, edit: impl FnOnce(&mut Vec<u8>)) -> Token {
    edited(token, |frame| {
        assert_eq!(frame.authority.version, None, "payload version 0");
        edit(&mut frame.authority.block);
        let next = &frame.authority.next_key.key;
        let algorithm = (schema::public_key::Algorithm::Ed25519 as i32).to_le_bytes();
        let payload = [&frame.authority.block, algorithm.as_slice(), next].concat();
        frame.authority.signature = root()
            .key_pair()
            .sign(&payload)
            .unwrap()
            .to_bytes()
            .to_vec();
    })
}
