//! What x0 is, what the words mean, what is protected and what is not, and where to go on.

use maud::{Markup, html};

use super::{page::Frame, text::Texts};

/// Renders the page.
pub(super) fn content<S>(frame: &Frame<'_, S>) -> Markup {
    let t = frame.t;
    html! {
        div.title {
            h1 { (t.say("page-about")) }
            p.lead { (t.say("about-lead")) }
        }
        section.card {
            h2 { (t.say("about-words")) }
            dl.glossary { @for (word, meaning) in words(t) { div { dt { (word) } dd { (meaning) } } } }
        }
        div.columns.even {
            section.card {
                h2 { (t.say("about-protected")) }
                ul.plain {
                    li { (t.say("about-protected-acts")) }
                    li { (t.say("about-protected-log")) }
                    li { (t.say("about-protected-page")) }
                }
            }
            section.card {
                h2 { (t.say("about-unprotected")) }
                ul.plain {
                    li { (t.say("about-unprotected-committee")) }
                    li { (t.say("about-unprotected-machine")) }
                    li { (t.say("about-unprotected-traffic")) }
                }
            }
        }
        section.card {
            h2 { (t.say("about-commands")) }
            dl.pairs.commands {
                @for (command, does) in commands(t) { div { dt { code { (command) } } dd { (does) } } }
            }
        }
        section.card {
            h2 { (t.say("about-page")) }
            p { (t.say("about-page-live")) }
            p { (t.say("about-page-keys")) }
            p.quiet {
                "x0 " (env!("CARGO_PKG_VERSION")) " · "
                (t.count("about-rules", frame.status.rules.0)) " · "
                (t.say("about-mesh-id")) " " code.whole { (frame.status.mesh) }
            }
        }
    }
}

fn words(t: Texts) -> [(String, String); 9] {
    [
        (t.say("word-mesh"), t.say("word-mesh-is")),
        (t.say("word-member"), t.say("word-member-is")),
        (t.say("word-link"), t.say("word-link-is")),
        (t.say("word-record"), t.say("word-record-is")),
        (t.say("word-capability"), t.say("word-capability-is")),
        (t.say("word-act"), t.say("word-act-is")),
        (t.say("word-audit"), t.say("word-audit-is")),
        (t.say("item"), t.say("word-item-is")),
        (t.say("page-guardian"), t.say("word-guardian-is")),
    ]
}

fn commands(t: Texts) -> [(&'static str, String); 6] {
    [
        ("x0 status", t.say("command-status")),
        ("x0 invite", t.say("command-invite")),
        ("x0 cap grant", t.say("command-cap-grant")),
        ("x0 act propose", t.say("command-act-propose")),
        ("x0 audit verify", t.say("command-audit-verify")),
        ("x0 --help", t.say("command-help")),
    ]
}
