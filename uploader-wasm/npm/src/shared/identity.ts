import { bytesOfBase64 } from "../base64.js";

/** What is new in each token of the same person. Source: RFC 7519, section 4.1 */
const CHANGING = ["exp", "nbf", "iat", "jti"];

/**
 * Whom a token stands for and what it allows, as text that is the same for each of a person's tokens: uploads are shared
 * where it is. Of what is no JWT, the token itself. Nothing is verified: the coordinator does that, and what a page says of
 * itself harms nobody else.
 */
export function identityOf(token: string): string {
  try {
    const payload = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    const bytes = bytesOfBase64(payload);
    const claims = Object.entries(JSON.parse(new TextDecoder().decode(bytes)) as object);
    return JSON.stringify(claims.filter(([name]) => !CHANGING.includes(name)).sort());
  } catch {
    return token;
  }
}
