//! What the pages of Sublime show in the sample: items, requests at every stage with the votes about them, shares kept here,
//! parts that have come, and sealed content on the disk.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use x0_crypto::{
    ContentId, PublicKey,
    sublime::{AccessStructure, ShareIndex},
};
use x0_protocol::{
    Millis, Mono,
    core::{
        sublime::{
            GuardiansView, ReleasedView, RequestView, RotationView, SharedView, Standing,
            SublimeView, TriedShare,
        },
        vote::VoteView,
    },
    spine::{
        audit::{What, tree::Hash},
        ballot::{self, Outcome, OwnItem, OwnStage, OwnVotes, Sums, Tally, TallyStatement},
    },
    sublime::{
        draw::shares,
        invitations::Invitation,
        known::{Item, Known},
    },
    wire::{
        Ballot, Body, Choice, Draft, Drilled, Release, ReleasedPart, SublimeBody, Vote, VoteEnd,
        VoteItem, VoteResolved,
    },
};

use super::{
    called, judged,
    sample::{before, identity, key, record},
};
use crate::{
    dashboard::ContentHeld,
    sublime::{DrillReport, DrilledShare, Drills, tests::sharing},
};

/// The item of which a share is kept here.
pub(super) const GUARDED: u8 = 100;
/// A request for it, with an open vote in which this member has not voted.
pub(super) const WAITING: u8 = 110;
/// A request of this node that is granted.
pub(super) const GRANTED: u8 = 114;
/// A request for which this node has released its part.
pub(super) const RELEASED: u8 = 115;

/// Sealed content on the disk.
pub(super) const CONTENT: ContentHeld = ContentHeld {
    bytes: 97 * 256 * 1024,
    peers: 5,
};

/// What is known of Sublime, with such a reason given by everybody who asks.
pub(super) fn known(why: &str) -> SublimeView {
    let request = |number, by, standing| RequestView {
        id: record(number),
        item: record(GUARDED + number % 3),
        by: key(by),
        why: why.to_owned(),
        time: before(u64::from(number)),
        standing,
        by_trustees: false,
    };
    let share = |item, epoch, index, owner| {
        let index = ShareIndex::new(index).unwrap();
        (item, epoch, index, Some(key(owner)))
    };
    SublimeView {
        serving: 12,
        shares: shares(11),
        serves: true,
        items: (0..3).map(item).collect(),
        requests: vec![
            request(106, 8, Standing::Over),
            request(107, 7, Standing::Denied),
            request(RELEASED, 8, Standing::Granted),
            request(GRANTED, 0, Standing::Granted),
            request(113, 7, Standing::Passed),
            request(112, 0, Standing::Undecided),
            request(111, 6, Standing::Undecided),
            request(109, 6, Standing::Undecided),
            RequestView {
                item: record(GUARDED),
                ..request(WAITING, 5, Standing::Undecided)
            },
        ],
        shares_kept: vec![share(item_key(GUARDED), 0, 4, 9), share(key(799), 2, 1, 3)],
        rotations: vec![RotationView {
            item: Some(record(GUARDED + 1)),
            key: item_key(GUARDED + 1),
            epoch: 2,
            since: before(2),
            until: before(0),
            deals: true,
            takes: false,
            dealers: 1,
            liars: Vec::new(),
        }],
        forgotten: Vec::new(),
    }
}

/// Who serves and who was asked to, each for such a reason.
pub(super) fn guardians(why: &str) -> GuardiansView {
    let invitation = |with, is_own, serves| Invitation {
        with: key(with),
        is_own,
        why: why.parse().unwrap(),
        since: before(u64::from(with)),
        serves,
        is_told: false,
    };
    let told = |minutes, shares, good| {
        let drilled = SublimeBody::Drilled(Drilled { shares, good });
        let place = (1, Some(record(203)));
        let time = before(minutes);
        let body = Body::Sublime(drilled);
        let signer = identity(7);
        let draft = Draft::new(Some(record(0)), signer.public(), place, time, [7; 16], body);
        let signed = draft.sign(&signer).unwrap();
        let mut known = Known::default();
        known.hear_drill(signed.value(), Drilled { shares, good });
        known.drill(&signer.public()).copied()
    };
    GuardiansView {
        serving: vec![
            (key(0), told(30, 2, 2)),
            (key(7), told(90, 9, 8)),
            (key(8), None),
        ],
        drilled: told(30, 2, 2),
        received: vec![
            invitation(4, false, None),
            invitation(3, false, Some(false)),
        ],
        made: vec![
            invitation(5, true, Some(true)),
            invitation(6, true, Some(false)),
            invitation(9, true, None),
        ],
    }
}

/// A drill that found a good share and one whose content is not there, for such a reason.
pub(super) fn drills(why: &str) -> Drills {
    let share = |item, index, content| DrilledShare {
        share: TriedShare {
            key: item,
            item: None,
            epoch: 0,
            index: ShareIndex::new(index).unwrap(),
            found: Ok(()),
            took: Millis(1),
        },
        content,
        took_ms: 7,
    };
    let report = DrillReport {
        time_ms: before(3).0,
        took_ms: 16,
        shares: Ok(vec![
            share(item_key(GUARDED), 4, Ok(())),
            share(key(799), 1, Err(why.to_owned())),
        ]),
        told: Err("this node has told of a drill within a day".to_owned()),
    };
    Drills {
        running: None,
        last: Some(Arc::new(report)),
    }
}

/// The key of an item.
pub(super) fn item_key(item: u8) -> PublicKey {
    key(700 + u16::from(item))
}

fn item(number: u8) -> (ContentId, Item, SharedView) {
    let id = GUARDED + number;
    let item = Item {
        key: item_key(id),
        first: sharing(),
        content: record(201),
        chunks: 97,
        card: (number < 2).then(|| Box::new(called::terms("The wells"))),
        trustees: None,
        time: before(400),
    };
    let shared = SharedView {
        epoch: u32::from(number),
        access: AccessStructure::new(3, 10).unwrap(),
        since: before(400),
        due: before(100),
        subject: record(202),
        forgotten: number == 2,
        card_revoked: number == 1,
        trustees_revoked: false,
    };
    (record(id), item, shared)
}

/// The votes about the requests, at every stage, and two about them that decide nothing.
pub(super) fn votes(text: &str) -> Vec<VoteView> {
    let about = |request, by| judged::vote(by, record(request), text);
    let ended = |request, by, outcome| {
        let mut vote = about(request, by);
        vote.tally = Some(counted(&vote, outcome));
        vote.resolved = Some(VoteResolved {
            proposal: vote.proposal,
            subject: record(request),
            end: VoteEnd::Outcome(outcome),
            emergency: false,
            time: before(10),
            height: 900,
        });
        vote
    };
    let mut counting = about(109, 6);
    counting.tally = Some(counted(&counting, Outcome::Passed));
    let mut voted = about(111, 6);
    voted.ballot = Some(handed_in(&voted, OwnStage::Taken));
    vec![
        about(WAITING, 5),
        counting,
        voted,
        ended(113, 7, Outcome::Passed),
        ended(GRANTED, 0, Outcome::Passed),
        ended(RELEASED, 8, Outcome::Passed),
        ended(107, 7, Outcome::NoQuorum),
        // Whoever does not ask proposes in vain.
        ended(112, 4, Outcome::Passed),
        ended(WAITING, 4, Outcome::Passed),
    ]
}

/// A ballot of this node.
pub(super) fn handed_in(vote: &VoteView, stage: OwnStage) -> OwnItem {
    let choice = Vote::Open(Choice::Yes);
    let ballot = Ballot::sign(&record(0), &identity(0), vote.proposal, 0, choice);
    let item = VoteItem::Ballot(ballot.value().clone());
    let mut own = OwnVotes::default();
    let id = item.id();
    own.put(item, Mono(0));
    let mut handed_in = own.find(&id).unwrap().clone();
    handed_in.stage = stage;
    handed_in
}

fn counted(vote: &VoteView, outcome: Outcome) -> TallyStatement {
    let sums = Sums {
        yes: 9,
        no: 4,
        abstain: 1,
        leaves: 14,
    };
    TallyStatement {
        mesh: record(0),
        electorate: ballot::Electorate {
            members_root: [1; 32],
            count: 24,
        },
        closed: before(20),
        lists: 0b1111,
        tally: Tally {
            proposal: vote.proposal,
            root: Hash([2; 32]),
            sums,
        },
        outcome,
        height: 890,
    }
}

/// What has come for the granted request of this node: two shares and a seat's part.
pub(super) fn arrived(known: &SublimeView, request: &ContentId) -> Option<ReleasedView> {
    let request = known.requests.iter().find(|view| view.id == *request)?;
    let (_, item, shared) = known.items.iter().find(|(id, ..)| *id == request.item)?;
    let share = |index| ReleasedPart::Share {
        epoch: 0,
        index: ShareIndex::new(index).unwrap(),
    };
    let parts = [
        (1, share(1)),
        (2, share(2)),
        (3, ReleasedPart::Seat { epoch: 1 }),
    ];
    let parts = parts.into_iter().map(|(from, part)| {
        let release = Release {
            request: request.id,
            part,
            sealed: vec![7; 48].into(),
        };
        (key(from), release)
    });
    Some(ReleasedView {
        request: request.clone(),
        item: item.clone(),
        sharing: sharing(),
        shared: *shared,
        parts: parts.collect(),
        mesh: record(0),
        committee: judged::committee(),
    })
}

/// What the audit log tells of it.
pub(super) fn logged() -> [What; 2] {
    [
        What::ShareKept {
            item: item_key(GUARDED),
            epoch: 0,
            owner: Some(key(9)),
        },
        What::Released {
            request: record(RELEASED),
            item: record(GUARDED + RELEASED % 3),
            to: key(8),
        },
    ]
}
