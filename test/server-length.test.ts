// How much of a text the server reads: as much as the model does, as the servers whose APIs it has.

import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Reranker } from '../lib';
import { fixture, temporaryFolder } from './support/models';
import { readTensors, type TensorData, writeTensors } from './support/safetensors';
import { startServer, type TestServer } from './support/server';

const READS = 1024;
const POSITIONS = 'bert.embeddings.position_embeddings.weight';
const QUERY = 'mars';
/** Some 700 tokens; what makes the difference comes after 512 of them. */
const LONG = `${'water '.repeat(300)}${'planet '.repeat(50)}`;

/** The small fixture with positions for longer texts: the same ones again. */
function longModel(): string {
  const folder = temporaryFolder();
  cpSync(fixture('bert'), folder, { recursive: true });
  const change = (name: string, values: object) => {
    const path = join(folder, name);
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...values }));
  };
  change('config.json', { max_position_embeddings: READS });
  change('tokenizer_config.json', { model_max_length: READS });
  const weights = join(folder, 'model.safetensors');
  const tensors = readTensors(weights);
  const { dtype, shape, data } = tensors.get(POSITIONS) as TensorData;
  const again = Buffer.concat(Array.from({ length: Math.ceil(READS / (shape[0] as number)) }, () => data));
  const row = data.length / (shape[0] as number);
  tensors.set(POSITIONS, { dtype, shape: [READS, shape[1] as number], data: again.subarray(0, READS * row) });
  writeTensors(weights, tensors);
  return folder;
}

const model = longModel();
let reranker: Reranker;
let served: TestServer;
let bounded: TestServer;
beforeAll(async () => {
  const options = { models: [`${model}=long`], embedders: [] };
  [reranker, served, bounded] = await Promise.all([
    Reranker.load(model),
    startServer(options),
    startServer({ ...options, maxLength: 600 }),
  ]);
});
afterAll(() => Promise.all([reranker.dispose(), served.server.close(), bounded.server.close()]));

const raw = async (maxLength: number) =>
  (await reranker.predict([[QUERY, LONG]], { maxLength, scores: 'raw' }))[0];
const rawOf = async ({ post }: TestServer, body: object) => {
  const response = await post('/rerank', { query: QUERY, texts: [LONG], raw_scores: true, ...body });
  const answer = (await response.json()) as [{ score: number }];
  return { status: response.status, score: answer[0]?.score };
};
const informationOf = async ({ url }: TestServer) => (await fetch(`${url}/info`)).json();

test('all that the model reads is read, where nothing else is asked for', async () => {
  const score = await raw(READS);
  expect(score).not.toBe(await raw(512)); // the text is of the kind where it counts
  expect(await rawOf(served, { truncate: true })).toEqual({ status: 200, score });
  expect(await rawOf(served, { truncate: false })).toEqual({ status: 200, score });
  expect(await informationOf(served)).toMatchObject({ max_input_length: READS });
});

test('vLLM’s -1 is as many tokens as the model takes', async () => {
  const body = { text_1: QUERY, text_2: LONG, use_activation: false };
  const response = await served.post('/score', { ...body, truncate_prompt_tokens: -1 });
  const { data } = (await response.json()) as { data: [{ score: number }] };
  expect(data[0].score).toBe(await raw(READS));
});

test('maxLength bounds it, and says so', async () => {
  expect(await rawOf(bounded, { truncate: true })).toEqual({ status: 200, score: await raw(600) });
  expect((await rawOf(bounded, { truncate: false })).status).toBe(413);
  expect(await informationOf(bounded)).toMatchObject({ max_input_length: 600 });
});
