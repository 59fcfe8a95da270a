import { deepEqual, equal, throws } from "node:assert/strict";
import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { onnxBytes } from "../../test/support/onnx-builder.js";
import { external, identity } from "../../test/support/tiny-graphs.js";
import { temporaryFolder, write, writeExternal } from "../../test/support/tiny-models.js";
import { ConfinedFolder } from "./confined-folder.js";
import { hasOnnxFile, readOnnxFiles } from "./onnx-files.js";

const bytesMax = 1_000_000;

function read(folder: string, max: number = bytesMax): unknown {
  return readOnnxFiles(new ConfinedFolder(folder), max);
}

test("of each type of weights, the first file of the usual names counts", (t) => {
  const folder = temporaryFolder(t);
  const put = (name: string) => write(folder, { [name]: onnxBytes(identity) });
  equal(hasOnnxFile(new ConfinedFolder(folder)), false);
  put("model.onnx");
  equal(hasOnnxFile(new ConfinedFolder(folder)), true);
  deepEqual(read(folder), { float32: join(folder, "model.onnx") });
  for (const name of ["model.onnx", "model_quantized.onnx", "model_fp16.onnx"]) put(`onnx/${name}`);
  const files = {
    int8: join(folder, "onnx/model_quantized.onnx"),
    float16: join(folder, "onnx/model_fp16.onnx"),
    float32: join(folder, "onnx/model.onnx"),
  };
  deepEqual(read(folder), files);
  put("onnx/model_int8.onnx");
  deepEqual(read(folder), { ...files, int8: join(folder, "onnx/model_int8.onnx") });
});

test("a folder without any is refused by what was looked for", (t) => {
  throws(() => read(temporaryFolder(t)), {
    fault: "invalid",
    message: /^the model's folder has no ONNX file; expected one of onnx\/model_int8\.onnx, /,
  });
});

test("a file over the bound is refused, and so is its data", (t) => {
  const folder = temporaryFolder(t);
  writeExternal(folder);
  throws(() => read(folder, 20), { fault: "invalid", message: "model.onnx: is over 20 bytes" });
  write(folder, { "model.onnx_data": new Uint8Array(bytesMax + 1) });
  throws(() => read(folder), { message: "model.onnx_data: is over 1000000 bytes" });
});

test("external data is beside the model's file", (t) => {
  const folder = temporaryFolder(t);
  writeExternal(join(folder, "onnx"), "data/weights.bin");
  deepEqual(read(folder), { float32: join(folder, "onnx/model.onnx") });
  rmSync(join(folder, "onnx/data"), { recursive: true });
  write(folder, { "data/weights.bin": new Uint8Array(16) });
  throws(() => read(folder), { message: "onnx/data/weights.bin: does not exist" });
});

test("external data anywhere else is refused", (t) => {
  for (const location of [
    "../weights.bin",
    "/etc/passwd",
    "a/../../x",
    "C:\\x",
    "..\\x",
    "",
    "a\0",
  ]) {
    const folder = temporaryFolder(t);
    // What a path would mean that is taken for a relative one.
    write(folder, { "weights.bin": new Uint8Array(16), "onnx/etc/passwd": new Uint8Array(16) });
    write(folder, { "onnx/model.onnx": onnxBytes(external(location)) });
    throws(() => read(folder), { fault: "invalid", message: /leaves the model's folder$/ });
  }
});

test("external data that is a link out of the folder is refused", (t) => {
  const folder = temporaryFolder(t);
  writeExternal(folder);
  rmSync(join(folder, "model.onnx_data"));
  symlinkSync("/etc/passwd", join(folder, "model.onnx_data"));
  throws(() => read(folder), {
    fault: "invalid",
    message: "model.onnx_data: leaves the model's folder",
  });
});
