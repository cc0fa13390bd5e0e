/** STUB until helper C's is merged. */
import type { UploaderOptions } from "../types.js";
export interface ContentIndex {
  packed: Uint8Array<ArrayBuffer>;
  content: string;
  size: number;
  crc64nvme: string;
}
export interface Cutting {
  kind: "content" | "grid";
  level: number;
}
export interface Segment {
  offset: number;
  length: number;
  crc64nvme: string;
  from?: number;
}
export class ContentHasher {
  constructor(_options: UploaderOptions) {}
  index(
    _file: Blob,
    _cutting: Cutting | undefined,
    _watch: { signal?: AbortSignal; onProgress?: (bytes: number) => void },
  ): Promise<ContentIndex> {
    throw new Error("stub");
  }
  cuttingOf(_packed: Uint8Array): Cutting {
    throw new Error("stub");
  }
  plan(_base: Uint8Array, _next: Uint8Array): Promise<Segment[]> {
    throw new Error("stub");
  }
  end(): void {}
}
