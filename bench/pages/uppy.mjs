import { definePage } from "./page.mjs";

/** Uppy's parts are told apart by major version alone: both pages use it alike. */
export function defineUppyPage(Uppy, AwsS3, where) {
  definePage(async ({ partSize, multipart, limit }) => async (files) => {
    const uppy = new Uppy().use(AwsS3, {
      ...where(`${location.origin}/companion`),
      limit,
      shouldUseMultipart: multipart,
      getChunkSize: () => partSize,
    });
    for (const file of files) uppy.addFile({ name: file.name, type: "application/octet-stream", data: file });
    const { successful, failed } = await uppy.upload();
    if (successful.length !== files.length) throw new Error(`${failed.length} failed: ${failed[0]?.error}`);
  });
}
