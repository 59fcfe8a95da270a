import type { FastifyReply } from "fastify";
import { Unit } from "../../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";

const units = [
  ["requests", Unit.REQUESTS],
  ["tokens", Unit.TOKENS],
] as const;

/** `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, each of the tightest limit that applies to the caller. */
export function addLimitHeaders(reply: FastifyReply): void {
  const record = reply.request.call?.context.callRecord?.limits;
  if (record === undefined) return;
  for (const [name, unit] of units) {
    const limit = record[name].find((one) => one.unit === unit);
    if (limit === undefined) continue;
    void reply.headers({
      [`x-ratelimit-limit-${name}`]: String(limit.quota),
      [`x-ratelimit-remaining-${name}`]: String(limit.remaining),
      [`x-ratelimit-reset-${name}`]: toGoDuration(Number(limit.resetMs)),
    });
  }
}

/** As Go prints durations: 0s, 20ms, 1.5s, 6m0s, 1h0m0s. */
export function toGoDuration(milliseconds: number): string {
  if (milliseconds === 0) return "0s";
  if (milliseconds < 1_000) return `${milliseconds}ms`;
  const hours = Math.floor(milliseconds / 3_600_000);
  const minutes = Math.floor(milliseconds / 60_000) % 60;
  const seconds = `${(milliseconds % 60_000) / 1_000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
