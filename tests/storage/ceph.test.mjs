import { doctorTests } from "./doctor.mjs";
import { encryptionTests } from "./encrypted.mjs";
import { pageTests } from "./pages.mjs";
import { ceph } from "./servers.mjs";
import { storedTests } from "./stored.mjs";
import { useServer } from "./support.mjs";
import { uploadTests } from "./uploads.mjs";
import { versionTests } from "./versions.mjs";

const storage = useServer(ceph);
uploadTests(storage);
storedTests(storage);
doctorTests(
  storage,
  /^uploads: UploadPartCopy: not tried, for this looks like Ceph; versioning: Off; Object Lock: Off$/,
);
encryptionTests(storage);
pageTests(storage);
versionTests(storage);
