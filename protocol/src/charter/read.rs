//! From a file to a charter, or to every fault in it, each with its line and column.
//!
//! One broken value hides no other: it is told, something harmless stands in its place, and what follows from that
//! is not told. Only a text that is no YAML stops the reader.

use core::{fmt, str::FromStr};
use std::collections::{BTreeMap, BTreeSet};

use super::{
    Charter,
    bounds::{FAULTS_MAX, FILE_BYTES_MAX, FORMAT, PORT},
    check::{Flaw, NAME_ALLOWED, flaws, shown},
    draft::{
        Blocked, Bounty, CharterDraft, Committee, Egress, Gateway, Metric, Parser, Penalties,
        Penalty, Service, Telemetry, Windows,
    },
    name::MetricKind,
    near::nearest,
    net::{Ports, Prefix, Protocol},
    yaml::{Key, Node, Place, Value, tree},
};

/// A fault in a file, told so that it can be mended without a manual.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// The key, as a path; empty for the whole file.
    pub key: String,
    /// The value as written, cut to a readable length.
    pub value: String,
    /// What is wrong with it.
    pub what: String,
    /// What is allowed there; empty if that says nothing.
    pub allowed: String,
    /// What to do.
    pub mend: String,
}

/// Why a file is no charter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Every fault, in order of place.
    pub faults: Vec<Fault>,
    /// Whether the reader had to stop, so that there may be more.
    pub stopped: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
            if !self.value.is_empty() {
                write!(f, " = {}", self.value)?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.what)?;
        if !self.allowed.is_empty() {
            write!(f, "; allowed: {}", self.allowed)?;
        }
        write!(f, "; {}", self.mend)
    }
}

/// Reads a charter from a YAML file.
///
/// # Errors
///
/// Returns every fault.
pub fn read(file: &[u8]) -> Result<Charter, Unread> {
    if file.len() > FILE_BYTES_MAX {
        let what = format!("the file has {} bytes", file.len());
        let allowed = format!("{FILE_BYTES_MAX} bytes");
        return Err(stop(
            Place { line: 1, column: 1 },
            what,
            allowed,
            "shorten it",
        ));
    }
    let text = core::str::from_utf8(file).map_err(|fault| {
        let before = String::from_utf8_lossy(file.get(..fault.valid_up_to()).unwrap_or_default());
        let place = Place {
            line: before.matches('\n').count() as u64 + 1,
            column: before
                .rsplit('\n')
                .next()
                .map_or(1, |last| last.chars().count() as u64 + 1),
        };
        let what = "this is no UTF-8 text".to_owned();
        stop(
            place,
            what,
            String::new(),
            "save the file as UTF-8, then check again",
        )
    })?;
    let root =
        tree(text).map_err(|fault| stop(fault.place, fault.what, String::new(), fault.mend))?;
    let mut reader = Reader::default();
    let draft = reader.charter(&root);
    match Charter::new(draft.clone()) {
        Ok(charter) if reader.faults.is_empty() => Ok(charter),
        _ => Err(reader.end(flaws(&draft))),
    }
}

fn stop(place: Place, what: String, allowed: String, mend: &str) -> Unread {
    Unread {
        faults: vec![Fault {
            line: place.line,
            column: place.column,
            key: String::new(),
            value: String::new(),
            what,
            allowed,
            mend: mend.to_owned(),
        }],
        stopped: true,
    }
}

/// What is read: the faults so far, where each key stands, and below which keys nothing is to be believed.
#[derive(Default)]
struct Reader {
    faults: Vec<Fault>,
    places: BTreeMap<String, Place>,
    broken: BTreeSet<String>,
}

/// The entries of a mapping whose keys were looked at.
struct Fields<'a> {
    path: String,
    place: Place,
    entries: BTreeMap<&'a str, &'a Node>,
    /// Nothing stands here, so that nothing in it is missed.
    is_void: bool,
}

impl Reader {
    fn charter(&mut self, root: &Node) -> CharterDraft {
        const KEYS: [&str; 13] = [
            "version",
            "name",
            "number",
            "principles",
            "metrics",
            "blocked",
            "services",
            "telemetry",
            "gateway",
            "committee",
            "windows",
            "penalties",
            "bounty",
        ];
        let top = self.fields(Some(root), "", root.place, &KEYS);
        CharterDraft {
            version: self.number(&top, "version", FORMAT),
            name: self.text(&top, "name"),
            number: self.number(&top, "number", 1),
            principles: self.principles(&top),
            metrics: self.list(&top, "metrics", true, Self::metric),
            blocked: self.blocked(&top),
            services: self.list(&top, "services", true, Self::service),
            telemetry: self.list(&top, "telemetry", true, Self::telemetry),
            gateway: self.gateway(&top),
            committee: self.committee(&top),
            windows: self.windows(&top),
            penalties: self.penalties(&top),
            bounty: self.bounty(&top),
        }
    }

    fn principles(&mut self, top: &Fields<'_>) -> BTreeMap<String, String> {
        let Some(node) = self.wanted(top, "principles") else {
            return BTreeMap::new();
        };
        let entries = self.entries(node, "principles");
        let mut principles = BTreeMap::new();
        for (key, node) in entries {
            let path = format!("principles.{}", key.text);
            if self.places.insert(path.clone(), key.place).is_some() {
                self.twice(&path, key);
                continue;
            }
            let text = self.scalar_text(node, &path);
            principles.insert(key.text.clone(), text);
        }
        principles
    }

    fn metric(&mut self, node: &Node, path: &str) -> Metric {
        const KEYS: [&str; 7] = [
            "name",
            "kind",
            "purpose",
            "retention_days",
            "consent",
            "cohort_min",
            "labels",
        ];
        let fields = self.fields(Some(node), path, node.place, &KEYS);
        Metric {
            name: self.text(&fields, "name"),
            kind: self.one_of(&fields, "kind", &MetricKind::NAMED, MetricKind::Gauge),
            purpose: self.text(&fields, "purpose"),
            retention_days: self.number(&fields, "retention_days", 1),
            consent: self.flag(&fields, "consent", true),
            cohort_min: self.number(&fields, "cohort_min", 1),
            labels: self.list(&fields, "labels", false, Self::scalar_text),
        }
    }

    fn blocked(&mut self, top: &Fields<'_>) -> Blocked {
        let fields = self.section(top, "blocked", &["names", "prefixes"]);
        Blocked {
            names: self.list(&fields, "names", true, Self::scalar_text),
            prefixes: self.list(&fields, "prefixes", true, Self::scalar_text),
        }
    }

    fn service(&mut self, node: &Node, path: &str) -> Service {
        let fields = self.fields(Some(node), path, node.place, &["name", "egress"]);
        Service {
            name: self.text(&fields, "name"),
            egress: self.list(&fields, "egress", true, Self::egress),
        }
    }

    fn egress(&mut self, node: &Node, path: &str) -> Egress {
        let fields = self.fields(Some(node), path, node.place, &["to", "protocol", "ports"]);
        let hosts =
            "an address with a slash and how many bits count, such as 10.0.0.0/8 or fd00::/8";
        let ports = "a port or a range of ports, such as 443 or 4001-4010";
        let port = |reader: &mut Self, node: &Node, path: &str| -> Option<Ports> {
            reader.parsed(node, path, ports)
        };
        let list = self.list(&fields, "ports", true, port);
        Egress {
            to: self.parsed_field(&fields, "to", hosts, Prefix::OWN_MACHINE),
            protocol: self.one_of(&fields, "protocol", &Protocol::NAMED, Protocol::Tcp),
            ports: list.into_iter().flatten().collect(),
        }
    }

    fn telemetry(&mut self, node: &Node, path: &str) -> Telemetry {
        let fields = self.fields(
            Some(node),
            path,
            node.place,
            &["port", "protocol", "parser"],
        );
        Telemetry {
            port: self.port(&fields, "port"),
            protocol: self.one_of(&fields, "protocol", &Protocol::NAMED, Protocol::Udp),
            parser: self.one_of(&fields, "parser", &Parser::NAMED, Parser::Statsd),
        }
    }

    fn gateway(&mut self, top: &Fields<'_>) -> Gateway {
        let fields = self.section(top, "gateway", &["address", "port", "protocol"]);
        let allowed = "an address of the own machine, such as 127.0.0.1";
        Gateway {
            address: self.parsed_field(&fields, "address", allowed, Prefix::OWN_MACHINE.address()),
            port: self.port(&fields, "port"),
            protocol: self.one_of(&fields, "protocol", &Protocol::NAMED, Protocol::Tcp),
        }
    }

    fn committee(&mut self, top: &Fields<'_>) -> Committee {
        let keys = ["members", "researchers", "approvals", "audit_days"];
        let fields = self.section(top, "committee", &keys);
        Committee {
            members: self.number(&fields, "members", 1),
            researchers: self.number(&fields, "researchers", 0),
            approvals: self.number(&fields, "approvals", 1),
            audit_days: self.number(&fields, "audit_days", 1),
        }
    }

    fn windows(&mut self, top: &Fields<'_>) -> Windows {
        let keys = [
            "vote_hours",
            "emergency_minutes",
            "override_notice_minutes",
            "report_hours",
            "export_hours",
            "erase_days",
        ];
        let fields = self.section(top, "windows", &keys);
        Windows {
            vote_hours: self.number(&fields, "vote_hours", 0),
            emergency_minutes: self.number(&fields, "emergency_minutes", 0),
            override_notice_minutes: self.number(&fields, "override_notice_minutes", 0),
            report_hours: self.number(&fields, "report_hours", 0),
            export_hours: self.number(&fields, "export_hours", 0),
            erase_days: self.number(&fields, "erase_days", 0),
        }
    }

    fn penalties(&mut self, top: &Fields<'_>) -> Penalties {
        let keys = [
            "silent_collection",
            "behavioural_prediction",
            "data_extraction",
            "unauthorized_override",
        ];
        let fields = self.section(top, "penalties", &keys);
        Penalties {
            silent_collection: self.penalty(&fields, "silent_collection"),
            behavioural_prediction: self.penalty(&fields, "behavioural_prediction"),
            data_extraction: self.penalty(&fields, "data_extraction"),
            unauthorized_override: self.penalty(&fields, "unauthorized_override"),
        }
    }

    /// Reads a penalty, of which everything may be left away that does not follow.
    fn penalty(&mut self, penalties: &Fields<'_>, name: &str) -> Penalty {
        let keys = [
            "ban_days",
            "removal",
            "fine_x0",
            "deletion",
            "probation_days",
            "public_referral",
        ];
        let fields = self.section(penalties, name, &keys);
        Penalty {
            ban_days: self.number_or(&fields, "ban_days", 0),
            removal: self.flag_or(&fields, "removal", false),
            fine_x0: self.number_or(&fields, "fine_x0", 0),
            deletion: self.flag_or(&fields, "deletion", false),
            probation_days: self.number_or(&fields, "probation_days", 0),
            public_referral: self.flag_or(&fields, "public_referral", false),
        }
    }

    fn bounty(&mut self, top: &Fields<'_>) -> Bounty {
        let fields = self.section(top, "bounty", &["least_x0", "most_x0"]);
        Bounty {
            least_x0: self.number(&fields, "least_x0", 0),
            most_x0: self.number(&fields, "most_x0", 0),
        }
    }

    fn section<'a>(&mut self, parent: &Fields<'a>, key: &str, known: &[&str]) -> Fields<'a> {
        let node = self.wanted(parent, key);
        let place = node.map_or(parent.place, |node| node.place);
        self.fields(node, &join(&parent.path, key), place, known)
    }

    /// Looks at the keys of a mapping: those that nobody knows, and those that stand twice.
    fn fields<'a>(
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

    fn entries<'a>(&mut self, node: &'a Node, path: &str) -> &'a [(Key, Node)] {
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

    fn list<'a, T>(
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

    fn text(&mut self, fields: &Fields<'_>, key: &str) -> String {
        match self.wanted(fields, key) {
            Some(node) => self.scalar_text(node, &join(&fields.path, key)),
            None => String::new(),
        }
    }

    fn scalar_text(&mut self, node: &Node, path: &str) -> String {
        match &node.value {
            Value::Scalar { text, is_plain } if !(*is_plain && is_null(text)) => text.clone(),
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) => {
                self.wrong(node, path, "it is no text", "a text");
                String::new()
            }
        }
    }

    fn number(&mut self, fields: &Fields<'_>, key: &str, instead: u64) -> u64 {
        match self.wanted(fields, key) {
            Some(_) => self.number_or(fields, key, instead),
            None => instead,
        }
    }

    fn number_or(&mut self, fields: &Fields<'_>, key: &str, instead: u64) -> u64 {
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

    fn port(&mut self, fields: &Fields<'_>, key: &str) -> u16 {
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

    fn flag(&mut self, fields: &Fields<'_>, key: &str, instead: bool) -> bool {
        match self.wanted(fields, key) {
            Some(_) => self.flag_or(fields, key, instead),
            None => instead,
        }
    }

    fn flag_or(&mut self, fields: &Fields<'_>, key: &str, instead: bool) -> bool {
        let words = [(true, "true"), (false, "false")];
        match fields.entries.contains_key(key) {
            true => self.one_of(fields, key, &words, instead),
            false => instead,
        }
    }

    fn one_of<T: Copy>(
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

    fn parsed_field<T: FromStr<Err: fmt::Display>>(
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

    fn parsed<T: FromStr<Err: fmt::Display>>(
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
    fn wanted<'a>(&mut self, fields: &Fields<'a>, key: &str) -> Option<&'a Node> {
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

    fn twice(&mut self, path: &str, key: &Key) {
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
                key: key.to_owned(),
                value,
                what: what.to_owned(),
                allowed: allowed.to_owned(),
                mend: mend.to_owned(),
            });
        }
    }

    /// Adds the flaws of what was read, unless they follow from a broken value, and puts all in order of place.
    fn end(mut self, flaws: Vec<Flaw>) -> Unread {
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
