import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import type { FastifyInstance, FastifyReply } from "fastify";
import {
  RateLimitResponse_Code as Code,
  RateLimitRequestSchema,
  type RateLimitResponse,
  RateLimitResponseSchema,
} from "../../../gen/envoy/service/ratelimit/v3/rls_pb.js";
import { answerOf, type Fault, MeshError, toMeshError } from "../../../lib/errors.js";
import type { RunHttpCall } from "../../../lib/http-calls.js";
import { dumpRules } from "./dump-rules.js";
import type { EnvoyRules } from "./read-rules.js";
import type { ShouldRateLimit } from "./service.js";

/** Far more than the descriptors of one request need. */
const bodyBytesMax = 1 << 20;

/** What envoyproxy/ratelimit has on its HTTP ports: decisions for callers without gRPC, and the rules as they are. */
export async function addEnvoyRoutes(
  app: FastifyInstance,
  deps: {
    readonly shouldRateLimit: ShouldRateLimit;
    readonly rules: () => EnvoyRules;
    readonly runCall: RunHttpCall;
  },
): Promise<void> {
  const { shouldRateLimit, rules, runCall } = deps;

  app.get("/rlconfig", (_request, reply) => reply.type("text/plain").send(dumpRules(rules())));

  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // Callers do not always say that it is JSON: curl does not.
    scope.addContentTypeParser(
      "*",
      { parseAs: "buffer", bodyLimit: bodyBytesMax },
      (_request, body, done) => done(null, body),
    );
    scope.setErrorHandler((thrown, _request, reply) => refuse(reply, toFault(thrown)));
    scope.post("/json", async (request, reply) => {
      const answer = await runCall({ request, reply }, async (context) => {
        // The parser above leaves a body of bytes, or none at all.
        const asked = readRequest(request.body as Buffer | undefined);
        const answered = await shouldRateLimit(asked, context);
        void reply.code(statusOf(answered));
        return answered;
      });
      return reply.type("application/json").send(toJsonString(RateLimitResponseSchema, answer));
    });
  });
}

function readRequest(body: Buffer | undefined) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    return fromJsonString(RateLimitRequestSchema, text);
  } catch (cause) {
    const { typeName } = RateLimitRequestSchema;
    throw new MeshError("malformed", `the body is not a ${typeName} in JSON`, { cause });
  }
}

function statusOf({ overallCode }: RateLimitResponse): number {
  if (overallCode === Code.OK) return 200;
  return overallCode === Code.OVER_LIMIT ? 429 : 500;
}

/** 429 is kept for a limit that is reached. */
const statusOfFault: Readonly<Partial<Record<Fault, number>>> = { invalid: 400, overloaded: 503 };

function refuse(reply: FastifyReply, { fault, message }: MeshError): FastifyReply {
  const { httpStatus, errorType } = answerOf[fault];
  const request_id = reply.getHeader("x-request-id");
  return reply
    .code(statusOfFault[fault] ?? httpStatus)
    .type("application/json")
    .send({ error: message, error_type: errorType, request_id });
}

/** Fastify refuses only what is too long by itself. */
function toFault(thrown: unknown): MeshError {
  const isTooLong =
    thrown instanceof Error && "code" in thrown && thrown.code === "FST_ERR_CTP_BODY_TOO_LARGE";
  return isTooLong ? new MeshError("too_large", "the body is too long") : toMeshError(thrown);
}
