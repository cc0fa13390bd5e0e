import "@uppy/core/css/style.min.css";
import "@uppy/dashboard/css/style.min.css";

import Uppy from "@uppy/core";
import Dashboard from "@uppy/dashboard";
import { SyncSphere } from "@syncsphere/uploader/uppy";
import { endpoint, token } from "./token.js";

const uppy = new Uppy()
  .use(Dashboard, { inline: true, target: "main" })
  .use(SyncSphere, { endpoint, token, path: "inbox" });

uppy.on("upload-success", (file, { body }) => {
  document.querySelector("output").textContent = `${file.name} is file ${body.fileId}`;
});
