//! Asking the helper.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    error::ProbeError,
    messages::{Answer, OWNER_LINE_BYTES_MAX, Request, Status},
    place,
    policy::{Checked, Policy},
};

/// How long a helper may say nothing: it takes at most a second to load the largest policy, and while events are followed it
/// says every ten that it is there.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The way to a helper, whether it runs or not.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Default for Client {
    fn default() -> Self {
        Self::new(place::socket())
    }
}

impl Client {
    /// Speaks to the helper on this socket.
    pub const fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Returns the socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Puts a policy in force; only root and the owner may.
    ///
    /// # Errors
    ///
    /// Returns that nobody answers, or why not.
    pub fn load(&self, policy: &Checked) -> Result<Answer, ProbeError> {
        self.ask(&Request::Load(policy.policy().clone()))
    }

    /// Asks what is in force; only root and the owner may.
    ///
    /// # Errors
    ///
    /// As for [`Client::load`].
    pub fn status(&self) -> Result<Status, ProbeError> {
        let answer = self.ask(&Request::Status {})?;
        let Answer::Status(status) = answer else {
            return Err(unexpected(&answer));
        };
        Ok(*status)
    }

    /// Asks for the policy in force, as it was loaded; only root and the owner may.
    ///
    /// # Errors
    ///
    /// As for [`Client::load`].
    pub fn policy(&self) -> Result<Option<Policy>, ProbeError> {
        let answer = self.ask(&Request::Policy {})?;
        let Answer::Policy(policy) = answer else {
            return Err(unexpected(&answer));
        };
        Ok(policy.map(|policy| *policy))
    }

    /// Asks for the keyed hash of a name; only root and the owner may.
    ///
    /// # Errors
    ///
    /// As for [`Client::load`].
    pub fn hash(&self, name: &str) -> Result<String, ProbeError> {
        let answer = self.ask(&Request::Hash {
            name: name.to_owned(),
        })?;
        let Answer::Hash { hash } = answer else {
            return Err(unexpected(&answer));
        };
        Ok(hash)
    }

    /// Hands refusals to `each` until there are no more, or it returns an error. With `follow` there are always more.
    ///
    /// # Errors
    ///
    /// As for [`Client::load`], or what `each` returned.
    pub fn events<E: From<ProbeError>>(
        &self,
        follow: bool,
        mut each: impl FnMut(Answer) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut answers = self.open(&Request::Events { follow })?;
        loop {
            let answer = self.next(&mut answers)?;
            if answer == (Answer::End {}) {
                return Ok(());
            }
            each(answer)?;
        }
    }

    /// Asks that this process comes under the rules of a service; returns its cgroup.
    pub(crate) fn guard(&self, service: &str) -> Result<String, ProbeError> {
        let answer = self.ask(&Request::Guard {
            service: service.to_owned(),
        })?;
        let Answer::Guarded { cgroup } = answer else {
            return Err(unexpected(&answer));
        };
        Ok(cgroup)
    }

    fn ask(&self, request: &Request) -> Result<Answer, ProbeError> {
        let mut answers = self.open(request)?;
        self.next(&mut answers)
    }

    fn open(&self, request: &Request) -> Result<BufReader<UnixStream>, ProbeError> {
        let silent = |cause| ProbeError::NotRunning {
            socket: self.socket.clone(),
            cause,
        };
        let mut line = serde_json::to_vec(request).map_err(|fault| bad(&fault.to_string()))?;
        line.push(b'\n');
        let mut stream = UnixStream::connect(&self.socket).map_err(silent)?;
        stream.set_read_timeout(Some(SILENCE_MAX)).map_err(silent)?;
        stream
            .set_write_timeout(Some(SILENCE_MAX))
            .map_err(silent)?;
        // A helper that refuses early closes its end; what it said is still to be read.
        stream.write_all(&line).ok();
        Ok(BufReader::new(stream))
    }

    fn next(&self, answers: &mut BufReader<UnixStream>) -> Result<Answer, ProbeError> {
        let mut line = Vec::new();
        let mut bounded = answers.take(OWNER_LINE_BYTES_MAX);
        bounded
            .read_until(b'\n', &mut line)
            .map_err(|cause| bad(&cause.to_string()))?;
        if line.is_empty() {
            return Err(bad("it closed the connection"));
        }
        let answer = serde_json::from_slice(&line).map_err(|fault| bad(&fault.to_string()))?;
        if let Answer::Error {
            code,
            message,
            mend,
        } = answer
        {
            return Err(ProbeError::Refused {
                code,
                message,
                mend,
            });
        }
        Ok(answer)
    }
}

fn unexpected(answer: &Answer) -> ProbeError {
    bad(&format!("it said {answer:?}"))
}

fn bad(detail: &str) -> ProbeError {
    ProbeError::BadAnswer {
        detail: detail.to_owned(),
    }
}
