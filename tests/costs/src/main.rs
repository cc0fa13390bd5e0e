//! Operations whose instructions are counted, since a noisy machine cannot measure their time.
//!
//! ```text
//! syncsphere-costs CASE N
//! ```
//!
//! sets a case up and then does its operation `N` times. There is no clock, no network and no chance in it, so the same
//! binary executes the same instructions each time. What is set up does not depend on `N`: what one operation costs is
//! (count(2N) − count(N)) / N. [`measured`] is never inlined, so that a counter can also be switched on inside it alone:
//!
//! ```text
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='syncsphere_costs::measured*' \
//!     target/release/syncsphere-costs sign-url 1000
//! ```
//!
//! | case | one operation | `N` |
//! |---|---|---|
//! | `sign-url` | a part's URL, signed in a request for 100 of them | a multiple of 100 |
//! | `sign-one` | a request for one part's URL: routing, a token that was seen before, ticket, JSON, and the signature | any |
//! | `read-token` | an access token that was not seen before, verified; the request it came with is refused after that | any |
//! | `engine-input-6` | an input to the engine with 6 large files under way, and the actions it leads to | at most 5,000 |
//! | `engine-input-200` | the same with 200 small files under way and others waiting | at most 2,000 |
//! | `add-10000` | 10,000 files added to a new engine | any |

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a case that cannot be carried out must not be counted"
)]

mod coordinator;
mod engine;

use std::hint::black_box;

use crate::coordinator::{SignUrl, TokenReader};
use crate::engine::{add_many, large_files, small_files};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [case, count] = arguments.as_slice() else {
        panic!("usage: syncsphere-costs CASE N");
    };
    let count: u64 = count.parse().expect("N is a number");
    match case.as_str() {
        "sign-url" => {
            let signer = SignUrl::new(SignUrl::BATCH);
            assert_eq!(count % SignUrl::BATCH, 0, "N is a multiple of {}", SignUrl::BATCH);
            measured(count / SignUrl::BATCH, || signer.sign());
        }
        "sign-one" => {
            let signer = SignUrl::new(1);
            measured(count, || signer.sign());
        }
        "read-token" => {
            let mut reader = TokenReader::new();
            measured(count, || reader.read());
        }
        "engine-input-6" => {
            let mut uploads = large_files(6);
            measured(count, || uploads.step());
        }
        "engine-input-200" => {
            let mut uploads = small_files(200);
            measured(count, || uploads.step());
        }
        "add-10000" => measured(count, || {
            black_box(add_many(10_000));
        }),
        _ => panic!("no such case: {case}"),
    }
}

/// Everything that is counted happens in here.
#[inline(never)]
fn measured(times: u64, mut operation: impl FnMut()) {
    for _ in 0..times {
        operation();
    }
}
