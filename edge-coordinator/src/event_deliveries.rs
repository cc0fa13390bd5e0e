//! Deliveries from a workspace's feed to webhooks and the queue, those of each destination one after the other and beside
//! those of all others.

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::{join, join_all};
use serde::Serialize;
use syncsphere_coordinator_core::{
    Budgeted, Context, Coordinator, EventOutcome, EventResult, Webhook, Workspaces,
};
use syncsphere_protocol::{DestinationStatus, WorkspaceId};
use worker::{Delay, Env, Result, console_error, console_log};

use crate::environment::{self, now_ms};
use crate::event_destinations::{BoundQueue, FetchWebhooks};

/// Deliveries made in a row, before the next alarm begins another row. Source: own choice; some 500 messages.
const AT_MOST: usize = 32;

/// Between two looks for what is due at one destination while another keeps the alarm waiting. Source: own choice.
const PAUSE: Duration = Duration::from_millis(500);

/// How long the deliveries of one alarm go on at the most, but for attempts that are under way, in milliseconds.
/// Source: own choice; another alarm follows at once.
const LONGEST_MS: i64 = 20_000;

/// Makes the deliveries that are due.
pub(crate) async fn make<W: Workspaces, S>(
    env: &Env,
    coordinator: &Coordinator,
    workspace: &WorkspaceId,
    ledger: &W,
    budget: &Budgeted<'_, S>,
    company: &Company,
) -> Result<()> {
    let sender = FetchWebhooks(budget);
    let row = |name| Row {
        coordinator,
        workspace,
        ledger,
        name,
    };
    let post = async |cx: Context, webhook: &Webhook, before| {
        coordinator
            .post_events(workspace, &cx, ledger, webhook, &sender, before)
            .await
    };
    let webhooks = coordinator.config().webhooks.iter().map(|webhook| {
        company.work(async move || {
            row(webhook.name())
                .make(async |cx, before| post(cx, webhook, before).await)
                .await
        })
    });
    let queue = async {
        let Some(queue) = BoundQueue::of(env) else {
            return Ok(());
        };
        let enqueue = async |cx: Context, before| {
            coordinator
                .enqueue_events(workspace, &cx, ledger, &queue, before)
                .await
        };
        company.work(async || row("queue").make(&enqueue).await).await
    };
    let (webhooks, queue) = join(join_all(webhooks), queue).await;
    webhooks.into_iter().collect::<Result<Vec<()>>>().and(queue)
}

/// Destinations that are served beside each other: none waits for another that keeps its alarm waiting.
pub(crate) struct Company {
    at_work: Cell<usize>,
    until_ms: i64,
}

impl Company {
    pub(crate) fn begin() -> Self {
        Self {
            at_work: Cell::new(0),
            until_ms: now_ms().saturating_add(LONGEST_MS),
        }
    }

    /// Does the work of one destination, and again as long as others are at theirs.
    pub(crate) async fn work(&self, work: impl AsyncFn() -> Result<()>) -> Result<()> {
        loop {
            self.at_work.set(self.at_work.get().saturating_add(1));
            let done = work().await;
            self.at_work.set(self.at_work.get().saturating_sub(1));
            if done.is_err() || self.at_work.get() == 0 || now_ms() > self.until_ms {
                return done;
            }
            Delay::from(PAUSE).await;
        }
    }
}

/// Deliveries to one destination, one after the other.
struct Row<'a, W> {
    coordinator: &'a Coordinator,
    workspace: &'a WorkspaceId,
    ledger: &'a W,
    name: &'a str,
}

impl<W: Workspaces> Row<'_, W> {
    async fn make(&self, deliver: impl AsyncFn(Context, Option<EventResult>) -> EventOutcome) -> Result<()> {
        let began_ms = now_ms();
        let (mut sent, mut failed, mut last_cause) = (0_usize, 0_usize, None);
        let mut last = None;
        let mut status = None;
        for _ in 0..AT_MOST {
            match deliver(environment::context()?, last.take()).await {
                EventOutcome::Nothing { status: settled } => {
                    status = settled;
                    break;
                }
                EventOutcome::Tried {
                    sent: more,
                    failed: not,
                    cause,
                    result,
                } => {
                    sent = sent.saturating_add(more);
                    failed = failed.saturating_add(not);
                    last_cause = cause.or(last_cause);
                    last = Some(result);
                    if more == 0 {
                        break;
                    }
                }
            }
        }
        if let Some(result) = last {
            let cx = environment::context()?;
            status = self
                .coordinator
                .finish_events(self.workspace, &cx, self.ledger, result)
                .await;
        }
        if sent > 0 || failed > 0 {
            log(&Line {
                event: "events",
                workspace: self.workspace.as_str(),
                destination: self.name,
                sent,
                failed,
                duration_ms: now_ms().saturating_sub(began_ms),
                cause: last_cause,
                status,
            });
        }
        Ok(())
    }
}

/// What the log tells of deliveries in a row.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    event: &'static str,
    workspace: &'a str,
    destination: &'a str,
    sent: usize,
    failed: usize,
    duration_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<DestinationStatus>,
}

fn log(line: &Line<'_>) {
    let text = serde_json::to_string(line).unwrap_or_default();
    match line.cause {
        Some(_) => console_error!("{text}"),
        None => console_log!("{text}"),
    }
}
