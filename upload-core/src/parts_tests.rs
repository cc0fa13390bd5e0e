//! Parts in every state, one after the other.

use proptest::prelude::*;
use syncsphere_protocol::{Crc64Nvme, PartNumber, PartPlan, Tail};

use crate::io::AttemptId;
use crate::part::{Kind, Part, Verification};
use crate::parts::Parts;
use crate::time::Moment;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn number(n: u64) -> PartNumber {
    PartNumber::try_from(n).expect("a part number")
}

fn stored(verification: Verification) -> Part {
    Part::Stored {
        checksum: None,
        verification,
    }
}

#[test]
fn parts_are_taken_in_order_and_counted_once() {
    let mut parts = Parts::new(PartPlan::new(40 << 20, 16 << 20).expect("three parts"));
    assert_eq!(parts.next_waiting(), Some(number(1)));
    parts.set(number(1), Part::Hashing);
    assert_eq!(parts.next_waiting(), Some(number(2)));
    parts.set(number(2), stored(Verification::Verified));
    parts.set(number(2), stored(Verification::Verified));
    assert_eq!(parts.stored_bytes(), 16 << 20);
    parts.set(number(1), Part::Waiting);
    assert_eq!(
        parts.next_waiting(),
        Some(number(1)),
        "a part to be read again comes first"
    );
    parts.set(number(1), stored(Verification::Verified));
    parts.set(number(3), stored(Verification::Due));
    assert_eq!(parts.stored_bytes(), 40 << 20);
    assert!(!parts.all_done(), "part 3 is still to be verified");
    parts.set(number(3), stored(Verification::Verified));
    assert!(parts.all_done());
    assert_eq!(parts.next_waiting(), None);
}

#[test]
fn a_smaller_part_waits_while_a_larger_one_is_hashed() {
    let tail = Tail {
        after: 2,
        part_size: 6 << 20,
    };
    let plan = PartPlan::new(40 << 20, 16 << 20).and_then(|plan| plan.with_tail(Some(tail)));
    let mut parts = Parts::new(plan.expect("four parts"));
    let [second, third, last] = [2, 3, 4].map(|number| PartNumber::try_from(number).expect("1 to 4"));
    parts.set(second, Part::Hashing);
    assert!(parts.would_overtake(third));
    parts.set(second, Part::Hashed { checksum: None });
    parts.set(third, Part::Hashing);
    assert!(!parts.would_overtake(second) && parts.would_overtake(last));
}

fn state(kind: u8) -> Part {
    let checksum = None;
    match kind % 8 {
        0 => Part::Waiting,
        1 => Part::Hashing,
        2 => Part::Hashed { checksum },
        3 => Part::Signing { checksum },
        4 => Part::BackingOff {
            checksum,
            lease: None,
            until: Moment::default(),
        },
        5 => stored(Verification::Due),
        6 => stored(Verification::Running),
        _ => Part::Stored {
            checksum: Some(Crc64Nvme::EMPTY.into()),
            verification: Verification::Verified,
        },
    }
}

proptest! {
    #[test]
    fn what_is_counted_is_what_there_is(steps: Vec<(u8, u8, u8)>) {
        let mut parts = Parts::new(PartPlan::new(40 << 20, 5 << 20).expect("eight parts"));
        for (step, part, kind) in steps {
            let part = number(u64::from(part % 8) + 1);
            match step % 8 {
                0 => parts.set_back(part),
                1 => parts.read_again(AttemptId(0)),
                2 => { parts.doubt(part); }
                _ => parts.set(part, state(kind)),
            }
            let kinds = [
                Kind::Hashing, Kind::Hashed, Kind::Signing, Kind::Ready, Kind::BackingOff, Kind::Sending, Kind::Due,
            ];
            for kind in kinds {
                let numbered = parts.plan().part_numbers().zip(parts.all());
                let of_kind = numbered.filter(|(_, part)| part.kind() == Some(kind));
                let of_kind: Vec<PartNumber> = of_kind.map(|(number, _)| number).collect();
                prop_assert_eq!(parts.count(kind), of_kind.len(), "{:?}", kind);
                prop_assert_eq!(parts.of_kind(kind), of_kind, "{:?}", kind);
            }
        }
    }
}
