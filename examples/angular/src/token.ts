/** Set by `ng build --define ENDPOINT="'https://files.example.com'"`. */
declare const ENDPOINT: string;

/** Where the coordinator is; the page's own origin unless the build is told otherwise. */
export const endpoint = ENDPOINT || location.origin;

/** A guest's token. A real page gets its user's from its own backend. */
export async function token(): Promise<string> {
  const body = new URLSearchParams({ grant_type: "urn:syncsphere:guest", workspace: "examples" });
  const reply = await fetch(`${endpoint}/v1/auth/token`, { method: "POST", body });
  if (!reply.ok) throw new Error("no token was granted");
  return (await reply.json()).access_token;
}
