import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { GRPCInferenceService } from "../../../gen/inference/grpc_service_pb.js";
import { MeshError } from "../../../lib/errors.js";
import { unsupported } from "../../../lib/oip/refusal.js";
import type { AnyHandler, Binding, Client } from "../../../lib/rpc/call.js";
import { untilAborted } from "../../../lib/rpc/dispatch.js";
import { createLocalChannel } from "../../../lib/rpc/local-channel.js";
import type { GatewayConfig } from "../config.js";
import { createOriginCheck } from "../cors.js";
import { contextOf } from "../http/app.js";
import { readBody } from "../http/bodies.js";
import { acceptAnyType, bytesOf } from "./body.js";
import { answerOipErrors } from "./errors.js";
import { parseJson, readInferRequest } from "./read-request.js";
import { changeBody, describeOip, indexBody, schemas } from "./schemas.js";
import {
  toConfigJson,
  toMetadataJson,
  toStatisticsJson,
  writeInferAnswer,
} from "./write-response.js";

type Oip = Client<typeof GRPCInferenceService>;

/** The REST form of the Open Inference Protocol: the same calls as gRPC's, written in JSON and binary data. */
export function addOipRoutes(
  app: FastifyInstance,
  config: Pick<GatewayConfig, "corsOrigins">,
  deps: { readonly oip: Binding },
): void {
  const bindings = [watching(deps.oip)];
  const channel = createLocalChannel({ role: "gateway", bindings, interceptors: [] });
  const oip = channel.client(GRPCInferenceService);
  // A scope of its own: bodies of any type, and errors in this protocol's shape.
  void app.register(async (scope) => {
    acceptAnyType(scope);
    answerOipErrors(scope);
    describeOip(scope);
    addServerRoutes(scope, oip);
    addModelRoutes(scope, oip);
    addRepositoryRoutes(scope, config, oip);
    addAbsentRoutes(scope);
  });
}

/** Calls that come in as RPC are ended at their deadline where they are dispatched; these are so here. */
function watching({ service, handlers }: Binding): Binding {
  const watched = Object.entries(handlers).map(([name, handle]): [string, AnyHandler] => [
    name,
    (request, context) => untilAborted(handle(request, context), context.signal),
  ]);
  return { service, handlers: Object.fromEntries(watched) };
}

function addServerRoutes(app: FastifyInstance, oip: Oip): void {
  app.get("/v2", { schema: schemas.server }, async (request) => {
    const { name, version, extensions } = await oip.serverMetadata({}, contextOf(request));
    return { name, version, extensions };
  });
  app.get("/v2/health/live", { schema: schemas.live }, async (request, reply) => {
    const { live } = await oip.serverLive({}, contextOf(request));
    return reply.code(live ? 200 : 400).send({ live });
  });
  app.get("/v2/health/ready", { schema: schemas.ready }, async (request, reply) => {
    const { ready } = await oip.serverReady({}, contextOf(request));
    return reply.code(ready ? 200 : 400).send({ ready });
  });
  app.get("/v2/models/stats", { schema: schemas.statistics }, async (request) => {
    const { modelStats } = await oip.modelStatistics({}, contextOf(request));
    return toStatisticsJson(modelStats);
  });
}

/** Names of models may hold slashes, so one route takes whatever follows and looks at how it ends. */
function addModelRoutes(app: FastifyInstance, oip: Oip): void {
  app.get("/v2/models/*", { schema: schemas.describe }, async (request, reply) => {
    const { action, ...model } = readModelPath(request);
    return await describe[action]({ oip, model, request, reply });
  });

  app.post("/v2/models/*", { schema: schemas.infer }, async (request, reply) => {
    const { action, ...model } = readModelPath(request);
    if (action === "trace/setting") throw unsupported("trace settings are");
    if (action !== "infer") throw new MeshError("wrong_method", "POST is not allowed here");
    const body = bytesOf(request);
    const length = request.headers["inference-header-content-length"];
    const { message, isBinary } = readInferRequest(body, length?.toString(), model);
    const response = await oip.modelInfer(message, contextOf(request));
    const answer = writeInferAnswer(response, isBinary);
    if (answer.jsonLength === undefined) return reply.type("application/json").send(answer.body);
    void reply.header("inference-header-content-length", answer.jsonLength);
    return reply.type("application/octet-stream").send(answer.body);
  });
}

type Action = "" | "ready" | "infer" | "config" | "stats" | "trace/setting";

interface Question {
  readonly oip: Oip;
  readonly model: { readonly name: string; readonly version: string };
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

const describe: Readonly<Record<Action, (question: Question) => Promise<unknown>>> = {
  "": async ({ oip, model, request }) =>
    toMetadataJson(await oip.modelMetadata(model, contextOf(request))),

  async ready({ oip, model, request, reply }) {
    const { ready } = await oip.modelReady(model, contextOf(request));
    return reply.code(ready ? 200 : 400).send({ name: model.name, ready });
  },

  async config({ oip, model, request }) {
    const { config } = await oip.modelConfig(model, contextOf(request));
    return config === undefined ? {} : toConfigJson(config);
  },

  async stats({ oip, model, request }) {
    const { modelStats } = await oip.modelStatistics(model, contextOf(request));
    return toStatisticsJson(modelStats);
  },

  infer: () => Promise.reject(new MeshError("wrong_method", "GET is not allowed here")),
  "trace/setting": () => Promise.reject(unsupported("trace settings are")),
};

const modelPath =
  /^(?<name>.+?)(?:\/versions\/(?<version>[^/]+))?(?:\/(?<action>ready|infer|config|stats|trace\/setting))?$/s;

function readModelPath(request: FastifyRequest): {
  readonly name: string;
  readonly version: string;
  readonly action: Action;
} {
  // The wildcard of the route, which Fastify has decoded.
  const path = (request.params as { readonly "*": string })["*"];
  const { name = "", version = "", action = "" } = modelPath.exec(path)?.groups ?? {};
  if (name === "") throw new MeshError("not_found", "no model is named");
  // The pattern has no other alternatives.
  return { name, version, action: action as Action };
}

function addRepositoryRoutes(
  app: FastifyInstance,
  config: Pick<GatewayConfig, "corsOrigins">,
  oip: Oip,
): void {
  const isOriginAllowed = createOriginCheck(config.corsOrigins);

  app.post("/v2/repository/index", { schema: schemas.index }, async (request) => {
    const body = readBody(indexBody, parseJson(bytesOf(request)));
    const { models } = await oip.repositoryIndex(
      { ready: body.ready ?? false },
      contextOf(request),
    );
    return models.map(({ name, version, state, reason }) => ({ name, version, state, reason }));
  });

  app.post("/v2/repository/models/*", { schema: schemas.change }, async (request, reply) => {
    // A form on any page can post here without asking first, so CORS alone would not keep it out.
    const { origin } = request.headers;
    if (origin !== undefined && !isOriginAllowed(origin)) {
      throw new MeshError("forbidden", "pages of this origin may not change models (CORS_ORIGINS)");
    }
    const path = (request.params as { readonly "*": string })["*"];
    const { name: modelName = "", change } = repositoryPath.exec(path)?.groups ?? {};
    const body = readBody(changeBody, parseJson(bytesOf(request)));
    const names = Object.keys(body.parameters ?? {});
    const message = { modelName, parameters: Object.fromEntries(names.map((name) => [name, {}])) };
    const context = contextOf(request);
    if (change === "load") await oip.repositoryModelLoad(message, context);
    else if (change === "unload") await oip.repositoryModelUnload(message, context);
    else throw new MeshError("not_found", "expected load or unload");
    return reply.send();
  });
}

const repositoryPath = /^(?<name>.+)\/(?<change>load|unload)$/s;

/** Extensions of Triton that clients ask for and that are not here, so the document has them not either. */
function addAbsentRoutes(app: FastifyInstance): void {
  const hidden = { schema: { hide: true } };
  const refuse = (what: string) => () => Promise.reject(unsupported(what));
  for (const kind of ["systemsharedmemory", "cudasharedmemory"]) {
    app.get(`/v2/${kind}/status`, hidden, async () => []);
    app.get(`/v2/${kind}/*`, hidden, refuse("shared memory is"));
    app.post(`/v2/${kind}/*`, hidden, refuse("shared memory is"));
  }
  for (const [path, what] of [
    ["/v2/trace/setting", "trace settings are"],
    ["/v2/logging", "log settings are"],
  ] as const) {
    app.get(path, hidden, refuse(what));
    app.post(path, hidden, refuse(what));
  }
}
