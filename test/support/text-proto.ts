import {
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type MessageShape,
} from "@bufbuild/protobuf";

/** A message in Protobuf's text form, as `print` of a message in Python writes it. */
export function readTextProto<S extends DescMessage>(schema: S, text: string): MessageShape<S> {
  const words = text.match(/"(?:[^"\\]|\\.)*"|[{}:]|[^\s{}:"]+/g) ?? [];
  const json = readFields(schema, words);
  if (words.length > 0) throw new Error(`not the text form of a message: ${words.join(" ")}`);
  return fromJson(schema, json);
}

/** Takes fields off the front, up to the brace that closes them. */
function readFields(schema: DescMessage, words: string[]): JsonObject {
  const fields: JsonObject = {};
  for (let name = words.shift(); name !== undefined && name !== "}"; name = words.shift()) {
    const field = schema.fields.find((other) => other.name === name);
    if (field === undefined) throw new Error(`${schema.typeName} has no ${name}`);
    const value = readValue(field.message, words);
    const before = fields[name];
    const list = Array.isArray(before) ? [...before, value] : [value];
    fields[name] = field.fieldKind === "list" ? list : value;
  }
  return fields;
}

/** After the name of its field: a colon and a word, or a message in braces. */
function readValue(schema: DescMessage | undefined, words: string[]): JsonValue {
  const first = words.shift();
  if (schema !== undefined && first === "{") return readFields(schema, words);
  if (first !== ":") throw new Error(`${first} stands where a value should begin`);
  return readScalar(words.shift() ?? "");
}

/** Numbers and names of enums stay text, which Protobuf's JSON form reads as well; so do not true and false. */
function readScalar(word: string): JsonValue {
  if (word.startsWith('"')) return JSON.parse(word) as string;
  return word === "true" || word === "false" ? word === "true" : word;
}
