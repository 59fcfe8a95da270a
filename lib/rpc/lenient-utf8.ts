import { configureTextEncoding } from "@bufbuild/protobuf/wire";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Stands for text that is none; every validator of text refuses it, because it is not well-formed. */
const notText = "\ud800";

/**
 * Connect answers INTERNAL when a string of a request is not UTF-8, before any code of ours runs. It is the caller's
 * mistake, so such a string arrives as a lone surrogate instead and is refused as INVALID_ARGUMENT where texts are
 * validated, with the name of its field.
 */
export function decodeInvalidUtf8AsLoneSurrogate(): void {
  configureTextEncoding({
    encodeUtf8: (text) => encoder.encode(text) as Uint8Array<ArrayBuffer>,
    encodeUtf8Into: (text, target) => encoder.encodeInto(text, target),
    decodeUtf8(bytes) {
      try {
        return strict.decode(bytes);
      } catch {
        return notText;
      }
    },
    checkUtf8: (text) => text.isWellFormed(),
  });
}
