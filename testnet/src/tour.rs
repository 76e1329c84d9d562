//! The guided tour: one mesh, every story on it, and then the mesh stays up to be looked at.

use anyhow::{Context as _, Result};
use x0_node::api::view::DashboardLinkView;

use crate::{
    account::{Account, write},
    journeys::Journey,
    mesh::{Mesh, Plan},
    programs::Programs,
    table,
};

/// Nodes of the tour's mesh.
const NODES: usize = 8;

/// Starts a mesh and tells every story on it; then shows it until the future is dropped, unless `once`.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn take(programs: Programs, once: bool) -> Result<()> {
    write(&format!(
        "A guided tour of x0: {NODES} nodes on this machine, and what they live through.\n\
         Each line says what is done, why it matters and what was seen. Ctrl-C ends it at any time."
    ));
    let mut account = Account::new("start", "a mesh comes up", false);
    account.step(
        format!("{NODES} real nodes start: one founds a mesh, the others join by invites"),
        "there is no server: every node is a process of its own, with its own key, disk and judgement",
    );
    let plan = Plan {
        name: "tour".to_owned(),
        nodes: NODES,
        relayed: true,
        founders: 1,
        time_scale: 1,
        charter: None,
        programs,
        tor: false,
        settings: Vec::new(),
    };
    let started = Mesh::start(&plan, |up| account.saw(up)).await;
    let mut mesh = match started {
        Ok(mesh) => mesh,
        Err(error) => return account.end(Err(error)),
    };
    account.end(Ok(()))?;
    tell_all(&mut mesh).await?;
    if once {
        write("\nThe tour is over; the mesh is taken down.");
        return mesh.close().await;
    }
    stay(&mesh).await
}

async fn tell_all(mesh: &mut Mesh) -> Result<()> {
    // The attacks come last: nodes remember for a while who sent them forgeries.
    for journey in [
        Journey::Join,
        Journey::Partition,
        Journey::Crash,
        Journey::Capabilities,
    ] {
        let mut account = Account::new(journey.name(), journey.title(), false);
        let outcome = journey.tell(mesh, &mut account).await;
        account.end(outcome)?;
    }
    Ok(())
}

async fn stay(mesh: &Mesh) -> Result<()> {
    let link: DashboardLinkView = mesh
        .founder()
        .post("/v1/dashboard-link", &serde_json::json!({}))
        .await?;
    let founder = mesh.founder().dir().display();
    let minutes = link.life_secs / 60;
    let x0 = std::path::absolute(&mesh.programs().x0).context("x0 has no path")?;
    let heading = format!(
        "The tour is over; the mesh stays up until Ctrl-C.\n\
         Dashboard (opens once, within {minutes} minutes): {}\n\
         A new link: {} --data-dir {founder} dashboard",
        link.url,
        x0.display()
    );
    write(&format!("\n{heading}\n"));
    table::watch(mesh, &heading).await;
    Ok(())
}
