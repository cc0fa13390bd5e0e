use http::Method;
use syncsphere_protocol::{ErrorCode, PartNumber, Problem};

/// Why a request is refused: what the client is told, and what only the log is told.
#[derive(Debug, Clone)]
pub(crate) struct ApiError(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    problem: Problem,
    cause: Option<String>,
    allowed_methods: Option<String>,
}

impl ApiError {
    pub(crate) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Problem::new(code, detail).into()
    }

    /// The same refusal with a note for the log. The note holds no name, token or URL.
    pub(crate) fn because(mut self, cause: impl Into<String>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The same refusal naming the parts concerned.
    pub(crate) fn naming(mut self, parts: impl IntoIterator<Item = PartNumber>) -> Self {
        self.0.problem = self.0.problem.with_parts(parts);
        self
    }

    /// The same refusal under another HTTP status.
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.0.problem.status = status;
        self
    }

    /// The same refusal naming the methods that the endpoint knows.
    pub(crate) fn allowing(mut self, methods: &[Method]) -> Self {
        let names: Vec<_> = methods.iter().map(Method::as_str).collect();
        self.0.allowed_methods = Some(names.join(", "));
        self
    }

    pub(crate) fn allowed_methods(&self) -> Option<&str> {
        self.0.allowed_methods.as_deref()
    }

    pub(crate) fn code(&self) -> ErrorCode {
        self.0.problem.code
    }

    pub(crate) fn into_parts(self) -> (Problem, Option<String>) {
        (self.0.problem, self.0.cause)
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(Box::new(Parts {
            problem,
            cause: None,
            allowed_methods: None,
        }))
    }
}

/// The request itself is wrong.
pub(crate) fn invalid(detail: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, detail)
}

/// Nobody knows who is asking.
pub(crate) fn unauthenticated(detail: &str) -> ApiError {
    ApiError::new(ErrorCode::Unauthenticated, detail)
}

/// More requests came than are let in at once.
pub(crate) fn rate_limited(seconds: u32) -> ApiError {
    let detail = "more requests came than are let in at once";
    Problem::new(ErrorCode::RateLimited, detail)
        .retry_after(seconds)
        .into()
}

/// There is no such thing in this workspace.
pub(crate) fn not_found(detail: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::NotFound, detail)
}

/// A fault of the coordinator or of what it is built on; the client learns nothing of it.
pub(crate) fn internal(cause: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::Internal, "the coordinator could not carry this out").because(cause)
}
