//! JSON by the browser's own parser: `serde_json` would bring a second one into a module that every page downloads.

use js_sys::{Array, JSON, Object};
use syncsphere_upload_core::{Json, Malformed};
use wasm_bindgen::{JsCast as _, JsValue};

/// Levels of nesting that are looked at; what lies deeper reads as absent.
///
/// Source: no type of ours has more than six, and a hostile text must not exhaust the stack.
const DEEPEST: u8 = 8;

/// Reads JSON text.
pub fn parse(text: &str) -> Result<Json, Malformed> {
    JSON::parse(text)
        .map(|value| tree(&value, DEEPEST))
        .map_err(|_| Malformed)
}

fn tree(value: &JsValue, levels: u8) -> Json {
    if let Some(text) = value.as_string() {
        return Json::Text(text);
    }
    if let Some(number) = value.as_f64() {
        return number_of(number);
    }
    if let Some(truth) = value.as_bool() {
        return Json::Bool(truth);
    }
    let Some(levels) = levels.checked_sub(1) else {
        return Json::Null;
    };
    if let Some(list) = value.dyn_ref::<Array>() {
        return Json::List(list.iter().map(|item| tree(&item, levels)).collect());
    }
    let Some(object) = value.dyn_ref::<Object>() else {
        return Json::Null;
    };
    let fields = Object::entries(object);
    let fields = fields.iter().map(|entry| {
        let entry: Array = entry.unchecked_into();
        (
            entry.get(0).as_string().unwrap_or_default(),
            tree(&entry.get(1), levels),
        )
    });
    Json::Object(fields.collect())
}

fn number_of(number: f64) -> Json {
    /// Source: ECMAScript, `Number.MAX_SAFE_INTEGER`; beyond it, numbers have been rounded already.
    const LARGEST_EXACT: f64 = 9_007_199_254_740_991.0;

    let whole = number as i64;
    if whole as f64 == number && number.abs() <= LARGEST_EXACT {
        Json::Whole(whole)
    } else {
        Json::OtherNumber
    }
}
