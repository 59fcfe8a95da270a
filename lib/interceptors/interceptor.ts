import { type MeshError, toMeshError } from "../errors.js";
import type { CallContext } from "../rpc/call.js";

/** What is known of a call before its handler runs. */
export interface CallInfo {
  /** The service that answers: gateway, tokenizer, inference or ratelimit. */
  readonly role: string;
  /** `package.Service/Method`, or `POST /embed` for a plain HTTP route. */
  readonly name: string;
  readonly protocol: "grpc" | "grpc-web" | "connect" | "http" | "local";
  /** Of plain HTTP: what the route does not say. */
  readonly http?: HttpFacts;
  /** The header of this name, for calls that came in over HTTP. It is a secret: never print it. */
  readonly authorization?: string | undefined;
}

export interface HttpFacts {
  readonly scheme: string;
  /** Without the query, which may hold anything. */
  readonly path: string;
  readonly userAgent: string | undefined;
}

/** What an interceptor does to one call. */
export interface Interception {
  /** Replaces the context for the handler and the interceptors after this one. */
  readonly context?: CallContext;
  /** Runs once, when the last message left or the call failed. */
  end?(error: MeshError | undefined): void;
}

/** Sees each call begin and end, whatever its kind and transport. It may refuse a call by throwing. */
export type Interceptor = (info: CallInfo, context: CallContext) => Interception | undefined;

/** A call between its begin and its end. */
export interface ActiveCall {
  readonly context: CallContext;
  /** Tells every interceptor, innermost first; later calls do nothing. */
  end(error?: MeshError): void;
}

/** Lets each interceptor see the call begin, first one outermost. */
export function beginCall(
  interceptors: readonly Interceptor[],
  info: CallInfo,
  context: CallContext,
): ActiveCall {
  const started: Interception[] = [];
  let isEnded = false;
  let current = context;
  const end = (error?: MeshError): void => {
    if (isEnded) return;
    isEnded = true;
    for (const interception of started.reverse()) interception.end?.(error);
  };
  try {
    for (const interceptor of interceptors) {
      const interception = interceptor(info, current);
      if (interception === undefined) continue;
      started.push(interception);
      current = interception.context ?? current;
    }
  } catch (thrown) {
    const error = toMeshError(thrown);
    end(error);
    throw error;
  }
  return { context: current, end };
}
