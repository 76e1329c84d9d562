//! A process is killed in the middle of writing; what it had been told was safe must be there.

use std::{
    collections::{BTreeSet, VecDeque},
    io::{BufRead, BufReader, Write as _},
    process::{Command, Stdio},
};

use super::*;

/// The directory the child writes to; only the test sets it.
const DIR_VARIABLE: &str = "X0_TEST_CRASH_DIR";
/// Groups the child has under way at a time.
const UNDER_WAY: usize = 8;

#[test]
fn what_was_acknowledged_survives_kill_9_at_any_moment() {
    let home = Home::new();
    drop(home.create());
    let mut acknowledged = BTreeSet::new();

    for acks in [1, 7, 40, 120, 260] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::crash::write_until_killed"])
            .args(["--ignored", "--nocapture"])
            .env(DIR_VARIABLE, home.dir())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut read = |line: std::io::Result<String>| {
            let line = line.unwrap();
            let is_acknowledged = line.contains("acknowledged ");
            // The test harness writes before the first line of the child without ending its own.
            if let Some((_, seq)) = line.split_once("acknowledged ") {
                acknowledged.insert(seq.parse::<u64>().unwrap());
            }
            is_acknowledged
        };
        let mut heard = 0;
        while heard < acks {
            let line = lines.next().expect("the child writes until it is killed");
            heard += usize::from(read(line));
        }
        child.kill().unwrap();
        for line in lines {
            read(line);
        }
        child.wait().unwrap();

        let store = home.open().unwrap();
        let stored = store.load().unwrap();
        let kept = stored.records.len() as u64;
        assert!(acknowledged.len() >= acks, "{}", acknowledged.len());
        for seq in &acknowledged {
            let id = home.record(*seq, 3000).value().id();
            assert!(store.record(&id).unwrap().is_some(), "record {seq} is lost");
        }
        assert_eq!(stored.audit.len() as u64, kept, "groups are whole");
        assert!(
            stored
                .audit
                .iter()
                .zip(0..)
                .all(|(found, n)| *found == entry(n))
        );
    }
}

#[test]
#[ignore = "it is the child of the test above and ends only by being killed"]
fn write_until_killed() {
    let Some(dir) = std::env::var_os(DIR_VARIABLE) else {
        return;
    };
    let author = identity(1);
    let store = RocksStore::open(Path::new(&dir), author.public(), options()).unwrap();
    let mut under_way = VecDeque::new();
    for seq in store.load().unwrap().audit.len() as u64.. {
        let record = record(&author, seq, 3000);
        under_way.push_back((seq, store.submit(vec![Write::Record(record), audit(seq)])));
        if under_way.len() > UNDER_WAY {
            let (seq, receipt) = under_way.pop_front().unwrap();
            receipt.wait().unwrap();
            let mut out = std::io::stdout().lock();
            writeln!(out, "acknowledged {seq}").unwrap();
            out.flush().unwrap();
        }
    }
}
