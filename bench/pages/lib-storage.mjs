import { S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { definePage } from "./page.mjs";

// It signs in the page, so it gets credentials, and has no coordinator to ask.
definePage(async ({ s3, partSize, filesAtOnce }) => {
  const client = new S3Client({
    endpoint: s3.publicEndpoint,
    region: s3.region,
    credentials: { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey },
    forcePathStyle: true,
    requestChecksumCalculation: "WHEN_REQUIRED",
  });
  return async (files) => {
    const waiting = [...files];
    const lane = async () => {
      for (let file = waiting.shift(); file; file = waiting.shift()) {
        const params = { Bucket: s3.bucket, Key: `lib-storage/${crypto.randomUUID()}`, Body: file };
        await new Upload({ client, params, queueSize: 6, partSize }).done();
      }
    };
    await Promise.all(Array.from({ length: filesAtOnce }, lane));
  };
});
