//! How many records a restriction finds, also where the server cannot count.
//!
//! vTiger up to 8.2 answers `select count(*)` with one row. 8.3 and 8.4 drop every row without a record id, this one
//! included, and answer every count with an empty list. So does any version whose database failed. An empty list
//! therefore counts nothing; the records are then asked for together with records known to exist, the witnesses. An
//! answer without its witness comes from a query that was not executed.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::classify::unexpected_result;
use crate::client::Client;
use crate::error::CallError;
use crate::id::RecordId;
use crate::module::Module;
use crate::operation::Operation;
use crate::record::scalar_text;
use crate::vtql::{Condition, MAX_ROWS, Query};

impl Client {
    /// How many records a query's restriction finds, whatever its fields, order and limit.
    ///
    /// On a server that cannot count (vTiger 8.3 and 8.4) up to four more queries are made, and a number above 100 means
    /// "at least so many". 0 is believed when every query that found nothing did show a record known to exist. In a module
    /// that shows no record at all there is none to ask beside; then the users, of whom every installation has one and
    /// who are served by the same code as records, have to show that queries are executed and that this server does
    /// not count.
    ///
    /// # Errors
    /// [`CallError::Unreadable`] when nothing shows that the query was executed: a database error the server swallowed
    /// is not 0.
    pub async fn count(&self, query: &Query) -> Result<u64, CallError> {
        let module = self.describe(query.module()).await?;
        self.count_with(&module, query).await
    }

    /// As [`Client::count`], checked against a description the caller holds.
    ///
    /// # Errors
    /// As [`Client::count`].
    pub async fn count_with(&self, module: &Module, query: &Query) -> Result<u64, CallError> {
        query.check(module)?;
        let operation = Operation::read("query").param("query", query.to_count_vtql()?);
        let result = self.call_operation(&operation).await?;
        if result.as_array().is_some_and(Vec::is_empty) {
            return self.count_beside_witnesses(module, query).await;
        }
        counted(&result).ok_or_else(|| unexpected_result(&operation, "the answer holds no count"))
    }

    async fn count_beside_witnesses(
        &self,
        module: &Module,
        query: &Query,
    ) -> Result<u64, CallError> {
        let anything = Query::select(query.module()).limit(2);
        let witnesses = self.ids(module, anything).await?;
        if witnesses.is_empty() {
            self.expect_users_that_are_not_counted().await?;
        }
        let mut found = BTreeSet::new();
        for witness in &witnesses {
            // What one answer cannot tell, whether its witness itself is among the found, the other one does.
            found.extend(self.ids_beside(module, query, witness).await?);
        }
        if witnesses.len() < 2 {
            found.extend(self.ids(module, query.restriction_only()).await?);
        }
        Ok(u64::try_from(found.len()).unwrap_or(u64::MAX))
    }

    /// A server whose database fails shows no user either, and one that counts them has swallowed the count it was
    /// asked for. (Currencies and groups prove nothing: vTiger 8.3 counts them.) Who may not see users is refused.
    async fn expect_users_that_are_not_counted(&self) -> Result<(), CallError> {
        let users = Query::select("Users").fields(["id"]).limit(1);
        let (any, number) = (users.to_vtql()?, users.to_count_vtql()?);
        let shown = self.rows(any).await?;
        if shown == Some(0) {
            let message = "no query is answered: not even a user is shown";
            return Err(unexpected_result(&Operation::read("query"), message));
        }
        if self.rows(number).await?.is_some_and(|rows| rows > 0) {
            let message = "this server counts, but not what it was asked for";
            return Err(unexpected_result(&Operation::read("query"), message));
        }
        Ok(())
    }

    /// How many rows a query was answered with; `None` when it was refused, which is an answer, too.
    async fn rows(&self, query: String) -> Result<Option<usize>, CallError> {
        let operation = Operation::read("query").param("query", query);
        match self.call_operation(&operation).await {
            Ok(result) => Ok(Some(result.as_array().map_or(0, Vec::len))),
            Err(CallError::Refused(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The records found, without the witness.
    async fn ids_beside(
        &self,
        module: &Module,
        query: &Query,
        witness: &RecordId,
    ) -> Result<BTreeSet<RecordId>, CallError> {
        let both = query
            .restriction_only()
            .or_filter(Condition::eq("id", witness));
        let mut ids = self.ids(module, both).await?;
        let executed = ids.remove(witness) || ids.len() >= full_page();
        if executed {
            Ok(ids)
        } else {
            let message = "a record that exists is missing from the answer";
            Err(unexpected_result(&Operation::read("query"), message))
        }
    }

    async fn ids(&self, module: &Module, query: Query) -> Result<BTreeSet<RecordId>, CallError> {
        let records = self.query_with(module, &query.fields(["id"])).await?;
        Ok(records.into_iter().map(|record| record.id).collect())
    }
}

fn full_page() -> usize {
    usize::try_from(MAX_ROWS).unwrap_or(usize::MAX)
}

fn counted(result: &Json) -> Option<u64> {
    scalar_text(result.as_array()?.first()?.get("count")?)
        .parse()
        .ok()
}
