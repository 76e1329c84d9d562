//! Typed builders: what x0 says in Datalog.

use biscuit_auth::builder::{
    self, Binary, BiscuitBuilder, BlockBuilder, Check, CheckKind, Expression, Fact, Op, Policy,
    PolicyKind, Rule, Term,
};
use biscuit_auth::{AuthorizerBuilder, error};

use super::{
    ACTION, AGENT, CAN, HOLDER, MULTI_SIG, NODES, PEER_SIGNATURES, QUERY, SCOPE, SHARE, TIME, VOTE,
};
use crate::PublicKey;
use crate::capability::{Action, Caveat, Grant, Scope, ShareBp, Use};

/// Builds the authority block.
pub(in crate::capability) fn write_grant(grant: &Grant) -> Result<BiscuitBuilder, error::Token> {
    let mut block = BiscuitBuilder::new().fact(holder(&grant.holder))?;
    for action in &grant.actions {
        block = block.fact(can(action))?;
    }
    for caveat in &grant.caveats {
        block = block.check(check(caveat))?;
    }
    Ok(block)
}

/// Builds a block that narrows.
pub(in crate::capability) fn write_caveats(
    caveats: &[Caveat],
) -> Result<BlockBuilder, error::Token> {
    caveats
        .iter()
        .try_fold(BlockBuilder::new(), |block, caveat| {
            block.check(check(caveat))
        })
}

/// Builds the authorizer's side: the facts of one use, and the one policy.
pub(in crate::capability) fn write_use(act: &Use) -> Result<AuthorizerBuilder, error::Token> {
    let share = ShareBp::of(act.nodes, act.mesh_size);
    let mut authorizer = AuthorizerBuilder::new()
        .fact(fact(AGENT, vec![bytes(act.agent.bytes())]))?
        .fact(fact(ACTION, vec![text(act.action.as_str())]))?
        .fact(fact(SCOPE, vec![text(act.scope.as_str())]))?
        .fact(fact(NODES, vec![Term::Integer(act.nodes.into())]))?
        .fact(fact(
            SHARE,
            vec![Term::Integer(share.basis_points().into())],
        ))?
        .fact(fact(TIME, vec![Term::Date(act.time)]))?
        .fact(fact(
            PEER_SIGNATURES,
            vec![Term::Integer(act.peer_signatures.into())],
        ))?;
    if let Some(proposal) = act.vote {
        authorizer = authorizer.fact(fact(VOTE, vec![bytes(proposal.digest())]))?;
    }
    if let Some((k, n)) = act.multi_sig {
        authorizer = authorizer.fact(fact(
            MULTI_SIG,
            vec![Term::Integer(k.into()), Term::Integer(n.into())],
        ))?;
    }
    authorizer.policy(allow_the_holder_what_was_granted())
}

/// `allow if holder($agent), agent($agent), can($action), action($action)`
fn allow_the_holder_what_was_granted() -> Policy {
    let of = |name: &str, variable: &str| builder::pred(name, &[var(variable)]);
    let body = vec![
        of(HOLDER, AGENT),
        of(AGENT, AGENT),
        of(CAN, ACTION),
        of(ACTION, ACTION),
    ];
    Policy {
        queries: vec![query(body, vec![])],
        kind: PolicyKind::Allow,
    }
}

fn holder(key: &PublicKey) -> Fact {
    fact(HOLDER, vec![bytes(key.bytes())])
}

fn can(action: &Action) -> Fact {
    fact(CAN, vec![text(action.as_str())])
}

fn check(caveat: &Caveat) -> Check {
    match caveat {
        Caveat::Actions(actions) => check_is_one_of(ACTION, actions.iter().map(Action::as_str)),
        Caveat::Scope(most) => check_is_one_of(
            SCOPE,
            Scope::ALL
                .into_iter()
                .filter(|scope| scope <= most)
                .map(Scope::as_str),
        ),
        Caveat::AffectsNodesLe(nodes) => {
            check_compares(NODES, Binary::LessOrEqual, Term::Integer((*nodes).into()))
        }
        Caveat::AffectsNetworkPctLe(share) => check_compares(
            SHARE,
            Binary::LessOrEqual,
            Term::Integer(share.basis_points().into()),
        ),
        Caveat::ValidUntil(seconds) => {
            check_compares(TIME, Binary::LessOrEqual, Term::Date(*seconds))
        }
        Caveat::RequiresPeerSignature => {
            check_compares(PEER_SIGNATURES, Binary::GreaterOrEqual, Term::Integer(1))
        }
        Caveat::RequiresDaoVote(None) => check_if(VOTE, vec![var(VOTE)], None),
        Caveat::RequiresDaoVote(Some(proposal)) => {
            check_if(VOTE, vec![bytes(proposal.digest())], None)
        }
        Caveat::RequiresMultiSig { k, n } => check_if(
            MULTI_SIG,
            vec![var(MULTI_SIG), Term::Integer((*n).into())],
            Some(vec![
                Op::Value(var(MULTI_SIG)),
                Op::Value(Term::Integer((*k).into())),
                Op::Binary(Binary::GreaterOrEqual),
            ]),
        ),
    }
}

/// `check if name($name), {"…", "…"}.contains($name)`
fn check_is_one_of<'a>(name: &str, words: impl Iterator<Item = &'a str>) -> Check {
    let set = Term::Set(words.map(text).collect());
    check_if(
        name,
        vec![var(name)],
        Some(vec![
            Op::Value(set),
            Op::Value(var(name)),
            Op::Binary(Binary::Contains),
        ]),
    )
}

/// `check if name($name), $name <= limit`
fn check_compares(name: &str, comparison: Binary, limit: Term) -> Check {
    check_if(
        name,
        vec![var(name)],
        Some(vec![
            Op::Value(var(name)),
            Op::Value(limit),
            Op::Binary(comparison),
        ]),
    )
}

fn check_if(name: &str, terms: Vec<Term>, condition: Option<Vec<Op>>) -> Check {
    let conditions = condition
        .into_iter()
        .map(|ops| Expression { ops })
        .collect();
    Check {
        queries: vec![query(
            vec![builder::Predicate::new(name.to_owned(), terms)],
            conditions,
        )],
        kind: CheckKind::One,
    }
}

fn query(body: Vec<builder::Predicate>, conditions: Vec<Expression>) -> Rule {
    Rule::new(
        builder::Predicate::new(QUERY.to_owned(), vec![]),
        body,
        conditions,
        vec![],
    )
}

fn fact(name: &str, terms: Vec<Term>) -> Fact {
    Fact::new(name.to_owned(), terms)
}

/// A variable is named like the fact it stands for, so that it needs no symbol of its own.
fn var(name: &str) -> Term {
    Term::Variable(name.to_owned())
}

fn text(word: &str) -> Term {
    Term::Str(word.to_owned())
}

fn bytes(bytes: &[u8]) -> Term {
    Term::Bytes(bytes.to_vec())
}
