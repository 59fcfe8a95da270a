import { z } from "zod";

/** Answer of POST /embed: a vector for each input. */
export const embedAnswer = z.array(z.array(z.number())).meta({ id: "TeiVectors" });

/** Answer of POST /embed_all: for each input a vector for each token. */
export const embedAllAnswer = z.array(z.array(z.array(z.number()))).meta({ id: "TeiTokenVectors" });

/** Answer of POST /embed_sparse: for each input the weights that are not 0. */
export const embedSparseAnswer = z
  .array(z.array(z.object({ index: z.int(), value: z.number() })))
  .meta({ id: "TeiSparseVectors" });

const prediction = z.object({ score: z.number(), label: z.string() }).meta({ id: "TeiPrediction" });

/** Answer of POST /predict: of one input, of a batch, of the short form. */
export const predictAnswer = z
  .union([
    z.array(prediction),
    z.array(z.array(prediction)),
    z.object({ predictions: z.array(prediction), model: z.string(), latency_ms: z.number() }),
  ])
  .meta({ id: "TeiPredictions" });

/** Answer of POST /rerank: `text` only with `return_text`. */
export const rerankAnswer = z
  .array(z.object({ index: z.int(), text: z.string().optional(), score: z.number() }))
  .meta({ id: "TeiRanks" });

/** Answer of POST /similarity: a cosine for each sentence. */
export const similarityAnswer = z.array(z.number()).meta({ id: "TeiSimilarities" });

/** Answer of POST /tokenize: for each text its tokens; special ones have no place. */
export const tokenizeAnswer = z
  .array(
    z.array(
      z.object({
        id: z.int(),
        text: z.string(),
        special: z.boolean(),
        start: z.int().nullable(),
        stop: z.int().nullable(),
      }),
    ),
  )
  .meta({ id: "TeiTokens" });

/** Answer of POST /decode: a text for each sequence. */
export const decodeAnswer = z.array(z.string()).meta({ id: "TeiTexts" });

/** A body or an answer that depends on the default model. */
export const anyJson = z.unknown();

/** Answer of POST /vertex: for each instance what its own route answers. */
export const vertexAnswer = z
  .object({ predictions: z.array(anyJson) })
  .meta({ id: "TeiVertexAnswer" });

/** Answer of GET /info. */
export const infoAnswer = z
  .object({
    model_id: z.string(),
    model_sha: z.string().nullable(),
    model_dtype: z.string(),
    served_model_name: z.string(),
    model_type: z.record(z.string(), z.unknown()).nullable(),
    max_concurrent_requests: z.int(),
    max_input_length: z.int(),
    max_batch_tokens: z.int(),
    max_batch_requests: z.int().nullable(),
    max_client_batch_size: z.int(),
    auto_truncate: z.boolean(),
    tokenization_workers: z.int().nullable(),
    version: z.string(),
    sha: z.string().nullable(),
    docker_label: z.string().nullable(),
    rerank: z
      .object({ model: z.string(), by: z.enum(["cross_encoder", "cosine_of_embeddings"]) })
      .nullable(),
  })
  .meta({ id: "TeiInfo" });
