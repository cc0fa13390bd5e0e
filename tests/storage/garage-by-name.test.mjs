import { pageTests } from "./pages.mjs";
import { garageByName } from "./servers.mjs";
import { useServer } from "./support.mjs";
import { uploadTests } from "./uploads.mjs";

const storage = useServer(garageByName);
uploadTests(storage);
pageTests(storage);
