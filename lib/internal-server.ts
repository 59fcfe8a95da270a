import { createServer } from "node:http";
import { type FastifyInstance, fastify } from "fastify";
import type { Registry } from "prom-client";
import { addAdminRoutes } from "./admin-routes.js";
import type { Clock } from "./clock.js";
import type { Release } from "./defer.js";
import type { Interceptor } from "./interceptors/interceptor.js";
import { acceptHttp1, listenOnOnePort } from "./one-port.js";
import type { Binding } from "./rpc/call.js";
import type { OpenEntry } from "./rpc/entry.js";
import { createGrpcServer } from "./rpc/grpc-server.js";

/** Running calls have ended before the server closes; what is left is being written. */
const flushMsMax = 2_000;
/** Callers come back to a new connection at least so often, and find new replicas then. */
const connectionAgeMsMax = 5 * 60_000;

/** One port of a role that only the mesh calls: gRPC by grpc-js, and HTTP/1.1 for probes and scrapes. */
export async function openInternalServer(options: {
  readonly role: string;
  readonly host: string;
  readonly port: number;
  readonly messageBytesMax: number;
  readonly clock: Clock;
  readonly openEntry: OpenEntry;
  readonly bindings: readonly {
    readonly binding: Binding;
    readonly interceptors: readonly Interceptor[];
  }[];
  readonly isReady: () => Promise<boolean>;
  /** Aborted when the process drains, which then takes at most `shutdownMsMax`. */
  readonly draining: AbortSignal;
  readonly shutdownMsMax: number;
  readonly registry: Registry;
  /** What the role says of itself on `/status`. */
  readonly status?: () => Promise<object>;
  /** What else it answers over HTTP. */
  readonly addRoutes?: (app: FastifyInstance) => Promise<void> | undefined;
  readonly defer: (release: Release) => void;
}): Promise<number> {
  const { host, port, defer } = options;
  const http1 = createServer();
  const app = fastify({
    serverFactory: (listener) => {
      http1.on("request", listener);
      return http1;
    },
  });
  addAdminRoutes(app, options);
  await options.addRoutes?.(app);
  await app.ready();
  const grpc = createGrpcServer({ ...options, connectionAgeMsMax });

  const bound = await listenOnOnePort(
    {
      host,
      port,
      http1: acceptHttp1(http1),
      http2: grpc,
      until: options.draining,
      registry: options.registry,
    },
    defer,
  );
  // Callers that stay connected would go on choosing this server, and run out of retries.
  options.draining.addEventListener("abort", () => grpc.goAway(options.shutdownMsMax));
  defer(async () => {
    http1.closeAllConnections();
    await app.close();
    await grpc.close(flushMsMax);
  });
  return bound;
}
