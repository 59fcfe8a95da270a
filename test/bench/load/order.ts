import type { Measurement } from "../measure.js";
import type { TextLengths } from "../texts.js";

/** What a load process is asked to do. */
export interface LoadOrder {
  /** POST /path with {"inputs": [...]}, or gRPC's Embed on the same port. */
  readonly url: string;
  readonly protocol: "http" | "grpc";
  readonly textsPerCall: number;
  readonly lengths: TextLengths;
  /** Send the same few texts again and again; undefined: every text differs. */
  readonly distinctTexts?: number;
  readonly arrivals: ClosedLoop | OpenLoop;
  /** Of these, after a warm-up of a fifth. */
  readonly seconds: number;
  readonly seed: number;
}

/** Each caller sends again as soon as it is answered. */
export interface ClosedLoop {
  readonly kind: "closed";
  readonly callers: number;
}

/** Calls come when they come (a Poisson process), whether or not earlier ones are answered. */
export interface OpenLoop {
  readonly kind: "open";
  readonly perSecond: number;
  /** A call that finds all of them busy waits for one, and its latency counts that. */
  readonly connections: number;
}

export interface LoadResult extends Measurement {
  /** Calls with an answer of any kind, warm-up included. */
  readonly answers: number;
  /** CPU of the load process while it ran, a call. */
  readonly generatorMicroseconds: number;
  /** CPU of the load process from its start to its end. */
  readonly generatorSeconds: number;
}
