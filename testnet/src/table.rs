//! A mesh at a glance: one row per node, redrawn on a terminal, a line now and then elsewhere.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};
use x0_node::{
    api::view::StatusView,
    cli::output::{Table, bytes},
};

use crate::{account::write, mesh::Mesh, node::Node};

/// Time between two pictures on a terminal.
const REDRAW_EVERY: Duration = Duration::from_secs(1);
/// Time between two lines elsewhere.
const LINE_EVERY: Duration = Duration::from_secs(15);
/// Letters of a peer id that are shown: its end, as all begin alike.
const ID_CHARS: usize = 8;

/// A node as the table shows it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// How it is, if it answers.
    pub status: Option<StatusView>,
    /// The memory it holds.
    pub memory_bytes: Option<u64>,
}

/// Shows the mesh until the future is dropped.
pub async fn watch(mesh: &Mesh, heading: &str) {
    let is_terminal = io::stdout().is_terminal();
    let mut tick = interval(if is_terminal {
        REDRAW_EVERY
    } else {
        LINE_EVERY
    });
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let mut rows = Vec::new();
        for node in mesh.nodes() {
            rows.push(row(node).await);
        }
        if is_terminal {
            // ECMA-48: CUP (cursor to the first place), then ED (erase to the end of the display).
            write!(io::stdout().lock(), "\x1b[H\x1b[J").ok();
            write(&format!("{heading}\n\n{}", table(&rows)));
        } else {
            write(&line(&rows));
        }
    }
}

async fn row(node: &Node) -> Row {
    Row {
        name: node.name().to_owned(),
        status: node.client().get("/v1/status").await.ok(),
        memory_bytes: node.memory_bytes(),
    }
}

/// Writes the nodes as a table.
pub fn table(rows: &[Row]) -> String {
    let mut table = Table::new(["node", "peer", "links", "members", "records", "memory"]);
    for row in rows {
        let told = |tell: &dyn Fn(&StatusView) -> String| {
            row.status.as_ref().map(tell).unwrap_or_default()
        };
        let memory = row
            .memory_bytes
            .map_or_else(|| "not running".to_owned(), bytes);
        table.row([
            row.name.clone(),
            told(&|status| end_of(&status.node)),
            told(&|status| status.links.to_string()),
            told(&|status| status.members.to_string()),
            told(&|status| status.records.to_string()),
            memory,
        ]);
    }
    table.text()
}

/// Writes the nodes as one line.
pub fn line(rows: &[Row]) -> String {
    let up: Vec<&StatusView> = rows.iter().filter_map(|row| row.status.as_ref()).collect();
    let range = |of: &dyn Fn(&StatusView) -> u64| {
        let (min, max) = (
            up.iter().map(|s| of(s)).min(),
            up.iter().map(|s| of(s)).max(),
        );
        match (min.unwrap_or_default(), max.unwrap_or_default()) {
            (min, max) if min == max => min.to_string(),
            (min, max) => format!("{min}–{max}"),
        }
    };
    let memory: u64 = rows.iter().filter_map(|row| row.memory_bytes).sum();
    format!(
        "{} of {} nodes up; links {}, members {}, records {}; memory in all {}",
        up.len(),
        rows.len(),
        range(&|status| u64::from(status.links)),
        range(&|status| u64::from(status.members)),
        range(&|status| status.records),
        bytes(memory),
    )
}

fn end_of(id: &str) -> String {
    let skipped = id.chars().count().saturating_sub(ID_CHARS);
    format!("…{}", id.chars().skip(skipped).collect::<String>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_node_that_does_not_answer_has_a_row_and_is_not_counted_as_up() {
        let up = Row {
            name: "n1".to_owned(),
            status: Some(status()),
            memory_bytes: Some(50 << 20),
        };
        let down = Row {
            name: "n2".to_owned(),
            status: None,
            memory_bytes: None,
        };

        let (table, line) = (table(&[up.clone(), down.clone()]), line(&[up, down]));

        assert!(
            table.contains("…AAAABBBB") && table.contains("50 MiB"),
            "{table}"
        );
        assert!(
            table
                .lines()
                .any(|row| row.starts_with("n2") && row.ends_with("not running")),
            "{table}"
        );
        assert!(
            line.starts_with("1 of 2 nodes up; links 1, members 2, records 9"),
            "{line}"
        );
    }

    fn status() -> StatusView {
        serde_json::from_value(serde_json::json!({
            "node": "12D3KooWAAAABBBB", "capability_root": "", "mesh": "", "name": "", "rules": 1,
            "time_scale": 1, "member": true, "ready": true, "members": 2, "links": 1, "links_target": 8,
            "records": 9, "orphans": 0, "audit_size": 0, "last_repair_ms": null, "uptime_secs": 0,
            "trust": {"has_committee": false, "cosign_waiting": 0},
            "protection": []
        }))
        .unwrap()
    }
}
