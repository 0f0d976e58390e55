//! A whole query, checked and written out.

use crate::error::Invalid;
use crate::id::RecordId;
use crate::module::Module;
use crate::vtql::filter::{Condition, Filter, Test};
use crate::vtql::literal::{Literal, quote};

/// The most rows vTiger returns for one query, whatever limit is asked for.
pub const MAX_ROWS: u32 = 100;

/// A query for records of one module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    module: String,
    fields: Vec<String>,
    filter: Filter,
    order: Vec<String>,
    direction: Direction,
    offset: Option<u32>,
    limit: Option<u32>,
}

/// The direction of `order by`; VTQL knows one for the whole list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Smallest first.
    #[default]
    Ascending,
    /// Largest first.
    Descending,
}

impl Query {
    /// All records of a module, with all fields, in no certain order.
    pub fn select(module: impl Into<String>) -> Self {
        Self {
            module: module.into(),
            fields: Vec::new(),
            filter: Filter::default(),
            order: Vec::new(),
            direction: Direction::Ascending,
            offset: None,
            limit: None,
        }
    }

    /// Only these fields (`id` always comes along). None at all means every field.
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

    /// Also finds the records of another restriction. Without one so far, everything is found already.
    #[must_use]
    pub(crate) fn or_filter(mut self, filter: impl Into<Filter>) -> Self {
        self.filter = self.filter.or(filter);
        self
    }

    /// A query for all fields of the records that this one's restriction finds.
    pub(crate) fn restriction_only(&self) -> Self {
        Self::select(self.module.clone()).filter(self.filter.clone())
    }

    /// Sorts by these fields, ascending. The order of equal rows is unstable unless `id` is the last.
    #[must_use]
    pub fn order_by<N: Into<String>>(mut self, fields: impl IntoIterator<Item = N>) -> Self {
        self.order = fields.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the direction of the whole sort order.
    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// At most so many rows (vTiger never returns more than [`MAX_ROWS`]).
    #[must_use]
    pub fn limit(mut self, rows: u32) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Leaves out the first rows. Needs a stable order to mean anything; [`KeysetQuery`](crate::KeysetQuery) is better.
    #[must_use]
    pub fn offset(mut self, rows: u32) -> Self {
        self.offset = Some(rows);
        self
    }

    /// The module.
    #[must_use]
    pub fn module(&self) -> &str {
        &self.module
    }

    /// The query as text.
    ///
    /// # Errors
    /// [`Invalid::Query`] for names that are no names, an empty `in` list, and `id` literals that are no ids.
    pub fn to_vtql(&self) -> Result<String, Invalid> {
        let columns = if self.fields.is_empty() {
            "*".to_owned()
        } else {
            self.names(&self.fields)?
        };
        let mut text = format!("select {columns} from {}", self.name(&self.module)?);
        text.push_str(&self.where_part("where")?);
        if !self.order.is_empty() {
            text.push_str(&format!(" order by {}", self.names(&self.order)?));
            if self.direction == Direction::Descending {
                text.push_str(" desc");
            }
        }
        match (self.offset, self.limit) {
            (None, None) => {}
            (None, Some(rows)) => text.push_str(&format!(" limit {rows}")),
            (Some(skipped), rows) => {
                text.push_str(&format!(" limit {skipped},{}", rows.unwrap_or(MAX_ROWS)))
            }
        }
        text.push(';');
        Ok(text)
    }

    /// The same restriction as a count.
    ///
    /// # Errors
    /// As [`Query::to_vtql`].
    pub fn to_count_vtql(&self) -> Result<String, Invalid> {
        Ok(format!(
            "select count(*) from {}{};",
            self.name(&self.module)?,
            self.where_part("where")?
        ))
    }

    /// The form `query_related` wants: `WHERE` in capitals, no `;`, and neither order nor limit.
    ///
    /// # Errors
    /// As [`Query::to_vtql`].
    pub fn to_related_vtql(&self) -> Result<String, Invalid> {
        let columns = if self.fields.is_empty() {
            "*".to_owned()
        } else {
            self.names(&self.fields)?
        };
        Ok(format!(
            "select {columns} from {}{}",
            self.name(&self.module)?,
            self.where_part("WHERE")?
        ))
    }

    /// Checks every name and every id literal against the module's description.
    ///
    /// An unknown field in `order by` makes vTiger answer with an empty page instead of an error, and text after the `x`
    /// of a literal compared with a reference goes into SQL unquoted; neither may leave this process.
    ///
    /// # Errors
    /// [`Invalid::UnknownField`] and [`Invalid::Query`].
    pub fn check(&self, module: &Module) -> Result<(), Invalid> {
        if module.name != self.module {
            return Err(self.problem(format!(
                "checked against the description of {}",
                module.name
            )));
        }
        for name in self.fields.iter().chain(&self.order) {
            self.known(module, name)?;
        }
        self.filter
            .conditions()
            .try_for_each(|condition| self.check_condition(module, condition))
    }

    fn check_condition(&self, module: &Module, condition: &Condition) -> Result<(), Invalid> {
        if self.known(module, &condition.field)? {
            check_id_literals(condition).map_err(|problem| self.problem(problem))?;
        }
        Ok(())
    }

    /// Whether the known field's literals must be ids.
    fn known(&self, module: &Module, name: &str) -> Result<bool, Invalid> {
        match module.field(name) {
            Some(field) => Ok(field.holds_ids()),
            // Non-entity types may leave it out of their description; it can always be selected and compared.
            None if name == "id" => Ok(true),
            None => Err(Invalid::UnknownField {
                module: self.module.clone(),
                field: name.to_owned(),
            }),
        }
    }

    fn where_part(&self, keyword: &str) -> Result<String, Invalid> {
        if self.filter.is_empty() {
            return Ok(String::new());
        }
        let alternatives = self
            .filter
            .alternatives
            .iter()
            .map(|all| {
                Ok(all
                    .iter()
                    .map(|one| self.condition(one))
                    .collect::<Result<Vec<_>, _>>()?
                    .join(" and "))
            })
            .collect::<Result<Vec<_>, Invalid>>()?;
        Ok(format!(" {keyword} {}", alternatives.join(" or ")))
    }

    fn condition(&self, condition: &Condition) -> Result<String, Invalid> {
        if condition.field == "id" {
            check_id_literals(condition).map_err(|problem| self.problem(problem))?;
        }
        let field = self.name(&condition.field)?;
        match &condition.test {
            Test::Compare(operator, literal) => {
                Ok(format!("{field}{operator}{}", literal.to_vtql()))
            }
            Test::Like(pattern) => Ok(format!("{field} like {}", quote(pattern))),
            Test::In(literals) if literals.is_empty() => {
                Err(self.problem(format!("the list of values for `{field}` is empty")))
            }
            Test::In(literals) => {
                let list: Vec<String> = literals.iter().map(Literal::to_vtql).collect();
                Ok(format!("{field} in ({})", list.join(",")))
            }
        }
    }

    fn names(&self, names: &[String]) -> Result<String, Invalid> {
        Ok(names
            .iter()
            .map(|name| self.name(name))
            .collect::<Result<Vec<_>, _>>()?
            .join(","))
    }

    fn name<'n>(&self, name: &'n str) -> Result<&'n str, Invalid> {
        let mut bytes = name.bytes();
        let starts_well = bytes
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
        if starts_well && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            Ok(name)
        } else {
            Err(self.problem(format!(
                "`{}` is not a name",
                name.chars().take(60).collect::<String>()
            )))
        }
    }

    fn problem(&self, problem: String) -> Invalid {
        Invalid::Query {
            module: self.module.chars().take(60).collect(),
            problem,
        }
    }
}

/// Whether every literal compared with an id-like field is an id, so that nothing reaches SQL behind an `x`.
fn check_id_literals(condition: &Condition) -> Result<(), String> {
    let no_id = || {
        format!(
            "`{}` can only be compared with record ids such as 12x345",
            condition.field
        )
    };
    let is_id = |literal: &Literal| match literal {
        Literal::Id(_) => true,
        Literal::Text(text) => text.parse::<RecordId>().is_ok() || text.trim().is_empty(),
        Literal::Integer(_) => false,
    };
    let safe = match &condition.test {
        Test::Compare(_, literal) => is_id(literal),
        Test::In(literals) => literals.iter().all(is_id),
        Test::Like(pattern) => pattern
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '%'),
    };
    if safe { Ok(()) } else { Err(no_id()) }
}
