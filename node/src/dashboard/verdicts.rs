//! Sorts of violations and what follows from a verdict, in words.

use maud::{Markup, html};
use x0_protocol::charter::violation::{Sentence, Violation};

use super::{parts, text::Texts};

/// Names a sort of violation.
pub(super) fn sort(t: Texts, sort: Violation) -> String {
    match sort {
        Violation::SilentCollection => t.say("violation-silent-collection"),
        Violation::BehaviouralPrediction => t.say("violation-behavioural-prediction"),
        Violation::DataExtraction => t.say("violation-data-extraction"),
        Violation::UnauthorizedOverride => t.say("violation-unauthorized-override"),
    }
}

/// Says what follows from a verdict, each consequence by itself.
pub(super) fn sentence(t: Texts, sentence: &Sentence) -> Markup {
    let fine = (sentence.fine_x0 > 0).then(|| t.count("charter-penalty-fine", sentence.fine_x0));
    html! {
        ul.plain {
            @if sentence.removed { li { (t.say("charter-penalty-removal")) } }
            @if let Some(until) = sentence.suspended_until {
                li {
                    (t.say("sentence-suspended")) " " (parts::moment(sentence.from)) " "
                    (t.say("sentence-until")) " " (parts::moment(until))
                }
            }
            @if let Some(until) = sentence.probation_until {
                li { (t.say("sentence-probation")) " " (parts::moment(until)) }
            }
            @if let Some(fine) = fine { li { (fine) } }
            @if sentence.deletion { li { (t.say("charter-penalty-deletion")) } }
            @if sentence.public_referral { li { (t.say("charter-penalty-referral")) } }
        }
    }
}
