/**
 * A name for this machine that no browser trusts, so that pages from there have no secure context.
 *
 * Source: RFC 6761, section 6.2: nobody else answers for `.test`.
 */
export const UNTRUSTED_HOST = "uploads.test";
