// The thread of peers.mjs: the peers' servers and pages on one origin.

import { Agent, createServer } from "node:http";
import { createConnection } from "node:net";
import { randomUUID } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { route } from "@better-upload/server";
import { toNodeHandler } from "@better-upload/server/adapters/node";
import { custom } from "@better-upload/server/clients";
import * as companion from "@uppy/companion";
import express from "express";
import session from "express-session";

const { s3, pages, folder } = workerData;

// URLs are signed for the address that browsers use, while servers reach storage without the shaped line, as a
// coordinator in a data centre would.
const agent = new Agent({ keepAlive: true });
agent.createConnection = (options, done) =>
  createConnection({ host: "127.0.0.1", port: Number(new URL(s3.endpoint).port), noDelay: true }, done);

const client = new S3Client({
  endpoint: s3.publicEndpoint,
  region: s3.region,
  credentials: { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey },
  forcePathStyle: true,
  requestChecksumCalculation: "WHEN_REQUIRED",
  requestHandler: { httpAgent: agent },
});

const app = express();
app.disable("x-powered-by");
app.use(express.static(pages));
app.get("/sleep", (request, response) => {
  response.set("access-control-allow-origin", "*");
  setTimeout(() => response.end(), Number(request.query.ms));
});
app.use("/floor", floor());
app.use("/companion", uppyCompanion());
app.all("/better-upload", betterUpload());

const server = createServer({ keepAliveTimeout: 60_000, noDelay: true }, app);
const started = () => parentPort.postMessage({ port: server.address().port });
server.listen(0, "127.0.0.1", started);

function floor() {
  const router = express.Router();
  router.use(express.json({ limit: "10mb" }));
  router.post("/begin", async (request, response) => {
    const { sizes, partSize } = request.body;
    response.json(await Promise.all(sizes.map((size) => begin(size, partSize))));
  });
  router.post("/complete", async (request, response) => {
    await Promise.all(request.body.uploads.map(complete));
    response.json({});
  });
  return router;
}

async function begin(size, partSize) {
  const target = { Bucket: s3.bucket, Key: `floor/${randomUUID()}` };
  if (size <= partSize) {
    return { key: target.Key, urls: [await getSignedUrl(client, new PutObjectCommand(target), SIGNED_FOR)] };
  }
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(target));
  const numbers = Array.from({ length: Math.ceil(size / partSize) }, (_, index) => index + 1);
  const urls = await Promise.all(
    numbers.map((PartNumber) =>
      getSignedUrl(client, new UploadPartCommand({ ...target, UploadId, PartNumber }), SIGNED_FOR),
    ),
  );
  return { key: target.Key, uploadId: UploadId, urls };
}

async function complete({ key, uploadId, etags }) {
  if (!uploadId) return;
  const Parts = etags.map((ETag, index) => ({ ETag, PartNumber: index + 1 }));
  await client.send(
    new CompleteMultipartUploadCommand({
      Bucket: s3.bucket,
      Key: key,
      UploadId: uploadId,
      MultipartUpload: { Parts },
    }),
  );
}

const SIGNED_FOR = { expiresIn: 3600 };

function uppyCompanion() {
  const router = express.Router();
  router.use(session({ secret: randomUUID(), resave: true, saveUninitialized: true }));
  const { app: companionApp } = companion.app({
    secret: randomUUID(),
    filePath: folder,
    server: { host: "localhost", protocol: "http", path: "/companion" },
    corsOrigins: true,
    uploadUrls: [/.*/],
    metrics: false,
    s3: {
      key: s3.accessKeyId,
      secret: s3.secretAccessKey,
      bucket: s3.bucket,
      region: s3.region,
      endpoint: s3.publicEndpoint,
      forcePathStyle: true,
      expires: 3600,
      getKey: () => `uppy/${randomUUID()}`,
      awsClientOptions: { requestHandler: { httpAgent: agent } },
    },
  });
  router.use(companionApp);
  return router;
}

function betterUpload() {
  const { host } = new URL(s3.publicEndpoint);
  const { accessKeyId, secretAccessKey, region } = s3;
  const settings = { multipleFiles: true, maxFiles: 1000, maxFileSize: 2 ** 40 };
  const multipart = (mib) => route({ ...settings, multipart: true, partSize: mib * 2 ** 20 });
  const router = {
    client: custom({ host, accessKeyId, secretAccessKey, region, forcePathStyle: true, secure: false }),
    bucketName: s3.bucket,
    routes: {
      small: route({ ...settings, signedUrlExpiresIn: 3600 }),
      parts8: multipart(8),
      parts16: multipart(16),
      parts32: multipart(32),
    },
  };
  return toNodeHandler(router);
}
