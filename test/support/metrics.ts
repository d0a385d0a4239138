import { spawnSync } from 'node:child_process';
import { PYTHON, pythonPackage } from './python-package';

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export interface Family {
  name: string;
  type: string;
  help: string;
  samples: Sample[];
}

const PARSE = `
import json, sys
from prometheus_client.parser import text_string_to_metric_families
families = [
    {"name": f.name, "type": f.type, "help": f.documentation,
     "samples": [{"name": s.name, "labels": s.labels, "value": s.value if s.value == s.value else None} for s in f.samples]}
    for f in text_string_to_metric_families(sys.stdin.read())
]
json.dump(families, sys.stdout)
`;

/**
 * Metrics as the parser of Prometheus' Python client reads them.
 * @returns why not, where it cannot be had
 */
export function parseMetrics(text: string): Family[] | { reason: string } {
  const parser = pythonPackage('prometheus-client', '0.23.1');
  if ('reason' in parser) return parser;
  const { status, stdout, stderr } = spawnSync(PYTHON, ['-c', PARSE], {
    input: text,
    encoding: 'utf8',
    env: { ...process.env, PYTHONPATH: parser.folder },
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`the metrics cannot be parsed: ${stderr}`);
  return JSON.parse(stdout);
}

/** A look at metrics that needs no package: name, labels and value of each line. */
export function samplesOf(text: string): Sample[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name, labels = '', value] = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(
        line,
      ) as unknown as [string, string, string | undefined, string];
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key, text]);
      return {
        name,
        labels: Object.fromEntries(pairs),
        value: value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value),
      };
    });
}

/** The one sample of that name and, at least, those labels. */
export function sampleValue(
  text: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const found = samplesOf(text).filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
  if (found.length !== 1) throw new Error(`${found.length} samples of ${name} ${JSON.stringify(labels)}`);
  return (found[0] as Sample).value;
}
