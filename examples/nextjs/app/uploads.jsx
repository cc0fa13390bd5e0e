"use client";

import { Uploader } from "@syncsphere/uploader";
import { useUpload } from "@syncsphere/uploader/react";
import { endpoint, token } from "./token.js";

// One for the page, outside of components. Where the server renders, it starts nothing.
const uploader = new Uploader({ endpoint, token });

export function Uploads() {
  const { uploads, uploadAll } = useUpload(uploader);
  return (
    <>
      <input
        type="file"
        multiple
        aria-label="Files to upload"
        onChange={({ target }) => uploadAll(target.files)}
      />
      <ul>
        {uploads.map(({ id, name, state, file, error }) => (
          <li key={id}>
            {name}: {error?.message ?? state} {file?.checksum.crc64nvme}
          </li>
        ))}
      </ul>
    </>
  );
}
