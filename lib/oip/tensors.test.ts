import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Priority } from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import { ModelInferRequestSchema } from "../../gen/inference/grpc_service_pb.js";
import { readFlag, readOptions, requireParameters } from "./parameters.js";
import { readInputs, readOutputNames } from "./tensors.js";

type Init = MessageInitShape<typeof ModelInferRequestSchema>;

function request(init: Init) {
  return create(ModelInferRequestSchema, init);
}

const input = { name: "x", datatype: "INT32", shape: [2n] };

test("typed contents and raw bytes are the same tensor", () => {
  const bytes = Uint8Array.of(1, 0, 0, 0, 255, 255, 255, 255);
  const typed = request({ inputs: [{ ...input, contents: { intContents: [1, -1] } }] });
  const raw = request({ inputs: [{ ...input, contents: {} }], rawInputContents: [bytes] });
  const expected = [{ name: "x", datatype: "INT32", shape: [2], bytes }];
  deepEqual(readInputs(typed), expected);
  deepEqual(readInputs(raw), expected);
});

test("each datatype has its field", () => {
  const cases = [
    ["BOOL", { boolContents: [true] }, 1],
    ["INT8", { intContents: [-1] }, 1],
    ["INT64", { int64Contents: [1n] }, 8],
    ["UINT16", { uintContents: [1] }, 2],
    ["UINT64", { uint64Contents: [1n] }, 8],
    ["FP32", { fp32Contents: [1] }, 4],
    ["FP64", { fp64Contents: [1] }, 8],
    ["BYTES", { bytesContents: [Uint8Array.of(1)] }, 5],
  ] as const;
  for (const [datatype, contents, size] of cases) {
    const inputs = [{ name: "x", datatype, shape: [1n], contents }];
    equal(readInputs(request({ inputs: inputs as never }))[0]?.bytes.length, size, datatype);
  }
});

test("a tensor without dimensions is a scalar", () => {
  const scalar = { ...input, shape: [], contents: { intContents: [7] } };
  equal(readInputs(request({ inputs: [scalar] }))[0]?.bytes.length, 4);
});

test("what does not fit is refused, and the message says where", () => {
  const contents = { intContents: [1, 2] };
  const cases: readonly (readonly [Init, RegExp])[] = [
    [{ inputs: [{ ...input, datatype: "INT31" }] }, /unknown datatype "INT31"/],
    [{ inputs: [{ ...input, shape: [-1n], contents }] }, /inputs\[0\]\.shape: \[-1\]/],
    [{ inputs: [{ ...input, shape: [0n, 4n] }] }, /is not within 1\.\./],
    [{ inputs: [{ ...input, shape: [2n ** 40n] }] }, /inputs\[0\]\.shape/],
    [{ inputs: [{ ...input, shape: Array(4).fill(2n ** 30n) }] }, /too large/],
    [{ inputs: [{ ...input, shape: Array(17).fill(1n) }] }, /more than 16 dimensions/],
    [{ inputs: [{ ...input, shape: [3n], contents }] }, /int_contents: 2 elements .* has 3/],
    [{ inputs: [{ ...input, datatype: "INT64", contents }] }, /int64_contents: 0 elements/],
    [{ inputs: [{ ...input, datatype: "FP16", contents }] }, /raw_input_contents only/],
    [{ inputs: [input], rawInputContents: [new Uint8Array(7)] }, /7 bytes where 2 x INT32 take 8/],
    [{ inputs: [input, { ...input, name: "y" }], rawInputContents: [new Uint8Array(8)] }, /1 entr/],
    [{ inputs: [{ ...input, contents }], rawInputContents: [new Uint8Array(8)] }, /beside/],
    [{ inputs: [{ ...input, contents }, input] }, /"x" is there twice/],
    [{ inputs: [{ ...input, name: "n".repeat(257), contents }] }, /longer than 256/],
    [{ inputs: [{ ...input, name: "\ud800", contents }] }, /not well-formed/],
    [
      { inputs: Array.from({ length: 65 }, (_, n) => ({ ...input, name: `${n}` })) },
      /more than 64/,
    ],
  ];
  for (const [init, message] of cases) {
    throws(() => readInputs(request(init)), { fault: "invalid", message });
  }
});

test("shared memory and classification are unsupported, not ignored", () => {
  const region = { shared_memory_region: { parameterChoice: { case: "stringParam", value: "r" } } };
  const parameters = region as never;
  throws(() => readInputs(request({ inputs: [{ ...input, parameters }] })), {
    fault: "unsupported",
  });
  throws(() => readOutputNames(request({ outputs: [{ name: "y", parameters }] })), {
    fault: "unsupported",
    message: "shared memory is not supported by this server",
  });
  const classes = { classification: { parameterChoice: { case: "int64Param", value: 3n } } };
  const asked = request({ outputs: [{ name: "y", parameters: classes as never }] });
  throws(() => readOutputNames(asked), { fault: "unsupported" });
});

test("priority and timeout are Triton's", () => {
  const options = (parameters: object) =>
    readOptions(request({ parameters: parameters as never }).parameters);
  const whole = (value: bigint) => ({ parameterChoice: { case: "uint64Param", value } });
  deepEqual(options({}), { priority: Priority.UNSPECIFIED, timeoutMs: undefined, caller: "" });
  equal(options({ priority: whole(1n) }).priority, Priority.INTERACTIVE);
  equal(options({ priority: whole(2n) }).priority, Priority.BULK);
  equal(options({ priority: whole(1_000_000n) }).priority, Priority.BULK);
  equal(options({ timeout: whole(1_500n) }).timeoutMs, 1.5);
  equal(options({ timeout: whole(0n) }).timeoutMs, undefined);
  const text = { parameterChoice: { case: "stringParam", value: "1" } };
  throws(() => options({ timeout: text }), { fault: "invalid" });
  throws(() => options({ timeout: whole(2n ** 60n) }), { fault: "invalid" });
});

test("parameters are few, and flags are booleans", () => {
  const flag = { parameterChoice: { case: "boolParam", value: true } } as const;
  const { parameters } = request({ parameters: { truncate: flag } });
  equal(readFlag(parameters, "truncate"), true);
  equal(readFlag(parameters, "normalize"), undefined);
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`${n}`, flag]));
  throws(() => requireParameters(request({ parameters: many }).parameters, "parameters"), {
    fault: "invalid",
  });
});
