//! What tokens allow: examples, and the law that Datalog decides as plain Rust would.

use proptest::prelude::*;

use super::*;
use crate::ContentId;
use crate::capability::caveat::tests::{any_action, any_caveat};
use crate::capability::{Refusal, RevocationId, ShareBp, check};

#[test]
fn an_agent_allowed_one_percent_updates_ten_nodes_and_not_five_hundred() {
    let capability = token(&["affects_network_pct_le=1%"])
        .verify(&root().public())
        .unwrap();

    assert_eq!(capability.authorize(&act()), Ok(()));
    let refusal = capability
        .authorize(&Use {
            nodes: 500,
            ..act()
        })
        .unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the token allows at most 10 of 1000 nodes (1 %), the act names 500 (50 %)"
    );
}

#[test]
fn a_token_says_what_was_granted() {
    let token = narrowed(
        &token(&["scope=regional", "valid_until=2026-12-31T00:00:00Z"]),
        &["valid_until=1800000000"],
    );

    let capability = token.verify(&root().public()).unwrap();

    assert_eq!(*capability.root(), root().public());
    assert_eq!(*capability.holder(), agent());
    assert_eq!(capability.actions(), &grant(&[]).actions);
    assert_eq!(
        capability.blocks(),
        [
            caveats(&["scope=regional", "valid_until=2026-12-31T00:00:00Z"]),
            caveats(&["valid_until=1800000000"])
        ]
    );
    assert_eq!(capability.caveats().count(), 3);
    assert_eq!(capability.expires_at(), Some(1_798_675_200));
    assert_eq!(capability.revocation_ids().len(), 2);
}

#[test]
fn every_refusal_says_why() {
    let proposal = ContentId::of(b"proposal");
    let vote = format!("requires_dao_vote={proposal}");
    let cases: &[(&[&str], Use, &str)] = &[
        (
            &["scope=local"],
            act(),
            "the token allows local acts at most, the act is regional",
        ),
        (
            &["affects_nodes_le=9"],
            act(),
            "the token allows at most 9 nodes, the act names 10",
        ),
        (
            &["valid_until=2026-01-01T11:59:59Z"],
            act(),
            "the token was valid until 2026-01-01T11:59:59Z, now it is 2026-01-01T12:00:00Z",
        ),
        (
            &["requires_peer_signature"],
            act(),
            "the token requires the signature of a peer, the act has none",
        ),
        (
            &["requires_dao_vote"],
            act(),
            "the token requires a vote, the act has none",
        ),
        (
            &[&vote],
            act(),
            &format!("the token requires the vote on {proposal}, the act has none"),
        ),
        (
            &["requires_multi_sig=3-of-5"],
            Use {
                multi_sig: Some((2, 5)),
                ..act()
            },
            "the token requires 3 signatures of a group of 5, the act has 2 of a group of 5",
        ),
        (
            &["requires_multi_sig=3-of-5"],
            Use {
                multi_sig: Some((3, 4)),
                ..act()
            },
            "the token requires 3 signatures of a group of 5, the act has 3 of a group of 4",
        ),
        (
            &["actions=routing.read"],
            act(),
            "the token is narrowed to routing.read, the act is routing.update",
        ),
        (
            &["scope=local", "affects_nodes_le=9"],
            act(),
            "the token allows local acts at most, the act is regional, \
             the token allows at most 9 nodes, the act names 10",
        ),
    ];
    for (written, act, reason) in cases {
        let capability = token(written).verify(&root().public()).unwrap();
        assert_eq!(
            capability.authorize(act).unwrap_err().to_string(),
            *reason,
            "{written:?}"
        );
    }
}

#[test]
fn a_refusal_names_the_block_that_was_added() {
    let capability = narrowed(&token(&["scope=network"]), &["affects_nodes_le=3"])
        .verify(&root().public())
        .unwrap();

    let refusal = capability.authorize(&act()).unwrap_err();

    assert_eq!(
        refusal.to_string(),
        "the token allows at most 3 nodes, the act names 10 (added in block 1)"
    );
    let Refusal::Caveats { failed } = refusal else {
        panic!("{refusal:?}")
    };
    assert_eq!(
        (failed[0].block, &failed[0].caveat),
        (1, &Caveat::AffectsNodesLe(3))
    );
}

#[test]
fn only_the_holder_uses_a_token_and_only_for_what_was_granted() {
    let capability = token(&[]).verify(&root().public()).unwrap();

    let stranger = identity(3).public();
    assert_eq!(
        capability.authorize(&Use {
            agent: stranger,
            ..act()
        }),
        Err(Refusal::NotHolder {
            holder: agent(),
            agent: stranger
        })
    );
    let refusal = capability
        .authorize(&Use {
            action: action("routing.delete"),
            ..act()
        })
        .unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the token grants routing.read, routing.update, and the act is routing.delete"
    );
}

#[test]
fn revoking_any_block_revokes_the_token_and_all_narrowed_from_it() {
    let (root, first) = (root().public(), token(&[]));
    let second = narrowed(&first, &["scope=regional"]);
    let ids = second.verify(&root).unwrap().revocation_ids().to_vec();
    let revoked = |index: usize| move |id: &RevocationId| *id == ids[index];

    assert!(matches!(
        check(&second, &root, &revoked.clone()(0), &act()),
        Err(Refusal::Revoked { block: 0, .. })
    ));
    assert!(matches!(
        check(&second, &root, &revoked.clone()(1), &act()),
        Err(Refusal::Revoked { block: 1, .. })
    ));
    assert!(matches!(
        check(&first, &root, &revoked.clone()(0), &act()),
        Err(Refusal::Revoked { block: 0, .. })
    ));
    assert!(check(&first, &root, &revoked(1), &act()).is_ok());
}

#[test]
fn a_token_round_trips_as_text_and_bytes() {
    let token = token(&["scope=local"]);

    let text = token.to_string();
    assert!(text.starts_with("x0cap1"));
    assert_eq!(text.parse::<Token>().unwrap(), token);
    let (left, right) = text.split_at(40);
    assert_eq!(
        format!(" {left}\n  {right}\r\n").parse::<Token>().unwrap(),
        token,
        "as pasted from a mail"
    );
    let json = serde_json::to_string(&token).unwrap();
    assert_eq!(serde_json::from_str::<Token>(&json).unwrap(), token);
    let cbor = serde_ipld_dagcbor::to_vec(&token).unwrap();
    assert_eq!(
        cbor.len(),
        token.as_bytes().len() + 3,
        "a byte string with its length"
    );
    assert_eq!(
        serde_ipld_dagcbor::from_slice::<Token>(&cbor).unwrap(),
        token
    );
}

#[test]
fn a_damaged_text_is_refused_with_the_place() {
    let error = |text: &str| text.parse::<Token>().unwrap_err().to_string();

    assert_eq!(
        error("hello world"),
        "a capability token begins with x0cap1; this text begins with \"hellow\""
    );
    assert_eq!(
        error("x0cap1AAA!"),
        "the capability token is damaged at character 10; copy it again, whole"
    );
    assert!(error(&format!("x0cap1{}", "A".repeat(12_000))).contains("9000 bytes"));
}

/// The encoding is part of the protocol: a token granted today must verify in every later version, and two
/// nodes must make the same bytes of the same grant.
#[test]
fn the_encoding_of_a_token_is_pinned() {
    let all = [
        "actions=routing.update",
        "scope=regional",
        "affects_nodes_le=20",
        "affects_network_pct_le=1%",
        "valid_until=2026-12-31T00:00:00Z",
        "requires_peer_signature",
        "requires_dao_vote",
        "requires_dao_vote=bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua",
        "requires_multi_sig=3-of-5",
    ];

    let token = narrowed(&token(&all), &["scope=local"]);

    assert_eq!(
        data_encoding::HEXLOWER.encode(&token.digest()),
        "f339ab6fe7591658f1b16496a7e8b3c8bc07493801adc5256efdb675c2ec1e7e"
    );
    assert!(token.verify(&root().public()).is_ok());
}

#[test]
fn the_same_seed_makes_the_same_token_and_a_fresh_one_differs() {
    assert_eq!(token(&[]), token(&[]));
    assert_ne!(
        Token::grant(&root(), &grant(&[])).unwrap(),
        Token::grant(&root(), &grant(&[])).unwrap()
    );
    let narrow = || token(&[]).attenuate(&caveats(&["scope=local"])).unwrap();
    assert_ne!(narrow(), narrow());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn datalog_decides_as_plain_rust_would(made in any_token(), act in any_use()) {
        let capability = made.token.verify(&root().public()).unwrap();

        prop_assert_eq!(capability.holder(), &made.grant.holder);
        prop_assert_eq!(capability.actions(), &made.grant.actions);
        prop_assert_eq!(capability.blocks(), &made.blocks[..]);
        match capability.authorize(&act) {
            Ok(()) => prop_assert!(made.holder_and_action_fit(&act) && made.failing(&act).is_empty()),
            Err(Refusal::NotHolder { .. }) => prop_assert_ne!(made.grant.holder, act.agent),
            Err(Refusal::ActionNotGranted { .. }) => prop_assert!(!made.grant.actions.contains(&act.action)),
            Err(Refusal::Caveats { failed }) => {
                prop_assert!(made.holder_and_action_fit(&act));
                let failed: Vec<_> = failed.into_iter().map(|failed| (failed.block, failed.caveat)).collect();
                prop_assert_eq!(failed, made.failing(&act));
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn narrowing_never_widens(made in any_token(), added in any_caveat(), act in any_use()) {
        let narrower = made.token.attenuate_seeded(&[added], &[9; 32]).unwrap();
        let root = root().public();

        if narrower.verify(&root).unwrap().authorize(&act).is_ok() {
            prop_assert!(made.token.verify(&root).unwrap().authorize(&act).is_ok());
        }
    }
}

/// A token with what went into it.
#[derive(Debug)]
struct Made {
    grant: Grant,
    blocks: Vec<Vec<Caveat>>,
    token: Token,
}

impl Made {
    fn holder_and_action_fit(&self, act: &Use) -> bool {
        self.grant.holder == act.agent && self.grant.actions.contains(&act.action)
    }

    fn failing(&self, act: &Use) -> Vec<(usize, Caveat)> {
        let of_block = |(caveats, block): (&Vec<Caveat>, usize)| {
            let failing = caveats.iter().filter(|caveat| !holds(caveat, act));
            failing
                .map(|caveat| (block, caveat.clone()))
                .collect::<Vec<_>>()
        };
        self.blocks.iter().zip(0..).flat_map(of_block).collect()
    }
}

/// The meaning of caveats, written a second time without Datalog.
fn holds(caveat: &Caveat, act: &Use) -> bool {
    match caveat {
        Caveat::Actions(actions) => actions.contains(&act.action),
        Caveat::Scope(most) => act.scope <= *most,
        Caveat::AffectsNodesLe(most) => act.nodes <= *most,
        Caveat::AffectsNetworkPctLe(most) => ShareBp::of(act.nodes, act.mesh_size) <= *most,
        Caveat::ValidUntil(end) => act.time <= *end,
        Caveat::RequiresPeerSignature => act.peer_signatures > 0,
        Caveat::RequiresDaoVote(None) => act.vote.is_some(),
        Caveat::RequiresDaoVote(proposal) => act.vote == *proposal,
        Caveat::RequiresMultiSig { k, n } => {
            act.multi_sig.is_some_and(|(got, of)| got >= *k && of == *n)
        }
    }
}

fn any_token() -> impl Strategy<Value = Made> {
    let block = || prop::collection::vec(any_caveat(), 0..3);
    let actions = prop::collection::btree_set(
        prop_oneof![Just(action("routing.update")), any_action()],
        1..4,
    );
    (
        2u8..4,
        actions,
        block(),
        prop::collection::vec(block(), 0..3),
    )
        .prop_map(|(holder, actions, first, others)| {
            let grant = Grant {
                holder: identity(holder).public(),
                actions,
                caveats: first.clone(),
            };
            let others: Vec<_> = others
                .into_iter()
                .filter(|caveats| !caveats.is_empty())
                .collect();
            let token = Token::grant_seeded(&root(), &grant, &[7; 32]).unwrap();
            let token = others.iter().fold(token, |token, caveats| {
                token.attenuate_seeded(caveats, &[8; 32]).unwrap()
            });
            let blocks = core::iter::once(first).chain(others).collect();
            Made {
                grant,
                blocks,
                token,
            }
        })
}

fn any_use() -> impl Strategy<Value = Use> {
    let who = (
        2u8..4,
        prop_oneof![3 => Just(action("routing.update")), 1 => any_action()],
    );
    let what = (
        prop::sample::select(Scope::ALL.to_vec()),
        prop_oneof![0u32..2000, any::<u32>()],
        prop_oneof![0u32..2000, any::<u32>()],
        prop_oneof![0u64..2_000_000_000, any::<u64>()],
    );
    let with = (
        0u8..3,
        prop::option::of(0u8..3),
        prop::option::of((any::<u8>(), any::<u8>())),
    );
    (who, what, with).prop_map(
        |((agent, action), (scope, nodes, mesh_size, time), (peer_signatures, vote, multi_sig))| {
            Use {
                agent: identity(agent).public(),
                action,
                scope,
                nodes,
                mesh_size,
                time,
                peer_signatures,
                vote: vote.map(|id| ContentId::from_digest([id; 32])),
                multi_sig,
            }
        },
    )
}
