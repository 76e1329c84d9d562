//! Own acts on their way.

use x0_crypto::capability::{Grant, Token};
use x0_protocol::{
    anti_meave::proposals::{KeptProposal, ProposalEnd, ProposalWrite},
    wire::{Act, Admission, Change, Said, Targets, Word},
};

use super::*;

#[test]
fn an_own_act_is_read_back_as_it_stands_last_until_it_gives_way() {
    let home = Home::new();
    let store = home.create();
    let [first, second] = [asked(&home, 5), asked(&home, 6)];
    let ended = KeptProposal {
        end: Some(ProposalEnd::Failed(
            "the committee did not answer".to_owned(),
        )),
        ..first.clone()
    };
    store
        .submit(vec![keep(&first), keep(&second)])
        .wait()
        .unwrap();
    store.submit(vec![keep(&ended)]).wait().unwrap();
    drop(store);

    let store = home.open().unwrap();
    let mut kept = store.load().unwrap().proposals;
    kept.sort_by_key(|kept| kept.end.is_none());
    assert_eq!(kept, [ended, second.clone()]);

    let forget = ProposalWrite::Forget(first.admission.asked.act);
    store.submit(vec![Write::Proposal(forget)]).wait().unwrap();
    assert_eq!(store.load().unwrap().proposals, [second]);
}

pub(super) fn keep(kept: &KeptProposal) -> Write {
    Write::Proposal(ProposalWrite::Keep(Box::new(kept.clone())))
}

/// An act that sets a policy everywhere, as its agent asks for it.
pub(super) fn asked(home: &Home, value: u64) -> KeptProposal {
    let change = Change::SetPolicy {
        policy: "links.target".parse().unwrap(),
        value,
        from_version: 0,
    };
    let root = home.identity.capability_root();
    let grant = Grant {
        holder: home.owner(),
        actions: [change.action()].into(),
        caveats: Vec::new(),
    };
    let act = Act {
        change,
        targets: Targets::All,
        root: root.public(),
        token: Token::grant(&root, &grant).unwrap(),
        expires: Wall(9),
        warrants: Vec::new(),
    };
    let digest = act.digest(&home.owner());
    let mesh = home.genesis.value().id();
    let asked = Said::sign(&mesh, digest, Word::Ask, &home.identity);
    KeptProposal {
        admission: Admission {
            act,
            asked,
            emergency: None,
        },
        since: Wall(3),
        end: None,
    }
}
