import type {
  DescMessage,
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Span } from "../tracing/span.js";
import type { CallRecord } from "./call-record.js";
import type { CallSignal } from "./call-signal.js";

/** What travels with a request through every service, whatever carried it here. */
export interface CallContext {
  /** Aborted when the caller left or the deadline passed; its reason is a MeshError. */
  readonly signal: CallSignal;
  /** When the answer is no longer wanted, in `Clock.nowMs`. */
  readonly deadlineAtMs: number;
  /** Where the call stands in its trace: spans that it begins become children of this one. */
  readonly trace: Span;
  /** Names the request in logs, errors and answers. */
  readonly requestId: string;
  /** Address of the caller: whoever opened the connection, or whom a trusted proxy names. */
  readonly clientIp: string;
  /** Who calls, at the edge. */
  readonly caller?: CallerFacts | undefined;
  /** What became of the call so far; work that belongs to no call has none. */
  readonly callRecord?: CallRecord | undefined;
  /** Where a handler at the edge says more than its message: headers of the answer, initial metadata in gRPC. */
  readonly answerHeaders?: Headers | undefined;
}

/**
 * The same call, further down in its trace. Every request comes here several times, and contexts of several shapes: spreading
 * them takes V8 ten times as long as naming their fields, which the type makes complete.
 */
export function withTrace(context: CallContext, trace: Span): CallContext {
  const { signal, deadlineAtMs, requestId, clientIp, caller, callRecord, answerHeaders } = context;
  const moved: { readonly [K in keyof Required<CallContext>]: CallContext[K] } = {
    signal,
    deadlineAtMs,
    trace,
    requestId,
    clientIp,
    caller,
    callRecord,
    answerHeaders,
  };
  return moved;
}

/** Who calls, besides the address. What is empty is not known. */
export interface CallerFacts {
  /** Names the key that was shown; it is not the key. */
  readonly apiKey: string;
  readonly tier: string;
  /** Whom the call is made for, by the caller's own word. */
  readonly user: string;
  /** Name of the call, as in the access log. */
  readonly route: string;
}

/** How a service answers one method; `(request, context) => response`, with streams as async iterables. */
export type Handler<M extends DescMethod> =
  M extends DescMethodUnary<infer I, infer O>
    ? (
        request: MessageShape<I>,
        context: CallContext,
      ) => Promise<MessageInitShape<O>> | MessageInitShape<O>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>, context: CallContext) => AsyncIterable<MessageInitShape<O>>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (
            requests: AsyncIterable<MessageShape<I>>,
            context: CallContext,
          ) => Promise<MessageInitShape<O>>
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? (
              requests: AsyncIterable<MessageShape<I>>,
              context: CallContext,
            ) => AsyncIterable<MessageInitShape<O>>
          : never;

export type Handlers<S extends DescService> = {
  readonly [K in keyof S["method"]]: Handler<S["method"][K]>;
};

/** A contract and who answers it. Servers take these and know no service by name. */
export interface Binding {
  readonly service: DescService;
  /** By `DescMethod.localName`; `bind` has checked them against the contract. */
  readonly handlers: Readonly<Record<string, AnyHandler>>;
}

/** A handler after `bind`: servers pass messages through without knowing their types. */
export type AnyHandler = (request: unknown, context: CallContext) => unknown;

/** Pairs a contract with handlers of exactly its types. */
export function bind<S extends DescService>(service: S, handlers: Handlers<S>): Binding {
  // The mapped type above is stricter than the record that servers index by name.
  return { service, handlers: handlers as unknown as Readonly<Record<string, AnyHandler>> };
}

/** Methods of a service as functions, unary ones and those that stream both ways; the wire, if there is one, is behind them. */
export type Client<S extends DescService> = {
  readonly [K in keyof S["method"] as S["method"][K] extends
    | DescMethodUnary
    | DescMethodBiDiStreaming
    ? K
    : never]: S["method"][K] extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, context: CallContext) => Promise<MessageShape<O>>
    : S["method"][K] extends DescMethodBiDiStreaming<infer I, infer O>
      ? (
          requests: AsyncIterable<MessageInitShape<I>>,
          context: CallContext,
        ) => AsyncIterable<MessageShape<O>>
      : never;
};

/** One method of a client, before `createClient` gives it its types. */
export type UnaryCall = (
  request: MessageInitShape<DescMessage>,
  context: CallContext,
) => Promise<MessageShape<DescMessage>>;

export type BidiCall = (
  requests: AsyncIterable<MessageInitShape<DescMessage>>,
  context: CallContext,
) => AsyncIterable<MessageShape<DescMessage>>;

/** A client that makes each call with what is returned for its method here. */
export function createClient<S extends DescService>(
  service: S,
  callOf: {
    readonly unary: (method: DescMethod) => UnaryCall;
    readonly bidi: (method: DescMethod) => BidiCall;
  },
): Client<S> {
  const calls = service.methods.flatMap((method): [string, UnaryCall | BidiCall][] => {
    if (method.methodKind === "unary") return [[method.localName, callOf.unary(method)]];
    if (method.methodKind === "bidi_streaming") return [[method.localName, callOf.bidi(method)]];
    return [];
  });
  // One function for each method of these kinds, which is what Client<S> says.
  return Object.fromEntries(calls) as Client<S>;
}

/** How a caller gets to a service, wherever it runs. */
export interface Channel {
  client<S extends DescService>(service: S): Client<S>;
}

/** `package.Service/Method`, as OpenTelemetry's `rpc.method` wants it. */
export function fullName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

export function isStream(method: DescMethod): boolean {
  return method.methodKind !== "unary";
}
