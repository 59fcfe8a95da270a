import { createServer } from "node:http";
import { create } from "@bufbuild/protobuf";
import { ModelSchema, Task } from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import { RatelimitService } from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import { GRPCInferenceService } from "../../gen/inference/grpc_service_pb.js";
import { systemClock } from "../../lib/clock.js";
import { createLog } from "../../lib/log.js";
import { type Binding, bind, type Channel } from "../../lib/rpc/call.js";
import { createOpenEntry } from "../../lib/rpc/entry.js";
import { createLocalChannel } from "../../lib/rpc/local-channel.js";
import { createApp } from "../../services/gateway/http/app.js";
import { Limiter } from "../../services/gateway/limiter.js";
import type { ModelDirectory } from "../../services/gateway/model-directory.js";
import { createOipGateway } from "../../services/gateway/oip/gateway.js";
import { addOipRoutes } from "../../services/gateway/oip/routes.js";
import type { Embed, EmbedOrder } from "../../services/gateway/operations/embed.js";
import { createOip } from "../../services/inference/oip/oip.js";
import { FakeRepository } from "./fake-repository.js";
import { usageOf } from "./usage.js";

export const bodyBytesMax = 20_000;

/** Routes and RPCs of the Open Inference Protocol before a repository of functions; `taken` is what the limiter was asked for. */
export async function openOipEdge({ refuse = false } = {}) {
  const repository = new FakeRepository();
  const taken: string[] = [];
  const orders: EmbedOrder[] = [];
  const ratelimit = bind(RatelimitService, {
    check: () => ({}),
    take() {
      taken.push("request");
      return refuse
        ? { allowed: false, limits: [{ name: "rule", retryAfterMs: 1_500n }] }
        : { allowed: true };
    },
    reserve({ amount }) {
      taken.push(`${amount} tokens`);
      return { allowed: true };
    },
    decide: () => ({}),
    commit: () => ({}),
    release: () => ({}),
  });
  const embed: Embed = async (order) => {
    orders.push(order);
    const served = { model: order.model, version: order.version === "" ? "1" : order.version };
    return {
      dimensions: 3,
      areRemembered: false,
      vectors: order.inputs.map((text) => Float32Array.of(String(text).length, 0.5, -1)),
      usage: usageOf(
        order.inputs.map(() => 2),
        served,
      ),
    };
  };
  const directory: ModelDirectory = {
    async resolve(name, version) {
      const { spec } = repository.resolve(name, version);
      const isText = spec.task === "embedding";
      return create(ModelSchema, {
        name,
        version: "1",
        task: isText ? Task.EMBEDDING : Task.UNSPECIFIED,
        tokensMax: isText ? 256 : 0,
        dimensions: isText ? 3 : 0,
      });
    },
    nameOf: (name) => name,
    list: async () => [],
    refresh: async () => {},
  };
  const oip = createOipGateway(
    { inputsMax: 4, streamWindow: 2 },
    {
      inference: channelTo(
        createOip({ repository, clock: systemClock, version: "1", isControlAllowed: true }),
      ),
      directory,
      embed,
      limiter: new Limiter(
        channelTo(ratelimit),
        { reservationMs: 1_000, areCachedTokensCharged: false },
        {
          clock: systemClock,
          log: createLog("silent"),
        },
      ),
      clock: systemClock,
      version: "1.2.3",
    },
  );
  const app = createApp({
    bodyBytesMax,
    compressBytesMin: 16_384,
    interceptors: [],
    openEntry: createOpenEntry(systemClock, { unaryMsMax: 5_000, streamMsMax: 5_000 }),
    createServer,
  });
  addOipRoutes(app, { corsOrigins: ["loopback"] }, { oip });
  await app.ready();
  const call = (method: "GET" | "POST", url: string, payload?: unknown, headers = {}) =>
    app.inject({
      method,
      url,
      headers,
      ...(payload === undefined ? {} : { payload: payload as object }),
    });
  const rpc = channelTo(oip).client(GRPCInferenceService);
  return { repository, taken, orders, oip, rpc, call };
}

function channelTo(binding: Binding): Channel {
  return createLocalChannel({ role: "test", bindings: [binding], interceptors: [] });
}
