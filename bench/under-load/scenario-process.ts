/** Runs one scenario in a process of its own, so that neither memory nor counts are another's. */
import { nativeBinding } from '../../lib/native/binding';
import { serveParent } from '../child';
import { measureCancel } from './cancel';
import { measureMixed } from './mixed';
import { measureResponsive } from './responsive';
import type { ScenarioMethods } from './result';
import { loadModel } from './scenario';
import { measureSoak } from './soak';
import { measureThroughput } from './throughput';

serveParent<ScenarioMethods>({
  describe: async (settings) => {
    await using reranker = await loadModel(settings);
    return { info: reranker.info(), instructionSets: nativeBinding().cpuFeatures() };
  },
  throughput: measureThroughput,
  mixed: measureMixed,
  responsive: measureResponsive,
  cancel: measureCancel,
  soak: measureSoak,
});
