"""How close an integer file comes to the float32 one, and how fast both are."""

import statistics
import time
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime import GraphOptimizationLevel

from reading import hidden_output
from refusal import Refusal

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
SHAPES = ((1, 16), (8, 16), (8, 128))
SECONDS_A_SHAPE = 1.5
ROUNDS_MIN = 3
TEXTS_TOGETHER = 16


class Model:
    """An ONNX file whose vectors are pooled and of length 1; ones that do not do it themselves say how: mean or cls."""

    def __init__(self, file: Path, pooling=None, threads=1):
        options = onnxruntime.SessionOptions()
        # The integer file is fused as it should be; the other one gets the best that ONNX Runtime has.
        level = GraphOptimizationLevel.ORT_ENABLE_BASIC if pooling is None else GraphOptimizationLevel.ORT_ENABLE_ALL
        options.graph_optimization_level = level
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self._pooling = pooling
        self._inputs = [value.name for value in self._session.get_inputs()]
        unknown = sorted(set(self._inputs) - set(INPUTS))
        if unknown:
            raise Refusal(f"{file.name} is not BERT-like: it has an input named {unknown[0]}")
        ranks = {value.name: len(value.shape) for value in self._session.get_outputs()}
        self._output = "sentence_embedding" if pooling is None else hidden_output(ranks, file.name)

    def hidden(self, ids):
        """One vector for each token of one text."""
        return self._run([ids])[0][0]

    def vectors(self, texts):
        output, mask = self._run(texts)
        if self._pooling is None:
            return output
        pooled = output[:, 0] if self._pooling == "cls" else (output * mask[:, :, None]).sum(1)
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    def _run(self, texts):
        mask = np.zeros((len(texts), max(map(len, texts))), np.int64)
        feed = {"input_ids": np.zeros_like(mask), "attention_mask": mask, "token_type_ids": np.zeros_like(mask)}
        for row, ids in enumerate(texts):
            feed["input_ids"][row, : len(ids)] = ids
            mask[row, : len(ids)] = 1
        return self._session.run([self._output], {name: feed[name] for name in self._inputs})[0], mask


def cosines(model, reference, texts):
    return np.array([float((model.vectors([ids]) * reference.vectors([ids])).sum()) for ids in texts])


def batch_difference(model, texts):
    """How far the numbers of a text's vector move when other texts, shorter and longer ones, share its batch."""
    groups = [texts[i : i + TEXTS_TOGETHER] for i in range(0, len(texts), TEXTS_TOGETHER)]
    together = np.concatenate([model.vectors(group) for group in groups])
    alone = np.concatenate([model.vectors([ids]) for ids in texts])
    return float(np.abs(together - alone).max())


def milliseconds(models, texts, tokens_max):
    """[(sequences, tokens, [median of each model])]; the models take turns, so that a busy machine slows all alike."""
    ids = [token for text in texts for token in text]
    result = []
    for sequences, tokens in SHAPES:
        tokens = min(tokens, tokens_max)
        batch = [np.resize(ids[i * tokens :] or ids, tokens).tolist() for i in range(sequences)]
        times = [[] for _ in models]
        end = time.perf_counter() + SECONDS_A_SHAPE
        while len(times[0]) < ROUNDS_MIN or time.perf_counter() < end:
            for model, taken in zip(models, times):
                start = time.perf_counter()
                model.vectors(batch)
                taken.append(time.perf_counter() - start)
        result.append((sequences, tokens, [statistics.median(taken) * 1000 for taken in times]))
    return result
