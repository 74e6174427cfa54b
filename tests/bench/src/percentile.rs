//! What many measurements come down to.

use std::time::Duration;

/// The middle, the bad end and the best of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Half of the series took no longer.
    pub(crate) p50: Duration,
    /// 99 of 100 took no longer.
    pub(crate) p99: Duration,
    /// The shortest.
    pub(crate) min: Duration,
    /// How many there were.
    pub(crate) n: usize,
}

impl Summary {
    /// Of a series in any order; none of an empty one.
    pub(crate) fn of(series: &[Duration]) -> Option<Self> {
        let mut sorted = series.to_vec();
        sorted.sort_unstable();
        Some(Self {
            p50: nearest(&sorted, 50)?,
            p99: nearest(&sorted, 99)?,
            min: sorted.first().copied()?,
            n: sorted.len(),
        })
    }
}

/// The least of the series that `percent` of it do not exceed (nearest rank): always a value that was measured.
fn nearest(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(series: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        series.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn ranks_are_values_of_the_series() {
        for (series, p50, p99, min) in [
            (millis([7]), 7, 7, 7),
            (millis([2, 1]), 1, 2, 1),
            (millis([3, 1, 2]), 2, 3, 1),
            (millis((1..=100).rev()), 50, 99, 1),
            (millis(1..=200), 100, 198, 1),
            (millis(1..=101), 51, 100, 1),
        ] {
            let [p50, p99, min] = [p50, p99, min].map(Duration::from_millis);
            assert_eq!(Summary::of(&series), Some(Summary { p50, p99, min, n: series.len() }), "{series:?}");
        }
    }

    #[test]
    fn nothing_has_no_summary() {
        assert_eq!(Summary::of(&[]), None);
    }
}
