//! The one table of endpoints: routing, the log's templates, `Allow`, preflights and the test against `openapi.json` all
//! read these rows.

use http::Method;

use crate::api_error::{ApiError, invalid};
use crate::auth::Scope;
use crate::context::MAX_BODY_BYTES;
use crate::ports::RequestBody;

/// Largest body of a token request, in bytes. Source: own choice; three short form fields.
const MAX_FORM: usize = 8 * 1024;

/// Largest body of initiate, in bytes.
///
/// Source: 100 files with the longest name, folder and a few metadata come to about 300 KB.
const MAX_INITIATE: usize = 1024 * 1024;

/// Largest body that makes a file of another's content, in bytes. Source: the longest name and folder with 16 KiB of metadata,
/// each byte written as six.
const MAX_REFERENCE: usize = 128 * 1024;

/// Largest body of a signing request, in bytes. Source: a ticket and 100 parts of 60 bytes.
const MAX_SIGNING: usize = 64 * 1024;

/// Largest body of a request to copy parts, in bytes. Source: a ticket and 24 parts of 80 bytes.
const MAX_COPIES: usize = 16 * 1024;

/// Largest body that states a content index, in bytes. Source: 10,000 chunks of 44 bytes, as base64.
const MAX_CHUNKS_BODY: usize = 600 * 1024;

/// Largest body that begins an upload as Companion does, in bytes. Source: Companion's, Express's default of 100 kB.
const MAX_COMPANION_CREATION: usize = 100 * 1024;

/// Largest body that completes one, in bytes. Source: 10,000 parts come to 0.6 MB; Companion takes 1 MB.
const MAX_COMPANION_COMPLETION: usize = 1024 * 1024;

/// Bodies that are not looked at.
const NO_BODY: usize = usize::MAX;

/// What the log calls a path below Companion's that is no endpoint.
const COMPANION: &str = "/v1/companion";

/// One endpoint.
#[derive(Debug)]
pub(crate) struct Route {
    pub method: Method,
    /// The path as `docs/api.md` writes it, with the ids' names in their places.
    pub template: &'static str,
    /// Largest body, in bytes.
    pub body_limit: usize,
    pub handler: Handler,
}

/// Who may ask, and what answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handler {
    /// Everybody.
    Open(Open),
    /// Whoever brings a token with this scope.
    Scoped(Scope, Scoped),
    /// Clients of Companion, whose token may stand in the address or in a cookie.
    Companion(Companion),
    /// Whoever has the address, which is the permission.
    S3Call,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    Description,
    Health,
    Jwks,
    Token,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scoped {
    ListUploads,
    Initiate,
    CompleteBatch,
    UploadStatus,
    AbortUpload,
    SignParts,
    CopyParts,
    Complete,
    ListFiles,
    File,
    DeleteFile,
    Reference,
    Bases,
    Chunks,
    PutChunks,
    Versions,
    Restore,
    Content,
    Changes,
    Events,
    DatabaseStatus,
    RebuildDatabase,
    Destinations,
    DeadLetters,
    Resend,
    SignS3,
    CompanionToken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Companion {
    Params,
    Create,
    ListParts,
    Abort,
    Complete,
    Batch,
    Part,
}

const fn row(method: Method, template: &'static str, body_limit: usize, handler: Handler) -> Route {
    Route {
        method,
        template,
        body_limit,
        handler,
    }
}

const fn open(method: Method, template: &'static str, body_limit: usize, open: Open) -> Route {
    row(method, template, body_limit, Handler::Open(open))
}

const fn read(template: &'static str, scoped: Scoped) -> Route {
    row(
        Method::GET,
        template,
        NO_BODY,
        Handler::Scoped(Scope::Read, scoped),
    )
}

const fn write(method: Method, template: &'static str, body_limit: usize, scoped: Scoped) -> Route {
    row(
        method,
        template,
        body_limit,
        Handler::Scoped(Scope::Write, scoped),
    )
}

const fn admin(method: Method, template: &'static str, scoped: Scoped) -> Route {
    row(method, template, NO_BODY, Handler::Scoped(Scope::Admin, scoped))
}

const fn companion(method: Method, template: &'static str, body_limit: usize, companion: Companion) -> Route {
    row(method, template, body_limit, Handler::Companion(companion))
}

/// Every endpoint. Of two templates that fit a path the first one counts.
pub(crate) static ROUTES: [Route; 41] = {
    use Method as M;
    const UPLOAD: &str = "/v1/uploads/{uploadId}";
    const FILE: &str = "/v1/files/{fileId}";
    const S3_CALL: &str = "/v1/s3/calls/{permission}";
    const MULTIPART: &str = "/v1/companion/s3/multipart/{uploadId}";
    [
        open(M::GET, "/openapi.json", NO_BODY, Open::Description),
        open(M::GET, "/healthz", NO_BODY, Open::Health),
        open(M::GET, "/.well-known/jwks.json", NO_BODY, Open::Jwks),
        open(M::POST, "/v1/auth/token", MAX_FORM, Open::Token),
        write(M::GET, "/v1/uploads", NO_BODY, Scoped::ListUploads),
        write(M::POST, "/v1/uploads", MAX_INITIATE, Scoped::Initiate),
        write(
            M::POST,
            "/v1/uploads/complete",
            MAX_BODY_BYTES,
            Scoped::CompleteBatch,
        ),
        write(M::GET, UPLOAD, NO_BODY, Scoped::UploadStatus),
        write(M::DELETE, UPLOAD, NO_BODY, Scoped::AbortUpload),
        write(
            M::POST,
            "/v1/uploads/{uploadId}/parts",
            MAX_SIGNING,
            Scoped::SignParts,
        ),
        write(
            M::POST,
            "/v1/uploads/{uploadId}/copies",
            MAX_COPIES,
            Scoped::CopyParts,
        ),
        write(
            M::POST,
            "/v1/uploads/{uploadId}/complete",
            MAX_BODY_BYTES,
            Scoped::Complete,
        ),
        read("/v1/files", Scoped::ListFiles),
        write(M::POST, "/v1/files/bases", MAX_FORM, Scoped::Bases),
        read(FILE, Scoped::File),
        write(M::POST, "/v1/files", MAX_REFERENCE, Scoped::Reference),
        write(M::DELETE, FILE, NO_BODY, Scoped::DeleteFile),
        read("/v1/files/{fileId}/versions", Scoped::Versions),
        write(M::POST, "/v1/files/{fileId}/restore", NO_BODY, Scoped::Restore),
        read("/v1/files/{fileId}/content", Scoped::Content),
        read("/v1/files/{fileId}/chunks", Scoped::Chunks),
        write(
            M::PUT,
            "/v1/files/{fileId}/chunks",
            MAX_CHUNKS_BODY,
            Scoped::PutChunks,
        ),
        read("/v1/changes", Scoped::Changes),
        read("/v1/events", Scoped::Events),
        admin(M::GET, "/v1/database", Scoped::DatabaseStatus),
        admin(M::POST, "/v1/database/rebuild", Scoped::RebuildDatabase),
        admin(M::GET, "/v1/destinations", Scoped::Destinations),
        admin(
            M::GET,
            "/v1/destinations/{destination}/dead-letters",
            Scoped::DeadLetters,
        ),
        admin(M::POST, "/v1/destinations/{destination}/resend", Scoped::Resend),
        write(M::POST, "/v1/s3/sign", MAX_SIGNING, Scoped::SignS3),
        row(M::GET, S3_CALL, NO_BODY, Handler::S3Call),
        row(M::POST, S3_CALL, MAX_BODY_BYTES, Handler::S3Call),
        row(M::DELETE, S3_CALL, NO_BODY, Handler::S3Call),
        write(M::POST, "/v1/companion/token", MAX_FORM, Scoped::CompanionToken),
        companion(M::GET, "/v1/companion/s3/params", NO_BODY, Companion::Params),
        companion(
            M::POST,
            "/v1/companion/s3/multipart",
            MAX_COMPANION_CREATION,
            Companion::Create,
        ),
        companion(M::GET, MULTIPART, NO_BODY, Companion::ListParts),
        companion(M::DELETE, MULTIPART, NO_BODY, Companion::Abort),
        companion(
            M::POST,
            "/v1/companion/s3/multipart/{uploadId}/complete",
            MAX_COMPANION_COMPLETION,
            Companion::Complete,
        ),
        companion(
            M::GET,
            "/v1/companion/s3/multipart/{uploadId}/batch",
            NO_BODY,
            Companion::Batch,
        ),
        companion(
            M::GET,
            "/v1/companion/s3/multipart/{uploadId}/{partNumber}",
            NO_BODY,
            Companion::Part,
        ),
    ]
};

impl Route {
    /// The body, if it is not larger than the endpoint takes; nothing where the endpoint takes none.
    pub(crate) async fn read(&self, body: impl RequestBody) -> Result<Vec<u8>, ApiError> {
        let limit = self.body_limit;
        if limit == NO_BODY {
            return Ok(Vec::new());
        }
        let read = body.read(limit).await;
        let read = read.map_err(|error| invalid(error.to_string()))?;
        match read.len() > limit {
            true => Err(invalid(format!("the body is larger than {limit} bytes"))),
            false => Ok(read),
        }
    }
}

/// Where a path leads.
#[derive(Debug)]
pub(crate) struct Found<'p> {
    /// For the log: the path without ids and tokens; empty where there is no such endpoint.
    pub template: &'static str,
    /// The endpoints of the path, one for each method.
    pub routes: Vec<&'static Route>,
    /// What stands in the places of the template's names, undecoded, in their order.
    pub ids: Vec<&'p str>,
    /// Whether the path is one of Companion's, with the token that stands in it.
    pub companion: Option<Option<&'p str>>,
}

impl Found<'_> {
    /// The endpoint for this method.
    pub(crate) fn route(&self, method: &Method) -> Option<&'static Route> {
        self.routes.iter().copied().find(|route| route.method == *method)
    }

    /// The methods that the path knows.
    pub(crate) fn methods(&self) -> Vec<Method> {
        self.routes.iter().map(|route| route.method.clone()).collect()
    }
}

/// Looks a path up, undecoded.
pub(crate) fn find(path: &str) -> Found<'_> {
    let mut segments: Vec<&str> = path.split('/').skip(1).collect();
    let companion = match segments.as_slice() {
        ["v1", "companion", "s3", ..] => Some(None),
        ["v1", "companion", token, "s3", ..] => Some(Some(*token)),
        _ => None,
    };
    if let Some(Some(_)) = companion {
        segments.remove(2);
    }
    let template = ROUTES
        .iter()
        .map(|route| route.template)
        .find(|template| fits(template, &segments));
    let Some(template) = template else {
        return Found {
            template: companion.map_or("", |_| COMPANION),
            routes: Vec::new(),
            ids: Vec::new(),
            companion,
        };
    };
    let names = template.split('/').skip(1);
    let ids = names.zip(&segments).filter(|(name, _)| name.starts_with('{'));
    Found {
        template,
        routes: ROUTES.iter().filter(|route| route.template == template).collect(),
        ids: ids.map(|(_, id)| *id).collect(),
        companion,
    }
}

/// Every method that any endpoint knows, each once.
pub(crate) fn all_methods() -> String {
    let mut names: Vec<&str> = Vec::new();
    for route in &ROUTES {
        if !names.contains(&route.method.as_str()) {
            names.push(route.method.as_str());
        }
    }
    names.join(", ")
}

fn fits(template: &str, segments: &[&str]) -> bool {
    let wanted = template.split('/').skip(1);
    wanted.clone().count() == segments.len()
        && wanted
            .zip(segments)
            .all(|(wanted, segment)| wanted.starts_with('{') || wanted == *segment)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn described() -> serde_json::Value {
        serde_json::from_str(include_str!("../../openapi.json")).unwrap()
    }

    /// S3's own calls are S3's to describe; every other endpoint is described here, and nothing else is.
    #[test]
    fn the_table_and_the_description_name_the_same_endpoints() {
        let description = described();
        let paths = description["paths"].as_object().unwrap().iter();
        let described: BTreeSet<String> = paths
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().unwrap().keys();
                methods.map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect();
        let routed: BTreeSet<String> = ROUTES
            .iter()
            .filter(|route| route.handler != Handler::S3Call)
            .map(|route| format!("{} {}", route.method, route.template))
            .collect();
        assert_eq!(routed, described);
    }

    #[test]
    fn whoever_needs_no_token_is_described_as_such_and_who_sends_a_body_as_well() {
        let description = described();
        for route in ROUTES.iter().filter(|route| route.handler != Handler::S3Call) {
            let method = route.method.as_str().to_lowercase();
            let operation = &description["paths"][route.template][&method];
            let is_open = matches!(route.handler, Handler::Open(_));
            assert_eq!(operation.get("security").is_some(), is_open, "{route:?}");
            let takes_body = route.body_limit != NO_BODY;
            assert_eq!(operation.get("requestBody").is_some(), takes_body, "{route:?}");
        }
    }

    #[test]
    fn each_endpoint_stands_once_and_is_found_by_its_template() {
        let mut once = BTreeSet::new();
        for route in &ROUTES {
            assert!(once.insert((route.method.as_str(), route.template)), "{route:?}");
            let found = find(route.template);
            assert_eq!(found.template, route.template);
            assert_eq!(
                found.route(&route.method).map(|found| found.handler),
                Some(route.handler)
            );
        }
        assert_eq!(find("/v1/uploads/complete").template, "/v1/uploads/complete");
        assert_eq!(find("/v1/uploads/a/parts").ids, ["a"]);
        assert_eq!(find("/v1/companion/T/s3/multipart/u/7").ids, ["u", "7"]);
        assert_eq!(
            find("/v1/companion/T/s3/multipart/u/7").companion,
            Some(Some("T"))
        );
        assert_eq!(find("/v1/companion/s3/s3/params").template, COMPANION);
        assert_eq!(find("/v1/companion/s3/params").companion, Some(None));
        assert_eq!(find("/v1/nothing").template, "");
        assert_eq!(all_methods(), "GET, POST, DELETE, PUT");
    }
}
