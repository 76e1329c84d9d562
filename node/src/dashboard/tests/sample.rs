//! A mesh in memory to render: one with nothing in it yet, and one with something of everything.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use x0_crypto::{
    ContentId, Identity, PublicKey,
    capability::{Grant, RootKey, Token},
};
use x0_protocol::{
    Event, Millis, Mono, Wall,
    anti_meave::{
        consents::{Answer, ConsentView},
        proposals::{ProposalView, Stage},
    },
    core::{
        case::{CasesView, LedgerView},
        command::{
            ActView, AuditHeads, CapabilityView, CommitteeStatus, LinkView, OverrideView,
            PolicyView, Status, TrustStatus,
        },
        emergency::CallsView,
        sublime::{GuardiansView, SublimeView},
        vote::VotesView,
    },
    spine::{
        audit::{
            Entry, What,
            countersigned::Countersigned,
            tree::{Frontier, Hash, leaf_hash},
        },
        directory::{Member, Standing},
        halt::Standing as Stopped,
    },
    wire::{
        Electorate, Kind, LogHead, MultiSig, Outcome, Panel, Policy, PublicEntry, Reason, Role,
        Rules, Targets, Ticket, Word,
    },
};
use zeroize::Zeroizing;

use super::{called, judged, sheltered};
use crate::{
    charter::SHIPPED,
    dashboard::{ContentHeld, Enforcement, Feed, Happened, News},
    sublime::{ContentNews, Drills, Happening},
};

/// A name that would break out of markup that is not escaped.
pub(super) const HOSTILE: &str = "</script><script>alert(\"x\")</script>&'\u{202e}";

/// The act that waits for a word.
pub(super) const WAITING: u8 = 40;

/// The present moment of the sample: 2026-11-24, 07:06:40 UTC.
pub(super) const NOW: Wall = Wall(1_795_504_000_000);
pub(super) const HOUR_MS: u64 = 3_600_000;

/// What the sample answers; a test may change it first.
#[derive(Clone)]
pub(super) struct Data {
    pub status: Status,
    pub links: Vec<LinkView>,
    pub members: Vec<Member>,
    pub acts: Vec<ActView>,
    pub proposals: Vec<ProposalView>,
    pub consents: Vec<ConsentView>,
    pub cosigned: Arc<Mutex<Vec<(ContentId, bool)>>>,
    pub capabilities: Vec<CapabilityView>,
    pub policies: Vec<PolicyView>,
    pub heads: AuditHeads,
    pub entries: Vec<Entry>,
    pub enforcement: Enforcement,
    pub votes: VotesView,
    pub cases: CasesView,
    pub ledger: LedgerView,
    pub public: Vec<PublicEntry>,
    pub overrides: Vec<OverrideView>,
    pub sublime: SublimeView,
    pub calls: CallsView,
    pub reasons: Vec<(ContentId, Reason)>,
    pub cast: Arc<Mutex<Vec<(ContentId, bool)>>>,
    pub content: Result<ContentHeld, String>,
    pub needs_passphrase: Option<bool>,
    pub guardians: GuardiansView,
    pub answered: Arc<Mutex<Vec<(PublicKey, bool)>>>,
    pub drills: Drills,
    pub drilled: Arc<Mutex<u32>>,
    pub happened: Vec<Happened>,
    pub broken: Option<String>,
}

/// A mesh of one founder, in which nothing happened.
pub(super) fn empty() -> Data {
    Data {
        status: Status {
            node: key(0),
            mesh: record(0),
            name: "orchard".to_owned(),
            rules: Rules::NEWEST,
            time_scale: 1,
            members: 1,
            links: 0,
            links_target: 8,
            records: 1,
            orphans: 0,
            ready: true,
            audit_size: 0,
            charter: None,
            token_reach: 1,
            seats: (1, 1),
            committee: None,
            trust: TrustStatus {
                has_committee: false,
                member_age: Millis::from_mins(60 * 24 * 30),
                epoch: None,
                checkpoint: None,
                time: None,
                silence: None,
                behind: None,
                cosign_waiting: 0,
            },
            member: true,
            last_repair: None,
            standing: Stopped::Running,
            standing_at: NOW,
            frozen: 0,
            cases: (0, 0),
            audits: (0, 0),
            barred: None,
            witnesses: 0,
        },
        links: Vec::new(),
        members: vec![member(0, None)],
        acts: Vec::new(),
        proposals: Vec::new(),
        consents: Vec::new(),
        cosigned: Arc::default(),
        capabilities: Vec::new(),
        policies: Vec::new(),
        heads: AuditHeads {
            size: 0,
            root: Frontier::default().root(),
            witnesses: Vec::new(),
            countersigned: None,
            seen: Vec::new(),
        },
        entries: Vec::new(),
        enforcement: judged::bare(),
        votes: VotesView::default(),
        cases: judged::no_cases(),
        ledger: judged::no_ledger(),
        public: Vec::new(),
        overrides: Vec::new(),
        sublime: SublimeView::default(),
        calls: CallsView::default(),
        reasons: Vec::new(),
        cast: Arc::default(),
        content: Ok(ContentHeld::default()),
        needs_passphrase: Some(true),
        guardians: GuardiansView::default(),
        answered: Arc::default(),
        drills: Drills::default(),
        drilled: Arc::default(),
        happened: Vec::new(),
        broken: None,
    }
}

/// A mesh of so many members, with something of everything.
pub(super) fn full(members: u16) -> Data {
    let entries = entries();
    let mut tree = Frontier::default();
    for entry in &entries {
        tree.append(leaf_hash(&entry.encode()));
    }
    let mut data = empty();
    data.status = Status {
        members: u32::from(members),
        links: 8,
        records: 12_480,
        orphans: 3,
        audit_size: tree.size(),
        token_reach: u32::from(members / 10).max(1),
        seats: (4, 3),
        committee: Some(CommitteeStatus {
            seats: (4, 3),
            linked: 3,
            height: 812,
            time: Wall(1_767_225_600_000),
            deciding: None,
            shares: Some(3),
        }),
        trust: TrustStatus {
            has_committee: true,
            epoch: Some(1),
            checkpoint: Some((811, 40)),
            time: Some(Wall(1_767_225_600_000)),
            cosign_waiting: 1,
            ..data.status.trust
        },
        last_repair: Some(Millis(1_260)),
        charter: Some(SHIPPED.clone()),
        cases: (5, 1),
        ..data.status
    };
    data.enforcement = judged::guarded();
    data.votes = judged::votes("Keep latency for longer");
    data.sublime = sheltered::known("The well is dry, and the map is in it");
    (data.calls, data.reasons) = called::calls("They are at the door");
    data.votes.votes.extend(sheltered::votes("Open the map"));
    data.content = Ok(sheltered::CONTENT);
    data.needs_passphrase = Some(false);
    data.guardians = sheltered::guardians("We are two, and it takes three");
    data.drills = sheltered::drills("the disk is full of moths");
    (data.cases, data.ledger) = judged::cases();
    (data.public, data.overrides) = judged::public_log("acts flood every page");
    data.links = (1..=9).map(link).collect();
    data.members = (0..members)
        .map(|i| member(i, (i > 3).then_some(i / 3)))
        .collect();
    let leavers = [Standing::Left, Standing::Removed, Standing::Displaced];
    for (member, standing) in data.members.iter_mut().rev().zip(leavers) {
        member.standing = standing;
    }
    data.acts = acts();
    data.proposals = proposals();
    data.consents = consents();
    data.capabilities = capabilities();
    let policies = Policy::ALL.iter().zip(0..);
    data.policies = policies
        .map(|(policy, version)| PolicyView {
            policy: policy.written(),
            value: policy.default_value(),
            version,
        })
        .collect();
    data.heads = AuditHeads {
        size: tree.size(),
        root: tree.root(),
        witnesses: (1..=5)
            .map(|i| (key(i), tree.size() - u64::from(i / 4)))
            .collect(),
        countersigned: Some((
            tree.size() - 1,
            Countersigned {
                by: 11,
                of: 16,
                height: 4_711,
            },
        )),
        seen: (1..=4).map(head).collect(),
    };
    data.entries = entries;
    data.happened = happened();
    data
}

/// The full mesh with hostile text wherever others may put text.
pub(super) fn hostile() -> Data {
    let mut data = full(24);
    HOSTILE.clone_into(&mut data.status.name);
    for act in &mut data.acts {
        HOSTILE.clone_into(&mut act.change);
        let refused = Outcome::Refused {
            why: HOSTILE.to_owned(),
        };
        act.here = Some(refused.clone());
        act.elsewhere = vec![(key(3), refused)];
    }
    for asked in &mut data.consents {
        HOSTILE.clone_into(&mut asked.change);
        HOSTILE.clone_into(&mut asked.difference);
    }
    for own in &mut data.proposals {
        HOSTILE.clone_into(&mut own.change);
        own.stage = Stage::Failed(HOSTILE.to_owned());
    }
    (data.public, data.overrides) = judged::public_log(HOSTILE);
    data.votes = judged::votes(HOSTILE);
    data.sublime = sheltered::known(HOSTILE);
    (data.calls, data.reasons) = called::calls(HOSTILE);
    data.votes.votes.extend(sheltered::votes(HOSTILE));
    data.content = Err(HOSTILE.to_owned());
    data.guardians = sheltered::guardians(HOSTILE);
    data.drills = sheltered::drills(HOSTILE);
    data.cases.cases[1].open = Some(judged::named_case(HOSTILE));
    data.enforcement.helper = Err(HOSTILE.to_owned());
    data.enforcement.audit.violations = vec![HOSTILE.to_owned()];
    for refused in &mut data.enforcement.gateway.refusals {
        refused.name = Some(HOSTILE.to_owned());
        HOSTILE.clone_into(&mut refused.words);
    }
    let feed = Feed::default();
    for event in [
        Event::Rejected {
            from: key(1),
            why: HOSTILE.to_owned(),
        },
        Event::TurnedAway {
            peer: key(1),
            why: HOSTILE.to_owned(),
        },
        Event::Executed {
            act: None,
            change: HOSTILE.to_owned(),
        },
        Event::Refused {
            act: None,
            why: HOSTILE.to_owned(),
        },
    ] {
        feed.push(NOW, event);
    }
    let why = HOSTILE.to_owned();
    feed.push(NOW, told(ContentNews::Trouble { why }));
    data.happened = feed.newest();
    for entry in &mut data.entries {
        entry.what = What::LocalRefused {
            agent: key(2),
            why: HOSTILE.to_owned(),
        };
    }
    data
}

/// The key of the sample's node of this number; 0 is the node itself.
pub(super) fn key(number: u16) -> PublicKey {
    identity(number).public()
}

pub(super) fn identity(number: u16) -> Identity {
    let mut seed = [3; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    Identity::from_seed(Zeroizing::new(seed))
}

pub(super) fn record(number: u8) -> ContentId {
    ContentId::of(&[number])
}

pub(super) fn before(minutes: u64) -> Wall {
    Wall(NOW.0 - minutes * 60_000)
}

fn member(number: u16, invited_by: Option<u16>) -> Member {
    let identity = identity(number);
    let regions = ["north", "east", "south"];
    Member {
        key: identity.public(),
        root: identity.capability_root().public(),
        commitment: identity.membership_commitment(),
        region: regions
            .get(usize::from(number % 4))
            .and_then(|name| name.parse().ok()),
        since: before(60 * 24 * 40 - 31 * u64::from(number % 1_000)),
        invited_by: invited_by.map(key),
        entry: record(1),
        entry_seq: 0,
        standing: Standing::Active,
    }
}

fn link(number: u16) -> LinkView {
    LinkView {
        peer: key(number),
        dialled: !number.is_multiple_of(3),
        greeted: number != 9,
        since: Mono(10 * HOUR_MS - u64::from(number) * 1_900_000),
    }
}

fn head(number: u16) -> LogHead {
    let hash = Hash(*ContentId::of(&number.to_be_bytes()).digest());
    LogHead::sign(&identity(number), 40 + u64::from(number), hash, before(7))
}

/// Two acts that wait for this node's word, as co-signer and as signatory, and one that has it.
fn consents() -> Vec<ConsentView> {
    let asked = |number, answer| ConsentView {
        act: record(number),
        agent: key(6),
        role: Role::Cosigner,
        change: "set catch_up.interval to 30 (from version 0)".to_owned(),
        difference: "catch_up.interval: 60 s -> 30 s".to_owned(),
        targets: Targets::All,
        ticket: Some(Ticket {
            act: record(number),
            agent: key(6),
            root: Identity::from_seed(Zeroizing::new([6; 32]))
                .capability_root()
                .public(),
            nodes: 24,
            of_root: 24,
            of_change: 24,
            electorate: Electorate {
                root: Hash([7; 32]),
                count: 24,
                subtrees: 9,
            },
            height: 811,
            round: 4,
            time: before(3),
            expires: NOW,
            passed: 0,
            panel: None,
        }),
        emergency: None,
        since: before(3),
        answer,
    };
    let mut approval = asked(43, Answer::Waiting);
    approval.role = Role::Signatory;
    if let Some(ticket) = &mut approval.ticket {
        ticket.panel = Some(Panel {
            multi_sig: MultiSig { k: 3, n: 5 },
            seats: ticket.electorate,
        });
    }
    vec![
        asked(WAITING, Answer::Waiting),
        approval,
        asked(41, Answer::Refused("a person refused it".to_owned())),
    ]
}

/// Own acts at every stage.
fn proposals() -> Vec<ProposalView> {
    let own = |number, stage| ProposalView {
        act: record(number),
        change: "set links.target to 12 (from version 2)".to_owned(),
        since: before(5),
        stage,
        drawn: Vec::new(),
        panel: Vec::new(),
        said: Vec::new(),
        refused: Vec::new(),
    };
    let collecting = Stage::Collecting {
        agreed: (2, 3),
        cosigned: (1, 3),
        approved: (2, 3),
    };
    vec![
        own(50, Stage::Asked),
        ProposalView {
            drawn: vec![key(7), key(8), key(9)],
            said: vec![(key(7), Word::Cosign)],
            refused: vec![(key(8), "not now".to_owned())],
            ..own(51, collecting)
        },
        own(52, Stage::Failed("a co-signer refused".to_owned())),
        own(53, Stage::Written(None)),
    ]
}

fn acts() -> Vec<ActView> {
    let why = "the act touches 12 of 24 nodes, more than 2: a mass action needs drawn co-signers and a \
               committee ticket, and this mesh has no committee in force";
    let refused = || Outcome::Refused {
        why: why.to_owned(),
    };
    let stale = Outcome::Refused {
        why: "the act starts from version 1, this node is at version 2".to_owned(),
    };
    let act = |number, agent, change: &str, targets, minutes| ActView {
        id: record(number),
        agent,
        change: change.to_owned(),
        targets,
        time: before(minutes),
        here: None,
        elsewhere: Vec::new(),
        approvals: None,
    };
    let nodes = |numbers: &[u16]| Targets::Nodes(numbers.iter().map(|i| key(*i)).collect());
    let raise = "set links.target to 10 (from version 1)";
    vec![
        ActView {
            elsewhere: vec![
                (key(1), Outcome::Executed),
                (key(2), stale),
                (key(5), Outcome::Executed),
            ],
            here: Some(Outcome::Executed),
            ..act(10, key(0), raise, nodes(&[0, 1, 2, 5, 7]), 2)
        },
        ActView {
            here: Some(refused()),
            ..act(
                11,
                key(6),
                "set catch_up.interval to 0 (from version 0)",
                Targets::All,
                14,
            )
        },
        act(12, key(0), raise, nodes(&[3]), 190),
        ActView {
            elsewhere: vec![(key(4), refused()), (key(8), refused())],
            ..act(
                13,
                key(0),
                raise,
                Targets::Region("north".parse().unwrap()),
                300,
            )
        },
        act(
            14,
            key(4),
            "set acts.shown to 200 (from version 0)",
            nodes(&[9]),
            1_500,
        ),
    ]
}

fn capabilities() -> Vec<CapabilityView> {
    let long = [
        "affects_nodes_le=20",
        "affects_network_pct_le=1%",
        "valid_until=2026-12-31T00:00:00Z",
    ];
    let strict = [
        "requires_peer_signature",
        "requires_dao_vote",
        "requires_dao_vote=bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua",
        "requires_multi_sig=3-of-5",
        "scope=regional",
    ];
    let over = ["valid_until=2026-01-31T00:00:00Z", "scope=network"];
    let view = |number: u8, root: u16, granted: &[&str], narrowed: &[&str], revoked, accepted| {
        let capability = capability(root, granted, narrowed);
        CapabilityView {
            id: record(number),
            publisher: key(root),
            capability: Arc::new(capability),
            revoked,
            accepted,
        }
    };
    vec![
        view(
            20,
            0,
            &long,
            &["scope=local", "actions=set.links.target"],
            false,
            true,
        ),
        view(21, 1, &strict, &[], false, false),
        view(22, 2, &over, &[], false, true),
        view(23, 0, &[], &[], true, true),
    ]
}

fn capability(root: u16, granted: &[&str], narrowed: &[&str]) -> x0_crypto::capability::Capability {
    let root_secret = identity(root).capability_root();
    let root: RootKey = root_secret.public();
    let actions = ["set.links.target", "set.catch_up.interval"];
    let grant = Grant {
        holder: key(6),
        actions: actions
            .iter()
            .map(|action| action.parse().unwrap())
            .collect(),
        caveats: granted
            .iter()
            .map(|caveat| caveat.parse().unwrap())
            .collect(),
    };
    let token = Token::grant_seeded(&root_secret, &grant, &[5; 32]).unwrap();
    if narrowed.is_empty() {
        return token.verify(&root).unwrap();
    }
    let caveats: Vec<_> = narrowed
        .iter()
        .map(|caveat| caveat.parse().unwrap())
        .collect();
    token
        .attenuate_seeded(&caveats, &[6; 32])
        .unwrap()
        .verify(&root)
        .unwrap()
}

fn entries() -> Vec<Entry> {
    let change = || "set links.target to 10 (from version 1)".to_owned();
    let why = || "the token belongs to another agent".to_owned();
    let cases = [
        What::Wrote {
            record: record(1),
            kind: Kind::JOIN.0,
        },
        What::Executed {
            act: record(10),
            agent: key(6),
            change: change(),
        },
        What::Refused {
            act: record(11),
            agent: key(6),
            why: why(),
        },
        What::Local {
            agent: key(0),
            change: format!("link to {}", key(4)),
        },
        What::LocalRefused {
            agent: key(2),
            why: why(),
        },
        What::Fork {
            author: key(3),
            seq: 17,
        },
        What::SplitView {
            author: key(3),
            size: 40,
        },
        What::Erased {
            erasure: record(12),
            author: key(4),
            records: 7,
        },
        What::Lapsed {
            act: record(11),
            change: "set links.target to 8 (from version 2)".to_owned(),
        },
        What::TwoHeads {
            one: Box::new(head(3)),
            other: Box::new(head(3)),
        },
    ];
    let cases = [&cases[..], &sheltered::logged()[..]].concat();
    let dated = cases.iter().cycle().zip(0..61);
    dated
        .map(|(what, i)| Entry {
            time: before(300 - 4 * i),
            what: what.clone(),
        })
        .collect()
}

/// Every event there is, and every kind of record.
fn happened() -> Vec<Happened> {
    let kinds = [
        Kind::GENESIS,
        Kind::INVITE,
        Kind::JOIN,
        Kind::LEAVE,
        Kind::REMOVAL,
        Kind::MERGE,
        Kind::CAPABILITY,
        Kind::REVOCATION,
        Kind::ACT,
        Kind(0x7fff),
    ];
    let recorded = |(kind, i): (Kind, u8)| Event::Recorded {
        id: record(i),
        author: key(u16::from(i)),
        kind: kind.0,
    };
    let mut events: Vec<_> = kinds.into_iter().zip(1..).map(recorded).collect();
    let change = || "set links.target to 10 (from version 1)".to_owned();
    events.extend([
        Event::Decided {
            height: 12,
            time: Wall(1),
        },
        Event::Ready { witnesses: 0 },
        Event::Ready { witnesses: 3 },
        Event::Rejected {
            from: key(12),
            why: "the signature does not hold".to_owned(),
        },
        Event::TurnedAway {
            peer: key(13),
            why: "it is of another mesh".to_owned(),
        },
        Event::ForkFound {
            author: key(3),
            seq: 17,
        },
        Event::SplitView { author: key(3) },
        Event::Public {
            index: 4,
            words: "the committee was handed over: 4 seats in epoch 2".to_owned(),
        },
        Event::TwoPublicLogs { heights: (41, 57) },
        Event::OverrideStays { act: record(11) },
        Event::OverrideLapsed {
            act: record(11),
            change: "set links.target to 8 (from version 2)".to_owned(),
        },
        Event::Gone { member: key(14) },
        Event::Refused {
            act: None,
            why: "the token belongs to another agent".to_owned(),
        },
        Event::Outcome {
            act: record(10),
            target: key(2),
            executed: false,
        },
        Event::Joined { member: key(15) },
        Event::Linked { peer: key(15) },
        Event::CaughtUp {
            with: key(15),
            received: 12,
            sent: 340,
        },
        Event::Executed {
            act: Some(record(10)),
            change: change(),
        },
        Event::Outcome {
            act: record(10),
            target: key(1),
            executed: true,
        },
        Event::Sublime {
            record: record(1),
            kind: "guardian",
        },
        Event::Sublime {
            record: record(sheltered::GUARDED),
            kind: "item",
        },
        Event::Sublime {
            record: record(sheltered::WAITING),
            kind: "request",
        },
        Event::Invited { by: key(4) },
        Event::InviteAnswered {
            by: key(5),
            serves: true,
        },
        Event::InviteAnswered {
            by: key(6),
            serves: false,
        },
        Event::TierPeer {
            peer: key(2),
            addresses: Vec::new(),
        },
        Event::Released {
            request: record(sheltered::GRANTED),
            parts: 3,
        },
        Event::Unlinked { peer: key(11) },
        Event::Healed {
            peer: key(8),
            took: Millis(1_260),
        },
    ]);
    let feed = Feed::default();
    let events = events.into_iter().map(News::from);
    for (news, i) in events.chain(kept().skip(2)).zip(0..) {
        feed.push(Wall(NOW.0 - 1_800_000 + i * 45_000), news);
    }
    feed.newest()
}

/// Everything that is told of items which are kept here.
pub(super) fn kept() -> impl Iterator<Item = News> {
    let needed = 5;
    let news = [
        ContentNews::Held {
            blocks: 41,
            bytes: 10 << 20,
        },
        ContentNews::Stored { tier: "arweave" },
        ContentNews::Safe { copies: 7, needed },
        ContentNews::LostCopy {
            copies: 6,
            before: 7,
            needed,
        },
        ContentNews::NotSafe { copies: 4, needed },
        ContentNews::Trouble {
            why: "nobody gives a block".to_owned(),
        },
        ContentNews::Repaired { blocks: 3 },
    ];
    news.into_iter().map(told)
}

fn told(news: ContentNews) -> News {
    News::Content(Happening {
        time_ms: NOW.0,
        item: record(sheltered::GUARDED),
        news,
    })
}
