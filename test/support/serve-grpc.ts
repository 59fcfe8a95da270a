import { createServer } from "node:http";
import { systemClock } from "../../lib/clock.js";
import type { Release } from "../../lib/defer.js";
import type { Interceptor } from "../../lib/interceptors/interceptor.js";
import { acceptHttp1, listenOnOnePort } from "../../lib/one-port.js";
import type { Binding } from "../../lib/rpc/call.js";
import { createOpenEntry } from "../../lib/rpc/entry.js";
import { createGrpcServer } from "../../lib/rpc/grpc-server.js";
import { noTracing, type Tracing } from "../../lib/tracing/tracing.js";

export const messageBytesMax = 100_000;

/** Serves a binding on a free port of this machine until it is released. */
export async function serveGrpc(
  binding: Binding,
  defer: (release: Release) => void,
  over: { readonly tracing?: Tracing; readonly interceptors?: readonly Interceptor[] } = {},
): Promise<number> {
  const { tracing = noTracing, interceptors = [] } = over;
  const openEntry = createOpenEntry(systemClock, {
    unaryMsMax: 10_000,
    streamMsMax: 10_000,
    tracing,
  });
  const grpc = createGrpcServer({
    role: "test",
    bindings: [{ binding, interceptors }],
    openEntry,
    clock: systemClock,
    messageBytesMax,
    connectionAgeMsMax: 60_000,
  });
  const http1 = acceptHttp1(createServer());
  const port = await listenOnOnePort({ host: "127.0.0.1", port: 0, http1, http2: grpc }, defer);
  defer(() => grpc.close(100));
  return port;
}
