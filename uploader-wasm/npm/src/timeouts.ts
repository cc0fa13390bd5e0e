/** How long the coordinator's answers are waited for, by workers and by pages. */

/**
 * Longest wait for most answers, in ms.
 *
 * Source: own choice; initiating 100 files makes the coordinator call storage 100 times.
 */
export const REQUEST_TIMEOUT = 60_000;

/**
 * Longest wait for the answer to Complete, in ms.
 *
 * Source: assembling many parts "can take several minutes",
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
 */
export const COMPLETE_TIMEOUT = 300_000;
