// The S3 servers that uploads are tried on, each as far as it is installed here.

import { findGarage, startGarage } from "../../stack/garage.mjs";
import { hasCeph, startCeph } from "../../stack/ceph.mjs";
import { startSeaweed } from "../../stack/seaweed.mjs";

/**
 * What a suite needs to know of a server: how it is started, what it proves content by (`S3_CHECKSUM`), whether it
 * states the checksums of parts that it copies, and why it cannot be tried here, if it cannot.
 */
export const seaweed = {
  name: "SeaweedFS",
  start: startSeaweed,
  vars: { S3_CHECKSUM: "crc64nvme", S3_FORMS: "on" },
  provesCopies: true,
};

export const garage = {
  name: "Garage",
  start: startGarage,
  // It takes `If-None-Match: *`, and does not look at it.
  vars: { S3_CHECKSUM: "crc64nvme", S3_FORMS: "on", S3_CONDITIONAL_WRITES: "off" },
  // Source: the answer as Garage writes it, `CopyPartResult` in its src/api/s3/copy.rs.
  provesCopies: false,
  missing: findGarage() ? undefined : "Garage is not built: `cargo xtask test storage` builds it",
};

export const garageByName = {
  ...garage,
  name: "Garage, bucket in the host name",
  start: async () => byName(await startGarage()),
};

export const ceph = {
  name: "Ceph",
  start: startCeph,
  vars: { S3_CHECKSUM: "md5", S3_FORMS: "on" },
  missing: hasCeph()
    ? undefined
    : "Ceph is not installed: `cargo xtask test storage` installs it where apt may be used",
};

/** The same server with the bucket's name in front of its own. */
function byName(s3) {
  const { port } = new URL(s3.endpoint);
  return { ...s3, addressing: "virtual", endpoint: `http://${s3.domain}:${port}` };
}
