//! The local user's commands: questions are answered at once, what makes a record when it is on disk.

use x0_crypto::{
    PublicKey,
    capability::{RootKey, Token},
};

use super::{AfterPersist, Peer, Waiting, refuse};
use crate::{
    core::{
        command::{Aim, AuditHeads, Command, CommandError, LinkView, Reply, Status},
        effect::{Effect, Outbox, Write},
        ids::CommandId,
        job::Job,
        limits::{ACT_LIFE_MAX, ACT_TARGETS_MAX, INVITE_LIFE_MAX},
        reject::ActRefusal,
        time::{Millis, Now},
    },
    wire::{
        Act, Body, CapabilityGrant, Change, Checkpoint, Invite, Kind, Leave, Override, Policy,
        Removal, Revocation, Targets,
    },
};

/// An act on its way from the command to the record.
pub(super) struct Proposal {
    pub(super) command: CommandId,
    pub(super) act: Act,
    pub(super) emergency: Option<Box<Override>>,
}

impl Peer {
    pub(super) fn on_command(
        &mut self,
        now: Now,
        id: CommandId,
        command: Command,
        out: &mut Outbox,
    ) {
        let answer = match command {
            Command::Status => Ok(Reply::Status(Box::new(self.status(now)))),
            Command::Links => Ok(Reply::Links(self.link_views())),
            Command::Members => Ok(Reply::Members(self.directory.members().cloned().collect())),
            Command::Capabilities => {
                let bench = self.bench(now);
                Ok(Reply::Capabilities(
                    self.capabilities.view(|root| bench.accepts(root)),
                ))
            }
            Command::Acts => Ok(Reply::Acts(self.acts.view(&self.policies))),
            Command::Proposals => Ok(Reply::Proposals(self.own_acts.view(&self.directory))),
            Command::Consents => Ok(Reply::Consents(self.consent_views())),
            Command::Halt => Ok(Reply::Halt(Box::new(self.halt_report(now)))),
            Command::Pull { halt, again } => return self.pull_for(now, id, (halt, again), out),
            Command::Cosign { act, approve } => return self.cosign(id, act, approve, out),
            Command::Committee => Ok(Reply::Committee(Box::new(self.committee_view()))),
            Command::ProposeSeats { add, remove } => {
                return self.propose_seats(id, (&add, &remove), out);
            }
            Command::ProposeRecovery { seats } => {
                return self.propose_recovery(now, id, seats, out);
            }
            Command::SignRecovery(plan) => return self.sign_recovery(now, id, &plan, out),
            Command::ProposeCharter(charter) => {
                return self.propose_charter(now, id, charter, out);
            }
            Command::Erase(records) => return self.propose_erasure(now, id, records, out),
            Command::Erasures => Ok(Reply::Erasures(self.erasure_views())),
            Command::Case(command) => return self.on_case_command(now, id, command, out),
            Command::Inspection(command) => {
                return self.on_inspection_command(now, id, command, out);
            }
            Command::Sublime(command) => return self.on_sublime_command(now, id, command, out),
            Command::Emergency(command) => {
                return self.on_emergency_command(now, id, command, out);
            }
            Command::ApproveSeats(plan) => return self.approve_seats(id, &plan, out),
            Command::Vote(command) => return self.on_vote_command(now, id, command, out),
            Command::Policies => Ok(Reply::Policies(self.policies.view())),
            Command::AuditHeads => Ok(Reply::AuditHeads(self.audit_heads())),
            Command::CatchUp => {
                self.catch_up_with_others(&self.config.key.clone());
                Ok(Reply::Done)
            }
            Command::AcceptRoot { root, accepted } => {
                return self.accept_root(id, root, accepted, out);
            }
            Command::Local { change, token } => return self.local(id, change, token, out),
            Command::Propose {
                change,
                targets,
                token,
                root,
                life,
            } => {
                let words = Ok(None);
                return self.propose(
                    now,
                    id,
                    (change, targets),
                    (token, root),
                    (life, words),
                    out,
                );
            }
            Command::Override {
                change,
                targets,
                token,
                root,
                life,
                why,
                consequences,
            } => {
                let words = self.override_words(why, consequences).map(Some);
                return self.propose(
                    now,
                    id,
                    (change, targets),
                    (token, root),
                    (life, words),
                    out,
                );
            }
            Command::Overrides => Ok(Reply::Overrides(self.override_views(now))),
            Command::PublicLog { from, count } => {
                Ok(Reply::PublicLog(Box::new(self.public_view(from, count))))
            }
            Command::ProvePublic { index, since } => self
                .prove_public(index, since)
                .map(|proof| Reply::PublicProof(Box::new(proof))),
            Command::ProveEntry { index, since } => {
                return self.prove_entry(now, id, (index, since), out);
            }
            Command::Invite { key, life } => self
                .invite(now, key, life)
                .map_or_else(Err, |body| self.write_for(now, id, body, out)),
            Command::PublishCapability { root, token } => {
                let body = Body::Capability(CapabilityGrant { root, token });
                self.write_for(now, id, body, out)
            }
            Command::Revoke { mut ids, reason } => {
                ids.sort_unstable();
                ids.dedup();
                self.write_for(now, id, Body::Revocation(Revocation { ids, reason }), out)
            }
            Command::Leave => self.write_for(now, id, Body::Leave(Leave {}), out),
            Command::Remove { member, reason } => match self.check_removal(&member) {
                Ok(()) => self.write_for(now, id, Body::Removal(Removal { member, reason }), out),
                Err(error) => Err(error),
            },
        };
        match answer {
            Ok(Reply::Recorded(_)) => {}
            reply => out.push(Effect::Reply { id, reply }),
        }
    }

    /// Writes a record for a command, which is answered once it is on disk.
    pub(super) fn write_for(
        &mut self,
        now: Now,
        id: CommandId,
        body: Body,
        out: &mut Outbox,
    ) -> Result<Reply, CommandError> {
        self.check_may_write(now, body.kind())?;
        self.write(now, body, Some(id), out);
        Ok(Reply::Recorded(self.directory.mesh()))
    }

    fn check_may_write(&self, now: Now, kind: Kind) -> Result<(), CommandError> {
        self.check_own_sentence(now, kind)?;
        if !self.directory.is_active(&self.config.key) {
            return Err(CommandError::NotAMember);
        }
        if !self.chain.ready {
            return Err(CommandError::NotReady);
        }
        Ok(())
    }

    fn invite(&self, now: Now, key: PublicKey, life: Millis) -> Result<Body, CommandError> {
        if life.0 == 0 || life > INVITE_LIFE_MAX {
            let why = "an invite stays open for at least a moment and at most 30 days".to_owned();
            return Err(CommandError::OutOfRange(why));
        }
        Ok(Body::Invite(Invite {
            key,
            expires: now.wall + life,
            checkpoint: self.trust.checkpoint().map(Checkpoint::pinned),
        }))
    }

    fn check_removal(&self, member: &PublicKey) -> Result<(), CommandError> {
        let seats = &self.directory.genesis().seats;
        if seats.binary_search(&self.config.key).is_err() {
            let names: Vec<_> = seats.iter().map(ToString::to_string).collect();
            return Err(CommandError::NotASeat(names.join(", ")));
        }
        if !self.directory.is_active(member) {
            return Err(CommandError::NoSuchMember(*member));
        }
        Ok(())
    }

    fn accept_root(&mut self, id: CommandId, root: RootKey, accepted: bool, out: &mut Outbox) {
        self.capabilities.accept(root, accepted);
        let done = Effect::Reply {
            id,
            reply: Ok(Reply::Done),
        };
        let writes = vec![Write::AcceptRoot { root, accepted }];
        self.persist(writes, AfterPersist::Effects(vec![done]), out);
    }

    fn local(&mut self, command: CommandId, change: Change, token: Token, out: &mut Outbox) {
        let change = self.at_present_version(change);
        let root = self.config.root;
        let id = self.job(Waiting::LocalToken { change, command });
        out.push(Effect::Check {
            id,
            job: Job::Token { token, root },
        });
    }

    fn propose(
        &mut self,
        now: Now,
        command: CommandId,
        (change, aim): (Change, Aim),
        (token, root): (Token, RootKey),
        (life, words): (Millis, Result<Option<Override>, CommandError>),
        out: &mut Outbox,
    ) {
        let proposal = self.check_may_write(now, Kind::ACT).and_then(|()| {
            if life.0 == 0 || life > ACT_LIFE_MAX {
                let why = "an act lives for at least a moment and at most 10 minutes".to_owned();
                return Err(CommandError::OutOfRange(why));
            }
            let targets = self.aim(aim)?;
            let change = self.at_present_version(change);
            let token = token.clone();
            let expires = now.wall + life;
            let act = Act {
                change,
                targets,
                root,
                token,
                expires,
                warrants: Vec::new(),
            };
            let emergency = words?.map(Box::new);
            if let Some(emergency) = &emergency {
                let fits = emergency.check_for(&act);
                fits.map_err(|why| CommandError::Act(ActRefusal::BadOverride(why)))?;
            }
            Ok(Proposal {
                command,
                act,
                emergency,
            })
        });
        match proposal {
            Ok(proposal) => {
                let id = self.job(Waiting::ProposalToken(Box::new(proposal)));
                out.push(Effect::Check {
                    id,
                    job: Job::Token { token, root },
                });
            }
            Err(error) => refuse(command, error, out),
        }
    }

    /// Makes the words of an override, with the notice that the charter in force gives.
    fn override_words(&self, why: String, consequences: String) -> Result<Override, CommandError> {
        let refused = |why: String| CommandError::Act(ActRefusal::BadOverride(why));
        if !self.has_committee() {
            return Err(refused(
                "this mesh has no committee, and so no public log in which an override must stand: propose the act \
                 without one, within what its token reaches"
                    .to_owned(),
            ));
        }
        let minutes = self.override_notice().0 / 60_000;
        let words = Override {
            why,
            consequences,
            notice_minutes: u8::try_from(minutes).unwrap_or(u8::MAX),
        };
        words.check_words().map_err(refused)?;
        Ok(words)
    }

    /// Fills in the version this node's policy stands at.
    fn at_present_version(&self, change: Change) -> Change {
        match change {
            Change::SetPolicy { policy, value, .. } => {
                let known: Option<Policy> = policy.as_str().parse().ok();
                let from_version = known.map_or(0, |known| self.policies.version(known));
                Change::SetPolicy {
                    policy,
                    value,
                    from_version,
                }
            }
            change @ (Change::Link { .. } | Change::Unlink { .. }) => change,
        }
    }

    fn aim(&mut self, aim: Aim) -> Result<Targets, CommandError> {
        let count = match aim {
            Aim::At(Targets::Nodes(mut nodes)) => {
                nodes.sort_unstable();
                nodes.dedup();
                return Ok(Targets::Nodes(nodes));
            }
            Aim::At(Targets::Region(region)) if !self.directory.has_region(&region) => {
                return Err(CommandError::NoSuchRegion(region));
            }
            Aim::At(targets) => return Ok(targets),
            Aim::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
        };
        let own = self.config.key;
        let others = self
            .directory
            .members()
            .filter(|m| m.is_active() && m.key != own);
        let mut nodes: Vec<_> = others.map(|member| member.key).collect();
        let most = nodes.len().min(ACT_TARGETS_MAX);
        if count == 0 || count > most {
            let why =
                format!("{count} targets were asked for, 1 to {most} other members can be named");
            return Err(CommandError::OutOfRange(why));
        }
        for place in 0..count {
            let left = nodes.len().saturating_sub(place) as u64;
            let pick = usize::try_from(self.rng.below(left)).unwrap_or(0);
            nodes.swap(place, place + pick);
        }
        nodes.truncate(count);
        nodes.sort_unstable();
        Ok(Targets::Nodes(nodes))
    }

    fn status(&mut self, now: Now) -> Status {
        let witnesses = self.witnesses().map_or(0, |drawn| drawn.keys().len());
        let genesis = self.directory.genesis();
        let seats = u32::try_from(genesis.seats.len()).unwrap_or(u32::MAX);
        Status {
            node: self.config.key,
            mesh: self.directory.mesh(),
            name: genesis.name.to_string(),
            rules: genesis.parameters.rules,
            time_scale: genesis.parameters.time_scale.0,
            members: self.directory.active_count(),
            links: self.links.greeted_count(),
            links_target: self.policies.value(Policy::LinksTarget),
            records: self.index.len() as u64,
            orphans: u32::try_from(self.orphans.len()).unwrap_or(u32::MAX),
            ready: self.chain.ready,
            audit_size: self.audit.head().0,
            charter: self.charter().cloned(),
            token_reach: self.directory.token_reach(),
            seats: (seats, self.directory.removal_quorum()),
            committee: self.committee_status(now),
            trust: self.trust_status(now),
            member: self.directory.is_active(&self.config.key),
            last_repair: self.healing.last_repair(),
            standing: self.own_standing(now),
            standing_at: self.halt_time(now),
            frozen: self.frozen_count(now),
            witnesses: u32::try_from(witnesses).unwrap_or(u32::MAX),
            cases: self.case_counts(now),
            audits: self.audit_counts(now),
            barred: self.directory.barred(&self.config.key, self.mesh_time(now)),
        }
    }

    fn link_views(&self) -> Vec<LinkView> {
        let view = |link: &crate::spine::links::Link| LinkView {
            peer: link.peer,
            dialled: link.dialled,
            greeted: link.greeted,
            since: link.since,
        };
        self.links.iter().map(view).collect()
    }

    fn audit_heads(&self) -> AuditHeads {
        let (size, root) = self.audit.head();
        AuditHeads {
            size,
            root,
            witnesses: self.audit.witnesses().collect(),
            countersigned: self.countersigned().map(|(own, by)| (own.head.size, *by)),
            seen: self.audit.seen().cloned().collect(),
        }
    }
}
