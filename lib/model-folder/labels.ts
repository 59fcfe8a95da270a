import { z } from "zod";
import { invalid } from "../invalid-file.js";

const labelsMax = 100_000;

/** The part of a config.json that names labels. */
export const labelsSchema = z.object({
  id2label: z.record(z.string(), z.union([z.string(), z.number()])).nullish(),
  num_labels: z.int().min(1).max(labelsMax).nullish(),
});

/** Labels in the order of the model's outputs; LABEL_0 and so on, as in transformers, where only their number is known. */
export function labelsOf(
  { id2label, num_labels }: z.infer<typeof labelsSchema>,
  file: string,
): readonly string[] {
  if (id2label == null) {
    // transformers leaves out what is its default: two labels.
    return Array.from({ length: num_labels ?? 2 }, (_, i) => `LABEL_${i}`);
  }
  const count = Object.keys(id2label).length;
  if (count === 0 || count > labelsMax) {
    throw invalid(file, `id2label: expected 1 to ${labelsMax} labels`);
  }
  return Array.from({ length: count }, (_, i) => {
    if (!Object.hasOwn(id2label, i))
      throw invalid(file, `id2label: label ${i} of ${count} is missing`);
    return String(id2label[i]);
  });
}
