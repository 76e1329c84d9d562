//! What a charter says, in the words of a language: one wording for the command line and for the dashboard.
//!
//! What a community wrote itself (names, principles, purposes) is shown as it is by whoever shows it; here is what follows
//! from figures and switches.

use x0_protocol::charter::{Bounty, Committee, Metric, Penalty, Telemetry, Windows};

use crate::dashboard::text::Texts;

/// Says by which labels a metric may be told apart; nothing if by none.
pub(crate) fn labels(t: Texts, metric: &Metric) -> String {
    match metric.labels.is_empty() {
        true => String::new(),
        false => t.with(
            "charter-labels",
            [("labels", metric.labels.join(", ").into())],
        ),
    }
}

/// Says for how long something is kept.
pub(crate) fn kept(t: Texts, days: u64) -> String {
    t.count("charter-days", days)
}

/// Says whether each person must have said yes before.
pub(crate) fn consent(t: Texts, is_needed: bool) -> String {
    t.say(match is_needed {
        true => "charter-consent-asked",
        false => "charter-consent-not-needed",
    })
}

/// Says over how many nodes something is combined before others see it.
pub(crate) fn over(t: Texts, nodes: u64) -> String {
    t.count("charter-nodes", nodes)
}

/// Says how the telemetry of a port is looked at.
pub(crate) fn guard(t: Texts, guard: &Telemetry) -> String {
    let port = format!("{}/{}", guard.port, guard.protocol.name());
    t.with(
        "charter-guard",
        [
            ("port", port.into()),
            ("parser", guard.parser.name().into()),
        ],
    )
}

/// Says who watches over the charter.
pub(crate) fn watchers(t: Texts, committee: &Committee) -> String {
    t.with(
        "charter-watchers",
        [
            ("members", committee.members.into()),
            ("researchers", committee.researchers.into()),
            ("approvals", committee.approvals.into()),
            ("days", committee.audit_days.into()),
        ],
    )
}

/// Says how long things take, each by itself.
pub(crate) fn windows(t: Texts, windows: &Windows) -> [String; 6] {
    [
        t.count("charter-window-vote", windows.vote_hours),
        t.count("charter-window-emergency", windows.emergency_minutes),
        t.count("charter-window-override", windows.override_notice_minutes),
        t.count("charter-window-report", windows.report_hours),
        t.count("charter-window-export", windows.export_hours),
        t.count("charter-window-erase", windows.erase_days),
    ]
}

/// Says what follows from a violation.
pub(crate) fn consequences(t: Texts, penalty: &Penalty) -> String {
    let words = [
        penalty.removal.then(|| t.say("charter-penalty-removal")),
        (penalty.ban_days > 0).then(|| t.count("charter-penalty-ban", penalty.ban_days)),
        (penalty.fine_x0 > 0).then(|| t.count("charter-penalty-fine", penalty.fine_x0)),
        penalty.deletion.then(|| t.say("charter-penalty-deletion")),
        (penalty.probation_days > 0)
            .then(|| t.count("charter-penalty-probation", penalty.probation_days)),
        penalty
            .public_referral
            .then(|| t.say("charter-penalty-referral")),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Says what somebody gets who reports a violation.
pub(crate) fn bounty(t: Texts, bounty: &Bounty) -> String {
    t.with(
        "charter-bounty",
        [
            ("least", bounty.least_x0.into()),
            ("most", bounty.most_x0.into()),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::text::Language;

    #[test]
    fn a_penalty_that_takes_everything_names_each_part_in_both_languages() {
        let penalty = Penalty {
            ban_days: 365,
            removal: true,
            fine_x0: 100_000,
            deletion: true,
            probation_days: 90,
            public_referral: true,
        };

        let [english, russian] =
            Language::ALL.map(|language| consequences(Texts(language), &penalty));

        assert_eq!(
            english,
            "removal for good, a ban of 365 days, a fine of 100\u{202f}000 x0, deletion of what was taken, \
             probation of 90 days, public referral"
        );
        assert_eq!(russian.split(", ").count(), 6, "{russian}");
        assert_eq!(
            consequences(Texts(Language::English), &Penalty::default()),
            ""
        );
    }
}
