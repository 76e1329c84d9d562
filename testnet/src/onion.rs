//! A word with an onion service, from the command line: what comes on standard input goes there, what comes back is printed.

use std::{fs, io::Write as _, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use clap::Args;
use tokio::io::{copy, stdin, stdout};
use x0_tor::{Network, Settings, Tor, TorError};

use crate::wait::{Look, until};

/// How long a service is tried that is not there: one that was just announced takes a moment to be found.
const FOUND_WITHIN: Duration = Duration::from_secs(45);

/// Which service, and by which way.
#[derive(Debug, Args)]
pub struct Call {
    /// The address, with `.onion`.
    pub address: String,
    /// The port.
    pub port: u16,
    /// The Tor network, as `x0-testnet tor` describes it; the public one unless given.
    #[arg(long)]
    pub network: Option<PathBuf>,
    /// A file with bridge lines: relays outside it are not spoken to.
    #[arg(long)]
    pub bridges: Option<PathBuf>,
    /// Where Tor keeps its files; forgotten afterwards unless given.
    #[arg(long)]
    pub state: Option<PathBuf>,
}

impl Call {
    /// Dials and talks until the service hangs up.
    ///
    /// # Errors
    ///
    /// Returns what is in the way, and what helps.
    pub async fn talk(self) -> Result<()> {
        let temporary = tempfile::tempdir()?;
        let folder = self.state.unwrap_or_else(|| temporary.path().to_owned());
        let mut settings = Settings::new(folder.join("state"), folder.join("cache"));
        if let Some(file) = self.network {
            settings.network = Network::File(file);
        }
        if let Some(file) = self.bridges {
            let text = fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            settings.bridges = text.lines().map(str::to_owned).collect();
        }
        let tor = Tor::start(settings, |at| {
            note(&format!("{} %: {}", at.percent, at.words))
        })
        .await?;
        let circuits = tor.isolated();
        let stream = until("the onion service", FOUND_WITHIN, async || {
            Ok(match circuits.connect(&self.address, self.port).await {
                Ok(stream) => Look::Holds(stream),
                Err(error @ TorError::NotAnOnion) => return Err(error.into()),
                Err(error) => Look::NotYet(error.to_string()),
            })
        })
        .await?;
        note("connected");
        let (mut from, mut to) = tokio::io::split(stream);
        let (mut input, mut output) = (stdin(), stdout());
        let sending = async {
            copy(&mut input, &mut to).await?;
            // The other end may have more to say.
            std::future::pending().await
        };
        tokio::select! {
            ended = sending => ended,
            ended = copy(&mut from, &mut output) => Ok(ended.map(drop)?),
        }
    }
}

fn note(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").ok();
}
