/** Files from this size on may send only what changed, and are indexed for it. Source: docs/client.md; files below go as one request. */
export const MIN_DELTA_SIZE = 16 * 1024 * 1024;
