//! The node's audit log: its head, who holds it, its entries, and whether they still lead to the head.

use data_encoding::HEXLOWER;
use maud::{Markup, html};
use x0_protocol::{
    core::command::AuditHeads,
    spine::audit::{
        Entry,
        tree::{Frontier, leaf_hash},
    },
};

use super::{
    Source, happenings,
    page::{Frame, Page},
    parts::{self, Sheet, Tone},
    read::{self, Trouble},
    text::Texts,
};

/// Entries on one sheet.
const ENTRIES_SHOWN: usize = 50;
/// Entries read at a time when the log is checked.
const ENTRIES_CHECKED: usize = 1_000;

/// Renders the page.
pub(super) async fn content<S: Source>(frame: &Frame<'_, S>) -> Result<Markup, Trouble> {
    let t = frame.t;
    let heads = read::audit_heads(frame.source).await?;
    let size = usize::try_from(heads.size).unwrap_or(usize::MAX);
    let sheet = Sheet::pick(frame.asked.sheet.as_deref(), size, ENTRIES_SHOWN);
    let end = size - sheet.skipped().min(size);
    let start = end.saturating_sub(ENTRIES_SHOWN);
    let entries = entries(frame.source, start as u64, end - start).await?;
    let verdict = match frame.asked.verify {
        Some(_) => Some(verify(frame.source, &heads).await?),
        None => None,
    };
    Ok(html! {
        div.title {
            h1 { (t.say("page-audit")) }
            p.lead { (t.say("audit-lead")) }
        }
        div.columns.even {
            section.card #head data-live {
                h2 { (t.say("audit-head")) }
                dl.pairs.tall {
                    div { dt { (t.say("audit-size")) } dd { strong { (t.count("number", heads.size)) } } }
                    div { dt { (t.say("audit-root")) } dd { code.whole { (HEXLOWER.encode(&heads.root.0)) } } }
                }
                (witnesses(t, &heads))
            }
            section.card #verify {
                h2 { (t.say("audit-verify")) }
                @match &verdict {
                    Some(verdict) => (verdict.told(t)),
                    None => p { (t.say("audit-verify-what")) },
                }
                form action=(Page::Audit.path()) method="get" {
                    input type="hidden" name="verify" value="1";
                    button { (t.say(if verdict.is_some() { "audit-verify-again" } else { "audit-verify-now" })) }
                }
                p.quiet { (t.say("audit-verify-elsewhere")) " " code { "x0 audit verify" } }
            }
        }
        section.card #entries data-live {
            h2 { (t.say("audit-entries")) }
            @if entries.is_empty() {
                (parts::empty(&t.say("audit-empty-title"), &t.say("audit-empty"), None))
            } @else {
                ol.lines.numbered {
                    @for (place, entry) in entries.iter().enumerate().rev() {
                        (happenings::entry(t, &entry.what).item((start + place) as u64, entry.time))
                    }
                }
            }
            (parts::pager(t, Page::Audit, sheet))
        }
        (seen(t, &heads))
    })
}

async fn entries<S: Source>(source: &S, from: u64, count: usize) -> Result<Vec<Entry>, Trouble> {
    match count {
        0 => Ok(Vec::new()),
        count => source.audit_entries(from, count).await.map_err(Trouble),
    }
}

/// What a check of the whole log found.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    entries: u64,
    holds: bool,
    witnesses: usize,
}

impl Verdict {
    fn told(&self, t: Texts) -> Markup {
        let witnesses = t.count("audit-witnessed", self.witnesses);
        let (tone, words) = match self.holds {
            true => (Tone::Good, t.count("audit-holds", self.entries)),
            false => (Tone::Bad, t.count("audit-broken", self.entries)),
        };
        html! {
            div.notice.(tone.class()) role="status" {
                (parts::sign(tone))
                div { p { (words) } @if self.holds { p { (witnesses) } } }
            }
        }
    }
}

/// Hashes every entry on disk and compares the root with the head the node tells others.
async fn verify<S: Source>(source: &S, heads: &AuditHeads) -> Result<Verdict, Trouble> {
    let mut tree = Frontier::default();
    while tree.size() < heads.size {
        let left = usize::try_from(heads.size - tree.size()).unwrap_or(usize::MAX);
        let page = entries(source, tree.size(), left.min(ENTRIES_CHECKED)).await?;
        if page.is_empty() {
            break;
        }
        for entry in &page {
            tree.append(leaf_hash(&entry.encode()));
        }
    }
    Ok(Verdict {
        entries: tree.size(),
        holds: tree.size() == heads.size && tree.root() == heads.root,
        witnesses: heads.witnesses.len(),
    })
}

fn witnesses(t: Texts, heads: &AuditHeads) -> Markup {
    html! {
        h3 { (t.say("audit-witnesses")) }
        @if heads.witnesses.is_empty() { p.quiet { (t.say("audit-witnesses-none")) } }
        @else {
            ul.witnesses {
                @for (peer, size) in &heads.witnesses {
                    li { (parts::node(peer)) " " small { (t.count("entries-count", *size)) } }
                }
            }
        }
        @if let Some((size, by)) = heads.countersigned {
            p {
                (t.with("audit-countersigned", [
                    ("size", size.into()),
                    ("by", by.by.to_string().into()),
                    ("of", by.of.to_string().into()),
                ]))
            }
        }
    }
}

fn seen(t: Texts, heads: &AuditHeads) -> Markup {
    html! {
        section.card #seen data-live {
            h2 { (t.say("audit-seen")) }
            p.quiet { (t.say("audit-seen-what")) }
            @if heads.seen.is_empty() { p.quiet { (t.say("audit-seen-none")) } }
            @else {
                table {
                    thead {
                        tr {
                            th scope="col" { (t.say("column-node")) }
                            th scope="col" { (t.say("audit-size")) }
                            th scope="col" { (t.say("audit-root")) }
                            th scope="col" { (t.say("column-signed")) }
                        }
                    }
                    tbody {
                        @for head in &heads.seen {
                            @let root = HEXLOWER.encode(&head.root.0);
                            tr {
                                th scope="row" { (parts::node(&head.author)) }
                                td data-label=(t.say("audit-size")) { (t.count("number", head.size)) }
                                td data-label=(t.say("audit-root")) { span.id title=(root) { (root[..8]) "…" } }
                                td data-label=(t.say("column-signed")) { (parts::moment(head.time)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
