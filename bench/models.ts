import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { packageRoot } from '../lib/native/load';
import type { BenchOptions } from './arguments';
import { type ExportOptions, writeExportedModel } from './exported';
import { syntheticModel, type Task, writeOnce } from './synthetic';

/** The model to measure. */
export interface ChosenModel {
  /** For people: the folder's name or the shape. */
  name: string;
  /** Undefined for the embedded model. */
  folder: string | undefined;
  /** Whether its weights are random numbers. */
  synthetic: boolean;
}

/** Random models and their exports stay here, for the next run; it is ignored by git. */
function cacheFolder(): string {
  return join(packageRoot(), 'build', 'bench');
}

export function chooseModel(
  { shape, model }: Pick<BenchOptions, 'shape' | 'model'>,
  task: Task = 'reranker',
): ChosenModel {
  if (shape !== undefined)
    return { name: shape, folder: syntheticModel(shape, cacheFolder(), task), synthetic: true };
  if (model === undefined) return { name: 'embedded model', folder: undefined, synthetic: false };
  return { name: basename(resolve(model)), folder: resolve(model), synthetic: false };
}

/** The same weights as an exported ONNX file; `remove` deletes what is not kept for the next run. */
export function exportModel(
  model: ChosenModel,
  loadedFrom: string,
  output: ExportOptions['output'] = 'logits',
): { folder: string; remove: () => void } {
  // Opset 12: the form that ONNX Runtime fuses best, so the comparison is with its faster file.
  const write = (folder: string) => writeExportedModel(loadedFrom, folder, { opset: 12, output });
  if (model.synthetic) return { folder: writeOnce(`${loadedFrom}-exported`, write), remove: () => {} };
  const folder = mkdtempSync(join(tmpdir(), 'crossrank-bench-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove); // also when interrupted
  try {
    write(folder);
  } catch (error) {
    remove();
    throw error;
  }
  return { folder, remove };
}
