import { garageByName } from "./servers.mjs";
import { uploadTests } from "./uploads.mjs";

uploadTests(garageByName);
