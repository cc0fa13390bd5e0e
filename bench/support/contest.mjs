import { settle, watchOthers } from "./machine.mjs";

/**
 * Lets contestants run by turns, in another order each round, so that what disturbs the machine disturbs all of them.
 *
 * @param {{name: string, label: string}[]} contestants
 * @param {{rounds: number, quick: boolean}} options
 * @param {(contestant: object, round: number) => Promise<{seconds: number}>} run
 * @returns {Promise<Standings>}
 */
export async function contest(contestants, { rounds, quick }, run) {
  const standings = new Standings(contestants);
  for (let round = 0; round < rounds; round++) {
    for (const index of contestants.keys()) {
      const contestant = contestants[(index + round) % contestants.length];
      if (!quick) await settle();
      const others = await watchOthers();
      const result = await run(contestant, round).catch((error) => ({ error: error.message }));
      result.othersLoad = await others();
      standings.add(contestant.name, round, result);
      const told = result.error ?? `${result.seconds.toFixed(2)} s`;
      process.stderr.write(
        `  round ${round + 1}, ${contestant.name}: ${told}, others' load ${result.othersLoad.toFixed(2)}\n`,
      );
    }
  }
  return standings;
}

class Standings {
  #results = new Map();

  constructor(contestants) {
    this.contestants = contestants;
    for (const { name } of contestants) this.#results.set(name, []);
  }

  add(name, round, result) {
    this.#results.get(name)[round] = result;
  }

  results(name) {
    return this.#results.get(name);
  }

  /** The median of a figure over the rounds that ended well; NaN where none did. */
  median(name, figure = (result) => result.seconds) {
    return median(
      this.results(name)
        .filter((result) => !result.error)
        .map(figure),
    );
  }

  /** How many times as long `name` took as `base`: the median of the ratios of each round; NaN where one always failed. */
  ratio(name, base, figure = (result) => result.seconds) {
    const bases = this.results(base);
    const ratios = this.results(name)
      .map((result, round) =>
        result.error || bases[round].error ? NaN : figure(result) / figure(bases[round]),
      )
      .filter((ratio) => !Number.isNaN(ratio));
    return median(ratios);
  }

  failures(name) {
    return this.results(name).filter((result) => result.error);
  }

  /** `1.23 (1.20 to 1.31)`, and what failed. */
  spread(name, digits = 2, figure = (result) => result.seconds) {
    const well = this.results(name)
      .filter((result) => !result.error)
      .map(figure)
      .filter(Number.isFinite);
    const failed = this.failures(name);
    const parts = [];
    if (well.length > 0) {
      const [least, most] = [Math.min(...well), Math.max(...well)].map((value) => value.toFixed(digits));
      const range = well.length > 1 ? ` (${least} to ${most})` : "";
      parts.push(`${median(well).toFixed(digits)}${range}`);
    }
    if (failed.length > 0)
      parts.push(`failed ${failed.length} of ${this.results(name).length}: ${cell(failed[0].error)}`);
    return parts.join("; ") || "–";
  }

  /** The mean of the processors that other programs kept busy. */
  othersLoad() {
    const loads = [...this.#results.values()].flat().map((result) => result.othersLoad);
    return loads.reduce((sum, load) => sum + load, 0) / loads.length;
  }

  /** For machines: every result of every round. */
  raw() {
    return Object.fromEntries(this.#results);
  }
}

export function median(values) {
  if (values.length === 0) return NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function cell(text) {
  return text
    .replaceAll("|", "/")
    .replace(/http:\S+/g, "…")
    .slice(0, 160);
}
