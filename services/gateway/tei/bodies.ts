import { z } from "zod";
import { dimensions, inputs, optional } from "../http/bodies.js";

/** Body of POST /embed. Unknown fields are ignored, as text-embeddings-inference does. */
export const embedBody = z.object({
  inputs,
  truncate: optional(z.boolean()),
  normalize: optional(z.boolean()),
  dimensions,
  prompt_name: optional(z.string()),
});
