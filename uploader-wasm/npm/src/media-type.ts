/** Longest media type that the coordinator takes. Source: `MAX_CONTENT_TYPE` of `coordinator-core`. */
const MAX_LENGTH = 255;

/** Source: RFC 9110, section 5.6.2, `token`. */
const TOKEN = "[\\w!#$%&'*+.^`|~-]+";
const ESSENCE = new RegExp(`^${TOKEN}/${TOKEN}$`);
const PARAMETER = new RegExp(`^${TOKEN}=(${TOKEN}|"[ !#-~]*")$`);

/**
 * The media type that a text means, fit for an HTTP header: extra spaces and unusable parameters are dropped. Empty where
 * it means none; the coordinator then stores `application/octet-stream`.
 */
export function mediaType(text: string): string {
  const [essence = "", ...parameters] = text
    .split(/;(?=(?:[^"]*"[^"]*")*[^"]*$)/) // not inside quotes
    .map((piece) => piece.replace(/\s+/g, " ").trim());
  if (!ESSENCE.test(essence) || essence.length > MAX_LENGTH) return "";
  const whole = [essence, ...parameters.filter((parameter) => PARAMETER.test(parameter))].join("; ");
  return whole.length > MAX_LENGTH ? essence : whole;
}
