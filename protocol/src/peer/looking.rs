//! What a driver may look at between two turns of a peer. Nothing here changes anything, and nothing is copied.

use super::Peer;
use crate::{
    anti_meave::overrides::OverrideHere,
    charter::violation::Docket,
    core::time::{Now, Wall},
    spine::public_log::Mirror,
};

impl Peer {
    /// Returns what is known here of cases and balances; none if nothing is.
    pub fn docket(&self) -> Option<&Docket> {
        self.court.as_ref().map(|court| &court.docket)
    }

    /// Returns this node's copy of the public log; none if nothing is known of one.
    pub fn public_log(&self) -> Option<&Mirror> {
        self.public.as_deref().map(|public| &public.mirror)
    }

    /// Iterates over the overrides that run here and have not been seen to be told to all.
    pub fn overrides_here(&self) -> impl Iterator<Item = &OverrideHere> {
        let public = self.public.as_deref();
        public
            .into_iter()
            .flat_map(|public| public.overrides.iter())
    }

    /// Returns mesh time as this node knows it.
    pub fn time(&self, now: Now) -> Wall {
        self.mesh_time(now)
    }
}
