import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from "node:http";
import { request as requestSecurely } from "node:https";
import { buffer } from "node:stream/consumers";
import type { DescMethod } from "@bufbuild/protobuf";
import type { FastifyInstance } from "fastify";
import { type EmbedRequest, GatewayService } from "../../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { systemClock } from "../../lib/clock.js";
import { readConfig } from "../../lib/config.js";
import { Deferred } from "../../lib/defer.js";
import { MeshError } from "../../lib/errors.js";
import type { CallInfo, Interceptor } from "../../lib/interceptors/interceptor.js";
import type { AnyHandler, Binding, CallContext } from "../../lib/rpc/call.js";
import { createOpenEntry } from "../../lib/rpc/entry.js";
import { createReadCaller } from "../../services/gateway/caller.js";
import { gatewaySchema } from "../../services/gateway/config.js";
import { openEdge } from "../../services/gateway/edge.js";

/** A call that interceptors saw end. */
export interface SeenCall extends Pick<CallInfo, "name" | "protocol"> {
  readonly status: string;
}

export interface TestEdge {
  readonly port: number;
  /** Every call so far. */
  readonly seen: readonly SeenCall[];
  close(): Promise<void>;
}

/** What the vectors of the test service are as long as. */
export const dimensions = 64;

/** The real public port, with a gateway behind it that makes vectors of nothing. */
export async function openTestEdge(
  env: NodeJS.ProcessEnv = {},
  addRoutes: (app: FastifyInstance) => void = () => {},
  beforeEmbed: (context: CallContext) => void = () => {},
): Promise<TestEdge> {
  const deferred = new Deferred();
  const seen: SeenCall[] = [];
  const see: Interceptor = ({ name, protocol }) => ({
    end: (error) => void seen.push({ name, protocol, status: error?.fault ?? "ok" }),
  });
  const gateway: Binding = {
    service: GatewayService,
    handlers: {
      ...Object.fromEntries(GatewayService.methods.map(refuse)),
      embed(request, context) {
        beforeEmbed(context);
        return embed(request);
      },
      embedStream(requests, context) {
        beforeEmbed(context);
        return embedStream(requests);
      },
    },
  };
  const config = readConfig(gatewaySchema, { PORT: "0", ...env });
  const port = await openEdge({
    host: "127.0.0.1",
    config,
    clock: systemClock,
    openEntry: createOpenEntry(systemClock, {
      unaryMsMax: 5_000,
      streamMsMax: 5_000,
      readCaller: createReadCaller(config),
    }),
    bindings: [{ binding: gateway, interceptors: [see] }],
    interceptors: [see],
    addRoutes,
    defer: deferred.defer,
  });
  return { port, seen, close: () => deferred.releaseAll() };
}

const values = Array.from({ length: dimensions }, (_, index) => index / dimensions);

const embed = (request: unknown) => {
  // The server hands each method its own kind of request.
  const { inputs } = request as EmbedRequest;
  return { model: "test", embeddings: inputs.map(() => ({ values })) };
};

async function* embedStream(requests: unknown) {
  let index = 0n;
  for await (const _ of requests as AsyncIterable<unknown>) {
    yield { index };
    index += 1n;
  }
}

function refuse({ localName }: DescMethod): [string, AnyHandler] {
  const refusal = new MeshError("unsupported", `${localName} is not in this test`);
  return [localName, () => Promise.reject(refusal)];
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One exchange over HTTP/1.1, with the headers exactly as given, which `fetch` would not allow. */
export async function exchange(
  port: number,
  path: string,
  options: {
    readonly method?: string;
    readonly headers?: OutgoingHttpHeaders;
    readonly body?: string | Uint8Array;
    /** Speak TLS, and trust this. */
    readonly tls?: { readonly ca: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
  } = {},
): Promise<Answered> {
  const { method = options.body === undefined ? "GET" : "POST", headers = {}, tls } = options;
  const common = { host: "127.0.0.1", port, path, method, headers, agent: false };
  const call = tls === undefined ? request(common) : requestSecurely({ ...common, ...tls });
  call.setTimeout(10_000, () => call.destroy(new Error("no answer")));
  const answered = new Promise<Answered>((resolve, reject) => {
    call.once("error", reject);
    call.once("response", (response) => {
      const { statusCode: status = 0, headers } = response;
      buffer(response).then((body) => resolve({ status, headers, body }), reject);
    });
  });
  call.end(options.body);
  return await answered;
}
