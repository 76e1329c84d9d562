//! Where an item is to be kept, as whoever puts it says.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use x0_tiers::TierKind;

/// Where an item is to be kept. Guardians' nodes keep it in any case, all of it each.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, ValueEnum,
)]
pub enum Policy {
    /// By guardians' nodes alone.
    #[default]
    #[serde(rename = "mesh")]
    #[value(name = "mesh")]
    Mesh,
    /// And on Arweave, for ever.
    #[serde(rename = "mesh+arweave")]
    #[value(name = "mesh+arweave")]
    MeshArweave,
    /// And on Sia, as long as the account pays.
    #[serde(rename = "mesh+sia")]
    #[value(name = "mesh+sia")]
    MeshSia,
    /// On all of them.
    #[serde(rename = "all")]
    #[value(name = "all")]
    All,
}

impl Policy {
    /// Returns the name, as the command line writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mesh => "mesh",
            Self::MeshArweave => "mesh+arweave",
            Self::MeshSia => "mesh+sia",
            Self::All => "all",
        }
    }

    /// Returns the tiers beside the mesh.
    pub const fn beyond(self) -> &'static [TierKind] {
        match self {
            Self::Mesh => &[],
            Self::MeshArweave => &[TierKind::Arweave],
            Self::MeshSia => &[TierKind::Sia],
            Self::All => &[TierKind::Arweave, TierKind::Sia],
        }
    }
}
