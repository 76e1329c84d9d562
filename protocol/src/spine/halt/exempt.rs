//! The closed list of what a halt never stops.

/// What a halt never stops. The list is closed: a step that is not on it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exempt {
    /// A lease ends and the node returns to what it ran before.
    Lapse,
    /// A node returns to what it ran before, under a new number.
    RollBack,
    /// Tokens end before their time.
    Revocation,
    /// A node mends its own links and state.
    SelfHealing,
    /// Votes that confirm, renew or resume.
    HaltVote,
    /// Members seat a new committee.
    CommitteeRecovery,
    /// Emergency access to an item.
    EmergencyAccess,
    /// The release of shares that was certified before the halt.
    CertifiedRelease,
    /// A member leaves.
    Leaving,
    /// A member takes its data out.
    Export,
    /// Erasure of data.
    Erasure,
}

impl Exempt {
    /// Everything exempt.
    pub const ALL: [Self; 11] = [
        Self::Lapse,
        Self::RollBack,
        Self::Revocation,
        Self::SelfHealing,
        Self::HaltVote,
        Self::CommitteeRecovery,
        Self::EmergencyAccess,
        Self::CertifiedRelease,
        Self::Leaving,
        Self::Export,
        Self::Erasure,
    ];
}

/// What is about to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A change of policy on this node, asked by an act.
    PolicyChange,
    /// A seat's share of an admission ticket.
    Ticket,
    /// A renewal of the lease of a wave.
    LeaseRenewal,
    /// A change of the rules or of the charter.
    RuleChange,
    /// Something on the closed list.
    Exempt(Exempt),
}

/// Tells whether a step may be taken while the mesh is halted.
pub const fn allows(step: Step) -> bool {
    match step {
        Step::PolicyChange | Step::Ticket | Step::LeaseRenewal | Step::RuleChange => false,
        Step::Exempt(
            Exempt::Lapse
            | Exempt::RollBack
            | Exempt::Revocation
            | Exempt::SelfHealing
            | Exempt::HaltVote
            | Exempt::CommitteeRecovery
            | Exempt::EmergencyAccess
            | Exempt::CertifiedRelease
            | Exempt::Leaving
            | Exempt::Export
            | Exempt::Erasure,
        ) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::{Exempt, Step, allows};

    #[test]
    fn a_halt_stops_all_changes_and_nothing_on_the_closed_list() {
        let stopped = [
            Step::PolicyChange,
            Step::Ticket,
            Step::LeaseRenewal,
            Step::RuleChange,
        ];
        assert!(!stopped.into_iter().any(allows));
        assert!(Exempt::ALL.into_iter().map(Step::Exempt).all(allows));
    }
}
