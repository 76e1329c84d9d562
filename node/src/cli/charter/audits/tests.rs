#![allow(clippy::unwrap_used)]

use x0_crypto::Identity;
use x0_protocol::{
    Wall,
    charter::inspection::{Collected, Exported},
    spine::audit::tree::Hash,
    wire::{AccountDraft, AskDraft, AuditRight, InspectionDraft, InspectionSigned},
};
use zeroize::Zeroizing;

use super::*;
use crate::cli::output::Output;

fn context() -> Context {
    Context {
        data_dir: PathBuf::from("."),
        output: Output::new(true),
    }
}

fn mesh() -> ContentId {
    ContentId::of(b"mesh")
}

/// What a node signs that collects this, under the charter that ships.
fn account(collected: Collected) -> Account {
    let [auditor, node] = [1, 2].map(|seed| Identity::from_seed(Zeroizing::new([seed; 32])));
    let asked = AskDraft {
        auditor: auditor.public(),
        node: node.public(),
        right: AuditRight::Round(1),
        time: Wall(7),
        nonce: 1,
    };
    let draft = InspectionDraft::Ask(Box::new(asked));
    let InspectionSigned::Ask(ask) = draft.sign(&mesh(), &auditor, Collected::default) else {
        panic!("an ask was drafted");
    };
    let stated = AccountDraft {
        ask: *ask,
        charter: SHIPPED.id(),
        number: SHIPPED.number(),
        log_size: 3,
        log_root: Hash([1; 32]),
        time: Wall(8),
    };
    let draft = InspectionDraft::Account(Box::new(stated));
    match draft.sign(&mesh(), &node, || collected) {
        InspectionSigned::Account(account) => *account,
        InspectionSigned::Ask(_) => panic!("an account was drafted"),
    }
}

fn hidden() -> Collected {
    let mut collected = Collected::as_listed(&SHIPPED);
    collected.exported.push(Exported {
        name: "user_location".to_owned(),
        declared: None,
    });
    collected.exported.sort();
    collected
}

fn kept(dir: &Path, view: &AccountView) -> PathBuf {
    let file = dir.join("account.json");
    write(&file, &pretty(view)).unwrap();
    file
}

fn view(account: &Account) -> AccountView {
    AccountView::new(&mesh(), account, None)
}

#[test]
fn an_account_that_was_kept_is_judged_again_without_a_node() {
    let dir = tempfile::tempdir().unwrap();

    let clean = kept(dir.path(), &view(&account(Collected::as_listed(&SHIPPED))));
    assert!(check(&context(), &clean, None).is_ok());

    let hidden = kept(dir.path(), &view(&account(hidden())));
    let found = check(&context(), &hidden, None).unwrap_err();
    assert!(matches!(found, CliError::Violations));
}

#[test]
fn what_was_changed_in_a_kept_account_proves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut tampered = account(hidden());
    tampered.collected = Collected::as_listed(&SHIPPED);
    let mut elsewhere = view(&account(hidden()));
    elsewhere.mesh = ContentId::of(b"another mesh").to_string();

    for view in [view(&tampered), elsewhere] {
        let file = kept(dir.path(), &view);
        let fault = check(&context(), &file, None).unwrap_err();
        assert!(fault.to_string().contains("proves nothing"), "{fault}");
    }
    // What stands beside the signed bytes is not looked at.
    let mut painted = view(&account(hidden()));
    (painted.violations, painted.exported) = (Vec::new(), Vec::new());
    let file = kept(dir.path(), &painted);
    assert!(matches!(
        check(&context(), &file, None),
        Err(CliError::Violations)
    ));
}

fn round() -> RoundView {
    let audit = |node: &str, state: &str, violations: &[&str]| AuditView {
        node: node.to_owned(),
        auditor: "12D3auditor".to_owned(),
        state: state.to_owned(),
        words: state.to_owned(),
        report: (state != "overdue").then(|| format!("bafy{node}")),
        late: state == "clean",
        violations: violations.iter().map(|it| (*it).to_owned()).collect(),
    };
    RoundView {
        round: 3,
        height: 812,
        opened_ms: 1_767_225_600_000,
        due_ms: 1_768_521_600_000,
        next_ms: 1_775_001_600_000,
        charter: "bafycharter".to_owned(),
        tally: crate::api::inspections::TallyView {
            clean: 1,
            with_findings: 1,
            unjudged: 0,
            unanswered: 1,
            due: 0,
            overdue: 1,
        },
        audits: vec![
            audit("a", "clean", &[]),
            audit(
                "b",
                "findings",
                &["user_location is handed out, and the charter does not list it"],
            ),
            audit("c", "unanswered", &[]),
            audit("d", "overdue", &[]),
        ],
    }
}

#[test]
fn the_report_of_a_round_names_every_audit_what_was_found_and_where_the_evidence_is() {
    let report = report(&round());

    assert!(report.starts_with("# Audits of data collection, round 3\n"));
    assert!(report.contains("4 nodes: 1 clean, 1 with violations, 1 unanswered, 0 due, 1 overdue"));
    for row in [
        "| `a` | `12D3auditor` | clean, late | `bafya` |",
        "| `b` | `12D3auditor` | findings | `bafyb` |",
        "| `d` | `12D3auditor` | overdue | – |",
    ] {
        assert!(report.contains(row), "{row} is not in\n{report}");
    }
    assert!(report.contains("- user_location is handed out"));
}

#[test]
fn what_is_shown_of_findings_tells_how_to_report_them() {
    let text = text(&round());
    assert!(text.contains("--accused b"), "{text}");
    assert!(text.contains("--evidence bafyb"), "{text}");
    let account = account(hidden());
    let found = inspect(&account.collected, &SHIPPED);
    let view = AccountView::new(&mesh(), &account, Some(&found));
    let shown = super::account(&view);
    assert!(
        shown.contains(&format!("--evidence {}", account.id())),
        "{shown}"
    );
}

#[test]
fn a_round_that_did_not_open_is_said_to_be_overdue() {
    let view = AuditsView {
        mesh_time_ms: 1_790_000_000_000,
        days: Some(90),
        next_ms: Some(1_775_001_600_000),
        overdue: true,
        rounds: vec![round()],
    };
    assert!(list(&view).contains("OVERDUE"));
    let none = AuditsView {
        days: None,
        next_ms: None,
        overdue: false,
        rounds: Vec::new(),
        ..view
    };
    assert!(list(&none).contains("no charter or no committee"));
}
