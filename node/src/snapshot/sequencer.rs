//! Handing in own messages.

use serde::{Deserialize, Serialize};

use super::envelope::Envelope;
use crate::web::{Place, Web, WebError};

/// Most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What a sequencer answers to a message it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The name of what was handed in.
    pub id: String,
    /// Where its envelope is.
    #[serde(default)]
    pub ipfs: Option<String>,
}

/// Hands in a signed message.
///
/// # Errors
///
/// Returns why the sequencer refuses it, in its words: outside the window, an option that there is not, a kind of
/// message that it does not take, too many requests.
pub async fn submit(web: &Web, sequencer: &str, envelope: &Envelope) -> Result<Taken, WebError> {
    let place = Place::parse(sequencer)?;
    let answer = web
        .post(&place, &envelope.to_json(), None, ANSWER_BYTES_MAX)
        .await?;
    serde_json::from_value(answer).map_err(|error| place.not_understood(&error.to_string()))
}
