// The lines of the cases.

/**
 * 50 ms round trip, 5 MB/s a connection, 40 MB/s in all.
 * Source: issue 3, "Bench against the peers"
 */
export const LINE = {
  storage: { roundTripMs: 50, perConnection: 5e6, total: 40e6 },
  coordinator: { roundTripMs: 50 },
};
