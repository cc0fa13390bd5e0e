import type { WorkspaceOptions } from "../types.js";
import type { DescriptionOptions } from "./file-description.js";

/** Which coordinator Uppy's own uploader is to ask, with whose token, and what of its files is to be kept. */
export type UppyClient = WorkspaceOptions &
  DescriptionOptions & {
    /** Size of each part in bytes, 5 MiB to 5 GiB. Default: 16 to 64 MiB, by the file's size. */
    partSize?: number;
  };
