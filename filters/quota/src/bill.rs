//! What a request is to be charged: all of it, or it does not pass.

use crate::open::Claim;
use crate::store::{Charge, Debit, Subject};

/// What is to be taken from whom, and for which limits.
#[derive(Debug, Default)]
pub(crate) struct Bill {
    pub(crate) debits: Vec<Debit>,
    /// Of each charge of each debit, what it is for.
    claims: Vec<Vec<Claim>>,
}

impl Bill {
    /// Charges a subject; what the same counter is charged already grows.
    pub(crate) fn add(&mut self, subject: Subject, charge: Charge, claim: Claim) {
        let mut known = self.debits.iter_mut().zip(&mut self.claims);
        let Some((debit, claims)) = known.find(|(debit, _)| debit.subject == subject) else {
            self.debits.push(Debit { subject, charges: vec![charge] });
            self.claims.push(vec![claim]);
            return;
        };
        let mut charged = debit.charges.iter_mut().zip(claims.iter_mut());
        if let Some((other, grown)) = charged.find(|(other, _)| other.counter == charge.counter) {
            other.amount = other.amount.saturating_add(charge.amount);
            grown.request = grown.request.plus(claim.request);
        } else {
            debit.charges.push(charge);
            claims.push(claim);
        }
    }

    /// What the charge at `charge` of the debit at `debit` is for.
    pub(crate) fn claim(&self, debit: usize, charge: usize) -> Option<&Claim> {
        self.claims.get(debit)?.get(charge)
    }

    /// What all charges are for, in their order.
    pub(crate) fn into_claims(self) -> Vec<Claim> {
        self.claims.into_iter().flatten().collect()
    }
}
