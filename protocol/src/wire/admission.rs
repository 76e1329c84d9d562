//! The way of an act into the mesh: what the agent, targets, co-signers and signatories say about it.
//!
//! All of them speak of the act by its digest, which leaves its warrants out: it stays the same while they are
//! collected. Whoever says something signs it under a namespace of its own, with the mesh and the act.

use serde::{Deserialize, Serialize};
use x0_crypto::{
    ContentId, Identity, Namespace, PublicKey, Signature, committee::ThresholdSignature, verify,
};

use super::{
    Act, Certificate, DecodeError, Override, OverrideProof, Unverified, Verified, VoteProof,
    Warrant,
    codec::{decode, encode},
};
use crate::{
    core::{
        limits::{DRAW_TRIES_MAX, REASON_BYTES_MAX, SEATS_MAX, WARRANT_BYTES_MAX},
        reject::RejectReason,
    },
    spine::audit::tree::InclusionProof,
};

/// What somebody says about an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Word {
    /// The agent asks that it be admitted.
    Ask,
    /// The agent says that a drawn co-signer stays silent, so that the next in the draw may stand in.
    Pass {
        /// How many are passed over with this one.
        passed: u8,
    },
    /// A target agrees.
    Agree,
    /// A drawn co-signer signs.
    Cosign,
    /// A drawn co-signer refuses: the act is over.
    Refuse,
    /// The person of a seat approves of new seats; the plan's name stands for the act's.
    Approve,
    /// A drawn signatory approves of the act under this ticket and no other.
    Sign {
        /// The ticket, by its name.
        ticket: ContentId,
    },
    /// A drawn signatory refuses the act under this ticket. The act is over once so many refuse that the others are too
    /// few.
    Decline {
        /// The ticket, by its name.
        ticket: ContentId,
    },
    /// The agent asks that it be admitted as an override, with these words and no others.
    Override {
        /// The words, by their name.
        words: ContentId,
    },
    /// A seat has the act of an override as a record that is told to all.
    Heard,
}

/// In which role somebody is asked for a word about an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// As one of its targets: the node agrees by itself.
    Target,
    /// As a drawn co-signer: each must sign, and one refusal ends the act.
    Cosigner,
    /// As a drawn signatory: `k` of `n` must approve.
    Signatory,
}

impl Role {
    /// Tells whether a person is asked; else the node itself.
    pub const fn is_persons(self) -> bool {
        match self {
            Self::Target => false,
            Self::Cosigner | Self::Signatory => true,
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Target => "target",
            Self::Cosigner => "co-signer",
            Self::Signatory => "signatory",
        })
    }
}

/// A word about an act, signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Who says it.
    pub by: PublicKey,
    /// The act, by its digest.
    pub act: ContentId,
    /// What is said.
    pub word: Word,
    /// The signature over the mesh, the act and the word.
    pub signature: Signature,
}

impl Said {
    /// Signs a word about an act.
    pub fn sign(mesh: &ContentId, act: ContentId, word: Word, identity: &Identity) -> Self {
        Self {
            by: identity.public(),
            act,
            word,
            signature: identity.sign(Namespace::Act, &encode(&(mesh, act, word))),
        }
    }

    /// Checks the signature.
    ///
    /// # Errors
    ///
    /// Returns [`RejectReason::BadSignature`].
    pub fn verify(&self, mesh: &ContentId) -> Result<(), RejectReason> {
        let message = encode(&(mesh, self.act, self.word));
        verify(&self.by, Namespace::Act, &message, &self.signature)
            .map_err(|_| RejectReason::BadSignature)
    }
}

/// An act as its agent asks the committee to admit it, without warrants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admission {
    /// The act.
    pub act: Act,
    /// The agent's word.
    pub asked: Said,
    /// What is said of it, if it is to be done as an override.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<Box<Override>>,
}

impl Admission {
    /// Returns the word by which its agent asks for an act, as an override or not.
    pub fn word(emergency: Option<&Override>) -> Word {
        emergency.map_or(Word::Ask, |emergency| Word::Override {
            words: emergency.id(),
        })
    }

    pub(super) fn check(&self) -> Result<(), DecodeError> {
        self.act.check()?;
        if let Some(emergency) = &self.emergency {
            let fits = emergency.check_for(&self.act);
            fits.map_err(|why| DecodeError::bounds("admission", "emergency", why))?;
        }
        if !self.act.warrants.is_empty() {
            let why = "are not asked for before there is a ticket";
            return Err(DecodeError::bounds("admission", "warrants", why));
        }
        let word = Self::word(self.emergency.as_deref());
        if self.asked.word != word || self.asked.act != self.act.digest(&self.asked.by) {
            let why = "does not ask for this act";
            return Err(DecodeError::bounds("admission", "asked", why));
        }
        Ok(())
    }

    /// Returns the admission as another peer would have to take it: unverified.
    pub fn to_unverified(&self) -> Unverified<Self> {
        Unverified::from_wire(self.clone())
    }
}

impl Unverified<Admission> {
    /// Checks the agent's signature and the token.
    ///
    /// # Errors
    ///
    /// Returns why the admission must be rejected.
    pub fn verify(self, mesh: &ContentId) -> Result<Verified<Admission>, RejectReason> {
        let admission = self.into_inner();
        admission.asked.verify(mesh)?;
        let capability = admission
            .act
            .token
            .verify(&admission.act.root)
            .map_err(RejectReason::BadToken)?;
        Ok(Verified::attest_with(admission, capability))
    }
}

/// A member of the electorate, as it stands in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elector {
    /// The member.
    pub key: PublicKey,
    /// The first-level invite subtree that it stands in, by who is at its head.
    pub subtree: PublicKey,
}

/// A member of the electorate with the proof that it stands at its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// Its place in the tree.
    pub place: u32,
    /// The member.
    pub elector: Elector,
    /// The proof against the electorate's root.
    pub proof: InclusionProof,
}

/// The draw of co-signers and signatories, with all it takes to repeat it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draw {
    /// The committee's signature over the round.
    pub signature: ThresholdSignature,
    /// The agent's own place: nobody of its subtree is drawn.
    pub agent: Placed,
    /// Who stands at the places that were looked at, in order, until enough were found.
    pub looked_at: Vec<Placed>,
    /// The draw of signatories, if the ticket asks for a panel.
    pub panel: Option<PanelDraw>,
}

/// The draw of signatories: from those who hold seats, and from members for as many as are still missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PanelDraw {
    /// Who stands at the places that were looked at among the seats, in order.
    pub seats: Vec<Placed>,
    /// Who stands at the places that were looked at among those who count, in order.
    pub members: Vec<Placed>,
}

impl Draw {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        let few = |field, places: &[Placed], most: usize| {
            if places.len() > most {
                let why = format!("are more than {most} places");
                return Err(DecodeError::bounds("draw", field, why));
            }
            Ok(())
        };
        few("looked_at", &self.looked_at, DRAW_TRIES_MAX)?;
        let Some(panel) = &self.panel else {
            return Ok(());
        };
        few("seats", &panel.seats, SEATS_MAX)?;
        few("members", &panel.members, DRAW_TRIES_MAX)
    }
}

/// What stands for an act beyond its token, understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warrants {
    /// The committee's ticket.
    pub ticket: Option<Certificate>,
    /// The proof that a vote on the act has passed.
    pub vote: Option<Box<VoteProof>>,
    /// The draw of co-signers and signatories.
    pub draw: Option<Draw>,
    /// What targets, co-signers and signatories said.
    pub said: Vec<Said>,
    /// The proof that the act stands in the public log as an override.
    pub emergency: Option<Box<OverrideProof>>,
}

impl Warrants {
    const TICKET: u16 = 1;
    const SAID: u16 = 2;
    const VOTE: u16 = 3;
    const DRAW: u16 = 5;
    pub(super) const OVERRIDE: u16 = 6;

    /// Reads the warrants of an act; kinds that this build does not know count as absent.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with one of a known kind.
    pub fn of(act: &Act) -> Result<Self, DecodeError> {
        Self::read(&act.warrants)
    }

    pub(super) fn read(wire: &[Warrant]) -> Result<Self, DecodeError> {
        let mut warrants = Self::default();
        for Warrant { kind, proof } in wire {
            match *kind {
                Self::TICKET => {
                    warrants.ticket = Some(decode("ticket", proof, WARRANT_BYTES_MAX)?);
                }
                Self::SAID => warrants
                    .said
                    .push(decode("word", proof, WARRANT_BYTES_MAX)?),
                Self::VOTE => {
                    let proof: Box<VoteProof> = decode("vote", proof, WARRANT_BYTES_MAX)?;
                    proof.check_bounds()?;
                    warrants.vote = Some(proof);
                }
                Self::DRAW => {
                    let draw: Draw = decode("draw", proof, WARRANT_BYTES_MAX)?;
                    draw.check()?;
                    warrants.draw = Some(draw);
                }
                Self::OVERRIDE => {
                    let proof: Box<OverrideProof> = decode("override", proof, WARRANT_BYTES_MAX)?;
                    proof.check()?;
                    warrants.emergency = Some(proof);
                }
                _ => {}
            }
        }
        Ok(warrants)
    }

    /// Writes the warrants as an act carries them.
    pub fn to_wire(&self) -> Vec<Warrant> {
        let ticket = self.ticket.iter().map(|ticket| Warrant {
            kind: Self::TICKET,
            proof: encode(ticket),
        });
        let said = self.said.iter().map(|said| Warrant {
            kind: Self::SAID,
            proof: encode(said),
        });
        let draw = self.draw.iter().map(|draw| Warrant {
            kind: Self::DRAW,
            proof: encode(draw),
        });
        let vote = self.vote.iter().map(|vote| Warrant {
            kind: Self::VOTE,
            proof: encode(vote),
        });
        let emergency = self.emergency.iter().map(|proof| Warrant {
            kind: Self::OVERRIDE,
            proof: encode(proof),
        });
        let warrants = ticket.chain(said).chain(vote).chain(draw);
        warrants.chain(emergency).collect()
    }
}

/// What a seat answers to who asked for admission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Admitted {
    /// It is not decided yet, or not signed yet: ask again.
    Pending,
    /// It is not admitted.
    Refused {
        /// Why, in words, at most 280 bytes.
        why: String,
    },
    /// It is admitted.
    Ticket {
        /// The ticket.
        ticket: Box<Certificate>,
        /// Who is to co-sign or to approve, if anybody is, once the round is signed.
        draw: Option<Box<Draw>>,
    },
}

/// What a target or co-signer answers to who asked for its word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Consented {
    /// A person has not decided yet: ask again.
    Pending,
    /// The word.
    Said(Said),
    /// It will not be said.
    Refused {
        /// Why, in words, at most 280 bytes.
        why: String,
    },
}

impl Admitted {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Pending | Self::Ticket { draw: None, .. } => Ok(()),
            Self::Refused { why } => bounded(why),
            Self::Ticket {
                draw: Some(draw), ..
            } => draw.check(),
        }
    }
}

impl Consented {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Pending | Self::Said(_) => Ok(()),
            Self::Refused { why } => bounded(why),
        }
    }
}

fn bounded(why: &str) -> Result<(), DecodeError> {
    if why.len() > REASON_BYTES_MAX {
        let why = format!("has more than {REASON_BYTES_MAX} bytes");
        return Err(DecodeError::bounds("answer", "why", why));
    }
    Ok(())
}
