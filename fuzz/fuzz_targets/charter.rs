//! Charters: bytes that decode encode to themselves, a file that reads is written as one that reads back to the same
//! charter, and every fault of one that does not lies inside it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use x0_protocol::charter::{Charter, read, write};

fuzz_target!(|data: &[u8]| {
    if let Ok(charter) = Charter::decode(data) {
        assert_eq!(charter.encode(), data);
        check(&charter);
    }
    match read(data) {
        Ok(charter) => {
            let decoded = Charter::decode(&charter.encode()).expect("what is encoded decodes");
            assert_eq!(decoded.text(), charter.text());
            check(&charter);
        }
        Err(unread) => {
            let lines = String::from_utf8_lossy(data).lines().count().max(1) as u64;
            assert!(!unread.faults.is_empty());
            assert!(unread.faults.iter().all(|fault| (1..=lines).contains(&fault.line)));
        }
    }
});

fn check(charter: &Charter) {
    let again = read(write(charter).as_bytes()).expect("what is written reads");
    assert_eq!(again.text(), charter.text());
    for allowed in &charter.compiled().names {
        assert_eq!(charter.compiled().name(allowed.name.as_bytes()), Ok(allowed));
    }
}
