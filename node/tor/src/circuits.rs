//! Circuits to onion services.

use std::{sync::Arc, time::Duration};

use arti_client::{StreamPrefs, config::BoolOrAuto};
use tokio::time::timeout;
use tor_hsservice::HsId;

use crate::{
    error::TorError,
    stream::Stream,
    tor::{Client, Inner},
};

/// Circuits that no other [`Circuits`] uses. A clone uses the same.
#[derive(Clone)]
pub struct Circuits {
    client: Arc<Client>,
    patience: Duration,
    // After the client, so that the folder is free when nothing uses it any more.
    _inner: Arc<Inner>,
}

impl Circuits {
    pub(crate) fn of(inner: &Arc<Inner>) -> Self {
        Self {
            client: inner.client.isolated_client(),
            patience: inner.patience,
            _inner: Arc::clone(inner),
        }
    }

    /// Opens a stream to an onion service.
    ///
    /// # Errors
    ///
    /// Returns [`TorError::NotAnOnion`] for anything but the address of a version 3 onion service, before anything is
    /// dialled; or why the service was not reached.
    pub async fn connect(&self, onion: &str, port: u16) -> Result<Stream, TorError> {
        check_onion(onion)?;
        let mut preferences = StreamPrefs::new();
        preferences.connect_to_onion_services(BoolOrAuto::Explicit(true));
        let connecting = self.client.connect_with_prefs((onion, port), &preferences);
        let connected = timeout(self.patience, connecting).await;
        let connected = connected.map_err(|_| TorError::Silent {
            after: self.patience,
        })?;
        connected
            .map(Stream::new)
            .map_err(|error| TorError::on_the_way(&error))
    }
}

/// Refuses what is no address of a version 3 onion service: by form, version and check sum.
fn check_onion(address: &str) -> Result<(), TorError> {
    let id: Result<HsId, _> = address.parse();
    id.map(drop).map_err(|_| TorError::NotAnOnion)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the Tor project's own pages.
    const ONION: &str = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion";

    #[test]
    fn only_addresses_of_version_three_are_dialled() {
        assert!(check_onion(ONION).is_ok());
        assert!(check_onion(&ONION.to_uppercase()).is_ok());

        let typo = ONION.replacen('2', "3", 1);
        let below = format!("www.{ONION}");
        let beside = format!("{ONION}.example.com");
        let dotted = format!("{ONION}.");
        let nots = [
            "example.com",
            "127.0.0.1",
            "[::1]",
            "localhost",
            "",
            ".onion",
            "expyuzz4wqqyqhjn.onion",
            &ONION[..56],
            &typo,
            &below,
            &beside,
            &dotted,
        ];
        for not in nots {
            assert!(
                matches!(check_onion(not), Err(TorError::NotAnOnion)),
                "{not}"
            );
        }
    }
}
