import { InferenceService } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { TokenizerService } from "../../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import type { Clock } from "../../../lib/clock.js";
import type { Channel } from "../../../lib/rpc/call.js";
import type { Admission } from "../admission.js";
import type { Limiter } from "../limiter.js";
import type { ModelDirectory } from "../model-directory.js";
import type { VectorCache } from "../vector-cache.js";
import { type Classify, createClassify, readsPairs } from "./classify.js";
import { type Compare, createCompare } from "./compare.js";
import { createEmbed, type Embed } from "./embed.js";
import { createEmbedCall } from "./embed-call.js";
import { createEmbedSparse, type EmbedSparse } from "./embed-sparse.js";
import { createEmbedTokens, type EmbedTokens } from "./embed-tokens.js";
import { createEncode } from "./encoding.js";
import { createRerank, type Rerank } from "./rerank.js";
import { createDecode, createTokenize, type Decode, type Tokenize } from "./tokenize.js";
import { createWork } from "./work.js";
import { countWork, type WorkCounts } from "./work-counts.js";
import { createZeroShot, type ZeroShot } from "./zero-shot.js";

/** What the mesh can do with text. Every protocol is an adapter over these: it parses, calls and formats. */
export interface Operations {
  readonly embed: Embed;
  readonly embedTokens: EmbedTokens;
  readonly embedSparse: EmbedSparse;
  readonly classify: Classify;
  readonly compare: Compare;
  readonly rerank: Rerank;
  readonly zeroShot: ZeroShot;
  readonly tokenize: Tokenize;
  readonly decode: Decode;
}

export interface OperationsDeps {
  readonly tokenizer: Channel;
  /** Whether a call to the tokenizer costs so much that requests share one. */
  readonly isTokenizerRemote?: boolean;
  readonly inference: Channel;
  /** The same of inference. */
  readonly isInferenceRemote?: boolean;
  readonly directory: ModelDirectory;
  readonly limiter: Limiter;
  readonly admission: Admission;
  readonly cache: VectorCache;
  readonly clock: Clock;
  /** Absent where nobody counts. */
  readonly counts?: WorkCounts;
  /** What one computation may take, whoever waits for it. */
  readonly computeMsMax: number;
}

/** All operations, over the other three services. */
export function createOperations(deps: OperationsDeps): Operations {
  const { directory } = deps;
  const inference = deps.inference.client(InferenceService);
  const tokenizer = deps.tokenizer.client(TokenizerService);
  const encode = createEncode(tokenizer, { isGathering: deps.isTokenizerRemote ?? false });
  const uncounted = createWork({ ...deps, encode });
  const { counts } = deps;
  const work = counts === undefined ? uncounted : countWork(uncounted, { ...deps, counts });
  const call = createEmbedCall(inference, { isGathering: deps.isInferenceRemote ?? false });
  const embed = createEmbed({ ...deps, work, call });
  const compare = createCompare(embed);
  const score = createClassify(work, inference, readsPairs);
  return {
    embed,
    embedTokens: createEmbedTokens(work, inference),
    embedSparse: createEmbedSparse(work, inference),
    classify: createClassify(work, inference),
    compare,
    rerank: createRerank({ directory, score, compare }),
    zeroShot: createZeroShot(embed),
    tokenize: createTokenize({ ...deps, tokenizer }),
    decode: createDecode({ ...deps, tokenizer }),
  };
}
