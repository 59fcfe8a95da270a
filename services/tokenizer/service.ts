import type { Registry } from "prom-client";
import {
  type CountRequest,
  type DecodeRequest,
  type EncodeRequest,
  TokenizerService,
} from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import type { ModelCatalog } from "../../lib/model-catalog.js";
import { type Binding, bind } from "../../lib/rpc/call.js";
import { answerStream } from "./answer-stream.js";
import type { TokenizerConfig } from "./config.js";
import { countInputs } from "./count-inputs.js";
import { encodeInputs } from "./encode-inputs.js";
import { EncodingCache } from "./encoding-cache.js";
import { createTokenizerMetrics } from "./metrics.js";
import { readCount, readEncode, readSequences } from "./requests.js";
import { Tokenizers } from "./tokenizers.js";
import { WaitingBound } from "./waiting-bound.js";

/** texts -> the model's tokenizer (Hugging Face) -> token ids, and back */
export function createTokenizer(
  config: TokenizerConfig,
  { catalog, registry }: { readonly catalog: ModelCatalog; readonly registry: Registry },
): Binding {
  const bound = new WaitingBound(config);
  const metrics = createTokenizerMetrics(registry);
  const cache = new EncodingCache(config.cacheBytesMax, metrics.cache);
  metrics.observe({ cacheBytes: () => cache.bytes });
  const tokenizers = new Tokenizers(catalog, config.modelsMax, { bound, cache });
  // Read at the start, so that a default model without a tokenizer is an error there.
  tokenizers.get({ model: "", version: "", revision: "" });

  const encode = async (request: EncodeRequest) => {
    const tokenizer = tokenizers.get(request);
    const { inputs, options } = await readEncode(request, tokenizer, config);
    const encodings = await encodeInputs(tokenizer, inputs, options);
    return { model: tokenizer.name, encodings, offsetUnit: request.offsetUnit };
  };
  const decode = async (request: DecodeRequest) => {
    const tokenizer = tokenizers.get(request);
    const sequences = readSequences(request, tokenizer, config);
    const characters = sequences.reduce((total, ids) => total + ids.length, 0);
    const leave = bound.enter({ texts: sequences.length, characters });
    try {
      const isSkipping = request.skipSpecialTokens ?? true;
      return { texts: await tokenizer.native.decodeBatch(sequences, isSkipping) };
    } finally {
      leave();
    }
  };
  const count = async (request: CountRequest) => {
    const tokenizer = tokenizers.get(request);
    const inputs = await readCount(request, tokenizer, config);
    const tokens = await countInputs(tokenizer, inputs, request.addSpecialTokens ?? true);
    return { model: tokenizer.name, tokens };
  };

  const stream = { window: config.streamWindow, bound };
  return bind(TokenizerService, {
    ...{ encode, decode, count },
    encodeStream: (requests, context) =>
      answerStream(requests, { ...stream, context }, async (request: EncodeRequest) => ({
        case: "encoded" as const,
        value: await encode(request),
      })),
    decodeStream: (requests, context) =>
      answerStream(requests, { ...stream, context }, async (request: DecodeRequest) => ({
        case: "decoded" as const,
        value: await decode(request),
      })),
    countStream: (requests, context) =>
      answerStream(requests, { ...stream, context }, async (request: CountRequest) => ({
        case: "counted" as const,
        value: await count(request),
      })),
  });
}
