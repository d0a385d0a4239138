import type { CpuLevel, Precision } from '../../lib';
import { nativeBinding } from '../../lib/native/binding';

type Reduced = Exclude<Precision, 'auto' | 'fp32'>;

const features = new Set(nativeBinding().cpuFeatures().split(' '));
const hasAmx = ['amx-tile', 'amx-bf16', 'amx-int8', 'avx512bf16'].every((name) => features.has(name));

/** What this CPU runs besides fp32, as its own features say. */
export const REDUCED: Reduced[] = [
  ...(hasAmx ? (['bf16x3'] as const) : []),
  ...(features.has('avx512bf16') && features.has('avx512vnni') ? (['bf16'] as const) : []),
  'int8',
];

export const PRECISIONS: Exclude<Precision, 'auto'>[] = ['fp32', ...REDUCED];

const NEEDS: [CpuLevel, string[]][] = [
  ['generic', []],
  ['avx2', ['avx2', 'fma', 'f16c']],
  ['avxvnni', ['avx2', 'avxvnni']],
  ['avx512', ['avx512f', 'avx512bw', 'avx512vl', 'avx512dq']],
  ['vnni', ['avx512f', 'avx512vnni']],
  ['bf16', ['avx512vnni', 'avx512bf16']],
];

/** Levels that this CPU runs; `amx` is left out, for the operating system may refuse it. */
export const LEVELS: CpuLevel[] = NEEDS.filter(([, needed]) =>
  needed.every((name) => features.has(name)),
).map(([level]) => level);
export const LACKS_AMX = !hasAmx;
