import type { RerankerInfo } from '../../lib';
import type { Machine } from '../machine';
import type { Cancel } from './cancel';
import type { Mixed } from './mixed';
import type { Responsive } from './responsive';
import type { Settings, Show } from './scenario';
import type { Soak } from './soak';
import type { Throughput } from './throughput';

/** What each scenario measured; those that were not asked for are absent. */
export interface Measured {
  throughput?: Throughput;
  mixed?: Mixed;
  responsive?: Responsive;
  cancel?: Cancel;
  soak?: Soak;
}

export interface UnderLoadResult extends Measured {
  date: string;
  command: string;
  machine: Machine;
  model: { name: string; synthetic: boolean; info: RerankerInfo };
  settings: Pick<Settings, 'rounds' | 'seconds' | 'soak'>;
}

/** What a scenario's process can be asked to do: one of them, once. */
export interface ScenarioMethods {
  describe(settings: Settings): Promise<{ info: RerankerInfo; instructionSets: string }>;
  throughput(settings: Settings, show: Show): Promise<Throughput>;
  mixed(settings: Settings, show: Show): Promise<Mixed>;
  responsive(settings: Settings, show: Show): Promise<Responsive>;
  cancel(settings: Settings, show: Show): Promise<Cancel>;
  soak(settings: Settings, show: Show): Promise<Soak>;
}
