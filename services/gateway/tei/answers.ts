import { z } from "zod";

/** Every failure, as text-embeddings-inference writes it. */
export const teiError = z
  .object({ error: z.string(), error_type: z.string(), request_id: z.string() })
  .meta({ id: "TeiError" });

/** Answer of POST /embed: a vector for each input. */
export const embedAnswer = z.array(z.array(z.number())).meta({ id: "TeiVectors" });

/** Answer of GET /info. */
export const infoAnswer = z
  .object({
    model_id: z.string(),
    model_sha: z.string().nullable(),
    model_dtype: z.string(),
    served_model_name: z.string(),
    model_type: z.record(z.string(), z.unknown()),
    max_concurrent_requests: z.int(),
    max_input_length: z.int(),
    max_batch_tokens: z.int(),
    max_batch_requests: z.int().nullable(),
    max_client_batch_size: z.int(),
    version: z.string(),
  })
  .meta({ id: "TeiInfo" });
