//! Sublime: what protects items here and now, who calls for one in an emergency, which are known, who asks for them, and how to
//! put, ask for and open one.
//!
//! Titles are sealed with the content, so that an item is told by its name alone. What this node itself keeps and released
//! is on the page of the guardian.

use maud::{Markup, html};
use x0_crypto::ContentId;
use x0_protocol::{
    core::{
        limits::{ACCESS_WINDOW_MIN, GUARDIANS_DRAWN, GUARDIANS_MIN, GUARDIANS_NEEDED},
        sublime::{SharedView, Standing, SublimeView},
    },
    sublime::known::Item,
};

use super::{
    Source,
    access::Requests,
    calls::Calls,
    page::{Frame, Page},
    parts::{self, Sheet, Tone},
    read::{self, Trouble},
    text::Texts,
};

/// Items on one sheet.
const ITEMS_SHOWN: usize = 30;
/// Bytes of a whole chunk.
const CHUNK_BYTES: u64 = 256 * 1024;
const HOUR_MS: u64 = 3_600_000;

/// Renders the page.
pub(super) async fn content<S: Source>(frame: &Frame<'_, S>) -> Result<Markup, Trouble> {
    let t = frame.t;
    let known = read::sublime(frame.source).await?;
    let votes = read::votes(frame.source).await?;
    let calls = Calls::ask(frame.source).await?;
    let log = read::guarding(frame.source).await?.log;
    let mut requests = Requests::of(&known, &votes, &log);
    requests
        .look_for_parts(frame.source, &frame.status.node)
        .await;
    Ok(html! {
        div.title {
            h1 { (t.say("page-sublime")) }
            p.lead { (t.say("sublime-lead")) }
        }
        (figures(t, &known))
        div.columns.even {
            (protection(frame, &known))
            (how(t))
        }
        (calls.all(frame))
        div.stack #requests data-live {
            h2 { (t.say("sublime-requests")) " " span.count { (known.requests.len()) } }
            @if known.requests.is_empty() {
                section.card {
                    (parts::empty(
                        &t.say("sublime-requests-empty-title"),
                        &t.say("sublime-requests-empty"),
                        Some("x0 sublime request ITEM --why TEXT"),
                    ))
                }
            }
            (requests.all(frame))
        }
        (items(frame, &known))
    })
}

fn figures(t: Texts, known: &SublimeView) -> Markup {
    let serves = match known.serves {
        true => t.say("sublime-tile-serves"),
        false => t.say("sublime-tile-serves-not"),
    };
    let undecided = known.requests.iter();
    let undecided = undecided.filter(|request| request.standing == Standing::Undecided);
    let shares = match known.shares {
        Some(access) => {
            let numbers = [
                ("n", access.threshold().into()),
                ("of", access.shares().into()),
            ];
            (
                t.with("sheet-of", numbers),
                t.say("sublime-tile-shares-now"),
            )
        }
        None => ("—".to_owned(), t.say("sublime-tile-shares-none")),
    };
    html! {
        dl.tiles #figures data-live {
            (parts::tile(&t.say("sublime-tile-serving"), t.count("number", known.serving), &serves))
            (parts::tile(&t.say("sublime-tile-shares"), shares.0, &shares.1))
            (parts::tile(&t.say("sublime-items"), t.count("number", known.items.len()), ""))
            (parts::tile(
                &t.say("sublime-tile-undecided"),
                t.count("number", undecided.count()),
                &t.say("sublime-tile-undecided-is"),
            ))
        }
    }
}

/// Says in plain words what holds items shut now, and what does not.
fn protection<S>(frame: &Frame<'_, S>, known: &SublimeView) -> Markup {
    let t = frame.t;
    let others = known.serving - usize::from(known.serves);
    let shares = match known.shares {
        Some(access) => {
            let numbers = [
                ("n", access.threshold().into()),
                ("of", access.shares().into()),
            ];
            (Tone::Good, t.with("sublime-shares", numbers))
        }
        None => {
            let numbers = [("n", others.into()), ("needed", GUARDIANS_MIN.into())];
            (Tone::Bad, t.with("sublime-too-few", numbers))
        }
    };
    let committee = match frame.status.trust.epoch {
        Some(_) => (Tone::Good, t.say("sublime-committee")),
        None => (Tone::Bad, t.say("sublime-no-committee")),
    };
    let hours = ACCESS_WINDOW_MIN.0 / HOUR_MS;
    let facts = [
        shares,
        committee,
        (Tone::Good, t.count("sublime-vote", hours)),
        (Tone::Good, t.say("sublime-logged")),
        (Tone::Waiting, t.say("sublime-not-together")),
        (Tone::Waiting, t.say("sublime-not-back")),
        (Tone::Waiting, t.say("sublime-not-anew")),
        (Tone::Waiting, t.say("sublime-not-hidden")),
    ];
    html! {
        section.card #protection data-live {
            h2 { (t.say("sublime-protection")) }
            ul.facts { @for (tone, fact) in &facts { li { (parts::sign(*tone)) span { (fact) } } } }
            h3 { (t.say("sublime-rules")) }
            (rules(t, known))
        }
    }
}

/// Says how many shares open an item in meshes of all sizes, and which of it holds here.
fn rules(t: Texts, known: &SublimeView) -> Markup {
    let now = match known.shares {
        None => 3,
        Some(access) if access.threshold() < GUARDIANS_NEEDED => 2,
        Some(access) if access.shares() < GUARDIANS_DRAWN => 1,
        Some(_) => 0,
    };
    let rules = [
        t.say("sublime-rule-full"),
        t.say("sublime-rule-middle"),
        t.say("sublime-rule-small"),
        t.say("sublime-rule-few"),
    ];
    html! {
        ul.plain {
            @for (rule, place) in rules.iter().zip(0..) {
                li {
                    (rule)
                    @if place == now { " " (parts::badge(Tone::Plain, &t.say("sublime-rule-now"))) }
                }
            }
        }
    }
}

/// Says by which commands an item is put, asked for and opened.
fn how(t: Texts) -> Markup {
    let ways = [
        (t.say("sublime-how-put"), "x0 sublime put FILE --title TEXT"),
        (
            t.say("sublime-how-request"),
            "x0 sublime request ITEM --why TEXT",
        ),
        (
            t.say("sublime-how-get"),
            "x0 sublime get ITEM --request REQUEST --out FILE",
        ),
        (t.say("sublime-how-list"), "x0 sublime list"),
    ];
    html! {
        section.card {
            h2 { (t.say("sublime-how")) }
            dl.pairs.tall {
                @for (what, command) in &ways { div { dt { (what) } dd { code { (command) } } } }
            }
            p { (t.say("sublime-how-serve")) " " a href=(Page::Guardian.path()) { (t.say("page-guardian")) } }
        }
    }
}

fn items<S>(frame: &Frame<'_, S>, known: &SublimeView) -> Markup {
    let t = frame.t;
    let sheet = Sheet::pick(frame.asked.sheet.as_deref(), known.items.len(), ITEMS_SHOWN);
    html! {
        div.stack #items data-live {
            h2 { (t.say("sublime-items")) " " span.count { (known.items.len()) } }
            @if known.items.is_empty() {
                section.card {
                    (parts::empty(
                        &t.say("sublime-items-empty-title"),
                        &t.say("sublime-items-empty"),
                        Some("x0 sublime put FILE"),
                    ))
                }
            } @else { p.quiet { (t.say("sublime-titles")) } }
            @for (id, item, shared) in sheet.cut(&known.items) {
                (card(t, known, (id, item), shared))
            }
            (parts::pager(t, Page::Sublime, sheet))
        }
    }
}

fn card(
    t: Texts,
    known: &SublimeView,
    (id, item): (&ContentId, &Item),
    shared: &SharedView,
) -> Markup {
    let opens = [
        ("n", shared.access.threshold().into()),
        ("of", shared.access.shares().into()),
    ];
    let is_dealt_on = known.rotations.iter().any(|open| open.key == item.key);
    let is_guarded = known.shares_kept.iter().any(|(key, ..)| *key == item.key);
    let size = parts::size(t, item.chunks.saturating_mul(CHUNK_BYTES));
    html! {
        article.card.act {
            header {
                h3 { (t.say("item")) " " (parts::record(id)) }
                (parts::moment(item.time))
            }
            p.by {
                (t.with("item-opens", opens)) " · " (t.with("item-size", [("size", size.into())]))
                @if is_guarded { " " (parts::badge(Tone::Plain, &t.say("item-share-here"))) }
            }
            p {
                (t.count("item-dealt-on", u64::from(shared.epoch))) " "
                @if shared.forgotten {
                    (parts::badge(Tone::Bad, &t.say("item-forgotten")))
                } @else if is_dealt_on {
                    (parts::badge(Tone::Waiting, &t.say("item-rotating")))
                } @else {
                    (t.say("item-rotation-due")) " " (parts::moment(shared.due))
                }
            }
            @if let Some(terms) = &item.card {
                p {
                    (t.say("item-card")) " "
                    @if !terms.label.as_str().is_empty() { (parts::foreign(terms.label.as_str())) " " }
                    @if shared.card_revoked { (parts::badge(Tone::Bad, &t.say("item-card-revoked"))) }
                }
            }
            p.quiet { (t.say("item-ask")) " " code { "x0 sublime request " (id) " --why TEXT" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use x0_protocol::sublime::draw::shares;

    #[test]
    fn the_thresholds_that_the_page_tells_are_those_in_force() {
        let told = |serving| shares(serving).map(|access| (access.threshold(), access.shares()));

        assert_eq!(told(2), None, "sublime-rule-few");
        assert_eq!(
            [3, 4].map(told),
            [Some((2, 3)), Some((2, 4))],
            "sublime-rule-small"
        );
        assert_eq!(
            [5, 9].map(told),
            [Some((3, 5)), Some((3, 9))],
            "sublime-rule-middle"
        );
        assert_eq!([10, 400].map(told), [Some((3, 10)); 2], "sublime-rule-full");
    }
}
