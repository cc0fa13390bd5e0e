import { seaweed } from "./servers.mjs";
import { uploadTests } from "./uploads.mjs";

uploadTests(seaweed);
