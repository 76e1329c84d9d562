//! The pages of the charter, of cases and of the public log: what they say, what they never say, and proofs.

use axum::http::{StatusCode, header};
use x0_crypto::capability::RootKey;
use x0_protocol::{
    Event, Wall,
    charter::{Charter, Metric, violation::Barred},
    spine::{audit::What, halt::HaltId, public_log::proof::KnownLog},
    wire::Role,
};

use super::{
    get,
    judged::{self, PROOF, SECRET, claimant, one_time_key},
    page_of,
    sample::{self, Data, HOSTILE, key},
    text,
};
use crate::{
    api::{events::EventView, proofs::ProofView},
    charter::{SHIPPED, following::Standing, helper::Seen},
    dashboard::{
        News,
        assets::ASSETS,
        page::Page,
        text::Language::{self, English, Russian},
    },
    runtime::TimedEvent,
};

/// Returns the part of a page with this id, up to the next part.
pub(super) fn part<'a>(html: &'a str, id: &str) -> &'a str {
    let start = html.find(&format!("id=\"{id}\""));
    let rest = &html[start.unwrap_or_else(|| panic!("no {id} in {html}"))..];
    let own = rest.find(" data-live").map_or(0, |at| at + 1);
    let next = rest[own..].find(" data-live");
    &rest[..next.map_or(rest.len(), |at| own + at)]
}

#[tokio::test]
async fn the_charter_in_force_is_told_whole_in_both_languages() {
    let data = sample::full(24);
    let charter = data.status.charter.clone().unwrap();
    for (language, words) in [
        (
            English,
            [
                "No hidden collection",
                "a ban of 365 days",
                "kept",
                "anybody",
            ],
        ),
        (
            Russian,
            [
                "Никакого скрытого сбора",
                "отстранение на 365 дн.",
                "Хранится",
                "кто угодно",
            ],
        ),
    ] {
        let html = page_of(&data, "/ui/charter", language).await.to_lowercase();
        for word in words {
            assert!(html.contains(&word.to_lowercase()), "{word}");
        }
        assert!(html.contains(&charter.id().to_string()));
        let draft = charter.text();
        let listed = draft.metrics.iter().map(|metric| &metric.name);
        for name in listed.chain(&draft.blocked.names) {
            assert!(html.contains(&format!("<code>{name}</code>")), "{name}");
        }
        for principle in draft.principles.values() {
            let words = maud::html! { (principle.to_lowercase()) }.into_string();
            assert!(html.contains(&words), "{principle}");
        }
    }
}

#[tokio::test]
async fn a_charter_of_thousands_of_names_gives_a_page_of_bounded_size() {
    let mut draft = SHIPPED.text().clone();
    let first = draft.metrics[0].clone();
    draft.metrics.extend((0..3_000).map(|number| Metric {
        name: format!("of_many_{number}"),
        ..first.clone()
    }));
    let blocked = (0..3_000).map(|number| format!("never_{number}"));
    draft.blocked.names.extend(blocked);
    let mut data = sample::full(24);
    data.status.charter = Some(Charter::new(draft).unwrap());

    let html = page_of(&data, "/ui/charter", English).await;

    assert!(html.len() < 300_000, "{} bytes", html.len());
    assert_eq!(html.matches("<code>x0 charter show</code>").count(), 2);
}

#[tokio::test]
async fn a_mesh_without_a_charter_says_so_and_shows_the_one_its_node_keeps_to() {
    let html = page_of(&sample::empty(), "/ui/charter", English).await;

    assert!(html.contains("founded without a charter"));
    assert!(html.contains("latency_p99"));
}

#[tokio::test]
async fn without_privilege_the_page_says_plainly_that_the_kernel_enforces_nothing() {
    let html = page_of(&sample::empty(), "/ui/charter", English).await;

    let enforced = part(&html, "enforced");
    assert!(enforced.contains("Nothing is enforced in the kernel of this machine"));
    assert!(enforced.contains("sudo x0 charter probe start"));
    assert!(enforced.contains("The gateway is switched off"));
    assert!(html.contains("nobody answers on /run/x0/probe.sock"));
    assert!(!enforced.contains("No refusal was lost"), "nobody knows");
}

#[tokio::test]
async fn every_standing_of_the_kernel_is_told_and_what_can_be_mended_with_how() {
    let (charter, number, why) = ("bafy".to_owned(), 7, "it is too long".to_owned());
    let standings = [
        (Standing::Waiting, "catching up", None),
        (Standing::Manual, "manual", Some("x0 charter probe load")),
        (
            Standing::NoHelper { why: why.clone() },
            "no helper runs",
            Some("x0 charter probe start"),
        ),
        (
            Standing::NotOwner { why: why.clone() },
            "somebody else",
            Some("it is too long"),
        ),
        (
            Standing::ByHand,
            "somebody wrote",
            Some("x0 charter compile --to ebpf"),
        ),
        (
            Standing::InForce {
                charter: charter.clone(),
                number,
            },
            "enforces charter number 7",
            None,
        ),
        (
            Standing::Failed {
                charter,
                number,
                why,
            },
            "charter number 7 could not be loaded",
            Some("it is too long"),
        ),
    ];
    for (standing, words, mend) in standings {
        let mut data = sample::full(24);
        data.enforcement.kernel = standing;
        let html = page_of(&data, "/ui/charter", English).await;
        assert!(html.contains(words), "{words}");
        assert!(mend.is_none_or(|mend| html.contains(mend)), "{mend:?}");
    }
}

#[tokio::test]
async fn refusals_of_the_kernel_are_told_with_who_where_to_and_why_and_never_by_name() {
    let html = page_of(&sample::full(24), "/ui/charter", English).await;
    let refusals = part(&html, "refusals");

    for words in [
        "the metric’s name is not on the list",
        "udp 127.0.0.1 8125",
        "process 4711, user 1000",
        "0123456789abcdef",
        "that host is not on the list",
        "udp 203.0.113.7 443",
        // Of a helper that is newer than the node.
        "the words of the helper itself",
    ] {
        assert!(refusals.contains(words), "{words}: {refusals}");
    }
    assert!(
        html.contains("data-look=\"2000\""),
        "they are looked for often"
    );
    assert!(part(&html, "gateway-refusals").contains("page_views"));
    let mut quiet = sample::full(24);
    quiet.enforcement.helper = Ok(Seen::default());
    let html = page_of(&quiet, "/ui/charter", English).await;
    assert!(html.contains("Nothing was refused yet"));
    assert!(html.contains("has no policy"), "a helper without a policy");
}

#[tokio::test]
async fn lost_refusals_count_as_a_violation_and_a_clean_node_is_told_clean() {
    let lost = page_of(&sample::full(24), "/ui/charter", English).await;
    let clean = page_of(&sample::empty(), "/ui/charter", English).await;

    assert!(part(&lost, "own-audit").contains("VIOLATION: one finding"));
    assert!(lost.contains("2 refusals were lost without being told"));
    assert!(part(&clean, "own-audit").contains("Nothing violates the charter."));
}

#[tokio::test]
async fn an_amendment_that_is_voted_on_shows_what_people_lose_first() {
    let html = page_of(&sample::full(24), "/ui/charter", English).await;
    let amendments = part(&html, "amendments");

    assert!(
        amendments.contains("An amendment is voted on"),
        "{amendments}"
    );
    assert!(
        amendments.contains("Charter number 2") && amendments.contains("Keep latency for longer")
    );
    assert!(amendments.contains(&judged::next_charter().id().to_string()));
    assert!(amendments.contains("people lose") && !amendments.contains("people gain"));
    assert!(amendments.contains("user_location is no longer blocked"));
    let vote = &sample::full(24).votes.votes[0];
    assert!(amendments.contains(&format!("x0 vote cast {} yes", vote.proposal)));
    let mut ended = sample::full(24);
    ended.status.charter = Some(judged::next_charter());
    let html = page_of(&ended, "/ui/charter", English).await;
    assert!(!html.contains("An amendment is voted on"), "it is in force");
}

#[tokio::test]
async fn cases_are_told_in_words_with_the_overdue_first_and_marked() {
    let html = page_of(&sample::full(24), "/ui/cases", English).await;
    let cases = part(&html, "cases");
    let place = |words: &str| cases.find(words).unwrap_or_else(|| panic!("no {words}"));

    assert!(html.contains("1 case is overdue"));
    assert!(place("OVERDUE") < place("looked into"));
    for words in [
        "dismissed",
        "decided, not in force",
        "appealed",
        "overturned",
        "Nobody decided in 90 days",
        "final",
        "bounty claimed",
        "Can be appealed until",
        "3 say: look into it",
        "a fine of 100\u{202f}000 x0",
    ] {
        assert!(cases.contains(words), "{words}");
    }
    let calm = page_of(&sample::empty(), "/ui/cases", English).await;
    assert!(calm.contains("No violation was reported") && calm.contains("x0 charter report"));
    assert!(calm.contains("Nobody is suspended") && calm.contains("No x0 have moved yet"));
}

#[tokio::test]
async fn what_a_member_reports_by_name_is_shown_at_a_seat() {
    let html = page_of(&sample::full(24), "/ui/cases", English).await;

    assert!(html.contains("it kept where people were"));
    assert!(html.contains(&key(5).to_string()), "its reporter is named");
}

#[tokio::test]
async fn nothing_of_a_sealed_report_and_nobody_who_reported_without_a_name_is_ever_shown() {
    let data = sample::full(24);
    for language in Language::ALL {
        for page in Page::ALL {
            let html = page_of(&data, page.path(), language).await;
            assert!(!html.contains(SECRET), "{page:?} shows what was sealed");
            for who in [one_time_key(), claimant()] {
                assert!(!html.contains(&who.to_string()), "{page:?} names {who}");
            }
        }
    }
    let html = page_of(&data, "/ui/cases", English).await;
    assert!(html.contains("The report came sealed"));
    assert!(html.contains("A bounty of a report without a name was claimed"));
    assert!(html.contains("Bounty to the reporter, from the common fund"));
}

#[tokio::test]
async fn sentences_in_force_and_fines_are_shown() {
    let mut data = sample::full(24);
    let html = page_of(&data, "/ui/cases", English).await;
    let sentences = part(&html, "sentences");

    assert!(sentences.contains(&key(3).to_string()) && sentences.contains("suspended from"));
    assert!(part(&html, "ledger").contains("Fine of"));
    // What is served is over.
    data.cases.time.0 += 60_000_000_000;
    let html = page_of(&data, "/ui/cases", English).await;
    assert!(html.contains("Nobody is suspended"));
}

#[tokio::test]
async fn a_node_that_a_verdict_bars_is_told_so_where_it_looks_first() {
    let mut data = sample::full(24);
    for (barred, words) in [
        (Barred::Removed, "removed from the mesh by a verdict"),
        (
            Barred::Probation {
                until: data.cases.time,
            },
            "on probation by a verdict",
        ),
    ] {
        data.status.barred = Some(barred);
        for path in ["/ui", "/ui/cases"] {
            assert!(
                page_of(&data, path, English).await.contains(words),
                "{path}"
            );
        }
    }
    assert!(
        page_of(&data, "/ui", English)
            .await
            .contains("1 case is overdue")
    );
}

#[tokio::test]
async fn the_public_log_is_shown_newest_first_in_sheets_each_entry_with_its_proof() {
    let data = sample::full(24);
    let first = page_of(&data, "/ui/public", English).await;
    let second = page_of(&data, "/ui/public?sheet=2", English).await;

    let entries = part(&first, "entries");
    let place = |number: &str| entries.find(&format!("data-number=\"{number}\"")).unwrap();
    assert!(place("69") < place("20"));
    assert!(!entries.contains("data-number=\"19\""));
    assert!(second.contains("data-number=\"19\"") && second.contains("data-number=\"0\""));
    assert!(first.contains("href=\"/ui/public/69/proof\""));
    assert!(part(&first, "head").contains("by the committee, at height 811"));
    for words in [
        "The committee was handed over: 4 seats, epoch 2",
        "A vote has passed",
        "An emergency vote has passed",
        "An act on the whole network was admitted",
        "The mesh was halted",
        "A verdict on a violation of the charter stands",
        "An override was told to all in time, and stays",
    ] {
        assert!(first.contains(words), "{words}");
    }
    let fresh = page_of(&sample::empty(), "/ui/public", English).await;
    assert!(fresh.contains("The public log is empty"));
    assert!(fresh.contains("no certificate is known here yet"));
}

#[tokio::test]
async fn overrides_have_a_section_of_their_own_and_tell_what_became_of_them() {
    let data = sample::full(24);
    let html = page_of(&data, "/ui/public?only=overrides", English).await;

    assert_eq!(html.matches("<article").count(), data.overrides.len());
    for words in [
        "acts flood every page",
        "fewer links for an hour",
        "set links.target to 12",
        "2 nodes",
        "told to all in time: it stays",
        "not told to all in time: it has lapsed",
        "still to be told to all, or it lapses",
        "runs on this node",
    ] {
        assert!(html.contains(words), "{words}");
    }
    assert!(!html.contains("A vote has passed"));
    let fragment = "data-fragment=\"/ui/fragment/public?only=overrides\"";
    assert!(html.contains(fragment), "an open page stays with them");
    let none = page_of(&sample::empty(), "/ui/public?only=overrides", English).await;
    assert!(none.contains("There never was an override"));
}

#[tokio::test]
async fn sheets_of_overrides_lead_to_sheets_of_overrides() {
    let mut data = sample::full(24);
    let once = data.overrides.clone();
    for _ in 0..3 {
        data.overrides.extend(once.clone());
    }
    let html = page_of(&data, "/ui/public?only=overrides", English).await;

    assert!(
        html.contains("href=\"/ui/public?only=overrides&amp;sheet=2\""),
        "{html}"
    );
}

#[tokio::test]
async fn whoever_showed_two_logs_is_warned_of_at_the_top() {
    let data = sample::full(24);
    let split = |entry: &&x0_protocol::spine::audit::Entry| {
        matches!(
            entry.what,
            What::SplitView { .. } | What::TwoHeads { .. } | What::TwoPublicLogs { .. }
        )
    };
    let count = data.entries.iter().filter(split).count();
    let html = page_of(&data, "/ui/public", English).await;
    let calm = page_of(&sample::empty(), "/ui/public", English).await;

    let warning = html.find("SOMEBODY SHOWED TWO DIFFERENT LOGS").unwrap();
    assert!(html.contains(&format!("{count} times")));
    assert!(html.contains("Two signed heads of size") && html.contains("x0 audit prove"));
    assert!(warning < html.find("What is certified").unwrap());
    assert!(!calm.contains("TWO DIFFERENT LOGS"));
}

#[tokio::test]
async fn a_proof_that_is_saved_is_the_file_that_anybody_can_verify() {
    let data = sample::full(24);
    let index = judged::proof().proof.index;

    let answer = get(&data, &format!("/ui/public/{index}/proof"), &[]).await;

    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json");
    let named = answer.headers()[header::CONTENT_DISPOSITION]
        .to_str()
        .unwrap();
    assert_eq!(
        named,
        format!("attachment; filename=\"public-log-{index}.json\"")
    );
    let file = text(answer).await;
    assert_eq!(file, PROOF, "byte for byte what the command line writes");
    let read = ProofView::read(file.as_bytes()).unwrap();
    let known = KnownLog {
        mesh: Some(read.mesh.parse().unwrap()),
        ..KnownLog::default()
    };
    let shown = read.check(&known).unwrap();
    assert_eq!(shown.node, None, "it rests on the mesh's id alone");
    let altered = file.replacen("\"index\": ", "\"index\": 1", 1);
    assert!(
        ProofView::read(altered.as_bytes())
            .and_then(|read| read.check(&known))
            .is_err()
    );
}

#[tokio::test]
async fn what_cannot_be_proven_says_why() {
    let data = sample::full(24);
    for (path, status, words) in [
        (
            "/ui/public/4000/proof",
            StatusCode::NOT_FOUND,
            "there is no entry 4000",
        ),
        (
            "/ui/public/x/proof",
            StatusCode::BAD_REQUEST,
            "its place is a number",
        ),
        (
            "/ui/public/-1/proof",
            StatusCode::BAD_REQUEST,
            "its place is a number",
        ),
    ] {
        let answer = get(&data, path, &[]).await;
        assert_eq!(answer.status(), status, "{path}");
        assert!(text(answer).await.contains(words), "{path}");
    }
}

#[tokio::test]
async fn hostile_reasons_of_overrides_and_descriptions_of_cases_stay_text() {
    let data: Data = sample::hostile();
    let escaped = maud::html! { (HOSTILE) }.into_string();
    for path in [
        "/ui/public",
        "/ui/public?only=overrides",
        "/ui/cases",
        "/ui/charter",
    ] {
        let html = page_of(&data, path, Russian).await;
        assert!(html.contains(&escaped), "{path}");
        assert!(!html.contains("<script>alert"), "{path}");
    }
}

#[test]
fn an_open_page_looks_again_at_every_event_that_the_node_tells() {
    let live = ASSETS.iter().find(|asset| asset.name == "live.js").unwrap();
    let agent = key(1);
    let record = sample::record(1);
    let (root, until) = (RootKey::from_bytes(*agent.bytes()).unwrap(), Wall(1));
    let halt = HaltId::of(&record, &root, 0);
    let (words, what) = (String::new(), String::new());
    let others = [
        Event::KeysMade {
            epoch: 1,
            revealed: 0,
        },
        Event::ShareLost {
            epoch: 1,
            why: words.clone(),
        },
        Event::Proposed {
            act: record,
            stage: words.clone(),
            record: None,
        },
        Event::CosignAsked {
            act: record,
            role: Role::Cosigner,
            agent,
            change: words.clone(),
        },
        Event::Anomaly {
            agent,
            critical: true,
            words,
        },
        Event::Frozen { root, until },
        Event::Halted {
            halt,
            root,
            confirmed: true,
            until,
        },
        Event::Vote {
            proposal: record,
            what: what.clone(),
        },
        Event::Charter {
            charter: record,
            number: 2,
        },
        Event::ErasedAt {
            erasure: record,
            node: agent,
        },
        Event::Case {
            case: record,
            what: what.clone(),
        },
        Event::Audit {
            round: 1,
            node: None,
            what,
        },
        Event::AccountAsked {
            auditor: agent,
            refused: None,
        },
    ];
    let told = sample::full(24).happened.into_iter();
    let told = told.map(|happened| happened.news);
    for news in told.chain(others.map(News::from)) {
        let view = match news {
            News::Node(event) => EventView::from(&TimedEvent { wall: until, event }),
            News::Content(happening) => EventView::from(&happening),
        };
        let name = format!("\"{}\"", view.event);
        assert!(live.text.contains(&name), "{name}");
    }
}
