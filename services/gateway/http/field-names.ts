import { MeshError } from "../../../lib/errors.js";

/** What a protocol's callers call the fields of an operation, where that differs. */
export type FieldNames = Readonly<Record<string, string>>;

/** The same work, whose faults name the fields as its caller knows them. */
export async function inWordsOf<T>(names: FieldNames, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (thrown) {
    if (!(thrown instanceof MeshError) || thrown.details.fields === undefined) throw thrown;
    const fields = thrown.details.fields.map(({ field, description }) => {
      const { root, place } = splitPath(field);
      const name = names[root] ?? root;
      const reason = rename(description.replace(`${field}: `, ""), { ...names, inputs: name });
      // The ids of an input stand two messages deep in the tokenizer's contract.
      return { field: name + place.replace(".ids.ids", ""), description: reason };
    });
    const message = rename(thrown.message, names);
    throw new MeshError(thrown.fault, message, { ...thrown.details, fields });
  }
}

/** `inputs[2].text` is `inputs` and the place in it. */
export function splitPath(field: string): { readonly root: string; readonly place: string } {
  const end = field.search(/[[.]/);
  return end < 0
    ? { root: field, place: "" }
    : { root: field.slice(0, end), place: field.slice(end) };
}

/** Messages have fields in backquotes. */
function rename(text: string, names: FieldNames): string {
  return text.replaceAll(/`(\w+)/g, (_, word: string) => `\`${names[word] ?? word}`);
}
