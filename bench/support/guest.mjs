/** The most that one request opens. */
export const FILES_PER_REQUEST = 100;

/** A guest of a workspace who opens uploads, `count` in one request. */
export async function guest(url, workspace) {
  const token = await fetch(`${url}/v1/auth/token`, {
    method: "POST",
    body: new URLSearchParams({ grant_type: "urn:syncsphere:guest", workspace }),
  });
  const { access_token } = await token.json();
  return {
    workspace,
    async open(count) {
      const files = Array.from({ length: count }, (_, index) => ({
        clientRef: `${index}`,
        name: `file ${index}.bin`,
        size: 1,
        parts: [],
      }));
      const reply = await fetch(`${url}/v1/uploads`, {
        method: "POST",
        headers: { authorization: `Bearer ${access_token}` },
        body: JSON.stringify({ files }),
      });
      if (!reply.ok) throw new Error(`${reply.status} ${await reply.text()}`);
    },
  };
}
