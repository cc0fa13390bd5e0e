import { loadavg } from "node:os";

/**
 * A case of the bench: measures, and prints what it found as one line of JSON for `cargo xtask bench`.
 *
 * `--quick` asks for one round of smaller sizes, which shows that the case works and measures nothing.
 *
 * @param {{heading: string, measure: (options: {quick: boolean, rounds: number}) => Promise<{
 *   note: string, columns: string[], rows: string[][], goals?: Goal[], othersLoad: number, raw: object
 * }>}} definition
 * @typedef {{goal: string, measured: string, met: boolean, reason?: string}} Goal `reason` says why it was missed
 */
export async function benchCase({ heading, measure }) {
  const quick = process.argv.includes("--quick");
  const startedAt = Date.now();
  try {
    const { othersLoad, ...section } = await measure({ quick, rounds: quick ? 1 : 3 });
    const load = {
      others: Number(othersLoad.toFixed(2)),
      average: Number(loadavg()[0].toFixed(2)),
      seconds: Math.round((Date.now() - startedAt) / 1000),
    };
    const line = `${JSON.stringify({ heading, quick, load, goals: [], ...section })}\n`;
    // A pipe takes a long line in several steps, and leaving would lose the rest.
    process.stdout.write(line, () => process.exit(0));
  } catch (error) {
    process.stderr.write(`error: ${error.stack}\n`);
    process.exit(1);
  }
}

/** A goal of the form "at least". */
export function atLeast(goal, value, least, shown, reason) {
  return { goal, measured: shown, met: value >= least, ...(value >= least ? {} : { reason }) };
}

/** A goal of the form "at most". */
export function atMost(goal, value, most, shown, reason) {
  return atLeast(goal, -value, -most, shown, reason);
}

export function times(ratio) {
  return Number.isNaN(ratio) ? "–" : `${ratio.toFixed(2)} ×`;
}

export function megabytesPerSecond(bytes, seconds) {
  return Number.isNaN(seconds) ? "–" : (bytes / 1e6 / seconds).toFixed(1);
}
