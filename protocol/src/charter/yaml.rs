//! YAML as a tree in which every value knows its line and column.
//!
//! Only what a charter needs is taken: one document of mappings, lists and scalars. Anchors, aliases and tags are
//! refused, as they make a text mean other than it looks. A mapping keeps keys that stand twice.

use std::borrow::Cow;

use serde_saphyr::granit_parser::{Event, Marker, Parser, ScalarStyle};

use super::bounds::{DEPTH_MAX, NODES_MAX};

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

/// A value, and where it begins.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    /// A text, a number, a word: YAML tells them apart by quotes only.
    Scalar {
        text: String,
        is_plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key, and where it begins.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) place: Place,
    pub(super) text: String,
}

/// Why a text is no tree.
#[derive(Debug)]
pub(super) struct NoTree {
    pub(super) place: Place,
    pub(super) what: String,
    pub(super) mend: &'static str,
}

impl NoTree {
    fn new(place: Place, what: impl Into<String>, mend: &'static str) -> Self {
        Self {
            place,
            what: what.into(),
            mend,
        }
    }
}

/// What is being put together: a list, or a mapping that may wait for the value of a key.
enum Open {
    List(Place, Vec<Node>),
    Map(Place, Vec<(Key, Node)>, Option<Key>),
}

/// Reads a text.
pub(super) fn tree(text: &str) -> Result<Node, NoTree> {
    let end = end_of(text);
    let mut parser = Parser::new_from_str(text);
    let mut open: Vec<Open> = Vec::new();
    let mut root: Option<Node> = None;
    let mut nodes = 0;
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|fault| {
            let place = place_of(fault.marker(), end);
            let mend = "mend it and check again: what comes after it was not read";
            NoTree::new(place, format!("this is no YAML: {}", fault.info()), mend)
        })?;
        let place = place_of(&span.start, end);
        refuse_meaning(&event, place)?;
        if event.is_node() {
            nodes += 1;
            if nodes > NODES_MAX {
                let what = format!("there are more than {NODES_MAX} values");
                return Err(NoTree::new(place, what, "shorten the file"));
            }
            if root.is_some() {
                let mend = "keep one document in the file";
                return Err(NoTree::new(place, "a second document begins here", mend));
            }
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the parser's events may become more; those are no values"
        )]
        let done = match event {
            Event::Scalar(text, style, ..) => Some(scalar(place, text, style)),
            Event::SequenceStart(..) => {
                open.push(Open::List(place, Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(place, Vec::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(|closed| match closed {
                Open::List(place, items) => Node {
                    place,
                    value: Value::List(items),
                },
                Open::Map(place, entries, _) => Node {
                    place,
                    value: Value::Map(entries),
                },
            }),
            _ => None,
        };
        if open.len() > DEPTH_MAX {
            let what = format!("values stand in each other more than {DEPTH_MAX} deep");
            return Err(NoTree::new(place, what, "look at the indentation"));
        }
        let Some(node) = done else { continue };
        match open.last_mut() {
            None => root = Some(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, entries, waiting)) => match waiting.take() {
                Some(key) => entries.push((key, node)),
                None => *waiting = Some(key(node)?),
            },
        }
    }
    root.ok_or_else(|| {
        let place = Place { line: 1, column: 1 };
        NoTree::new(
            place,
            "the file is empty",
            "`x0 charter show` prints one to begin with",
        )
    })
}

fn scalar(place: Place, text: Cow<'_, str>, style: ScalarStyle) -> Node {
    let is_plain = style == ScalarStyle::Plain;
    // A block keeps its last line break, which nobody means.
    let text = match is_plain {
        true => text.into_owned(),
        false => text.trim_end_matches('\n').to_owned(),
    };
    Node {
        place,
        value: Value::Scalar { text, is_plain },
    }
}

fn key(node: Node) -> Result<Key, NoTree> {
    let Node { place, value } = node;
    match value {
        Value::Scalar { text, .. } => Ok(Key { place, text }),
        Value::List(_) | Value::Map(_) => {
            let mend = "write `key: value`";
            Err(NoTree::new(place, "a key is a list or a mapping", mend))
        }
    }
}

fn refuse_meaning(event: &Event<'_>, place: Place) -> Result<(), NoTree> {
    if event.is_alias() || event.anchor_id().is_some() {
        let what = "anchors (&) and aliases (*) are not taken here";
        let mend = "write the value out; put texts that begin with & or * in quotes";
        return Err(NoTree::new(place, what, mend));
    }
    if event.tag().is_some() {
        let what = "tags (!) are not taken here";
        return Err(NoTree::new(
            place,
            what,
            "leave the tag away; put texts that begin with ! in quotes",
        ));
    }
    Ok(())
}

/// Makes a place that lies inside the text, also for what is missed behind its end.
fn place_of(marker: &Marker, end: Place) -> Place {
    let place = Place {
        line: marker.line().max(1) as u64,
        column: marker.col() as u64 + 1,
    };
    place.min(end)
}

/// Returns the place behind the last character of the last line.
fn end_of(text: &str) -> Place {
    let (count, last) = text
        .lines()
        .fold((0, ""), |(count, _), line| (count + 1, line));
    Place {
        line: count.max(1),
        column: last.chars().count() as u64 + 1,
    }
}
