import "@syncsphere/uploader/element/define";
import { endpoint, token } from "./token.js";

const upload = document.querySelector("syncsphere-upload");
upload.endpoint = endpoint;
upload.token = token;
