#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, path::Path};

use tempfile::TempDir;

use super::*;

const PEER: &str = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";

#[test]
fn without_any_source_the_defaults_hold() {
    let home = Home::new("");
    fs::remove_file(home.0.path().join(FILE)).unwrap();

    let config = home.load().unwrap();

    assert_eq!(config.network.listen.len(), 2);
    assert!(!config.network.lan && !config.network.relay_server);
    assert!(config.network.bootstrap.is_empty());
    assert_eq!(config.api.unix_socket, home.0.path().join("x0.sock"));
    assert_eq!(config.api.http, Some("127.0.0.1:0".parse().unwrap()));
    assert_eq!(config.store.max_bytes, 4 << 30);
    assert_eq!(config.telemetry.otlp_endpoint, None);
    assert!(
        Key::ALL
            .iter()
            .all(|key| *config.source(*key) == Source::Default)
    );
}

#[test]
fn flags_go_over_variables_over_the_file_over_defaults() {
    let home = Home::new(
        "[log]\nfilter = \"debug\"\n\n[api]\nrate_per_second = 7\nbody_bytes_max = \"64 KiB\"\n",
    );
    let sources = home
        .sources()
        .with_variable("X0_API_RATE_PER_SECOND", "8")
        .with_variable("X0_LOG_FILTER", "warn")
        .with_variable(
            "X0_NETWORK_LISTEN",
            "/ip4/127.0.0.1/tcp/1, /ip6/::1/udp/2/quic-v1",
        )
        .with_flag(Key::LogFilter, "error");

    let config = Config::load(sources).unwrap();

    assert_eq!(config.log.filter, "error");
    assert_eq!(config.source(Key::LogFilter), &Source::Flag);
    assert_eq!(config.api.rate_per_second, 8);
    assert_eq!(config.source(Key::ApiRatePerSecond), &Source::Variable);
    assert_eq!(config.api.body_bytes_max, 64 << 10);
    assert_eq!(
        config.source(Key::ApiBodyBytesMax),
        &Source::File { line: 6 }
    );
    assert_eq!(config.network.listen.len(), 2);
    assert_eq!(config.source(Key::StoreMaxBytes), &Source::Default);
}

#[test]
fn every_fault_is_reported_at_once_with_place_key_value_and_mend() {
    let home = Home::new(
        "[network]\n\
         lan = \"yes\"\n\
         listen = [\"/ip4/0.0.0.0/tcp/4700\", \"0.0.0.0:4700\", \"/ip4/1.2.3.4/udp/1\"]\n\
         conections_max = 10\n\
         [api]\n\
         http = \"0.0.0.0:80\"\n\
         [store]\n\
         max_bytes = \"1 KiB\"\n\
         [lgo]\n\
         filter = \"info\"\n",
    );
    let sources = home
        .sources()
        .with_variable("X0_LOG_FORMAT", "xml")
        .with_variable("X0_LOG_FILTR", "info")
        .with_flag(Key::ApiRatePerSecond, "0");
    let file = home.0.path().join(FILE).display().to_string();

    let error = Config::load(sources).unwrap_err();

    let ConfigError::Faults(faults) = &error else {
        panic!("{error}")
    };
    let lines: Vec<_> = faults.iter().map(Fault::to_string).collect();
    let expect = |parts: &[&str]| {
        assert!(
            lines
                .iter()
                .any(|line| parts.iter().all(|part| line.contains(part))),
            "{parts:?} not in\n{error}"
        );
    };
    let at = |line: usize| format!("{file}:{line}: ");
    expect(&[
        &at(2),
        "network.lan = \"yes\"",
        "of type string",
        "without quotes",
    ]);
    expect(&[
        &at(3),
        "network.listen = 0.0.0.0:4700",
        "not an address",
        "/ip4/0.0.0.0/tcp/4700",
    ]);
    expect(&[&at(3), "/ip4/1.2.3.4/udp/1", "neither TCP nor QUIC"]);
    expect(&[
        &at(4),
        "no such key",
        "did you mean network.connections_max?",
    ]);
    expect(&[
        &at(6),
        "api.http = 0.0.0.0:80",
        "this machine only",
        "ssh -L",
    ]);
    expect(&[
        &at(8),
        "store.max_bytes = 1 KiB",
        "out of range",
        "from 64 MiB to 16 TiB",
    ]);
    expect(&[&at(9), "no such section", "did you mean log?"]);
    expect(&["X0_LOG_FORMAT: ", "log.format = xml", "text or json"]);
    expect(&["environment: X0_LOG_FILTR", "did you mean X0_LOG_FILTER?"]);
    expect(&["command line: api.rate_per_second = 0", "from 1 to 10000"]);
    assert_eq!(faults.len(), 10, "{error}");
    assert!(
        error
            .to_string()
            .starts_with("the settings have 10 faults:\n")
    );
}

#[test]
fn a_line_that_is_not_toml_is_shown_with_its_number() {
    for text in [
        "[network\nlan = true",
        "[log]\nfilter = info",
        "[log]\nfilter = \"a\"\nfilter = \"b\"\n",
        "=",
    ] {
        let error = Home::new(text).load().unwrap_err().to_string();
        assert!(error.contains("x0.toml:"), "{error}");
        assert!(error.contains("is not TOML"), "{error}");
        assert!(error.contains("x0 config show"), "{error}");
    }
}

#[test]
fn a_key_outside_its_section_is_found_again() {
    let error = Home::new("lan = true").load().unwrap_err().to_string();
    assert!(error.contains("did you mean network.lan?"), "{error}");
    let error = Home::new("data_dir = \"/x\"")
        .load()
        .unwrap_err()
        .to_string();
    assert!(error.contains("X0_HOME"), "{error}");
}

#[test]
fn addresses_are_judged_by_what_they_are_for() {
    let network = |key, address: &str| {
        let home = Home::new(&format!("[network]\n{key} = [\"{address}\"]\n"));
        home.load().map(|_| ()).map_err(|error| error.to_string())
    };
    let with_peer = format!("/dns4/mesh.example/tcp/4700/p2p/{PEER}");
    let relayed = format!("/ip4/1.2.3.4/udp/9/quic-v1/p2p/{PEER}/p2p-circuit");

    assert_eq!(network("bootstrap", &with_peer), Ok(()));
    assert_eq!(
        network("bootstrap", &format!("{relayed}/p2p/{PEER}")),
        Ok(())
    );
    assert_eq!(network("listen", &relayed), Ok(()));
    assert_eq!(
        network("external", "/dns6/mesh.example/udp/1/quic-v1"),
        Ok(())
    );
    let error = network("bootstrap", "/ip4/1.2.3.4/tcp/4700").unwrap_err();
    assert!(error.contains("add /p2p/ and the peer id"), "{error}");
    let error = network("listen", "/dns4/mesh.example/tcp/4700").unwrap_err();
    assert!(error.contains("on numbers"), "{error}");
    assert!(network("external", &with_peer).is_err());
    assert!(network("listen", "/ip4/1.2.3.4/tcp/1/ws").is_err());
    let many = vec!["\"/ip4/1.2.3.4/tcp/1\""; 17].join(",");
    let error = Home::new(&format!("[network]\nlisten = [{many}]"))
        .load()
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("17 addresses: there are too many"),
        "{error}"
    );
}

#[test]
fn sizes_are_numbers_or_have_units() {
    for (written, bytes) in [
        ("67108864", 64 << 20),
        ("\"64 MiB\"", 64 << 20),
        ("\"2GiB\"", 2 << 30),
        ("0x8000000", 128 << 20),
        ("100_000_000", 100_000_000),
    ] {
        let home = Home::new(&format!("[store]\nmax_bytes = {written}"));
        assert_eq!(home.load().unwrap().store.max_bytes, bytes, "{written}");
    }
    for written in [
        "-1",
        "\"64 MB\"",
        "\"MiB\"",
        "1e9",
        "\"99999999 TiB\"",
        "true",
    ] {
        let home = Home::new(&format!("[store]\nmax_bytes = {written}"));
        let error = home.load().unwrap_err().to_string();
        assert!(error.contains("store.max_bytes"), "{written}: {error}");
    }
}

#[test]
fn the_api_is_on_loopback_or_off() {
    let http = |text| Home::new(&format!("[api]\nhttp = \"{text}\"")).load();
    assert_eq!(
        http("[::1]:4780").unwrap().api.http,
        Some("[::1]:4780".parse().unwrap())
    );
    assert_eq!(http("off").unwrap().api.http, None);
    for refused in ["192.168.1.2:80", "[::]:80", "localhost:80", "127.0.0.1", ""] {
        assert!(http(refused).is_err(), "{refused}");
    }
}

#[test]
fn a_socket_path_the_system_cannot_take_is_refused() {
    let long = format!("[api]\nunix_socket = \"{}\"", "x".repeat(108));
    let error = Home::new(&long).load().unwrap_err().to_string();
    assert!(error.contains("107 bytes"), "{error}");
    let absolute = Home::new("[api]\nunix_socket = \"/run/x0.sock\"")
        .load()
        .unwrap();
    assert_eq!(absolute.api.unix_socket, Path::new("/run/x0.sock"));
}

#[test]
fn a_collector_is_reached_by_plain_http_only() {
    let endpoint = |text| Home::new(&format!("[telemetry]\notlp_endpoint = \"{text}\"")).load();
    let config = endpoint("http://127.0.0.1:4318/").unwrap();
    assert_eq!(
        config.telemetry.otlp_endpoint.unwrap(),
        "http://127.0.0.1:4318"
    );
    for refused in [
        "https://collector.example",
        "127.0.0.1:4318",
        "ftp://x",
        "http//x",
    ] {
        let error = endpoint(refused).unwrap_err().to_string();
        assert!(
            error.contains("http://127.0.0.1:4318"),
            "{refused}: {error}"
        );
    }
}

#[test]
fn a_reload_takes_over_what_can_change_and_names_what_waits() {
    let home = Home::new("[log]\nfilter = \"info\"");
    let config = home.load().unwrap();
    home.write(
        "[log]\nfilter = \"x0_net=debug\"\n[network]\nlan = true\n[store]\nmax_bytes = \"1 GiB\"\n",
    );

    let reload = config.reload().unwrap();

    assert_eq!(reload.config.log.filter, "x0_net=debug");
    assert_eq!(reload.config.store.max_bytes, 1 << 30);
    assert_eq!(
        reload.config.source(Key::StoreMaxBytes),
        &Source::File { line: 6 }
    );
    assert!(!reload.config.network.lan, "it needs a restart");
    let waiting: Vec<_> = reload
        .changes
        .iter()
        .filter(|change| change.needs_restart())
        .collect();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].key, Key::NetworkLan);
    assert_eq!(
        (waiting[0].from.as_str(), waiting[0].to.as_str()),
        ("false", "true")
    );
    assert_eq!(reload.changes.len(), 3);
    let again = reload.config.reload().unwrap();
    assert_eq!(again.changes.len(), 1, "what waits is told again");
}

#[test]
fn every_key_that_claims_to_be_live_is_taken_over() {
    let home = Home::new("");
    let config = home.load().unwrap();
    home.write(&format!(
        "[network]\nlisten = []\nexternal = [\"/ip4/1.2.3.4/tcp/1\"]\nlan = true\nrelay_server = true\n\
         connections_max = 9\nbootstrap = [\"/ip4/1.2.3.4/tcp/1/p2p/{PEER}\"]\n\
         [api]\nunix_socket = \"y\"\nhttp = \"off\"\nrate_per_second = 9\nbody_bytes_max = 2048\n\
         [store]\nmax_bytes = \"1 GiB\"\n\
         [acts]\ncosign = \"refuse\"\n\
         [charter]\nprobe = \"manual\"\nprobe_socket = \"/p\"\nprobe_users = [\"app=7\"]\n\
         probe_listen = [\"app=9464/tcp\"]\n\
         [gateway]\nlisten = \"off\"\ntargets = [\"self=http://127.0.0.1:1/metrics\"]\nscrape_secs = 9\n\
         [sublime]\nlisten = []\ncopies = 3\naudit_secs = 60\n\
         [sublime.arweave]\ngateway = \"https://a.example\"\nproxy = \"socks5h://127.0.0.1:9050\"\nkey_file = \"wallet\"\n\
         bundler = \"https://b.example/v1/tx\"\nprice_max = 7\n\
         [emergency]\nonion = true\ntor_file = \"tor.toml\"\nlisten = \"127.0.0.1:9\"\n\
         [log]\nformat = \"json\"\nfilter = \"off\"\n\
         [telemetry]\notlp_endpoint = \"http://127.0.0.1:1\"\n"
    ));

    let reload = config.reload().unwrap();

    // A program without Sia takes no account with it.
    let sia = [Key::SiaIndexer, Key::SiaKeyFile];
    let settable = Key::ALL.into_iter().filter(|key| !sia.contains(key));
    assert_eq!(reload.changes.len(), settable.count());
    for change in reload.changes {
        let now = reload.config.value(change.key);
        let expected = if change.key.is_live() {
            &change.to
        } else {
            &change.from
        };
        assert_eq!(&now, expected, "{}", change.key);
    }
}

#[test]
fn a_reload_with_a_fault_changes_nothing() {
    let home = Home::new("");
    let config = home.load().unwrap();
    home.write("[log]\nfilter = \"x0=loud\"");

    let error = config.reload().unwrap_err().to_string();

    assert!(error.contains("log.filter = x0=loud"), "{error}");
    assert_eq!(config.log.filter, "info");
}

#[test]
fn what_is_shown_can_be_read_back() {
    let home = Home::new("[network]\nlan = true\n[store]\nmax_bytes = 100000001\n");
    let config = home.load().unwrap();
    let shown = config.show();
    assert_eq!(shown.len(), Key::ALL.len());

    home.write(&config.text());
    let again = home.load().unwrap();

    for key in Key::ALL {
        assert_eq!(again.value(key), config.value(key));
        assert!(matches!(again.source(key), Source::File { .. }), "{key}");
    }
    assert!(config.text().contains("# x0.toml:2"), "{}", config.text());
}

#[test]
fn the_template_shows_every_default() {
    let home = Home::new(&template());
    let defaults = home.load().unwrap();
    assert!(
        Key::ALL
            .iter()
            .all(|key| *defaults.source(*key) == Source::Default)
    );

    let uncommented: Vec<_> = template()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with([' ', '!']) => rest.to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    home.write(&uncommented.join("\n"));
    let written = home.load().unwrap();

    for key in Key::ALL {
        assert_eq!(written.value(key), defaults.value(key));
        assert!(matches!(written.source(key), Source::File { .. }), "{key}");
    }
}

#[test]
fn the_data_directory_is_found_where_the_system_keeps_data() {
    let find = |flag: Option<&str>, variables: &[(&str, &str)]| {
        raw::data_dir(flag.map(Path::new), &|name| {
            let found = variables.iter().find(|(key, _)| *key == name)?;
            Some(found.1.into())
        })
    };
    let all = [("X0_HOME", "/a"), ("XDG_DATA_HOME", "/b"), ("HOME", "/c")];

    assert_eq!(find(Some("/flag"), &all).unwrap(), Path::new("/flag"));
    assert_eq!(find(None, &all).unwrap(), Path::new("/a"));
    assert_eq!(find(None, &all[1..]).unwrap(), Path::new("/b/x0"));
    assert_eq!(
        find(None, &all[2..]).unwrap(),
        Path::new("/c/.local/share/x0")
    );
    assert_eq!(
        find(None, &[("XDG_DATA_HOME", "rel"), all[2]]).unwrap(),
        Path::new("/c/.local/share/x0")
    );
    assert!(find(None, &[("X0_HOME", "rel")]).unwrap().is_absolute());
    let error = find(None, &[("HOME", "")]).unwrap_err();
    assert!(error.to_string().contains("set X0_HOME"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let home = Home::new("");
    fs::remove_file(home.0.path().join(FILE)).unwrap();
    fs::create_dir(home.0.path().join(FILE)).unwrap();

    let error = home.load().unwrap_err();

    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error}");
}

#[test]
fn pairs_of_a_list_say_what_is_wrong_with_each() {
    let home = Home::new(
        "[charter]\nprobe_users = [\"app=0\", \"app\", \"App=7\"]\nprobe_listen = [\"app=9464\", \"app=0/tcp\", \"app=1/sctp\"]\n\
         probe_socket = \"relative\"\n[gateway]\nlisten = \"192.0.2.1:8125\"\ntargets = [\"self=https://x/\", \"A=http://x/\"]\n",
    );

    let text = home.load().unwrap_err().to_string();

    for part in [
        "0 is root",
        "there is no `=` in it",
        "it names no service",
        "the protocol is missing",
        "the port is none",
        "the protocol is neither tcp nor udp",
        "it is no absolute path",
        "its own machine only",
        "it is not an http:// address",
        "other characters than a-z",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_a_part_of_an_account_is_of_no_use_without_is_named() {
    let home = Home::new(
        "[sublime.arweave]\nbundler = \"https://b.example/v1/tx\"\nproxy = \"socks5h://127.0.0.1:1\"\n\
         [sublime.sia]\nkey_file = \"key\"\n",
    );
    let text = home.load().unwrap_err().to_string();
    for part in [
        "sublime.arweave.bundler: it is of no use without sublime.arweave.key_file",
        "sublime.arweave.proxy: it is of no use without sublime.arweave.gateway",
        "sublime.sia.key_file: it is of no use without sublime.sia.indexer",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }

    home.write(
        "[sublime.arweave]\ngateway = \"http://gateway.example\"\n[sublime.arwave]\nx = 1\n",
    );
    let text = home.load().unwrap_err().to_string();
    for part in ["everybody on the way could see", "sublime.arwave"] {
        assert!(text.contains(part), "{part}: {text}");
    }

    home.write("[sublime.arweave]\ngateway = \"https://a.example/\"\nkey_file = \"wallet.json\"\n");
    let config = home.load().unwrap();
    let account = config.sublime.arweave.clone().unwrap();
    assert_eq!(account.gateway, "https://a.example");
    assert_eq!(account.key_file, Some(home.0.path().join("wallet.json")));
    assert_eq!(Key::ArweaveGateway.variable(), "X0_SUBLIME_ARWEAVE_GATEWAY");
    assert!(
        config
            .text()
            .contains("[sublime.arweave]\ngateway = \"https://a.example\"")
    );
}

struct Home(TempDir);

impl Home {
    fn new(file: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.write(file);
        home
    }

    fn write(&self, file: &str) {
        fs::write(self.0.path().join(FILE), file).unwrap();
    }

    fn sources(&self) -> Sources {
        Sources::file_only(self.0.path().to_owned())
    }

    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(self.sources())
    }
}
