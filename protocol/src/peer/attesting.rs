//! Trustees at one node: who has attested a request to recover an item, and since when that is enough.
//!
//! Nothing is asked of anybody for it: each node counts the trustees' records for itself. As soon as one sees that there are
//! enough it writes so into its audit log, with mesh time, and releases when the item's waiting time has passed since then by
//! its own count. So it does not matter which dates trustees give their words, and a node that was away waits the whole time
//! when it is back: the owner's word that revokes the trustees has that long to arrive. A trustee that says no after a yes takes
//! its yes back; if too few are left, the time begins anew with the next yes that is enough.
//!
//! Whether this node's member is a trustee is found out by opening the item's slots, once somebody asks to recover it.

use std::collections::BTreeMap;

use x0_crypto::{ContentId, PublicKey};

use super::{AfterPersist, Peer, Waiting, releasing::VaultFor};
use crate::{
    core::{
        command::{CommandError, Reply},
        effect::{Effect, Outbox},
        ids::CommandId,
        secret::SecretTask,
        sublime::{AttestedView, Standing, SublimeRefusal},
        time::{Millis, Now, Wall},
    },
    spine::audit::What,
    sublime::known::{Request, Said},
    wire::{Attestation, Body, SublimeBody, TrusteeSalt, spoken_number, trustee_info},
};

/// What this node has found out of items that somebody asks to recover.
#[derive(Default)]
pub(super) struct Attesting {
    /// By item, this member's salt; none if it is no trustee, or as long as that is not known.
    slots: BTreeMap<ContentId, Option<TrusteeSalt>>,
    /// By request, mesh time since when enough trustees attest.
    since: BTreeMap<ContentId, Wall>,
}

impl Peer {
    /// Takes note of what the audit log tells of a request.
    pub(super) fn recall_attested(&mut self, request: ContentId, since: Wall) {
        let vault = self.vault.get_or_insert_default();
        vault.attesting.since.insert(request, since);
    }

    /// Returns what trustees have said of a request, and whether enough of those who are members still attest it.
    fn attested(&self, id: &ContentId) -> Option<(Said<'_>, bool)> {
        let vault = self.vault.as_ref()?;
        let said = vault.known.said_of(&self.directory.mesh(), id)?;
        let yes = said.yes.iter();
        let count = yes
            .filter(|member| self.directory.is_active(member))
            .count();
        let is_enough = count >= usize::from(said.terms.needed);
        Some((said, is_enough))
    }

    /// Returns how a request stands that trustees decide about, and after which time it may be otherwise.
    pub(super) fn attested_standing(
        &self,
        now: Now,
        (id, request): (&ContentId, &Request),
    ) -> (Standing, Option<Millis>) {
        let vault = self.vault.as_ref();
        let known = vault.and_then(|vault| Some((vault, vault.known.item(&request.item)?)));
        let (Some((vault, item)), Some((said, is_enough))) = (known, self.attested(id)) else {
            return (Standing::Undecided, None);
        };
        if vault.known.is_untrusted(&item.key) {
            return (Standing::Denied, None);
        }
        let left = said.terms.trustees.len().saturating_sub(said.no.len());
        if left < usize::from(said.terms.needed) {
            return (Standing::Denied, None);
        }
        if !is_enough {
            return (Standing::Undecided, None);
        }
        let Some(since) = vault.attesting.since.get(id) else {
            return (Standing::Passed, None);
        };
        let (time, until) = (self.mesh_time(now), *since + said.terms.wait);
        if time >= until {
            return (Standing::Granted, None);
        }
        let wait = (until.0 - time.0).div_ceil(self.time_scale().max(1));
        (Standing::Passed, Some(Millis(wait)))
    }

    /// Looks at the requests that trustees decide about: notes since when enough attest, and finds out whether this node's
    /// member is asked.
    pub(super) fn look_at_attested(&mut self, now: Now, out: &mut Outbox) {
        let Some(vault) = &self.vault else {
            return;
        };
        let requests = vault.known.requests();
        let requests = requests.filter(|(_, request)| request.by_trustees);
        let requests: Vec<_> = requests.map(|(id, request)| (*id, request.item)).collect();
        for (id, item) in requests {
            self.open_slot(item, out);
            let is_enough = self.attested(&id).is_some_and(|(_, is_enough)| is_enough);
            let since = self.mesh_time(now);
            let attesting = &mut self.vault.get_or_insert_default().attesting;
            match (is_enough, attesting.since.contains_key(&id)) {
                (true, false) => {
                    attesting.since.insert(id, since);
                    let what = What::Attested {
                        request: id,
                        item,
                        since,
                    };
                    let write = self.log(now, what);
                    self.persist(vec![write], AfterPersist::Nothing, out);
                }
                (false, true) => {
                    attesting.since.remove(&id);
                }
                (true, true) | (false, false) => {}
            }
        }
        let vault = self.vault.get_or_insert_default();
        let (known, attesting) = (&vault.known, &mut vault.attesting);
        attesting.since.retain(|id, _| known.request(id).is_some());
        attesting.slots.retain(|id, _| known.item(id).is_some());
    }

    fn open_slot(&mut self, id: ContentId, out: &mut Outbox) {
        let mesh = self.directory.mesh();
        let vault = self.vault.get_or_insert_default();
        if vault.attesting.slots.contains_key(&id) {
            return;
        }
        let Some(item) = vault.known.item(&id) else {
            return;
        };
        let Some(terms) = &item.trustees else {
            return;
        };
        let slots = terms.trustees.iter();
        let task = SecretTask::OpenSlot {
            info: trustee_info(&mesh, &item.key),
            sealed: slots.map(|slot| slot.sealed.to_vec()).collect(),
        };
        vault.attesting.slots.insert(id, None);
        let job = self.job(Waiting::Vault(VaultFor::Slot(id)));
        out.push(Effect::Secret {
            id: job,
            task: Box::new(task),
        });
    }

    pub(super) fn on_slot(&mut self, item: ContentId, salt: Option<TrusteeSalt>) {
        let vault = self.vault.get_or_insert_default();
        vault.attesting.slots.insert(item, salt);
    }

    /// Returns by which salt this node's member is a trustee who can say something of a request.
    fn own_salt(&self, request: &Request) -> Option<TrusteeSalt> {
        let (mesh, own) = (self.directory.mesh(), self.config.key);
        let vault = self.vault.as_ref().filter(|_| request.by != own)?;
        let item = vault.known.item(&request.item)?;
        let salt = (*vault.attesting.slots.get(&request.item)?)?;
        let terms = item.trustees.as_ref()?;
        terms.names((&mesh, &item.key), &own, &salt).then_some(salt)
    }

    /// Says whether a request comes from the item's owner.
    pub(super) fn attest(
        &mut self,
        now: Now,
        command: CommandId,
        (id, is_owner): (ContentId, bool),
        out: &mut Outbox,
    ) -> Result<Reply, CommandError> {
        let own = self.config.key;
        let vault = self.vault.as_ref();
        let request = vault.and_then(|vault| vault.known.request(&id));
        let request = request.filter(|request| request.by_trustees);
        let request = request.ok_or(SublimeRefusal::NoSuchRecovery(id))?;
        let salt = self.own_salt(request);
        let salt = salt.ok_or(SublimeRefusal::NotATrustee(id))?;
        let said = self.attested(&id).map(|(said, _)| said);
        let is_known = said
            .is_some_and(|said| said.no.contains(&own) || (is_owner && said.yes.contains(&own)));
        if is_known {
            return Err(SublimeRefusal::AttestedBefore(id).into());
        }
        let attestation = Attestation {
            request: id,
            salt,
            is_owner,
        };
        let body = Body::Sublime(SublimeBody::Attestation(attestation));
        self.write_for(now, command, body, out)
    }

    /// Lists the requests that trustees decide about, the newest first.
    pub(super) fn recovery_views(&self, now: Now) -> Vec<AttestedView> {
        let Some(vault) = &self.vault else {
            return Vec::new();
        };
        let requests = vault.known.requests();
        let views = requests.filter_map(|(id, request)| {
            let (said, is_enough) = self.attested(id)?;
            let own = self.config.key;
            let is_silent = !said.yes.contains(&own) && !said.no.contains(&own);
            let since = vault.attesting.since.get(id).filter(|_| is_enough);
            let item = vault.known.item(&request.item)?;
            Some(AttestedView {
                request: self.request_view(now, (*id, request), None),
                number: spoken_number(id),
                trustees: said.terms.trustees.len(),
                needed: said.terms.needed,
                until: since.map(|since| *since + said.terms.wait),
                asks_here: is_silent && self.own_salt(request).is_some(),
                is_revoked: vault.known.is_untrusted(&item.key),
                yes: members(said.yes),
                no: members(said.no),
            })
        });
        let mut views: Vec<_> = views.collect();
        views.sort_by_key(|view| (core::cmp::Reverse(view.request.time), view.request.id));
        views
    }
}

fn members(said: impl IntoIterator<Item = PublicKey>) -> Vec<PublicKey> {
    said.into_iter().collect()
}
