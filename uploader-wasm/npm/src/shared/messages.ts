/** What a page and the worker that pages share say to each other, besides what every conductor hears and says. */
import type { ConductorOptions, FromConductor, ToConductor } from "../messages.js";

/** A change of what pages and worker say to each other gets another number, so that the two are never of different kinds. */
export const PROTOCOL = 1;

export type ToShared =
  | ToConductor
  /** The first message of a page. */
  | {
      type: "hello";
      protocol: number;
      options: ConductorOptions;
      /** One of the page's tokens: pages of different people share nothing. */
      token: string;
      wasmUrl: string;
    }
  /** The page goes. */
  | { type: "leave" };

export type FromShared =
  | FromConductor
  /** Answers `hello`: the page's messages are taken from now on. */
  | { type: "welcome" }
  /** Answers `hello`: the page has to do with workers of its own, for this reason. */
  | { type: "refused"; reason: string }
  /** The worker has crashed, or wants no more of this page. */
  | { type: "crashed"; message: string };
