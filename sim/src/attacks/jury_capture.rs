//! A part of those on call for juries is hostile, and tries to have its own people drawn.

use std::collections::BTreeSet;

use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    Millis,
    spine::ballot::{
        Kind,
        jury::{JurySize, capture_ppm},
    },
    wire::{Choice, JuryProof, Subject, VoteEntry, VoteProof, VoteRules},
};

use super::{
    Attack, Config, Outcome, Plot, Point, Series,
    chamber::{Hall, draw_hostile},
    stage::founding,
    statistics::at_least_marked,
};
use crate::random::Seed;

/// Shares of hostile members that are reported beside the one asked for, per million.
const SHARES_PPM: [u32; 4] = [100_000, 200_000, 330_000, 400_000];
/// Variants of one proposal that are tried at once.
const VARIANTS: [u32; 3] = [4, 16, 64];
/// Votes that are open at a time.
const OPEN: u32 = 16;
/// Votes that one member may have open.
const OF_ONE: u32 = 2;
/// Time after which every window here is over.
const DAY: Millis = Millis::from_mins(24 * 60);
/// Time after which votes that nobody lists for are void: half an hour, and a week.
const VOID_AFTER: Millis = Millis::from_mins(8 * 24 * 60);
/// The shortest window of a jury, and a minute.
const SHORT: Millis = Millis::from_mins(30);
/// Juries of which the proof is put before a node, of each kind.
const JUDGED: u64 = 10;

/// See the module.
pub(super) struct JuryCapture;

impl Attack for JuryCapture {
    fn name(&self) -> &'static str {
        "jury-capture"
    }

    fn summary(&self) -> &'static str {
        "A tenth to two fifths of those on call for juries are hostile; they ask for juries as often as they are let, vary \
         the proposal for one subject, push an old jury out of the log's memory, and go on call when they know the round."
    }

    fn expected(&self) -> &'static str {
        "More than half of a jury is hostile as often as the formula for drawing without putting back says; one subject \
         gets one jury in 24 hours, whatever is varied or pushed out, and nobody is drawn who went on call afterwards."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut outcome = Outcome::new(self, config);
        let mut all = Tally::new(config);
        for (done, seed) in config.seeds().enumerate() {
            let told = |share: f64| pulse((done as f64 + share) / f64::from(config.runs));
            juries(config, seed, &mut all, &told);
            grind(config, seed, &mut all);
        }
        report(&mut outcome, config, &all);
        outcome
    }
}

/// What was seen at one share of hostile members.
struct Row {
    hostile: u32,
    captured: u64,
}

struct Tally {
    rows: Vec<Row>,
    asked: usize,
    juries: u64,
    /// Sizes that are not that of the rule.
    odd_sizes: u64,
    judged: [u64; 2],
    wrong: Vec<String>,
    unknown: u64,
    rounds: u64,
    /// Juries gained for one subject by so many variants.
    gained: Vec<(u32, u64)>,
    again: Again,
}

/// What came of asking again for one subject, over all runs.
#[derive(Default)]
struct Again {
    within: u64,
    pushed_out: u64,
    within_after_push: u64,
    next_day: u64,
    late_on_call: u64,
    withdrawn: u64,
    items: u64,
}

impl Tally {
    fn new(config: &Config) -> Self {
        let mut shares = SHARES_PPM.to_vec();
        shares.push(config.adversary_ppm);
        shares.sort_unstable();
        shares.dedup();
        let asked = shares.iter().position(|ppm| *ppm == config.adversary_ppm);
        let rows = shares.into_iter().map(|adversary_ppm| Row {
            hostile: Config {
                adversary_ppm,
                ..*config
            }
            .hostile_of(config.nodes),
            captured: 0,
        });
        Self {
            rows: rows.collect(),
            asked: asked.unwrap_or(0),
            juries: 0,
            odd_sizes: 0,
            judged: [0; 2],
            wrong: Vec::new(),
            unknown: 0,
            rounds: 0,
            gained: VARIANTS.iter().map(|variants| (*variants, 0)).collect(),
            again: Again::default(),
        }
    }
}

fn size_for(nodes: u32) -> JurySize {
    match JurySize::for_pool(nodes, nodes) {
        Some(size) => size,
        None => unreachable!("an attack has members on call"),
    }
}

fn subject(name: &str, number: u32) -> ContentId {
    ContentId::of(format!("{name} {number}").as_bytes())
}

/// Draws as many juries as are asked for, of a pool of all members.
fn juries(config: &Config, seed: Seed, all: &mut Tally, told: &dyn Fn(f64)) {
    let nodes = config.nodes;
    let mut hall = Hall::new(seed, nodes, &founding(4));
    hall.on_call(0..nodes, 0, true);
    let most = all.rows.iter().map(|row| row.hostile).max().unwrap_or(1);
    let hostile = draw_hostile(seed, 4, nodes, most);
    let sets: Vec<BTreeSet<PublicKey>> = all
        .rows
        .iter()
        .map(|row| {
            let some = hostile.iter().take(row.hostile as usize);
            some.map(|node| hall.chamber.key(*node)).collect()
        })
        .collect();
    let keys: Vec<_> = (0..nodes).map(|node| hall.chamber.key(node)).collect();
    let mut drawn = 0;
    while drawn < config.draws {
        let some = OPEN.min(config.draws - drawn);
        let ids: Vec<_> = (0..some)
            .map(|number| {
                let proposer = 4 + (number / OF_ONE);
                let on = subject("item", drawn + number);
                (
                    on,
                    hall.propose(proposer, on, "An emergency", VoteRules::emergency()),
                )
            })
            .collect();
        all.rounds += 1;
        all.unknown += u64::from(is_round_unknown(&hall));
        hall.draw_juries();
        for (on, id) in ids {
            look(&hall, (on, id), &keys, &sets, all);
        }
        run_out(&mut hall);
        drawn += some;
        told(f64::from(drawn) / f64::from(config.draws));
    }
}

/// Lets all open votes run out.
fn run_out(hall: &mut Hall) {
    hall.pass(DAY);
    hall.pass(VOID_AFTER);
}

/// Tells whether one seat less than the threshold cannot make the signature by which the next jury is drawn.
fn is_round_unknown(hall: &Hall) -> bool {
    let Some((_, round)) = hall.polls().all_to_draw().next() else {
        return false;
    };
    let few: Vec<_> = (0..hall.chamber.threshold() - 1).collect();
    let subject = Subject::Round(round);
    let parts = hall.chamber.parts(subject, &few);
    hall.chamber.combine(subject, &parts).is_none()
}

/// Counts the hostile on a jury, and has a node judge what they sign.
fn look(
    hall: &Hall,
    (on, id): (ContentId, ContentId),
    keys: &[PublicKey],
    sets: &[BTreeSet<PublicKey>],
    all: &mut Tally,
) {
    let size = size_for(keys.len() as u32);
    let held = hall.held(&id);
    let jury: Vec<_> = keys.iter().filter(|key| held.can_vote(key)).collect();
    all.juries += 1;
    all.odd_sizes += u64::from(jury.len() != size.jurors as usize);
    for (number, (row, set)) in all.rows.iter_mut().zip(sets).enumerate() {
        let hostile: Vec<_> = jury.iter().filter(|key| set.contains(**key)).collect();
        let is_captured = hostile.len() >= size.needed as usize;
        row.captured += u64::from(is_captured);
        let judged = &mut all.judged[usize::from(is_captured)];
        if number != all.asked || *judged >= JUDGED {
            continue;
        }
        *judged += 1;
        let passed = is_proof(hall, (on, id), hostile.iter().map(|key| ***key));
        if passed != is_captured {
            all.wrong.push(format!(
                "{} hostile of {} jurors, and a node says {passed}",
                hostile.len(),
                jury.len()
            ));
        }
    }
}

/// Asks a node whether ballots of these jurors prove that the jury has said yes.
fn is_proof(
    hall: &Hall,
    (on, id): (ContentId, ContentId),
    yes: impl Iterator<Item = PublicKey>,
) -> bool {
    let Some(drawn) = hall.opened(&id) else {
        return false;
    };
    let ballots = yes.filter_map(|key| {
        let node = hall.chamber.node(&key)?;
        Some(hall.ballot(node, id, 0, Choice::Yes))
    });
    let mut ballots: Vec<_> = ballots.collect();
    ballots.sort_by_key(|ballot| ballot.voter);
    let proof = VoteProof::Jury(Box::new(JuryProof {
        drawn,
        proposal: hall.held(&id).proposal().clone(),
        jury: hall.jury(&id),
        ballots,
    }));
    proof.check(&hall.chamber.mesh(), &hall.keys(), &on).is_ok()
}

/// Tries to have more than one jury for one subject, and to choose the pool afterwards.
fn grind(config: &Config, seed: Seed, all: &mut Tally) {
    let nodes = config.nodes;
    let mut hall = Hall::new(seed, nodes, &founding(4));
    // The last quarter stays off call.
    let late = nodes * 3 / 4;
    hall.on_call(0..late, 0, true);
    let hostile = draw_hostile(seed, 4, late, config.hostile_of(late).max(OPEN));
    let proposer = |number: u32| hostile[number as usize % hostile.len()];
    for (variants, gained) in &mut all.gained {
        // Other words, another proposer and another window: all of it changes the proposal's name.
        let on = subject("varied", *variants);
        let proposals: Vec<_> = (0..*variants)
            .map(|number| {
                let mut rules = VoteRules::emergency();
                let window = Millis(SHORT.0 + u64::from(number) * 60_000);
                rules.kind = Kind::Emergency { window };
                let text = format!("Variant {number}");
                hall.proposal(proposer(number), on, &text, rules)
            })
            .collect();
        let ids: Vec<_> = proposals.iter().map(|proposal| proposal.id()).collect();
        // Half of them in one block, the rest one by one.
        let (at_once, rest) = proposals.split_at(proposals.len() / 2);
        let entry = |proposal: &_| VoteEntry::Proposed(Box::new(Clone::clone(proposal)));
        hall.block(at_once.iter().map(entry).collect());
        for proposal in rest {
            hall.block(vec![entry(proposal)]);
        }
        *gained += ids
            .iter()
            .filter(|id| hall.polls().find(id).is_some())
            .count() as u64;
        hall.draw_juries();
        run_out(&mut hall);
    }
    ask_again(&mut hall, &proposer, &mut all.again);
    choose_pool(&mut hall, (late, nodes), &mut all.again);
    many_items(&mut hall, &proposer, &mut all.again);
}

/// Asks again for one subject: soon, after the log has forgotten the jury, and a day later.
fn ask_again(hall: &mut Hall, proposer: &dyn Fn(u32) -> u32, again: &mut Again) {
    let on = subject("again", 0);
    let first = jury_over(hall, &[(proposer(0), on)]);
    let begun = hall.chamber.time();
    let asked = |hall: &mut Hall, text: &str| {
        let id = hall.propose(proposer(1), on, text, VoteRules::emergency());
        hall.polls().find(&id).is_some()
    };
    again.within += u64::from(asked(hall, "Once more"));
    for round in 0..4 {
        let others: Vec<_> = (0..OPEN)
            .map(|number| {
                (
                    proposer(number / OF_ONE),
                    subject("other", round * OPEN + number),
                )
            })
            .collect();
        jury_over(hall, &others);
    }
    let is_forgotten = first.iter().all(|id| hall.polls().find(id).is_none());
    again.pushed_out += u64::from(is_forgotten);
    again.within_after_push += u64::from(asked(hall, "Now that it is forgotten"));
    hall.pass_to(begun + Millis::from_mins(24 * 60));
    again.next_day += u64::from(asked(hall, "The next day"));
    hall.draw_juries();
    run_out(hall);
}

/// Has juries drawn that nobody answers, and lets them end within the hour; returns the votes.
fn jury_over(hall: &mut Hall, asked: &[(u32, ContentId)]) -> Vec<ContentId> {
    let mut rules = VoteRules::emergency();
    rules.kind = Kind::Emergency { window: SHORT };
    let ids: Vec<_> = asked
        .iter()
        .map(|(proposer, on)| hall.propose(*proposer, *on, "A short one", rules.clone()))
        .collect();
    hall.draw_juries();
    hall.pass(SHORT);
    let lists = ids
        .iter()
        .flat_map(|id| (0..hall.seats()).map(move |seat| (seat, *id)))
        .map(|(seat, id)| hall.own_list(seat, &id))
        .collect();
    hall.block(lists);
    for id in &ids {
        hall.certify(id);
    }
    hall.pass(Millis::from_mins(1));
    ids
}

/// Goes on call, and off, once a jury is asked for.
fn choose_pool(hall: &mut Hall, (late, nodes): (u32, u32), again: &mut Again) {
    let id = hall.propose(
        4,
        subject("pool", 0),
        "A pool to choose",
        VoteRules::emergency(),
    );
    hall.on_call(late..nodes, 0, true);
    let gone = late - 10..late;
    hall.on_call(gone, 1, false);
    hall.draw_juries();
    let can_vote = |hall: &Hall, from: u32, to: u32| {
        let held = hall.held(&id);
        let some = (from..to).filter(|node| held.can_vote(&hall.chamber.key(*node)));
        some.count() as u64
    };
    again.late_on_call += can_vote(hall, late, nodes);
    // Whoever withdraws is drawn as often as before: the pool is that of the proposal.
    let size = size_for(late);
    again.withdrawn += u64::from(can_vote(hall, 0, late) != u64::from(size.jurors));
    run_out(hall);
}

/// Asks for juries on as many different items as are let in at once.
fn many_items(hall: &mut Hall, proposer: &dyn Fn(u32) -> u32, again: &mut Again) {
    let ids: Vec<_> = (0..64)
        .map(|number| {
            let on = subject("of many", number);
            hall.propose(proposer(number), on, "One of many", VoteRules::emergency())
        })
        .collect();
    let taken = ids.iter().filter(|id| hall.polls().find(id).is_some());
    again.items += taken.count() as u64;
}

fn report(outcome: &mut Outcome, config: &Config, all: &Tally) {
    let (nodes, runs) = (config.nodes, u64::from(config.runs));
    let size = size_for(nodes);
    let percent = |hostile: u32| f64::from(hostile) * 100.0 / f64::from(nodes);
    let (mut measured, mut exact) = (Vec::new(), Vec::new());
    let mut published = 0.0_f64;
    for row in &all.rows {
        let chance = at_least_marked(nodes, row.hostile, size.jurors, size.needed);
        let ppm = capture_ppm(nodes, row.hostile, size.jurors, size.needed);
        published = published.max((f64::from(ppm) / 1e6 - chance).abs());
        let share = format!("{:.1} % hostile of {nodes} on call", percent(row.hostile));
        outcome.claim_agrees(
            format!(
                "{share}: {} of {} are hostile as often as the formula says",
                size.needed, size.jurors
            ),
            (row.captured, all.juries),
            chance,
        );
        outcome.share(
            format!("{share}: a jury is captured"),
            row.captured,
            all.juries,
            Some(chance),
        );
        measured.push(Point::share(percent(row.hostile), row.captured, all.juries));
        exact.push(Point::exact(percent(row.hostile), chance));
    }
    outcome.claim(
        "what the protocol publishes is what the formula says, to a millionth",
        published < 1.1e-6,
        format!("off by {published:.2e} at most"),
    );
    outcome.claim(
        "a node takes a jury's word exactly when more than half of it have signed",
        all.wrong.is_empty() && all.judged[0] > 0 && all.odd_sizes == 0,
        all.wrong.first().cloned().unwrap_or_else(|| {
            format!(
                "{} captured and {} other juries put before a node",
                all.judged[1], all.judged[0]
            )
        }),
    );
    report_grinding(outcome, all, runs);
    outcome.plots.push(Plot {
        name: "jury-capture",
        title: format!(
            "Probability that {} of {} jurors are hostile",
            size.needed, size.jurors
        ),
        x: "hostile members on call, %",
        y: "probability",
        series: vec![
            Series {
                label: "measured".to_owned(),
                points: measured,
            },
            Series {
                label: "by the formula".to_owned(),
                points: exact,
            },
        ],
    });
}

fn report_grinding(outcome: &mut Outcome, all: &Tally, runs: u64) {
    let Again {
        within,
        pushed_out,
        within_after_push,
        next_day,
        late_on_call,
        withdrawn,
        items,
    } = all.again;
    outcome.claim(
        "seats below the threshold do not know the round of a jury",
        all.unknown == all.rounds && all.rounds > 0,
        format!("{} of {} rounds", all.unknown, all.rounds),
    );
    outcome.claim(
        "whatever is varied of a proposal, one subject gets one jury",
        all.gained.iter().all(|(_, gained)| *gained == runs),
        format!(
            "{:?} juries gained by so many variants in {runs} runs",
            all.gained
        ),
    );
    outcome.claim(
        "no second jury within 24 hours, also once the log has forgotten the first, and one after them",
        within == 0 && within_after_push == 0 && pushed_out == runs && next_day == runs,
        format!(
            "{within} at once, {within_after_push} of {pushed_out} after it was pushed out, {next_day} the next day"
        ),
    );
    outcome.claim(
        "the pool is that of the moment of the proposal",
        late_on_call == 0 && withdrawn == 0,
        format!("{late_on_call} jurors went on call afterwards; {withdrawn} juries lost a juror to a withdrawal"),
    );
    outcome.claim(
        "no more juries are open at a time than votes",
        items == u64::from(OPEN) * runs,
        format!("{items} juries for 64 different items in {runs} runs"),
    );
    outcome.count(
        "juries gained by 64 different items at once",
        items / runs.max(1),
        runs,
    );
}
