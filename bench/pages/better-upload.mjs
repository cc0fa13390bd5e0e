import { uploadFiles } from "@better-upload/client";
import { definePage } from "./page.mjs";

definePage(async ({ route }) => async (files) => {
  const { failedFiles } = await uploadFiles({
    api: "/better-upload",
    route,
    files,
    retry: 3,
    retryDelay: 500,
  });
  if (failedFiles.length > 0)
    throw new Error(`${failedFiles.length} failed: ${failedFiles[0].error?.message}`);
});
