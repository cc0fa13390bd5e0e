//! The metadata database: PostgreSQL behind a Hyperdrive binding, where the deployment has one.

mod closing_socket;

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use syncsphere_coordinator_core::ledger::FileSpan;
use syncsphere_coordinator_core::{DatabaseFailure, MetadataDatabase};
use syncsphere_protocol::WorkspaceId;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Connection, Error, NoTls};
use worker::{Delay, Env, Hyperdrive};

use self::closing_socket::ClosingSocket;

/// The Hyperdrive binding in `wrangler.toml`.
const BINDING: &str = "DATABASE";

/// Patience with the database, from dialling to its answer. Source: own choice; a delivery takes
/// milliseconds, and the workspace's other jobs wait no longer than this.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Patience with its goodbye. Source: own choice.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether the deployment has a metadata database.
pub(crate) fn is_bound(env: &Env) -> bool {
    env.hyperdrive(BINDING).is_ok()
}

/// The database, dialled when it is first written to, and over one connection from then on.
pub(crate) struct HyperdriveDatabase {
    hyperdrive: Hyperdrive,
    session: RefCell<Option<Session>>,
}

/// A connection. It moves only while somebody waits for it, so nothing of it outlives its owner.
struct Session {
    client: Client,
    connection: Connection<ClosingSocket, NoTlsStream>,
}

impl HyperdriveDatabase {
    /// The database, if the deployment has one.
    pub(crate) fn of(env: &Env) -> Option<Self> {
        Some(Self {
            hyperdrive: env.hyperdrive(BINDING).ok()?,
            session: RefCell::default(),
        })
    }

    /// Hangs up.
    pub(crate) async fn close(self) {
        if let Some(session) = self.session.into_inner() {
            // The connection says goodbye once it has no client any more.
            drop(session.client);
            let _ = with_timeout(CLOSE_TIMEOUT, session.connection).await;
        }
    }

    async fn session(&self) -> Result<Session, DatabaseFailure> {
        let known = self.session.take();
        if let Some(session) = known {
            return Ok(session);
        }
        let socket = self.hyperdrive.connect();
        let socket = socket.map_err(|_| failure("the binding cannot be dialled"))?;
        let mut config = Config::new();
        config
            .user(self.hyperdrive.user())
            .password(self.hyperdrive.password())
            .dbname(self.hyperdrive.database())
            .application_name("syncsphere")
            // As far as the binding, which itself speaks TLS to the database.
            .ssl_mode(SslMode::Disable);
        let connected = config.connect_raw(ClosingSocket::new(socket), NoTls).await;
        let (client, connection) = connected.map_err(|error| redacted(&error))?;
        Ok(Session { client, connection })
    }

    async fn attempt(
        &self,
        workspace: &WorkspaceId,
        rows: &str,
        span: Option<&FileSpan>,
    ) -> Result<(), DatabaseFailure> {
        let mut session = self.session().await?;
        session.run(workspace.as_str(), rows, span).await?;
        // One that failed is not used again.
        self.session.replace(Some(session));
        Ok(())
    }
}

impl MetadataDatabase for HyperdriveDatabase {
    async fn write(
        &self,
        workspace: &WorkspaceId,
        rows: String,
        span: Option<&FileSpan>,
    ) -> Result<(), DatabaseFailure> {
        match with_timeout(TIMEOUT, self.attempt(workspace, &rows, span)).await {
            Some(outcome) => outcome,
            None => Err(failure("it did not answer in time")),
        }
    }
}

impl Session {
    async fn run(
        &mut self,
        workspace: &str,
        rows: &str,
        span: Option<&FileSpan>,
    ) -> Result<(), DatabaseFailure> {
        const STATEMENT: &str = include_str!("write.sql");
        // With the types given, this is one round trip and needs no prepared statement.
        let span = span.and_then(|span| serde_json::to_string(span).ok());
        let values: [(&(dyn ToSql + Sync), Type); 3] =
            [(&workspace, Type::TEXT), (&rows, Type::TEXT), (&span, Type::TEXT)];
        let statement = self.client.execute_typed(STATEMENT, &values);
        match select(pin!(statement), &mut self.connection).await {
            Either::Left((outcome, _)) => outcome.map(drop).map_err(|error| redacted(&error)),
            Either::Right((Err(error), _)) => Err(redacted(&error)),
            Either::Right((Ok(()), _)) => Err(failure("it hung up")),
        }
    }
}

async fn with_timeout<T>(timeout: Duration, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), pin!(Delay::from(timeout))).await {
        Either::Left((outcome, _)) => Some(outcome),
        Either::Right(((), _)) => None,
    }
}

/// Classes of SQLSTATE by which a row is refused, rather than the statement or the session: cardinality, data, constraints,
/// `WITH CHECK OPTION`, a row too large, and what an operator's own triggers raise.
///
/// Source: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
const ROW_CLASSES: [&str; 6] = ["21", "22", "23", "44", "54", "P0"];

/// What the log may know of an error: its own text may quote a row or an address.
fn redacted(error: &Error) -> DatabaseFailure {
    match error.code() {
        // Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
        Some(code) => DatabaseFailure {
            cause: format!("SQLSTATE {}", code.code()),
            is_about_rows: ROW_CLASSES.iter().any(|class| code.code().starts_with(class)),
        },
        None if error.is_closed() => failure("it hung up"),
        None => failure("it cannot be reached"),
    }
}

fn failure(cause: impl Into<String>) -> DatabaseFailure {
    DatabaseFailure {
        cause: cause.into(),
        is_about_rows: false,
    }
}
