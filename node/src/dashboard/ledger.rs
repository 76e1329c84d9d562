//! Sentences that still hold, and what verdicts have moved: fines, bounties, the common fund.
//!
//! A bounty goes "to the reporter", whoever that is: who reported without a name is not to be found by following x0. For
//! the same reason single balances are not shown.

use maud::{Markup, html};
use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    Wall,
    charter::violation::Sentence,
    core::case::LedgerView,
    spine::ledger::{Account, Cause, Posting},
};

use super::{page::Frame, parts, text::Texts, verdicts};

/// Sentences that are shown.
const SENTENCES_SHOWN: usize = 100;
/// Movements that are shown, the newest first.
const POSTINGS_SHOWN: usize = 50;

/// Shows the sentences that hold, or begin, at a moment of mesh time or later.
pub(super) fn sentences<S>(frame: &Frame<'_, S>, ledger: &LedgerView, time: Wall) -> Markup {
    let t = frame.t;
    let in_force: Vec<_> = ledger
        .sentences
        .iter()
        .filter(|(_, _, sentence)| holds(sentence, time))
        .collect();
    html! {
        section.card #sentences data-live {
            h2 { (t.say("sentences")) " " span.count { (in_force.len()) } }
            @if in_force.is_empty() { p.quiet { (t.say("sentences-none")) } }
            @else {
                ul.facts {
                    @for (key, case, sentence) in in_force.iter().take(SENTENCES_SHOWN) {
                        li { (sentenced(frame, key, case, sentence)) }
                    }
                }
                @if in_force.len() > SENTENCES_SHOWN {
                    p.quiet { (t.say("all-of-it")) " " code { "x0 ledger show" } }
                }
            }
        }
    }
}

/// Tells whether something of a sentence is still to be served.
fn holds(sentence: &Sentence, time: Wall) -> bool {
    let ends = [sentence.suspended_until, sentence.probation_until];
    sentence.removed || ends.into_iter().flatten().any(|until| until > time)
}

fn sentenced<S>(
    frame: &Frame<'_, S>,
    key: &PublicKey,
    case: &ContentId,
    sentence: &Sentence,
) -> Markup {
    let t = frame.t;
    html! {
        div {
            (parts::node_or_self(t, key, &frame.status.node)) " · " (t.say("case")) " " (parts::record(case))
            (verdicts::sentence(t, sentence))
        }
    }
}

/// Shows what verdicts have moved, and what the fund holds.
pub(super) fn moved<S>(frame: &Frame<'_, S>, ledger: &LedgerView) -> Markup {
    let t = frame.t;
    let held = |wanted: Account| {
        let mut balances = ledger.balances.iter();
        balances
            .find(|(account, _)| *account == wanted)
            .map_or(0, |(_, x0)| *x0)
    };
    html! {
        section.card #ledger data-live {
            h2 { (t.say("ledger")) }
            p.quiet { (t.say("ledger-what")) }
            @if ledger.postings.is_empty() { p.quiet { (t.say("ledger-none")) } }
            @else {
                dl.pairs {
                    div { dt { (t.say("ledger-fund")) } dd { (t.count("x0", held(Account::Fund))) } }
                    div {
                        dt { (t.say("ledger-issued")) }
                        dd { (t.count("x0", held(Account::Issue).saturating_neg())) }
                    }
                }
                @if ledger.waiting > 0 { p.quiet { (t.count("ledger-waiting", ledger.waiting)) } }
                table {
                    thead {
                        tr {
                            th scope="col" { (t.say("column-number")) }
                            th scope="col" { (t.say("column-what")) }
                            th scope="col" { (t.say("column-amount")) }
                            th scope="col" { (t.say("case")) }
                        }
                    }
                    tbody { @for posting in ledger.postings.iter().take(POSTINGS_SHOWN) { (row(t, posting)) } }
                }
                @if ledger.postings.len() > POSTINGS_SHOWN {
                    p.quiet { (t.say("all-of-it")) " " code { "x0 ledger show" } }
                }
            }
        }
    }
}

fn row(t: Texts, posting: &Posting) -> Markup {
    html! {
        tr {
            th scope="row" { (t.count("number", posting.number)) }
            td data-label=(t.say("column-what")) { span { (movement(t, posting)) } }
            td data-label=(t.say("column-amount")) { (t.count("x0", posting.amount_x0)) }
            td data-label=(t.say("case")) { (parts::record(&posting.cause.case())) }
        }
    }
}

/// Says what a movement is, and names nobody who gets something.
fn movement(t: Texts, posting: &Posting) -> Markup {
    match (posting.cause, posting.from, posting.to) {
        (Cause::Claim { .. }, _, _) => html! { (t.say("posting-claim")) },
        (Cause::Verdict { .. }, Account::Key(from), Account::Fund | Account::Issue) => {
            html! { (t.say("posting-fine")) " " (parts::node(&from)) }
        }
        (Cause::Verdict { .. }, Account::Fund, _) => html! { (t.say("posting-bounty")) },
        (Cause::Verdict { .. }, Account::Issue, _) => html! { (t.say("posting-bounty-issued")) },
        (Cause::Verdict { .. }, Account::Key(_), Account::Key(_)) => {
            html! { (t.say("posting-other")) }
        }
    }
}
