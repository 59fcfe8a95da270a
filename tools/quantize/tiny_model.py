"""Writes a small random encoder for tests: python tiny_model.py FOLDER KIND, of bert, distilbert, pre-norm.

The graph looks like an old export: layer norms and GELUs in pieces, keys before queries, no names that mean anything.
`pre-norm` has the same layers as a BERT, but uses them in another order.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

HIDDEN, HEADS, WIDE, BLOCKS, POSITIONS = 48, 3, 80, 2, 64
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    *(f"{a}{b}{c}" for a in "bdfklmnprst" for b in "aeiou" for c in "bklmnrst"),
]


class Tiny:
    def __init__(self, kind):
        self.kind, self.nodes, self.constants, self.count = kind, [], [], 0
        self.random = np.random.default_rng(7)

    def node(self, op, *inputs, **attributes):
        names = [self.constant(i) if not isinstance(i, str) else i for i in inputs]
        self.count += 1
        self.nodes.append(helper.make_node(op, names, [f"v{self.count}"], **attributes))
        return f"v{self.count}"

    def constant(self, value):
        self.count += 1
        value = np.asarray(value, np.float32) if np.asarray(value).dtype.kind == "f" else np.asarray(value, np.int64)
        self.constants.append(numpy_helper.from_array(value, f"w{self.count}"))
        return f"w{self.count}"

    def linear(self, x, inputs, outputs):
        weight = self.random.normal(0, inputs**-0.5, (inputs, outputs))
        return self.node("Add", self.node("MatMul", x, weight), self.random.normal(0, 0.1, outputs))

    def norm(self, x):
        centred = self.node("Sub", x, self.node("ReduceMean", x, axes=[-1]))
        variance = self.node("ReduceMean", self.node("Pow", centred, 2.0), axes=[-1])
        scaled = self.node("Div", centred, self.node("Sqrt", self.node("Add", variance, 1e-6)))
        weight, bias = self.random.uniform(0.5, 1.5, HIDDEN), self.random.normal(0, 0.1, HIDDEN)
        return self.node("Add", self.node("Mul", scaled, weight), bias)

    def heads(self, x, order):
        return self.node("Transpose", self.node("Reshape", x, [0, 0, HEADS, HIDDEN // HEADS]), perm=order)

    def attention(self, x, mask):
        keys = self.heads(self.linear(x, HIDDEN, HIDDEN), [0, 2, 3, 1])
        queries = self.heads(self.linear(x, HIDDEN, HIDDEN), [0, 2, 1, 3])
        scores = self.node("MatMul", self.node("Div", queries, (HIDDEN / HEADS) ** 0.5), keys)
        shares = self.node("Softmax", self.node("Add", scores, mask), axis=-1)
        values = self.heads(self.linear(x, HIDDEN, HIDDEN), [0, 2, 1, 3])
        context = self.node("Transpose", self.node("MatMul", shares, values), perm=[0, 2, 1, 3])
        return self.linear(self.node("Reshape", context, [0, 0, HIDDEN]), HIDDEN, HIDDEN)

    def feed_forward(self, x):
        x = self.linear(x, HIDDEN, WIDE)
        erf = self.node("Erf", self.node("Div", x, 2**0.5))
        return self.linear(self.node("Mul", self.node("Mul", x, self.node("Add", erf, 1.0)), 0.5), WIDE, HIDDEN)

    def model(self):
        length = self.node("Gather", self.node("Shape", "input_ids"), 1, axis=0)
        positions = self.node("Range", 0, length, 1)
        x = self.node("Gather", self.random.normal(size=(len(WORDS), HIDDEN)), "input_ids")
        if self.kind == "bert":
            x = self.node("Add", x, self.node("Gather", self.random.normal(size=(2, HIDDEN)), "token_type_ids"))
        x = self.node("Add", x, self.node("Gather", self.random.normal(size=(POSITIONS, HIDDEN)), positions))
        mask = self.node("Cast", self.node("Unsqueeze", "attention_mask", [1, 2]), to=TensorProto.FLOAT)
        mask = self.node("Mul", self.node("Sub", 1.0, mask), -10000.0)
        if self.kind == "pre-norm":
            for _ in range(BLOCKS):
                x = self.node("Add", x, self.attention(self.norm(x), mask))
                x = self.node("Add", x, self.feed_forward(self.norm(x)))
            x = self.norm(x)
        else:
            x = self.norm(x)
            for _ in range(BLOCKS):
                x = self.norm(self.node("Add", x, self.attention(x, mask)))
                x = self.norm(self.node("Add", x, self.feed_forward(x)))
        self.nodes[-1].output[0] = "token_embeddings"
        names = ["input_ids", "attention_mask"] + (["token_type_ids"] if self.kind == "bert" else [])
        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "s"]) for name in names]
        output = helper.make_tensor_value_info("token_embeddings", TensorProto.FLOAT, ["b", "s", HIDDEN])
        graph = helper.make_graph(self.nodes, "tiny", inputs, [output], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def write(folder, kind):
    (folder / "onnx").mkdir(parents=True)
    (folder / "1_Pooling").mkdir()
    onnx.save(Tiny(kind).model(), folder / "onnx" / "model.onnx")
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.save(str(folder / "tokenizer.json"))
    cls = kind == "distilbert"
    config = {"model_type": "distilbert" if cls else "bert", "max_position_embeddings": POSITIONS}
    config["n_heads" if cls else "num_attention_heads"] = HEADS
    pooling = {"word_embedding_dimension": HIDDEN, "pooling_mode_cls_token": cls, "pooling_mode_mean_tokens": not cls}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    random = np.random.default_rng(3)
    texts = [" ".join(random.choice(WORDS[4:], random.integers(2, 30))) for _ in range(120)]
    (folder / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2])
