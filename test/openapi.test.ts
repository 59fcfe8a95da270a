// What the OpenAPI document says is true: its examples are run, and the answers held against its schemas.

import { deepEqual, equal, ok } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import { type Mesh, startMesh } from "./support/mesh-process.js";

interface Media {
  readonly schema: object;
  readonly examples?: Readonly<
    Record<string, { readonly summary: string; readonly value: unknown }>
  >;
}

interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly security?: readonly object[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly schema: { readonly examples?: readonly string[] };
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<
    Record<
      string,
      { readonly headers?: object; readonly content?: Readonly<Record<string, Media>> }
    >
  >;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: object;
  readonly security?: readonly object[];
}

/** Operations that are not run here, each with the reason. */
const notRun: Readonly<Record<string, string>> = {
  "POST /v2/repository/models/{model}/load": "it would change what the other tests see",
  "POST /v2/repository/models/{model}/unload": "it would change what the other tests see",
};

/** What the default model cannot do, and answers so. */
const refused: Readonly<Record<string, number>> = { "POST /embed_sparse": 424 };

describe("the OpenAPI document", { timeout: 120_000 }, () => {
  let mesh: Mesh;
  let document: Document;
  let operations: ReturnType<typeof operationsOf>;
  before(async () => {
    mesh = await startMesh("one");
    document = (await (await fetch(`${mesh.url}/openapi.json`)).json()) as Document;
    operations = operationsOf(document);
  });
  after(() => mesh.stop());

  test("is OpenAPI 3.1", async () => {
    const { valid, errors } = await new Validator().validate({ ...document });
    ok(valid, JSON.stringify(errors));
  });

  test("describes every operation, each under a name of its own", () => {
    const bare = operations.filter(([, , { summary }]) => summary === undefined);
    deepEqual(
      bare.map(([name]) => name),
      [],
    );
    const ids = operations.map(([, , { operationId }]) => operationId);
    equal(new Set(ids).size, ids.length);
  });

  test("has examples for every body", () => {
    const findings = operations
      .filter(
        ([name, , { requestBody }]) => requestBody !== undefined && notRun[name] === undefined,
      )
      .filter(([, , { requestBody }]) => !requestBody?.content["application/json"]?.examples);
    deepEqual(
      findings.map(([name]) => name),
      [],
    );
  });

  test("is true: every example is answered as its schema says", async (t) => {
    for (const [name, path, operation] of operations) {
      if (notRun[name] !== undefined) continue;
      for (const { summary, body } of requestsOf(operation)) {
        await t.test(`${name}${summary}`, async () => {
          const answer = await send(`${mesh.url}${fill(path, operation)}`, name, body);
          equal(answer.status, refused[name] ?? 200, answer.text);
          holds(document, operation, answer);
        });
      }
    }
  });

  test("is true for errors: what is no body of the schema is refused in the shape that it says", async (t) => {
    for (const [name, path, operation] of operations) {
      if (operation.requestBody === undefined || notRun[name] !== undefined) continue;
      await t.test(name, async () => {
        const answer = await send(`${mesh.url}${fill(path, operation)}`, name, "no object");
        ok(answer.status >= 400 && answer.status < 500, answer.text);
        holds(document, operation, answer);
      });
    }
  });
});

test("the document says which calls need a key", { timeout: 120_000 }, async (t) => {
  const mesh = await startMesh("one", { API_KEY: "test-key" });
  t.after(() => mesh.stop());
  const document = (await (await fetch(`${mesh.url}/openapi.json`)).json()) as Document;
  deepEqual(document.security, [{ key: [] }]);
  for (const [name, path, operation] of operationsOf(document)) {
    const answer = await send(`${mesh.url}${fill(path, operation)}`, name, undefined);
    const isPublic = operation.security?.length === 0;
    equal(answer.status === 401, !isPublic, `${name}: ${answer.status}`);
    if (!isPublic) holds(document, operation, answer);
  }
});

function operationsOf({ paths }: Document) {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, operation]) => [`${method.toUpperCase()} ${path}`, path, operation] as const,
    ),
  );
}

function requestsOf({ requestBody }: Operation): { summary: string; body: unknown }[] {
  const examples = Object.values(requestBody?.content["application/json"]?.examples ?? {});
  if (examples.length === 0) return [{ summary: "", body: undefined }];
  return examples.map(({ summary, value }) => ({ summary: `: ${summary}`, body: value }));
}

/** The path with the examples of its parameters. */
function fill(path: string, { parameters = [] }: Operation): string {
  return parameters
    .filter((parameter) => parameter.in === "path")
    .reduce((filled, { name, schema }) => {
      ok(schema.examples?.[0] !== undefined, `${path}: {${name}} has no example`);
      return filled.replace(`{${name}}`, encodeURIComponent(schema.examples[0]));
    }, path);
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

async function send(url: string, name: string, body: unknown): Promise<Answer> {
  const response = await fetch(url, {
    method: name.split(" ")[0] as string,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    signal: AbortSignal.timeout(30_000),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** The answer has the headers, media type and shape that the operation names for its status, and no field more. */
function holds(document: Document, { responses }: Operation, answer: Answer): void {
  const { status, headers, text } = answer;
  const declared = responses[String(status)];
  ok(declared !== undefined, `${status} is not in the document: ${text.slice(0, 300)}`);
  if (status === 200) {
    const absent = Object.keys(declared.headers ?? {}).filter((name) => !headers.has(name));
    deepEqual(absent, []);
  }
  if (declared.content === undefined) {
    equal(text, "");
    return;
  }
  const [type = ""] = (headers.get("content-type") ?? "").split(";");
  const media = declared.content[type];
  ok(media !== undefined, `${status} ${type} is not in the document`);
  if (type !== "application/json") return;
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const { components } = document;
  const isValid = ajv.validate(closed({ ...media.schema, components }), JSON.parse(text));
  ok(isValid, `${ajv.errorsText()}: ${text.slice(0, 300)}`);
}

/** The schema without room for fields that it does not name. */
function closed(schema: object): object {
  return JSON.parse(JSON.stringify(schema), (_key, value) => {
    const isOfFields = value?.type === "object" && typeof value.properties === "object";
    return isOfFields ? { additionalProperties: false, ...value } : value;
  });
}
