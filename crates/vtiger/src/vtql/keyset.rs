//! Reading more than one page: by id, or by time of change and id.

use crate::id::RecordId;
use crate::vtql::filter::{Condition, Filter};
use crate::vtql::query::{MAX_ROWS, Query};

/// A query that is read page after page, each starting behind the last row of the one before.
///
/// Offsets skip and repeat rows as soon as equal sort keys occur; a keyset does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysetQuery {
    module: String,
    fields: Vec<String>,
    filter: Filter,
    order: Order,
    start: Option<PageStart>,
    page_size: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Id,
    ModifiedTime,
}

/// Behind which row a page starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageStart {
    /// The row's `modifiedtime` as the server writes it; only looked at when reading by time of change.
    pub modified_time: Option<String>,
    /// The row's id; `None` starts with every row of that time.
    pub id: Option<RecordId>,
}

impl KeysetQuery {
    /// Every record, by ascending id.
    pub fn by_id(module: impl Into<String>) -> Self {
        Self::new(module.into(), Order::Id)
    }

    /// Every record, by ascending time of change and id.
    pub fn by_modified_time(module: impl Into<String>) -> Self {
        Self::new(module.into(), Order::ModifiedTime)
    }

    fn new(module: String, order: Order) -> Self {
        Self {
            module,
            fields: Vec::new(),
            filter: Filter::default(),
            order,
            start: None,
            page_size: MAX_ROWS,
        }
    }

    /// Only these fields; what the paging needs (`id`, `modifiedtime`) is added. None at all means every field.
    #[must_use]
    pub fn fields<N: Into<String>>(mut self, fields: impl IntoIterator<Item = N>) -> Self {
        self.fields = fields.into_iter().map(Into::into).collect();
        self
    }

    /// Restricts the records; several calls must all hold.
    #[must_use]
    pub fn filter(mut self, filter: impl Into<Filter>) -> Self {
        self.filter = self.filter.and(filter);
        self
    }

    /// Starts behind this record (reading by id).
    #[must_use]
    pub fn after(mut self, id: RecordId) -> Self {
        self.start = Some(PageStart {
            modified_time: None,
            id: Some(id),
        });
        self
    }

    /// Starts with changes at or after this moment (`YYYY-MM-DD HH:MM:SS` in the server's time zone), or, with an id,
    /// behind that record of that moment (reading by time of change).
    #[must_use]
    pub fn since(mut self, modified_time: impl Into<String>, after: Option<RecordId>) -> Self {
        self.start = Some(PageStart {
            modified_time: Some(modified_time.into()),
            id: after,
        });
        self
    }

    /// Rows per page, 1 to 100.
    #[must_use]
    pub fn page_size(mut self, rows: u32) -> Self {
        self.page_size = rows.clamp(1, MAX_ROWS);
        self
    }

    /// The module.
    #[must_use]
    pub fn module(&self) -> &str {
        &self.module
    }

    pub(crate) fn rows_per_page(&self) -> usize {
        usize::try_from(self.page_size).unwrap_or(usize::MAX)
    }

    pub(crate) fn order(&self) -> Order {
        self.order
    }

    pub(crate) fn start(&self) -> Option<PageStart> {
        self.start.clone()
    }

    /// The query for the page behind `start`.
    pub(crate) fn page(&self, start: Option<&PageStart>) -> Query {
        let mut query = Query::select(self.module.clone())
            .fields(self.columns())
            .filter(self.filter.clone().and(self.behind(start)))
            .limit(self.page_size);
        query = match self.order {
            Order::Id => query.order_by(["id"]),
            Order::ModifiedTime => query.order_by(["modifiedtime", "id"]),
        };
        query
    }

    fn columns(&self) -> Vec<String> {
        let mut columns = self.fields.clone();
        let needed: &[&str] = match self.order {
            Order::Id => &["id"],
            Order::ModifiedTime => &["id", "modifiedtime"],
        };
        if !columns.is_empty() {
            columns.extend(needed.iter().map(|name| (*name).to_owned()));
            let mut seen = std::collections::HashSet::new();
            columns.retain(|name| seen.insert(name.clone()));
        }
        columns
    }

    fn behind(&self, start: Option<&PageStart>) -> Filter {
        let Some(start) = start else {
            return Filter::default();
        };
        let after_id = start.id.as_ref().map(|id| Condition::gt("id", id));
        match (self.order, start.modified_time.as_deref()) {
            (Order::Id, _) | (Order::ModifiedTime, None) => Filter::all(after_id),
            (Order::ModifiedTime, Some(time)) => match after_id {
                None => Condition::ge("modifiedtime", time).into(),
                Some(after_id) => Filter::from(Condition::gt("modifiedtime", time))
                    .or(Filter::all([Condition::eq("modifiedtime", time), after_id])),
            },
        }
    }
}
