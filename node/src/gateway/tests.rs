//! The gateway as programs meet it: client libraries that others wrote send, and others' readers read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    path::Path,
    process::{Command as Program, Stdio},
};

use opentelemetry::{KeyValue, metrics::MeterProvider as _};
use opentelemetry_otlp::{MetricExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    metrics::{PeriodicReader, SdkMeterProvider},
};
use reqwest::{
    Client, StatusCode,
    header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HOST},
};
use tempfile::TempDir;
use x0_protocol::charter::{CharterDraft, Metric, MetricKind};

use super::*;
use crate::{api::tests::start_node, charter::SHIPPED};

const PROTOBUF: &str = "application/x-protobuf";
/// Longest wait for what other processes and threads do.
const PATIENCE: Duration = Duration::from_secs(60);

fn metric(name: &str, kind: MetricKind, cohort_min: u64) -> Metric {
    Metric {
        name: name.to_owned(),
        kind,
        purpose: "To see that the gateway works.".to_owned(),
        retention_days: 7,
        consent: false,
        cohort_min,
        labels: vec!["zone".to_owned()],
    }
}

fn charter(change: impl FnOnce(&mut CharterDraft)) -> Charter {
    let mut draft = SHIPPED.text().clone();
    draft.metrics.extend([
        metric("requests", MetricKind::Counter, 1),
        metric("queue_depth", MetricKind::Gauge, 1),
        metric("wait_ms", MetricKind::Histogram, 1),
        metric("secret_depth", MetricKind::Gauge, 10),
    ]);
    change(&mut draft);
    Charter::new(draft).unwrap()
}

/// A gateway with its sockets open.
struct Served {
    hub: Arc<Hub>,
    address: SocketAddr,
    client: Client,
    _stop: watch::Sender<bool>,
    _dir: TempDir,
}

impl Served {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hub = Hub::open(dir.path(), charter(|_| ()), Metrics::new()).unwrap();
        let hub = Arc::new(hub);
        let (udp, tcp) = open("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = udp.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(http::serve(Arc::clone(&hub), tcp, stopped));
        let own = Arc::clone(&hub);
        tokio::spawn(async move { statsd(&own, &udp).await });
        Self {
            hub,
            address,
            client: scrape::client().unwrap(),
            _stop: stop,
            _dir: dir,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn post(&self, path: &str, kind: &str, body: Vec<u8>) -> (StatusCode, Vec<u8>) {
        let call = self.client.post(self.url(path)).header(CONTENT_TYPE, kind);
        let answer = call.body(body).send().await.unwrap();
        (answer.status(), answer.bytes().await.unwrap().to_vec())
    }

    async fn seen(&self) -> String {
        let answer = self.client.get(self.url("/metrics")).send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// Waits until so many samples have been taken or refused.
    async fn wait_for(&self, samples: u64) -> Overview {
        let seen = timeout(PATIENCE, async {
            loop {
                let overview = self.hub.overview();
                if overview.taken + overview.refused.values().sum::<u64>() >= samples {
                    return overview;
                }
                sleep(Duration::from_millis(10)).await;
            }
        });
        seen.await.expect("the samples came in")
    }
}

/// The system's Python, to which packages of the distribution belong.
fn python(code: &str) -> Program {
    let of_system = "/usr/bin/python3";
    let python = match Path::new(of_system).exists() {
        true => of_system,
        false => "python3",
    };
    let mut program = Program::new(python);
    program.args(["-c", code]);
    program
}

fn run(code: &str, input: &str) -> String {
    use std::io::Write as _;
    let mut program = python(code);
    program.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = program.stderr(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let fault = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{fault}\nInstall it: scripts/setup.sh test"
    );
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_statsd_client_hands_in_what_is_listed_and_a_real_reader_reads_it() {
    let served = Served::start().await;
    let code = format!(
        "import statsd\nc = statsd.StatsClient('127.0.0.1', {})\nc.incr('requests', 3)\nc.gauge('queue_depth', 7)\n\
         c.gauge('queue_depth', -2, delta=True)\nc.timing('wait_ms', 12.5)\nc.gauge('secret_depth', 9)\n\
         c.incr('user_location')\nc.incr('request')\nc.set('queue_depth', 'alice')\n\
         with c.pipeline() as p:\n p.incr('requests')\n p.incr('user_email')\n",
        served.address.port()
    );
    tokio::task::spawn_blocking(move || run(&code, ""))
        .await
        .unwrap();

    let overview = served.wait_for(10).await;
    assert_eq!(overview.taken, 6);
    let refused: Vec<(&str, u64)> = overview
        .refused
        .iter()
        .map(|(why, times)| (*why, *times))
        .collect();
    assert_eq!(
        refused,
        [("blocked", 2), ("not-listed", 1), ("unreadable", 1)]
    );
    let seen = served.seen().await;
    assert!(!seen.contains("secret_depth"), "{seen}");
    let operator = served.hub.shown_behind("# EOF\n");
    assert!(
        operator.contains("secret_depth{Node=\"self\"} 9\n"),
        "{operator}"
    );
    // A reader that others wrote takes both, and checks their form.
    let code = "import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families as read\n\
                print(sorted((s.name, float(s.value)) for f in read(sys.stdin.read()) for s in f.samples))";
    let read = tokio::task::spawn_blocking(move || (run(code, &seen), run(code, &operator)));
    let (anyone, operator) = read.await.unwrap();
    assert_eq!(
        anyone.trim(),
        "[('queue_depth', 5.0), ('requests_total', 4.0), ('wait_ms_count', 1.0), ('wait_ms_sum', 12.5)]"
    );
    assert!(operator.contains("('secret_depth', 9.0)"), "{operator}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_otlp_exporter_is_told_how_many_points_were_refused() {
    let served = Served::start().await;
    let url = served.url("/v1/metrics");
    tokio::task::spawn_blocking(move || {
        crate::tls::ready();
        let exporter = MetricExporter::builder()
            .with_http()
            .with_endpoint(url)
            .build()
            .unwrap();
        let reader = PeriodicReader::builder(exporter).build();
        let provider = SdkMeterProvider::builder()
            .with_reader(reader)
            .with_resource(
                Resource::builder()
                    .with_service_name("shop of alice")
                    .build(),
            )
            .build();
        let meter = provider.meter("test");
        let zone = [KeyValue::new("zone", "a")];
        let requests = meter.u64_counter("requests").build();
        requests.add(3, &zone);
        requests.add(1, &[KeyValue::new("user", "alice")]);
        meter.f64_gauge("queue_depth").build().record(2.5, &zone);
        meter.u64_counter("user_location").build().add(1, &[]);
        let waits = meter
            .f64_histogram("wait_ms")
            .with_boundaries(vec![5.0, 50.0])
            .build();
        waits.record(3.0, &[]);
        waits.record(30.0, &[]);
        provider.force_flush().unwrap();
    })
    .await
    .unwrap();

    let seen = served.seen().await;
    let lines: Vec<&str> = seen.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        lines,
        [
            "queue_depth{zone=\"a\"} 2.5",
            "requests_total{zone=\"a\"} 3",
            "wait_ms_bucket{le=\"5\"} 1",
            "wait_ms_bucket{le=\"50\"} 2",
            "wait_ms_bucket{le=\"+Inf\"} 2",
            "wait_ms_count 2",
            "wait_ms_sum 33",
        ]
    );
    let overview = served.hub.overview();
    let told = format!("{:?}", overview.refusals);
    assert!(
        told.contains("user_location") && told.contains("the label `user`"),
        "{told}"
    );
    assert!(!told.contains("alice") && !seen.contains("alice"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_exporter_is_visited_and_said_to_be_silent_when_it_is() {
    let served = Served::start().await;
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let code = format!(
        "import time\nfrom prometheus_client import Counter, Gauge, Histogram, start_http_server\n\
         Counter('requests', 'r', ['zone']).labels('a').inc(4)\nGauge('queue_depth', 'q').set(7)\n\
         Histogram('wait_ms', 'w', buckets=(5, 50)).observe(30)\nGauge('user_age', 'u').set(42)\n\
         start_http_server({port}, '127.0.0.1')\ntime.sleep(600)"
    );
    let mut exporter = python(&code).spawn().unwrap();
    let target = Target {
        node: "self".to_owned(),
        url: format!("http://127.0.0.1:{port}/metrics"),
    };
    let dir = tempfile::tempdir().unwrap();
    let node = start_node(dir.path());
    tokio::spawn(scrape::visit(
        Arc::clone(&served.hub),
        node,
        served.client.clone(),
        target.clone(),
        Duration::from_millis(50),
    ));

    let came = |is_read: bool| {
        let hub = Arc::clone(&served.hub);
        let target = target.clone();
        timeout(PATIENCE, async move {
            loop {
                let visited = hub
                    .overview()
                    .visited
                    .into_iter()
                    .find(|one| one.target == target);
                if let Some(visited) = visited.filter(|one| one.came.is_ok() == is_read) {
                    return visited.came;
                }
                sleep(Duration::from_millis(10)).await;
            }
        })
    };
    let read = came(true)
        .await
        .expect("it is read; install it: scripts/setup.sh test");
    let seen = served.seen().await;
    exporter.kill().unwrap();
    exporter.wait().unwrap();
    let silent = came(false).await.unwrap().unwrap_err();

    assert!(seen.contains("\nrequests_total{zone=\"a\"} 4\n"), "{seen}");
    assert!(seen.contains("\nwait_ms_bucket{le=\"50.0\"} 1\n"), "{seen}");
    // What the library tells of its own process is listed by no charter, nor is the age.
    assert!(read.unwrap().refused > 5);
    assert!(
        !seen.contains("user_age") && !seen.contains("python_"),
        "{seen}"
    );
    assert!(silent.contains("does not answer"), "{silent}");
}

#[tokio::test]
async fn remote_write_is_taken_by_the_names_of_its_series() {
    let served = Served::start().await;
    let body = remote_write::tests::request(&[
        (
            &[("__name__", "requests_total"), ("zone", "a")],
            &[(1.0, 10), (5.0, 20)],
        ),
        (
            &[("__name__", "requests_total"), ("instance", "host:1")],
            &[(1.0, 10)],
        ),
        (&[("__name__", "wait_ms_bucket"), ("le", "5")], &[(2.0, 10)]),
        (&[("__name__", "User_Mail")], &[(1.0, 10)]),
        (&[("zone", "a")], &[(1.0, 10)]),
    ]);

    let (status, _) = served.post("/api/v1/write", PROTOBUF, body).await;
    let (broken, why) = served
        .post("/api/v1/write", PROTOBUF, b"\x05nonsense".to_vec())
        .await;
    // A length that would fill the memory is refused before it does.
    let (bomb, _) = served
        .post(
            "/api/v1/write",
            PROTOBUF,
            b"\xff\xff\xff\xff\x0f\0".to_vec(),
        )
        .await;

    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(
        (broken, bomb),
        (StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST)
    );
    assert!(String::from_utf8_lossy(&why).contains("no remote write 1.0"));
    let seen = served.seen().await;
    assert!(seen.contains("\nrequests_total{zone=\"a\"} 5\n"), "{seen}");
    let overview = served.hub.overview();
    assert_eq!(overview.taken, 2);
    assert_eq!(overview.refused["label"], 1);
    assert_eq!(overview.refused["malformed"], 2);
}

#[tokio::test]
async fn traces_and_logs_are_refused_wholly_and_it_is_said_why() {
    let served = Served::start().await;

    for (path, reason) in [("/v1/traces", "traces"), ("/v1/logs", "logs")] {
        let (status, body) = served.post(path, PROTOBUF, Vec::new()).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        let words = format!("no charter allows {reason}: the gateway takes metrics alone");
        assert!(String::from_utf8_lossy(&body).contains(&words), "{body:?}");
        assert_eq!(served.hub.overview().refused[reason], 1);
    }
}

#[tokio::test]
async fn what_no_program_of_this_machine_would_send_is_turned_away() {
    let served = Served::start().await;
    let get = |host: &str| {
        served
            .client
            .get(served.url("/metrics"))
            .header(HOST, host)
            .send()
    };

    assert_eq!(
        get("evil.example:80").await.unwrap().status(),
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        get("localhost:8125").await.unwrap().status(),
        StatusCode::OK
    );
    assert_eq!(get("[::1]:8125").await.unwrap().status(), StatusCode::OK);
    let (form, _) = served.post("/v1/metrics", "text/plain", Vec::new()).await;
    assert_eq!(form, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let packed = served
        .client
        .post(served.url("/v1/metrics"))
        .header(CONTENT_TYPE, PROTOBUF);
    let packed = packed
        .header(CONTENT_ENCODING, "gzip")
        .body(vec![0])
        .send()
        .await
        .unwrap();
    assert_eq!(packed.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let (long, _) = served
        .post("/v1/metrics", PROTOBUF, vec![0; otlp::BODY_BYTES_MAX + 1])
        .await;
    assert_eq!(long, StatusCode::PAYLOAD_TOO_LARGE);
    let (broken, _) = served.post("/v1/metrics", PROTOBUF, vec![0xff; 9]).await;
    assert_eq!(broken, StatusCode::BAD_REQUEST);
    let nowhere = served
        .client
        .get(served.url("/v1/metric"))
        .send()
        .await
        .unwrap();
    assert_eq!(nowhere.status(), StatusCode::NOT_FOUND);
    assert!(
        nowhere
            .text()
            .await
            .unwrap()
            .contains("POST at /v1/metrics")
    );
}

#[tokio::test]
async fn readers_that_know_all_names_get_them_byte_for_byte() {
    let served = Served::start().await;
    served.hub.amend(charter(|draft| {
        draft
            .metrics
            .push(metric("queue.depth-now", MetricKind::Gauge, 1));
    }));
    served.hub.statsd(b"queue.depth-now:7|g");

    let old = served.seen().await;
    let accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8";
    let new = served
        .client
        .get(served.url("/metrics"))
        .header(ACCEPT, accept);
    let new = new.send().await.unwrap().text().await.unwrap();

    assert!(old.contains("\nqueue_depth_now 7\n"), "{old}");
    assert!(new.contains("\n{\"queue.depth-now\"} 7\n"), "{new}");
}

#[tokio::test]
async fn a_withdrawn_consent_outlives_a_restart_and_what_was_collected_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let needing = charter(|draft| {
        let requests = draft
            .metrics
            .iter_mut()
            .find(|metric| metric.name == "requests");
        requests.unwrap().consent = true;
    });
    let hub = Hub::open(dir.path(), needing.clone(), Metrics::new()).unwrap();
    hub.say("requests", "ada", true).unwrap();
    hub.statsd(b"requests:3|c");
    assert!(hub.shown(Escaping::Quotes).contains("requests_total 3"));
    hub.say("requests", "ada", false).unwrap();
    assert!(!hub.shown(Escaping::Quotes).contains("requests_total"));
    drop(hub);

    let hub = Hub::open(dir.path(), needing, Metrics::new()).unwrap();
    hub.statsd(b"requests:3|c");

    assert_eq!(hub.overview().refused["consent"], 1);
    let (_, consents) = hub.consents();
    assert!(consents.words().all(|word| !word.given));
}

#[tokio::test]
async fn a_programs_numbers_never_stand_for_those_of_the_node() {
    let served = Served::start().await;
    let metrics = Metrics::new();
    metrics.set(Gauge::Members, 4);
    let own = metrics.text(&SHIPPED);
    served.hub.statsd(b"x0_members:1000|g\nqueue_depth:1|g");

    let text = served.hub.shown_behind(&own);

    assert_eq!(text.matches("# TYPE x0_members ").count(), 1);
    assert!(
        text.contains("\nx0_members 4\n") && !text.contains("x0_members{"),
        "{text}"
    );
    assert!(
        text.ends_with("queue_depth{Node=\"self\"} 1\n# EOF\n"),
        "{text}"
    );
}
