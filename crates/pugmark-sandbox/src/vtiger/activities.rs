//! Tasks and events: what the server works out for them, and which of the two a record is.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

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
pub(super) fn complete_activity(module: &Module, row: &mut Row, zone: TimeZone) {
    let text = |row: &Row, name: &str| {
        module
            .field(name)
            .and_then(|at| row[at].clone())
            .unwrap_or_default()
    };
    let start = moment(&text(row, "date_start"), &text(row, "time_start"));
    let end_time = text(row, "time_end");
    let end = if end_time.is_empty() {
        end_of(&text(row, "due_date"))
    } else {
        moment(&text(row, "due_date"), &end_time)
    };
    let start = start.and_then(|start| {
        if end_time.is_empty() {
            seen_from(start, zone)
        } else {
            Some(start)
        }
    });
    if let (Some(start), Some(end)) = (start, end)
        && module.name == "Calendar"
    {
        let hours = end.duration_since(start).as_hours();
        put(module, row, "duration_hours", hours.to_string());
    }
    put(module, row, "duration_minutes", "0".to_owned());
    let kind = text(row, "activitytype");
    if !kind.is_empty() && kind != "Task" {
        put(module, row, "taskstatus", String::new());
    }
}

fn moment(day: &str, time: &str) -> Option<DateTime> {
    let day: Date = day.parse().ok()?;
    let mut parts = time.split(':').map(|part| part.parse::<i8>().unwrap_or(0));
    let (hour, minute) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    Some(day.to_datetime(Time::new(hour, minute, 0, 0).ok()?))
}

/// A task without an end lasts until its last day is over, in no zone in particular; its start is moved into the caller's.
fn end_of(day: &str) -> Option<DateTime> {
    moment(day, "0:0")?
        .checked_add(jiff::Span::new().days(1))
        .ok()
}

fn seen_from(moment: DateTime, zone: TimeZone) -> Option<DateTime> {
    let at = moment.to_zoned(TimeZone::UTC).ok()?;
    Some(at.with_time_zone(zone).datetime())
}
