// Types that several scripts share. Only the type checker reads this file.

/** A part of a picture, in pixels. */
interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** One operator of ONNX, with ONNX's names and meaning. */
interface Step {
  op: string;
  inputs: string[];
  output: string;
  attributes: Record<string, any>;
}

/** A model, as `penstroke export --to web` writes it into the page. */
interface Model {
  description: {
    image_shape: [channels: number, height: number, width: number];
    classes: string[];
    preprocessing: "digit" | "letterbox" | "crop";
    calibration: { threshold: number } | null;
    source: string;
    /** Whether the server stores corrections. */
    collects?: boolean;
  };
  /** Whether a server computes the model; then there are no program and weights. */
  server?: boolean;
  program: { input: string; output: string; steps: Step[] };
  arrays: { name: string; shape: number[]; dtype: "float16" | "float32" }[];
  /** Base64 of gzip of all arrays. */
  weights: string;
}

interface Tensor {
  shape: number[];
  values: Float32Array;
}

/** The result of one step for one image. The first side of the shape is 1. */
interface Activation extends Tensor {
  name: string;
  op: string;
}

/** A loaded model. Images are raw pixels `[count, channels, height, width]`. */
interface Runtime {
  /** Return log-probabilities `[count, classes]`. */
  run(images: Uint8Array, count: number): Float32Array;
  /** Return the result of each step. */
  trace(image: Uint8Array): Activation[];
}

/** A symbol that was found in a picture. */
interface FoundSymbol {
  /** As the model takes it: `[size, size]`, bright on dark. */
  image: Uint8Array;
  box: Box;
}

/** A symbol with the model's answer. */
interface Reading extends FoundSymbol {
  probabilities: number[];
  /** The most probable class, and its probability. */
  label: string;
  probability: number;
  /** Whether the probability is below the threshold. */
  abstained: boolean;
}

/** A message to the worker. The `image` has the model's shape; pictures, `grey` and in `colours` (RGBA), have any size. */
type Question = { id: number } & (
  | { kind: "load"; model: Model }
  | { kind: "read"; grey: Uint8Array; width: number; height: number }
  | { kind: "fit"; colours: Uint8ClampedArray; width: number; height: number }
  | { kind: "classify"; image: Uint8Array; trace: boolean }
  | { kind: "occlusion"; image: Uint8Array }
);

type Answer =
  | { kind: "loaded" }
  /** `reason` says why there are no symbols. */
  | { kind: "read"; symbols: Reading[]; trace: Activation[] | null; reason: string }
  /** By how much the probability decreases when a square is covered: `side` squares in a row, row by row. */
  | { kind: "occlusion"; side: number; values: Float32Array }
  | { kind: "error"; message: string };

/** A message of the worker, with the `id` of the question. */
type Reply = Answer & { id: number; milliseconds: number };

/** What a worker knows as `self`. */
interface WorkerScope {
  postMessage(reply: Reply): void;
  onmessage: ((event: { data: Question }) => void) | null;
}
