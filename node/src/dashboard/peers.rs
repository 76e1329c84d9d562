//! The open links of this node and the members of the mesh, as lists.

use maud::{Markup, html};
use x0_protocol::{
    core::command::LinkView,
    spine::directory::{Member, Standing},
};

use super::{
    Source,
    page::{Frame, Page},
    parts::{self, Sheet, Tone},
    read::{self, Trouble, link_to},
    text::Texts,
};

/// Members on one sheet.
const MEMBERS_SHOWN: usize = 100;

/// Renders the page.
pub(super) async fn content<S: Source>(frame: &Frame<'_, S>) -> Result<Markup, Trouble> {
    let t = frame.t;
    let links = read::links(frame.source).await?;
    let mut members = read::members(frame.source).await?;
    members.sort_by_key(|member| (!member.is_active(), member.since, member.key));
    Ok(html! {
        div.title {
            h1 { (t.say("page-peers")) }
            p.lead { (t.say("peers-lead")) }
        }
        (links_table(frame, &links))
        (members_table(frame, &links, &members))
    })
}

/// Says how a member stands.
pub(super) fn standing(t: Texts, standing: Standing) -> Markup {
    match standing {
        Standing::Active => parts::badge(Tone::Plain, &t.say("standing-active")),
        Standing::Left => parts::badge(Tone::Waiting, &t.say("standing-left")),
        Standing::Removed => parts::badge(Tone::Bad, &t.say("standing-removed")),
        Standing::Displaced => parts::badge(Tone::Waiting, &t.say("standing-displaced")),
    }
}

/// Says which side opened a link.
pub(super) fn direction(t: Texts, link: &LinkView) -> String {
    if link.dialled {
        t.say("link-dialled")
    } else {
        t.say("link-accepted")
    }
}

fn links_table<S>(frame: &Frame<'_, S>, links: &[LinkView]) -> Markup {
    let t = frame.t;
    html! {
        section.card #links data-live {
            h2 { (t.say("links")) " " span.count { (links.len()) } }
            @if links.is_empty() {
                (parts::empty(&t.say("links-empty-title"), &t.say("links-empty"), Some("x0 invite")))
            } @else {
                table {
                    thead {
                        tr {
                            th scope="col" { (t.say("column-node")) }
                            th scope="col" { (t.say("column-state")) }
                            th scope="col" { (t.say("column-direction")) }
                            th scope="col" { (t.say("column-up-since")) }
                        }
                    }
                    tbody {
                        @for link in links {
                            tr {
                                th scope="row" { (parts::node(&link.peer)) }
                                td data-label=(t.say("column-state")) {
                                    @if link.greeted { (parts::badge(Tone::Good, &t.say("link-up"))) }
                                    @else { (parts::badge(Tone::Waiting, &t.say("link-greeting"))) }
                                }
                                td data-label=(t.say("column-direction")) { (direction(t, link)) }
                                td data-label=(t.say("column-up-since")) {
                                    (parts::mono_moment(link.since, frame.now))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn members_table<S>(frame: &Frame<'_, S>, links: &[LinkView], members: &[Member]) -> Markup {
    let (t, own) = (frame.t, &frame.status.node);
    let sheet = Sheet::pick(frame.asked.sheet.as_deref(), members.len(), MEMBERS_SHOWN);
    html! {
        section.card #members data-live {
            h2 { (t.say("members")) " " span.count { (members.len()) } }
            table {
                thead {
                    tr {
                        th scope="col" { (t.say("column-node")) }
                        th scope="col" { (t.say("column-state")) }
                        th scope="col" { (t.say("column-invited-by")) }
                        th scope="col" { (t.say("column-region")) }
                        th scope="col" { (t.say("column-since")) }
                    }
                }
                tbody {
                    @for member in sheet.cut(members) {
                        tr {
                            th scope="row" { (parts::node_or_self(t, &member.key, own)) }
                            td data-label=(t.say("column-state")) {
                                @if member.is_active() && link_to(links, &member.key).is_some_and(|link| link.greeted) {
                                    (parts::badge(Tone::Good, &t.say("map-linked")))
                                } @else { (standing(t, member.standing)) }
                            }
                            td data-label=(t.say("column-invited-by")) {
                                @match &member.invited_by {
                                    Some(host) => (parts::node(host)),
                                    None => (t.say("founder")),
                                }
                            }
                            td data-label=(t.say("column-region")) {
                                @match &member.region { Some(region) => (region), None => "—" }
                            }
                            td data-label=(t.say("column-since")) { (parts::moment(member.since)) }
                        }
                    }
                }
            }
            (parts::pager(t, Page::Peers, sheet))
        }
    }
}
