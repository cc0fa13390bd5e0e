//! How large the parts of a file are.

use syncsphere_protocol::{
    InvalidPlan, MAX_PART_COUNT, MAX_PART_SIZE, MIN_PART_SIZE, PartPlan, SINGLE_REQUEST_LIMIT, Tail,
    default_part_size,
};

/// Part sizes are a multiple of this many bytes: one page of memory.
///
/// Source: own choice; reads that start on a page boundary spare the system a partial page.
const ALIGNMENT: u64 = 4096;

/// How long a part should take on its connection, in seconds, where the speed is known: long
/// enough for the preflight that each part costs to vanish, short enough to repeat without grief.
///
/// Source: own choice; at 100 ms a round trip, two of them are 4 % of it.
const SECONDS_A_PART: f64 = 5.0;

/// Bounds for the speed's say in bytes; [`default_part_size`] has the last word above them.
const SMALLEST_BY_SPEED: u64 = 8 * 1024 * 1024;
const LARGEST_BY_SPEED: u64 = 64 * 1024 * 1024;

/// Rounds of smaller parts at the end of a file, and how many of them make one ordinary part.
///
/// Source: own choice, after the line with faults in `bench/RESULTS.md`: a connection that had to send half a part again
/// is late by a round and a half of these, which the others fill; twice as many connections as planned for, where storage
/// turns out to have two addresses, have one such round each.
const TAIL_ROUNDS: u64 = 2;
const TAIL_SHARE: u64 = 3;

/// Plans a file of `size` bytes that `connections` connections will carry.
///
/// `wished` is the page's own part size, raised where 10,000 parts would not suffice. Otherwise
/// the size follows from the file and from `connection_rate`, the bytes a second that one connection has
/// lately carried, and the parts are made so that every round keeps all connections busy: all equal, or, with `tails`, ordinary
/// ones first and then smaller ones. Where `most` is set, parts are about that large and no larger, as far as storage takes
/// them. A file that one request should carry gets a part size no smaller than itself.
pub(crate) fn plan(
    size: u64,
    connections: u16,
    wished: Option<u64>,
    connection_rate: Option<f64>,
    most: Option<u64>,
    tails: bool,
) -> Result<PartPlan, InvalidPlan> {
    let needed = size.div_ceil(MAX_PART_COUNT);
    if let Some(wished) = wished {
        return PartPlan::new(size, wished.max(needed).clamp(MIN_PART_SIZE, MAX_PART_SIZE));
    }
    let most = most.map_or(u64::MAX, |most| most.max(MIN_PART_SIZE));
    if size <= SINGLE_REQUEST_LIMIT.min(most) {
        return PartPlan::new(size, size.max(MIN_PART_SIZE));
    }
    let target = match connection_rate {
        // Going through f64 loses nothing that matters in a part size, and `as` saturates.
        Some(rate) => ((rate * SECONDS_A_PART) as u64)
            .clamp(SMALLEST_BY_SPEED, LARGEST_BY_SPEED)
            .min(default_part_size(size).max(SMALLEST_BY_SPEED)),
        None => default_part_size(size),
    };
    let target = target.min(most);
    let connections = u64::from(connections.max(1));
    if tails && let Some(plan) = tailed(size, target, connections) {
        return Ok(plan);
    }
    PartPlan::new(
        size,
        balanced(size, target, connections).max(needed).min(MAX_PART_SIZE),
    )
}

/// Whole rounds of parts of about `target` bytes, then [`TAIL_ROUNDS`] of smaller ones; `None` where the file is too small
/// for both, or would have too many parts.
fn tailed(size: u64, target: u64, connections: u64) -> Option<PartPlan> {
    let for_a_lane = size.div_ceil(connections);
    // In shares of a part, to the nearest whole round.
    let shares = for_a_lane.checked_mul(TAIL_SHARE)?.div_ceil(target.max(1));
    let rounds = (shares.saturating_sub(TAIL_ROUNDS) + TAIL_SHARE / 2) / TAIL_SHARE;
    let rounds = rounds.max(1);
    let least_tail = for_a_lane.checked_sub(TAIL_ROUNDS * MIN_PART_SIZE)?;
    let part_size = (for_a_lane * TAIL_SHARE / (rounds * TAIL_SHARE + TAIL_ROUNDS))
        .min(least_tail / rounds)
        .next_multiple_of(ALIGNMENT);
    let after = u16::try_from(rounds * connections).ok()?;
    let rest = size.checked_sub(u64::from(after) * part_size)?;
    let tail_size = rest
        .div_ceil(TAIL_ROUNDS * connections)
        .next_multiple_of(ALIGNMENT)
        .max(MIN_PART_SIZE);
    // A tail of parts nearly as large as the others would only be more parts.
    if tail_size > part_size / 4 * 3 {
        return None;
    }
    let tail = Tail {
        after,
        part_size: tail_size,
    };
    PartPlan::of(size, part_size, Some(tail)).ok()
}

/// The part size nearest to `target` that fills every round of `connections` parts.
fn balanced(size: u64, target: u64, connections: u64) -> u64 {
    let most = (size / MIN_PART_SIZE).clamp(1, MAX_PART_COUNT);
    let rounds = size.div_ceil(target.max(1)).div_ceil(connections);
    let count = (rounds * connections).min(most);
    size.div_ceil(count)
        .next_multiple_of(ALIGNMENT)
        .max(MIN_PART_SIZE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use syncsphere_protocol::{MAX_OBJECT_SIZE, MIB};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn small_files_are_one_request() {
        for size in [0, 1, 5 * MIB, SINGLE_REQUEST_LIMIT] {
            assert_eq!(
                plan(size, 6, None, None, None, true).map(|plan| plan.part_count()),
                Ok(1)
            );
        }
    }

    #[test]
    fn the_last_round_is_as_full_as_the_others() {
        for size in [64 * MIB, 256 * MIB, 300 * MIB, 1024 * MIB] {
            let plan = plan(size, 6, None, None, None, false).expect("these sizes are ordinary");
            assert_eq!(plan.part_count() % 6, 0, "{size}");
            let last = plan.part_numbers().next_back().and_then(|part| plan.range(part));
            let shortfall = plan.part_size() - last.map_or(0, |range| range.length);
            assert!(shortfall <= u64::from(plan.part_count()) * ALIGNMENT, "{size}");
        }
    }

    #[test]
    fn a_file_ends_in_two_rounds_of_smaller_parts() {
        for (size, rounds) in [
            (128 * MIB, 1),
            (256 * MIB, 2),
            (1024 * MIB, 10),
            (10_240 * MIB, 26),
        ] {
            let plan = plan(size, 6, None, None, None, true).expect("these sizes are ordinary");
            let tail = plan.tail().expect("large enough for one");
            assert_eq!(
                (tail.after, plan.part_count()),
                (6 * rounds, 6 * rounds + 12),
                "{size}"
            );
            assert!(tail.part_size * 2 < plan.part_size(), "{size}");
            let last = plan.part_numbers().next_back().and_then(|part| plan.range(part));
            let shortfall = tail.part_size - last.map_or(0, |range| range.length);
            assert!(shortfall <= u64::from(plan.part_count()) * ALIGNMENT, "{size}");
        }
    }

    #[test]
    fn a_file_too_small_for_a_tail_has_equal_parts() {
        for size in [17 * MIB, 64 * MIB, 96 * MIB] {
            let [with, without] = [true, false].map(|tails| plan(size, 6, None, None, None, tails));
            assert_eq!(with, without);
        }
    }

    #[test]
    fn parts_are_no_larger_than_a_speed_limit_allows() {
        for (size, most) in [(16 * MIB, 5 * MIB), (1024 * MIB, 5 * MIB), (1024 * MIB, 7 * MIB)] {
            let plan = plan(size, 6, None, Some(20e6), Some(most), true).expect("ordinary sizes");
            assert!(
                plan.part_count() > 1 && plan.part_size() <= most + most / 8,
                "{size} {most} {plan:?}"
            );
        }
        let raised = plan(MAX_OBJECT_SIZE, 6, None, None, Some(0), true).expect("raised to fit");
        assert!(raised.part_count() > 9_000);
    }

    #[test]
    fn a_wish_is_kept_where_it_can_be() {
        assert_eq!(
            plan(100 * MIB, 6, Some(8 * MIB), None, None, true).map(|plan| plan.part_size()),
            Ok(8 * MIB)
        );
        let raised = plan(MAX_OBJECT_SIZE, 6, Some(8 * MIB), None, None, true).expect("raised to fit");
        assert_eq!(raised.part_count(), 10_000);
    }

    proptest! {
        #[test]
        fn every_size_has_a_plan(
            size in prop_oneof![0..=MAX_OBJECT_SIZE, 0..=1024 * MIB],
            connections in 0..64_u16,
            wished in proptest::option::of(any::<u64>()),
            rate in proptest::option::of(any::<f64>()),
            most in proptest::option::of(any::<u64>()),
            tails: bool,
        ) {
            let plan = plan(size, connections, wished, rate, most, tails).expect("within the object limit");
            prop_assert_eq!(plan.size(), size);
        }

        #[test]
        fn beyond_the_limit_there_is_none(size in MAX_OBJECT_SIZE + 1..) {
            prop_assert_eq!(plan(size, 6, None, None, None, true), Err(InvalidPlan::FileTooLarge));
        }
    }
}
