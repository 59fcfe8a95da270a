"""Turns the linear layers of an encoder into integers, block by block, each on what the integer layers before it give.

README.md says what each step is worth. All scales are fixed here, so that a text's vector does not depend on what
shares its batch, as it would with scales taken from the data at run time.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from encoder import gelu

# How much of an input's size moves into its weights: 0 nothing, 1 all.
MIGRATION = {"qkv": 0.75, "out": 0, "up": 0.75, "down": 0.5}
# Inputs added to "down": copies of its largest ones. Kernels take as many at once.
COPIES = 16
# Shares of the largest value that are tried as the end of the inputs' range.
CLIPS = (1, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6)
SAMPLE_ROWS = 600
# x64 without VNNI adds the products of neighbouring inputs in 16 bits: 255 * 128 still fits.
SUM_MAX = 128
DAMPING = 0.01
ROWS_TOGETHER = 64


@dataclass
class Rounded:
    """One linear layer: (round(x[:, channels] / smooth / scale) @ weight) * scale * weight_scale + bias."""

    channels: np.ndarray  # which inputs to take
    smooth: np.ndarray  # what each of them is divided by
    scale: float
    zero: int  # added to the rounded inputs, which makes them 0 to 255
    weight: np.ndarray  # whole numbers [len(channels), out]
    weight_scale: np.ndarray  # [out]
    bias: np.ndarray

    def __call__(self, x):
        inputs = round_to(self.scale, self.zero, x[:, self.channels] / self.smooth)
        return inputs @ (self.weight * self.weight_scale) + self.bias


def quantise(encoder, texts, words, weight_bits, progress):
    """The encoder's layers as {(block, name): Rounded}; `words` is the table that the quantised model will have."""
    lengths = [len(ids) for ids in texts]
    # The same texts in the float32 model and in the one that is being made.
    exact, rounded = encoder.embed(texts, encoder.words), encoder.embed(texts, words)
    layers = {}

    def linear(i, name, exact, rounded):
        weights = encoder.blocks[i].linear[name]
        layer = layers[i, name] = quantise_layer(name, weights, exact, rounded, weight_bits)
        return exact @ weights.weight + weights.bias, layer(rounded)

    for i, block in enumerate(encoder.blocks):
        progress(i)
        a, b = (encoder.attend(qkv, lengths) for qkv in linear(i, "qkv", exact, rounded))
        a, b = linear(i, "out", a, b)
        exact, rounded = block.after_attention(a + exact), block.after_attention(b + rounded)
        a, b = (gelu(x) for x in linear(i, "up", exact, rounded))
        a, b = linear(i, "down", a, b)
        exact, rounded = block.after_feed_forward(a + exact), block.after_feed_forward(b + rounded)
    return layers


def quantise_layer(name, weights, exact, rounded, weight_bits):
    smooth = smoothing(MIGRATION[name], rounded, weights.weight)
    channels = np.arange(len(smooth))
    if name == "down":
        channels = with_copies(channels, rounded.max(0) / smooth)
    times = np.bincount(channels)[channels].astype(np.float32)
    weight = weights.weight[channels] * smooth[channels, None]
    smooth = smooth[channels] * times
    inputs = rounded[:, channels] / smooth
    scale, zero = input_range(inputs, weight)
    inputs = round_to(scale, zero, inputs)
    weight_scale = weight_scales(weight, weight_bits)
    whole = round_weights(weight, weight_scale, inputs.T @ inputs / len(inputs), weight_bits)
    # What rounding adds to an output on average is taken off its bias (Nagel et al. 2019, arXiv 1906.04721).
    error = (inputs @ (whole * weight_scale) - exact @ weights.weight).mean(0)
    return Rounded(channels, smooth, scale, zero, whole, weight_scale, weights.bias - error)


def smoothing(migration, inputs, weight):
    """What to divide each input by, and multiply its weights by (SmoothQuant, Xiao et al. 2022, arXiv 2211.10438)."""
    if migration == 0:
        return np.ones(len(weight), np.float32)
    sizes = np.maximum(np.abs(inputs).max(0), 1e-5) ** migration
    return np.maximum(sizes / np.maximum(np.abs(weight).max(1), 1e-5) ** (1 - migration), 1e-4).astype(np.float32)


def with_copies(channels, largest):
    """The channels and COPIES more: of whichever would be the largest if its value were shared among its copies."""
    times = np.ones(len(channels), int)
    for _ in range(COPIES):
        times[np.argmax(largest / times)] += 1
    copies = np.repeat(channels, times - 1)
    # Spread out, because neighbours share the room of a 16-bit sum.
    return np.insert(channels, np.arange(COPIES) * (len(channels) // COPIES), copies)


def input_range(inputs, weight):
    """Scale and zero point of uint8 inputs; cutting off the largest values pays where that makes the sums better."""
    low, high = min(float(inputs.min()), 0), max(float(inputs.max()), 1e-6)
    sample = inputs[:: max(1, len(inputs) // SAMPLE_ROWS)]
    importance = np.square(weight).sum(1)

    def error(share):
        return (np.square(round_to(*affine(low * share[0], high * share[1]), sample) - sample) @ importance).mean()

    # One-sided inputs, as GELU's, have no lower end to cut.
    lows = CLIPS if low < -high / 2 else (1,)
    share = min(itertools.product(lows, CLIPS), key=error)
    return affine(low * share[0], high * share[1])


def affine(low, high):
    scale = np.float32((high - low) / 255)
    return scale, round(float(-low / scale))


def round_to(scale, zero, x):
    return (np.clip(np.rint(x / scale) + zero, 0, 255) - zero) * scale


def weight_scales(weight, bits):
    """One scale for each output, so that neighbours of one sign fit into SUM_MAX together."""
    scale = np.maximum(np.abs(weight).max(0) / largest_of(bits), 1e-10)
    for sign in (1, -1):
        side = np.maximum(sign * weight, 0)
        scale = np.maximum(scale, (side[: len(side) // 2 * 2 : 2] + side[1::2]).max(0) / SUM_MAX)
    return scale.astype(np.float32)


def largest_of(bits):
    return 2 ** (bits - 1) - 1


def round_weights(weight, scale, products, bits):
    """Rounds one input's weights after the other, and lets those to come make up for each error as far as the inputs
    are correlated (GPTQ, Frantar et al. 2022, arXiv 2210.17323). `products`: mean of inputs * inputs' [in, in]."""
    order = np.argsort(-np.diag(products))
    damped = products.astype(np.float64)
    damped[np.diag_indices_from(damped)] += DAMPING * np.diag(products).mean() + 1e-12
    factor = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T.astype(np.float32)
    left, limit = weight[order] / scale, largest_of(bits)
    # One row more, for the last input of an odd number.
    whole = np.zeros((len(weight) + 1, weight.shape[1]), np.float32)
    for start in range(0, len(left), ROWS_TOGETHER):
        end = min(start + ROWS_TOGETHER, len(left))
        errors = np.empty((end - start, weight.shape[1]), np.float32)
        for row in range(start, end):
            neighbour = whole[order[row] ^ 1]
            lowest = np.clip(-SUM_MAX - neighbour, -limit, 0)
            highest = np.clip(SUM_MAX - neighbour, 0, limit)
            whole[order[row]] = np.clip(np.rint(left[row]), lowest, highest)
            errors[row - start] = (left[row] - whole[order[row]]) / factor[row, row]
            left[row + 1 : end] -= np.outer(factor[row, row + 1 : end], errors[row - start])
        left[end:] -= factor[start:end, end:].T @ errors
    return whole[:-1]


def round_rows(table):
    """A table of embeddings as int8 with a scale for each row."""
    scale = np.maximum(np.abs(table).max(1, keepdims=True), 1e-8) / np.float32(127)
    return np.rint(table / scale).astype(np.int8), scale
