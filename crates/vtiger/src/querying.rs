//! Asking for records: queries and pages.

use futures::stream::{self, Stream};

use crate::classify::unexpected_result;
use crate::client::Client;
use crate::error::CallError;
use crate::module::Module;
use crate::operation::Operation;
use crate::record::Record;
use crate::records::records;
use crate::vtql::{KeysetQuery, Order, PageStart, Query};

impl Client {
    /// The records a query finds, at most 100.
    ///
    /// Field names and id literals are checked against the module's (cached) description first, because vTiger answers a
    /// query it cannot execute with an empty page. Even so, an empty page is no proof of absence: the server swallows
    /// database errors. [`Client::count`] asks differently.
    ///
    /// # Errors
    /// [`CallError::Invalid`] for unknown fields and unsafe literals; otherwise as every read.
    pub async fn query(&self, query: &Query) -> Result<Vec<Record>, CallError> {
        let module = self.describe(query.module()).await?;
        self.query_with(&module, query).await
    }

    /// As [`Client::query`], checked against a description the caller holds.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn query_with(
        &self,
        module: &Module,
        query: &Query,
    ) -> Result<Vec<Record>, CallError> {
        query.check(module)?;
        let operation = Operation::read("query").param("query", query.to_vtql()?);
        let result = self.call_operation(&operation).await?;
        records(&operation, &result)
    }

    /// All records of a keyset query, page after page.
    ///
    /// The stream ends after the last page or the first error. An empty page is believed only when a count agrees; a page
    /// that does not move on ends the stream with [`CallError::Unreadable`].
    pub fn pages(
        &self,
        query: KeysetQuery,
    ) -> impl Stream<Item = Result<Vec<Record>, CallError>> + Send + use<> {
        let reader = PageReader {
            start: query.start(),
            client: self.clone(),
            query,
            done: false,
        };
        stream::try_unfold(reader, PageReader::next)
    }
}

struct PageReader {
    client: Client,
    query: KeysetQuery,
    start: Option<PageStart>,
    done: bool,
}

impl PageReader {
    async fn next(mut self) -> Result<Option<(Vec<Record>, Self)>, CallError> {
        if self.done {
            return Ok(None);
        }
        let mut page = self.page().await?;
        if page.is_empty() && !self.is_truly_empty().await? {
            // Either the server swallowed an error or a record came in between.
            page = self.page().await?;
            if page.is_empty() {
                return Err(self.senseless("an empty page where a count finds records"));
            }
        }
        let Some(last) = page.last() else {
            return Ok(None);
        };
        let next = self.behind(last)?;
        if !self.moves_on(&page) {
            return Err(self.senseless("the rows are not in the order asked for"));
        }
        self.done = page.len() < self.query.rows_per_page();
        self.start = Some(next);
        Ok(Some((page, self)))
    }

    async fn page(&self) -> Result<Vec<Record>, CallError> {
        self.client
            .query(&self.query.page(self.start.as_ref()))
            .await
    }

    async fn is_truly_empty(&self) -> Result<bool, CallError> {
        Ok(self
            .client
            .count(&self.query.page(self.start.as_ref()))
            .await?
            == 0)
    }

    fn behind(&self, last: &Record) -> Result<PageStart, CallError> {
        let modified_time = match self.query.order() {
            Order::Id => None,
            Order::ModifiedTime => {
                let time = last.get("modifiedtime").filter(|time| !time.is_empty());
                Some(
                    time.ok_or_else(|| self.senseless("a row without modifiedtime"))?
                        .to_owned(),
                )
            }
        };
        Ok(PageStart {
            modified_time,
            id: Some(last.id.clone()),
        })
    }

    /// Whether every row comes after the one before it and the first after the start, so that reading must end.
    fn moves_on(&self, page: &[Record]) -> bool {
        let key = |record: &Record| {
            let time = match self.query.order() {
                Order::Id => String::new(),
                Order::ModifiedTime => record.get("modifiedtime").unwrap_or_default().to_owned(),
            };
            (time, record.id.numeric_key())
        };
        let ordered = page
            .windows(2)
            .all(|pair| matches!(pair, [one, two] if key(one) < key(two)));
        let first_is_new = match (&self.start, page.first()) {
            (
                Some(PageStart {
                    modified_time,
                    id: Some(id),
                }),
                Some(first),
            ) => {
                let start = (modified_time.clone().unwrap_or_default(), id.numeric_key());
                self.query.order() == Order::ModifiedTime && modified_time.is_none()
                    || start < key(first)
            }
            _ => true,
        };
        ordered && first_is_new
    }

    fn senseless(&self, message: &str) -> CallError {
        unexpected_result(
            &Operation::read("query"),
            format!("{}: {message}", self.query.module()),
        )
    }
}
