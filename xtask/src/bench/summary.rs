//! What the repository keeps of a case's samples: how many, their median and their range. A run of some cases has
//! hundreds of thousands of samples, which say no more than that to anyone who reads them later.

use serde_json::{Map, Value, json};

/// Folds every list of samples into one summary for each figure in them; what is no list stays as it is.
///
/// Rounds that are objects become one object of summaries, lists of numbers within them one summary over all rounds.
/// Figures that are no numbers, such as errors, become their count and up to three different ones.
pub fn summarise(value: &Value) -> Value {
    match value {
        Value::Array(samples) => fold(samples.iter().collect()),
        Value::Object(fields) => {
            let summaries = fields
                .iter()
                .map(|(name, field)| (name.clone(), summarise(field)));
            Value::Object(summaries.collect())
        }
        single => single.clone(),
    }
}

/// JSON with one line for each object or list that fits on it.
pub fn to_json(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text.push('\n');
    text
}

fn fold(samples: Vec<&Value>) -> Value {
    let samples: Vec<_> = samples.into_iter().flat_map(flattened).collect();
    let numbers: Vec<_> = samples.iter().filter_map(|sample| sample.as_f64()).collect();
    let objects: Vec<_> = samples.iter().filter_map(|sample| sample.as_object()).collect();
    if !samples.is_empty() && numbers.len() == samples.len() {
        of_numbers(numbers)
    } else if !objects.is_empty() {
        of_objects(&objects)
    } else {
        of_texts(&samples)
    }
}

fn flattened(sample: &Value) -> Vec<&Value> {
    match sample {
        Value::Array(inner) => inner.iter().flat_map(flattened).collect(),
        single => vec![single],
    }
}

fn of_objects(objects: &[&Map<String, Value>]) -> Value {
    let mut summaries = Map::new();
    for name in objects.iter().flat_map(|object| object.keys()) {
        if !summaries.contains_key(name) {
            let samples = objects.iter().filter_map(|object| object.get(name)).collect();
            summaries.insert(name.clone(), fold(samples));
        }
    }
    Value::Object(summaries)
}

fn of_numbers(mut numbers: Vec<f64>) -> Value {
    numbers.sort_by(f64::total_cmp);
    let at = |index: usize| numbers.get(index).copied().unwrap_or(f64::NAN);
    let last = numbers.len() - 1;
    let median = f64::midpoint(at(last / 2), at(numbers.len() / 2));
    json!({
        "n": numbers.len(),
        "median": rounded(median),
        "min": rounded(at(0)),
        "max": rounded(at(last)),
    })
}

/// To a thousandth: finer than any sample is measured. Whole numbers without a fraction.
fn rounded(number: f64) -> Value {
    let number = (number * 1000.0).round() / 1000.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole, and within what f64 counts exactly"
    )]
    if number.fract() == 0.0 && number.abs() < 9e15 {
        json!(number as i64)
    } else {
        json!(number)
    }
}

fn of_texts(samples: &[&Value]) -> Value {
    let mut values: Vec<_> = samples.iter().map(|sample| (*sample).clone()).collect();
    let count = values.len();
    values.sort_by_key(Value::to_string);
    values.dedup();
    values.truncate(3);
    json!({ "n": count, "values": values })
}

fn write(value: &Value, depth: usize, text: &mut String) {
    // Source: .prettierrc.json, printWidth
    const WIDTH: usize = 110;
    let line = on_one_line(value);
    let fits = 2 * depth + line.len() < WIDTH;
    let entries: Vec<(String, &Value)> = match value {
        Value::Object(fields) if !(fits && fields.values().all(is_plain)) => fields
            .iter()
            .map(|(name, field)| (format!("{}: ", json!(name)), field))
            .collect(),
        Value::Array(items) if !(fits && items.iter().all(is_plain)) => {
            items.iter().map(|item| (String::new(), item)).collect()
        }
        _ => return text.push_str(&line),
    };
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    text.push(open);
    for (index, (name, entry)) in entries.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&"  ".repeat(depth + 1));
        text.push_str(name);
        write(entry, depth + 1, text);
    }
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
    text.push(close);
}

fn on_one_line(value: &Value) -> String {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let fields = fields
                .iter()
                .map(|(name, field)| format!("{}: {}", json!(name), on_one_line(field)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            let items = items.iter().map(on_one_line);
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}

fn is_plain(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{summarise, to_json};

    #[test]
    fn rounds_become_one_summary_for_each_figure() {
        let raw = json!({ "ours": [
            { "seconds": 3.25, "calls": { "one": [1, 9] } },
            { "seconds": 1.5, "calls": { "one": [2] } },
            { "error": "Error: storage answered 503" },
            { "seconds": 2 },
        ]});
        assert_eq!(
            summarise(&raw),
            json!({ "ours": {
                "seconds": { "n": 3, "median": 2, "min": 1.5, "max": 3.25 },
                "calls": { "one": { "n": 3, "median": 2, "min": 1, "max": 9 } },
                "error": { "n": 1, "values": ["Error: storage answered 503"] },
            }})
        );
    }

    #[test]
    fn an_even_number_of_samples_has_its_median_between_the_middle_two() {
        let summary = summarise(&json!([4, 1, 2, 10]));
        assert_eq!(summary, json!({ "n": 4, "median": 3, "min": 1, "max": 10 }));
    }

    #[test]
    fn what_is_no_list_stays_and_an_empty_list_is_no_figure() {
        assert_eq!(
            summarise(&json!({ "missed": 10000, "none": [] })),
            json!({ "missed": 10000, "none": { "n": 0, "values": [] } })
        );
        assert_eq!(summarise(&Value::Null), Value::Null);
    }

    #[test]
    fn half_a_million_samples_are_one_line() {
        let samples: Vec<_> = (0..500_000).collect();
        let text = to_json(&json!({ "crowd": summarise(&json!(samples)) }));
        assert_eq!(
            text,
            "{\n  \"crowd\": { \"max\": 499999, \"median\": 249999.5, \"min\": 0, \"n\": 500000 }\n}\n"
        );
    }

    #[test]
    fn the_json_reads_back_as_it_was() {
        let value = json!({ "a": [[1, "\"quoted\""], []], "b": {}, "long": ["x".repeat(130), null] });
        assert_eq!(serde_json::from_str::<Value>(&to_json(&value)).unwrap(), value);
    }
}
