//! Which customers a list shows.

use jiff::Timestamp;

use super::super::call::Call;
use super::super::state::Stage;
use super::super::times;
use super::Customer;

/// The customers that the parameters ask for, in the order in which they were made.
pub(super) fn found<'a>(stage: &'a Stage<'_>, call: &Call<'_>) -> Vec<&'a Customer> {
    let wanted = call.query("q").map(str::to_lowercase);
    let by_update = call.query("date_field") == Some("updated_at");
    let (from, to) = bounds(stage, call);
    let matches = |customer: &&Customer| {
        let at = if by_update {
            customer.updated_at
        } else {
            customer.created_at
        };
        from.is_none_or(|from| at >= from)
            && to.is_none_or(|to| at < to)
            && wanted
                .as_ref()
                .is_none_or(|wanted| customer.is_found_by(wanted))
    };
    stage.state.customers.all().filter(matches).collect()
}

/// From when on, and before when. Days are the site's, the last one included; what is given to the second wins.
pub(in super::super) fn bounds(
    stage: &Stage<'_>,
    call: &Call<'_>,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let moment = |name| {
        call.query(name)
            .and_then(|text| times::read(text, stage.zone))
    };
    let day = |name, later| {
        let text = call.query(name)?;
        times::day_start(text, later, stage.zone)
    };
    let second = |at: Timestamp| Timestamp::from_second(at.as_second() + 1).unwrap_or(at);
    (
        moment("start_datetime").or_else(|| day("start_date", 0)),
        moment("end_datetime")
            .map(second)
            .or_else(|| day("end_date", 1)),
    )
}
