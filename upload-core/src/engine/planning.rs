//! How files are cut into parts, and what becomes of parts when they are cut otherwise.

use syncsphere_protocol::{ErrorCode, InvalidPlan, PartPlan, UploadGrant};

use super::Engine;
use crate::config::Config;
use crate::error::{UploadError, UploadErrorCode};
use crate::plan::plan;

impl Engine {
    /// How a file that begins now is cut into parts.
    pub(super) fn plan(&self, size: u64) -> Result<PartPlan, InvalidPlan> {
        let Config { part_size, .. } = self.config;
        let (rate, most) = (self.connection_rate, self.pacer.largest_part());
        plan(
            size,
            self.expected_connections(),
            part_size,
            rate,
            most,
            self.tails,
        )
    }

    /// Requests that will carry a new file's parts at a time, as far as can be told.
    fn expected_connections(&self) -> u16 {
        u16::try_from(self.window.limit()).unwrap_or(u16::MAX)
    }
}

pub(super) fn no_plan_error(error: InvalidPlan) -> UploadError {
    let code = UploadErrorCode::Coordinator(ErrorCode::FileTooLarge);
    UploadError::new(code, false, error.as_str())
}

/// The plan that the coordinator granted, where it is not the one asked for.
pub(super) fn granted_plan(size: u64, grant: &UploadGrant) -> Option<PartPlan> {
    let plan = PartPlan::of(size, grant.part_size, grant.tail).ok()?;
    (plan.part_count() == grant.part_count).then_some(plan)
}
