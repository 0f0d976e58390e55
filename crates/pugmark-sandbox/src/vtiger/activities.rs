//! Tasks and events: what the server works out for them, and which of the two a record is.

use super::catalogue::{Module, ModuleIndex};
use super::records::Call;
use super::saving::put;
use super::store::{Row, unset};

impl Call<'_> {
    /// A task without `activitytype` "Task" is an event. Gives module and row, and the values that find no place there.
    pub(super) fn place_activity(
        &self,
        module: ModuleIndex,
        row: Row,
    ) -> (ModuleIndex, Row, Vec<(String, String)>) {
        let about = self.state.catalogue.module(module);
        let kind = about
            .field("activitytype")
            .and_then(|field| row[field].as_deref());
        let events = self.state.catalogue.find("Events");
        let (true, Some(events)) = (about.name == "Calendar" && kind != Some("Task"), events)
        else {
            return (module, row, Vec::new());
        };
        let target = self.state.catalogue.module(events);
        let moved = target
            .fields
            .iter()
            .map(|field| match about.field(&field.name) {
                Some(from) => row[from].clone(),
                None => unset(&field.kind),
            });
        let homeless = about
            .fields
            .iter()
            .zip(&row)
            .filter(|(field, _)| target.field(&field.name).is_none());
        let lost =
            homeless.map(|(field, cell)| (field.name.clone(), cell.clone().unwrap_or_default()));
        (events, moved.collect(), lost.collect())
    }
}

/// Duration and defaults that the server works out for tasks and events.
pub(super) fn complete_activity(module: &Module, row: &mut Row) {
    let text = |row: &Row, name: &str| {
        module
            .field(name)
            .and_then(|at| row[at].clone())
            .unwrap_or_default()
    };
    if let Some(hours) = activity_hours(
        &text(row, "date_start"),
        &text(row, "time_start"),
        &text(row, "due_date"),
        &text(row, "time_end"),
    ) && module.name == "Calendar"
    {
        put(module, row, "duration_hours", hours.to_string());
    }
    put(module, row, "duration_minutes", "0".to_owned());
    let kind = text(row, "activitytype");
    if !kind.is_empty() && kind != "Task" {
        put(module, row, "taskstatus", String::new());
    }
}

/// Whole hours from start to end; a task without end lasts until its last day is over.
fn activity_hours(start_day: &str, start_time: &str, end_day: &str, end_time: &str) -> Option<i64> {
    let moment = |day: &str, time: &str| -> Option<jiff::civil::DateTime> {
        let day: jiff::civil::Date = day.parse().ok()?;
        let mut parts = time.split(':').map(|part| part.parse::<i8>().unwrap_or(0));
        let (hour, minute) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        Some(day.to_datetime(jiff::civil::Time::new(hour, minute, 0, 0).ok()?))
    };
    let start = moment(start_day, start_time)?;
    let end = if end_time.is_empty() {
        moment(end_day, "0:0")?
            .checked_add(jiff::Span::new().days(1))
            .ok()?
    } else {
        moment(end_day, end_time)?
    };
    Some(end.duration_since(start).as_hours())
}
