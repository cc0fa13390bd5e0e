import { ceph } from "./servers.mjs";
import { uploadTests } from "./uploads.mjs";

uploadTests(ceph);
