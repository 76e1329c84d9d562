//! The strict reader: what a token says, or which statement is not understood.
//!
//! It works on the decoded wire structs, not on printed text, and knows the shapes that x0 writes and no other.
//! Symbols are resolved as of the block that uses them, so a later block cannot lend words to an earlier one;
//! symbols that no statement uses are refused as well.

use std::collections::BTreeSet;

use biscuit_auth::datalog::SymbolTable;
use biscuit_auth::format::convert;
use biscuit_auth::format::schema::{self, op, op_binary, term};

use super::{
    ACTION, CAN, HOLDER, MULTI_SIG, NODES, NotUnderstood, PEER_SIGNATURES, QUERY, SCOPE, SHARE,
    Statements, TIME, VOTE,
};
use crate::capability::{Action, Caveat, MAX_ACTIONS, MAX_CAVEATS, Scope, ShareBp};
use crate::{ContentId, PublicKey};

/// The Datalog version whose features our statements use; Biscuit writes the lowest that suffices.
const SCHEMA_VERSION: u32 = 3;
/// The newest version that Biscuit knows; it shows any statement in an error.
const NEWEST_SCHEMA_VERSION: u32 = 6;
/// Symbols below this index belong to Biscuit's default table (Biscuit specification, "Symbol table").
const FIRST_OWN_SYMBOL: u64 = 1024;

/// Reads every statement of a token whose signatures were verified.
pub(in crate::capability) fn read(
    authority: &schema::Block,
    others: &[schema::Block],
) -> Result<Statements, NotUnderstood> {
    let defaults = SymbolTable::new();
    let mut symbols = Symbols {
        defaults: &defaults,
        own: Vec::new(),
    };
    let (holder, actions) = read_authority(authority, &mut symbols)?;
    let mut blocks = Vec::with_capacity(1 + others.len());
    blocks.push(read_checks(0, authority, &mut symbols)?);
    for (block, index) in others.iter().zip(1..) {
        symbols.add(index, block)?;
        if let Some(fact) = block.facts.first() {
            return Err(symbols.error(
                index,
                Statement::Fact(fact),
                "only the first block may state facts",
            ));
        }
        blocks.push(read_checks(index, block, &mut symbols)?);
    }
    match symbols.unused() {
        None => Ok(Statements {
            holder,
            actions,
            blocks,
        }),
        Some((block, word)) => Err(NotUnderstood::new(
            block,
            word,
            "the word stands in the table of symbols, but no statement uses it",
        )),
    }
}

fn read_authority<'a>(
    block: &'a schema::Block,
    symbols: &mut Symbols<'a>,
) -> Result<(PublicKey, BTreeSet<Action>), NotUnderstood> {
    symbols.add(0, block)?;
    let mut holder = None;
    let mut actions = BTreeSet::new();
    for fact in &block.facts {
        let refuse =
            |symbols: &Symbols<'_>, reason| Err(symbols.error(0, Statement::Fact(fact), reason));
        let words = symbols.words(&fact.predicate.terms);
        match (symbols.resolve(fact.predicate.name), words.as_deref()) {
            (Some(HOLDER), Some([Word::Bytes(key)])) => {
                let Some(key) = as_array(key).and_then(|key| PublicKey::from_bytes(key).ok())
                else {
                    return refuse(symbols, "the holder is not an Ed25519 public key");
                };
                if holder.replace(key).is_some() {
                    return refuse(symbols, "a token has one holder");
                }
            }
            (Some(CAN), Some([Word::Text(name)])) => {
                let Ok(action) = Action::new(*name) else {
                    return refuse(symbols, "this is not the name of an action");
                };
                if !actions.insert(action) {
                    return refuse(symbols, "the action is granted twice");
                }
            }
            _ => return refuse(symbols, "known facts are holder(…) and can(…)"),
        }
    }
    let whole_block = |reason| NotUnderstood::new(0, "the facts of the block", reason);
    let holder = holder.ok_or_else(|| whole_block("nobody is named as holder"))?;
    if actions.is_empty() {
        return Err(whole_block("no action is granted"));
    }
    if actions.len() > MAX_ACTIONS {
        return Err(whole_block("too many actions are granted"));
    }
    Ok((holder, actions))
}

fn read_checks<'a>(
    index: usize,
    block: &'a schema::Block,
    symbols: &mut Symbols<'a>,
) -> Result<Vec<Caveat>, NotUnderstood> {
    let mut caveats = Vec::with_capacity(block.checks.len());
    for check in &block.checks {
        let caveat = read_check(check, symbols).filter(Caveat::is_well_formed);
        let Some(caveat) = caveat else {
            return Err(symbols.error(
                index,
                Statement::Check(check),
                "no caveat of x0 is written like this",
            ));
        };
        caveats.push(caveat);
    }
    if block.version != Some(SCHEMA_VERSION) {
        let version = format!("version {}", block.version.unwrap_or_default());
        return Err(NotUnderstood::new(
            index,
            &version,
            "tokens of x0 use Datalog version 3",
        ));
    }
    Ok(caveats)
}

/// Reads one check, or nothing if its shape is unknown.
fn read_check<'a>(check: &'a schema::Check, symbols: &mut Symbols<'a>) -> Option<Caveat> {
    let schema::Check {
        queries,
        kind: None,
    } = check
    else {
        return None;
    };
    let [
        schema::Rule {
            head,
            body,
            expressions,
            scope,
        },
    ] = queries.as_slice()
    else {
        return None;
    };
    let [schema::Predicate { name, terms }] = body.as_slice() else {
        return None;
    };
    if symbols.resolve(head.name) != Some(QUERY) || !head.terms.is_empty() || !scope.is_empty() {
        return None;
    }
    let steps = match expressions.as_slice() {
        [] => Vec::new(),
        [expression] => symbols.steps(&expression.ops)?,
        _ => return None,
    };
    let name = symbols.resolve(*name)?;
    match (name, symbols.words(terms)?.as_slice(), steps.as_slice()) {
        (
            ACTION,
            [Word::Variable(a)],
            [
                Step::Value(Word::Texts(names)),
                Step::Value(Word::Variable(b)),
                Step::Contains,
            ],
        ) if a == b => names
            .iter()
            .map(|name| Action::new(*name).ok())
            .collect::<Option<_>>()
            .map(Caveat::Actions),
        (
            SCOPE,
            [Word::Variable(a)],
            [
                Step::Value(Word::Texts(words)),
                Step::Value(Word::Variable(b)),
                Step::Contains,
            ],
        ) if a == b => scope_at_most(words).map(Caveat::Scope),
        (
            _,
            [Word::Variable(a)],
            [
                Step::Value(Word::Variable(b)),
                Step::Value(limit),
                comparison,
            ],
        ) if a == b => read_comparison(
            name,
            *comparison == Step::LessOrEqual,
            *comparison == Step::GreaterOrEqual,
            limit,
        ),
        (VOTE, [Word::Variable(_)], []) => Some(Caveat::RequiresDaoVote(None)),
        (VOTE, [Word::Bytes(digest)], []) => as_array(digest)
            .map(|digest| Caveat::RequiresDaoVote(Some(ContentId::from_digest(*digest)))),
        (
            MULTI_SIG,
            [Word::Variable(a), Word::Integer(n)],
            [
                Step::Value(Word::Variable(b)),
                Step::Value(Word::Integer(k)),
                Step::GreaterOrEqual,
            ],
        ) if a == b => Some(Caveat::RequiresMultiSig {
            k: u8::try_from(*k).ok()?,
            n: u8::try_from(*n).ok()?,
        }),
        _ => None,
    }
}

fn read_comparison(name: &str, at_most: bool, at_least: bool, limit: &Word<'_>) -> Option<Caveat> {
    match (name, limit) {
        (NODES, Word::Integer(nodes)) if at_most => {
            u32::try_from(*nodes).ok().map(Caveat::AffectsNodesLe)
        }
        (SHARE, Word::Integer(share)) if at_most => u16::try_from(*share)
            .ok()
            .and_then(|bp| ShareBp::new(bp).ok())
            .map(Caveat::AffectsNetworkPctLe),
        (TIME, Word::Date(seconds)) if at_most => Some(Caveat::ValidUntil(*seconds)),
        (PEER_SIGNATURES, Word::Integer(1)) if at_least => Some(Caveat::RequiresPeerSignature),
        _ => None,
    }
}

/// Finds the scope whose set of allowed words this is.
fn scope_at_most(words: &BTreeSet<&str>) -> Option<Scope> {
    let allowed = |most: Scope| {
        Scope::ALL
            .into_iter()
            .filter(move |scope| *scope <= most)
            .map(Scope::as_str)
    };
    Scope::ALL
        .into_iter()
        .find(|most| allowed(*most).collect::<BTreeSet<_>>() == *words)
}

fn as_array(bytes: &[u8]) -> Option<&[u8; 32]> {
    bytes.try_into().ok()
}

/// A term of the kinds our statements use.
#[derive(Debug, PartialEq, Eq)]
enum Word<'a> {
    Variable(u32),
    Integer(i64),
    Text(&'a str),
    Date(u64),
    Bytes(&'a [u8]),
    Texts(BTreeSet<&'a str>),
}

/// An operation of the kinds our conditions use.
#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    Value(Word<'a>),
    LessOrEqual,
    GreaterOrEqual,
    Contains,
}

/// The words known so far, with the block that brought each and whether a statement uses it.
struct Symbols<'a> {
    defaults: &'a SymbolTable,
    own: Vec<Symbol<'a>>,
}

struct Symbol<'a> {
    word: &'a str,
    block: usize,
    used: bool,
}

enum Statement<'a> {
    Fact(&'a schema::Fact),
    Rule(&'a schema::Rule),
    Check(&'a schema::Check),
}

impl<'a> Symbols<'a> {
    /// Takes the words of the next block, and refuses what no block of ours has.
    fn add(&mut self, index: usize, block: &'a schema::Block) -> Result<(), NotUnderstood> {
        self.own.extend(block.symbols.iter().map(|word| Symbol {
            word,
            block: index,
            used: false,
        }));
        let refuse = |statement: &str, reason| Err(NotUnderstood::new(index, statement, reason));
        if let Some(rule) = block.rules.first() {
            return Err(self.error(index, Statement::Rule(rule), "tokens of x0 have no rules"));
        }
        if let Some(comment) = &block.context {
            return refuse(comment, "tokens of x0 carry no comment");
        }
        if !block.scope.is_empty() {
            return refuse(
                "trusting …",
                "tokens of x0 do not change which blocks they trust",
            );
        }
        if !block.public_keys.is_empty() {
            return refuse(
                "a table of public keys",
                "tokens of x0 refer to no other key",
            );
        }
        if block.checks.len() > MAX_CAVEATS {
            return refuse("the checks of the block", "a block has 16 caveats at most");
        }
        Ok(())
    }

    fn resolve(&mut self, index: u64) -> Option<&'a str> {
        let Some(own) = index.checked_sub(FIRST_OWN_SYMBOL) else {
            return self.defaults.get_symbol(index);
        };
        let symbol = self.own.get_mut(usize::try_from(own).ok()?)?;
        symbol.used = true;
        Some(symbol.word)
    }

    fn unused(&self) -> Option<(usize, &'a str)> {
        self.own
            .iter()
            .find(|symbol| !symbol.used)
            .map(|symbol| (symbol.block, symbol.word))
    }

    fn words(&mut self, terms: &'a [schema::Term]) -> Option<Vec<Word<'a>>> {
        terms.iter().map(|term| self.word(term)).collect()
    }

    fn word(&mut self, term: &'a schema::Term) -> Option<Word<'a>> {
        match term.content.as_ref()? {
            term::Content::Variable(name) => self
                .resolve(u64::from(*name))
                .map(|_| Word::Variable(*name)),
            term::Content::Integer(number) => Some(Word::Integer(*number)),
            term::Content::String(word) => self.resolve(*word).map(Word::Text),
            term::Content::Date(seconds) => Some(Word::Date(*seconds)),
            term::Content::Bytes(bytes) => Some(Word::Bytes(bytes)),
            term::Content::Set(set) => set
                .set
                .iter()
                .map(|term| self.text(term))
                .collect::<Option<_>>()
                .map(Word::Texts),
            term::Content::Bool(_)
            | term::Content::Null(_)
            | term::Content::Array(_)
            | term::Content::Map(_) => None,
        }
    }

    fn text(&mut self, term: &'a schema::Term) -> Option<&'a str> {
        match self.word(term)? {
            Word::Text(text) => Some(text),
            Word::Variable(_)
            | Word::Integer(_)
            | Word::Date(_)
            | Word::Bytes(_)
            | Word::Texts(_) => None,
        }
    }

    fn steps(&mut self, ops: &'a [schema::Op]) -> Option<Vec<Step<'a>>> {
        ops.iter().map(|op| self.step(op)).collect()
    }

    fn step(&mut self, op: &'a schema::Op) -> Option<Step<'a>> {
        match op.content.as_ref()? {
            op::Content::Value(term) => self.word(term).map(Step::Value),
            op::Content::Binary(schema::OpBinary {
                kind,
                ffi_name: None,
            }) => {
                let known = [
                    (op_binary::Kind::LessOrEqual, Step::LessOrEqual),
                    (op_binary::Kind::GreaterOrEqual, Step::GreaterOrEqual),
                    (op_binary::Kind::Contains, Step::Contains),
                ];
                known
                    .into_iter()
                    .find(|(known, _)| *known as i32 == *kind)
                    .map(|(_, step)| step)
            }
            op::Content::Binary(_) | op::Content::Unary(_) | op::Content::Closure(_) => None,
        }
    }

    /// Makes the error that shows a statement as Datalog source.
    fn error(&self, block: usize, statement: Statement<'_>, reason: &'static str) -> NotUnderstood {
        let words = self
            .own
            .iter()
            .map(|symbol| symbol.word.to_owned())
            .collect();
        let table = SymbolTable::from(words).unwrap_or_default();
        let source = match statement {
            Statement::Fact(fact) => {
                convert::proto_fact_to_token_fact(fact).map(|fact| table.print_fact(&fact))
            }
            Statement::Rule(rule) => convert::proto_rule_to_token_rule(rule, NEWEST_SCHEMA_VERSION)
                .map(|(rule, _)| table.print_rule(&rule)),
            Statement::Check(check) => {
                convert::proto_check_to_token_check(check, NEWEST_SCHEMA_VERSION)
                    .map(|check| table.print_check(&check))
            }
        };
        let source = source.unwrap_or_else(|_| "a statement that is not Datalog".to_owned());
        NotUnderstood::new(block, &source, reason)
    }
}
