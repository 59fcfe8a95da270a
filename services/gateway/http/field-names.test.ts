import { deepEqual, rejects } from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../../lib/errors.js";
import { inWordsOf } from "./field-names.js";

const names = { inputs: "input", texts: "documents" };

async function fieldOf(field: string, description: string): Promise<unknown> {
  const refused = new MeshError("invalid", description, { fields: [{ field, description }] });
  try {
    return await inWordsOf(names, Promise.reject(refused));
  } catch (error) {
    return error instanceof MeshError ? error.details.fields?.[0] : undefined;
  }
}

test("faults name the fields as the caller knows them", async () => {
  deepEqual(await fieldOf("inputs[1]", "`inputs[1]` is not well-formed Unicode"), {
    field: "input[1]",
    description: "`input[1]` is not well-formed Unicode",
  });
  deepEqual(await fieldOf("inputs[0].ids.ids[7]", "inputs[0].ids.ids[7]: id 9 is unknown"), {
    field: "input[0][7]",
    description: "id 9 is unknown",
  });
  deepEqual(await fieldOf("dimensions", "`dimensions` should be positive"), {
    field: "dimensions",
    description: "`dimensions` should be positive",
  });
});

test("what an operation says of its inputs is said of the field that is wrong", async () => {
  deepEqual(await fieldOf("texts[2]", "`inputs` cannot be empty"), {
    field: "documents[2]",
    description: "`documents` cannot be empty",
  });
});

test("faults without fields and other errors stay as they are", async () => {
  for (const error of [new MeshError("overloaded", "`inputs`"), new TypeError("bug")]) {
    await rejects(inWordsOf(names, Promise.reject(error)), error);
  }
});
