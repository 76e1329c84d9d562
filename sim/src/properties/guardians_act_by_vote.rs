//! Property 5: no honest guardian's node releases a share without a certificate naming that request, nor keeps one that was
//! dealt on without a certificate naming that rotation.
//!
//! For each release and each share that an audit log tells of, the records on that node's disk are looked through: a request
//! of the member and for the item that it names, and a vote about it that has passed; or a rotation of the item to that epoch that
//! has come to its end. Each certificate is checked anew by the committee's keys.

use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    spine::{audit::What, ballot::Outcome},
    wire::{Body, Record, Statement, SublimeBody, VoteEnd},
};

use super::Finding;
use crate::world::{Checked, World};

/// Checks the property on a finished run.
pub(crate) fn check(world: &World) -> Finding {
    let (mut releases, mut shares, mut fault) = (0_u64, 0_u64, None);
    let mut checked = Checked::default();
    for node in 0..world.nodes() {
        for entry in world.audit(node) {
            let mut judged = true;
            if let What::Released { request, item, to } = &entry.what {
                releases += 1;
                judged = is_asked(world, node, (request, item, to))
                    && is_granted(world, &mut checked, node, request);
            }
            if let What::ShareKept {
                item,
                epoch,
                owner: None,
            } = &entry.what
            {
                shares += 1;
                judged = is_dealt_on(world, &mut checked, node, (item, *epoch));
            }
            if !judged {
                fault = fault.or(Some(format!("node {node}: {:?}", entry.what)));
            }
        }
    }
    Finding {
        property: Some(5),
        name: "guardians' nodes release and take shares on by certificates only".to_owned(),
        holds: fault.is_none(),
        detail: fault
            .unwrap_or_else(|| format!("{releases} releases, {shares} shares that were dealt on")),
    }
}

fn is_asked(
    world: &World,
    node: u32,
    (request, item, to): (&ContentId, &ContentId, &PublicKey),
) -> bool {
    let record = world.record(node, request);
    record.is_some_and(|record| {
        let Body::Sublime(SublimeBody::Request(asked)) = record.body() else {
            return false;
        };
        asked.item == *item && record.author() == *to
    })
}

fn is_granted(world: &World, checked: &mut Checked, node: u32, request: &ContentId) -> bool {
    let mut records = world.stored(node).iter();
    records.any(|record| {
        let Body::Vote(notice) = record.value().body() else {
            return false;
        };
        let Statement::Resolved(vote) = notice.certificate.statement else {
            return false;
        };
        vote.subject == *request
            && vote.end == VoteEnd::Outcome(Outcome::Passed)
            && checked.holds(world, node, &notice.certificate)
    })
}

fn is_dealt_on(
    world: &World,
    checked: &mut Checked,
    node: u32,
    (item, epoch): (&PublicKey, u32),
) -> bool {
    let mut records = world.stored(node).iter();
    records.any(|record| {
        let Body::Sublime(SublimeBody::Rotation(notice)) = Record::body(record.value()) else {
            return false;
        };
        let stated = notice.stated();
        stated.is_some_and(|stated| stated.item == *item && stated.epoch == epoch)
            && notice.shared.is_some()
            && checked.holds(world, node, &notice.certificate)
    })
}
