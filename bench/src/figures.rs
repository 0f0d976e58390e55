//! What was measured, and what is said of it.

use crate::contestant::Contestant;
use crate::plan::Measure;

/// Everything that was measured, in jobs per second.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    samples: Vec<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    contestant: Contestant,
    measure: Measure,
    history: u64,
    rate: f64,
}

/// The middle of several samples, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Figures {
    /// Notes a sample.
    pub(crate) fn add(
        &mut self,
        contestant: Contestant,
        measure: Measure,
        history: u64,
        rate: f64,
    ) {
        self.samples.push(Sample {
            contestant,
            measure,
            history,
            rate,
        });
    }

    /// What is known of this.
    pub(crate) fn of(
        &self,
        contestant: Contestant,
        measure: Measure,
        history: u64,
    ) -> Option<Figure> {
        let mut rates: Vec<f64> = self
            .samples
            .iter()
            .filter(|sample| {
                (sample.contestant, sample.measure, sample.history)
                    == (contestant, measure, history)
            })
            .map(|sample| sample.rate)
            .collect();
        rates.sort_by(f64::total_cmp);
        let (least, most) = (*rates.first()?, *rates.last()?);
        let middle = rates.len() / 2;
        let median = if rates.len() % 2 == 1 {
            rates[middle]
        } else {
            (rates[middle - 1] + rates[middle]) / 2.0
        };
        Some(Figure {
            median,
            least,
            most,
        })
    }

    /// Those who took part, in the order of the tables.
    pub(crate) fn contestants(&self) -> Vec<Contestant> {
        let took_part =
            |one: &Contestant| self.samples.iter().any(|sample| sample.contestant == *one);
        Contestant::ALL.into_iter().filter(took_part).collect()
    }

    /// Who has the highest median here.
    pub(crate) fn first(&self, measure: Measure, history: u64) -> Option<(Contestant, Figure)> {
        let all = self.contestants().into_iter();
        all.filter_map(|one| Some((one, self.of(one, measure, history)?)))
            .max_by(|a, b| a.1.median.total_cmp(&b.1.median))
    }

    /// How many times as much an operation costs with the second history as with the first.
    pub(crate) fn growth(
        &self,
        contestant: Contestant,
        measure: Measure,
        from: u64,
        to: u64,
    ) -> Option<f64> {
        let (small, large) = (
            self.of(contestant, measure, from)?,
            self.of(contestant, measure, to)?,
        );
        Some(small.median / large.median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(rates: &[f64]) -> Figures {
        let mut figures = Figures::default();
        for &rate in rates {
            figures.add(Contestant::Pugmark, Measure::Single, 1_000, rate);
        }
        figures
    }

    #[test]
    fn the_median_is_the_middle_and_one_slow_round_shows_in_the_spread_alone() {
        let figure = figures(&[100.0, 7.0, 110.0]).of(Contestant::Pugmark, Measure::Single, 1_000);
        assert_eq!(
            figure,
            Some(Figure {
                median: 100.0,
                least: 7.0,
                most: 110.0
            })
        );
        let even = figures(&[100.0, 200.0]).of(Contestant::Pugmark, Measure::Single, 1_000);
        assert_eq!(even.map(|figure| figure.median), Some(150.0));
    }

    #[test]
    fn what_was_not_measured_has_no_figure() {
        assert_eq!(
            figures(&[1.0]).of(Contestant::Apalis, Measure::Single, 1_000),
            None
        );
        assert_eq!(
            figures(&[1.0]).of(Contestant::Pugmark, Measure::Batched, 1_000),
            None
        );
    }

    #[test]
    fn half_the_rate_is_twice_the_cost() {
        let mut figures = figures(&[100.0]);
        figures.add(Contestant::Pugmark, Measure::Single, 1_000_000, 50.0);
        let growth = figures.growth(Contestant::Pugmark, Measure::Single, 1_000, 1_000_000);
        assert_eq!(growth, Some(2.0));
    }

    #[test]
    fn first_is_who_has_the_highest_median() {
        let mut figures = figures(&[100.0, 300.0, 100.0]);
        figures.add(Contestant::Bullmq, Measure::Single, 1_000, 200.0);
        let first = figures.first(Measure::Single, 1_000).map(|(one, _)| one);
        assert_eq!(first, Some(Contestant::Bullmq));
    }
}
