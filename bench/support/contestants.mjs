// Who takes part, each at the best settings that we found for it. Part sizes of 8, 16 and 32 MiB were tried for
// everyone who can choose; `limit` above 6 and more files at once were tried where many small files are sent.

const MIB = 2 ** 20;

export const ours = {
  name: "ours",
  label: "SyncSphere (checksums on, the default)",
  page: "ours",
  settings: { integrity: "crc64nvme" },
};

export const oursUnchecked = {
  name: "oursUnchecked",
  label: 'SyncSphere (`integrity: "none"`)',
  page: "ours",
  settings: { integrity: "none" },
};

/** Ours where storage has two addresses (`S3_PUBLIC_ENDPOINT`): a browser keeps six connections to each. */
export const oursByTwoNames = {
  name: "oursByTwoNames",
  label: "SyncSphere, storage under two names",
  page: "ours",
  settings: { integrity: "crc64nvme", twoNames: true },
};

/** Ours where a person took a second to choose a file, in which the workers have started. */
export const oursRested = {
  name: "oursRested",
  label: "SyncSphere, a second after the page made its uploader",
  page: "ours",
  settings: { integrity: "crc64nvme", restMs: 1000 },
};

/** Ours where the page has uploaded something before. */
export const oursAgain = {
  name: "oursAgain",
  label: "SyncSphere, a later upload of the same page",
  page: "ours",
  settings: { integrity: "crc64nvme", warmUpBytes: 1 },
};

/** The contestants that send one large file in parts, by name. */
export const bigFilePeers = {
  floor: {
    label: "floor: 6 XHRs over slices of 16 MiB, all URLs known, no checks, no retries",
    settings: { partSize: 16 * MIB },
  },
  uppy5: {
    label: "Uppy aws-s3 5.1.0 + Companion 6.2.2 (16 MiB parts, limit 6)",
    settings: { multipart: true, partSize: 16 * MIB, limit: 6 },
  },
  uppy6: {
    label: "Uppy aws-s3 6.3.1 + Companion 6.2.2 (16 MiB parts, limit 6)",
    settings: { multipart: true, partSize: 16 * MIB, limit: 6 },
  },
  "lib-storage": {
    label: "AWS lib-storage 3.1173.0 (8 MiB parts, queueSize 6)",
    settings: { partSize: 8 * MIB, filesAtOnce: 1 },
  },
  "better-upload": {
    label: "Better Upload 3.0.19 (16 MiB parts, all at once, 3 retries)",
    settings: { route: "parts16" },
  },
};

/** The contestants that send many small files, each with one request. */
export const smallFilePeers = {
  floor: {
    label: "floor: all URLs by one call, 6 XHRs",
    settings: { partSize: 16 * MIB },
  },
  uppy5: {
    label: "Uppy aws-s3 5.1.0 + Companion 6.2.2 (one request a file, limit 20)",
    settings: { multipart: false, limit: 20 },
  },
  uppy6: {
    label: "Uppy aws-s3 6.3.1 + Companion 6.2.2 (one request a file, limit 20)",
    settings: { multipart: false, limit: 20 },
  },
  "uppy5, default limit": {
    label: "Uppy aws-s3 5.1.0 at its default limit of 6",
    page: "uppy5",
    settings: { multipart: false, limit: 6 },
  },
  "uppy6, default limit": {
    label: "Uppy aws-s3 6.3.1 at its default limit of 6",
    page: "uppy6",
    settings: { multipart: false, limit: 6 },
  },
  "lib-storage": {
    label: "AWS lib-storage 3.1173.0 (6 files at once)",
    settings: { partSize: 8 * MIB, filesAtOnce: 6 },
  },
  "better-upload": {
    label: "Better Upload 3.0.19 (one call, all at once)",
    settings: { route: "small" },
  },
};

/** Those of a table above, all or by name, ready to be run. */
export function select(table, names = Object.keys(table)) {
  return names.map((name) => ({ name, page: name, ...table[name] }));
}
