//! Balances in x0, counted alike by every node from what the committee has certified.
//!
//! - A [`Settlement`] is what one certified statement moves. Settlements are numbered from 1 without gaps; one whose
//!   forerunner is missing waits, so that every node comes to the same balances, whatever order they came in.
//! - A [`Posting`] takes a whole number of x0 from one account and gives it to another. So the sum over all accounts is
//!   always zero: what the mesh has issued stands below zero on [`Account::Issue`].
//! - Balances may be negative: who has fewer x0 than it is fined owes the rest, and the debt is shown. The common fund
//!   holds fines as soon as they are due.
//! - A bounty comes from the common fund as far as that suffices, and the rest is issued anew.
//!
//! Nothing moves by a member's own word. Rewards and a chain are further causes of postings.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey};

use crate::core::limits::POSTINGS_SHOWN_MAX;

/// Whose x0 are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// The common fund.
    Fund,
    /// What the mesh has issued, below zero.
    Issue,
    /// Somebody's, member or not.
    Key(PublicKey),
}

impl core::fmt::Display for Account {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Fund => f.write_str("fund"),
            Self::Issue => f.write_str("issue"),
            Self::Key(key) => write!(f, "{key}"),
        }
    }
}

/// Why x0 move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A verdict stands.
    Verdict {
        /// The case.
        case: ContentId,
    },
    /// The bounty of a sealed report was claimed.
    Claim {
        /// The case.
        case: ContentId,
    },
}

impl Cause {
    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verdict { .. } => "verdict",
            Self::Claim { .. } => "claim",
        }
    }

    /// Returns the case it is about.
    pub const fn case(self) -> ContentId {
        match self {
            Self::Verdict { case } | Self::Claim { case } => case,
        }
    }
}

/// One movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Posting {
    /// The settlement's number.
    pub number: u64,
    /// Why.
    pub cause: Cause,
    /// Who gives.
    pub from: Account,
    /// Who gets.
    pub to: Account,
    /// How much, x0.
    pub amount_x0: u64,
}

/// What is to be moved; the balances at its turn say between which accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Somebody owes the common fund.
    Fine {
        /// Who.
        from: PublicKey,
        /// How much, x0.
        amount_x0: u64,
    },
    /// Somebody gets x0 from the common fund, and newly issued ones for what is missing there.
    Bounty {
        /// Who.
        to: PublicKey,
        /// How much, x0.
        amount_x0: u64,
    },
    /// Somebody's go to somebody else.
    Transfer {
        /// Who gives.
        from: PublicKey,
        /// Who gets.
        to: PublicKey,
        /// How much, x0.
        amount_x0: u64,
    },
}

/// What one certified statement moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Its number, from 1.
    pub number: u64,
    /// Why.
    pub cause: Cause,
    /// What, in order.
    pub orders: Vec<Order>,
}

/// Bits of a settlement's number that count within one log. The log of a committee that members have seated in place of a
/// lost one numbers anew above them.
pub const NUMBERS_OF_LOG_BITS: u32 = 32;

/// The balances of all.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    settlements: BTreeMap<u64, Settlement>,
    last: u64,
    counted: usize,
    balances: BTreeMap<Account, i64>,
    newest: VecDeque<Posting>,
}

impl Ledger {
    /// Takes what a certified statement moves; it counts once all with lower numbers of its log have come.
    pub fn take(&mut self, settlement: Settlement) {
        let number = settlement.number;
        if self.settlements.contains_key(&number) {
            return;
        }
        self.settlements.insert(number, settlement);
        // What comes last and in order is added; else all is counted again, as what a bounty comes from depends on it.
        let is_last = self
            .settlements
            .range(number.saturating_add(1)..)
            .next()
            .is_none();
        if !(is_last && number == self.last.saturating_add(1)) {
            self.last = 0;
            self.counted = 0;
            self.balances.clear();
            self.newest.clear();
        }
        let settlements = core::mem::take(&mut self.settlements);
        for next in settlements
            .range(self.last.saturating_add(1)..)
            .map(|(_, next)| next)
        {
            let is_first = next.number & ((1 << NUMBERS_OF_LOG_BITS) - 1) == 1;
            if is_first || next.number == self.last.saturating_add(1) {
                self.last = next.number;
                self.counted += 1;
                for order in &next.orders {
                    self.carry_out(next, *order);
                }
            }
        }
        self.settlements = settlements;
    }

    /// Returns the number of the last settlement that counts.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Returns how many settlements wait for one with a lower number.
    pub fn waiting(&self) -> usize {
        self.settlements.len() - self.counted
    }

    /// Returns what an account holds, x0; below zero it owes.
    pub fn balance(&self, account: &Account) -> i64 {
        self.balances.get(account).copied().unwrap_or_default()
    }

    /// Iterates over the accounts that ever held something.
    pub fn balances(&self) -> impl Iterator<Item = (&Account, i64)> {
        self.balances
            .iter()
            .map(|(account, balance)| (account, *balance))
    }

    /// Iterates over the newest postings, the last first.
    pub fn postings(&self) -> impl Iterator<Item = &Posting> {
        self.newest.iter().rev()
    }

    fn carry_out(&mut self, of: &Settlement, order: Order) {
        match order {
            Order::Fine { from, amount_x0 } => {
                self.post(of, (Account::Key(from), Account::Fund), amount_x0);
            }
            Order::Bounty { to, amount_x0 } => {
                let held = u64::try_from(self.balance(&Account::Fund)).unwrap_or_default();
                let paid = held.min(amount_x0);
                self.post(of, (Account::Fund, Account::Key(to)), paid);
                self.post(of, (Account::Issue, Account::Key(to)), amount_x0 - paid);
            }
            Order::Transfer {
                from,
                to,
                amount_x0,
            } => self.post(of, (Account::Key(from), Account::Key(to)), amount_x0),
        }
    }

    /// Moves x0 between two accounts.
    ///
    /// A charter's figures are a billion x0 at most, so that an account would need billions of verdicts to overflow.
    fn post(&mut self, of: &Settlement, (from, to): (Account, Account), amount_x0: u64) {
        let amount = i64::try_from(amount_x0).unwrap_or(i64::MAX);
        if amount == 0 || from == to {
            return;
        }
        let (gives, gets) = (self.balance(&from), self.balance(&to));
        let (Some(left), Some(right)) = (gives.checked_sub(amount), gets.checked_add(amount))
        else {
            return;
        };
        self.balances.insert(from, left);
        self.balances.insert(to, right);
        self.newest.push_back(Posting {
            number: of.number,
            cause: of.cause,
            from,
            to,
            amount_x0,
        });
        if self.newest.len() > POSTINGS_SHOWN_MAX {
            self.newest.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use x0_crypto::Identity;
    use zeroize::Zeroizing;

    use super::*;

    fn key(number: u8) -> PublicKey {
        Identity::from_seed(Zeroizing::new([number; 32])).public()
    }

    fn settlement(number: u64, orders: Vec<Order>) -> Settlement {
        let case = ContentId::of(&number.to_be_bytes());
        Settlement {
            number,
            cause: Cause::Verdict { case },
            orders,
        }
    }

    fn orders() -> impl Strategy<Value = Order> {
        let amount = 0..1_000_000_000_u64;
        (0..3_u8, 0..4_u8, 0..4_u8, amount).prop_map(|(sort, a, b, amount_x0)| match sort {
            0 => Order::Fine {
                from: key(a),
                amount_x0,
            },
            1 => Order::Bounty {
                to: key(a),
                amount_x0,
            },
            _ => Order::Transfer {
                from: key(a),
                to: key(b),
                amount_x0,
            },
        })
    }

    proptest! {
        #[test]
        fn x0_are_neither_made_nor_lost_and_the_order_of_arrival_changes_nothing(
            all in prop::collection::vec(prop::collection::vec(orders(), 0..4), 1..20),
            seed in any::<u64>(),
        ) {
            let all = all.into_iter().zip(1..);
            let in_order: Vec<_> = all.map(|(orders, number)| settlement(number, orders)).collect();
            let mut shuffled = in_order.clone();
            shuffled.sort_by_key(|one| ContentId::of(&(one.number ^ seed).to_be_bytes()));
            let (mut one, mut other) = (Ledger::default(), Ledger::default());

            for settlement in in_order {
                one.take(settlement);
                prop_assert_eq!(one.balances().map(|(_, balance)| balance).sum::<i64>(), 0);
                prop_assert!(one.balance(&Account::Issue) <= 0);
                prop_assert!(one.balance(&Account::Fund) >= 0);
            }
            for settlement in shuffled.iter().chain(&shuffled) {
                other.take(settlement.clone());
            }

            prop_assert_eq!(&one.balances, &other.balances);
            prop_assert_eq!(&one.newest, &other.newest);
            prop_assert_eq!((one.last, other.waiting()), (other.last, 0));
        }
    }

    #[test]
    fn what_a_missing_number_would_move_holds_up_all_that_come_after_it() {
        let mut ledger = Ledger::default();
        let fine = |number| {
            let from = key(1);
            settlement(
                number,
                vec![Order::Fine {
                    from,
                    amount_x0: 10,
                }],
            )
        };

        ledger.take(fine(2));
        assert_eq!((ledger.last(), ledger.waiting()), (0, 1));
        assert_eq!(ledger.balance(&Account::Fund), 0);
        ledger.take(fine(1));

        assert_eq!((ledger.last(), ledger.waiting()), (2, 0));
        assert_eq!(ledger.balance(&Account::Key(key(1))), -20);
        assert_eq!(ledger.balance(&Account::Fund), 20);
    }

    #[test]
    fn the_log_of_a_recovered_committee_numbers_apart_and_what_is_late_of_the_old_one_still_counts()
    {
        let bounty = |number| {
            let to = key(2);
            settlement(number, vec![Order::Bounty { to, amount_x0: 10 }])
        };
        let fine = |number| {
            let from = key(1);
            settlement(
                number,
                vec![Order::Fine {
                    from,
                    amount_x0: 10,
                }],
            )
        };
        let anew = 1_024 << NUMBERS_OF_LOG_BITS;
        let all = [
            fine(1),
            fine(2),
            bounty(anew + 1),
            bounty(anew + 2),
            bounty(anew + 3),
        ];
        let mut in_order = Ledger::default();
        all.iter().for_each(|one| in_order.take(one.clone()));
        let mut late = Ledger::default();
        for one in [2, 3, 0, 4, 1] {
            late.take(all[one].clone());
        }

        for ledger in [&in_order, &late] {
            assert_eq!((ledger.last(), ledger.waiting()), (anew + 3, 0));
            assert_eq!(ledger.balance(&Account::Fund), 0);
            assert_eq!(ledger.balance(&Account::Issue), -10);
            assert_eq!(ledger.balance(&Account::Key(key(2))), 30);
        }
        late.take(bounty(anew + 5));
        assert_eq!((late.last(), late.waiting()), (anew + 3, 1));
    }

    #[test]
    fn a_bounty_beyond_the_fund_is_issued() {
        let mut ledger = Ledger::default();
        let (from, to) = (key(1), key(2));
        ledger.take(settlement(
            1,
            vec![
                Order::Fine {
                    from,
                    amount_x0: 30,
                },
                Order::Bounty { to, amount_x0: 100 },
            ],
        ));

        assert_eq!(ledger.balance(&Account::Key(to)), 100);
        assert_eq!(ledger.balance(&Account::Fund), 0);
        assert_eq!(ledger.balance(&Account::Issue), -70);
        assert_eq!(ledger.postings().count(), 3);
    }
}
