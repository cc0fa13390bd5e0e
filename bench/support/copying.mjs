import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListObjectsV2Command,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";

/** The longest part that a client asks for. Source: `LONGEST_COPY` of delta-core/src/plan.rs. */
const LONGEST_COPY = 64 * 2 ** 20;

/** Has storage copy its only object into the parts of an upload, all at once, and tells how long that takes. */
export async function copyByStorage({ client, bucket: Bucket }, size) {
  const { Contents } = await client.send(new ListObjectsV2Command({ Bucket }));
  const source = Contents[0].Key;
  const Key = `${source}-copy`;
  const how = { ChecksumAlgorithm: "CRC64NVME", ChecksumType: "FULL_OBJECT" };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...how }));
  const ranges = [];
  for (let start = 0; start < size; start += LONGEST_COPY)
    ranges.push(`bytes=${start}-${Math.min(start + LONGEST_COPY, size) - 1}`);
  const startedAt = performance.now();
  await Promise.all(
    ranges.map((CopySourceRange, index) =>
      client.send(
        new UploadPartCopyCommand({
          Bucket,
          Key,
          UploadId,
          PartNumber: index + 1,
          CopySource: `${Bucket}/${encodeURIComponent(source)}`,
          CopySourceRange,
        }),
      ),
    ),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
  return { seconds };
}
