/** `@syncsphere/uploader/element/define`: makes `<syncsphere-upload>` known to the page by being imported. */
import { defineUploadElement } from "./index.js";

export * from "./index.js";

defineUploadElement();
