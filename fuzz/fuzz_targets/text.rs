//! What people type or paste: ids, keys, tokens, caveats, names, recovery cards. What parses prints as what parses to the same.

#![no_main]

use std::{
    fmt::{Debug, Display},
    str::FromStr,
};

use libfuzzer_sys::fuzz_target;
use x0_crypto::{
    ContentId, OnionAddress, PublicKey,
    capability::{Action, Caveat, RevocationId, RootKey, Scope, ShareBp, Token},
    sublime::CardSeed,
};
use x0_protocol::wire::{CardLabel, CardPage, MeshName, Policy, PolicyName, Reason, Region};

fuzz_target!(|text: &str| {
    round_trip::<ContentId>(text);
    round_trip::<PublicKey>(text);
    round_trip::<OnionAddress>(text);
    round_trip::<CardPage>(text);
    round_trip::<CardLabel>(text);
    round_trip::<RootKey>(text);
    round_trip::<RevocationId>(text);
    round_trip::<Action>(text);
    round_trip::<Caveat>(text);
    round_trip::<Scope>(text);
    round_trip::<ShareBp>(text);
    round_trip::<MeshName>(text);
    round_trip::<Region>(text);
    round_trip::<PolicyName>(text);
    round_trip::<Reason>(text);
    text.parse::<Policy>().ok();
    if let Ok(token) = text.parse::<Token>() {
        let again: Token = token.to_string().parse().expect("a printed token parses");
        assert_eq!(again.as_bytes(), token.as_bytes());
    }
    if let Ok(seed) = CardSeed::from_words(text) {
        let again = CardSeed::from_words(&seed.words()).expect("written words are read");
        assert_eq!(again.signer().public(), seed.signer().public());
    }
});

fn round_trip<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let printed = value.to_string();
        let again = printed.parse::<T>().expect("what is printed parses");
        assert_eq!(again, value);
    }
}
