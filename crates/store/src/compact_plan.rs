//! Which segments are compacted next: a decision over what the manifest says, and nothing else.

use std::time::Duration;

use stdx::UnixMillis;

use crate::limits::RETENTION_CLASS_HOURS;
use crate::manifest::SegmentState;

/// The classes are 1 to this; 0 is a segment of several.
pub(crate) const RETENTION_CLASSES: u8 = RETENTION_CLASS_HOURS.len() as u8;

/// The class of logs whose records are kept this long.
pub(crate) fn class_of_retention(retention: Duration) -> u8 {
    let hours = retention.as_secs().div_ceil(3600);
    let class = RETENTION_CLASS_HOURS.iter().position(|&most| hours <= most);
    class.map_or(RETENTION_CLASSES, |index| index as u8 + 1)
}

fn class_hours(class: u8) -> u64 {
    let index = usize::from(class.max(1)) - 1;
    RETENTION_CLASS_HOURS[index.min(RETENTION_CLASS_HOURS.len() - 1)]
}

/// A segment spans at most this part of its class's retention, so that it is soon gone as a whole.
const SPAN_PARTS: u64 = 16;

/// By what compactions are chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// Segments that are joined into one.
    pub(crate) fan_in: usize,
    /// Segments of one class, at most.
    pub(crate) per_class_max: usize,
    pub(crate) now: UnixMillis,
}

impl Policy {
    fn span_max(class: u8) -> u64 {
        class_hours(class) * 3_600_000 / SPAN_PARTS
    }

    /// Whether everything in a segment is going to outlive its class's retention before long. What
    /// should have been gone and is not does not go by itself.
    pub(crate) fn dies_soon(&self, segment: &SegmentState) -> bool {
        let dies = segment.arrival_max.0.saturating_add(class_hours(segment.class) * 3_600_000);
        let soon = self.now.0..=self.now.0.saturating_add(Self::span_max(segment.class));
        segment.class > 0 && soon.contains(&dies)
    }
}

/// The segments to compact next, by their index, or `None` if nothing pays. `segments` are all that may
/// be taken, oldest first.
pub(crate) fn pick(segments: &[&SegmentState], policy: &Policy) -> Option<Vec<usize>> {
    let of_class = |class: u8| -> Vec<usize> {
        let own = segments.iter().enumerate().filter(|(_, segment)| segment.class == class);
        own.map(|(index, _)| index).collect()
    };
    // Those of several classes are sorted into one each.
    let mixed = of_class(0);
    if mixed.len() >= policy.fan_in {
        return Some(mixed[..policy.fan_in].to_vec());
    }
    (1..=RETENTION_CLASSES)
        .find_map(|class| pick_of_class(segments, &of_class(class), class, policy))
}

/// Neighbours of one class that are of about one size, the smallest first. When there are too many
/// segments, the smallest neighbours, whatever they are.
fn pick_of_class(
    segments: &[&SegmentState],
    own: &[usize],
    class: u8,
    policy: &Policy,
) -> Option<Vec<usize>> {
    let crowded = own.len() > policy.per_class_max;
    let bytes =
        |window: &[usize]| window.iter().map(|&index| segments[index].bytes_total).sum::<u64>();
    let fits = |window: &&[usize]| {
        let largest = window.iter().map(|&index| segments[index].bytes_total).max();
        let first = window.iter().map(|&index| segments[index].arrival_min.0).min();
        let last = window.iter().map(|&index| segments[index].arrival_max.0).max();
        let span = last.unwrap_or_default().saturating_sub(first.unwrap_or_default());
        let even = largest.unwrap_or_default() <= bytes(window) / (policy.fan_in as u64 / 2).max(1);
        crowded || even && span <= Policy::span_max(class)
    };
    let windows = own.windows(policy.fan_in).filter(fits);
    windows.min_by_key(|window| bytes(window)).map(<[usize]>::to_vec)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3_600_000;

    fn segment(class: u8, bytes: u64, hours: std::ops::Range<u64>) -> SegmentState {
        SegmentState {
            number: 1,
            bytes_total: bytes,
            row_blocks: 0,
            row_bytes: 0,
            all_rows: false,
            class,
            compacted: false,
            arrival_min: UnixMillis(hours.start * HOUR),
            arrival_max: UnixMillis(hours.end * HOUR),
        }
    }

    fn policy() -> Policy {
        Policy { fan_in: 4, per_class_max: 64, now: UnixMillis(1000 * HOUR) }
    }

    fn picked(segments: &[SegmentState]) -> Option<Vec<usize>> {
        pick(&segments.iter().collect::<Vec<_>>(), &policy())
    }

    #[test]
    fn retention_has_four_classes() {
        let hours = |hours: u64| class_of_retention(Duration::from_secs(hours * 3600));
        let all = [24, 25, 168, 169, 720, 721, 8760, 9000].map(hours);
        assert_eq!(all, [1, 2, 2, 3, 3, 4, 4, 4]);
    }

    #[test]
    fn mixed_segments_are_sorted_first() {
        let mut segments = vec![segment(0, 10, 0..1); 3];
        assert_eq!(picked(&segments), None);
        segments.insert(1, segment(1, 10, 0..1));
        segments.push(segment(0, 1000, 0..1));
        segments.push(segment(0, 1000, 0..1));
        assert_eq!(picked(&segments), Some(vec![0, 2, 3, 4]));
    }

    #[test]
    fn neighbours_of_one_size_are_joined_the_smallest_first() {
        let sizes = [800, 100, 100, 90, 110, 20, 10, 10, 10];
        let segments: Vec<_> = sizes.iter().map(|&bytes| segment(1, bytes, 0..1)).collect();
        assert_eq!(picked(&segments), Some(vec![5, 6, 7, 8]));
        assert_eq!(picked(&segments[..5]), Some(vec![1, 2, 3, 4]));
        assert_eq!(picked(&segments[..4]), None);
    }

    #[test]
    fn a_segment_spans_a_part_of_its_retention_only() {
        let day = |class| (0..4).map(|hour| segment(class, 10, hour..hour + 1)).collect::<Vec<_>>();
        assert_eq!(picked(&day(1)), None);
        assert_eq!(picked(&day(2)), Some(vec![0, 1, 2, 3]));
    }

    #[test]
    fn what_goes_by_itself_before_long_is_left_alone() {
        let soon = |class, last| policy().dies_soon(&segment(class, 10, last - 1..last));
        assert_eq!([975, 976, 977, 978].map(|last| soon(1, last)), [false, true, true, false]);
        assert!(soon(2, 1000 - 168 + 10) && !soon(2, 1000 - 168 + 11));
        assert!(!soon(0, 976));
    }

    proptest! {
        /// However segments come, joining what is picked ends, with few enough of each class.
        #[test]
        fn compaction_comes_to_an_end(sizes in proptest::collection::vec((0_u8..=4, 1_u64..5000), 0..300)) {
            let mut segments = Vec::new();
            for (hour, (class, bytes)) in (0..).zip(sizes) {
                segments.push(segment(class, bytes, hour..hour + 1));
                let mut rounds = 0;
                while let Some(picked) = picked(&segments) {
                    let class = segments[picked[0]].class;
                    let own = || picked.iter().map(|&index| &segments[index]);
                    prop_assert!(own().all(|own| own.class == class));
                    let mut joined = segment(class.max(1), own().map(|own| own.bytes_total).sum(), 0..0);
                    joined.arrival_min = own().map(|own| own.arrival_min).min().unwrap();
                    joined.arrival_max = own().map(|own| own.arrival_max).max().unwrap();
                    let last = *picked.last().unwrap();
                    segments[last] = joined;
                    for &index in picked[..picked.len() - 1].iter().rev() {
                        segments.remove(index);
                    }
                    rounds += 1;
                    prop_assert!(rounds < 100);
                }
                for class in 0..=RETENTION_CLASSES {
                    prop_assert!(segments.iter().filter(|own| own.class == class).count() <= 64);
                }
            }
        }
    }
}
