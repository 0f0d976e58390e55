//! The leads of the demonstration, and what is to become of each. Pure: the same seed gives the same leads.

use super::super::people::Chance;

/// What happens to a lead on its way, and so what must come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// One webhook.
    Plain,
    /// Its webhook never arrives.
    Lost,
    /// Its webhook arrives several times at once.
    Repeated,
    /// Somebody sends the like with other digits first.
    Forged,
    /// Its IBAN is wrong, and stays so.
    BadIban,
    /// It has no e-mail address, and gets none.
    NoEmail,
    /// Its IBAN is wrong; somebody corrects it in vTiger, and the workflow fires again.
    CorrectedInVtiger,
    /// Its IBAN is wrong; somebody corrects it by edit-and-retry.
    CorrectedByApi,
    /// Its IBAN is wrong; somebody cancels the job. When the workflow fires again for the corrected lead, nothing follows.
    Cancelled,
}

impl Fate {
    /// One of each, in the order of the first leads.
    const ALL: [Fate; 9] = [
        Fate::Plain,
        Fate::Lost,
        Fate::Repeated,
        Fate::Forged,
        Fate::BadIban,
        Fate::NoEmail,
        Fate::CorrectedInVtiger,
        Fate::CorrectedByApi,
        Fate::Cancelled,
    ];

    /// Whether it must have a customer with a subscription in the end.
    pub(super) fn is_set_up(self) -> bool {
        !matches!(self, Fate::BadIban | Fate::NoEmail | Fate::Cancelled)
    }

    /// The field that its job must name when it fails for good.
    pub(super) fn fault(self) -> Option<&'static str> {
        match self {
            Fate::BadIban => Some("iban"),
            Fate::NoEmail => Some("email"),
            _ => None,
        }
    }

    /// Whether it is written with a wrong IBAN.
    pub(super) fn begins_with_bad_iban(self) -> bool {
        use Fate::{BadIban, Cancelled, CorrectedByApi, CorrectedInVtiger};
        matches!(
            self,
            BadIban | CorrectedInVtiger | CorrectedByApi | Cancelled
        )
    }
}

/// A lead before it is written.
#[derive(Clone)]
pub(super) struct Lead {
    pub(super) fate: Fate,
    pub(super) first: String,
    pub(super) last: String,
    pub(super) company: String,
    pub(super) email: String,
    /// The account that it really has.
    pub(super) iban: String,
}

impl Lead {
    /// What somebody typed: the account, or for some leads one with wrong check digits.
    pub(super) fn typed_iban(&self) -> String {
        if !self.fate.begins_with_bad_iban() {
            return self.iban.clone();
        }
        let (country, rest) = self.iban.split_at(2);
        let (digits, account) = rest.split_at(2);
        let wrong = digits.parse::<u32>().map_or(0, |digits| digits + 1);
        format!("{country}{wrong:02}{account}")
    }
}

/// So many leads; the first ones have every fate.
pub(super) fn draw(seed: u64, number: u32) -> Vec<Lead> {
    let mut chance = Chance::new(seed);
    (0..number)
        .map(|number| lead(&mut chance, number))
        .collect()
}

fn lead(chance: &mut Chance, number: u32) -> Lead {
    let person = chance.person(number);
    let rare = match chance.between(0, 99) {
        0..12 => Fate::Lost,
        12..24 => Fate::Repeated,
        24..32 => Fate::Forged,
        32..36 => Fate::BadIban,
        _ => Fate::Plain,
    };
    let first_ones = usize::try_from(number).ok();
    let fate = first_ones.and_then(|number| Fate::ALL.get(number));
    let fate = fate.copied().unwrap_or(rare);
    Lead {
        fate,
        company: format!("{} & Sons Ltd", person.last),
        email: match fate {
            Fate::NoEmail => String::new(),
            _ => format!("finance{number}@example.ie"),
        },
        iban: irish_iban(chance.between(0, 99_999_999)),
        first: person.first,
        last: person.last,
    }
}

/// An Irish IBAN with right check digits (ISO 13616: the rearranged number modulo 97 is 1).
fn irish_iban(account: u32) -> String {
    let bban = format!("AIBK931152{account:08}");
    let rearranged = format!("{bban}IE00");
    let remainder = rearranged.chars().fold(0, |sum, character| {
        let value = character.to_digit(36).unwrap_or(0);
        (sum * if value > 9 { 100 } else { 10 } + value) % 97
    });
    format!("IE{:02}{bban}", 98 - remainder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flows::onboarding::check::iban;

    #[test]
    fn the_first_leads_have_every_fate_and_right_and_wrong_accounts_are_what_they_claim_to_be() {
        let leads = draw(7, 200);
        for fate in Fate::ALL {
            assert!(leads[..9].iter().any(|lead| lead.fate == fate), "{fate:?}");
        }
        for lead in &leads {
            assert!(iban(&lead.iban).is_ok());
            let typed = iban(&lead.typed_iban()).is_ok();
            assert_eq!(typed, !lead.fate.begins_with_bad_iban(), "{:?}", lead.fate);
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_leads() {
        let ibans =
            |seed| -> Vec<String> { draw(seed, 30).into_iter().map(|lead| lead.iban).collect() };
        assert_eq!(ibans(5), ibans(5));
        assert_ne!(ibans(5), ibans(6));
    }
}
