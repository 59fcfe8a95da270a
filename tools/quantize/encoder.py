"""An encoder of BERT's arithmetic, computed with numpy, so that what enters each layer is at hand."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass
class Linear:
    weight: np.ndarray  # [in, out]
    bias: np.ndarray


@dataclass
class Norm:
    weight: np.ndarray
    bias: np.ndarray
    epsilon: float

    def __call__(self, x):
        centred = x - x.mean(-1, keepdims=True)
        deviation = np.sqrt((centred * centred).mean(-1, keepdims=True) + np.float32(self.epsilon))
        return centred / deviation * self.weight + self.bias


@dataclass
class Block:
    linear: dict  # "qkv" (queries, keys and values side by side), "out", "up", "down"
    after_attention: Norm
    after_feed_forward: Norm


@dataclass
class Encoder:
    words: np.ndarray
    positions: np.ndarray  # row 0 belongs to a text's first token
    types: np.ndarray | None  # None: the file has no token_type_ids
    norm: Norm
    blocks: list[Block]
    heads: int

    def embed(self, texts, words):
        first = 0 if self.types is None else self.types[0]
        return self.norm(np.concatenate([words[ids] + first + self.positions[: len(ids)] for ids in texts]))

    def attend(self, qkv, lengths):
        """[tokens, 3 * hidden] -> [tokens, hidden], for texts that lie one after the other without padding."""
        out = np.empty((len(qkv), qkv.shape[1] // 3), np.float32)
        start = 0
        for length in lengths:
            rows = slice(start, start + length)
            parts = np.split(qkv[rows], 3, axis=1)
            q, k, v = (part.reshape(length, self.heads, -1).transpose(1, 0, 2) for part in parts)
            scores = q @ k.transpose(0, 2, 1) / np.float32(math.sqrt(q.shape[-1]))
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            out[rows] = (scores / scores.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(length, -1)
            start += length
        return out

    def run(self, texts, linear):
        """Hidden states [tokens, hidden] of texts (lists of ids); linear(block, name, x) computes one layer."""
        lengths = [len(ids) for ids in texts]
        x = self.embed(texts, self.words)
        for i, block in enumerate(self.blocks):
            x = block.after_attention(linear(i, "out", self.attend(linear(i, "qkv", x), lengths)) + x)
            x = block.after_feed_forward(linear(i, "down", gelu(linear(i, "up", x))) + x)
        return x


def gelu(x):
    """x / 2 * (1 + erf(x / sqrt(2))), with Abramowitz and Stegun's 7.1.26 for erf (error below 2e-7)."""
    z = np.abs(x) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = t * (
        0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * np.float32(1.061405429))))
    )
    return x * 0.5 * (1 + np.sign(x) * (1 - series * np.exp(-z * z)))
