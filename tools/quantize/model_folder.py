"""What a model's folder in sentence-transformers' layout says beside the weights."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from refusal import Refusal

# Calibration keeps the inputs of a layer for all its tokens in memory.
CALIBRATION_TOKENS_MAX = 20_000
# Calibration lines that are joined to a longer text, which reaches later positions.
LINES_JOINED = 8


@dataclass
class ModelFolder:
    path: Path
    config: dict
    pooling: str  # mean or cls
    tokens_max: int
    tokenizer: Tokenizer

    @property
    def float_file(self):
        return self.path / "onnx" / "model.onnx"

    def limit(self, positions):
        """Texts are cut to what the model has positions for, whatever the files say."""
        self.tokens_max = min(self.tokens_max, positions)
        self.tokenizer.enable_truncation(self.tokens_max)

    def tokenize(self, texts):
        return [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]


def read_folder(path: Path) -> ModelFolder:
    if not path.is_dir():
        raise Refusal(f"{path} is no folder")
    if not (path / "onnx" / "model.onnx").is_file():
        raise Refusal(f"{path} has no onnx/model.onnx, the float32 model")
    config = _json(path / "config.json", needed=True)
    limits = [_json(path / "sentence_bert_config.json").get("max_seq_length")]
    limits += [_json(path / "tokenizer_config.json").get("model_max_length"), config.get("max_position_embeddings")]
    # Tokenizers without a limit say 1e30.
    tokens_max = next((n for n in limits if isinstance(n, int) and 0 < n < 1_000_000), 512)
    try:
        tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    except Exception as error:
        raise Refusal(f"{path} has no tokenizer.json that can be read: {error}") from error
    tokenizer.no_padding()
    return ModelFolder(path, config, _pooling(path), tokens_max, tokenizer)


def read_texts(file: Path, least: int) -> list[str]:
    """One text a line; empty lines do not count."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(f"{file} cannot be read as UTF-8 text: {error}") from error
    texts = [line.strip() for line in lines if line.strip()]
    if len(texts) < least:
        raise Refusal(f"{file} has {len(texts)} texts, one a line; at least {least} are needed")
    return texts


def calibration_ids(folder: ModelFolder, lines: list[str]) -> list[list[int]]:
    """The lines and longer texts made of them, in any order, as far as the memory for them goes."""
    joined = [" ".join(lines[i : i + LINES_JOINED]) for i in range(0, len(lines), LINES_JOINED)]
    texts = folder.tokenize(lines + joined)
    random.Random(0).shuffle(texts)
    taken, count = [], 0
    for ids in texts:
        count += len(ids)
        if count > CALIBRATION_TOKENS_MAX and taken:
            break
        taken.append(ids)
    return taken


def _pooling(path):
    modules = _json(path / "modules.json", empty=[])
    kinds = [str(module.get("type", "")).split(".")[-1] for module in modules]
    others = [kind for kind in kinds if kind not in ("Transformer", "Pooling", "Normalize")]
    if others:
        raise Refusal(f"{path / 'modules.json'} has a module that is not supported: {others[0]}")
    places = [module["path"] for module, kind in zip(modules, kinds) if kind == "Pooling"] or ["1_Pooling"]
    said = _json(path / places[0] / "config.json")
    modes = [
        key.removeprefix("pooling_mode_")
        for key, value in said.items()
        if key.startswith("pooling_mode_") and value is True
    ]
    mode = said.get("pooling_mode") or " and ".join(modes) or "mean_tokens"
    names = {"mean": "mean", "mean_tokens": "mean", "cls": "cls", "cls_token": "cls"}
    if mode not in names:
        raise Refusal(f"{path / places[0] / 'config.json'}: only mean and cls pooling are supported, not {mode}")
    return names[mode]


def _json(file, needed=False, empty=None):
    empty = {} if empty is None else empty
    if not file.is_file() and not needed:
        return empty
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(f"{file} cannot be read: {error}") from error
    if not isinstance(value, type(empty)):
        raise Refusal(f"{file} is not the JSON that it should be")
    return value
