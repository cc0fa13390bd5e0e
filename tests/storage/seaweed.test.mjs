import { doctorTests } from "./doctor.mjs";
import { pageTests } from "./pages.mjs";
import { seaweed } from "./servers.mjs";
import { storedTests } from "./stored.mjs";
import { useServer } from "./support.mjs";
import { uploadTests } from "./uploads.mjs";
import { versionTests } from "./versions.mjs";

const storage = useServer(seaweed);
uploadTests(storage);
storedTests(storage);
doctorTests(storage, /^uploads: UploadPartCopy: yes; versioning: Off; Object Lock: Off$/);
pageTests(storage);
versionTests(storage);
