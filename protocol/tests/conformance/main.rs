//! Pinned bytes: one sample of everything that travels, and the content id (SHA-256) of its encoding.
//!
//! A change of a hash is a change of the wire: it needs a new version and a line in the changelog. Every sample
//! is also decoded and encoded again, which must give the same bytes.

#![allow(clippy::unwrap_used)]

mod audits;
mod card;
mod cases;
mod charter;
mod committee;
mod emergency;
mod erasure;
mod guardians;
mod public;
mod stem;
mod sublime;
mod trustees;
mod votes;

use std::collections::BTreeMap;

use serde_bytes::ByteBuf;
use x0_crypto::{
    ContentId, Identity, Namespace, PublicKey,
    capability::{Action, Caveat, Grant, RevocationId, RootKey, Token},
};
use x0_protocol::{
    Millis, Wall,
    core::time::TimeScale,
    spine::audit::{
        Entry, What,
        tree::{Hash, consistency_proof},
    },
    wire::{
        Act, Block, Body, CapabilityGrant, Change, Decided, Draft, Entry as Decision, Founder,
        Genesis, Hello, Invite, Join, Kind, Leave, LogHead, Merge, Outcome, Parameters, Part,
        Phase, Pinned, Quorum, Record, Refused, Removal, Request, Response, Revocation, SeatDraft,
        SeatMessage, Targets, Unverified, Verified, VersionRange, Welcome, decode_record,
    },
};
use zeroize::Zeroizing;

const TIME: Wall = Wall(1_767_225_600_000);

fn identity(seed: u8) -> Identity {
    Identity::from_seed(Zeroizing::new([seed; 32]))
}

fn key(seed: u8) -> PublicKey {
    identity(seed).public()
}

fn id(name: &[u8]) -> ContentId {
    ContentId::of(name)
}

fn root() -> RootKey {
    identity(1).capability_root().public()
}

fn token() -> Token {
    let action: Action = "set.links.target".parse().unwrap();
    let grant = Grant {
        holder: key(2),
        actions: [action].into(),
        caveats: vec![Caveat::AffectsNodesLe(3)],
    };
    Token::grant_seeded(&identity(1).capability_root(), &grant, &[7; 32]).unwrap()
}

fn genesis() -> Body {
    let founder = |identity: Identity| Founder {
        key: identity.public(),
        root: identity.capability_root().public(),
        commitment: identity.membership_commitment(),
        region: Some("north".parse().unwrap()),
    };
    let mut founders = [1, 2].map(|seed| founder(identity(seed))).to_vec();
    founders.sort_by_key(|founder| founder.key);
    Body::Genesis(Genesis {
        name: "sample".parse().unwrap(),
        seats: founders.iter().map(|founder| founder.key).collect(),
        founders,
        roots: vec![root()],
        parameters: Parameters {
            regions: vec!["north".parse().unwrap()],
            ..Parameters::default()
        },
    })
}

fn join() -> Join {
    let (newcomer, door) = (identity(3), identity(9));
    let message = Join::proof_message(&id(b"mesh"), &id(b"invite"), &newcomer.public());
    Join {
        invite: id(b"invite"),
        key: door.public(),
        proof: door.sign(Namespace::Invite, &message),
        root: newcomer.capability_root().public(),
        commitment: newcomer.membership_commitment(),
        region: None,
    }
}

fn act(change: Change, targets: Targets) -> Body {
    Body::Act(Act {
        change,
        targets,
        root: root(),
        token: token(),
        expires: TIME + Millis::from_mins(10),
        warrants: Vec::new(),
    })
}

fn set_policy() -> Change {
    Change::SetPolicy {
        policy: "links.target".parse().unwrap(),
        value: 5,
        from_version: 0,
    }
}

fn record(author: u8, body: Body) -> Verified<Record> {
    let mesh = (!matches!(body, Body::Genesis(_))).then(|| id(b"mesh"));
    let at = match mesh {
        Some(_) => (4, Some(id(b"previous"))),
        None => (0, None),
    };
    let author = identity(author);
    let draft = Draft::new(mesh, author.public(), at, TIME, [6; 16], body);
    draft.sign(&author).unwrap()
}

/// As a driver hands it on; a request with a head cannot be made but by decoding or by a peer.
fn head() -> Request {
    let head = LogHead::sign(&identity(1), 12, Hash([8; 32]), TIME);
    let encoded = serde_ipld_dagcbor::to_vec(&BTreeMap::from([("head", head)])).unwrap();
    Request::decode(&encoded).unwrap()
}

fn seat(draft: SeatDraft) -> SeatMessage {
    draft.sign(&id(b"mesh"), &identity(1)).value().clone()
}

fn clock() -> SeatMessage {
    seat(SeatDraft::Clock {
        height: 7,
        time: TIME,
    })
}

fn block() -> Block {
    let SeatMessage::Clock { reading, .. } = clock() else {
        unreachable!("a clock was read");
    };
    Block {
        mesh: id(b"mesh"),
        height: 7,
        previous: id(b"previous"),
        clocks: vec![reading],
        entries: vec![Decision::Dealt {
            ceremony: id(b"ceremony"),
            log: ByteBuf::from([5; 9]),
        }],
    }
}

fn said(message: SeatMessage) -> Request {
    Request::Seat(Box::new(message.to_unverified()))
}

fn vote(phase: Phase, block: Option<ContentId>) -> SeatMessage {
    seat(SeatDraft::Vote {
        height: 7,
        round: 2,
        phase,
        block,
    })
}

fn quorum(phase: Phase, block: &Block) -> Quorum {
    let SeatMessage::Vote(vote) = vote(phase, Some(block.id())) else {
        unreachable!("a vote was cast");
    };
    Quorum {
        round: 2,
        votes: vec![(vote.seat, vote.signature)],
    }
}

fn proposal(polka: Option<Quorum>) -> SeatMessage {
    seat(SeatDraft::Proposal {
        round: 3,
        block: Box::new(block()),
        polka,
    })
}

fn decided(block: Block) -> Decided {
    Decided {
        commit: quorum(Phase::Precommit, &block),
        block,
    }
}

fn unverified() -> Unverified<Record> {
    record(1, Body::Leave(Leave {})).to_unverified()
}

/// Compares the samples with their hashes and shows all that differ at once.
#[track_caller]
fn hold(samples: &[(&str, Vec<u8>)], pinned: &[(&str, &str)]) {
    let found: Vec<_> = samples
        .iter()
        .map(|(name, bytes)| (*name, ContentId::of(bytes).to_string()))
        .collect();
    let found: Vec<_> = found.iter().map(|(name, hash)| (*name, &**hash)).collect();
    assert_eq!(found, pinned, "the wire has changed");
}

#[test]
fn records() {
    let nodes = {
        let mut nodes = vec![key(1), key(2)];
        nodes.sort_unstable();
        Targets::Nodes(nodes)
    };
    let region = Targets::Region("north".parse().unwrap());
    let bodies = [
        ("genesis", 1, genesis()),
        (
            "invite",
            1,
            Body::Invite(Invite {
                key: key(9),
                expires: TIME + Millis::from_mins(5),
                checkpoint: None,
            }),
        ),
        (
            "invite with a checkpoint",
            1,
            Body::Invite(Invite {
                key: key(9),
                expires: TIME + Millis::from_mins(5),
                checkpoint: Some(Pinned {
                    height: 7,
                    id: ContentId::of(b"checkpoint"),
                }),
            }),
        ),
        ("join", 3, Body::Join(join())),
        ("leave", 1, Body::Leave(Leave {})),
        (
            "removal",
            1,
            Body::Removal(Removal {
                member: key(2),
                reason: "left for good".parse().unwrap(),
            }),
        ),
        (
            "merge",
            1,
            Body::Merge(Merge {
                heads: {
                    let mut heads = vec![id(b"one"), id(b"other")];
                    heads.sort_unstable();
                    heads
                },
            }),
        ),
        (
            "capability",
            1,
            Body::Capability(CapabilityGrant {
                root: root(),
                token: token(),
            }),
        ),
        (
            "revocation",
            1,
            Body::Revocation(Revocation {
                ids: vec![RevocationId::from_bytes([5; 32])],
                reason: "key lost".parse().unwrap(),
            }),
        ),
        ("act on nodes", 2, act(set_policy(), nodes)),
        ("act on a region", 2, act(set_policy(), region)),
        (
            "act on all",
            2,
            act(Change::Link { peer: key(3) }, Targets::All),
        ),
        (
            "unlinking",
            2,
            act(Change::Unlink { peer: key(3) }, Targets::All),
        ),
        ("unknown", 1, Body::Unknown(Kind(0x7fff), vec![0xa0].into())),
    ];
    let samples = bodies.map(|(name, author, body)| {
        let record = record(author, body);
        let bytes = record.value().bytes().to_vec();
        assert_eq!(decode_record(&bytes).unwrap().peek().bytes(), bytes);
        (name, bytes)
    });
    hold(
        &samples,
        &[
            (
                "genesis",
                "bafyreie4nau34jqkxcof5br6vgx6xwg53kdljaocxj6amn2xeiiq7xwf7i",
            ),
            (
                "invite",
                "bafyreigbprb2zml5msjzaziekov7ri7m3jp5drt2vqsmi6yknod5oq3y6u",
            ),
            (
                "invite with a checkpoint",
                "bafyreibmqpnzml5yxwnto4yqiyskgdsxu5tow6eozcze4ghomhsgomyu3i",
            ),
            (
                "join",
                "bafyreiegeq5qznryjbwrarfusgnjvpfsxxtuxyicokzpju5znartbnymr4",
            ),
            (
                "leave",
                "bafyreibm36a7exhvwose5hxykcok35jcnaojazutvu4yb5kgzt4etl6smi",
            ),
            (
                "removal",
                "bafyreiaass22ig4vlsrs7ycnfisr6qunvahug5nynmaqdbqrmjhdxnw5um",
            ),
            (
                "merge",
                "bafyreih6uzynzwjcd2uomifergzzs5lkoarh6bdeoftvbz7pdth2lutiem",
            ),
            (
                "capability",
                "bafyreighpixxl2igzjimstnnxlh2tzmqidzaaeedis2x7oiexs6honzv4e",
            ),
            (
                "revocation",
                "bafyreiau3qlbhnk5535axo5h2rnpsxgxi5cusptsaq6zl7naxcuh4brqcm",
            ),
            (
                "act on nodes",
                "bafyreih7f3ffsphgeqgswrfzn3gylrpy3qsfg2kv4yuhkpqqmrut2s3jim",
            ),
            (
                "act on a region",
                "bafyreihgf6esmnnaippkgpsinzd6wn7heoam2hiwgivwp7yirk2vrlzo3q",
            ),
            (
                "act on all",
                "bafyreibincotkffeh2bmar7kjqxzetvgb22vdtlhjygfia7ua74ve7htp4",
            ),
            (
                "unlinking",
                "bafyreibmft3rcnf5py4zr4xrajrhgodaaqct5yr3c6yk2n3o7dkvcqjndq",
            ),
            (
                "unknown",
                "bafyreihlteeh5e6odbjog2xf5i4jhoot5ubbv7b5ftyrn6ekvmcwf4zfpe",
            ),
        ],
    );
}

#[test]
fn a_genesis_beyond_its_limits_says_which() {
    let faulty = |spoil: &dyn Fn(&mut Genesis)| {
        let Body::Genesis(mut genesis) = genesis() else {
            unreachable!("a genesis was made");
        };
        assert_eq!(genesis.check(), Ok(()));
        spoil(&mut genesis);
        genesis.check().unwrap_err().to_string()
    };
    let crowded = faulty(&|genesis| {
        let one = genesis.founders[0].clone();
        let founder = |seed| Founder {
            key: key(seed),
            ..one.clone()
        };
        genesis.founders = (1..=32).map(founder).collect();
        genesis.founders.sort_by_key(|founder| founder.key);
        genesis.seats = genesis.founders.iter().map(|founder| founder.key).collect();
    });
    assert!(
        crowded.contains("seats") && crowded.contains("are 32"),
        "{crowded}"
    );
    let stranger = faulty(&|genesis| genesis.seats = vec![key(77)]);
    assert!(stranger.contains("not a founder"), "{stranger}");
    let hurried = faulty(&|genesis| genesis.parameters.time_scale = TimeScale(0));
    assert!(hurried.contains("time_scale"), "{hurried}");
    let lax = faulty(&|genesis| genesis.parameters.mass_action_floor = 4);
    assert!(lax.contains("mass_action_floor"), "{lax}");
}

#[test]
fn requests() {
    let samples = [
        (
            "hello",
            Request::Hello(Hello {
                versions: VersionRange::OURS,
                mesh: id(b"mesh"),
                join: None,
            }),
        ),
        (
            "knock",
            Request::Hello(Hello {
                versions: VersionRange::OURS,
                mesh: id(b"mesh"),
                join: Some(record(3, Body::Join(join())).to_unverified()),
            }),
        ),
        (
            "reconcile",
            Request::Reconcile {
                part: Part::Directory,
                session: [1; 32],
                message: vec![0x61, 0],
            },
        ),
        (
            "fetch",
            Request::Fetch {
                part: Part::Rest,
                session: [1; 32],
                keyed: vec![[2; 32], [3; 32]],
            },
        ),
        (
            "push",
            Request::Push {
                records: vec![unverified()],
            },
        ),
        ("head of", Request::HeadOf),
        ("head", head()),
        ("consistency", Request::Consistency { old: 3, new: 12 }),
        (
            "executed",
            Request::Outcome {
                act: id(b"act"),
                outcome: Outcome::Executed,
            },
        ),
        (
            "refused",
            Request::Outcome {
                act: id(b"act"),
                outcome: Outcome::Refused {
                    why: "too many nodes".to_owned(),
                },
            },
        ),
        ("clock", said(clock())),
        ("vote", said(vote(Phase::Prevote, None))),
        ("proposal", said(proposal(None))),
        (
            "proposal again",
            said(proposal(Some(quorum(Phase::Prevote, &block())))),
        ),
        ("blocks", Request::Blocks { from: 7 }),
    ];
    let samples = samples.map(|(name, request)| {
        let bytes = request.encode();
        assert_eq!(Request::decode(&bytes).unwrap().encode(), bytes);
        (name, bytes)
    });
    hold(
        &samples,
        &[
            (
                "hello",
                "bafyreihwfjfo3ecnq4xhz5u2lxfpjeuy5w4ndvs5t6ttaqgisdgg73ioty",
            ),
            (
                "knock",
                "bafyreic7j7boscgpkmeghvz6al6iyewhusln26qgf5p67ycb3hkjlmymdy",
            ),
            (
                "reconcile",
                "bafyreihijdx75mq22dzwmpmg557yleteaynolujlfbypwrqp5kfey4gd4y",
            ),
            (
                "fetch",
                "bafyreianchxfre6qrquf63k446xlveadh2sea3dlulyia4ivz7p2wrnq6a",
            ),
            (
                "push",
                "bafyreif2ppeahlftmrxvos4b7tpzs3i2tr73p7penbz4n7o5vjled6wg4i",
            ),
            (
                "head of",
                "bafyreiazps6vbc2wvr23cwgghhqn24cbakjvtkz3kmfqkt6ca5dggpud3i",
            ),
            (
                "head",
                "bafyreib45xfthnzmol2sp2lwszyi2t6cpzcqgjhvcu7ewafdjqqo3zzvja",
            ),
            (
                "consistency",
                "bafyreibuz54x7c64aq5szucngo32ptginpivkfojrfu22tvxhigea4wxsq",
            ),
            (
                "executed",
                "bafyreigeyflzp5f7vlzdkn7zxh3iv4tbqisjn47alix5sllt3czycjbooa",
            ),
            (
                "refused",
                "bafyreibcxe4wy7xrao3jm5oea7y2yrnf4s62wry2eipos77jzdza2teygu",
            ),
            (
                "clock",
                "bafyreigrdwmwk4rqussdvwf7ypxoq5p3xwcouksz5mifymbdy753no7uw4",
            ),
            (
                "vote",
                "bafyreihwf5i3pphmyud3ealk7yf4eo3tbdvkuznr5p4fsesqkco4447eka",
            ),
            (
                "proposal",
                "bafyreieu3ceu3ge2dz6pc5hjtzelcdueqqa64b4ytvbcu7rz4ujtshs4oa",
            ),
            (
                "proposal again",
                "bafyreihwx337c6fpbsck2a4mldwe34vvozs4u4d6nix3ejidbvskhwa5jy",
            ),
            (
                "blocks",
                "bafyreif7wdek7yuzvhmf6yxf3z7gtidl4yutqnxkl2u5jwwpgxv366rg7a",
            ),
        ],
    );
}

#[test]
fn responses() {
    let welcome = |genesis| {
        Response::Welcome(Welcome {
            versions: VersionRange::OURS,
            genesis,
        })
    };
    let refusals = [
        Refused::OtherMesh,
        Refused::NoCommonVersion { min: 1, max: 2 },
        Refused::NotAMember,
        Refused::UnknownInvite,
        Refused::JoinRefused {
            why: "it has expired".to_owned(),
        },
        Refused::NoAnswer,
        Refused::Malformed,
    ];
    let names = [
        "other mesh",
        "no common version",
        "not a member",
        "unknown invite",
        "join refused",
        "no answer",
        "malformed",
    ];
    let proof = consistency_proof(&[Hash([1; 32]); 12], 3, 12).unwrap();
    let mut samples = vec![
        ("welcome", welcome(None)),
        (
            "welcome to a newcomer",
            welcome(Some(record(1, genesis()).to_unverified())),
        ),
        ("reconcile", Response::Reconcile(vec![0x61, 0])),
        ("records", Response::Records(vec![unverified()])),
        ("consistency", Response::Consistency(proof)),
        ("noted", Response::Noted),
        ("height", Response::Height(7)),
        (
            "blocks",
            Response::Blocks(vec![decided(block()).to_unverified()]),
        ),
    ];
    samples.extend(names.into_iter().zip(refusals.map(Response::Refused)));
    let samples: Vec<_> = samples
        .into_iter()
        .map(|(name, response)| {
            let bytes = response.encode();
            assert_eq!(Response::decode(&bytes).unwrap().encode(), bytes);
            (name, bytes)
        })
        .collect();
    hold(
        &samples,
        &[
            (
                "welcome",
                "bafyreihy5uinze2rtnjsze7jo4of75fzlsxvm2sjutgp7u26gss4nzetzy",
            ),
            (
                "welcome to a newcomer",
                "bafyreiftfa7rmteqlbwv7dvedm3wqfc7ybmzk7azdujhrhgh3ctowwzkje",
            ),
            (
                "reconcile",
                "bafyreicqu5plnfp4fb2hh4hneqaalcwarcriaijyxcvqbxjjzg5hjpcueu",
            ),
            (
                "records",
                "bafyreigyegrv5pu6tyenz6vnjoz5nzqvqb3t5rxoxclvwuiod5mywexaaa",
            ),
            (
                "consistency",
                "bafyreihmf4ych3gg7aqo5ukovoqsr2wqszllz3pfe2os67h3opjrahgp4y",
            ),
            (
                "noted",
                "bafyreiesuxwzokqcogfbnnpqncmtqzhsw6liprsvz36wwyt3gnfm4nup4e",
            ),
            (
                "height",
                "bafyreieybzizlz3vmelb6fzy7oa6hgsjvtfvab5tusxsb54q5zqemf2jw4",
            ),
            (
                "blocks",
                "bafyreiehiwiqyxy4pbqibfkwj23nti4j6nb2hzsalwob43722vlvxhcnki",
            ),
            (
                "other mesh",
                "bafyreifigsujzewqxlxaagekovdotelll4ggcu36itw4vpytad2tgvrzhu",
            ),
            (
                "no common version",
                "bafyreicjtox27i2h7zqqg4lgexny4pmmdocnuqbz4xblhth66xil5qanni",
            ),
            (
                "not a member",
                "bafyreih5rjdcrahdtvtk7pzuwhnh4vqizk72f2rq6uiwftsmyhnyqnzb4a",
            ),
            (
                "unknown invite",
                "bafyreibkbxpkhq7sjulei5wvndwavmg64ongwuefiz4mbe23lgxgv2lwku",
            ),
            (
                "join refused",
                "bafyreiffqxn55bxv7fsxy3vvomrzg6thhvq4bax6itpg6jvyshxm674y4y",
            ),
            (
                "no answer",
                "bafyreihdy4pl5zuubjgw4eppmmgmlkg6l2ag5jksuz7frt5lbrmozmkz5e",
            ),
            (
                "malformed",
                "bafyreicunpuyty4qyhawkpoixplaktym5n7sxztpatv5lkd2xahlxdzwju",
            ),
        ],
    );
}

/// Entries do not travel, but their hashes do: the root of the tree is over them.
#[test]
fn audit_entries() {
    let (act, agent) = (id(b"act"), key(2));
    let samples = [
        (
            "executed",
            What::Executed {
                act,
                agent,
                change: "set".to_owned(),
            },
        ),
        (
            "refused",
            What::Refused {
                act,
                agent,
                why: "no".to_owned(),
            },
        ),
        (
            "local",
            What::Local {
                agent,
                change: "set".to_owned(),
            },
        ),
        (
            "local refused",
            What::LocalRefused {
                agent,
                why: "no".to_owned(),
            },
        ),
        (
            "wrote",
            What::Wrote {
                record: act,
                kind: 0x0300,
            },
        ),
        (
            "fork",
            What::Fork {
                author: agent,
                seq: 4,
            },
        ),
        (
            "split view",
            What::SplitView {
                author: agent,
                size: 12,
            },
        ),
        (
            "erased",
            What::Erased {
                erasure: act,
                author: agent,
                records: 3,
            },
        ),
    ];
    let samples = samples.map(|(name, what)| (name, Entry { time: TIME, what }.encode()));
    hold(
        &samples,
        &[
            (
                "executed",
                "bafyreig3y64e7l4h47cx45eeqb7asor45qdu4lvxifyn2nfubawkapnjwu",
            ),
            (
                "refused",
                "bafyreigr7ocfyxhbasulpbn473fkowpitzsavmhzbv54qwzyjmznqiafyy",
            ),
            (
                "local",
                "bafyreibbrmk7w7im6hcujmsselwizcp3ozzt6ebgspmownajecw6ykhmfu",
            ),
            (
                "local refused",
                "bafyreialvffnukyhxxemabonsiqpmcjgblkmqwgd6lssy3cpdmoyexhypi",
            ),
            (
                "wrote",
                "bafyreic3rjxz3hri7jvrtb6izj3rpp26onush7ge6xcm5jvni3z57rki3y",
            ),
            (
                "fork",
                "bafyreiefe4a3k5cj2vyzuqzpebd6jnl7ygtq6wxuwonai62f5ljswsw6xq",
            ),
            (
                "split view",
                "bafyreihmde5ozxcljv65ot6xfrcivvp5kvn4drlkdxodrlzk32pjgffilu",
            ),
            (
                "erased",
                "bafyreibckshiogkmuskfusn35yxac3cot54tovzk6hvr6uqj6hubm4qv2e",
            ),
        ],
    );
}
