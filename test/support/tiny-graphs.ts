import { floats, int64s, type OnnxGraph, type OnnxNode, type ValueInfo } from "./onnx-builder.js";

/** Of the tokenizer of all-MiniLM-L6-v2. */
export const vocabularySize = 30_522;
const hiddenSize = 4;

/** The vector of a token in every tiny model: numbers in [-0.5, 0.5), moved by `shift`. */
export function tokenVector(id: number, shift = 0): number[] {
  return Array.from({ length: hiddenSize }, (_, i) => {
    return Math.fround((((id + 1) * (31 + 7 * i)) % 101) / 101 - 0.5 + shift);
  });
}

/** Of the classifier, [4, 3]. */
export const classifierWeights = [2, -1, 0, 0, 1, -1, -1, 0, 2, 1, 1, -2];
export const classifierBias = [0.1, 0.2, 0.3];

const int32Pair = [1, 16];

export const simple: OnnxGraph = {
  inputs: ["INPUT0", "INPUT1"].map((name) => ({ name, type: "int32", shape: int32Pair })),
  outputs: ["OUTPUT0", "OUTPUT1"].map((name) => ({ name, type: "int32", shape: int32Pair })),
  nodes: [
    { op: "Add", inputs: ["INPUT0", "INPUT1"], outputs: ["OUTPUT0"] },
    { op: "Sub", inputs: ["INPUT0", "INPUT1"], outputs: ["OUTPUT1"] },
  ],
};

const copy: readonly OnnxNode[] = [{ op: "Identity", inputs: ["INPUT0"], outputs: ["OUTPUT0"] }];

export const simpleString: OnnxGraph = {
  inputs: [{ name: "INPUT0", type: "string", shape: [1, 16] }],
  outputs: [{ name: "OUTPUT0", type: "string", shape: [1, 16] }],
  nodes: copy,
};

export const identity: OnnxGraph = {
  inputs: [{ name: "INPUT0", type: "float32", shape: ["batch", 4] }],
  outputs: [{ name: "OUTPUT0", type: "float32", shape: ["batch", 4] }],
  nodes: copy,
};

/** A table of two rows: it fails for every other number. */
export const lookup: OnnxGraph = {
  inputs: [{ name: "INPUT0", type: "int64", shape: ["batch", 1] }],
  outputs: [{ name: "OUTPUT0", type: "float32", shape: ["batch", 1, 4] }],
  nodes: [{ op: "Gather", inputs: ["rows", "INPUT0"], outputs: ["OUTPUT0"] }],
  initializers: [floats("rows", [2, hiddenSize], allVectors(2, 0))],
};

export function external(location: string): OnnxGraph {
  return {
    ...identity,
    nodes: [{ op: "Add", inputs: ["INPUT0", "constant"], outputs: ["OUTPUT0"] }],
    initializers: [
      { name: "constant", type: "float32", shape: [4], data: { location, offset: 0, length: 16 } },
    ],
  };
}

const ids: ValueInfo = { name: "input_ids", type: "int64", shape: ["batch", "sequence"] };
const mask: ValueInfo = { name: "attention_mask", type: "int64", shape: ["batch", "sequence"] };
const types: ValueInfo = { name: "token_type_ids", type: "int64", shape: ["batch", "sequence"] };

const table = (shift: number) =>
  floats("table", [vocabularySize, hiddenSize], allVectors(vocabularySize, shift));

const gather: OnnxNode = { op: "Gather", inputs: ["table", "input_ids"], outputs: ["hidden"] };

export function embedding(shift: number): OnnxGraph {
  return {
    inputs: [ids, mask],
    outputs: [
      { name: "last_hidden_state", type: "float32", shape: ["batch", "sequence", hiddenSize] },
    ],
    nodes: [{ ...gather, outputs: ["last_hidden_state"] }],
    initializers: [table(shift)],
  };
}

/** Logits `weights · vector` of a classifier over vectors; two labels. */
export function head(width: number, weights: readonly number[]): OnnxGraph {
  return {
    inputs: [{ name: "sentence_embedding", type: "float32", shape: ["batch", width] }],
    outputs: [{ name: "logits", type: "float32", shape: ["batch", 2] }],
    nodes: [
      {
        op: "Gemm",
        inputs: ["sentence_embedding", "weights"],
        outputs: ["logits"],
        attributes: { transB: { int: 1 } },
      },
    ],
    initializers: [floats("weights", [2, width], weights)],
  };
}

/** A sum of token vectors over those tokens whose weight in `mask` is 1, as `sum`, [batch, 4]. */
function maskedSum(mask: string, sum: string): OnnxNode[] {
  return [
    { op: "Unsqueeze", inputs: [mask, "last"], outputs: [`${mask}3`] },
    { op: "Mul", inputs: ["hidden", `${mask}3`], outputs: [`${mask}ed`] },
    {
      op: "ReduceSum",
      inputs: [`${mask}ed`, "middle"],
      outputs: [sum],
      attributes: { keepdims: { int: 0 } },
    },
  ];
}

const axes = [int64s("last", [1], [2]), int64s("middle", [1], [1])];
const float = { to: { int: 1 } };

export const classifier: OnnxGraph = {
  inputs: [ids, mask],
  outputs: [{ name: "logits", type: "float32", shape: ["batch", 3] }],
  nodes: [
    gather,
    { op: "Cast", inputs: ["attention_mask"], outputs: ["mask"], attributes: float },
    ...maskedSum("mask", "sum"),
    { op: "ReduceSum", inputs: ["mask", "middle"], outputs: ["count"] },
    { op: "Div", inputs: ["sum", "count"], outputs: ["mean"] },
    { op: "Gemm", inputs: ["mean", "weights", "bias"], outputs: ["logits"] },
  ],
  initializers: [
    table(0),
    ...axes,
    floats("weights", [hiddenSize, 3], classifierWeights),
    floats("bias", [3], classifierBias),
  ],
};

export const crossEncoder: OnnxGraph = {
  inputs: [ids, mask, types],
  outputs: [{ name: "logits", type: "float32", shape: ["batch", 1] }],
  nodes: [
    gather,
    { op: "Cast", inputs: ["attention_mask"], outputs: ["mask"], attributes: float },
    { op: "Cast", inputs: ["token_type_ids"], outputs: ["type"], attributes: float },
    { op: "Mul", inputs: ["mask", "type"], outputs: ["second"] },
    { op: "Sub", inputs: ["mask", "second"], outputs: ["first"] },
    ...maskedSum("first", "query"),
    ...maskedSum("second", "document"),
    { op: "Mul", inputs: ["query", "document"], outputs: ["products"] },
    {
      op: "ReduceSum",
      inputs: ["products", "middle"],
      outputs: ["logits"],
      attributes: { keepdims: { int: 1 } },
    },
  ],
  initializers: [table(0), ...axes],
};

/** The logits of a token: 2 for itself, 1 for the next id, -1 for all others and whenever the token is special. */
export function maskedLanguageModel(size: number): OnnxGraph {
  const specialCount = 5;
  const logit = (id: number, of: number) => {
    if (id < specialCount || of < specialCount) return -1;
    if (of === id) return 2;
    return of === id + 1 ? 1 : -1;
  };
  const logits = Array.from({ length: size * size }, (_, i) => {
    return logit(Math.floor(i / size), i % size);
  });
  return {
    inputs: [ids, mask],
    outputs: [{ name: "logits", type: "float32", shape: ["batch", "sequence", size] }],
    nodes: [{ ...gather, outputs: ["logits"] }],
    initializers: [floats("table", [size, size], logits)],
  };
}

function* allVectors(size: number, shift: number): Generator<number> {
  for (let id = 0; id < size; id += 1) yield* tokenVector(id, shift);
}
