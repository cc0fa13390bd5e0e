//! What the platform provides: variables, time, randomness.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use syncsphere_coordinator_core::{Config, ConfigError, Context, Coordinator, VARIABLES};
use worker::{Date, Env, Error, Result};

thread_local! {
    /// Variables do not change while an isolate lives.
    static COORDINATOR: OnceCell<std::result::Result<Rc<Coordinator>, ConfigError>> = const { OnceCell::new() };
}

/// The coordinator as the variables and secrets configure it.
pub(crate) fn coordinator(env: &Env) -> std::result::Result<Rc<Coordinator>, ConfigError> {
    COORDINATOR.with(|cell| {
        cell.get_or_init(|| {
            let mut vars = variables(env, VARIABLES);
            vars.extend(variables(env, &Config::further_variables(&vars)));
            let config = Config::from_vars(&vars)?;
            Ok(Rc::new(Coordinator::new(config)))
        })
        .clone()
    })
}

/// Fresh surroundings for one request.
pub(crate) fn context() -> Result<Context> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| Error::RustError(error.to_string()))?;
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(|error| Error::RustError(error.to_string()))?;
    Ok(Context {
        now_ms: now_ms(),
        random,
        request_id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    i64::try_from(Date::now().as_millis()).unwrap_or(i64::MAX)
}

/// One line of the log. It holds no name, token or URL.
pub(crate) fn log_line(request_id: &str, status: u16, cause: &str) -> String {
    serde_json::json!({ "requestId": request_id, "status": status, "cause": cause }).to_string()
}

fn variables(env: &Env, names: &[impl AsRef<str>]) -> BTreeMap<String, String> {
    let names = names.iter().map(AsRef::as_ref);
    names
        // Variables and secrets are read alike; one that is not a text counts as missing.
        .filter_map(|name| Some((name.to_owned(), env.var(name).ok()?.to_string())))
        .collect()
}
