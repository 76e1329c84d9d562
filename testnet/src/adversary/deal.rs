//! A guardian that lies in a rotation: it has a share of the item, and deals something else on.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use tokio::time::{Instant, sleep};
use x0_crypto::{
    ContentId, Identity, PublicKey,
    committee::Keyring,
    sublime::{ItemParts, deal},
};
use x0_node::{
    metrics::Metrics,
    share_keys::ShareKeyFiles,
    store::{RocksStore, Store as _, StoreOptions},
};
use x0_protocol::{
    core::{
        secret::{SecretDone, SecretTask},
        share_tasks::RedealTask,
    },
    sublime::shares::KeptShare,
    wire::{
        GuardianAsk, GuardianWants, PartAsk, Response, RotationAnswer, RotationDealing,
        RotationPlan, SublimeAsk,
    },
};

use super::foothold::Foothold;

/// Longest wait for the rotation to be open.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time after which the seats are asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Bytes of a part, sealed: as long as a good one.
const PART_BYTES: usize = 65 + 1_136;

/// What the guardian lies about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lie {
    /// It commits to something else than its share.
    Commitments,
    /// It commits to its share, and hands out parts that do not open.
    Parts,
}

/// Lies to every new guardian that the foothold is linked to; returns what each of them said.
///
/// # Errors
///
/// Returns that the guardian keeps no share of the item, or that no rotation is open.
pub async fn lie(
    data_dir: &Path,
    (own, mesh): (Identity, ContentId),
    (item, lie): (PublicKey, Lie),
    foothold: &mut Foothold,
) -> Result<Vec<(PublicKey, Response)>> {
    let share = kept(data_dir, &own, &item)?;
    let plan = plan(&share, foothold).await?;
    let dealing = dealing(data_dir, (own, mesh), (share.clone(), plan.clone()), lie)?;
    let mut answers = Vec::new();
    for guardian in foothold.members().to_vec() {
        if plan.index_of(&guardian).is_none() {
            continue;
        }
        let ask = SublimeAsk::Part(Box::new(PartAsk {
            plan: plan.clone(),
            dealing: dealing.clone(),
            appointed: share.appointed.clone(),
            sealed: vec![7; PART_BYTES].into(),
        }));
        answers.extend(foothold.sublime(ask, &[guardian]).await?);
    }
    Ok(answers)
}

/// Reads the share from the guardian's store.
fn kept(data_dir: &Path, own: &Identity, item: &PublicKey) -> Result<KeptShare> {
    let options = StoreOptions::new(u64::MAX, Metrics::new());
    let store = RocksStore::open(data_dir, own.public(), options)?;
    let shares = store.load()?.sublime.shares;
    let share = shares.into_iter().find(|share| share.item == *item);
    share.context("this member keeps no share of the item")
}

/// Asks the seats for the plan until the rotation is open.
async fn plan(share: &KeptShare, foothold: &mut Foothold) -> Result<RotationPlan> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let ask = SublimeAsk::Guardian(Box::new(GuardianAsk {
            item: share.item,
            index: share.index,
            appointed: share.appointed.clone(),
            what: GuardianWants::Plan,
        }));
        let members = foothold.members().to_vec();
        for (_, answer) in foothold.sublime(ask, &members).await? {
            if let Response::Rotation(RotationAnswer::Plan(plan)) = answer {
                return Ok(*plan);
            }
        }
        sleep(ASK_AGAIN).await;
    }
    bail!("no seat among the members linked knows an open rotation of the item")
}

fn dealing(
    data_dir: &Path,
    (own, mesh): (Identity, ContentId),
    (share, plan): (KeptShare, RotationPlan),
    lie: Lie,
) -> Result<RotationDealing> {
    let (name, index) = (plan.id(&mesh), share.index);
    match lie {
        Lie::Commitments => {
            let other = ItemParts::draw(&[0xbb; 32], b"another item").secret;
            let commitments = deal(&other, plan.access, &[0xbb; 32]).commitments;
            Ok(RotationDealing::sign(&own, name, index, commitments))
        }
        Lie::Parts => {
            let own = Arc::new(own);
            let mut keys = ShareKeyFiles::open(data_dir, Arc::clone(&own))?;
            let task = SecretTask::Redeal(Box::new(RedealTask {
                mesh,
                share,
                plan,
                to: Vec::new(),
            }));
            let done = task.run(&own, &mut Keyring::default(), &mut keys);
            let SecretDone::Redealt(Some(dealt)) = done else {
                bail!("the share cannot be dealt on: {done:?}");
            };
            Ok(dealt.dealing)
        }
    }
}
