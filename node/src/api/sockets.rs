//! Where the API is served: a unix socket that only the node's user can open, and the loopback.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::Router;
use tokio::net::{TcpListener, UnixListener, UnixStream};

use super::{ApiState, auth::Peer};

/// Longest path of a unix socket, bytes, without its end mark (`sun_path`, unix(7)).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another node answers on the socket.
    #[error(
        "a node already runs on {0}: `x0 status` shows it, --data-dir starts another beside it"
    )]
    InUse(PathBuf),
    /// The path does not fit a unix socket.
    #[error(
        "the path of the socket {path} has {bytes} bytes and may have {SOCKET_PATH_BYTES_MAX}: use a data \
         directory with a shorter path"
    )]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// The loopback address is none.
    #[error(
        "the API may be served to this machine only: {0} is no loopback address; use 127.0.0.1"
    )]
    NotLoopback(SocketAddr),
    /// The loopback port is taken.
    #[error(
        "{address} cannot be listened on ({cause}): free it, or set another port for the API; 0 picks one"
    )]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// The socket cannot be made.
    #[error(
        "the socket {path} cannot be made ({cause}): check that the data directory is yours and has space"
    )]
    Unix {
        /// The path.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// The open sockets of a node's API.
pub struct Sockets {
    unix: UnixListener,
    path: PathBuf,
    tcp: Option<TcpListener>,
}

impl Sockets {
    /// Opens the unix socket, and the loopback if an address is given.
    ///
    /// # Errors
    ///
    /// Returns what stands in the way, with the mend.
    pub async fn open(socket: &Path, loopback: Option<SocketAddr>) -> Result<Self, ListenError> {
        let tcp = match loopback {
            Some(address) => Some(open_tcp(address).await?),
            None => None,
        };
        Ok(Self {
            unix: open_unix(socket).await?,
            path: socket.to_owned(),
            tcp,
        })
    }

    /// Returns where the loopback is listened on, with the port the system chose.
    pub fn loopback(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().and_then(|tcp| tcp.local_addr().ok())
    }

    /// Serves until the node stops; open calls are finished, streams are ended.
    pub async fn serve(self, router: Router, api: Arc<ApiState>) {
        let stopped = |api: &Arc<ApiState>| {
            let mut stop = api.stop.subscribe();
            async move {
                stop.wait_for(|stop| *stop).await.ok();
            }
        };
        let service = router.into_make_service_with_connect_info::<Peer>();
        let unix = axum::serve(self.unix, service.clone()).with_graceful_shutdown(stopped(&api));
        let tcp = async {
            if let Some(tcp) = self.tcp {
                let tcp = axum::serve(tcp, service).with_graceful_shutdown(stopped(&api));
                report(tcp.await);
            }
        };
        tokio::join!(async { report(unix.await) }, tcp);
        fs::remove_file(&self.path).ok();
    }
}

fn report(ended: io::Result<()>) {
    if let Err(cause) = ended {
        tracing::error!(%cause, "the local API stopped");
    }
}

async fn open_tcp(address: SocketAddr) -> Result<TcpListener, ListenError> {
    if !address.ip().is_loopback() {
        return Err(ListenError::NotLoopback(address));
    }
    TcpListener::bind(address)
        .await
        .map_err(|cause| ListenError::Tcp { address, cause })
}

async fn open_unix(path: &Path) -> Result<UnixListener, ListenError> {
    let bytes = path.as_os_str().len();
    if bytes > SOCKET_PATH_BYTES_MAX {
        return Err(ListenError::PathTooLong {
            path: path.to_owned(),
            bytes,
        });
    }
    if UnixStream::connect(path).await.is_ok() {
        return Err(ListenError::InUse(path.to_owned()));
    }
    let failed = |cause| ListenError::Unix {
        path: path.to_owned(),
        cause,
    };
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
        Err(cause) => return Err(failed(cause)),
    }
    // Until the mode is set others may connect, and are then known by their user id like everybody.
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[tokio::test]
    async fn the_socket_is_the_owners_alone_and_a_stale_one_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x0.sock");
        drop(Sockets::open(&path, None).await.unwrap());

        let sockets = Sockets::open(&path, None).await.unwrap();

        let mode = fs::metadata(&sockets.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_second_node_on_the_same_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x0.sock");
        let _first = Sockets::open(&path, None).await.unwrap();

        let second = Sockets::open(&path, None).await;

        assert!(matches!(second.err(), Some(ListenError::InUse(_))));
    }

    #[tokio::test]
    async fn only_this_machine_is_served() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x0.sock");
        let open = |address: &str| Sockets::open(&path, Some(address.parse().unwrap()));

        for bad in ["0.0.0.0:0", "192.168.1.2:0", "[::]:0"] {
            let refused = open(bad).await.err();
            assert!(
                matches!(refused, Some(ListenError::NotLoopback(_))),
                "{bad}"
            );
        }
        let sockets = open("127.0.0.1:0").await.unwrap();
        assert_ne!(sockets.loopback().unwrap().port(), 0);
    }

    #[tokio::test]
    async fn a_path_too_long_for_a_socket_is_refused_with_the_mend() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(120)).join("x0.sock");

        let error = Sockets::open(&deep, None).await.err().unwrap().to_string();

        assert!(error.contains("shorter path"), "{error}");
    }
}
