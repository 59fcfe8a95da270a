import type { Limit } from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import { answerOf, type MeshError } from "../errors.js";
import type { CallerFacts } from "./call.js";

/**
 * What became of a call, in one object for the whole of it, whatever becomes of its context. Who learns a fact writes it,
 * and the access log, the metrics and the headers of the answer tell it. Of a stream, numbers are sums over its messages.
 */
export interface CallRecord {
  readonly limits: LimitRecord;
  /** Who calls, as far as it is known by now; undefined where nobody asks. */
  caller: CallerFacts | undefined;
  /** The model that is meant; empty as long as none is. */
  model: string;
  /** Its version that ran; empty as long as none did. */
  version: string;
  /** Inputs that were answered. */
  inputs: number;
  /** Those that were not computed for this call: remembered, in work for another call, or twice in this one. */
  cachedInputs: number;
  /** Tokens of all inputs that were answered. */
  tokens: number;
  tokenizationMs: number;
  queueMs: number;
  computeMs: number;
  /** The status line of a plain HTTP answer. */
  httpStatus: number | undefined;
  /** Messages of a stream that were answered by an error of their own. */
  failedMessages: number;
  /** The first of these errors that is a bug. */
  bug: MeshError | undefined;
}

/** What limits said of a call so far: who decides writes it, and who answers tells it. */
export interface LimitRecord {
  /** Every limit on requests that applied, as of the latest decision. */
  requests: readonly Limit[];
  /** The same of tokens. */
  tokens: readonly Limit[];
  /** Whether a decision was made without the shared counters. */
  isDegraded: boolean;
}

/** The record of a call that begins. */
export function createCallRecord(caller?: CallerFacts): CallRecord {
  return {
    limits: { requests: [], tokens: [], isDegraded: false },
    caller,
    model: "",
    version: "",
    inputs: 0,
    cachedInputs: 0,
    tokens: 0,
    tokenizationMs: 0,
    queueMs: 0,
    computeMs: 0,
    httpStatus: undefined,
    failedMessages: 0,
    bug: undefined,
  };
}

/** For streams that go on after an error, which would leave no trace in the end of the call. */
export function recordFailure(record: CallRecord | undefined, error: MeshError): void {
  if (record === undefined) return;
  record.failedMessages += 1;
  if (error.fault === "internal") record.bug ??= error;
}

/** The status of a plain HTTP answer: what was sent, or would have been had the caller waited. */
export function httpStatusOf(
  error: MeshError | undefined,
  record: CallRecord | undefined,
): number | undefined {
  return record?.httpStatus ?? (error && answerOf[error.fault].httpStatus);
}
