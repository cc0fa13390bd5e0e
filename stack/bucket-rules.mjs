// What the uploader needs of a bucket, as S3's API takes it. docs/guides says the same for people.

/**
 * @param {string[]} origins of the pages that upload
 * @param {string[]} [headers] names of those that objects are stored with (`S3_OBJECT_HEADERS`), which files in one request bring
 */
export function corsRule(origins, headers = []) {
  return {
    ID: "syncsphere-uploader",
    AllowedOrigins: origins,
    // POST for whole objects sent as forms (S3_FORMS).
    AllowedMethods: ["PUT", "POST", "GET", "HEAD"],
    AllowedHeaders: [
      "content-md5",
      "content-type",
      "if-none-match",
      "range", // of downloads: older browsers ask for it
      "x-amz-checksum-crc64nvme",
      ...headers,
    ],
    ExposeHeaders: ["Content-Range", "ETag", "x-amz-checksum-crc64nvme", "x-amz-request-id"],
    // Source: the most that Chromium honours, kMaxPreflightCacheTimeout
    MaxAgeSeconds: 7200,
  };
}

/**
 * Ends multipart uploads that nobody ended. The coordinator does so itself; this is for the day that it cannot.
 *
 * @param {number} days more than `UPLOAD_MAX_LIFETIME_SECONDS`
 */
export function abortRule(days) {
  return {
    ID: "syncsphere-abort-stale-uploads",
    Status: "Enabled",
    Filter: { Prefix: "" },
    AbortIncompleteMultipartUpload: { DaysAfterInitiation: days },
  };
}

/**
 * The bucket's CORS rules with ours among them, and whether that changes anything. Rules of others stay as they are;
 * ours comes first, since S3 takes the first that fits.
 */
export function withCorsRule(rules, origins, headers) {
  const ours = corsRule(origins, headers);
  const { ID: ourId, ...content } = ours;
  // A provider may drop the ids.
  if (rules.some(({ ID, ...rule }) => (ID === undefined || ID === ourId) && same(rule, content))) {
    return { rules, changed: false };
  }
  return { rules: [ours, ...rules.filter(({ ID }) => ID !== ourId)], changed: true };
}

/**
 * The bucket's lifecycle rules with one that ends stale uploads. `other` is such a rule that somebody else has set for
 * the whole bucket: it is left to do the work.
 */
export function withAbortRule(rules, days) {
  const ours = abortRule(days);
  const other = rules.find((rule) => rule.ID !== ours.ID && endsAllStale(rule));
  if (other) return { rules, changed: false, other };
  if (rules.some((rule) => rule.ID === ours.ID && endsAllStale(rule) && daysOf(rule) === days)) {
    return { rules, changed: false };
  }
  return { rules: [...rules.filter(({ ID }) => ID !== ours.ID), ours], changed: true };
}

/** After how many days a rule for the whole bucket ends stale uploads; `undefined` where none does. */
export function daysUntilStale(rules) {
  const days = rules.filter(endsAllStale).map(daysOf);
  return days.length > 0 ? Math.min(...days) : undefined;
}

export function daysOf(rule) {
  return rule.AbortIncompleteMultipartUpload?.DaysAfterInitiation;
}

function endsAllStale(rule) {
  const prefix = rule.Filter?.Prefix ?? rule.Prefix ?? "";
  const narrowed = Object.keys(rule.Filter ?? {}).some((key) => key !== "Prefix");
  return rule.Status === "Enabled" && prefix === "" && !narrowed && daysOf(rule) > 0;
}

/** Lists of names are sets here, and header names have no case. */
function same(one, other) {
  const plain = (rule) =>
    Object.entries(rule)
      .map(([key, value]) => [key, Array.isArray(value) ? comparable(key, value) : value])
      .toSorted(([a], [b]) => a.localeCompare(b));
  return JSON.stringify(plain(one)) === JSON.stringify(plain(other));
}

function comparable(key, names) {
  return names.map((name) => (key.endsWith("Headers") ? name.toLowerCase() : name)).toSorted();
}
