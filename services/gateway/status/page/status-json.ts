import type { Message } from "@bufbuild/protobuf";
import type { GetStatusResponse } from "../../../../gen/arrowmesh/status/v1/status_pb.js";

/** What `GET /status` answers: the contract's message as its JSON has it. */
export type StatusJson = Json<GetStatusResponse>;
export type ProcessJson = StatusJson["processes"][number];
export type CallJson = ProcessJson["calls"][number];
export type ModelJson = ProcessJson["models"][number];
export type HistogramJson = { readonly [K in keyof Buckets]: Json<Buckets[K]> };

type Buckets = Omit<NonNullable<CallStatusSeconds>, keyof Message>;
type CallStatusSeconds = GetStatusResponse["processes"][number]["calls"][number]["seconds"];

/** Enums stand there by name; this contract has one, the state of a breaker. */
export type BreakerStateJson =
  | "BREAKER_STATE_UNSPECIFIED"
  | "BREAKER_STATE_CLOSED"
  | "BREAKER_STATE_HALF_OPEN"
  | "BREAKER_STATE_OPEN";

type Json<T> = T extends readonly (infer E)[]
  ? readonly Json<E>[]
  : T extends Message
    ? {
        readonly [K in keyof T as K extends keyof Message ? never : K]: K extends "state"
          ? BreakerStateJson
          : Json<T[K]>;
      }
    : T;
