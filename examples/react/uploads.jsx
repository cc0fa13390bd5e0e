import { useUpload } from "@syncsphere/uploader/react";

export function Uploads({ uploader }) {
  const { uploads, progress, uploadAll, forget } = useUpload(uploader);
  const pick = ({ target }) => {
    uploadAll(target.files);
    target.value = "";
  };
  return (
    <section aria-label="Uploads">
      <input type="file" multiple aria-label="Files to upload" onChange={pick} />
      <ul>
        {uploads.map((upload) => (
          <li key={upload.id} data-state={upload.state}>
            {upload.name}: {upload.state} {upload.error?.code}
            <progress
              aria-label={upload.name}
              value={upload.progress.loaded}
              max={upload.progress.total || 1}
            />
            <Buttons upload={upload} forget={forget} />
          </li>
        ))}
      </ul>
      <p>
        {progress.loaded} of {progress.total} bytes
      </p>
    </section>
  );
}

function Buttons({ upload: { state, task, file, error }, forget }) {
  if (file || error) return <button onClick={() => forget(task)}>Clear</button>;
  return (
    <>
      {state === "paused" ? (
        <button onClick={() => task.resume()}>Resume</button>
      ) : (
        <button onClick={() => task.pause()}>Pause</button>
      )}
      <button onClick={() => task.abort()}>Cancel</button>
    </>
  );
}
