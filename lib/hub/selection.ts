import { MeshError } from "../errors.js";

const configurations = new Set([
  "config.json",
  "generation_config.json",
  "modules.json",
  "config_sentence_transformers.json",
  "added_tokens.json",
  "chat_template.jinja",
  "merges.txt",
  "sentencepiece.bpe.model",
  "special_tokens_map.json",
  "spiece.model",
  "tokenizer.json",
  "tokenizer.model",
  "tokenizer_config.json",
  "vocab.json",
  "vocab.txt",
]);
/** One for each kind of transformer that old versions of sentence-transformers knew. */
const sentenceConfiguration = /^sentence_\w+_config\.json$/;
const documents = /^(README|LICEN[CS]E|NOTICE)(\.(md|txt))?$/i;
/** A folder of sentence-transformers: a number, then the kind of module. */
const moduleFolder = /^\d+_\w+$/;
const denseFolder = /^\d+_Dense(_\w+)?$/;
/** How external data are named after the ONNX file they belong to. */
const externalData = /(?:_data(?:_\d+)?|\.data)$/;
/** Most names in a message. */
const namesMax = 20;

/**
 * The files that serving needs, by their paths in a repository. Patterns choose among the ONNX files; without one, all
 * of `onnx/` are taken. Pickles and code never are.
 */
export function selectFiles(paths: readonly string[], include: readonly string[]): string[] {
  const models = paths.filter((path) => path.endsWith(".onnx"));
  const patterns = (include.length > 0 ? include : ["onnx/*.onnx"]).map(toMatcher);
  const unmatched = include.filter((_, index) => !models.some((path) => patterns[index]?.(path)));
  const chosen = new Set(models.filter((path) => patterns.some((matches) => matches(path))));
  if (unmatched.length > 0 || chosen.size === 0) {
    const wanted = unmatched.length > 0 ? unmatched.join(", ") : "onnx/*.onnx";
    const known = models.slice(0, namesMax).join(", ") || "none";
    throw new MeshError("not_found", `no ONNX file is named ${wanted}; there are: ${known}`);
  }
  return paths.filter((path) => isAlwaysTaken(path) || chosen.has(withoutDataSuffix(path)));
}

function isAlwaysTaken(path: string): boolean {
  const [first = "", second, ...deeper] = path.split("/");
  if (second === undefined) return isConfiguration(first) || documents.test(first);
  if (deeper.length > 0 || !moduleFolder.test(first)) return false;
  return isConfiguration(second) || (denseFolder.test(first) && second.endsWith(".safetensors"));
}

function isConfiguration(name: string): boolean {
  return configurations.has(name) || sentenceConfiguration.test(name);
}

/** Of external data, the ONNX file they belong to; of anything else, the path itself. */
function withoutDataSuffix(path: string): string {
  return path.replace(externalData, "");
}

/** `*` and `?` stay within a folder, `**` does not. */
function toMatcher(pattern: string): (path: string) => boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*\*\/?|\*|\?/g, (wildcard) => wildcards[wildcard] ?? "");
  const expression = new RegExp(`^${source}$`);
  return (path) => expression.test(path);
}

const wildcards: Readonly<Record<string, string>> = {
  "*": "[^/]*",
  "?": "[^/]",
  "**": ".*",
  "**/": "(?:.*/)?",
};
