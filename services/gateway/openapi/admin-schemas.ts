import { z } from "zod";

const status = z.object({ status: z.string() });

/** No call, so nobody asks for a key. */
const security: [] = [];

/** The routes of lib/admin-routes.ts, which every role has, as the document tells them. */
export const adminSchemas = {
  health: { summary: "The process lives", description: "The answer has no body.", security },
  ready: {
    summary: "The server can answer",
    description: "Its model is loaded, the services behind it answer, and it is not draining.",
    security,
    response: { 200: status, 503: status },
  },
  metrics: {
    summary: "Metrics for Prometheus",
    description: "With exemplars for who accepts OpenMetrics.",
    security,
    response: {
      200: {
        content: {
          "text/plain": { schema: z.string() },
          "application/openmetrics-text": { schema: z.string() },
        },
      },
    },
  },
};
