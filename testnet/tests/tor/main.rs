//! Tor from end to end, on a network of its own: a story of one client that has only a bridge, and of two others.
//!
//! All of it is one test, for a network takes some 20 s to come up.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod caller;

use std::{fs, path::Path, sync::Arc, time::Duration};

use caller::Caller;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    sync::Mutex,
    task::JoinHandle,
    time::timeout,
};
use x0_testnet::{
    tor_network::TorNetwork,
    wait::{Look, until},
};
use x0_tor::{
    Circuits, Network, Progress, Service, ServiceStatus, Settings, Stream, Tor, TorError,
};

const PORT: u16 = 4001;
/// Longest wait for anything but the network itself.
const PATIENCE: Duration = Duration::from_secs(45);

#[tokio::test(flavor = "multi_thread")]
async fn onion_services_are_hosted_and_dialled_over_a_real_network() {
    let dir = tempfile::tempdir().unwrap();
    let network = TorNetwork::start(&dir.path().join("network"), true)
        .await
        .unwrap();

    // A host, reached directly.
    let at_host = settings(&dir, "host", &network);
    let told = Arc::new(std::sync::Mutex::new(Vec::<Progress>::new()));
    let listener = Arc::clone(&told);
    let host = Tor::start(at_host.clone(), move |at| listener.lock().unwrap().push(at))
        .await
        .unwrap();
    let last = told.lock().unwrap().last().cloned().unwrap();
    assert_eq!(last.percent, 100, "{last:?}");
    let service = host.serve("emergency", PORT).await.unwrap();
    let address = service.address().to_owned();
    reachable(&service).await;
    let echo = Echo::of(service);

    // Somebody who may speak to a bridge only speaks to nobody else.
    let bridge = network.bridge().unwrap().address;
    let caller = Caller::start(&network, Some(&network.bridges()), &address, PORT);
    let spoken_to = caller.talk("by the bridge").await;
    assert_eq!(spoken_to.into_iter().collect::<Vec<_>>(), [bridge]);
    // That this was looked at rightly shows somebody who has no bridge.
    let caller = Caller::start(&network, None, &address, PORT);
    let spoken_to = caller.talk("directly").await;
    assert!(
        !spoken_to.is_empty() && !spoken_to.contains(&bridge),
        "{spoken_to:?}"
    );

    // A folder belongs to one at a time.
    let second = Tor::start(at_host.clone(), |_| {}).await;
    assert!(matches!(second, Err(TorError::Locked { .. })));

    // Two that know nothing of each other share no circuit; what is their own, each does.
    let client = Tor::start(settings(&dir, "client", &network), |_| {})
        .await
        .unwrap();
    let (one, other) = (client.isolated(), client.isolated());
    let mut streams = [
        dial(&one, &address).await,
        dial(&one, &address).await,
        dial(&other, &address).await,
    ];
    let circuits: Vec<String> = streams
        .iter()
        .map(|stream| stream.circuit().unwrap())
        .collect();
    assert_eq!(circuits[0], circuits[1]);
    assert_ne!(circuits[0], circuits[2]);
    for (stream, word) in streams.iter_mut().zip(["one", "one again", "other"]) {
        says(stream, word).await;
    }
    assert!(matches!(
        one.connect("example.com", 80).await,
        Err(TorError::NotAnOnion)
    ));
    let refused = one.connect(&address, PORT + 1).await;
    assert!(refused.is_err(), "the service is on another port");

    // Without the service, its clients are told so.
    drop(streams);
    echo.end().await;
    drop(host);
    let gone = client.isolated().connect(&address, PORT).await;
    let told = matches!(
        gone,
        Err(TorError::NotThere { .. } | TorError::Silent { .. })
    );
    assert!(told, "{:?}", gone.err());

    // The same folder gives the same address, and clients find it again.
    let host = Tor::start(at_host, |_| {}).await.unwrap();
    let service = host.serve("emergency", PORT).await.unwrap();
    assert_eq!(service.address(), address);
    reachable(&service).await;
    let echo = Echo::of(service);
    let mut stream = dial(&client.isolated(), &address).await;
    says(&mut stream, "once more").await;
    // Both ways: now the client is called.
    let back = client.serve("answer", PORT).await.unwrap();
    let back_address = back.address().to_owned();
    assert_ne!(back_address, address);
    reachable(&back).await;
    let back = Echo::of(back);
    says(
        &mut dial(&host.isolated(), &back_address).await,
        "the other way",
    )
    .await;
    back.end().await;
    echo.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_named() {
    let dir = tempfile::tempdir().unwrap();
    // Relays that are not there: as far as a client sees, there is no network.
    let description = dir.path().join("network.toml");
    fs::write(&description, NOBODY).unwrap();
    let start = async |name: &str, bridges: &[&str]| {
        let settings = Settings {
            network: Network::File(description.clone()),
            bridges: bridges.iter().map(|line| (*line).to_owned()).collect(),
            patience: Duration::from_secs(3),
            ..folders(dir.path(), name)
        };
        Tor::start(settings, |_| {}).await.err().unwrap()
    };

    let direct = start("direct", &[]).await;
    let bridged = start(
        "bridged",
        &["127.0.0.1:1 316E643333645F6D79216558614D3931657A5F5F"],
    )
    .await;

    assert!(matches!(direct, TorError::NoNetwork { .. }), "{direct}");
    assert!(
        matches!(bridged, TorError::BridgeRefused { .. }),
        "{bridged}"
    );
    assert!(bridged.to_string().contains("refused"), "{bridged}");
}

/// A network of which nobody is there: port 1 takes no connections.
const NOBODY: &str = r#"
[tor_network]
authorities.v3idents = ["0000000000000000000000000000000000000001"]
authorities.uploads = [["127.0.0.1:1"]]
authorities.downloads = [["127.0.0.1:1"]]
authorities.votes = [["127.0.0.1:1"]]
fallback_caches = [
    { rsa_identity = "316E643333645F6D79216558614D3931657A5F5F", ed_identity = "dGhpcyBpcyBpbmNyZWRpYmx5IHNpbGx5ISEhISEhISE", orports = ["127.0.0.1:1"] },
]
"#;

fn folders(dir: &Path, name: &str) -> Settings {
    Settings::new(dir.join(name).join("state"), dir.join(name).join("cache"))
}

fn settings(dir: &TempDir, name: &str, network: &TorNetwork) -> Settings {
    Settings {
        network: Network::File(network.description()),
        ..folders(dir.path(), name)
    }
}

async fn reachable(service: &Service) {
    let mut status = service.status();
    let reached = timeout(
        PATIENCE,
        status.wait_for(|status| *status == ServiceStatus::Reachable),
    )
    .await;
    let reached = reached.map(|changed| changed.map(drop));
    assert!(
        matches!(reached, Ok(Ok(()))),
        "the service is {:?}",
        *service.status().borrow()
    );
}

/// Dials; what was just announced may take a moment to be found.
async fn dial(circuits: &Circuits, address: &str) -> Stream {
    until("the onion service", PATIENCE, async || {
        Ok(match circuits.connect(address, PORT).await {
            Ok(stream) => Look::Holds(stream),
            Err(error) => Look::NotYet(error.to_string()),
        })
    })
    .await
    .unwrap()
}

async fn says(stream: &mut Stream, word: &str) {
    stream.write_all(word.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = vec![0; word.len()];
    timeout(PATIENCE, stream.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer, word.as_bytes());
}

/// Says whatever it hears.
struct Echo {
    task: JoinHandle<()>,
    service: Arc<Mutex<Service>>,
}

impl Echo {
    fn of(service: Service) -> Self {
        let service = Arc::new(Mutex::new(service));
        let listening = Arc::clone(&service);
        let task = tokio::spawn(async move {
            while let Some(stream) = listening.lock().await.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = tokio::io::split(stream);
                    copy(&mut from, &mut to).await.ok();
                });
            }
        });
        Self { task, service }
    }

    /// Ends the service.
    async fn end(self) {
        self.task.abort();
        self.task.await.ok();
        drop(self.service);
    }
}
