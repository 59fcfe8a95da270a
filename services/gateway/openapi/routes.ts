import swagger, { type StaticDocumentSpec } from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { FastifyInstance, RouteOptions } from "fastify";
import { z } from "zod";
import { addContractRoutes } from "./contract-routes.js";
import { createDocument, type DocumentFacts } from "./document.js";
import type { DeclaredRoute } from "./operation.js";

/** Serves the OpenAPI document of the routes that are added after this, a page that shows it, and the contracts. */
export function addOpenApiRoutes(app: FastifyInstance, facts: DocumentFacts): void {
  const routes: RouteOptions[] = [];
  // Their schemas are complete only when all hooks of their scopes have run.
  app.addHook("onRoute", (route) => {
    routes.push(route);
  });
  // Complete when the app is ready; the plugin's type knows documents of OpenAPI 3.0 only.
  const document = {} as StaticDocumentSpec["document"];
  let json = "";
  app.addHook("onReady", (done) => {
    Object.assign(document, createDocument(routes.flatMap(toDeclared), facts));
    json = JSON.stringify(document);
    done();
  });

  // The second path is where text-embeddings-inference has it.
  for (const path of ["/openapi.json", "/api-doc/openapi.json"]) {
    app.get(path, { schema: documentSchema }, (_request, reply) =>
      reply.type("application/json").send(json),
    );
  }
  addContractRoutes(app);
  void app.register(swagger, { mode: "static", specification: { document } });
  void app.register(swaggerUi, { routePrefix: "/docs", ...page });
}

const documentSchema = {
  summary: "This document, as OpenAPI 3.1",
  response: { 200: z.looseObject({ openapi: z.string() }) },
};

/** Nothing from elsewhere: the page works offline, and text of a document cannot become a script. */
const page = {
  staticCSP: [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  theme: { title: "Arrowmesh API" },
  // Without the bar that asks for the address of another document.
  uiConfig: { layout: "BaseLayout", displayRequestDuration: true, defaultModelsExpandDepth: 0 },
} as const;

function toDeclared({ method, url, schema = {} }: RouteOptions): DeclaredRoute[] {
  if (schema.hide === true) return [];
  const methods = [method].flat().filter((name) => name !== "HEAD");
  return methods.map((name) => ({ method: name, url, schema }));
}
