"""Reads a BERT-like encoder out of a float32 ONNX graph.

Nothing depends on names: ONNX Runtime first folds constants and fuses layer norms and GELUs, whatever way they were
exported; then the linear layers are told apart by what feeds them. The caller compares numbers with the file's own.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, numpy_helper

from encoder import Block, Encoder, Linear, Norm
from refusal import Refusal

# fmt: off
KEPT_APART = [
    "AttentionFusion", "SkipLayerNormFusion", "BiasGeluFusion", "EmbedLayerNormFusion", "MatMulAddFusion",
    "MatMulScaleFusion", "MatmulTransposeFusion", "BiasSoftmaxFusion",
]
QUANTISED = {
    "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "MatMulIntegerToFloat", "QLinearMatMul", "QAttention",
}
# fmt: on


def read_encoder(file: Path, config: dict) -> Encoder:
    graph = _Graph(file)
    linear, norms = graph.linears(), graph.nodes("LayerNormalization")
    count = len(linear) // 6
    if count == 0 or len(linear) != 6 * count or len(norms) != 2 * count + 1:
        raise Refusal(
            f"{file.name} is not BERT-like: a block has 6 linear layers and 2 layer norms, the embeddings have 1 norm,"
            f" and it has {len(linear)} and {len(norms)}"
        )
    if len(graph.nodes("Gelu")) != count:
        raise Refusal(f"{file.name} is not BERT-like: the activation between its linear layers is not the exact GELU")
    heads = config.get("num_attention_heads", config.get("n_heads"))
    hidden = len(graph.array(norms[0].input[1]))
    if not isinstance(heads, int) or heads < 1 or hidden % heads != 0:
        raise Refusal(f"config.json: num_attention_heads is {heads}, which does not divide {hidden}")
    blocks = [graph.block(linear[6 * i : 6 * i + 6], norms[2 * i + 1 : 2 * i + 3]) for i in range(count)]
    words, positions, types = graph.tables(hidden)
    if config.get("model_type") in ("roberta", "xlm-roberta", "camembert"):
        # They count positions from after the padding's id.
        positions = positions[config.get("pad_token_id", 1) + 1 :]
    if types is not None and "token_type_ids" not in graph.inputs:
        positions, types = positions + types[0], None
    return Encoder(words, positions, types, graph.norm(norms[0]), blocks, heads)


class _Graph:
    """The file as ONNX Runtime simplifies it, cut down to what its token vectors depend on."""

    def __init__(self, file):
        model = _simplified(file)
        self.name = file.name
        self._arrays = {t.name: t for t in model.graph.initializer}
        self.inputs = [i.name for i in model.graph.input]
        self._producer = {name: node for node in model.graph.node for name in node.output}
        needed = self._ancestors(hidden_output(_ranks(model), file.name))
        self._nodes = [node for node in model.graph.node if needed & set(node.output)]

    def nodes(self, *types):
        return [node for node in self._nodes if node.op_type in types]

    def array(self, name):
        if name not in self._arrays:
            raise Refusal(f"{self.name} is not BERT-like: {name} is computed where weights are expected")
        return numpy_helper.to_array(self._arrays[name])

    def norm(self, node):
        epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
        weight = self.array(node.input[1])
        bias = self.array(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros_like(weight)
        return Norm(weight, bias, epsilon)

    def linears(self):
        """Nodes that multiply by a weight matrix, in an order in which each comes after those it depends on."""
        return [
            n
            for n in self.nodes("MatMul", "Gemm")
            if n.input[1] in self._arrays and len(self._arrays[n.input[1]].dims) == 2
        ]

    def block(self, linear, norms):
        attention, (out, up, down) = linear[:3], linear[3:]
        products = [
            n for n in self.nodes("MatMul") if n.input[0] not in self._arrays and n.input[1] not in self._arrays
        ]
        mine = {name for node in attention for name in node.output}
        roles = {}
        for node in products:
            sides = [self._nearest(name) for name in node.input[:2]]
            if sides[0] <= mine and sides[1] <= mine and len(sides[0]) == len(sides[1]) == 1:
                roles["q"], roles["k"] = sides[0].pop(), sides[1].pop()
            elif sides[0] <= mine and sides[1] <= mine and len(sides[1]) == 1:
                roles["v"] = sides[1].pop()
        if len(set(roles.values())) != 3 or len({node.input[0] for node in attention}) != 1:
            raise Refusal(
                f"{self.name} is not BERT-like: queries, keys and values of {attention[0].name} cannot be told apart"
            )
        qkv = [self._linear(self._producer[roles[r]]) for r in "qkv"]
        joined = Linear(np.concatenate([p.weight for p in qkv], 1), np.concatenate([p.bias for p in qkv]))
        parts = {"qkv": joined, "out": self._linear(out), "up": self._linear(up), "down": self._linear(down)}
        shapes = [parts[name].weight.shape for name in parts]
        hidden, wide = shapes[2]
        if shapes != [(hidden, 3 * hidden), (hidden, hidden), (hidden, wide), (wide, hidden)]:
            raise Refusal(f"{self.name} is not BERT-like: the linear layers of a block have the shapes {shapes}")
        return Block(parts, *(self.norm(node) for node in norms))

    def tables(self, hidden):
        """Word, position and type embeddings; the words' are those that input_ids picks from directly."""
        # ONNX Runtime makes a slice of a gather of consecutive rows.
        found = [n for n in self.nodes("Gather", "Slice") if self._is_table(n.input[0], hidden)]
        words = [n.input[0] for n in found if n.input[1] == "input_ids"]
        others = sorted({n.input[0] for n in found} - set(words), key=lambda name: -self._arrays[name].dims[0])
        if len(words) != 1 or len(others) not in (1, 2):
            raise Refusal(
                f"{self.name} is not BERT-like: expected tables of word, position and perhaps type embeddings"
            )
        return self.array(words[0]), self.array(others[0]), self.array(others[1]) if len(others) == 2 else None

    def _is_table(self, name, hidden):
        tensor = self._arrays.get(name)
        return (
            tensor is not None
            and tensor.data_type == TensorProto.FLOAT
            and len(tensor.dims) == 2
            and tensor.dims[1] == hidden
        )

    def _linear(self, node):
        weight = self.array(node.input[1])
        if node.op_type == "Gemm":
            weight = weight.T if any(a.name == "transB" and a.i for a in node.attribute) else weight
            bias = self.array(node.input[2]) if len(node.input) > 2 else 0
        else:
            sums = [
                n for n in self.nodes("Add") if node.output[0] in n.input and any(i in self._arrays for i in n.input)
            ]
            bias = self.array(next(i for i in sums[0].input if i != node.output[0])) if sums else 0
        return Linear(np.ascontiguousarray(weight), np.zeros(weight.shape[1], np.float32) + bias)

    def _nearest(self, name):
        """Outputs of the linear layers that a value depends on, without looking behind them."""
        weights = {n.output[0] for n in self.linears()}
        seen, queue = set(), [name]
        while queue:
            name = queue.pop()
            if name in seen or name not in self._producer or self._producer[name].op_type == "Shape":
                continue
            seen.add(name)
            if name not in weights:
                queue += self._producer[name].input
        return seen & weights

    def _ancestors(self, name):
        seen, queue = set(), [name]
        while queue:
            name = queue.pop()
            if name not in seen:
                seen.add(name)
                queue += self._producer[name].input if name in self._producer else []
        return seen


def _simplified(file):
    """As ONNX Runtime would run the file, but for the fusions that hide what we look for."""
    model = _load(file)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = os.path.join(folder, "simplified.onnx")
        try:
            whole = model.SerializeToString()
            onnxruntime.InferenceSession(
                whole, options, providers=["CPUExecutionProvider"], disabled_optimizers=KEPT_APART
            )
            return onnx.load(options.optimized_model_filepath)
        except Exception as error:
            raise Refusal(f"ONNX Runtime cannot load {file.name}: {str(error).splitlines()[0]}") from error


def _load(file):
    try:
        model = onnx.load(file, load_external_data=False)
    except Exception as error:
        raise Refusal(f"{file} is not an ONNX file") from error
    tensors, nodes = model.graph.initializer, {node.op_type for node in model.graph.node}
    if "input_ids" not in {i.name for i in model.graph.input}:
        raise Refusal(f"{file.name} is not BERT-like: it has no input named input_ids")
    hidden_output(_ranks(model), file.name)
    if nodes & QUANTISED:
        raise Refusal(f"{file.name} is quantised already; the float32 file is needed")
    if nodes & {"Attention", "EmbedLayerNormalization", "SkipLayerNormalization", "MultiHeadAttention"}:
        raise Refusal(f"{file.name} has fused attention or layer norms; the plain export is needed")
    if any(
        t.data_type in (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE) and len(t.dims) == 2
        for t in tensors
    ):
        raise Refusal(f"{file.name} has weights in another type than float32")
    for place in {entry.value for t in tensors for entry in t.external_data if entry.key == "location"}:
        if not (file.parent / place).is_file():
            raise Refusal(f"{file.name} keeps its weights in {place}, which is not beside it")
    try:
        onnx.load_external_data_for_model(model, str(file.parent))
    except Exception as error:
        raise Refusal(
            f"{file.name} keeps weights in other files that cannot be read: {str(error).splitlines()[0]}"
        ) from error
    return model


def _ranks(model):
    return {output.name: len(output.type.tensor_type.shape.dim) for output in model.graph.output}


def hidden_output(ranks, file_name):
    """Which of the outputs {name: rank} has one vector for each token."""
    for name in ("last_hidden_state", "token_embeddings", "hidden_states"):
        if name in ranks:
            return name
    for name, rank in ranks.items():
        if rank == 3:
            return name
    raise Refusal(f"{file_name} is not BERT-like: no output has a vector for each token, only {', '.join(ranks)}")
