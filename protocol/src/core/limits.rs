//! Every bound of the protocol in one place, each with its unit and its reason.
//!
//! A bound on remote data is checked before the data is used; a bound on a queue comes with the
//! policy for a full queue at the place where the queue lives.

use x0_crypto::committee;

use super::time::Millis;

/// Largest encoded record, bytes: an act naming [`ACT_TARGETS_MAX`] nodes with a full token fits.
pub const RECORD_BYTES_MAX: usize = 128 * 1024;

/// Largest encoded request or response between two peers, bytes: one full page of records.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Records that one erasure may name; one that names none covers all.
pub const ERASED_IDS_MAX: usize = 1_000;

/// Own erasures for which receipts are still asked: the newest ones.
pub const ERASURES_WATCHED_MAX: usize = 16;

/// Receipts kept of one erasure, about 1 KiB each.
pub const RECEIPTS_KEPT_MAX: usize = 256;

/// Most records in one page of a catch-up; with small records a page stays below 256 KiB.
pub const PAGE_RECORDS_MAX: usize = 256;

/// Most encoded bytes in one page of a catch-up: leaves room for framing in a message.
pub const PAGE_BYTES_MAX: usize = MESSAGE_BYTES_MAX - 64 * 1024;

/// Most founders in a genesis record; larger meshes grow by invitation.
pub const FOUNDERS_MAX: usize = 512;

/// Most regions a genesis may list: coarse labels, never locations.
pub const REGIONS_MAX: usize = 64;

/// Most nodes an act may name one by one; wider acts name all members or a region.
pub const ACT_TARGETS_MAX: usize = 2_000;

/// Most warrants (ticket, co-signatures, vote) one act may carry.
pub const ACT_WARRANTS_MAX: usize = 64;

/// Longest life of an act from its date to its expiry: a stale act must not fire later.
pub const ACT_LIFE_MAX: Millis = Millis::from_mins(10);

/// Longest text of a reason given in a record, bytes.
pub const REASON_BYTES_MAX: usize = 280;

/// Most heads one merge record may join.
pub const MERGE_HEADS_MAX: usize = 8;

/// Most revocation ids in one record: every block of a full token.
pub const REVOCATIONS_MAX: usize = 8;

/// How far a record's date may lie ahead of the own clock: covers the skew of unsynchronised
/// machines until certified mesh time exists.
pub const CLOCK_SKEW_MAX: Millis = Millis::from_mins(10);

/// Most records that wait for a record they depend on; the oldest is dropped when full and comes
/// again with the next catch-up.
pub const ORPHANS_MAX: usize = 1_024;

/// Most catch-up sessions a peer serves at a time, one per asking peer; the least recently used gives way.
pub const RECONCILE_SESSIONS_MAX: usize = 16;

/// Most peers asked for the head of the own chain at start.
pub const HEAD_QUERIES_MAX: usize = 3;

/// Time a link may stay ungreeted before this side says hello, whoever dialled, and again after each such time.
pub const GREET_PATIENCE: Millis = Millis::from_secs(2);

/// Time before a catch-up that broke off is tried again, with whichever peer is drawn then: a peer that serves
/// many may have dropped the session, and a newcomer must not stay ignorant until the next regular one.
pub const CATCH_UP_RETRY: Millis = Millis::from_secs(2);

/// Time a peer waits for others to tell the head of its own chain before it writes again.
pub const HEAD_WAIT: Millis = Millis::from_secs(10);

/// Time between the last entry of the audit log and the gossip of its head: bursts share one head.
pub const HEAD_GOSSIP_DELAY: Millis = Millis::from_secs(2);

/// Most acts whose progress is kept in memory; the oldest is forgotten (its record and log stay).
pub const ACTS_TRACKED_MAX: usize = 1_024;

/// Most authors whose log heads are witnessed; only linked peers send theirs.
pub const WITNESSED_MAX: usize = 256;

/// Most authors whose log heads a drawn witness holds for an epoch; it signs for no more.
pub const COUNTERSIGNED_MAX: usize = 131_072;
/// Age beyond which no witness countersigns a head: what is held for an epoch should be the newest.
pub const COUNTERSIGN_AGE_MAX: Millis = Millis::from_mins(120);

/// Largest number of links any policy may ask for.
pub const LINKS_MAX: u64 = 64;

/// Longest time an invite may stay open: a lost invite string must not stay a key for ever.
pub const INVITE_LIFE_MAX: Millis = Millis::from_mins(60 * 24 * 30);

/// Fewest seats of a committee: with three, one hostile seat could stop or split it.
pub const SEATS_MIN: usize = committee::SEATS_MIN as usize;

/// Most seats of a committee: what each seat sends and checks at a height grows with their number.
pub const SEATS_MAX: usize = committee::SEATS_MAX as usize;

/// Largest block of the committee log, bytes: a proposal with its polka fits one message.
pub const BLOCK_BYTES_MAX: usize = 512 * 1024;

/// Most things that wait at a seat to be decided; who offered more offers them again.
pub const SEAT_POOL_MAX: usize = 1_024;

/// Most messages of heights to come that a seat keeps: what all seats say at one height.
pub const SEAT_EARLY_MAX: usize = 3 * SEATS_MAX;

/// How many rounds ahead of the present one a vote or proposal is taken in.
pub const SEAT_ROUNDS_AHEAD_MAX: u32 = 10;

/// Most blocks in one answer to a seat that is behind.
pub const PAGE_BLOCKS_MAX: usize = 64;

/// Blocks of the log that a seat keeps for others to catch up with.
pub const BLOCKS_KEPT_MAX: u64 = 4_096;

/// Epochs of the committee whose keys a node keeps, the newest; at one hand-over a month that is two decades.
pub const EPOCHS_KEPT_MAX: usize = 256;

/// Bytes of one part of a copied state, as it is sent to a seat that is far behind.
pub const STATE_PART_BYTES: usize = 512 * 1024;

/// Parts of a copied state that a seat takes over: 128 MiB, a million members.
pub const STATE_PARTS_MAX: u32 = 256;

/// Heights by which a seat must be behind the last checkpoint known to take over a state instead of blocks.
pub const STATE_AHEAD_MIN: u64 = 256;

/// Largest log of a dealer in a key ceremony, bytes.
pub const DEALER_LOG_BYTES_MAX: usize = 16 * 1024;

/// Most entries in a block.
pub const BLOCK_ENTRIES_MAX: usize = 256;

/// Most changes of the list of members in one entry of a block: about 150 bytes each.
pub const MEMBER_CHANGES_MAX: usize = 256;

/// Longest warrant of an act, bytes: a draw that looked at [`DRAW_TRIES_MAX`] places in a mesh of a million, and drew
/// a full panel beside.
pub const WARRANT_BYTES_MAX: usize = 96 * 1024;

/// Most places that are looked at in one draw; then nobody more is found, and another round must draw.
pub const DRAW_TRIES_MAX: usize = 64;

/// Most parts of signatures, signatures or warrants in one message.
pub const PARTS_MAX: usize = 64;

/// Things the seats have signed together that a seat keeps to hand on.
pub const SIGNED_KEPT_MAX: usize = 1_024;

/// Acts whose admission or refusal a seat remembers.
pub const ADMISSIONS_KEPT_MAX: usize = 1_024;

/// Most revoked blocks of tokens that the committee's state keeps, the newest: 64 bytes each. One that has given way
/// is named anew when an act comes under it.
pub const REVOKED_KEPT_MAX: usize = 4_096;

/// Most bytes of the entries in a block: leaves room for readings of clocks and framing.
pub const BLOCK_ENTRIES_BYTES_MAX: usize = BLOCK_BYTES_MAX - 32 * 1024;

/// Most signatories on one panel: what each act carries and each target checks grows with it; as many as a full
/// committee has seats.
pub const SIGNATORIES_MAX: u8 = 15;

/// Most requests to agree or co-sign that a node keeps.
pub const CONSENTS_MAX: usize = 256;

/// Most own acts on their way at a time.
pub const PROPOSALS_KEPT_MAX: usize = 64;

/// Most act records one piece of evidence names: an agent that keeps below the burst alarm writes about 600 in the
/// hour of the mass-change window, and so many ids fit a record several times over.
pub const EVIDENCE_ACTS_MAX: usize = 1_024;

/// Most agents whose rate of change is remembered, about 1 KiB each; the one silent for longest is forgotten and
/// learned afresh.
pub const AGENTS_TRACKED_MAX: usize = 10_000;

/// Most acts of one agent kept for the burst and the learned rate; the oldest by date gives way.
pub const RECENT_PER_AGENT_MAX: usize = 256;

/// Most acts of all agents together kept for the burst and the learned rate; the agent silent for longest is
/// forgotten first.
pub const RECENT_ACTS_MAX: usize = 131_072;

/// Most agents and roots whose reach is counted; the one that reaches the fewest nodes gives way.
pub const SUBJECTS_TRACKED_MAX: usize = 20_000;

/// Most target keys kept for counting reach, over all agents and roots; the one that reaches the fewest nodes gives
/// way, so that the one nearest to an alarm stays.
pub const REACH_KEYS_MAX: usize = 1_048_576;

/// Most acts kept for finding identical changes; the first come is the first to go.
pub const CHANGE_ACTS_MAX: usize = 4_096;

/// Most acts one agent has among those kept for finding identical changes: no agent can push out the others alone.
pub const CHANGE_ACTS_PER_AGENT_MAX: usize = 64;

/// Most findings remembered as told; the oldest by date is forgotten and may be told twice.
pub const FINDINGS_TOLD_MAX: usize = 4_096;

/// Most roots frozen at a time on one node; the one that thaws first gives way.
pub const ROOTS_FROZEN_MAX: usize = 1_024;

/// Most tokens one freeze names beside its root.
pub const FROZEN_TOKENS_MAX: usize = 64;

/// Most roots with alerts that do not yet make a halt; the one first heard of gives way.
pub const HALT_CASES_MAX: usize = 1_024;

/// Most halts remembered, running and past; the one longest over is forgotten, and its root might cause another.
pub const HALTS_MAX: usize = 4_096;

/// Most witnesses drawn for an epoch.
pub const WITNESSES_MAX: usize = 256;

/// Witnesses drawn for an epoch, if so many can be.
pub const WITNESSES_DRAWN: usize = 16;

/// Alerts of one member looked at within an hour; what it says beyond that is kept as any record, but not rechecked.
pub const ALERTS_PER_SIGNER_MAX: u32 = 16;

/// Newest alerts kept ready to be rechecked and shown; the oldest gives way.
pub const ALERTS_KEPT_MAX: usize = 256;

/// Newest acts kept as detection saw them, so that alerts can be rechecked; the one dated first gives way.
pub const OBSERVED_KEPT_MAX: usize = 4_096;

/// Most audit logs one evidence pack asks for: those of the authors first, then targets drawn by hash.
pub const PACK_LOGS_MAX: usize = 256;

/// Most acts about which one request asks an audit log, and most entries one answer shows.
pub const AUDIT_ACTS_MAX: usize = 64;

/// Longest entry of an audit log that is shown to others, bytes: reasons and changes in words are far shorter. With
/// its proof, 64 of them fit a message.
pub const AUDIT_ENTRY_BYTES_MAX: usize = 4 * 1024;

/// Newest entries of the own audit log about acts that are kept ready to be shown: 0.3 kB each. Older ones stay on
/// disk and under the head.
pub const AUDIT_ACTS_KEPT_MAX: usize = 16_384;

/// Most acts for which one log is asked when evidence is pulled.
pub const PULL_ACTS_MAX: usize = 256;

/// Most entries that are kept of what was pulled for one halt: 1 kB each with its proof.
pub const PULL_ENTRIES_MAX: usize = 8_192;

/// Most halts for which pulled evidence is kept in memory; the first pulled gives way.
pub const PULLS_KEPT_MAX: usize = 4;

/// Highest number of a ballot or delegation, counted from 0: bounds what one member can make the log carry.
pub const VOTE_SEQ_MAX: u32 = 63;

/// Largest sealed choice, bytes: what one byte comes to once sealed, and room for a later form.
pub const SEALED_CHOICE_BYTES_MAX: usize = 256;

/// Largest encoded ballot, delegation or receipt, bytes: a sealed choice, three ids and a signature.
pub const BALLOT_BYTES_MAX: usize = 640;

/// Most ballots that one part of a seat's list names: a part stays below 170 KiB.
pub const LIST_IDS_MAX: usize = 4_096;

/// Most parts of a seat's list: more than 8 million ballots, whoever they come from.
pub const LIST_PARTS_MAX: u32 = 2_048;

/// Largest encoded part of a list, bytes.
pub const LIST_BYTES_MAX: usize = 192 * 1024;

/// Largest encoded proposal of a vote, bytes: a text of [`REASON_BYTES_MAX`], rules, ids and a signature.
pub const PROPOSAL_BYTES_MAX: usize = 1_024;

/// Most ballots, receipts and delegations in one entry of the committee log: about 300 bytes each, so that a block
/// has room for one such entry, and its signatures are checked in a fraction of a second.
pub const BATCH_BALLOTS_MAX: usize = 1_024;

/// Most members who can vote under seal: each ballot costs every seat a part of a signature, the sum of the parts and
/// two checks beside its turn and a pairing in it, and whoever counts again two of those. Measured by the bench `tally`.
pub const SEALED_VOTERS_MAX: u32 = 4_096;

/// Most sealed ballots that one block opens: each takes a pairing in the turn of the log, which stays below a tenth of a
/// second.
pub const OPENINGS_MAX: usize = 64;

/// Most sealed ballots whose labels the seats sign at a time: those of the next block, and of the one after it.
pub const OPENINGS_AT_ONCE: usize = 2 * OPENINGS_MAX;

/// Most ballots of one voter that a seat holds for one vote: two show a double ballot, changes come one by one.
pub const URN_PER_VOTER_MAX: usize = 4;

/// Counted ballots in one page: with two ballots each they fit a message. A power of two, so that a page is a whole part
/// of the tree over the ballots.
pub const PAGE_LEAVES_MAX: usize = 512;

/// Most pages whose nodes one answer names: about 130 bytes each, for 2 million ballots.
pub const PAGE_NODES_MAX: usize = 4_096;

/// Bundles of counted ballots that a node keeps for others to recount, once it has counted them itself.
pub const BUNDLES_KEPT_MAX: usize = 4;

/// Most ballots in all bundles together that a node without a seat keeps: about 50 MiB.
pub const BUNDLE_BALLOTS_MAX: usize = 131_072;

/// Largest file with counted ballots that is read, bytes: a million ballots.
pub const BUNDLE_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Most of those who can vote in one page: about 90 bytes each.
pub const PAGE_ELECTORS_MAX: usize = 4_096;

/// Most votes open at a time. When there are so many no more are proposed: who would propose waits.
pub const VOTES_OPEN_MAX: usize = 16;

/// Most votes open at a time that one member has proposed.
pub const VOTES_PER_MEMBER_MAX: usize = 2;

/// Most votes that a seat keeps with all their ballots, for others to recount; the one longest over is forgotten.
pub const VOTES_KEPT_MAX: usize = 48;

/// Most counted ballots of all votes together that a seat keeps for others to recount; of votes that are over those of
/// the one longest over are let go of first. About 400 bytes each in memory.
pub const BALLOTS_KEPT_MAX: usize = 1 << 20;

/// Nodes that count a vote again by themselves, on the average; in a mesh of fewer all do. If a third of a large mesh is
/// hostile, none of the others does in one vote of 40,000.
pub const RECOUNTS_DRAWN: u64 = 16;

/// Most amendments of the charter that a node keeps beside those that were taken; one that no vote is known about
/// gives way, its record stays. 64 KiB each at most.
pub const AMENDMENTS_WAITING_MAX: usize = 128;

/// Most votes that a node remembers; the one longest over is forgotten, its records stay.
pub const VOTES_KNOWN_MAX: usize = 256;

/// Most own ballots, proposals and delegations that a node keeps; what is done with gives way.
pub const OWN_VOTES_MAX: usize = 256;

/// Counted ballots that are hashed in one block of the log, so that no block keeps a seat busy for long.
pub const LEAVES_COUNTED_MAX: usize = 4_096;

/// Listed ballots that are taken into the count in one block of the log, for the same reason: about 3 µs each.
pub const BALLOTS_MERGED_MAX: usize = 8_192;

/// How far the date of a proposal may lie from mesh time, real time: the seats have it by then.
pub const PROPOSAL_AGE_MAX: Millis = Millis::from_mins(10);

/// Window of an ordinary vote: long enough for every time zone and a weekend.
pub const VOTE_WINDOW: Millis = Millis::from_mins(72 * 60);

/// Shortest window of an ordinary vote: a day, so that every time zone is awake once.
pub const VOTE_WINDOW_MIN: Millis = Millis::from_mins(24 * 60);

/// Longest window of an ordinary vote: the electorate of its checkpoint is still the community.
pub const VOTE_WINDOW_MAX: Millis = Millis::from_mins(30 * 24 * 60);

/// Window of an emergency vote.
pub const EMERGENCY_WINDOW: Millis = Millis::from_mins(120);

/// Shortest window of an emergency vote: a juror on call is reached within it.
pub const EMERGENCY_WINDOW_MIN: Millis = Millis::from_mins(30);

/// Longest window of an emergency vote: what can wait longer is no emergency.
pub const EMERGENCY_WINDOW_MAX: Millis = Millis::from_mins(24 * 60);

/// Time in which the tally of an ordinary vote can be refuted before it takes effect.
pub const CHALLENGE_TIME: Millis = Millis::from_mins(24 * 60);

/// Longest challenge time; a decision must take effect at some time.
pub const CHALLENGE_TIME_MAX: Millis = Millis::from_mins(14 * 24 * 60);

/// Last part of a window in which a quorum first met moves the close, and by how much, at most; a third of the
/// window where that is shorter.
pub const LATE_QUORUM_MAX: Millis = Millis::from_mins(24 * 60);

/// Time from the close in which seats commit their lists; it is over sooner once all have.
pub const LISTING_TIME: Millis = Millis::from_mins(30);

/// Time in which the committee signs what opens sealed ballots.
pub const OPENING_TIME: Millis = Millis::from_mins(24 * 60);

/// Time that a closed vote waits for lists or a certificate beyond its time before it is void.
pub const VOTE_STALL_MAX: Millis = Millis::from_mins(7 * 24 * 60);

/// Most steps from a leaf of a tally to its root: one for each level of the largest tree.
pub const TALLY_PATH_MAX: usize = 64;

/// Largest encoded proof that a tally is false, bytes: three leaves with their paths and a receipt of every seat.
pub const FRAUD_BYTES_MAX: usize = 48 * 1024;

/// Size of an emergency jury.
pub const JURY_SIZE: u32 = 21;

/// Largest emergency jury, drawn where the pool is small: twice the usual one and one, so that it stays odd.
pub const JURY_SIZE_MAX: u32 = 2 * JURY_SIZE + 1;

/// Most juries of days that a node remembers: those whose votes may run, and a few before; the oldest gives way.
pub const JURIES_KNOWN_MAX: usize = 8;

/// Most items before juries that a node gathers ballots for; the one with the fewest gives way.
pub const JURY_CASES_MAX: usize = 64;

/// Most words on juries that a node holds because what they belong to has not come yet; the first by name give way.
pub const JURY_WORDS_EARLY_MAX: usize = 256;

/// Smallest pool from which a jury of [`JURY_SIZE`] is drawn, in a mesh of any size.
pub const JURY_POOL_MIN: u32 = 200;

/// Smallest share of the members, in per cent, that is pool enough where [`JURY_POOL_MIN`] are not to be had.
pub const JURY_POOL_PERCENT_MIN: u8 = 20;

/// Longest text of an override, bytes: why, and what will come of it, each. A screen of words.
pub const OVERRIDE_TEXT_BYTES_MAX: usize = 1_024;

/// Most nodes that an override may name one by one: the act carries them twice, once in the entry that proves it public.
pub const OVERRIDE_TARGETS_MAX: usize = 1_000;

/// Longest time within which an override must be told to all, mesh time: the charter's first principle promises an hour.
pub const OVERRIDE_NOTICE_MAX: Millis = Millis::from_mins(60);

/// Most overrides that wait to be told to all at a time: no further one is admitted until one of them has been, or lapsed.
pub const OVERRIDES_OPEN_MAX: usize = 64;
/// Of these, most that one agent has asked for.
pub const OVERRIDES_OF_AGENT_MAX: usize = 4;
/// Of these, most that agents of one first-level invite subtree have asked for: three quarters stay for the others.
pub const OVERRIDES_OF_SUBTREE_MAX: usize = 16;

/// Newest entries of the public log that the committee's state keeps, for seats that missed the blocks; every node's copy
/// has them all.
pub const PUBLIC_KEPT_MAX: usize = 256;

/// Most bytes of these.
pub const PUBLIC_KEPT_BYTES_MAX: usize = 512 * 1024;

/// Most entries of the public log in one page; most are below 400 bytes.
pub const PUBLIC_PAGE_ENTRIES_MAX: usize = 256;

/// Time after which another link is asked for entries of the public log that are certified and lack here.
pub const PUBLIC_ASK_AGAIN: Millis = Millis::from_secs(2);

/// Heads of others' audit logs that one peer passes to another at a time: about 180 bytes each.
pub const HEADS_PASSED_MAX: usize = 8;
/// Longest description of a violation, and longest text of an appeal, bytes: a page.
pub const DESCRIPTION_BYTES_MAX: usize = 2_000;

/// Most things that one report names as evidence.
pub const EVIDENCE_MAX: usize = 16;

/// Bytes of a report as it is sealed, padding included: the longest report fits, and its length tells nothing.
pub const REPORT_PLAINTEXT_BYTES: usize = 4_096;

/// Bytes of a sealed report: version, locked key (96 + 32 + 32) and tag (16) beside the padded report.
pub const SEALED_REPORT_BYTES: usize = REPORT_PLAINTEXT_BYTES + 177;

/// Largest record that the committee log takes up about a case, bytes: a sealed report with header, salt and signature.
pub const CASE_RECORD_BYTES_MAX: usize = 6 * 1024;

/// Least work in a sealed report, bits: about a million hashes, 0.1 s of one processor core. It prices floods; what
/// bounds them are [`SEALED_AN_HOUR_MAX`] and [`SEALED_CASES_MAX`]. Where reports wait the one with most work is first.
pub const REPORT_WORK_BITS: u32 = 20;

/// Most sealed reports dated within one hour that a node keeps and passes on: 4.5 KiB each.
pub const SEALED_AN_HOUR_MAX: u32 = 16;

/// How old a sealed report may be that comes by gossip; older ones come by catching up only.
pub const SEALED_AGE_MAX: Millis = Millis::from_mins(120);

/// Age from which no report is taken up any more, mesh time: so long the log knows which reports it has had.
pub const REPORT_AGE_MAX: Millis = Millis::from_mins(30 * 24 * 60);

/// Most cases that the committee has before it at a time: what people can look into.
pub const CASES_OPEN_MAX: usize = 64;

/// Most of them that came sealed: strangers cannot crowd out members.
pub const SEALED_CASES_MAX: usize = 32;

/// Most cases at a time that one member has reported.
pub const CASES_PER_MEMBER_MAX: usize = 4;

/// Reports of the last [`REPORT_AGE_MAX`] that the log has had; the oldest gives way.
pub const CASES_DONE_MAX: usize = 16_384;

/// Most bounties of sealed reports that wait to be claimed; the oldest gives way to the common fund.
pub const BOUNTIES_WAITING_MAX: usize = 1_024;

/// Rulings, of the newest, that the seats still sign after a restart or a hand-over.
pub const RULINGS_SIGNED_MAX: usize = 256;

/// Records about cases that a seat holds until the log takes them up or never will; of sealed reports the one with the
/// least work gives way, else the oldest.
pub const CASE_RECORDS_WAITING_MAX: usize = 1_024;

/// Cases that a node remembers in full; the one longest over gives way. Sentences and balances stay.
pub const CASES_KNOWN_MAX: usize = 1_024;

/// Time in which an opened case or an appeal is decided, mesh time; then it is overdue.
pub const CASE_DECISION_TIME: Millis = Millis::from_mins(72 * 60);

/// Time that the accused has to appeal, mesh time.
pub const APPEAL_WINDOW: Millis = Millis::from_mins(72 * 60);

/// Time from a final verdict until its sentence begins, mesh time: every node has heard of it by then.
pub const SENTENCE_NOTICE: Millis = Millis::from_mins(10);

/// Time after which a case that nobody decides ends without a penalty, mesh time.
pub const CASE_LIFE: Millis = Millis::from_mins(90 * 24 * 60);

/// Postings of the ledger that a node shows, the newest.
pub const POSTINGS_SHOWN_MAX: usize = 1_024;

/// Most names that a node's account of its collection lists: a charter that travels has no more.
pub const EXPORTED_MAX: usize = 512;

/// Members' nodes up to which all are audited in every round; of more, a tenth, but no fewer than these.
pub const AUDIT_ALL_MAX: usize = 20;

/// Most members' nodes audited in one round.
pub const AUDITED_MAX: usize = 100;

/// Rounds of audits that the committee's state keeps, to sign them after a restart or a hand-over.
pub const AUDIT_ROUNDS_SIGNED_MAX: usize = 2;

/// Rounds of audits that a node remembers, the newest: about 4 years.
pub const AUDIT_ROUNDS_KNOWN_MAX: usize = 16;

/// Most reports that one auditor files about one node in a round: that it was silent, that it answered, and one more of each
/// after a restart that lost them.
pub const AUDIT_REPORTS_MAX: usize = 4;

/// Audits that an auditor's node has under way at a time.
pub const AUDITS_AT_ONCE: usize = 4;

/// Time after which an auditor's node asks again who did not answer, mesh time.
pub const AUDIT_RETRY: Millis = Millis::from_mins(6 * 60);

/// Shortest time between two such asks on a test mesh with fast clocks, real time.
pub const AUDIT_RETRY_MIN: Millis = Millis::from_secs(2);

/// Asks for its account that a node looks at from one member within an hour, real time; more are turned away unread.
pub const ASKS_AN_HOUR_MAX: u32 = 12;

/// How far the date of an ask may lie from mesh time here, real time.
pub const ASK_LIFE: Millis = Millis::from_mins(10);

/// Named reports of which a node remembers whom they accuse, the newest.
pub const ACCUSED_KNOWN_MAX: usize = 256;

/// Accounts asked for by hand that a node waits for at a time.
pub const ASKED_BY_HAND_MAX: usize = 16;

/// Most guardians of one item, and so the highest number of a share.
pub const GUARDIANS_MAX: u8 = 32;

/// Guardians of an item where enough members serve, and of these as many as open it.
pub const GUARDIANS_DRAWN: u8 = 10;
/// See [`GUARDIANS_DRAWN`].
pub const GUARDIANS_NEEDED: u8 = 3;

/// Fewest members who serve before items can be put: two of three shares open one.
pub const GUARDIANS_MIN: u8 = 3;

/// Members who serve as guardians that a node remembers, 1.3 KiB each: those whose keys hash lowest, everywhere the same.
pub const GUARDIANS_KNOWN_MAX: usize = 4_096;

/// Longest sealed description of an item, bytes: 16 KiB of metadata with salt and tag.
pub const SEALED_ABOUT_BYTES_MAX: usize = 16 * 1024 + 48;

/// Longest sealed share or opening, bytes: the committee's key of 31 seats beside a part of a signature.
pub const SEALED_PART_BYTES_MAX: usize = 32 * 1024;

/// Longest page of a recovery card, bytes; a full one has some 530.
pub const CARD_PAGE_BYTES_MAX: usize = 1_024;

/// Addresses on a recovery card: at least one; with eight its QR code is still read off paper.
pub const CARD_ONIONS_MAX: usize = 8;

/// Least work in a manifest, bits: about 4 million hashes, 0.4 s of one processor core for an item that stays for years.
pub const MANIFEST_WORK_BITS: u32 = 22;

/// Most manifests dated within one hour that a node keeps and passes on: 3 KiB each as a rule.
pub const MANIFESTS_AN_HOUR_MAX: u32 = 128;

/// How old a manifest may be that comes by gossip; older ones come by catching up only.
pub const MANIFEST_AGE_MAX: Millis = Millis::from_mins(120);

/// Items that a node remembers beside those it guards, 0.8 KiB each, the newest.
pub const ITEMS_KNOWN_MAX: usize = 65_536;

/// Shares that one node keeps, 1.3 KiB each.
pub const SHARES_KEPT_MAX: usize = 10_000;

/// Shares among them that one member has handed out: nobody fills a guardian's room alone.
pub const SHARES_PER_OWNER_MAX: usize = 1_000;

/// Requests for items that a node remembers, 1.3 KiB each, the newest.
pub const REQUESTS_KNOWN_MAX: usize = 1_024;

/// Requests of one member among them, the newest.
pub const REQUESTS_PER_MEMBER_MAX: usize = 16;

/// Time from its date in which what a request asks for is released, mesh time: a vote of three days, its challenge time,
/// and guardians who come back from a holiday.
pub const REQUEST_LIFE: Millis = Millis::from_mins(30 * 24 * 60);

/// Shortest window of a vote that opens an item, mesh time.
pub const ACCESS_WINDOW_MIN: Millis = Millis::from_mins(72 * 60);

/// Time after which what is released is sent again to a node that has not confirmed it, real time.
pub const RELEASE_AGAIN: Millis = Millis::from_secs(30);

/// Parts released for one own request that are kept: the shares of all guardians, the openings of all seats, and as many
/// again from members who are neither.
pub const RELEASES_KEPT_MAX: usize = 128;

/// Least work in an emergency call, bits: about 1 million hashes, 0.1 s of one processor core.
pub const CALL_WORK_BITS: u32 = 20;

/// Emergency calls that a node remembers, 8 KiB each, the newest.
pub const CALLS_KNOWN_MAX: usize = 256;

/// Calls for one item, signed by its card, that a node keeps of one day, mesh time.
pub const CALLS_OF_ITEM_MAX: usize = 4;

/// Calls for items that are not known here, or not by that card, that a node keeps of one hour.
pub const STRANGE_CALLS_AN_HOUR_MAX: u32 = 16;

/// Time from its date in which a call is answered, mesh time.
pub const CALL_LIFE: Millis = Millis::from_mins(24 * 60);

/// Longest time in which the owner of an item can stop what a jury has passed, mesh time.
pub const CARD_VETO_MAX: Millis = Millis::from_mins(24 * 60);

/// Fewest trustees of an item: with fewer there is no majority of two or more that one can be missing from.
pub const TRUSTEES_MIN: usize = 3;

/// Most trustees of an item, 150 bytes of its manifest each.
pub const TRUSTEES_MAX: usize = 10;

/// Fewest trustees that must attest: nobody recovers an item by the word of one.
pub const TRUSTEES_NEEDED_MIN: usize = 2;

/// Shortest time in which the owner can stop what trustees have attested, mesh time.
pub const TRUSTEES_WAIT_MIN: Millis = Millis::from_mins(60);

/// Longest such time, mesh time: half of what a request lives.
pub const TRUSTEES_WAIT_MAX: Millis = Millis::from_mins(14 * 24 * 60);

/// Attestations that a node remembers, 200 bytes each: those that count, before others.
pub const ATTESTATIONS_KNOWN_MAX: usize = 4_096;

/// Attestations of one member among them, the newest.
pub const ATTESTATIONS_PER_MEMBER_MAX: usize = 32;

/// The reason of a call as it is sealed to one juror, bytes: two for its length, [`REASON_BYTES_MAX`], and what sealing adds.
pub const SEALED_REASON_BYTES: usize = 2 + REASON_BYTES_MAX + 48;

/// Onion addresses that a node remembers, 100 bytes each: those of the members with the lowest keys, everywhere the same.
pub const ONIONS_KNOWN_MAX: usize = 4_096;

/// Onion addresses of others that a node shows to a device.
pub const ONIONS_SHOWN_MAX: usize = 64;

/// Chunks of content that a device asks for at a time.
pub const CHUNKS_ASKED_MAX: usize = 4;

/// Longest answer to a device, bytes: [`CHUNKS_ASKED_MAX`] chunks of 256 KiB, or as many parts as are kept.
pub const EMERGENCY_FRAME_BYTES_MAX: usize = 5 * 1024 * 1024;

/// Shares that are dealt in one command.
pub const DEALT_MAX: usize = GUARDIANS_MAX as usize;

/// Invitations to serve as a guardian that a node remembers, those it has made and those it was sent each: one of each pair
/// of members, 0.4 KiB each.
pub const INVITATIONS_MAX: usize = 64;

/// Time for which an invitation stands, answered or not: so long nobody is asked twice. Real time.
pub const INVITATION_LIFE: Millis = Millis::from_mins(30 * 24 * 60);

/// Time after which a guardian's node says again that it has tried what it keeps, mesh time.
pub const DRILL_EVERY: Millis = Millis::from_mins(24 * 60);

/// Addresses by which one node introduces its IPFS node to a linked one.
pub const TIER_ADDRESSES_MAX: usize = 8;

/// Time after which a sharing is dealt on to other guardians, mesh time: six months.
pub const ROTATION_EVERY: Millis = Millis::from_mins(180 * 24 * 60);

/// Longest time before that at which a sharing is dealt on, mesh time: ten thousand that came to be together are due over a day.
pub const ROTATION_SPREAD: Millis = Millis::from_mins(24 * 60);

/// Time from its opening after which a rotation that nobody has finished is let go of, mesh time.
pub const ROTATION_LIFE: Millis = Millis::from_mins(3 * 24 * 60);

/// Rotations that are open at a time, 1 KiB each in the committee's state.
pub const ROTATIONS_OPEN_MAX: usize = 64;

/// Rotations that one block opens.
pub const ROTATIONS_A_BLOCK: usize = 16;

/// Rotations that have come to their end and are still signed after a restart or a hand-over, 0.5 KiB each.
pub const ROTATIONS_SIGNED_MAX: usize = 128;

/// Time between two looks of a seat at which sharings are due, real time.
pub const ROTATION_LOOK: Millis = Millis::from_secs(10);

/// Time after which a guardian asks or tells again what a rotation waits for, real time.
pub const ROTATION_AGAIN: Millis = Millis::from_secs(10);

/// Time for which guardians whose turn to deal comes first are left alone with it, mesh time.
pub const DEAL_TURN: Millis = Millis::from_secs(60);

/// Guardians who have said that they serve no longer, of whom a seat remembers that their sharings are due.
pub const LEAVING_MAX: usize = 1_024;

/// Shares that a guardian shows to one seat at a time.
pub const SHARES_SHOWN: usize = 16;

/// Time after which a guardian looks whether there is a seat to which it has not shown its shares, real time.
pub const SHOWING_LOOK: Millis = Millis::from_mins(10);

/// Names of guardians of one sharing that a seat keeps: as many as there are, and as many again who say that they are.
pub const GUARDS_OF_SHARING_MAX: usize = 2 * GUARDIANS_MAX as usize;

/// Forgotten items that a node remembers, 64 bytes each.
pub const FORGOTTEN_KNOWN_MAX: usize = 131_072;

/// Receipts for forgotten items of this node that are counted, by item.
pub const RECEIPTS_OF_ITEM_MAX: usize = 4 * GUARDIANS_MAX as usize;

/// Time for which a node passes sensitive records along the same two links, real time: 10 minutes, as in Dandelion++
/// (Fanti et al. 2018, section 4.2). Each node's epochs begin at a moment of its own.
pub const STEM_EPOCH: Millis = Millis::from_mins(10);

/// Links along which a node passes sensitive records during one epoch: two make the 4-regular graph of Dandelion++.
pub const STEM_RELAYS: usize = 2;

/// Fewest greeted links of a node that passes sensitive records along a stem; with fewer it gossips them at once, as who it
/// is linked to would know anyway whose they are.
pub const STEM_LINKS_MIN: u32 = 3;

/// Of so many nodes one ends the stems that reach it, drawn for each epoch: a stem has 10 hops in the mean, about a second.
pub const STEM_ENDS_ONE_IN: u64 = 10;

/// Sensitive records that a node holds while they are on a stem, at most 128 KiB each. When one more comes, the oldest that
/// is not of its own user is gossiped.
pub const STEM_HELD_MAX: usize = 64;

/// Least time after which a node gossips a record itself that it has passed along a stem and not heard of since: twice the
/// time that a stem takes in the mean.
pub const STEM_WAIT_MIN: Millis = Millis::from_secs(2);

/// Longest such time: an emergency call is with the jury within 15 s, whatever became of its stem.
pub const STEM_WAIT_MAX: Millis = Millis::from_secs(10);

/// In each such step beyond the least time the wait ends with a chance of one in [`STEM_WAIT_ENDS_ONE_IN`]: 2 s in the
/// mean, without memory, so that of all who hold a record any may be the first (Dandelion++, section 4.3).
pub const STEM_WAIT_STEP: Millis = Millis(125);

/// See [`STEM_WAIT_STEP`].
pub const STEM_WAIT_ENDS_ONE_IN: u64 = 16;
