import type { RequestListener, Server } from "node:http";
import {
  type FastifyInstance,
  type FastifyRequest,
  fastify,
  type RouteShorthandOptions,
} from "fastify";
import { Priority } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { assert } from "../../../lib/assert.js";
import { MeshError, toMeshError } from "../../../lib/errors.js";
import { callNameOf, headersGetter, httpFactsOf } from "../../../lib/http-calls.js";
import {
  type ActiveCall,
  beginCall,
  type CallInfo,
  type Interceptor,
} from "../../../lib/interceptors/interceptor.js";
import { nextTurn } from "../../../lib/next-turn.js";
import { tellLimits } from "../../../lib/rate-limit-headers.js";
import type { CallContext } from "../../../lib/rpc/call.js";
import { type OpenEntry, tellIds } from "../../../lib/rpc/entry.js";
import type { Admission } from "../admission.js";
import { useZodSchemas } from "../openapi/route-schemas.js";
import { rewriteToPage } from "../status/page-address.js";
import { compressAnswers, validateAnswers } from "./answers.js";
import { answerErrors, wordsOf } from "./errors.js";
import { malformed, parseJson } from "./parse-json.js";
import { unpacked } from "./unpacked.js";

declare module "fastify" {
  interface FastifyRequest {
    /** Set while a route runs under the interceptors. */
    call: ActiveCall | undefined;
    /** Why the request failed, once it has. */
    fault: MeshError | undefined;
  }
}

export interface AppOptions {
  readonly bodyBytesMax: number;
  readonly compressBytesMin: number;
  readonly interceptors: readonly Interceptor[];
  readonly openEntry: OpenEntry;
  /** Takes the listener instead of a port: the edge owns the sockets. */
  readonly createServer: (listener: RequestListener) => Server;
}

/** The HTTP+JSON side of the gateway, without routes: bodies, errors, and each request as a call of the mesh. */
export function createApp(options: AppOptions): FastifyInstance {
  const app = fastify({
    bodyLimit: options.bodyBytesMax,
    serverFactory: options.createServer,
    // The call has an id of its own, as calls of all protocols have.
    genReqId: () => "",
    routerOptions: { ignoreTrailingSlash: true },
    rewriteUrl: rewriteToPage,
    forceCloseConnections: false,
  });
  app.decorateRequest("call", undefined);
  app.decorateRequest("fault", undefined);
  answerErrors(app);
  acceptJson(app);
  useZodSchemas(app);
  validateAnswers(app);
  compressAnswers(app, options.compressBytesMin);
  addLimitHeaders(app);
  runAsCalls(app, options);
  return app;
}

/** The context of a request whose route runs under the interceptors. */
export function contextOf(request: FastifyRequest): CallContext {
  assert(request.call !== undefined, "the route is not a call");
  return request.call.context;
}

/** By the standard Priority header (RFC 9218): urgency 4 and above can wait. */
export function priorityOf({ headers }: FastifyRequest): Priority {
  const urgency = /(?:^|[,\s])u=([0-7])(?:$|[,;\s])/.exec(String(headers.priority ?? ""))?.[1];
  return Number(urgency ?? 3) > 3 ? Priority.BULK : Priority.INTERACTIVE;
}

/** For routes of work: refuses before the body is read when too much is in work. */
export function refuseEarly(admission: Admission): RouteShorthandOptions {
  return {
    onRequest(_request, _reply, done) {
      try {
        admission.requireRoom();
        done();
      } catch (overloaded) {
        done(overloaded as Error);
      }
    },
  };
}

/** Any kind of JSON, as the media type of a body. */
const jsonType = /^application\/([\w.-]+\+)?json(\s*;|$)/i;

/** The body of a request that must have one. */
export function requireJson({ body, headers }: FastifyRequest): unknown {
  // Fastify asks no parser when there is no body.
  if (body !== undefined) return body;
  if (jsonType.test(headers["content-type"] ?? "")) throw malformed("no body");
  throw new MeshError("unsupported_media_type", wordsOf.unsupported_media_type);
}

/** Any JSON media type; the bytes must be UTF-8, which JSON.parse would not notice. */
function acceptJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(jsonType, { parseAs: "buffer" }, unpacked(parseJson));
}

/** Probes and scrapes stay outside: they must be answered while the server drains, and would drown the log. */
const adminRoutes = new Set(["/health", "/ready", "/metrics"]);

function runAsCalls(app: FastifyInstance, { openEntry, interceptors }: AppOptions): void {
  app.addHook("onRequest", async (request, reply) => {
    const route = request.routeOptions.url;
    if (route === undefined || adminRoutes.has(route)) return;
    const info: CallInfo = {
      role: "gateway",
      name: callNameOf(request.method, route),
      protocol: "http",
      http: httpFactsOf(request),
      authorization: request.headers.authorization,
    };
    const entry = openEntry({
      name: info.name,
      carrier: request.raw.headers,
      getter: headersGetter,
      clientIp: request.socket.remoteAddress,
      timeoutMs: undefined,
      isStream: false,
    });
    tellIds(entry.context, (header, value) => void reply.header(header, value));
    reply.raw.once("close", () => {
      const hasLeft = !reply.raw.writableFinished;
      if (hasLeft) entry.cancel();
      entry.close();
      const { callRecord } = entry.context;
      if (callRecord !== undefined && reply.raw.headersSent) {
        callRecord.httpStatus = reply.raw.statusCode;
      }
      request.call?.end(
        request.fault ?? (hasLeft ? toMeshError(entry.context.signal.reason) : undefined),
      );
    });
    request.call = beginCall(interceptors, info, entry.context);
    await nextTurn();
  });
}

/** What limits said of a call stands in its answer, whatever it is. */
function addLimitHeaders(app: FastifyInstance): void {
  app.addHook("onSend", (request, reply, _payload, done) => {
    const record = request.call?.context.callRecord;
    tellLimits(record?.limits, (name, value) => void reply.header(name, value));
    done();
  });
}
