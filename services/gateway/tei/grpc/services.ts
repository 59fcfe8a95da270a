import type { Clock } from "../../../../lib/clock.js";
import type { Binding } from "../../../../lib/rpc/call.js";
import type { GatewayConfig } from "../../config.js";
import type { ModelDirectory } from "../../model-directory.js";
import type { Operations } from "../../operations/operations.js";
import { createTeiEmbed } from "./embed.js";
import { createTeiInfo } from "./info.js";
import { createTeiPredict } from "./predict.js";
import { createTeiRerank } from "./rerank.js";
import { createTeiTokenize } from "./tokenize.js";

/** The gRPC services of text-embeddings-inference, beside its routes. */
export function createTeiServices(
  config: Pick<GatewayConfig, "nativeInputsMax" | "admittedInputsMax" | "streamWindow">,
  deps: {
    readonly operations: Operations;
    readonly directory: ModelDirectory;
    readonly clock: Clock;
    readonly version: string;
  },
): readonly Binding[] {
  const { operations, clock } = deps;
  const stream = { window: config.streamWindow, clock };
  return [
    createTeiInfo(config, deps),
    createTeiEmbed(operations, stream),
    createTeiPredict(operations, stream),
    createTeiRerank(config, operations, stream),
    createTeiTokenize(operations, stream),
  ];
}
