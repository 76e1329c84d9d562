//! Takes a tree apart, key by key, and keeps what is wrong with it.
//!
//! Whatever is asked for is answered: where something is broken the fault is told, and something harmless is handed out in
//! its place. What follows from that is not told at the end.

use core::{fmt, str::FromStr};
use std::collections::{BTreeMap, BTreeSet};

use super::{
    bounds::{FAULTS_MAX, PORT},
    check::{Flaw, NAME_ALLOWED, shown},
    near::nearest,
    read::{Fault, Unread},
    yaml::{Key, Node, Place, Value},
};

/// What is read: the faults so far, where each key stands, and below which keys nothing is to be believed.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) faults: Vec<Fault>,
    pub(super) places: BTreeMap<String, Place>,
    broken: BTreeSet<String>,
}

/// The entries of a mapping whose keys were looked at.
pub(super) struct Fields<'a> {
    path: String,
    place: Place,
    entries: BTreeMap<&'a str, &'a Node>,
    /// Nothing stands here, so that nothing in it is missed.
    is_void: bool,
}

impl Reader {
    /// Looks at the keys of a mapping that must stand under a key.
    pub(super) fn section<'a>(
        &mut self,
        parent: &Fields<'a>,
        key: &str,
        known: &[&str],
    ) -> Fields<'a> {
        let node = self.wanted(parent, key);
        let place = node.map_or(parent.place, |node| node.place);
        self.fields(node, &join(&parent.path, key), place, known)
    }

    /// Looks at the keys of a mapping: those that nobody knows, and those that stand twice.
    pub(super) fn fields<'a>(
        &mut self,
        node: Option<&'a Node>,
        path: &str,
        place: Place,
        known: &[&str],
    ) -> Fields<'a> {
        let mut fields = Fields {
            path: path.to_owned(),
            place,
            entries: BTreeMap::new(),
            is_void: true,
        };
        let Some(node) = node else { return fields };
        if !path.is_empty() {
            self.places.entry(path.to_owned()).or_insert(node.place);
        }
        let Value::Map(entries) = &node.value else {
            self.wrong(
                node,
                path,
                "it is no mapping",
                &format!("a mapping of {}", known.join(", ")),
            );
            return fields;
        };
        fields.is_void = false;
        for (key, node) in entries {
            let path = join(path, &key.text);
            if !known.contains(&key.text.as_str()) {
                let mend = match nearest(&key.text, known.iter().copied()) {
                    Some(meant) => format!("did you mean {meant}?"),
                    None => "take it away".to_owned(),
                };
                let allowed = known.join(", ");
                self.tell(
                    key.place,
                    &shown(&path),
                    said(node),
                    "there is no such key",
                    &allowed,
                    &mend,
                );
            } else if fields.entries.contains_key(key.text.as_str()) {
                self.twice(&path, key);
            } else {
                self.places.insert(path, key.place);
                fields.entries.insert(&key.text, node);
            }
        }
        fields
    }

    pub(super) fn entries<'a>(&mut self, node: &'a Node, path: &str) -> &'a [(Key, Node)] {
        match &node.value {
            Value::Map(entries) => entries,
            Value::Scalar { .. } | Value::List(_) => {
                self.wrong(
                    node,
                    path,
                    "it is no mapping",
                    "a mapping, one `key: value` a line",
                );
                &[]
            }
        }
    }

    pub(super) fn list<'a, T>(
        &mut self,
        fields: &Fields<'a>,
        key: &str,
        is_wanted: bool,
        mut item: impl FnMut(&mut Self, &'a Node, &str) -> T,
    ) -> Vec<T> {
        let node = match is_wanted {
            true => self.wanted(fields, key),
            false => fields.entries.get(key).copied(),
        };
        let Some(node) = node else { return Vec::new() };
        let path = join(&fields.path, key);
        let Value::List(items) = &node.value else {
            self.wrong(
                node,
                &path,
                "it is no list",
                "a list: one `- ` a line, or [] for none",
            );
            return Vec::new();
        };
        let each = items.iter().enumerate().map(|(at, node)| {
            let path = format!("{path}[{at}]");
            self.places.entry(path.clone()).or_insert(node.place);
            item(self, node, &path)
        });
        each.collect()
    }

    pub(super) fn text(&mut self, fields: &Fields<'_>, key: &str) -> String {
        match self.wanted(fields, key) {
            Some(node) => self.scalar_text(node, &join(&fields.path, key)),
            None => String::new(),
        }
    }

    pub(super) fn scalar_text(&mut self, node: &Node, path: &str) -> String {
        match &node.value {
            Value::Scalar { text, is_plain } if !(*is_plain && is_null(text)) => text.clone(),
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) => {
                self.wrong(node, path, "it is no text", "a text");
                String::new()
            }
        }
    }

    pub(super) fn number(&mut self, fields: &Fields<'_>, key: &str, instead: u64) -> u64 {
        match self.wanted(fields, key) {
            Some(_) => self.number_or(fields, key, instead),
            None => instead,
        }
    }

    pub(super) fn number_or(&mut self, fields: &Fields<'_>, key: &str, instead: u64) -> u64 {
        let Some(node) = fields.entries.get(key) else {
            return instead;
        };
        let path = join(&fields.path, key);
        let what = match &node.value {
            Value::Scalar {
                text,
                is_plain: true,
            } => match digits(text) {
                Some(number) => return number,
                None => "it is no whole number",
            },
            Value::Scalar {
                is_plain: false, ..
            } => "it is a text: take the quotes away",
            Value::List(_) | Value::Map(_) => "it is no whole number",
        };
        self.wrong(node, &path, what, "a whole number, written in digits");
        instead
    }

    pub(super) fn port(&mut self, fields: &Fields<'_>, key: &str) -> u16 {
        let number = self.number(fields, key, 1);
        let port = u16::try_from(number).ok().filter(|port| *port > 0);
        if let (None, Some(node)) = (port, fields.entries.get(key)) {
            self.wrong(
                node,
                &join(&fields.path, key),
                "it is no port",
                &PORT.to_string(),
            );
        }
        port.unwrap_or(1)
    }

    pub(super) fn flag(&mut self, fields: &Fields<'_>, key: &str, instead: bool) -> bool {
        match self.wanted(fields, key) {
            Some(_) => self.flag_or(fields, key, instead),
            None => instead,
        }
    }

    pub(super) fn flag_or(&mut self, fields: &Fields<'_>, key: &str, instead: bool) -> bool {
        let words = [(true, "true"), (false, "false")];
        match fields.entries.contains_key(key) {
            true => self.one_of(fields, key, &words, instead),
            false => instead,
        }
    }

    pub(super) fn one_of<T: Copy>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        words: &[(T, &'static str)],
        instead: T,
    ) -> T {
        let Some(node) = self.wanted(fields, key) else {
            return instead;
        };
        let written = match &node.value {
            Value::Scalar { text, .. } => text,
            Value::List(_) | Value::Map(_) => "",
        };
        if let Some((value, _)) = words.iter().find(|(_, word)| *word == written) {
            return *value;
        }
        let all: Vec<_> = words.iter().map(|(_, word)| *word).collect();
        let mend = match nearest(written, all.iter().copied()) {
            Some(meant) => format!("did you mean {meant}?"),
            None => format!("write {}", all.join(" or ")),
        };
        let path = join(&fields.path, key);
        self.broken.insert(path.clone());
        let what = "it is none of the words that may stand here";
        self.tell(node.place, &path, said(node), what, &all.join(", "), &mend);
        instead
    }

    pub(super) fn parsed_field<T: FromStr<Err: fmt::Display>>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        allowed: &str,
        instead: T,
    ) -> T {
        let node = self.wanted(fields, key);
        let path = join(&fields.path, key);
        let read = node.and_then(|node| self.parsed(node, &path, allowed));
        read.unwrap_or(instead)
    }

    pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(
        &mut self,
        node: &Node,
        path: &str,
        allowed: &str,
    ) -> Option<T> {
        let text = self.scalar_text(node, path);
        if self.broken.contains(path) {
            return None;
        }
        match text.parse() {
            Ok(value) => Some(value),
            Err(fault) => {
                self.wrong(node, path, &fault.to_string(), allowed);
                None
            }
        }
    }

    /// Finds a value that must be there, and tells if it is not.
    pub(super) fn wanted<'a>(&mut self, fields: &Fields<'a>, key: &str) -> Option<&'a Node> {
        let found = fields.entries.get(key).copied();
        if found.is_none() {
            let path = join(&fields.path, key);
            self.broken.insert(path.clone());
            if !fields.is_void {
                let mend = match key {
                    "name" => format!("write `name:` and {NAME_ALLOWED}"),
                    key => format!("write `{key}:`, see docs/charter.md"),
                };
                self.tell(
                    fields.place,
                    &path,
                    String::new(),
                    "the key is missing",
                    "",
                    &mend,
                );
            }
        }
        found
    }

    pub(super) fn twice(&mut self, path: &str, key: &Key) {
        let what = "the key stands here a second time";
        self.tell(
            key.place,
            path,
            String::new(),
            what,
            "every key once",
            "keep one of the two",
        );
    }

    fn wrong(&mut self, node: &Node, path: &str, what: &str, allowed: &str) {
        self.broken.insert(path.to_owned());
        self.tell(
            node.place,
            path,
            said(node),
            what,
            allowed,
            &format!("write {allowed}"),
        );
    }

    fn tell(
        &mut self,
        place: Place,
        key: &str,
        value: String,
        what: &str,
        allowed: &str,
        mend: &str,
    ) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault {
                line: place.line,
                column: place.column,
                key: key.replace(|c: char| c.is_control(), " "),
                value,
                what: what.to_owned(),
                allowed: allowed.to_owned(),
                mend: mend.to_owned(),
            });
        }
    }

    /// Adds the flaws of what was read, unless they follow from a broken value, and puts all in order of place.
    pub(super) fn end(mut self, flaws: Vec<Flaw>) -> Unread {
        for flaw in flaws {
            let is_below = ancestors(&flaw.key).any(|key| self.broken.contains(key));
            if is_below || self.rests_on_broken(&flaw.key) {
                continue;
            }
            let place = ancestors(&flaw.key).find_map(|key| self.places.get(key).copied());
            let place = place.unwrap_or(Place { line: 1, column: 1 });
            self.tell(
                place,
                &flaw.key,
                flaw.value,
                &flaw.what,
                &flaw.allowed,
                &flaw.mend,
            );
        }
        self.faults.sort();
        Unread {
            faults: self.faults,
            stopped: false,
        }
    }
}

impl Reader {
    /// Tells whether what the check says of a key follows from a broken value beside or below it.
    fn rests_on_broken(&self, key: &str) -> bool {
        let around = match key {
            "committee.approvals" => "committee.".to_owned(),
            "bounty.most_x0" => "bounty.".to_owned(),
            key if key.ends_with(".ports") => format!("{key}["),
            key if key.starts_with("penalties.") => format!("{key}."),
            _ => return false,
        };
        let mut behind = self.broken.range(around.clone()..);
        behind
            .next()
            .is_some_and(|broken| broken.starts_with(&around))
    }
}

fn join(path: &str, key: &str) -> String {
    match path.is_empty() {
        true => key.to_owned(),
        false => format!("{path}.{key}"),
    }
}

/// Returns a path and those above it: `a[1].b`, `a[1]`, `a`.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    core::iter::successors(Some(path), |path| {
        let end = path.rfind(['.', '['])?;
        path.get(..end)
    })
}

/// Says what stands somewhere, in short.
fn said(node: &Node) -> String {
    match &node.value {
        Value::Scalar { text, .. } => shown(text),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
    }
}

/// Tells whether YAML means nothing by it (YAML 1.2.2, section 10.2.1.1).
fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn digits(text: &str) -> Option<u64> {
    let plain = text.replace('_', "");
    let is_number = !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { plain.parse().ok() } else { None }
}
