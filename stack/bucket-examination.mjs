// Looks at buckets for `cargo xtask doctor`, with the key that opens them: what cannot be seen by the coordinator's URLs.
// Settings come as one line of JSON on standard input, for they hold secrets; one line of JSON for each bucket goes out.

import { randomUUID } from "node:crypto";
import { text } from "node:stream/consumers";
import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  HeadBucketCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";
import { daysUntilStale } from "./bucket-rules.mjs";

const settings = JSON.parse(await text(process.stdin));
const { accessKeyId, secretAccessKey, sessionToken } = settings;
const client = new S3Client({
  endpoint: settings.endpoint,
  region: settings.region,
  credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) },
  forcePathStyle: settings.addressing === "path",
  maxAttempts: 2,
  // Garage refuses parts without a checksum where the upload was begun with one, and a copy has none.
  requestChecksumCalculation: "WHEN_REQUIRED",
});
let lastHeaders = {};
client.middlewareStack.add(rememberHeaders, {
  step: "deserialize",
  name: "rememberHeaders",
  priority: "low",
});

// In bytes. Source: Garage 2.5.0 copies no part from a smaller object
const SMALLEST_SOURCE = 5 * 1024 * 1024;

for (const Bucket of settings.buckets) {
  process.stdout.write(`${JSON.stringify({ bucket: Bucket, ...(await seen(Bucket)) })}\n`);
}
client.destroy();

/** What is seen of a bucket; `error` alone where it does not show itself. */
async function seen(Bucket) {
  try {
    await client.send(new HeadBucketCommand({ Bucket }));
  } catch (error) {
    return { error: codeOf(error) };
  }
  const isCeph = looksLikeCeph(lastHeaders);
  const versioning = await versioningOf(Bucket);
  const objectLock = await objectLockOf(Bucket);
  const staleDays = await staleDaysOf(Bucket);
  return { versioning, objectLock, staleDays, partCopy: await partCopyIn(Bucket, isCeph, objectLock) };
}

/** After how many days storage ends multipart uploads by itself; `undefined` where it does not, or does not say. */
async function staleDaysOf(Bucket) {
  try {
    const held = await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
    return daysUntilStale(held.Rules ?? []);
  } catch {
    return undefined;
  }
}

/** `Enabled`, `Suspended` or `Off`; storage's code where it does not say. */
async function versioningOf(Bucket) {
  try {
    return (await client.send(new GetBucketVersioningCommand({ Bucket }))).Status ?? "Off";
  } catch (error) {
    return codeOf(error);
  }
}

/** `Enabled` or `Off`; storage's code where it does not say. */
async function objectLockOf(Bucket) {
  try {
    const { ObjectLockConfiguration } = await client.send(new GetObjectLockConfigurationCommand({ Bucket }));
    return ObjectLockConfiguration?.ObjectLockEnabled ?? "Off";
  } catch (error) {
    return error.name === "ObjectLockConfigurationNotFoundError" ? "Off" : codeOf(error);
  }
}

/** Whether a part can be copied from an object: `yes`, or why not. Nothing of it is left. */
async function partCopyIn(Bucket, isCeph, objectLock) {
  // A gateway of Ceph 16.2 was seen to die of one, with all that it serves.
  if (isCeph && !settings.tryPartCopy) return "not tried, for this looks like Ceph";
  if (objectLock === "Enabled") return "not tried, for Object Lock would keep what it takes";
  const Key = `${settings.prefix ? `${settings.prefix}/` : ""}syncsphere-doctor-${randomUUID()}`;
  let source, upload;
  try {
    source = await client.send(new PutObjectCommand({ Bucket, Key, Body: Buffer.alloc(SMALLEST_SOURCE) }));
    const copy = { Bucket, Key: `${Key}-copy` };
    upload = { ...copy, ...uploadIdOf(await client.send(new CreateMultipartUploadCommand(copy))) };
    const CopySource = `${Bucket}/${Key}`;
    const { CopyPartResult } = await client.send(
      new UploadPartCopyCommand({ ...upload, PartNumber: 1, CopySource }),
    );
    return CopyPartResult?.ETag ? "yes" : "answered without an ETag";
  } catch (error) {
    return codeOf(error);
  } finally {
    if (upload) await quietly(new AbortMultipartUploadCommand(upload));
    if (source) await quietly(new DeleteObjectCommand({ Bucket, Key, VersionId: source.VersionId }));
  }
}

function uploadIdOf({ UploadId }) {
  return { UploadId };
}

/**
 * Ceph's object gateway tells quotas of its own with a bucket's head, and numbers requests so; Swift numbers them likewise.
 * Seen of 16.2.15.
 */
function looksLikeCeph(headers) {
  const names = Object.keys(headers);
  return (
    names.some((name) => name.startsWith("x-rgw-")) ||
    /^tx[0-9a-f]{10,}-/.test(headers["x-amz-request-id"] ?? "")
  );
}

function rememberHeaders(next) {
  return async (args) => {
    const result = await next(args);
    lastHeaders = result.response?.headers ?? {};
    return result;
  };
}

/** Does it, or leaves it to the lifecycle rule. */
async function quietly(command) {
  try {
    await client.send(command);
  } catch {
    // What was asked is answered already.
  }
}

function codeOf(error) {
  const status = error.$metadata?.httpStatusCode;
  return [error.name === "Error" ? error.message : error.name, status].filter(Boolean).join(" ");
}
