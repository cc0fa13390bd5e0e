import { useEffect, useState } from "react";
import { useChanges } from "@syncsphere/uploader/react";

/** The workspace's newest files, kept as they are by the change feed. */
export function Files({ uploader, workspace }) {
  const [start, setStart] = useState(null);
  const [reads, setReads] = useState(0);

  useEffect(() => {
    const reading = new AbortController();
    readFiles(workspace, reading.signal).then(setStart, () => {});
    return () => reading.abort();
  }, [workspace, reads]);

  return (
    <section aria-label="Workspace">
      {start ? (
        <LiveFiles
          key={start.since}
          start={start}
          uploader={uploader}
          workspace={workspace}
          onReset={() => setReads(reads + 1)}
        />
      ) : (
        <p>Loading</p>
      )}
    </section>
  );
}

/** Where the feed stands is read first, so that nothing is missed between the list and the feed. */
async function readFiles(workspace, signal) {
  const since = await workspace.newest({ signal });
  const { files } = await workspace.files({ status: ["available"], signal });
  return { since, files };
}

function LiveFiles({ start, uploader, workspace, onReset }) {
  const [files, setFiles] = useState(start.files);
  const { live, error } = useChanges(
    uploader,
    (change) => {
      if (change.type === "reset") onReset();
      else setFiles((known) => put(known, change.file));
    },
    { since: start.since },
  );
  const download = async ({ fileId }) => location.assign((await workspace.content(fileId)).url);
  return (
    <>
      <p>{error ? `The feed has ended: ${error.code}` : live ? "Live" : "Connecting"}</p>
      <ul>
        {files.map((file) => (
          <li key={file.fileId} data-file-id={file.fileId}>
            {file.name}{" "}
            <button onClick={() => download(file)} aria-label={`Download ${file.name}`}>
              Download
            </button>{" "}
            <button onClick={() => workspace.deleteFile(file.fileId)} aria-label={`Delete ${file.name}`}>
              Delete
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

function put(files, file) {
  const others = files.filter(({ fileId }) => fileId !== file.fileId);
  return file.status === "available" ? [file, ...others] : others;
}
