//! What OpenAPI says of Companion's endpoints. Their protocol is not ours, so no wire type of ours makes it.

use serde_json::{Value, json};

/// Every endpoint.
pub fn all() -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    let parameter = |place: &str, name: &str, schema: &Value| json!({ "name": name, "in": place, "required": true, "schema": schema });
    let upload = parameter("path", "uploadId", &text);
    let key = parameter("query", "key", &text);
    let number = json!({ "type": "integer", "minimum": 1, "maximum": 10_000 });
    let numbers = json!({ "type": "string", "pattern": "^[1-9][0-9]{0,3}(,[1-9][0-9]{0,3})*$" });
    let object = |required: &[&str], properties: Value| json!({ "type": "object", "required": required, "properties": properties });
    let signed = json!({ "url": { "type": "string", "format": "uri" }, "expires": { "type": "integer" } });
    let part = |etag: &str| {
        let properties = json!({ "PartNumber": number, "ETag": { "type": "string", "description": etag } });
        object(&["PartNumber", "ETag"], properties)
    };
    let refused = object(
        &["message", "code", "requestId"],
        json!({ "message": text, "code": text, "requestId": text, "error": text }),
    );
    let says = |what: &str, schema: &Value| json!({ "description": what, "content": { "application/json": { "schema": schema } } });
    let operation = |summary: &str, parameters: Vec<&Value>, body: Option<Value>, reply: Value| {
        let mut operation = json!({
            "summary": summary,
            "parameters": parameters,
            "responses": { "200": says("Done", &reply), "default": says("Refused, as Companion tells it", &refused) },
        });
        if let Some(schema) = body {
            operation["requestBody"] =
                json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        }
        operation
    };
    let created = object(
        &["key", "uploadId", "bucket"],
        json!({ "key": text, "uploadId": text, "bucket": text }),
    );
    let creation = object(
        &["filename"],
        json!({ "filename": text, "type": { "type": ["string", "null"] }, "metadata": { "type": ["object", "null"] } }),
    );
    let form = object(
        &["method", "url", "fields", "expires"],
        json!({
            "method": { "enum": ["POST", "PUT"] }, "url": signed["url"], "expires": signed["expires"],
            "fields": { "type": "object" }, "headers": { "type": "object" },
        }),
    );
    let completed = object(
        &["location", "key", "bucket", "fileId"],
        json!({ "location": text, "key": text, "bucket": text, "fileId": text }),
    );
    let parts = |etag: &str| json!({ "type": "array", "items": part(etag) });
    let of_upload = vec![&upload, &key];
    let at = "/v1/companion/s3/multipart/{uploadId}";
    let file_name = parameter("query", "filename", &text);
    let one = parameter("path", "partNumber", &number);
    let some = parameter("query", "partNumbers", &numbers);
    json!({
        "/v1/companion/s3/params": { "get":
            operation("A form or URL for a whole file", vec![&file_name], None, form) },
        "/v1/companion/s3/multipart": { "post": operation("Begin an upload", vec![], Some(creation), created) },
        at: {
            "get": operation("All parts that storage holds", of_upload.clone(), None, parts("Quoted")),
            "delete": operation("Give an upload up", of_upload.clone(), None, object(&[], json!({}))),
        },
        (format!("{at}/{{partNumber}}")): { "get":
            operation("The URL of a part", vec![&upload, &one, &key], None, object(&["url", "expires"], signed.clone())) },
        (format!("{at}/batch")): { "get":
            operation("URLs of several parts", vec![&upload, &key, &some], None,
                object(&["presignedUrls"], json!({ "presignedUrls": { "type": "object" } }))) },
        (format!("{at}/complete")): { "post":
            operation("Finalize an upload", of_upload, Some(object(&["parts"], json!({ "parts": parts("With or without quotes") }))), completed) },
    })
}
