//! `openapi.json`, which the coordinator serves, made from the wire types. Where it differs from
//! what is committed the test says how to write it anew.

use crate::common::companion_paths;
use std::collections::BTreeSet;
use std::path::Path;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use syncsphere_protocol::{
    AbortReply, BasesReply, BasesRequest, ChangesPage, ChunksReply, CompanionToken, CompanionTokenRequest,
    CompleteBatchReply, CompleteBatchRequest, CompleteRequest, ContentLink, CopyPartsReply, CopyPartsRequest,
    DatabaseStatus, DeadLetterList, DestinationList, DestinationStatus, FileList, FileRecord, InitiateReply,
    InitiateRequest, Layout, OpenUploadList, Problem, PutChunksReply, PutChunksRequest, ReferenceReply,
    ReferenceRequest, S3SignReply, S3SignRequest, SignPartsReply, SignPartsRequest, TokenError, TokenReply,
    UploadStatus, VersionList,
};

#[test]
fn the_committed_description_is_what_the_types_make() {
    let made = serde_json::to_string_pretty(&description()).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    if std::env::var_os("WRITE_OPENAPI").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        made == committed,
        "run `WRITE_OPENAPI=1 cargo test -p syncsphere-coordinator-core --test coordinator openapi` and commit the file"
    );
}

#[test]
fn every_endpoint_of_the_documentation_is_described() {
    let documentation = include_str!("../../../docs/api.md");
    let documented: BTreeSet<String> = documentation
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|cell| cell.contains(" /"))
        .map(str::to_owned)
        .collect();
    let description = description();
    let paths = description["paths"].as_object().unwrap().iter();
    let described: BTreeSet<String> = paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    assert_eq!(described, documented);
}

#[test]
fn every_reference_leads_somewhere() {
    let description = description();
    let text = description.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(description.pointer(pointer).is_some(), "{pointer}");
    }
}

fn description() -> Value {
    // Source: OpenAPI 3.1 takes JSON Schema 2020-12 as it is, section 4.8.24 of
    // <https://spec.openapis.org/oas/v3.1.0>.
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = settings.into_generator();
    let paths = paths(&mut schemas);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "SyncSphere coordinator",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT", "identifier": "MIT" },
            "description": "Opens uploads, signs URLs for their parts, finalizes them against what storage holds, \
                and announces every change in order. Bytes go straight to storage.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
                "client": { "type": "http", "scheme": "basic" },
            },
        },
        "security": [{ "token": [] }],
    })
}

fn paths(schemas: &mut SchemaGenerator) -> Value {
    let id = |name: &str| {
        let schema = json!({ "type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$" });
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    };
    let query = |name: &str, schema: Value, description: &str| json!({ "name": name, "in": "query", "schema": schema, "description": description });
    let limit = query(
        "limit",
        json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 }),
        "At most so many",
    );
    let number = json!({ "type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_991_u64 });
    let destination = json!({
        "name": "destination", "in": "path", "required": true,
        "schema": { "type": "string", "pattern": "^[a-z0-9-]{1,32}$" },
    });
    let seq = query("seq", number.clone(), "Only the message of this change");
    let since = query("since", number.clone(), "Everything after this sequence number");
    let cursor = query(
        "cursor",
        json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,2048}$" }),
        "`nextCursor` of the page before, with the same filters",
    );
    let time = json!({ "type": "string", "format": "date-time" });
    let created_from = query("createdFrom", time.clone(), "Only files created then or later");
    let created_before = query("createdBefore", time, "Only files created before");
    let path = query(
        "path",
        json!({ "type": "string", "maxLength": 1024 }),
        "Only files of exactly this folder",
    );
    let name = query(
        "name",
        json!({ "type": "string", "maxLength": 255 }),
        "Only files whose names begin so, in the order of their names",
    );
    let status = query(
        "status",
        json!({
            "type": "string", "default": "uploading,available",
            "pattern": "^(uploading|available|aborted|expired|deleted)(,(uploading|available|aborted|expired|deleted))*$",
        }),
        "States with commas between",
    );
    let key = json!({
        "name": "Idempotency-Key", "in": "header",
        "schema": { "type": "string", "pattern": "^[!-~]{1,255}$" },
        "description": "The same key and body answer the same uploads for 24 hours",
    });
    let upload = || Operation::new("").with(id("uploadId"));
    let file = || Operation::new("").with(id("fileId"));

    let disposition = query(
        "disposition",
        json!({ "type": "string", "enum": ["attachment", "inline"], "default": "attachment" }),
        "`inline` has it shown in place where its type can only be shown or played",
    );
    let expires = query(
        "expires",
        json!({ "type": "integer", "minimum": 1, "maximum": 14_400, "default": 300 }),
        "Life of the link in seconds, at most `DOWNLOAD_TTL_SECONDS`",
    );
    let mut content = file()
        .says("A link to the file's bytes")
        .with(disposition)
        .with(expires)
        .answers::<ContentLink>(schemas);
    content.responses.insert(
        "302".to_owned(),
        json!({
            "description": "To the file's bytes, unless JSON is accepted",
            "headers": { "Location": { "schema": { "type": "string", "format": "uri" } } },
        }),
    );
    let mut companion_token =
        Operation::new("A token that uploads by Companion's endpoints and does nothing else")
            .takes::<CompanionTokenRequest>(schemas)
            .answers::<CompanionToken>(schemas)
            .json(schemas);
    companion_token["requestBody"]["required"] = json!(false);
    let events = json!({
        "description": "The feed over WebSocket, with the subprotocols `syncsphere.v1` and `bearer.<JWT>`",
    });
    let mut paths = json!({
        "/v1/auth/token": { "post": token(schemas) },
        "/v1/uploads": {
            "get": Operation::new("What the token's subject has open, newest first")
                .with(cursor.clone())
                .with(limit.clone())
                .answers::<OpenUploadList>(schemas).json(schemas),
            "post": Operation::new("Open 1 to 100 uploads").with(key.clone())
                .takes::<InitiateRequest<Option<u64>, Layout>>(schemas).answers::<InitiateReply>(schemas).json(schemas) },
        "/v1/uploads/complete": { "post":
            Operation::new("Finalize 1 to 100 uploads")
                .takes::<CompleteBatchRequest>(schemas).answers::<CompleteBatchReply>(schemas).json(schemas) },
        "/v1/uploads/{uploadId}": {
            "get": upload().says("State, plan, stored parts and a fresh ticket")
                .answers::<UploadStatus>(schemas).json(schemas),
            "delete": upload().says("Give an upload up").answers::<AbortReply>(schemas).json(schemas),
        },
        "/v1/uploads/{uploadId}/parts": { "post":
            upload().says("URLs for 1 to 100 parts")
                .takes::<SignPartsRequest>(schemas).answers::<SignPartsReply>(schemas).json(schemas) },
        "/v1/uploads/{uploadId}/copies": { "post":
            upload().says("Have storage copy ranges of another file into parts, 1 to 24 of them")
                .takes::<CopyPartsRequest>(schemas).answers::<CopyPartsReply>(schemas).json(schemas) },
        "/v1/uploads/{uploadId}/complete": { "post":
            upload().says("Finalize an upload")
                .takes::<CompleteRequest<Option<u64>>>(schemas).answers::<FileRecord>(schemas).json(schemas) },
        "/v1/s3/sign": { "post":
            Operation::new("Where Uppy sends one S3 request").with(key.clone())
                .takes::<S3SignRequest>(schemas).answers::<S3SignReply>(schemas).json(schemas) },
        "/v1/companion/token": { "post": companion_token },
        "/v1/files": {
            "post": Operation::new("Make a file of the content that another of one's own has").with(key)
                .takes::<ReferenceRequest>(schemas).answers::<ReferenceReply>(schemas).json(schemas),
            "get": Operation::new("Files, newest first, or by name where `name` is given")
                .with(cursor)
                .with(status)
                .with(path)
                .with(name)
                .with(created_from)
                .with(created_before)
                .with(limit.clone())
                .answers::<FileList>(schemas).json(schemas) },
        "/v1/files/{fileId}": {
            "get": file().says("One file").answers::<FileRecord>(schemas).json(schemas),
            "delete": file().says("Remove an available file").answers::<FileRecord>(schemas).json(schemas),
        },
        "/v1/files/{fileId}/versions": {
            "get": file().says("The available versions of a file, newest first")
                .answers::<VersionList>(schemas).json(schemas) },
        "/v1/files/{fileId}/restore": {
            "post": file().says("Make a version the newest again").answers::<ReferenceReply>(schemas).json(schemas) },
        "/v1/files/bases": { "post": Operation::new("Own files that a new one could take its content from")
            .takes::<BasesRequest>(schemas).answers::<BasesReply>(schemas).json(schemas) },
        "/v1/files/{fileId}/chunks": { "get": file().says("The content index of a file")
            .answers::<ChunksReply>(schemas).json(schemas), "put": file().says("State the content index of an own file")
            .takes::<PutChunksRequest>(schemas).answers::<PutChunksReply>(schemas).json(schemas) },
        "/v1/files/{fileId}/content": { "get": content.json(schemas) },
        "/v1/changes": { "get":
            Operation::new("The change feed, page by page").with(since.clone()).with(limit.clone())
                .answers::<ChangesPage>(schemas).json(schemas) },
        "/v1/events": { "get":
            Operation::new("The change feed, live").with(since.clone()).answers_with("101", events).json(schemas) },
        "/v1/database": { "get": Operation::new("How far the metadata database is with the workspace")
            .answers::<DatabaseStatus>(schemas).json(schemas) },
        "/v1/database/rebuild": { "post": Operation::new("Write everything to the metadata database again")
            .answers::<DatabaseStatus>(schemas).json(schemas) },
        "/v1/destinations": { "get": Operation::new("Where changes go, and how far each destination is")
            .answers::<DestinationList>(schemas).json(schemas) },
        "/v1/destinations/{destination}/dead-letters": { "get":
            Operation::new("Messages that are not sent again by themselves").with(destination.clone())
                .with(since).with(limit).answers::<DeadLetterList>(schemas).json(schemas) },
        "/v1/destinations/{destination}/resend": { "post":
            Operation::new("Send dead letters again, all or that of one change").with(destination).with(seq)
                .answers::<DestinationStatus>(schemas).json(schemas) },
        "/.well-known/jwks.json": { "get": Operation::new("The keys that tokens are signed with")
            .answers_with("200", any_object("A JSON Web Key Set, RFC 7517")).open().json(schemas) },
        "/healthz": { "get": Operation::new("Whether storage and a workspace answer")
            .answers_with("200", any_object("They do")).open().json(schemas) },
        "/openapi.json": { "get": Operation::new("This description")
            .answers_with("200", any_object("OpenAPI 3.1")).open().json(schemas) },
    });
    if let (Some(paths), Value::Object(companion)) = (paths.as_object_mut(), companion_paths::all()) {
        paths.extend(companion);
    }
    paths
}

/// Source: RFC 6749 sections 4.4, 5.1 and 5.2.
fn token(schemas: &mut SchemaGenerator) -> Value {
    let text = || json!({ "type": "string" });
    let number = || json!({ "type": "integer", "minimum": 0 });
    let form = json!({
        "type": "object",
        "required": ["grant_type"],
        "properties": {
            "grant_type": { "type": "string", "enum": ["client_credentials", "urn:syncsphere:guest"] },
            "workspace": text(), "scope": text(), "sub": text(), "client_id": text(), "client_secret": text(),
            "guest_secret": { "type": "string", "pattern": "^[A-Za-z0-9_-]{22,128}$" },
            "content_types": text(), "expires_in": number(), "max_file_size": number(), "max_bytes": number(),
        },
    });
    let failed = schema_reply::<TokenError>(schemas, "Refused", "application/json");
    let mut operation = Operation::new("A token")
        .answers::<TokenReply>(schemas)
        .answers_with("400", failed.clone())
        .answers_with("401", failed)
        .json(schemas);
    operation["requestBody"] = json!({
        "required": true,
        "content": { "application/x-www-form-urlencoded": { "schema": form } },
    });
    operation["security"] = json!([{}, { "client": [] }]);
    operation
}

/// One method of one path.
struct Operation {
    summary: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    responses: Map<String, Value>,
    is_open: bool,
}

impl Operation {
    fn new(summary: &'static str) -> Self {
        Self {
            summary,
            parameters: Vec::new(),
            body: None,
            responses: Map::new(),
            is_open: false,
        }
    }

    fn says(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    fn with(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self
    }

    fn takes<T: JsonSchema>(mut self, schemas: &mut SchemaGenerator) -> Self {
        let schema = schemas.subschema_for::<T>();
        self.body = Some(json!({
            "required": true,
            "content": { "application/json": { "schema": schema } },
        }));
        self
    }

    fn answers<T: JsonSchema>(self, schemas: &mut SchemaGenerator) -> Self {
        self.answers_with("200", schema_reply::<T>(schemas, "Done", "application/json"))
    }

    fn answers_with(mut self, status: &str, reply: Value) -> Self {
        self.responses.insert(status.to_owned(), reply);
        self
    }

    /// For everybody, without a token.
    fn open(mut self) -> Self {
        self.is_open = true;
        self
    }

    fn json(self, schemas: &mut SchemaGenerator) -> Value {
        let problem = schema_reply::<Problem>(schemas, "A problem, RFC 9457", "application/problem+json");
        let mut responses = self.responses;
        responses.insert("default".to_owned(), problem);
        let mut operation = json!({ "summary": self.summary, "responses": responses });
        if !self.parameters.is_empty() {
            operation["parameters"] = self.parameters.into();
        }
        if let Some(body) = self.body {
            operation["requestBody"] = body;
        }
        if self.is_open {
            operation["security"] = json!([]);
        }
        operation
    }
}

fn schema_reply<T: JsonSchema>(schemas: &mut SchemaGenerator, what: &str, media_type: &str) -> Value {
    let schema = schemas.subschema_for::<T>();
    json!({ "description": what, "content": { media_type: { "schema": schema } } })
}

fn any_object(what: &str) -> Value {
    json!({ "description": what, "content": { "application/json": { "schema": { "type": "object" } } } })
}
