import type { FastifyInstance, FastifySchema } from "fastify";
import type { Registry } from "prom-client";
import { expose } from "./metrics/exposition.js";
import { addVary } from "./vary.js";

/** What probes and scrapers ask of every role. */
export function addAdminRoutes(
  app: FastifyInstance,
  deps: {
    readonly isReady: () => Promise<boolean>;
    readonly registry: Registry;
    /** What the role says of itself, where it has something to say. */
    readonly status?: (() => Promise<object>) | undefined;
    /** What a document says about them. */
    readonly schemas?: Readonly<Record<"health" | "ready" | "metrics", FastifySchema>>;
  },
): void {
  const schemaOf = (name: "health" | "ready" | "metrics") => ({
    schema: deps.schemas?.[name] ?? {},
  });

  /** The process lives; says it without a body, as text-embeddings-inference does. */
  app.get("/health", schemaOf("health"), (_request, reply) => reply.send());

  /** It can answer: its model is loaded, its peers answer, it does not drain. */
  app.get("/ready", schemaOf("ready"), async (_request, reply) => {
    const isReady = await deps.isReady();
    return reply.code(isReady ? 200 : 503).send({ status: isReady ? "ready" : "not ready" });
  });

  app.get("/metrics", schemaOf("metrics"), async (request, reply) => {
    const { contentType, body } = await expose(deps.registry, request.headers.accept);
    addVary(reply.raw, "Accept");
    return reply.type(contentType).send(body);
  });

  const { status } = deps;
  if (status !== undefined) {
    app.get("/status", async (_request, reply) => reply.send(await status()));
  }
}
