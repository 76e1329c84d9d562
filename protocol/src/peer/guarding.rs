//! Guardians of Sublime: a member's consent, the draw for an owner, shares on their way, and shares taken in.
//!
//! A share goes over the link to its guardian's node and nowhere else. That node opens it, checks it against what all
//! guardians are shown, writes the still sealed share and an entry of its audit log down, and answers only then: an owner
//! who counts the answers counts shares that are good, and on disk.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{PublicKey, committee::Purpose, sublime::HybridPublic};

use super::{
    AfterPersist, Asked, Peer, Waiting, acting::shorten, refuse, releasing::VaultFor,
    requests::respond,
};
use crate::{
    core::{
        command::{CommandError, Reply},
        effect::{Effect, Outbox, Write},
        ids::{CommandId, RequestToken},
        limits::{DEALT_MAX, GUARDIANS_MIN},
        secret::SecretTask,
        sublime::{DealtView, DrawnView, SublimeRefusal},
        time::Now,
    },
    spine::audit::What,
    sublime::{
        draw::{Candidate, draw},
        shares::{OfferedShare, SublimeWrite, Taken},
    },
    wire::{
        Body, GuardAsk, GuardianWord, Refused, Request, Response, SublimeAsk, SublimeBody,
        keys_name,
    },
};

/// The shares that this node has handed out and waits to hear of, by command.
#[derive(Default)]
pub(super) struct Dealing(BTreeMap<CommandId, Dealt>);

#[derive(Default)]
struct Dealt {
    asked: BTreeSet<PublicKey>,
    view: DealtView,
}

impl Peer {
    /// Says that this node's member serves as a guardian, or no longer. Whoever serves gets a new key for shares each time it
    /// says so.
    pub(super) fn serve(&mut self, now: Now, id: CommandId, serves: bool, out: &mut Outbox) {
        if serves {
            let job = self.job(Waiting::Vault(VaultFor::Key(id)));
            let task = Box::new(SecretTask::ShareKey);
            return out.push(Effect::Secret { id: job, task });
        }
        self.say_guardian(now, id, None, out);
    }

    pub(super) fn on_share_key(
        &mut self,
        now: Now,
        id: CommandId,
        key: Result<HybridPublic, String>,
        out: &mut Outbox,
    ) {
        match key {
            Ok(key) => self.say_guardian(now, id, Some(key), out),
            Err(why) => refuse(id, SublimeRefusal::NoKey(why).into(), out),
        }
    }

    fn say_guardian(
        &mut self,
        now: Now,
        id: CommandId,
        key: Option<HybridPublic>,
        out: &mut Outbox,
    ) {
        let body = Body::Sublime(SublimeBody::Guardian(GuardianWord { key }));
        if let Err(error) = self.write_for(now, id, body, out) {
            refuse(id, error, out);
        }
    }

    /// Draws the guardians of an item.
    pub(super) fn drawn_view(&self, item: &PublicKey) -> Result<DrawnView, CommandError> {
        let committee = self.trust.keys().ok_or(SublimeRefusal::NoCommittee)?;
        let newest = self
            .trust
            .certificate()
            .ok_or(SublimeRefusal::NoCommittee)?;
        let own = self.config.key;
        let keys: BTreeMap<PublicKey, &HybridPublic> = self
            .vault
            .iter()
            .flat_map(|vault| vault.known.serving())
            .filter(|(member, _)| **member != own && self.directory.is_active(member))
            .map(|(member, key)| (*member, key))
            .collect();
        let candidates = keys.keys().map(|member| Candidate {
            key: *member,
            subtree: self.directory.subtree_of(member),
            region: self
                .directory
                .member(member)
                .and_then(|member| member.region.clone()),
        });
        let drawn = draw(&newest.seed(), item, candidates.collect());
        let drawn = drawn.ok_or(SublimeRefusal::TooFewGuardians {
            serving: keys.len(),
            needed: GUARDIANS_MIN,
        })?;
        let with_keys = |members: Vec<PublicKey>| {
            let found = members.into_iter();
            found
                .filter_map(|member| Some((member, (*keys.get(&member)?).clone())))
                .collect()
        };
        let mesh = self.directory.mesh();
        Ok(DrawnView {
            guardians: with_keys(drawn.guardians),
            stand_ins: with_keys(drawn.stand_ins),
            access: drawn.access,
            subtrees: drawn.subtrees,
            mesh,
            committee: *committee.key(Purpose::Decryption),
            committee_name: keys_name(&mesh, committee),
        })
    }

    /// Hands shares to guardians' nodes.
    pub(super) fn deal(
        &mut self,
        id: CommandId,
        asks: Vec<(PublicKey, GuardAsk)>,
        out: &mut Outbox,
    ) {
        if asks.is_empty() || asks.len() > DEALT_MAX {
            return refuse(id, SublimeRefusal::TooMany(asks.len()).into(), out);
        }
        let dealing = &mut self.vault.get_or_insert_default().dealing;
        let asked = asks.iter().map(|(to, _)| *to).collect();
        let view = DealtView::default();
        dealing.0.insert(id, Dealt { asked, view });
        for (to, ask) in asks {
            let request = Request::Sublime(Box::new(SublimeAsk::Guard(Box::new(ask))));
            self.ask(to, request, Asked::Guard { command: id, to }, out);
        }
    }

    /// Takes what a guardian's node says to its share.
    pub(super) fn on_guard_answer(
        &mut self,
        id: CommandId,
        to: PublicKey,
        response: Option<Response>,
        out: &mut Outbox,
    ) {
        let Some(vault) = &mut self.vault else {
            return;
        };
        let Some(dealt) = vault.dealing.0.get_mut(&id) else {
            return;
        };
        if !dealt.asked.remove(&to) {
            return;
        }
        match response {
            Some(Response::Noted) => dealt.view.kept.push(to),
            Some(Response::Refused(why)) => dealt.view.not.push((to, shorten(&why.to_string()))),
            Some(_) => dealt
                .view
                .not
                .push((to, "it answered something else".to_owned())),
            None => dealt.view.not.push((to, "it is out of reach".to_owned())),
        }
        if dealt.asked.is_empty()
            && let Some(Dealt { view, .. }) = vault.dealing.0.remove(&id)
        {
            let reply = Ok(Reply::Dealt(Box::new(view)));
            out.push(Effect::Reply { id, reply });
        }
    }

    /// Looks at a share that an owner's node asks to keep, and has it opened and checked.
    pub(super) fn on_guard_asked(
        &mut self,
        from: PublicKey,
        token: RequestToken,
        ask: GuardAsk,
        out: &mut Outbox,
    ) {
        let own = self.config.key;
        let vault = self.vault.get_or_insert_default();
        let taken = match vault.known.guardian(&own) {
            Some(_) if vault.known.forgotten(&ask.item).is_some() => Err(Refused::NotEntitled {
                why: "the item is to be forgotten".to_owned(),
            }),
            Some(_) => vault
                .shares
                .look(from, &ask, vault.known.has_key(&ask.item)),
            None => Err(Refused::NotEntitled {
                why: "its member does not serve as a guardian".to_owned(),
            }),
        };
        match taken {
            Err(refused) => respond(token, Response::Refused(refused), out),
            Ok(Taken::Kept) => respond(token, Response::Noted, out),
            Ok(Taken::Check(share)) => {
                let task = SecretTask::CheckShare {
                    mesh: self.directory.mesh(),
                    share: share.clone(),
                    sealed: ask.sealed.into_vec(),
                    commitments: Box::new(ask.sharing.commitments),
                };
                let id = self.job(Waiting::Vault(VaultFor::Share { token, share }));
                let task = Box::new(task);
                out.push(Effect::Secret { id, task });
            }
        }
    }

    /// Keeps a share that was found good; says of another that it is bad.
    pub(super) fn on_share_checked(
        &mut self,
        now: Now,
        (token, share): (RequestToken, OfferedShare),
        sealed: Option<Vec<u8>>,
        out: &mut Outbox,
    ) {
        let Some(sealed) = sealed else {
            let why = "the share does not open, or is not the one that was committed to".to_owned();
            return respond(token, Response::Refused(Refused::NotEntitled { why }), out);
        };
        let share = share.keep(sealed);
        let what = What::ShareKept {
            item: share.item,
            epoch: share.epoch,
            owner: share.owner,
        };
        let writes = vec![
            self.log(now, what),
            Write::Sublime(SublimeWrite::Share(Box::new(share.clone()))),
        ];
        let vault = self.vault.get_or_insert_default();
        vault.redealing.showing.add(share.item);
        vault.shares.keep(share);
        vault.releasing.look();
        let noted = Effect::Respond {
            token,
            response: Response::Noted,
        };
        self.persist(writes, AfterPersist::Effects(vec![noted]), out);
    }
}
