/** Element types of the Open Inference Protocol that ONNX Runtime has in Node, and their sizes in bytes. */
export const elementBytes = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  FP32: 4,
  FP64: 8,
  /** Each element stands behind its own length. */
  BYTES: 0,
} as const;

export type Datatype = keyof typeof elementBytes;
