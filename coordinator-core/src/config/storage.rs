//! The variables that say where bytes go: `S3_…`.

use std::str::FromStr;

use syncsphere_protocol::{Integrity, Redacted};

use super::variables::{ConfigError, Vars};
use crate::policy::{DEFAULT_KEY_TEMPLATE, KeyTemplate};
use crate::s3::{Addressing, Bucket, Endpoint, ObjectHeaders, Provider, PublicEndpoints, SigningKeyCache};

/// The bucket, how it is reached and what opens it.
pub(super) fn bucket(vars: &Vars<'_>) -> Result<Bucket, ConfigError> {
    let endpoint = Endpoint::from_str(vars.required("S3_ENDPOINT")?)
        .map_err(|wrong| wrong_variable("S3_ENDPOINT", wrong.reason()))?;
    let public_endpoints = match vars.optional("S3_PUBLIC_ENDPOINT") {
        None => endpoint.clone().into(),
        Some(text) => PublicEndpoints::from_str(text).map_err(|_| {
            wrong_variable(
                "S3_PUBLIC_ENDPOINT",
                "has to be one to four addresses such as S3_ENDPOINT, separated by commas",
            )
        })?,
    };
    let provider = vars.choice(
        "S3_PROVIDER",
        "has to be aws, r2 or generic",
        &[
            ("generic", Provider::Generic),
            ("aws", Provider::Aws),
            ("r2", Provider::R2),
        ],
    )?;
    let region = match (vars.optional("S3_REGION"), provider) {
        (Some(region), _) => region,
        // R2 has one region, and calls it so.
        // Source: <https://developers.cloudflare.com/r2/api/s3/api/>
        (None, Provider::R2) => "auto",
        (None, Provider::Aws) => vars.required("S3_REGION")?,
        (None, Provider::Generic) => "us-east-1",
    };
    Ok(Bucket {
        name: vars
            .required("S3_BUCKET")?
            .parse()
            .map_err(|_| wrong_variable("S3_BUCKET", "is no bucket name"))?,
        endpoint,
        public_endpoints,
        addressing: vars.choice(
            "S3_ADDRESSING",
            "has to be path or virtual",
            &[("path", Addressing::Path), ("virtual", Addressing::Virtual)],
        )?,
        provider,
        takes_forms: vars.choice(
            "S3_FORMS",
            "has to be on or off, and off for r2",
            match provider {
                // Source: <https://developers.cloudflare.com/r2/api/s3/presigned-urls/>
                Provider::R2 => &[("off", false)],
                Provider::Aws | Provider::Generic => &[("off", false), ("on", true)],
            },
        )?,
        conditional_writes: vars.choice(
            "S3_CONDITIONAL_WRITES",
            "has to be on or off",
            &[("off", false), ("on", true)],
        )?,
        proof: Default::default(),
        checksum: vars.choice(
            "S3_CHECKSUM",
            "has to be crc64nvme, md5 or none",
            &Integrity::ALL.map(|integrity| (integrity.as_str(), integrity)),
        )?,
        region: region.to_owned(),
        access_key_id: Redacted(vars.required("S3_ACCESS_KEY_ID")?.to_owned()),
        secret_access_key: Redacted(vars.required("S3_SECRET_ACCESS_KEY")?.to_owned()),
        session_token: vars.optional("S3_SESSION_TOKEN").map(session_token).transpose()?,
        object_headers: ObjectHeaders::parse(vars.optional("S3_OBJECT_HEADERS").unwrap_or("{}"))
            .map_err(|wrong| wrong_variable("S3_OBJECT_HEADERS", wrong.0))?,
        signing_key_cache: SigningKeyCache::default(),
    })
}

/// How objects' keys are made.
pub(super) fn key_template(vars: &Vars<'_>) -> Result<KeyTemplate, ConfigError> {
    let template = vars.optional("S3_KEY_TEMPLATE").unwrap_or(DEFAULT_KEY_TEMPLATE);
    KeyTemplate::new("", template).map_err(|wrong| wrong_variable("S3_KEY_TEMPLATE", wrong.0))?;
    // What is wrong with both together is the prefix's.
    let prefix = vars.optional("S3_PREFIX").unwrap_or_default();
    KeyTemplate::new(prefix, template).map_err(|wrong| wrong_variable("S3_PREFIX", wrong.0))
}

/// Source: it goes into a header, and AWS's are base64 of unspecified length.
fn session_token(token: &str) -> Result<Redacted<String>, ConfigError> {
    match token.bytes().all(|b| b.is_ascii_graphic()) {
        true => Ok(Redacted(token.to_owned())),
        false => Err(wrong_variable("S3_SESSION_TOKEN", "is no session token")),
    }
}

pub(super) fn wrong_variable(variable: &'static str, reason: &'static str) -> ConfigError {
    ConfigError {
        variable,
        reason: reason.into(),
    }
}
