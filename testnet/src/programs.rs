//! Where the programs are that a mesh is made of.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Names another Python to drive the browser with; it must have Playwright and axe.
const PYTHON_VARIABLE: &str = "X0_TESTNET_PYTHON";

/// The programs a mesh is made of.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The node.
    pub x0: PathBuf,
    /// The attacker.
    pub adversary: PathBuf,
    /// The helper that brings the charter into the kernel.
    pub probe: PathBuf,
    /// util-linux's `setpriv`, which lets the system end a node when this program ends, however it ends.
    /// Without it nodes outlive a `kill -9` of this program; `make clean-mesh` then says so.
    pub setpriv: Option<PathBuf>,
    /// The Python that drives a browser, as `make setup-test` installs it beside the builds.
    pub python: PathBuf,
    /// Where the packages of a gateway of Arweave are, as `make setup-test` installs them beside the builds.
    pub arweave: PathBuf,
}

impl Programs {
    /// Finds the programs beside this one; the node may be named.
    ///
    /// # Errors
    ///
    /// Returns which one is missing and how to build it.
    pub fn find(x0: Option<PathBuf>) -> Result<Self> {
        let own = std::env::current_exe().context("this program does not find itself")?;
        let beside = own.parent().unwrap_or(Path::new("."));
        let programs = Self {
            x0: x0.unwrap_or_else(|| beside.join("x0")),
            adversary: beside.join("x0-adversary"),
            probe: beside.join("x0-probe"),
            setpriv: on_path("setpriv"),
            python: std::env::var_os(PYTHON_VARIABLE)
                .map_or_else(|| beside.join("../tools/bin/python"), PathBuf::from),
            arweave: std::path::absolute(beside.join("../arweave"))?,
        };
        for program in [&programs.x0, &programs.adversary, &programs.probe] {
            if !program.is_file() {
                bail!(
                    "there is no {}: build it with `make build`, or name x0 with --x0",
                    program.display()
                );
            }
        }
        Ok(programs)
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|program| program.is_file())
}
