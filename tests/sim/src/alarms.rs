//! The workspaces' alarms: each rings when the ledger's earliest job is due, and never twice at a time.

use syncsphere_coordinator_core::Context;
use syncsphere_coordinator_core::ledger::Applied;
use syncsphere_protocol::{ChangeKind, WorkspaceId};

use crate::alarm::Alarm;
use crate::simulation::{Event, Simulation};

/// Pause before an alarm that is still at work is looked at again, in milliseconds.
const STILL_AT_WORK: u64 = 1_000;

impl Simulation {
    /// A ledger has carried out a call: its alarm is set anew.
    pub(crate) fn ledger_changed(&mut self, task: u64, workspace: WorkspaceId, applied: &Applied) {
        let epoch_ms = self.wall_ms() - self.now as i64;
        let wake = applied
            .wake_ms
            .map(|wake_ms| u64::try_from(wake_ms - epoch_ms).unwrap_or(0));
        let wake = wake.map(|wake| wake.max(self.now + 1));
        let alarm = self.alarms.entry(workspace.clone()).or_default();
        let is_available = |change: &syncsphere_protocol::Change| change.kind == ChangeKind::Available;
        let by_alarm = alarm.task == Some(task) && applied.changes.iter().any(is_available);
        let is_new = alarm.at != wake;
        alarm.at = wake;
        if by_alarm {
            self.count("finalized by the alarm");
        }
        if let (true, Some(wake)) = (is_new, wake) {
            self.at(wake, Event::Alarm(workspace));
        }
    }

    /// The moment has come that an alarm was set to, if it has not been set to another since.
    pub(crate) fn alarm(&mut self, workspace: WorkspaceId) {
        let task = self.request_count + 1;
        let now = self.now;
        let alarm = self.alarms.entry(workspace.clone()).or_default();
        if alarm.at.is_none_or(|at| at > now) {
            return;
        }
        if alarm.task.is_some_and(|task| self.edge.is_running(task)) {
            alarm.at = Some(now + STILL_AT_WORK);
            self.at(now + STILL_AT_WORK, Event::Alarm(workspace));
            return;
        }
        *alarm = Alarm {
            at: None,
            task: Some(task),
        };
        self.request_count = task;
        let context = Context {
            now_ms: self.wall_ms(),
            random: std::array::from_fn(|_| self.random.u8(..)),
            request_id: format!("a{task}"),
        };
        self.edge.ring(task, workspace, context);
        self.poll_request(task);
    }
}
