import { z } from "zod";
import { dimensions, inputs, optional } from "../http/bodies.js";

/** Body of POST /v1/embeddings. */
export const embeddingsBody = z.object({
  input: inputs,
  model: optional(z.string()),
  encoding_format: optional(z.enum(["float", "base64"])),
  dimensions,
  user: optional(z.string()),
});
