/** What a model is for, as its files say. */
export type Task = "embedding" | "classification" | "reranking" | "sparse" | "tensors";

/** Types of weights, by the files that hold them. */
export const dtypes = ["int8", "float16", "float32"] as const;
export type Dtype = (typeof dtypes)[number];

export type Pooling = "mean" | "cls" | "max" | "last_token";

/** A linear layer after pooling, `activation(weight · x + bias)`, as sentence-transformers' Dense module. */
export interface Dense {
  /** Shape [outputs, inputs], row-major. */
  readonly weight: Float32Array;
  /** Shape [outputs]. */
  readonly bias: Float32Array | undefined;
  readonly activation: "identity" | "tanh" | "relu" | "gelu" | "sigmoid";
}

/** A classifier over the vectors of an embedding model: an ONNX file with one input, the vector. */
export interface Head {
  readonly name: string;
  readonly file: string;
  readonly labels: readonly string[];
}

interface OnnxFiles {
  /** The folder; every file is inside it. */
  readonly path: string;
  /** Absolute paths of ONNX files by the type of their weights; at least one. */
  readonly files: Readonly<Partial<Record<Dtype, string>>>;
}

interface TextModel extends OnnxFiles {
  /** Most tokens of one text, special tokens included. */
  readonly tokensMax: number;
  /** Ids are below it. */
  readonly vocabularySize: number;
  /** Texts that go before a caller's text, by name (config_sentence_transformers.json). */
  readonly prompts: Readonly<Record<string, string>>;
  readonly defaultPrompt: string | undefined;
}

export interface EmbeddingModel extends TextModel {
  readonly task: "embedding";
  readonly hiddenSize: number;
  /** Length of one vector, after the last Dense. */
  readonly dimensions: number;
  readonly pooling: Pooling;
  readonly dense: readonly Dense[];
  readonly heads: readonly Head[];
}

/** A sequence classifier; with one label and pairs of texts it is a cross-encoder. */
export interface ClassifierModel extends TextModel {
  readonly task: "classification" | "reranking";
  readonly labels: readonly string[];
  /** Whether labels exclude each other (softmax) or not (the logistic function of each). */
  readonly isMultiLabel: boolean;
}

/** SPLADE: a masked language model whose logits become weights over the vocabulary. */
export interface SparseModel extends TextModel {
  readonly task: "sparse";
}

/** An ONNX file of which nothing else is known. */
export interface TensorModel extends OnnxFiles {
  readonly task: "tensors";
}

export type ModelSpec = EmbeddingModel | ClassifierModel | SparseModel | TensorModel;
