//! Direct messages: a response that decodes encodes back to the same bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use x0_protocol::wire::Response;

fuzz_target!(|data: &[u8]| {
    if let Ok(response) = Response::decode(data) {
        assert_eq!(response.encode(), data);
    }
});
