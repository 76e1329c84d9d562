//! What is said of votes and juries: notices, words to and of a jury, what was counted, and the file that holds it.

use serde_bytes::ByteBuf;
use x0_protocol::{
    Millis,
    core::limits::OPENINGS_MAX,
    spine::ballot::{
        BallotBundle, Cast, Electorate, Leaf, Outcome, Sums, Tally, TallyStatement,
        sealed::seal_own, tally::Tree,
    },
    wire::{
        Ballot, Block, Body, Choice, Decided, Elector, Entry, JuryDrawn, JuryProof, JuryWord,
        Openings, Request, Response, Statement, Vote, VoteAnswer, VoteAsk, VoteEnd, VoteEntry,
        VoteItem, VoteNotice, VoteOpened, VoteProof, VoteProposal, VoteResolved, VoteRules,
        decode_record, jury_electorate,
    },
};

use super::{
    TIME, block,
    committee::{certificate, keys, whole},
    decided, hold, id, identity, key, record,
};

fn proposal() -> VoteProposal {
    let text = "Go on".parse().unwrap();
    let mesh = id(b"mesh");
    let subject = (id(b"subject"), text);
    let rules = VoteRules::emergency();
    let signed = VoteProposal::sign(&mesh, &identity(2), subject, rules, TIME);
    signed.value().clone()
}

fn ballot() -> Ballot {
    let vote = Vote::Open(Choice::Yes);
    let signed = Ballot::sign(&id(b"mesh"), &identity(2), proposal().id(), 0, vote);
    signed.value().clone()
}

fn jurors() -> Vec<x0_crypto::PublicKey> {
    let mut jurors = vec![key(2), key(3), key(4)];
    jurors.sort_unstable();
    jurors
}

fn drawn() -> Statement {
    Statement::Jury(JuryDrawn {
        height: 9,
        electorate: jury_electorate(&jurors()),
        from: TIME,
        until: TIME + Millis::from_mins(24 * 60),
    })
}

fn opened() -> Statement {
    Statement::Opened(VoteOpened {
        proposal: proposal().id(),
        subject: id(b"subject"),
        electorate: jury_electorate(&jurors()),
        opened: TIME,
        height: 9,
    })
}

fn leaves() -> Vec<Leaf> {
    vec![Leaf {
        cast: Cast::Own {
            ballot: ballot(),
            opening: None,
        },
        counted: Some(Choice::Yes),
    }]
}

fn counted() -> Statement {
    let root = Tree::of(&leaves()).root();
    Statement::Tally(TallyStatement {
        mesh: id(b"mesh"),
        electorate: Electorate {
            members_root: [3; 32],
            count: 5,
        },
        closed: TIME,
        lists: 7,
        outcome: Outcome::NoQuorum,
        tally: Tally {
            proposal: proposal().id(),
            root: root.hash,
            sums: Sums {
                yes: 1,
                leaves: 1,
                ..Sums::default()
            },
        },
        height: 11,
    })
}

fn resolved() -> Statement {
    Statement::Resolved(VoteResolved {
        proposal: proposal().id(),
        subject: id(b"subject"),
        end: VoteEnd::Outcome(Outcome::Passed),
        emergency: true,
        time: TIME,
        height: 12,
    })
}

fn notice(statement: Statement) -> VoteNotice {
    let is_opening = matches!(statement, Statement::Opened(_));
    let has_jury = is_opening || matches!(statement, Statement::Jury(_));
    VoteNotice {
        certificate: certificate(statement),
        proposal: is_opening.then(|| Box::new(proposal())),
        jury: if has_jury { jurors() } else { Vec::new() },
        refutation: None,
    }
}

#[test]
fn records_of_votes_and_juries() {
    let word = |word| Body::Jury(Box::new(word));
    let bodies = [
        ("opened", Body::Vote(Box::new(notice(opened())))),
        ("counted", Body::Vote(Box::new(notice(counted())))),
        ("ended", Body::Vote(Box::new(notice(resolved())))),
        ("jury of a day", Body::Vote(Box::new(notice(drawn())))),
        ("asked", word(JuryWord::Asked(Box::new(proposal())))),
        ("cast", word(JuryWord::Cast(Box::new(ballot())))),
    ];
    let samples = bodies.map(|(name, body)| {
        let record = record(2, body);
        let bytes = record.value().bytes().to_vec();
        assert_eq!(decode_record(&bytes).unwrap().peek().bytes(), bytes);
        (name, bytes)
    });
    hold(
        &samples,
        &[
            (
                "opened",
                "bafyreigpsjhqr35yooqwew4ovvlhxmn5cw2fx66yn3e2j3kbeuggjuchqa",
            ),
            (
                "counted",
                "bafyreifd7m55vgyyilucqw67rrcezeskjmqzekho3h4npuaaz5qwpntjom",
            ),
            (
                "ended",
                "bafyreigl3jlronuwawqobs3mgtxd2vmi7yoqgpvqd3ak2ntan5kakgzi4y",
            ),
            (
                "jury of a day",
                "bafyreihngtuzv7iel3gddsng5slcav3q3dkltk35xwvr4jxnw7wn4chwti",
            ),
            (
                "asked",
                "bafyreicloyrel2spzy5hakla4t3q2pos7b5o46tm3ellvgxpkvqegwqurq",
            ),
            (
                "cast",
                "bafyreieet523353ohwycelglbysa7uzsth5eni4qdqdtdysmnwhq757lqy",
            ),
        ],
    );
}

#[test]
fn what_was_counted() {
    let bundle = BallotBundle {
        records: vec![ByteBuf::from(vec![1, 2, 3])],
        opened: certificate(opened()),
        proposal: proposal(),
        jury: jurors(),
        tally: certificate(counted()),
        electors: vec![Elector {
            key: key(2),
            subtree: key(1),
        }],
        leaves: leaves(),
    };
    let file = bundle.to_bytes();
    assert_eq!(BallotBundle::from_bytes(&file).unwrap(), bundle);
    let bundle = id(b"bundle");
    let asks = [
        ("contents", VoteAsk::Contents { bundle, from: 7 }),
        ("page", VoteAsk::Page { bundle, page: 3 }),
    ];
    let answers = [
        (
            "contents told",
            VoteAnswer::Contents(vec![Tree::of(&leaves()).root()]),
        ),
        ("leaves", VoteAnswer::Leaves(leaves())),
    ];
    let mut samples = vec![("file", file)];
    for (name, ask) in asks {
        let bytes = Request::Vote(Box::new(ask)).encode();
        assert_eq!(Request::decode(&bytes).unwrap().encode(), bytes);
        samples.push((name, bytes));
    }
    for (name, answer) in answers {
        let bytes = Response::Vote(Box::new(answer)).encode();
        assert_eq!(Response::decode(&bytes).unwrap().encode(), bytes);
        samples.push((name, bytes));
    }
    hold(
        &samples,
        &[
            (
                "file",
                "bafyreic3y5szjph3opkymdcv6nab2aotimfxoofxzwpjqfcoisqkrcovzi",
            ),
            (
                "contents",
                "bafyreifdmmmugruw37so6nqhvkn7iuo3b4wzxv7zj6vkowbm6wiqckv2aq",
            ),
            (
                "page",
                "bafyreicb4j6pslsufds4xnjhaw34kogk62aindyen75icumetegf6ffqvi",
            ),
            (
                "contents told",
                "bafyreid2glimjqe4ebv5sljtqyjb3k7psz7n4lc7eidwmrlpfa7b6rk4ru",
            ),
            (
                "leaves",
                "bafyreigfyixfpkwzk65ktbvzhv4vflc34ptsnagrbqlwgk2cc7qu4w73ty",
            ),
        ],
    );
}

#[test]
fn a_verdict_of_a_jury() {
    let proof = VoteProof::Jury(Box::new(JuryProof {
        drawn: certificate(drawn()),
        proposal: proposal(),
        jury: jurors(),
        ballots: vec![ballot()],
    }));
    assert_eq!(proof.certificate().signature, whole());
    proof.check_bounds().unwrap();
    let entry = Entry::Vote(Box::new(VoteEntry::Verdict(match proof {
        VoteProof::Jury(jury) => jury,
        VoteProof::Resolved(_) => unreachable!("it is a jury's"),
    })));
    let request = Request::Offer(Box::new(entry.to_unverified()));
    let bytes = request.encode();
    assert_eq!(Request::decode(&bytes).unwrap().encode(), bytes);
    hold(
        &[("verdict", bytes)],
        &[(
            "verdict",
            "bafyreic5fqhbqd66okiki5nlh6kbantx7jm4c53mblb7t6svnppixh7x6q",
        )],
    );
}

fn sealed_proposal() -> VoteProposal {
    let rules = VoteRules {
        sealed_to: Some(Box::new(keys().decryption)),
        ..VoteRules::ordinary()
    };
    let subject = (id(b"subject"), "Under seal".parse().unwrap());
    let signed = VoteProposal::sign(&id(b"mesh"), &identity(2), subject, rules, TIME);
    signed.value().clone()
}

fn sealed_ballot() -> Ballot {
    let (mesh, proposal) = (id(b"mesh"), sealed_proposal().id());
    let (key, voter) = (keys().decryption, identity(2));
    let sealed = seal_own(&key, (&mesh, &proposal), &voter, 0, Choice::Yes);
    let signed = Ballot::sign(&mesh, &voter, proposal, 0, Vote::Sealed(sealed));
    signed.value().clone()
}

fn openings(voters: impl Iterator<Item = u8>) -> Entry {
    let mut voters: Vec<_> = voters.map(key).collect();
    voters.sort_unstable();
    let openings = Openings {
        proposal: sealed_proposal().id(),
        key: keys().decryption,
        signatures: voters.into_iter().map(|voter| (voter, whole())).collect(),
    };
    Entry::Vote(Box::new(VoteEntry::Opened(Box::new(openings))))
}

#[test]
fn a_vote_under_seal() {
    let take = |item| {
        let receipts = Vec::new();
        Request::Vote(Box::new(VoteAsk::Take { item, receipts }))
    };
    let requests = [
        (
            "proposal of a sealed vote",
            take(VoteItem::Proposal(Box::new(sealed_proposal()))),
        ),
        ("sealed ballot", take(VoteItem::Ballot(sealed_ballot()))),
        (
            "openings",
            Request::Offer(Box::new(openings(2..4).to_unverified())),
        ),
    ];
    let leaves = vec![Leaf {
        cast: Cast::Own {
            ballot: sealed_ballot(),
            opening: Some(whole()),
        },
        counted: None,
    }];
    let answer = Response::Vote(Box::new(VoteAnswer::Leaves(leaves))).encode();
    assert_eq!(Response::decode(&answer).unwrap().encode(), answer);
    let mut samples = vec![("opened leaves", answer)];
    for (name, request) in requests {
        let bytes = request.encode();
        assert_eq!(Request::decode(&bytes).unwrap().encode(), bytes);
        samples.push((name, bytes));
    }
    hold(
        &samples,
        &[
            (
                "opened leaves",
                "bafyreiefmvzuqyzhwpd243qpi2ewheta7ladfjybqvse45jz2sydtkya6q",
            ),
            (
                "proposal of a sealed vote",
                "bafyreie46msdku2urn5lh5bctlzfj4a4jy2e3pqnh2unslpqop7b2qkwam",
            ),
            (
                "sealed ballot",
                "bafyreihb7hsoruhogm2nfdruqkm77pafg26h74uzfl5d7ie6mwaugqywvu",
            ),
            (
                "openings",
                "bafyreihv5n6334z3dv63lmtrzgs36ntzbnasgfltkgxorf377got3g2e24",
            ),
        ],
    );
}

#[test]
fn a_block_opens_no_more_ballots_than_one_turn_bears() {
    let most = u8::try_from(OPENINGS_MAX).unwrap();
    let of = |entries: Vec<Entry>| {
        let mut entries = entries;
        entries.sort_by_key(Entry::id);
        let block = Block { entries, ..block() };
        Decided::decode(&decided(block).encode()).map(|_| ())
    };
    of(vec![openings(0..most)]).unwrap();
    let refused = of(vec![openings(0..most / 2), openings(most / 2..=most)]);
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("sealed ballots"), "{refused}");
    let refused = of(vec![openings(0..=most)]).unwrap_err().to_string();
    assert!(refused.contains("signatures"), "{refused}");
}
