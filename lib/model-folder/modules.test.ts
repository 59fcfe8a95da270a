import { deepEqual, equal, throws } from "node:assert/strict";
import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { temporaryFolder, write, writeEmbedding } from "../../test/support/tiny-models.js";
import { ConfinedFolder } from "./confined-folder.js";
import { type Modules, readModules } from "./modules.js";

const transformer = { type: "sentence_transformers.models.Transformer", path: "" };
const pooling = { type: "sentence_transformers.models.Pooling", path: "1_Pooling" };
const dense = { type: "sentence_transformers.models.Dense", path: "2_Dense" };
const normalize = { type: "sentence_transformers.models.Normalize", path: "3_Normalize" };

/** Of an embedding model with a Dense module from 4 to 3. */
function read(t: TestContext, modules: unknown, files: Record<string, unknown> = {}): Modules {
  const folder = temporaryFolder(t);
  writeEmbedding(folder, { dense: { activation: "ReLU" } });
  write(folder, { "modules.json": modules, ...files });
  return readModules(new ConfinedFolder(folder));
}

function dimensions(modules: Modules): number | undefined {
  return modules.kind === "pooling" ? modules.dimensions : undefined;
}

test("pooling, dense and normalize follow each other", (t) => {
  equal(dimensions(read(t, [transformer, pooling])), 4);
  equal(dimensions(read(t, [transformer, pooling, normalize])), 4);
  equal(dimensions(read(t, [transformer, pooling, dense])), 3);
  equal(dimensions(read(t, [transformer, pooling, dense, normalize])), 3);
});

test("where the classes stand in sentence-transformers does not matter", (t) => {
  const moved = { ...pooling, type: "sentence_transformers.sentence_transformer.modules.Pooling" };
  equal(dimensions(read(t, [{ type: "custom_st.Transformer", path: "" }, moved])), 4);
});

test("dropout does nothing outside of training", (t) => {
  const dropout = { type: "sentence_transformers.models.Dropout", path: "2_Dropout" };
  equal(dimensions(read(t, [transformer, pooling, dropout, dense])), 3);
});

test("each layer takes what the one before gives", (t) => {
  throws(() => read(t, [transformer, pooling, dense, dense]), {
    fault: "invalid",
    message: "2_Dense/config.json: in_features is 4, but vectors of 3 come in",
  });
});

test("a Transformer alone has no modules, and so has a folder without modules.json", (t) => {
  deepEqual(read(t, [transformer]), { kind: "none" });
  deepEqual(readModules(new ConfinedFolder(temporaryFolder(t))), { kind: "none" });
});

test("pooling in its usual place counts without modules.json", (t) => {
  const folder = temporaryFolder(t);
  writeEmbedding(folder, { pooling: "cls" });
  rmSync(join(folder, "modules.json"));
  const modules = readModules(new ConfinedFolder(folder));
  equal(modules.kind === "pooling" && modules.pooling, "cls");
});

test("modules that we do not have, or not there, are refused by their names", (t) => {
  const other = (kind: string) => ({ type: `sentence_transformers.models.${kind}`, path: "2_X" });
  const lists = {
    LayerNorm: [transformer, pooling, other("LayerNorm")],
    StaticEmbedding: [other("StaticEmbedding")],
    WordWeights: [transformer, other("WordWeights"), pooling],
    Dense: [transformer, dense, pooling],
    Normalize: [transformer, pooling, normalize, dense],
    Pooling: [pooling],
  };
  for (const [name, modules] of Object.entries(lists)) {
    throws(() => read(t, modules), {
      fault: "invalid",
      message: new RegExp(`^modules\\.json: expected .*; ${name} does not fit there$`),
    });
  }
});

test("a modules.json that is no list of modules is refused", (t) => {
  const many = Array.from({ length: 33 }, () => transformer);
  for (const modules of [[], {}, [{ type: "Transformer" }], many, [{ ...transformer, path: 1 }]]) {
    throws(() => read(t, modules), { fault: "invalid", message: /^modules\.json: / });
  }
});

test("the Transformer is in the folder itself", (t) => {
  throws(() => read(t, [{ ...transformer, path: "0_Transformer" }, pooling]), {
    fault: "invalid",
    message: "modules.json: the Transformer has to be in the folder itself, not in 0_Transformer",
  });
});

test("modules outside of the folder are refused", (t) => {
  for (const path of ["../1_Pooling", "/etc", "x/../../1_Pooling"]) {
    throws(() => read(t, [transformer, { ...pooling, path }]), {
      fault: "invalid",
      message: `${path}/config.json: leaves the model's folder`,
    });
  }
  const folder = temporaryFolder(t);
  const elsewhere = temporaryFolder(t);
  writeEmbedding(folder);
  writeEmbedding(elsewhere);
  rmSync(join(folder, "1_Pooling"), { recursive: true });
  symlinkSync(join(elsewhere, "1_Pooling"), join(folder, "1_Pooling"));
  throws(() => readModules(new ConfinedFolder(folder)), {
    fault: "invalid",
    message: "1_Pooling/config.json: leaves the model's folder",
  });
});

test("SPLADE pooling other than ours is refused", (t) => {
  const splade = { type: "sentence_transformers.models.SpladePooling", path: "1_SpladePooling" };
  const file = "1_SpladePooling/config.json";
  deepEqual(read(t, [transformer, splade], { [file]: {} }), { kind: "splade" });
  for (const said of [{ pooling_strategy: "sum" }, { activation_function: "log1p_relu" }]) {
    throws(() => read(t, [transformer, splade], { [file]: said }), {
      fault: "invalid",
      message: /^1_SpladePooling\/config\.json: (pooling_strategy|activation_function): /,
    });
  }
  throws(() => read(t, [transformer, splade, dense]), { message: /Dense does not fit there/ });
});
