import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { MeshError } from "../../../lib/errors.js";
import { pathOf } from "../../../lib/path-of.js";
import type { Admission } from "../admission.js";
import type { GatewayConfig } from "../config.js";
import { contextOf, priorityOf, refuseEarly, requireJson } from "../http/app.js";
import { computeHeaders } from "../http/compute-headers.js";
import { plainError } from "../http/errors.js";
import type { ModelDirectory } from "../model-directory.js";
import { describeProtocol } from "../openapi/route-schemas.js";
import type { Operations } from "../operations/operations.js";
import { type Action, type Caller, createActions, type ReadBody } from "./actions.js";
import * as answers from "./answers.js";
import { readTeiBody, vertexBody } from "./bodies.js";
import { createDefaultAction } from "./default-action.js";
import { describedRoutes } from "./described-routes.js";
import { createInfo } from "./info.js";
import { createVertex } from "./vertex.js";

export interface TeiDeps {
  readonly operations: Operations;
  readonly directory: ModelDirectory;
  readonly admission: Admission;
  readonly version: string;
}

/** Routes of text-embeddings-inference 1.9.3: paths, bodies, answers, headers and words of refusal. */
export function addTeiRoutes(
  app: FastifyInstance,
  config: Pick<GatewayConfig, "nativeInputsMax" | "inputsMax" | "admittedInputsMax" | "truncate">,
  deps: TeiDeps,
): void {
  const { directory } = deps;
  const actions = createActions(config, deps.operations);
  const early = refuseEarly(deps.admission);
  // A scope of its own: actions read bodies, since some routes know only then which action it is.
  void app.register(async (plain) => {
    plain.setValidatorCompiler(() => (value) => ({ value }));
    refuseOtherSpellings(plain);
    const scope = describeProtocol(plain, tei);
    for (const { path, action, answer, ...described } of describedRoutes) {
      const schema = { ...described, response: { 200: answer } };
      scope.post(path, { ...early, schema }, run(actions[action]));
    }
    for (const path of ["/", "/invocations"]) {
      const options = { ...early, schema: byModelSchema };
      scope.post(path, options, run(createDefaultAction(actions, directory)));
    }
    const options = { ...early, schema: vertexSchema };
    scope.post("/vertex", options, run(createVertex(config, actions, directory)));

    scope.get("/info", { schema: infoSchema }, createInfo(config, deps));
    for (const path of ["/", "/ping"]) {
      scope.get(path, { schema: pingSchema }, (_request, reply) => reply.send());
    }
  });
}

const tei = {
  tag: "text-embeddings-inference",
  description: "The routes of Hugging Face's text-embeddings-inference 1.9.",
  error: { schema: plainError, statuses: [400, 401, 404, 413, 422, 424, 429, 500, 503, 504] },
};

const byModelSchema = {
  summary: "What the default model is for: the body and the answer of that route",
  body: answers.anyJson,
  examples: {
    "A text, for an embedding model": { inputs: "What is deep learning?" },
    "Sentences to compare, for an embedding model": {
      inputs: { source_sentence: "A cat sits.", sentences: ["A cat is sitting."] },
    },
  },
  response: { 200: answers.anyJson },
};
const vertexSchema = {
  summary: "An answer for each instance, by what the default model is for",
  body: vertexBody,
  examples: {
    "A text, for an embedding model": { instances: [{ inputs: "What is deep learning?" }] },
    "Texts to rank": { instances: [{ query: "What is it?", texts: ["A cake", "A dog"] }] },
  },
  response: { 200: answers.vertexAnswer },
};
const infoSchema = { summary: "What the server serves", response: { 200: answers.infoAnswer } };
const pingSchema = { summary: "The server lives" };

function run(action: Action) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const body = requireJson(request);
    const caller: Caller = { context: contextOf(request), priority: priorityOf(request) };
    const read: ReadBody = (schema) => readTeiBody(schema, body);
    const { json, usage } = await action(read, caller);
    if (usage !== undefined) void reply.headers(computeHeaders(usage));
    return reply.type("application/json").send(json);
  };
}

/** A path with a slash at its end, or with letters encoded, is another path there. */
function refuseOtherSpellings(scope: FastifyInstance): void {
  scope.addHook("onRequest", (request, _reply, done) => {
    const path = pathOf(request.url);
    if (path === request.routeOptions.url) done();
    else done(new MeshError("not_found", `no route ${path}`));
  });
}
