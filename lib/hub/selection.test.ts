import { deepEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { selectFiles } from "./selection.js";

const always = [
  "README.md",
  "LICENSE",
  "config.json",
  "modules.json",
  "sentence_bert_config.json",
  "config_sentence_transformers.json",
  "tokenizer.json",
  "vocab.txt",
  "sentencepiece.bpe.model",
  "1_Pooling/config.json",
  "2_Dense/config.json",
  "2_Dense/model.safetensors",
];
const onnx = [
  "onnx/model.onnx",
  "onnx/model.onnx_data",
  "onnx/model.onnx_data_1",
  "onnx/model_int8.onnx",
  "onnx/model_q4.onnx",
  "onnx/model_q4.onnx.data",
];
const never = [
  ".gitattributes",
  "pytorch_model.bin",
  "model.safetensors",
  "2_Dense/pytorch_model.bin",
  "1_Pooling/model.safetensors",
  "1_Pooling/more/config.json",
  "modeling_custom.py",
  "2_Dense/code.py",
  "model.pt",
  "training_args.bin",
  "onnx/config.json",
  "onnx/quantize.py",
  "onnx/other.onnx_data",
  "openvino/openvino_model.bin",
  "data.json",
];
const all = [...always, ...onnx, ...never];

test("what serving needs is taken; pickles, code and other weights are not", () => {
  deepEqual(selectFiles(all, []), [...always, ...onnx]);
});

for (const { include, taken } of [
  { include: ["onnx/model_int8.onnx"], taken: ["onnx/model_int8.onnx"] },
  { include: ["onnx/model.onnx"], taken: onnx.slice(0, 3) },
  { include: ["onnx/model_?4.onnx"], taken: onnx.slice(4) },
  { include: ["**/model_*.onnx"], taken: onnx.slice(3) },
  { include: ["onnx/model_int8.onnx", "onnx/model_q4.onnx"], taken: onnx.slice(3) },
  { include: ["**"], taken: onnx },
]) {
  test(`--include ${include.join(" ")} takes ${taken.length} files of onnx/`, () => {
    deepEqual(selectFiles(all, include), [...always, ...taken]);
  });
}

test("a pattern cannot reach what is no ONNX file", () => {
  for (const pattern of ["*.py", "pytorch_model.bin", "on.x/model.onnx", "*.onnx"]) {
    throws(() => selectFiles(all, [pattern]), { fault: "not_found", message: /model_int8\.onnx/ });
  }
});

test("a repository without ONNX files is refused", () => {
  throws(() => selectFiles(["config.json"], []), /no ONNX file is named onnx\/\*\.onnx; .*: none/);
});

test("an ONNX file elsewhere is taken when it is named", () => {
  deepEqual(selectFiles(["model.onnx", "model.onnx_data"], ["model.onnx"]), [
    "model.onnx",
    "model.onnx_data",
  ]);
});
