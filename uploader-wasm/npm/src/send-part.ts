/** What `@uppy/aws-s3` version 5 wants to be sent, as it hands it to `uploadPartBytes`. */
export interface PartToSend {
  signature: {
    method?: "PUT" | "POST";
    url: string;
    headers?: Record<string, string>;
    fields?: Record<string, string>;
  };
  body: FormData | Blob;
  size?: number;
  onProgress: (event: { loaded: number; lengthComputable: boolean }) => void;
  onComplete: (etag: string) => void;
  signal?: AbortSignal;
}

/**
 * Sends one part. Unlike Uppy's own function it knows forms, and gets on where the bucket does not expose the `ETag`
 * header: the coordinator asks storage itself. Rejects with an error that has the request as its `source`, from which
 * Uppy tells whether to try again.
 */
export function sendPart({
  signature,
  body,
  size,
  onProgress,
  onComplete,
  signal,
}: PartToSend): Promise<{ ETag: string }> {
  const { method = "PUT", url, headers = {}, fields } = signature;
  const isForm = method === "POST" && body instanceof Blob;
  const total = size ?? (body instanceof Blob ? body.size : 0);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const fail = (message: string) => reject(Object.assign(new Error(message), { source: request }));
    const abort = () => request.abort();
    request.upload.onprogress = ({ loaded }) =>
      // A form is larger than what it carries.
      onProgress({ loaded: Math.min(loaded, total), lengthComputable: true });
    request.onload = () => {
      const { status, responseText } = request;
      if (status < 200 || status > 299) {
        // Uppy asks for another URL where it reads exactly this.
        return fail(
          status === 403 && /expired/i.test(responseText)
            ? "Request has expired"
            : `storage answered ${status}`,
        );
      }
      const etag = /^etag: *(.*?)\s*$/im.exec(request.getAllResponseHeaders())?.[1] ?? "";
      onProgress({ loaded: total, lengthComputable: true });
      onComplete(etag);
      resolve({ ETag: etag });
    };
    request.onerror = () => fail("storage cannot be reached");
    request.onabort = () => reject(new DOMException("the part was given up", "AbortError"));
    request.onloadend = () => signal?.removeEventListener("abort", abort);
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    signal?.addEventListener("abort", abort);
    request.send(isForm ? form(fields ?? {}, body) : body);
    if (signal?.aborted) abort();
  });
}

function form(fields: Record<string, string>, content: Blob): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.set(name, value);
  // Storage looks at nothing that comes after it.
  data.set("file", content);
  return data;
}
