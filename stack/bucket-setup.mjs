// Prepares buckets for `cargo xtask bucket-setup`: settings come as one line of JSON on standard input, since arguments
// are there for every user of the machine to read, and this holds secrets. One line of text for each thing done.

import { createHash } from "node:crypto";
import { text } from "node:stream/consumers";
import {
  CreateBucketCommand,
  GetBucketCorsCommand,
  GetBucketLifecycleConfigurationCommand,
  HeadBucketCommand,
  PutBucketCorsCommand,
  PutBucketLifecycleConfigurationCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { daysOf, withAbortRule, withCorsRule } from "./bucket-rules.mjs";

const settings = JSON.parse(await text(process.stdin));
const client = connect(settings);
let failed = false;

for (const Bucket of settings.buckets) {
  // One needs no heading.
  if (settings.buckets.length > 1) tell(`${Bucket}:`);
  try {
    await setUp(Bucket);
  } catch (error) {
    fail(`the bucket ${Bucket}`, error);
  }
}
client.destroy();
process.exit(failed ? 1 : 0);

async function setUp(Bucket) {
  if (!(await bucket(Bucket))) return;
  await cors(Bucket);
  await lifecycle(Bucket);
  if (settings.provider === "r2") tellOfLocalUploads(Bucket);
}

/** Makes the bucket where it is missing and wanted; whether it is there. */
async function bucket(Bucket) {
  try {
    await client.send(new HeadBucketCommand({ Bucket }));
    return true;
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
  }
  if (!settings.create)
    throw new Error("it does not exist: run it again with --create, or correct S3_BUCKET or S3_BUCKETS");
  if (await act(`create the bucket ${Bucket}`, creation(Bucket))) tell(`created: the bucket ${Bucket}`);
  // Nothing more can be looked at.
  if (settings.dryRun) tell("would set its CORS rule and its lifecycle rule");
  return !settings.dryRun;
}

/** Names of the headers that objects are stored with, as `S3_OBJECT_HEADERS` has them. */
function objectHeaders({ objectHeaders: json }) {
  let headers;
  try {
    headers = JSON.parse(json || "{}");
  } catch {
    throw new Error("S3_OBJECT_HEADERS has to be a JSON object, as the coordinator has it");
  }
  return Object.keys(headers)
    .map((name) => name.toLowerCase())
    .toSorted();
}

function creation(Bucket) {
  // AWS wants to be told any region but its first; R2 and others take none.
  // Source: API_CreateBucketConfiguration, LocationConstraint
  const elsewhere = settings.provider === "aws" && settings.region !== "us-east-1";
  const CreateBucketConfiguration = elsewhere ? { LocationConstraint: settings.region } : undefined;
  return new CreateBucketCommand({ Bucket, CreateBucketConfiguration });
}

async function cors(Bucket) {
  const what = `CORS for ${settings.origins.join(", ")}`;
  try {
    const { CORSRules = [] } = await present(new GetBucketCorsCommand({ Bucket }), "NoSuchCORSConfiguration");
    const { rules, changed } = withCorsRule(CORSRules, settings.origins, objectHeaders(settings));
    if (!changed) return tell(`as it should be: ${what}`);
    const done = await act(
      `set ${what}${besides(rules.length - 1)}`,
      new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules: rules } }),
    );
    if (done) tell(`set: ${what}${besides(rules.length - 1)}`);
  } catch (error) {
    if (!notSupported(error)) return fail(what, error);
    fail(
      what,
      new Error(
        `this storage has no CORS rules for buckets (${error.name}): set its own, such as MINIO_API_CORS_ALLOW_ORIGIN of MinIO ` +
          "or `allowed_headers` and container CORS of Swift; docs/errors.md#cors_missing has what they need",
      ),
    );
  }
}

async function lifecycle(Bucket) {
  const { days } = settings;
  const what = `ending multipart uploads that nobody ended after ${days} days`;
  try {
    const held = await present(
      new GetBucketLifecycleConfigurationCommand({ Bucket }),
      "NoSuchLifecycleConfiguration",
    );
    const { rules, changed, other } = withAbortRule(held.Rules ?? [], days);
    if (other && daysOf(other) < days) {
      return tell(
        `WARNING: another lifecycle rule ends multipart uploads after ${daysOf(other)} days already: ` +
          `make it longer, or set UPLOAD_MAX_LIFETIME_SECONDS to less, or uploads that are still open are lost`,
      );
    }
    if (!changed) return tell(`as it should be: ${what}`);
    const done = await act(
      `set ${what}${besides(rules.length - 1)}`,
      new PutBucketLifecycleConfigurationCommand({
        Bucket,
        LifecycleConfiguration: { Rules: rules },
        // AWS falls back to its default where this is left out.
        TransitionDefaultMinimumObjectSize: held.TransitionDefaultMinimumObjectSize,
      }),
    );
    if (done) tell(`set: ${what}${besides(rules.length - 1)}`);
  } catch (error) {
    if (!notSupported(error)) return fail(what, error);
    tell(
      `WARNING: this storage has no lifecycle rule that ends multipart uploads (${error.name}); the coordinator ends its own after ` +
        "UPLOAD_TTL_SECONDS, and what it cannot end has to be ended by the storage's own means",
    );
  }
}

/**
 * R2 can take parts at the location nearest to whoever sends them. There is no call of the S3 API for it.
 * Source: https://developers.cloudflare.com/r2/buckets/local-uploads
 */
function tellOfLocalUploads(Bucket) {
  tell(
    `to do by hand: uploads from other regions than the bucket's are faster with R2's Local Uploads; this key cannot switch ` +
      `them on: npx wrangler r2 bucket local-uploads enable ${Bucket}`,
  );
}

/** What is set now; nothing, where storage says that nothing is. */
async function present(command, nothing) {
  try {
    return await client.send(command);
  } catch (error) {
    if (error.name === nothing) return {};
    throw error;
  }
}

/** Does it, unless only asked what would be done. */
async function act(what, command) {
  if (settings.dryRun) {
    tell(`would ${what}`);
    return false;
  }
  await client.send(command);
  return true;
}

function besides(count) {
  return count > 0 ? `, beside ${count} rule${count > 1 ? "s" : ""} of others` : "";
}

function connect({ endpoint, region, addressing, accessKeyId, secretAccessKey, sessionToken }) {
  const s3 = new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) },
    forcePathStyle: addressing === "path",
    maxAttempts: 3,
  });
  s3.middlewareStack.add(digestOfOld, { step: "build", name: "digestOfOld", priority: "low" });
  return s3;
}

/**
 * These requests have to carry a digest of their body. The SDK would send a checksum header that R2 does not know for
 * them; `Content-MD5` is known everywhere.
 * Source: https://developers.cloudflare.com/r2/api/s3/api/, PutBucketCors and PutBucketLifecycleConfiguration
 */
function digestOfOld(next) {
  return (args) => {
    const { request } = args;
    if (typeof request.body === "string" || request.body instanceof Uint8Array) {
      for (const name of Object.keys(request.headers)) {
        if (/^x-amz-(sdk-)?checksum-/i.test(name)) delete request.headers[name];
      }
      request.headers["content-md5"] = createHash("md5").update(request.body).digest("base64");
    }
    return next(args);
  };
}

/** Storages that have no such rules say so, or take the rule for broken XML as Swift does. */
function notSupported(error) {
  return (
    statusOf(error) === 501 || ["NotImplemented", "MalformedXML", "MethodNotAllowed"].includes(error.name)
  );
}

function statusOf(error) {
  return error.$metadata?.httpStatusCode;
}

function tell(line) {
  process.stdout.write(`${line}\n`);
}

function fail(what, error) {
  failed = true;
  process.stderr.write(`error: ${what}: ${reason(error)}\n`);
}

function reason(error) {
  if (statusOf(error) === 403) {
    const permission =
      settings.provider === "r2"
        ? "an API token with Admin Read & Write, for this alone; the coordinator does with Object Read & Write"
        : "s3:GetBucketCORS, s3:PutBucketCORS, s3:GetLifecycleConfiguration and s3:PutLifecycleConfiguration, " +
          "and s3:CreateBucket with --create";
    return `storage refuses the key (${error.name}). It needs ${permission}`;
  }
  if (error.code === "ECONNREFUSED" || error.code === "ENOTFOUND")
    return `${settings.endpoint} does not answer`;
  return error.message;
}
