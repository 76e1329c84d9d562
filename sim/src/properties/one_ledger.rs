//! All nodes come to the same balances, and every node's come to zero.

use std::collections::BTreeMap;

use x0_protocol::spine::ledger::Account;

use super::Finding;
use crate::world::World;

/// Checks the property on a finished run, in which everything was healed.
pub(crate) fn check(world: &World) -> Finding {
    let balances = |node| -> BTreeMap<Account, i64> {
        let docket = world.docket(node).into_iter();
        let all = docket.flat_map(|docket| docket.ledger().balances());
        all.map(|(account, x0)| (*account, x0)).collect()
    };
    let mut fault = None;
    let mut first: Option<(u32, BTreeMap<Account, i64>)> = None;
    for node in (0..world.nodes()).filter(|node| world.is_up(*node)) {
        let own = balances(node);
        let sum: i64 = own.values().sum();
        if sum != 0 {
            fault.get_or_insert(format!("the balances of node {node} come to {sum} x0"));
        }
        let (of, same) = first.get_or_insert_with(|| (node, own.clone()));
        if *same != own {
            fault.get_or_insert(format!("nodes {of} and {node} come to different balances"));
        }
    }
    let accounts = first.map_or(0, |(_, same)| same.len());
    Finding {
        property: None,
        name: "every node comes to the same balances, and they come to zero".to_owned(),
        holds: fault.is_none(),
        detail: fault.unwrap_or_else(|| format!("{accounts} accounts everywhere")),
    }
}
