//! A bank account to be made.

use secrecy::{ExposeSecret, SecretString};

use crate::error::Invalid;
use crate::id::CustomerId;
use crate::wire::Fields;

/// A bank account to be made for a customer. `Debug` shows no number of it.
#[derive(Debug, Clone)]
pub struct NewBankAccount {
    /// Whose account it is.
    pub customer_id: CustomerId,
    /// The account.
    pub bank: BankDetails,
}

impl NewBankAccount {
    pub(crate) fn fields(&self) -> Result<Fields, Invalid> {
        let customer = Fields::default().put("customer_id", Some(&self.customer_id));
        Ok(customer.and(self.bank.fields()?))
    }
}

/// What identifies a bank account. What is needed depends on the site's gateway: SEPA by Stripe wants the IBAN; GoCardless
/// a bank name, the IBAN or number with routing number or branch code, and a **complete** billing address; ACH bank name,
/// routing number and account number; Bacs and BECS by Stripe branch code and account number.
///
/// `Debug` shows none of the numbers, and they appear in no error. The service does not check an IBAN, the gateway does:
/// check length and check digits before.
#[derive(Debug, Clone, Default)]
pub struct BankDetails {
    /// The IBAN, with or without blanks; it is sent without and in upper case.
    pub bank_iban: Option<SecretString>,
    /// The account number, where there is no IBAN.
    pub bank_account_number: Option<SecretString>,
    /// The routing number.
    pub bank_routing_number: Option<SecretString>,
    /// The branch or sort code.
    pub bank_branch_code: Option<SecretString>,
    /// The bank's name.
    pub bank_name: Option<String>,
    /// `checking` or `savings`.
    pub bank_account_type: Option<String>,
    /// `personal` or `business`.
    pub bank_account_holder_type: Option<String>,
    /// The holder's first name; otherwise the customer's.
    pub first_name: Option<String>,
    /// The holder's last name; otherwise the customer's.
    pub last_name: Option<String>,
    /// Where bills go.
    pub billing: BillingAddress,
}

/// Where bills of a payment profile go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BillingAddress {
    /// Street and number.
    pub address: Option<String>,
    /// The second line.
    pub address_2: Option<String>,
    /// The city.
    pub city: Option<String>,
    /// The part of the country, as ISO 3166-2 has it behind the dash. GoCardless demands one.
    pub state: Option<String>,
    /// The postal code.
    pub zip: Option<String>,
    /// The country, ISO 3166-1 alpha-2.
    pub country: Option<String>,
}

impl BankDetails {
    /// An account known by its IBAN.
    #[must_use]
    pub fn iban(iban: SecretString) -> Self {
        Self {
            bank_iban: Some(iban),
            ..Self::default()
        }
    }

    /// The IBAN as machines write it.
    pub(super) fn compact_iban(&self) -> Option<SecretString> {
        let iban = self.bank_iban.as_ref()?;
        let compact: String = iban
            .expose_secret()
            .split_whitespace()
            .collect::<String>()
            .to_ascii_uppercase();
        (!compact.is_empty()).then(|| compact.into())
    }

    pub(crate) fn fields(&self) -> Result<Fields, Invalid> {
        let iban = self.compact_iban();
        let number = filled(self.bank_account_number.as_ref());
        if iban.is_none() && number.is_none() {
            return Err(Invalid::NoAccount);
        }
        // Without it the service takes the profile for a card.
        let fields = Fields::default()
            .put("payment_type", Some("bank_account"))
            .secret("bank_iban", iban.as_ref())
            .secret("bank_account_number", number)
            .secret(
                "bank_routing_number",
                filled(self.bank_routing_number.as_ref()),
            )
            .secret("bank_branch_code", filled(self.bank_branch_code.as_ref()))
            .put("bank_name", self.bank_name.as_ref())
            .put("bank_account_type", self.bank_account_type.as_ref())
            .put(
                "bank_account_holder_type",
                self.bank_account_holder_type.as_ref(),
            )
            .put("first_name", self.first_name.as_ref())
            .put("last_name", self.last_name.as_ref());
        Ok(fields.and(self.billing.fields()))
    }
}

impl BillingAddress {
    fn fields(&self) -> Fields {
        Fields::default()
            .put("billing_address", self.address.as_ref())
            .put("billing_address_2", self.address_2.as_ref())
            .put("billing_city", self.city.as_ref())
            .put("billing_state", self.state.as_ref())
            .put("billing_zip", self.zip.as_ref())
            .put("billing_country", self.country.as_ref())
    }
}

fn filled(secret: Option<&SecretString>) -> Option<&SecretString> {
    secret.filter(|secret| !secret.expose_secret().trim().is_empty())
}
