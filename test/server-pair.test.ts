// Replicas: the server keeps no state between requests, so that two of them behind a balancer are one service, and the
// end of one costs a client no more than its one retry.

import { Reranker } from '../lib';
import { type Balancer, SERVED_BY, startBalancer } from './support/balancer';
import { samplesOf } from './support/metrics';
import { fixture } from './support/models';
import { post, ServedChild, until } from './support/server';

jest.setTimeout(120_000); // processes of a shared machine; nothing here is about time

const REQUESTS = 80;
const CLIENTS = 8;
/** The end comes when so many have been answered. */
const ENDED_AFTER = 24;
const TEXTS = 80;
/** Of the requests that are under way then, so that the end surely meets some. */
const MANY_TEXTS = 1500;
const QUERY = 'red planet';
/** The queue takes all of it, also on a slow machine: what a full one does is not the subject. */
const ARGUMENTS = [
  ...['--model', `${fixture('bert')}=mini`, '--threads', '1', '--precision', 'fp32'],
  ...['--max-queued-tokens', '100000000', '--log-level', 'silent'],
];

/** What a client may take for "not now": overloaded, no answer, shutting down. */
const WORTH_A_RETRY = [429, 502, 503];

type Scores = { index: number; score: number }[];

interface Outcome {
  /** When it was sent and answered, as numbers of answers until then. */
  startedAfter: number;
  endedAs: number;
  attempts: number;
  servedBy: string;
  scores: Scores;
}

/** What the library says of each request. */
const expected: Scores[] = [];

beforeAll(async () => {
  await using reranker = await Reranker.load(fixture('bert'), { precision: 'fp32', cache: false });
  for (let request = 0; request < REQUESTS; request++) {
    const { results } = await reranker.rerank(QUERY, textsOf(request), { returnDocuments: false });
    expected.push(results.map(({ index, score }) => ({ index, score })));
  }
});

let servers: ServedChild[];
let urls: string[];
let balancer: Balancer;

beforeEach(async () => {
  servers = [1, 2].map(() => new ServedChild(ARGUMENTS));
  urls = await Promise.all(servers.map((server) => server.listening()));
  balancer = await startBalancer(urls);
});

afterEach(async () => {
  await balancer.close();
  await Promise.all(servers.map((server) => server.stop('SIGKILL')));
});

const victim = () => urls[0] as string;
const survivor = () => urls[1] as string;

/** Different ones for each request: nothing comes from the cache. */
function textsOf(request: number): string[] {
  const isUnderWay = request >= ENDED_AFTER && request < ENDED_AFTER + CLIENTS;
  const length = isUnderWay ? MANY_TEXTS : TEXTS;
  return Array.from({ length }, (_, i) => `${request} ${i} ${'planet of rock '.repeat(1 + (i % 8))}`);
}

let answered: number;

/** Clients that send one request after the other, and each again where it is worth it, but once. */
async function load(atSomeTime: () => Promise<void>): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let sent = 0;
  answered = 0;
  async function client(): Promise<void> {
    while (sent < REQUESTS) {
      const request = sent++;
      const startedAfter = answered;
      const outcome = await ask(request);
      outcomes[request] = { ...outcome, startedAfter, endedAs: ++answered };
      if (answered === ENDED_AFTER) await atSomeTime(); // while the other clients go on
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return outcomes;
}

async function ask(request: number): Promise<Omit<Outcome, 'startedAfter' | 'endedAs'>> {
  const body = { query: QUERY, texts: textsOf(request) };
  const first = await attempt(body).catch((error: Error) => error);
  if (!(first instanceof Error)) return { ...first, attempts: 1 };
  const isWorthIt = !(first instanceof Refused) || WORTH_A_RETRY.includes(first.status);
  if (!isWorthIt) throw first;
  return { ...(await attempt(body)), attempts: 2 };
}

class Refused extends Error {
  constructor(
    readonly status: number,
    text: string,
  ) {
    super(`${status} ${text}`);
  }
}

async function attempt(body: object): Promise<{ servedBy: string; scores: Scores }> {
  const answer = await post(balancer.url, '/rerank', body);
  if (!answer.ok) throw new Refused(answer.status, await answer.text());
  return { servedBy: answer.headers.get(SERVED_BY) as string, scores: (await answer.json()) as Scores };
}

async function metric(server: string, name: string, labels: Readonly<Record<string, string>> = {}) {
  const text = await (await fetch(`${server}/metrics`)).text();
  return samplesOf(text)
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0);
}

const admitted = (server: string) => metric(server, 'te_queue_size');

function expectScoresOfTheLibrary(outcomes: readonly Outcome[]): void {
  expect(outcomes.map(({ scores }) => scores)).toEqual(expected);
}

test('two servers share the load, and nobody has to ask twice', async () => {
  const outcomes = await load(async () => undefined);
  expectScoresOfTheLibrary(outcomes);
  expect(outcomes.filter(({ attempts }) => attempts > 1)).toEqual([]);
  const served = urls.map((url) => outcomes.filter(({ servedBy }) => servedBy === url).length);
  expect(served).toEqual([REQUESTS / 2, REQUESTS / 2]);
});

test('one that is killed under load costs its requests one retry, and the other serves on', async () => {
  let cut = 0;
  let goneAfter = REQUESTS;
  const outcomes = await load(async () => {
    await until(async () => (await admitted(victim())) >= 2);
    cut = balancer.underWay(victim());
    await servers[0]?.stop('SIGKILL');
    await until(() => !balancer.isUp(victim()));
    goneAfter = answered;
  });
  expectScoresOfTheLibrary(outcomes);
  const retried = outcomes.filter(({ attempts }) => attempts > 1);
  expect(cut).toBeGreaterThanOrEqual(2);
  expect(retried.length).toBeGreaterThan(0);
  for (const { servedBy } of retried) expect(servedBy).toBe(survivor());
  // Every accepted request was answered once, and all that the victim did not answer the survivor did.
  const byVictim = outcomes.filter(({ servedBy }) => servedBy === victim()).length;
  expect(byVictim).toBeGreaterThan(0);
  const ofSurvivor = { route: '/rerank', status: '200' };
  const bySurvivor = await metric(survivor(), 'crossrank_requests_total', ofSurvivor);
  expect(bySurvivor).toBe(REQUESTS - byVictim);
  const late = outcomes.filter(({ startedAfter }) => startedAfter > goneAfter);
  expect(late.length).toBeGreaterThan(0);
  expect(late.filter(({ attempts, servedBy }) => attempts > 1 || servedBy !== survivor())).toEqual([]);
});

test('one that drains without notice answers what it has, and costs others one retry', async () => {
  let ended: { code: number | null; signal: string | null } | undefined;
  let toldAfter = REQUESTS;
  const outcomes = await load(async () => {
    await until(async () => (await admitted(victim())) >= 2);
    toldAfter = answered;
    ended = await servers[0]?.stop('SIGTERM');
  });
  expect(ended).toEqual({ code: 0, signal: null });
  expectScoresOfTheLibrary(outcomes);
  const finished = outcomes.filter(({ servedBy, endedAs }) => servedBy === victim() && endedAs > toldAfter);
  expect(finished.length).toBeGreaterThan(0);
  for (const { attempts, servedBy } of outcomes) if (attempts > 1) expect(servedBy).toBe(survivor());
});

test('one that is taken out before it drains costs nobody anything', async () => {
  let ended: { code: number | null; signal: string | null } | undefined;
  let finishing = 0;
  let goneAfter = REQUESTS;
  const outcomes = await load(async () => {
    await until(() => balancer.underWay(victim()) >= 2);
    balancer.takeOut(victim());
    goneAfter = answered;
    // What was on its way has arrived: an orchestrator waits a few seconds for that (preStop).
    await until(async () => (await admitted(victim())) === balancer.underWay(victim()));
    finishing = balancer.underWay(victim());
    ended = await servers[0]?.stop('SIGTERM');
  });
  expect(ended).toEqual({ code: 0, signal: null });
  expectScoresOfTheLibrary(outcomes);
  expect(outcomes.filter(({ attempts }) => attempts > 1)).toEqual([]);
  expect(finishing).toBeGreaterThan(0);
  const late = outcomes.filter(({ startedAfter }) => startedAfter > goneAfter);
  expect(late.length).toBeGreaterThan(0);
  expect(late.filter(({ servedBy }) => servedBy !== survivor())).toEqual([]);
  expect(balancer.isUp(victim())).toBe(false);
});
