//! The pages of Sublime and of the guardian: what they promise, what they admit, whose vote is waited for, what was released.

use x0_crypto::sublime::{AccessStructure, ShareIndex};
use x0_protocol::{
    Wall,
    core::sublime::{RequestView, Standing, SublimeView},
    spine::ballot::OwnStage,
    sublime::draw::shares,
};

use super::{
    charter::part,
    page_of,
    sample::{self, Data, HOSTILE, HOUR_MS, before, key, record},
    sheltered::{self, GRANTED, GUARDED, RELEASED, WAITING},
};
use crate::dashboard::{
    Feed,
    text::Language::{English, Russian},
};

/// Returns the card of a request in a part of a page.
fn card(part: &str, request: u8) -> &str {
    let named = format!("title=\"{}\"", record(request));
    let cards = part.split("<article").skip(1);
    let mut cards = cards.filter(|card| card.contains(&named));
    let card = cards.next();
    card.unwrap_or_else(|| panic!("no request {request} in {part}"))
}

async fn request_on_page(data: &Data, request: u8) -> String {
    let html = page_of(data, "/ui/sublime", English).await;
    card(part(&html, "requests"), request).to_owned()
}

#[tokio::test]
async fn what_protects_items_is_told_with_the_numbers_in_force_and_so_is_what_does_not() {
    let html = page_of(&sample::full(24), "/ui/sublime", English).await;
    let protection = part(&html, "protection");

    for words in [
        "opens with 3 of 10 shares",
        "the seats of the committee together",
        "a window of 72 hours or longer",
        "without any vote",
        "stays opened for whoever was let in",
        "who asks, for which item and why",
    ] {
        assert!(protection.contains(words), "{words}: {protection}");
    }
    assert!(part(&html, "figures").contains("3 of 10"));
    assert!(part(&html, "figures").contains("this member among them"));
}

#[tokio::test]
async fn a_mesh_where_too_few_serve_says_that_nothing_can_be_put() {
    let html = page_of(&sample::empty(), "/ui/sublime", English).await;
    let protection = part(&html, "protection");

    assert!(protection.contains("0 other members serve as guardians, and it takes 3"));
    assert!(protection.contains("The committee has no keys"));
    assert!(!protection.contains("opens with"));
    assert!(html.contains("x0 sublime put FILE"));
}

#[tokio::test]
async fn of_the_thresholds_the_one_that_holds_here_is_marked() {
    for (serving, rule) in [
        (2, "Fewer: nothing can be put."),
        (3, "Three or four: 2 of all of them."),
        (4, "Three or four: 2 of all of them."),
        (5, "Five to nine: 3 of all of them."),
        (9, "Five to nine: 3 of all of them."),
        (10, "Ten other members serve, or more: 3 of 10."),
        (500, "Ten other members serve, or more: 3 of 10."),
    ] {
        let mut data = sample::full(24);
        data.sublime.shares = shares(serving);
        data.sublime.serving = serving;
        data.sublime.serves = false;
        let html = page_of(&data, "/ui/sublime", English).await;

        let marked = format!("<li>{rule} <span class=\"badge");
        assert!(html.contains(&marked), "{serving}: {html}");
        assert_eq!(html.matches("here, now").count(), 1, "{serving}");
    }
}

#[tokio::test]
async fn the_commands_to_put_ask_for_and_open_stand_there_word_by_word() {
    let html = page_of(&sample::full(24), "/ui/sublime", English).await;

    for command in [
        "x0 sublime put FILE --title TEXT".to_owned(),
        "x0 sublime request ITEM --why TEXT".to_owned(),
        "x0 sublime get ITEM --request REQUEST --out FILE".to_owned(),
        format!("x0 sublime request {} --why TEXT", record(GUARDED)),
    ] {
        assert!(
            html.contains(&format!("<code>{command}</code>")),
            "{command}"
        );
    }
}

#[tokio::test]
async fn an_item_tells_how_it_opens_how_large_it_is_and_whether_a_share_is_here() {
    let html = page_of(&sample::full(24), "/ui/sublime", English).await;
    let items = part(&html, "items");

    let guarded = card(items, GUARDED);
    assert!(guarded.contains("3 of 10 shares open it") && guarded.contains("24.2 MiB at most"));
    assert!(guarded.contains("a share is kept here"));
    assert!(!card(items, GUARDED + 1).contains("a share is kept here"));
}

#[tokio::test]
async fn requests_are_told_at_every_stage_those_first_that_members_decide() {
    let html = page_of(&sample::full(24), "/ui/sublime", English).await;
    let requests = part(&html, "requests");
    let place = |words: &str| requests.find(words).unwrap_or_else(|| panic!("no {words}"));

    assert!(place("undecided</span>") < place("passed</span>"));
    assert!(place("granted</span>") < place("denied</span>"));
    for (request, words) in [
        (WAITING, "Until a vote about it has passed"),
        (113, "a false count can be shown"),
        (RELEASED, "release their parts"),
        (107, "That is final for this request"),
        (106, "It is too old"),
    ] {
        let shown = card(requests, request);
        assert!(shown.contains(words), "{words}: {shown}");
        assert!(shown.contains("The well is dry, and the map is in it"));
    }
}

#[tokio::test]
async fn a_request_leads_to_its_vote_and_to_no_vote_that_another_has_proposed() {
    let data = sample::full(24);
    let votes = sheltered::votes("Open the map");
    let (deciding, in_vain) = (votes[0].proposal, votes[8].proposal);

    let waiting = request_on_page(&data, WAITING).await;
    assert!(waiting.contains(&format!("x0 vote cast {deciding} yes")));
    assert!(waiting.contains(&format!("x0 vote cast {deciding} no")));
    assert!(!waiting.contains(&in_vain.to_string()));
    let unasked = request_on_page(&data, 112).await;
    assert!(unasked.contains("none is known here yet"));
    assert!(unasked.contains(&format!("x0 vote propose TEXT --subject {}", record(112))));
    let counted = request_on_page(&data, 109).await;
    assert!(counted.contains("counted; a false count can still be shown"));
    assert!(counted.contains("9 yes, 4 no, 1 abstain") && !counted.contains("x0 vote cast"));
    let passed = request_on_page(&data, 113).await;
    assert!(passed.contains("<a href=\"/ui/public\">passed</a>"));
    let denied = request_on_page(&data, 107).await;
    assert!(denied.contains("too few took part"));
}

#[tokio::test]
async fn a_granted_request_of_this_node_tells_what_has_come_and_how_to_open_the_item() {
    let data = sample::full(24);
    let own = request_on_page(&data, GRANTED).await;
    let item = record(GUARDED + GRANTED % 3);

    assert!(
        own.contains("shares, 2 (3 open it); parts of seats, 1."),
        "{own}"
    );
    let command = format!(
        "x0 sublime get {item} --request {} --out FILE",
        record(GRANTED)
    );
    assert!(own.contains(&command));
    let of_another = request_on_page(&data, RELEASED).await;
    assert!(!of_another.contains("x0 sublime get"));
    assert!(of_another.contains("Released from here"));
    // A node that has forgotten the item still shows its page.
    let mut forgotten = data;
    forgotten.sublime.items.clear();
    let own = request_on_page(&forgotten, GRANTED).await;
    assert!(own.contains(&command) && !own.contains("parts of seats"));
}

#[tokio::test]
async fn a_request_waits_for_this_member_until_it_has_voted_or_the_vote_is_over() {
    let waiting = async |data: &Data| {
        let html = page_of(data, "/ui/guardian", English).await;
        part(&html, "waiting").matches("<article").count()
    };
    let mut data = sample::full(24);
    let first = data.votes.votes.len() - sheltered::votes("Open the map").len();
    assert_eq!(waiting(&data).await, 1, "of four that are undecided");

    let vote = data.votes.votes[first].clone();
    data.votes.votes[first].ballot = Some(sheltered::handed_in(&vote, OwnStage::Sending));
    assert_eq!(waiting(&data).await, 0, "it has voted");
    let refused = OwnStage::Refused("the ballot came after the close".to_owned());
    data.votes.votes[first].ballot = Some(sheltered::handed_in(&vote, refused));
    assert_eq!(waiting(&data).await, 1, "its ballot does not count");
    data.status.trust.time = vote.closes;
    assert_eq!(waiting(&data).await, 0, "the vote is over");
    data.status.trust.time = None;
    data.status.member = false;
    assert_eq!(waiting(&data).await, 0, "it is no member");
}

#[tokio::test]
async fn whether_this_member_serves_is_told_with_the_command_that_changes_it() {
    let mut data = sample::full(24);
    let html = page_of(&data, "/ui/guardian", English).await;
    let serving = part(&html, "serving");
    assert!(serving.contains("serves</span>") && serving.contains("x0 guardian leave"));
    assert!(!serving.contains("x0 guardian serve"));

    data.sublime.serves = false;
    let html = page_of(&data, "/ui/guardian", English).await;
    let serving = part(&html, "serving");
    assert!(serving.contains("does not serve") && serving.contains("x0 guardian serve"));
    assert!(
        part(&html, "notices").contains("still keeps 2 shares"),
        "{html}"
    );
}

#[tokio::test]
async fn what_serving_risks_is_told_in_both_languages_to_whoever_does_not_serve_yet() {
    for (language, words) in [
        (
            English,
            [
                "open it without any vote",
                "lies open on a seized disk",
                "It does not ask you again",
            ],
        ),
        (
            Russian,
            [
                "без всякого голосования",
                "на изъятом диске доля лежит открытой",
                "Ещё раз он вас не спросит",
            ],
        ),
    ] {
        let html = page_of(&sample::empty(), "/ui/guardian", language).await;
        for word in words {
            assert!(html.contains(word), "{word}");
        }
    }
}

#[tokio::test]
async fn an_identity_without_a_passphrase_is_warned_of_wherever_a_share_depends_on_it() {
    let warns = async |data: &Data| {
        let html = page_of(data, "/ui/guardian", English).await;
        part(&html, "notices").contains("x0 identity passphrase")
    };
    let mut data = sample::full(24);
    assert!(warns(&data).await);
    data.sublime.serves = false;
    assert!(warns(&data).await, "shares are still kept");
    data.sublime.shares_kept.clear();
    assert!(!warns(&data).await, "there is nothing to lose");
    data.sublime.serves = true;
    data.needs_passphrase = Some(true);
    assert!(!warns(&data).await);
}

#[tokio::test]
async fn a_share_kept_here_tells_of_what_for_whom_and_since_when() {
    let html = page_of(&sample::full(24), "/ui/guardian", English).await;
    let shares = part(&html, "shares");
    let rows: Vec<_> = shares.split("<tr>").skip(2).collect();

    assert_eq!(rows.len(), 2);
    assert!(rows[0].contains(&record(GUARDED).to_string()));
    assert!(rows[0].contains(&key(9).to_string()), "its owner");
    assert!(rows[0].contains("<time"), "{}", rows[0]);
    assert!(rows[1].contains("not known yet") && rows[1].contains("—"));
    let html = page_of(&sample::empty(), "/ui/guardian", English).await;
    assert!(html.contains("This node keeps no share"));
}

#[tokio::test]
async fn what_was_released_is_read_from_the_audit_log_the_newest_first() {
    let data = sample::full(24);
    let html = page_of(&data, "/ui/guardian", English).await;
    let released = part(&html, "released");

    let of = |entry: &&x0_protocol::spine::audit::Entry| {
        matches!(entry.what, x0_protocol::spine::audit::What::Released { .. })
    };
    let count = data.entries.iter().filter(of).count();
    assert!(count > 2, "the sample has some");
    assert_eq!(released.matches("data-number").count(), count);
    assert!(released.contains(&record(RELEASED).to_string()));
    assert!(released.contains(&key(8).to_string()), "to whom");
    let numbers = released.split("data-number=\"").skip(1);
    let numbers = numbers.map(|rest| rest.split('"').next().and_then(|text| text.parse().ok()));
    let numbers: Vec<Option<u64>> = numbers.collect();
    assert!(
        numbers.is_sorted_by(|newer, older| newer > older),
        "{numbers:?}"
    );
}

#[tokio::test]
async fn content_that_cannot_be_looked_at_is_told_and_hides_nothing_else() {
    let mut data = sample::full(24);
    assert!(
        page_of(&data, "/ui/guardian", English)
            .await
            .contains("24.2 MiB")
    );

    data.content = Err("the IPFS node was closed".to_owned());
    let html = page_of(&data, "/ui/guardian", English).await;
    assert!(part(&html, "notices").contains("the IPFS node was closed"));
    assert!(part(&html, "shares").contains(&key(9).to_string()));
}

#[tokio::test]
async fn hostile_reasons_of_requests_stay_text_on_both_pages() {
    let data = sample::hostile();
    let escaped = maud::html! { (HOSTILE) }.into_string();
    for path in ["/ui/sublime", "/ui/guardian"] {
        for language in [English, Russian] {
            let html = page_of(&data, path, language).await;
            assert!(html.contains(&escaped), "{path}");
            assert!(!html.contains("<script>alert"), "{path}");
        }
    }
}

#[tokio::test]
async fn what_happens_in_sublime_is_told_in_words_on_the_first_page() {
    for (language, words) in [
        (
            English,
            [
                "A member serves as a guardian, or no longer",
                "An item of Sublime was put",
                "A member asks for an item of Sublime",
                "3 parts were released for a request of this node",
            ],
        ),
        (
            Russian,
            [
                "Участник стал хранителем или перестал им быть",
                "Положен документ Sublime",
                "Участник просит документ Sublime",
                "Для запроса этого узла выданы 3 части",
            ],
        ),
    ] {
        let html = page_of(&sample::full(24), "/ui", language).await;
        for word in words {
            assert!(part(&html, "feed").contains(word), "{word}");
        }
    }
}

#[tokio::test]
async fn what_happens_to_content_that_is_kept_here_is_told_in_words_on_the_first_page() {
    let mut data = sample::full(24);
    let feed = Feed::default();
    for news in sample::kept() {
        feed.push(sample::NOW, news);
    }
    data.happened = feed.newest();
    for (language, words) in [
        (
            English,
            [
                "This node holds all 41 blocks of the item:",
                "All content is on arweave of the item:",
                "The item is safe, 7 copies were counted and 5 are enough:",
                "Copies were lost: 6 counted after 7, and 5 are enough:",
                "The item is not safe any more, 4 of 5 copies were counted:",
                "The content is not as it should be here:",
                "3 blocks that were lost or damaged here are back:",
            ],
        ),
        (
            Russian,
            [
                "У этого узла есть 41 блок содержимого документа:",
                "На arweave есть всё содержимое документа:",
                "Документ в безопасности, насчитано копий: 7, достаточно 5:",
                "Копий стало меньше: 6 вместо 7, достаточно 5; документ:",
                "Документ больше не в безопасности, насчитано копий: 4 из 5:",
                "Содержимое здесь не в порядке:",
                "Восстановлены 3 утраченных или повреждённых здесь блока документа:",
            ],
        ),
    ] {
        let html = page_of(&data, "/ui", language).await;
        let told = part(&html, "feed");
        for word in words {
            assert!(told.contains(word), "{word}: {told}");
        }
        assert!(told.contains("nobody gives a block"), "{told}");
    }
}

#[tokio::test]
async fn thousands_of_items_shares_and_requests_give_pages_of_bounded_size_in_sheets() {
    let mut data = sample::full(24);
    data.sublime = many(&data.sublime);
    for path in ["/ui/sublime", "/ui/guardian"] {
        let html = page_of(&data, path, Russian).await;
        assert!(html.len() < 400_000, "{path} has {} bytes", html.len());
    }
    let first = page_of(&data, "/ui/sublime", English).await;
    assert_eq!(part(&first, "items").matches("<article").count(), 30);
    assert!(part(&first, "requests").contains("<code>x0 sublime list</code>"));
    let second = page_of(&data, "/ui/guardian?sheet=2", English).await;
    assert_eq!(part(&second, "shares").matches("<tr>").count(), 51);
}

fn many(of: &SublimeView) -> SublimeView {
    let (id, item, shared) = &of.items[0];
    let request = |number: u64| RequestView {
        id: x0_crypto::ContentId::of(&number.to_be_bytes()),
        item: *id,
        by: key(5),
        why: "again".to_owned(),
        time: Wall(before(0).0 - number * HOUR_MS),
        standing: Standing::Undecided,
        by_trustees: false,
    };
    let index = ShareIndex::new(1).unwrap();
    let share = |owner| (item.key, 0, index, Some(key(owner)));
    SublimeView {
        items: vec![(*id, item.clone(), *shared); 3_000],
        requests: (0..1_024).map(request).collect(),
        shares_kept: (0..3_000).map(share).collect(),
        shares: AccessStructure::new(3, 10).ok(),
        ..of.clone()
    }
}
