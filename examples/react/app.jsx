import { useState } from "react";
import { Uploader } from "@syncsphere/uploader";
import { Workspace } from "@syncsphere/uploader/files";
import { Files } from "./files.jsx";
import { endpoint, token } from "./token.js";
import { Uploads } from "./uploads.jsx";

// One for the page, outside of components: renders come and go.
const uploader = new Uploader({ endpoint, token });
const workspace = new Workspace({ endpoint, token });

export function App() {
  const [isListed, setListed] = useState(true);
  return (
    <>
      <h1>Files</h1>
      <Uploads uploader={uploader} />
      <label>
        <input type="checkbox" checked={isListed} onChange={() => setListed(!isListed)} /> Show the workspace
      </label>
      {isListed && <Files uploader={uploader} workspace={workspace} />}
    </>
  );
}
