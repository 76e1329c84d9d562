//! The map: this node, its links, and the members it knows, drawn by the node itself.
//!
//! The drawing shows what this node knows first-hand: its own links, and who invited whom. How other
//! members are linked among themselves is their affair, and no node tells it.
//!
//! Every node on the map is a link to the same page with that node's details, so that the map works with
//! a keyboard and without scripts; the list of peers holds the same in words.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use x0_crypto::PublicKey;
use x0_protocol::{
    core::command::{AuditHeads, LinkView, Status},
    spine::directory::Member,
};

use super::{
    Source,
    layout::{self, HEIGHT, MIDDLE, Point, WIDTH},
    page::{Frame, Page},
    parts::{self, Tone},
    peers,
    read::{self, Trouble, link_to},
    text::Texts,
};

/// Most members drawn beside the links; a browser draws so many without delay.
const DRAWN_MAX: usize = 1_500;
/// Most members drawn on the first page.
const PREVIEW_MAX: usize = 150;
/// Up to so many nodes on a ring have their names written.
const NAMED_MAX: usize = 24;
/// Up to so many members are stops of the tab key; in larger meshes only links are.
const STOPS_MAX: usize = 60;

/// Renders the page.
pub(super) async fn content<S: Source>(frame: &Frame<'_, S>) -> Result<Markup, Trouble> {
    let Frame {
        source,
        t,
        status,
        asked,
        ..
    } = frame;
    let t = *t;
    let links = read::links(*source).await?;
    let members = read::members(*source).await?;
    let heads = read::audit_heads(*source).await?;
    let chosen = asked
        .node
        .as_ref()
        .and_then(|text| text.parse::<PublicKey>().ok());
    let scene = Scene::new(status, &links, &members, DRAWN_MAX);
    Ok(html! {
        div.title {
            h1 { (t.say("page-map")) }
            p.lead { (t.say("map-lead")) " " a href=(Page::Peers.path()) { (t.say("map-as-list")) } }
        }
        div.columns.wide {
            section.card #drawing data-live aria-label=(t.say("map-drawing")) {
                (scene.drawing(t, Manner::Whole { chosen }))
                (legend(t))
                @if scene.hidden > 0 { p.quiet { (t.count("map-hidden", scene.hidden)) } }
            }
            section.card #details data-live aria-live="polite" {
                @match chosen {
                    Some(key) => (details(frame, &key, &links, &members, &heads)),
                    None => (parts::empty(&t.say("map-choose-title"), &t.say("map-choose"), None)),
                }
            }
        }
    })
}

/// Draws a small map that leads to the page.
pub(super) fn preview(t: Texts, status: &Status, links: &[LinkView], members: &[Member]) -> Markup {
    let scene = Scene::new(status, links, members, PREVIEW_MAX);
    html! {
        a.preview href=(Page::Map.path()) aria-label=(t.say("map-open")) {
            (scene.drawing(t, Manner::Preview))
        }
        p.quiet { (t.with("map-preview", [("links", scene.near.len().into()), ("others", scene.others.into())])) }
    }
}

/// What is drawn.
struct Scene {
    own: PublicKey,
    near: Vec<(PublicKey, Point)>,
    far: Vec<(PublicKey, Point)>,
    /// Members that are not linked, drawn or not.
    others: usize,
    /// Members that are not drawn.
    hidden: usize,
    /// Who invited whom, by their places.
    invites: Vec<(Point, Point)>,
}

/// How a scene is drawn.
#[derive(Clone, Copy)]
enum Manner {
    Preview,
    Whole { chosen: Option<PublicKey> },
}

impl Scene {
    fn new(status: &Status, links: &[LinkView], members: &[Member], drawn_max: usize) -> Self {
        let own = status.node;
        let greeted = links.iter().filter(|link| link.greeted && link.peer != own);
        let near: BTreeSet<_> = greeted.map(|link| link.peer).collect();
        let active = members.iter().filter(|member| member.is_active());
        let mut far: Vec<_> = active
            .map(|member| member.key)
            .filter(|key| *key != own && !near.contains(key))
            .collect();
        far.sort_unstable();
        let others = far.len();
        far.truncate(drawn_max);
        let near: Vec<_> = near.into_iter().collect();
        let (near_at, far_at) = layout::place(&near, &far);
        let near: Vec<_> = near.into_iter().zip(near_at).collect();
        let hidden = others - far.len();
        let far: Vec<_> = far.into_iter().zip(far_at).collect();
        let places: BTreeMap<_, _> = near
            .iter()
            .chain(&far)
            .copied()
            .chain([(own, MIDDLE)])
            .collect();
        let invites = members.iter().filter_map(|member| {
            let guest = places.get(&member.key)?;
            let host = places.get(member.invited_by.as_ref()?)?;
            Some((*host, *guest))
        });
        let invites = invites.collect();
        Self {
            own,
            near,
            far,
            others,
            hidden,
            invites,
        }
    }

    fn drawing(&self, t: Texts, manner: Manner) -> Markup {
        let summary = t.with(
            "map-summary",
            [
                ("links", self.near.len().into()),
                ("others", self.others.into()),
            ],
        );
        let is_whole = matches!(manner, Manner::Whole { .. });
        let is_sparse = self.far.len() <= NAMED_MAX;
        html! {
            svg.map.sparse[is_sparse] viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="group" aria-label=(summary)
                aria-hidden=[(!is_whole).then_some("true")] {
                g.invites { @for (a, b) in &self.invites { (line(*a, *b)) } }
                g.links { @for (_, at) in &self.near { (line(MIDDLE, *at)) } }
                g.far { @for (key, at) in &self.far { (self.dot(t, manner, key, *at, Place::Far)) } }
                g.near { @for (key, at) in &self.near { (self.dot(t, manner, key, *at, Place::Near)) } }
                g.own { (self.dot(t, manner, &self.own, MIDDLE, Place::Own)) }
            }
        }
    }

    fn dot(&self, t: Texts, manner: Manner, key: &PublicKey, at: Point, place: Place) -> Markup {
        let circle = html! { circle.dot cx=(round(at.x)) cy=(round(at.y)) r=(place.radius()) {} };
        let Manner::Whole { chosen } = manner else {
            return circle;
        };
        let state = match place {
            Place::Own => t.say("map-own"),
            Place::Near => t.say("map-linked"),
            Place::Far => t.say("map-member"),
        };
        let is_named = match place {
            Place::Own => true,
            Place::Near => self.near.len() <= NAMED_MAX,
            Place::Far => self.far.len() <= NAMED_MAX,
        };
        let is_stop = place != Place::Far || self.far.len() <= STOPS_MAX;
        let name = format!("…{}", key.short());
        html! {
            a #{ "at-" (key) } href={ (Page::Map.path()) "?node=" (key) } data-node=(key)
                aria-label={ (name) ", " (state) }
                aria-current=[(chosen == Some(*key)).then_some("true")]
                tabindex=[(!is_stop).then_some("-1")] {
                title { (key) " · " (state) }
                circle.reach cx=(round(at.x)) cy=(round(at.y)) r="36" {}
                (circle)
                @if is_named {
                    text x=(round(at.x)) y=(round(at.y + place.name_below())) { (name) }
                }
            }
        }
    }
}

/// Where a node stands in relation to this one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Own,
    Near,
    Far,
}

impl Place {
    const fn radius(self) -> u32 {
        match self {
            Self::Own => 22,
            Self::Near => 14,
            Self::Far => 8,
        }
    }

    const fn name_below(self) -> f64 {
        match self {
            Self::Own => 52.0,
            Self::Near => 40.0,
            Self::Far => 34.0,
        }
    }
}

fn line(a: Point, b: Point) -> Markup {
    html! { line x1=(round(a.x)) y1=(round(a.y)) x2=(round(b.x)) y2=(round(b.y)) {} }
}

/// Writes a coordinate with one decimal: finer than any screen shows.
fn round(coordinate: f64) -> String {
    format!("{coordinate:.1}")
}

fn legend(t: Texts) -> Markup {
    html! {
        ul.legend {
            li.own { i {} (t.say("map-own")) }
            li.near { i {} (t.say("map-linked")) }
            li.far { i {} (t.say("map-member")) }
            li.link { i {} (t.say("map-link")) }
            li.invite { i {} (t.say("map-invite")) }
        }
    }
}

fn details<S>(
    frame: &Frame<'_, S>,
    key: &PublicKey,
    links: &[LinkView],
    members: &[Member],
    heads: &AuditHeads,
) -> Markup {
    let t = frame.t;
    let own = &frame.status.node;
    let member = members.iter().find(|member| member.key == *key);
    let link = link_to(links, key);
    let witness = heads.witnesses.iter().find(|(peer, _)| peer == key);
    let seen = heads.seen.iter().find(|head| head.author == *key);
    html! {
        h2 { "…" (key.short()) }
        p {
            @if key == own { (parts::badge(Tone::Good, &t.say("map-own"))) }
            @else if link.is_some_and(|link| link.greeted) { (parts::badge(Tone::Good, &t.say("map-linked"))) }
            " "
            @match member {
                Some(member) => (peers::standing(t, member.standing)),
                None => (parts::badge(Tone::Waiting, &t.say("details-unknown"))),
            }
        }
        dl.pairs.tall {
            div { dt { (t.say("details-name")) } dd { code.whole { (key) } } }
            @if let Some(member) = member {
                div { dt { (t.say("column-since")) } dd { (parts::moment(member.since)) } }
                div {
                    dt { (t.say("column-invited-by")) }
                    dd {
                        @match &member.invited_by {
                            Some(host) => (parts::node_or_self(t, host, own)),
                            None => (t.say("founder")),
                        }
                    }
                }
                @if let Some(region) = &member.region {
                    div { dt { (t.say("column-region")) } dd { (region) } }
                }
            }
            @if let Some(link) = link {
                div {
                    dt { (t.say("details-link")) }
                    dd { (peers::direction(t, link)) ", " (parts::mono_moment(link.since, frame.now)) }
                }
            }
            @if let Some((_, size)) = witness {
                div { dt { (t.say("details-witness")) } dd { (t.count("entries-count", *size)) } }
            }
            @if let Some(head) = seen {
                div {
                    dt { (t.say("details-head")) }
                    dd { (t.count("entries-count", head.size)) ", " (parts::moment(head.time)) }
                }
            }
        }
        @if member.is_none() { p.quiet { (t.say("details-unknown-why")) } }
    }
}
