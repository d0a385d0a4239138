/**
 * transformers.js in a process of its own, as its documentation uses a cross-encoder:
 * https://huggingface.co/docs/transformers.js/api/models (AutoModelForSequenceClassification with text pairs).
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { servePeer } from './serve';

/** The part of the library that is used here; it is not installed when this is compiled. */
interface Transformers {
  env: { allowRemoteModels: boolean };
  AutoTokenizer: { from_pretrained(model: string, options: object): Promise<Tokenizer> };
  AutoModelForSequenceClassification: { from_pretrained(model: string, options: object): Promise<Model> };
}
type Tokenizer = (texts: string[], options: object) => object;
type Model = (inputs: object) => Promise<{ logits: { tolist(): number[][] } }>;

interface Settings {
  /** Where the package is installed. */
  modules: string;
  dtype: string;
  batch: number;
}

/** The file of each `dtype`, as the library names it; weights over 2 GB lie beside it. */
const GRAPHS: Record<string, string> = { fp32: 'model', q8: 'model_quantized' };

let tokenizer: Tokenizer;
let model: Model;
let batch: number;

servePeer({
  async load(request) {
    const { modules, dtype, batch: size } = request.settings as Settings;
    const folder = join(modules, '@huggingface', 'transformers');
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const entry = manifest.exports.node.import.default as string;
    const library: Transformers = await import(pathToFileURL(join(folder, entry)).href);
    library.env.allowRemoteModels = false;
    const options = { local_files_only: true };
    tokenizer = await library.AutoTokenizer.from_pretrained(request.model, options);
    model = await library.AutoModelForSequenceClassification.from_pretrained(request.model, {
      ...options,
      dtype,
      use_external_data_format: existsSync(join(request.model, 'onnx', `${GRAPHS[dtype]}.onnx_data`)),
    });
    batch = size;
    const runtime = JSON.parse(readFileSync(join(modules, 'onnxruntime-node', 'package.json'), 'utf8'));
    return {
      versions: { '@huggingface/transformers': manifest.version, 'onnxruntime-node': runtime.version },
      execution: `dtype ${dtype}, device cpu`,
    };
  },

  async score({ query, documents }) {
    const scores: number[] = [];
    for (let start = 0; start < documents.length; start += batch) {
      const part = documents.slice(start, start + batch);
      const inputs = tokenizer(new Array<string>(part.length).fill(query), {
        text_pair: part,
        padding: true,
        truncation: true,
        max_length: 512,
      });
      const { logits } = await model(inputs);
      scores.push(...logits.tolist().map((row) => row[0] as number));
    }
    return scores;
  },
});
