//! The guardian: whether this member serves, what that means and risks, the shares it keeps, the requests that wait for its
//! vote, what its node has released; and of [`duties`] who has asked it to serve, and what a drill found.
//!
//! Which shares are kept is what the node knows; since when, and what was released, its audit log tells.

use maud::{Markup, html};
use x0_crypto::PublicKey;
use x0_protocol::core::sublime::SublimeView;

use super::{
    GuardLog, Guarding, Source,
    access::Requests,
    duties, happenings,
    page::{Frame, Page},
    parts::{self, Sheet, Tone},
    read::{self, Trouble},
    text::Texts,
};

/// Shares on one sheet.
const SHARES_SHOWN: usize = 50;
/// Releases that are shown; the audit log has all of them.
const RELEASES_SHOWN: usize = 50;

/// Renders the page.
pub(super) async fn content<S: Source>(frame: &Frame<'_, S>) -> Result<Markup, Trouble> {
    let t = frame.t;
    let known = read::sublime(frame.source).await?;
    let votes = read::votes(frame.source).await?;
    let here = read::guarding(frame.source).await?;
    let guardians = read::guardians(frame.source).await?;
    let requests = Requests::of(&known, &votes, &here.log);
    let waiting = requests.waiting(frame);
    Ok(html! {
        div.title {
            h1 { (t.say("page-guardian")) }
            p.lead { (t.say("guardian-lead")) }
        }
        div #notices data-live { (notices(t, &known, &here)) }
        (duties::invitations(t, &guardians))
        (figures(t, &known, &here, waiting.len()))
        div.columns.even {
            (serving(t, &known))
            (risks(t))
        }
        div.stack #waiting data-live {
            h2 { (t.say("guardian-waiting")) " " span.count { (waiting.len()) } }
            @if waiting.is_empty() { p.quiet { (t.say("guardian-waiting-none")) } }
            (requests.listed(frame, &waiting))
            p.quiet { a href=(Page::Sublime.path()) { (t.say("guardian-all-requests")) } }
        }
        (shares(frame, &known, &here.log))
        (duties::drill(t, &known, &here.drills, guardians.drilled.as_ref()))
        (released(t, &here.log))
        (duties::others(frame, &guardians))
    })
}

/// Says what endangers the shares that are kept, or those that are to come.
fn notices(t: Texts, known: &SublimeView, here: &Guarding) -> Markup {
    let kept = known.shares_kept.len();
    html! {
        @if (known.serves || kept > 0) && here.needs_passphrase == Some(false) {
            div.notice.bad {
                (parts::sign(Tone::Bad))
                div {
                    p { (t.say("guardian-open-disk")) }
                    p { code { "x0 identity passphrase" } }
                }
            }
        }
        @if !known.serves && kept > 0 {
            p.notice.waiting { (parts::sign(Tone::Waiting)) span { (t.count("guardian-left", kept)) } }
        }
        @let own = known.rotations.iter().filter(|open| open.deals || open.takes).count();
        @if own > 0 {
            p.notice.waiting { (parts::sign(Tone::Waiting)) span { (t.count("guardian-rotating", own)) } }
        }
        @if let Err(why) = &here.content {
            p.notice.bad {
                (parts::sign(Tone::Bad))
                span { (t.say("guardian-no-content")) " " (parts::foreign(why)) }
            }
        }
    }
}

fn figures(t: Texts, known: &SublimeView, here: &Guarding, waiting: usize) -> Markup {
    let content = match &here.content {
        Ok(held) => (
            parts::size(t, held.bytes),
            t.count("guardian-tile-content-is", held.peers),
        ),
        Err(_) => ("—".to_owned(), String::new()),
    };
    html! {
        dl.tiles #figures data-live {
            (parts::tile(&t.say("guardian-tile-shares"), t.count("number", known.shares_kept.len()), ""))
            (parts::tile(&t.say("guardian-tile-content"), content.0, &content.1))
            (parts::tile(&t.say("guardian-tile-released"), t.count("number", here.log.releases()), ""))
            (parts::tile(&t.say("guardian-waiting"), t.count("number", waiting), ""))
        }
    }
}

/// Says whether this member serves, and how to change that.
fn serving(t: Texts, known: &SublimeView) -> Markup {
    let (tone, name, meaning, change, command) = match known.serves {
        true => (
            Tone::Good,
            "guardian-serves",
            "guardian-serves-is",
            "guardian-leave-how",
            "x0 guardian leave",
        ),
        false => (
            Tone::Plain,
            "guardian-serves-not",
            "guardian-serves-not-is",
            "guardian-serve-how",
            "x0 guardian serve",
        ),
    };
    html! {
        section.card #serving data-live {
            h2 { (t.say("guardian-state")) }
            p { (parts::badge(tone, &t.say(name))) " " (t.say(meaning)) }
            dl.pairs {
                div { dt { (t.say("guardian-all")) } dd { (t.count("number", known.serving)) } }
                @if let Some(access) = known.shares {
                    div {
                        dt { (t.say("guardian-now")) }
                        dd { (t.with("item-opens", [
                            ("n", access.threshold().into()), ("of", access.shares().into()),
                        ])) }
                    }
                }
            }
            p { (t.say(change)) " " code { (command) } }
            p.quiet { (t.say("audit-verify-elsewhere")) " " code { "x0 guardian show" } }
        }
    }
}

/// Says what whoever serves takes upon itself.
fn risks(t: Texts) -> Markup {
    let means = [
        t.say("guardian-means-keeps"),
        t.say("guardian-means-releases"),
        t.say("guardian-means-stays"),
        t.say("guardian-means-seen"),
    ];
    let risks = [
        t.say("guardian-risk-together"),
        t.say("guardian-risk-disk"),
        t.say("guardian-risk-pressed"),
        t.say("guardian-risk-room"),
    ];
    html! {
        section.card {
            h2 { (t.say("guardian-means")) }
            ul.plain { @for line in &means { li { (line) } } }
            h3 { (t.say("guardian-risks")) }
            ul.plain { @for line in &risks { li { (line) } } }
        }
    }
}

fn shares<S>(frame: &Frame<'_, S>, known: &SublimeView, log: &GuardLog) -> Markup {
    let t = frame.t;
    let kept = &known.shares_kept;
    let sheet = Sheet::pick(frame.asked.sheet.as_deref(), kept.len(), SHARES_SHOWN);
    html! {
        section.card #shares data-live {
            h2 { (t.say("guardian-shares")) " " span.count { (kept.len()) } }
            @if kept.is_empty() {
                (parts::empty(&t.say("guardian-shares-empty-title"), &t.say("guardian-shares-empty"), None))
            } @else {
                table {
                    thead {
                        tr {
                            th scope="col" { (t.say("item")) }
                            th scope="col" { (t.say("column-epoch")) }
                            th scope="col" { (t.say("column-share")) }
                            th scope="col" { (t.say("column-owner")) }
                            th scope="col" { (t.say("column-kept-since")) }
                        }
                    }
                    tbody {
                        @for (item, epoch, index, owner) in sheet.cut(kept) {
                            tr {
                                th scope="row" { span { (named(t, known, item)) } }
                                td data-label=(t.say("column-epoch")) { (epoch) }
                                td data-label=(t.say("column-share")) { (index.number()) }
                                td data-label=(t.say("column-owner")) {
                                    @match owner {
                                        Some(owner) => {
                                            span { (parts::node_or_self(t, owner, &frame.status.node)) }
                                        }
                                        None => span { (t.say("guardian-dealt-on")) },
                                    }
                                }
                                td data-label=(t.say("column-kept-since")) {
                                    @match log.since(item, *epoch) {
                                        Some(since) => (parts::moment(since)),
                                        None => "—",
                                    }
                                }
                            }
                        }
                    }
                }
            }
            (parts::pager(t, Page::Guardian, sheet))
        }
    }
}

/// Names an item by its record; by its key, as long as nobody has made it known.
pub(super) fn named(t: Texts, known: &SublimeView, key: &PublicKey) -> Markup {
    let mut items = known.items.iter();
    match items.find(|(_, item, _)| item.key == *key) {
        Some((id, ..)) => parts::record(id),
        None => html! {
            span.id title=(key) { "…" (key.short()) } " " span.note { (t.say("item-not-known")) }
        },
    }
}

fn released(t: Texts, log: &GuardLog) -> Markup {
    html! {
        section.card #released data-live data-feed {
            h2 { (t.say("guardian-released")) " " span.count { (t.count("number", log.releases())) } }
            p.quiet { (t.say("guardian-released-what")) " " a href=(Page::Audit.path()) { (t.say("page-audit")) } }
            @if log.releases() == 0 { p.quiet { (t.say("guardian-released-none")) } }
            @else {
                ol.lines {
                    @for (index, entry) in log.newest().take(RELEASES_SHOWN) {
                        (happenings::entry(t, &entry.what).item(*index, entry.time))
                    }
                }
            }
        }
    }
}
