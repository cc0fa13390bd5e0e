/** In base64, as S3 writes checksums: few bytes at a time. */
export function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
