//! Direct messages: a request that decodes encodes back to the same bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use x0_protocol::wire::Request;

fuzz_target!(|data: &[u8]| {
    if let Ok(request) = Request::decode(data) {
        assert_eq!(request.encode(), data);
    }
});
