"""Writes the integer model as ONNX, with the nodes that ONNX Runtime's CPU kernels are best at.

They are its fused ones (MatMulIntegerToFloat, Attention, Gelu), except two whose CPU kernels are slower than the nodes
they stand for: SkipLayerNormalization (load the file with graph optimisation level `basic`, which does not put it back)
and QAttention, which multiplies the queries, keys and values of each head of each text by themselves.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FUSED = "com.microsoft"


def build(encoder, layers, words, pooling):
    """`words`: the table and its scales of rounding.round_rows. `pooling`: mean or cls."""
    return _Writer().model(encoder, layers, words, pooling)


class _Writer:
    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def node(self, op, inputs, output, domain="", **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], domain=domain, **attributes))
        return output

    def model(self, encoder, layers, words, pooling):
        x = self.embeddings(encoder, *words)
        for i, block in enumerate(encoder.blocks):
            last = i == len(encoder.blocks) - 1
            x = self.block(
                encoder,
                block,
                lambda name, i=i: layers[i, name],
                x,
                f"block{i}",
                "last_hidden_state" if last else f"block{i}",
            )
        self.pool(pooling)
        hidden = encoder.words.shape[1]
        inputs = ["input_ids", "attention_mask"] + ([] if encoder.types is None else ["token_type_ids"])
        graph = helper.make_graph(
            self.nodes,
            "sentence-encoder-int8",
            [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"]) for name in inputs],
            [
                helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "sequence", hidden]),
                helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", hidden]),
            ],
            self.constants,
        )
        versions = [helper.make_opsetid("", 23), helper.make_opsetid(FUSED, 1)]
        return helper.make_model(graph, opset_imports=versions, ir_version=11, producer_name="arrowmesh quantize")

    def embeddings(self, encoder, words, scales):
        self.constant("zero", np.array([0], np.int64)), self.constant("one", np.array([1], np.int64))
        self.node("Gather", [self.constant("words", words), "input_ids"], "words.whole")
        self.node("Cast", ["words.whole"], "words.float", to=TensorProto.FLOAT)
        self.node("Gather", [self.constant("words.scale", scales), "input_ids"], "words.scales")
        x = self.node("Mul", ["words.float", "words.scales"], "word")
        if encoder.types is not None:
            self.node("Gather", [self.constant("types", encoder.types), "token_type_ids"], "type")
            x = self.node("Add", [x, "type"], "word+type")
        self.node("Shape", ["input_ids"], "length", start=1, end=2)
        self.node("Slice", [self.constant("positions", encoder.positions), "zero", "length", "zero"], "position")
        x = self.norm(self.node("Add", [x, "position"], "embedding"), encoder.norm, "embedding.norm", "embedded")
        self.mask()
        return x

    def mask(self):
        """Which tokens each token attends to, [batch, 1, sequence, sequence]: Attention wants a row for each."""
        self.node("Cast", ["attention_mask"], "mask.bool", to=TensorProto.BOOL)
        self.node("Unsqueeze", ["mask.bool", self.constant("one+two", np.array([1, 2], np.int64))], "mask.row")
        self.node("Concat", ["one", "one", "length", "one"], "mask.shape", axis=0)
        self.node("Expand", ["mask.row", "mask.shape"], "mask")

    def block(self, encoder, block, layer, x, name, output):
        context = self.attention(layer("qkv"), x, encoder.heads, name)
        attended = self.node("Add", [self.linear(layer("out"), context, f"{name}.out"), x], f"{name}.attended")
        x = self.norm(attended, block.after_attention, f"{name}.norm1", f"{name}.middle")
        up = self.linear(layer("up"), x, f"{name}.up", layer("down").channels)
        down = self.linear(layer("down"), self.node("Gelu", [up], f"{name}.gelu"), f"{name}.down")
        return self.norm(self.node("Add", [down, x], f"{name}.fed"), block.after_feed_forward, f"{name}.norm2", output)

    def attention(self, layer, x, heads, name):
        """Three products of the same integers cost less than one and a Split of what it gives."""
        inputs = self.rounded(layer, x, f"{name}.qkv")
        thirds = np.split(np.arange(layer.weight.shape[1]), 3)
        qkv = [self.product(layer, inputs, f"{name}.{part}", third) for part, third in zip("qkv", thirds)]
        return self.node("Attention", [*qkv, "mask"], f"{name}.context", q_num_heads=heads, kv_num_heads=heads)

    def linear(self, layer, x, name, outputs=None):
        """`outputs`: which outputs the next layer takes, and how often; all of them once where it is left out."""
        outputs = np.arange(layer.weight.shape[1]) if outputs is None else outputs
        return self.product(layer, self.rounded(layer, x, name), name, outputs)

    def rounded(self, layer, x, name):
        """The inputs as uint8, with their scale and zero point."""
        if np.any(layer.smooth != 1):
            x = self.node("Mul", [x, self.constant(f"{name}.smooth", 1 / layer.smooth)], f"{name}.smoothed")
        scale, zero = (
            self.constant(f"{name}.scale", np.float32(layer.scale)),
            self.constant(f"{name}.zero", np.uint8(layer.zero)),
        )
        return self.node("QuantizeLinear", [x, scale, zero], f"{name}.input"), scale, zero

    def product(self, layer, inputs, name, outputs):
        whole, scale, zero = inputs
        weight = self.constant(f"{name}.weight", layer.weight[:, outputs].astype(np.int8))
        weight_scale = self.constant(f"{name}.weight_scale", layer.weight_scale[outputs])
        weight_zero = self.constant(f"{name}.weight_zero", np.zeros(len(outputs), np.int8))
        bias = self.constant(f"{name}.bias", layer.bias[outputs].astype(np.float32))
        factors = [whole, weight, scale, weight_scale, zero, weight_zero, bias]
        return self.node("MatMulIntegerToFloat", factors, f"{name}.output", FUSED)

    def norm(self, x, norm, name, output):
        weight, bias = self.constant(f"{name}.weight", norm.weight), self.constant(f"{name}.bias", norm.bias)
        return self.node("LayerNormalization", [x, weight, bias], output, axis=-1, epsilon=norm.epsilon)

    def pool(self, pooling):
        if pooling == "cls":
            self.node("Gather", ["last_hidden_state", self.constant("first", np.int64(0))], "pooled", axis=1)
        else:
            # The division by the number of tokens is left out, as the vector gets length 1.
            self.node("Cast", ["attention_mask"], "mask.float", to=TensorProto.FLOAT)
            self.node("Unsqueeze", ["mask.float", "one"], "mask.weights")
            self.node("MatMul", ["mask.weights", "last_hidden_state"], "pooled.row")
            self.node("Squeeze", ["pooled.row", "one"], "pooled")
        self.node("ReduceL2", ["pooled", "one"], "norm", keepdims=1)
        self.node("Max", ["norm", self.constant("tiny", np.float32(1e-12))], "norm.safe")
        self.node("Div", ["pooled", "norm.safe"], "sentence_embedding")
