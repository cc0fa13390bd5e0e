//! how right input is mutated.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Most bytes that mutation makes of anything. Source: own choice; every limit of the API lies below or
/// is reached by repetition.
const MOST: usize = 256 * 1024;

/// Numbers at the edges of what parsers hold.
const NUMBERS: [&str; 10] = [
    "0",
    "-1",
    "00",
    "1e309",
    "3.5",
    "10001",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999999999999",
];

/// What opens without being closed.
const OPENINGS: [&[u8]; 4] = [b"[", b"{\"a\":", b"<a>", b"&#x41;"];

/// What separates the fields of JSON, XML, forms, tokens and lists.
const SEPARATORS: &[u8] = b",{}[]<>&;.:=";

#[derive(Debug, Clone)]
enum Mutation {
    Truncate(Index),
    Flip(Index, u8),
    Delete(Index, u8),
    Insert(Index, Vec<u8>),
    Repeat(Index, u8, u16),
    Splice(Index, Index, Index),
    Number(Index, Index),
    Nest(Index, Index, u16),
    DoubleField(Index),
}

/// Copies of the seeds with one to five mutations each.
pub fn mutated(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (any::<Index>(), vec(mutation(), 1..=5)).prop_map(move |(which, mutations)| {
        let mut bytes = seeds[which.index(seeds.len())].clone();
        for mutation in mutations {
            mutation.apply(&mut bytes, &seeds);
            bytes.truncate(MOST);
        }
        bytes
    })
}

/// Mutated copies of the seeds for the most part, and bytes of no origin.
pub fn foreign(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => mutated(seeds), 1 => vec(any::<u8>(), 0..512)]
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    prop_oneof![
        at().prop_map(Mutation::Truncate),
        (at(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (at(), 1..32_u8).prop_map(|(at, length)| Mutation::Delete(at, length)),
        (at(), vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (at(), 1..32_u8, 1..400_u16).prop_map(|(at, length, times)| Mutation::Repeat(at, length, times)),
        (at(), at(), at()).prop_map(|(seed, from, to)| Mutation::Splice(seed, from, to)),
        (at(), at()).prop_map(|(at, number)| Mutation::Number(at, number)),
        (at(), at(), 1..2_000_u16).prop_map(|(at, opening, depth)| Mutation::Nest(at, opening, depth)),
        at().prop_map(Mutation::DoubleField),
    ]
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        // One beyond the end is a place, too.
        let place = |at: &Index, bytes: &[u8]| at.index(bytes.len() + 1);
        match self {
            Self::Truncate(at) => bytes.truncate(place(at, bytes)),
            Self::Flip(at, bit) => {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] ^= 1 << bit;
                }
            }
            Self::Delete(at, length) => {
                let from = place(at, bytes);
                let to = (from + usize::from(*length)).min(bytes.len());
                bytes.drain(from..to);
            }
            Self::Insert(at, more) => insert(bytes, place(at, bytes), more),
            Self::Repeat(at, length, times) => {
                let from = place(at, bytes);
                let to = (from + usize::from(*length)).min(bytes.len());
                let piece = bytes[from..to].repeat(usize::from(*times));
                insert(bytes, from, &piece);
            }
            Self::Splice(seed, from, to) => {
                let other = &seeds[seed.index(seeds.len())];
                let piece = &other[place(from, other)..];
                let at = place(to, bytes);
                bytes.truncate(at);
                bytes.extend_from_slice(piece);
            }
            Self::Number(at, number) => {
                let from = place(at, bytes);
                let Some(start) = (from..bytes.len()).find(|i| bytes[*i].is_ascii_digit()) else {
                    return;
                };
                let end = (start..bytes.len())
                    .find(|i| !bytes[*i].is_ascii_digit())
                    .unwrap_or(bytes.len());
                let number = NUMBERS[number.index(NUMBERS.len())].bytes();
                bytes.splice(start..end, number);
            }
            Self::Nest(at, opening, depth) => {
                let piece = OPENINGS[opening.index(OPENINGS.len())].repeat(usize::from(*depth));
                insert(bytes, place(at, bytes), &piece);
            }
            Self::DoubleField(at) => {
                let is_separator = |i: &usize| SEPARATORS.contains(&bytes[*i]);
                let from = place(at, bytes);
                let Some(start) = (from..bytes.len()).find(is_separator) else {
                    return;
                };
                let end = (start + 1..bytes.len()).filter(is_separator).nth(1);
                let piece = bytes[start..end.unwrap_or(bytes.len())].to_vec();
                insert(bytes, start, &piece);
            }
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}
