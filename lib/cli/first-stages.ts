import { readRun } from '../evaluation/files';
import { type FirstStage, stageOfRun } from '../evaluation/first-stage';

/**
 * @param name - path of a run file
 * @param topK - candidates of a query that will be asked for at most
 */
export async function openFirstStage(name: string, topK: number): Promise<FirstStage> {
  return stageOfRun(await readRun(name, { topK }));
}
