import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { CrossrankError, Reranker } from '../lib';
import { copyOf, editJson, fixture, golden, temporaryFolder } from './support/models';
import { floats, fromFloats, readTensors, type Tensors, writeRaw, writeTensors } from './support/safetensors';

const WEIGHTS = 'model.safetensors';

async function loadError(folder: string): Promise<CrossrankError> {
  try {
    const model = await Reranker.load(folder);
    await model.dispose();
  } catch (error) {
    expect(error).toBeInstanceOf(CrossrankError);
    return error as CrossrankError;
  }
  throw new Error(`${folder} loaded`);
}

async function expectRefused(folder: string, code: string, message: RegExp): Promise<void> {
  const error = await loadError(folder);
  expect(`${error.code}: ${error.message}`).toMatch(new RegExp(`^${code}: `));
  expect(error.message).toMatch(message);
}

function editTensors(folder: string, edit: (tensors: Tensors) => void): void {
  const tensors = readTensors(join(folder, WEIGHTS));
  edit(tensors);
  writeTensors(join(folder, WEIGHTS), tensors);
}

afterAll(async () => {
  // After everything that was refused here, this process still ranks.
  await using model = await Reranker.load(fixture('bert'), { precision: 'fp32' });
  const [first] = golden(fixture('bert'));
  const [logit] = await model.predict([[first?.query ?? '', first?.document ?? '']], {
    scores: 'raw',
    maxLength: 128,
  });
  expect(logit).toBeCloseTo(first?.logits[0] as number, 4);
});

describe('folders', () => {
  test('that do not exist', () =>
    expectRefused('/no/such/folder', 'ERR_MODEL_NOT_FOUND', /no model folder at \/no\/such\/folder/));
  test('that are files', () =>
    expectRefused(join(fixture('bert'), 'config.json'), 'ERR_MODEL_NOT_FOUND', /no model folder/));
  test('that are no names of the hub either', () =>
    expectRefused(
      'models/BAAI/bge-reranker',
      'ERR_MODEL_NOT_FOUND',
      /path of a folder .* ORGANISATION\/NAME/,
    ));
  test('that are empty', () => expectRefused(temporaryFolder(), 'ERR_MODEL_NOT_FOUND', /no tokenizer\.json/));
  test.each([
    ['tokenizer.json', /no tokenizer\.json/],
    ['config.json', /no config\.json/],
    [WEIGHTS, /no weights.*model\.safetensors.*model\.onnx/],
  ])('without %s', async (file, message) => {
    const folder = copyOf('bert');
    rmSync(join(folder, file));
    await expectRefused(folder, 'ERR_MODEL_NOT_FOUND', message);
  });
});

describe('models of other kinds', () => {
  test.each(['modernbert', 'deberta-v2'])('%s is refused by name', (name) =>
    expectRefused(
      fixture(name),
      'ERR_MODEL_UNSUPPORTED',
      new RegExp(`model_type "${name}" is not supported`),
    ),
  );
  test('an embedder has no classification head', () =>
    expectRefused(
      fixture('bert-embedder'),
      'ERR_MODEL_UNSUPPORTED',
      /"BertModel" has no classification head/,
    ));
  test.each<[string, Record<string, unknown>, RegExp]>([
    [
      'relative positions',
      { position_embedding_type: 'relative_key' },
      /position_embedding_type "relative_key"/,
    ],
    [
      'an unknown activation',
      { hidden_act: 'swiglu' },
      /hidden_act "swiglu" is not supported; known are gelu/,
    ],
    ['a decoder', { is_decoder: true }, /is_decoder/],
    ['4-bit weights', { quantization_config: { quant_method: 'gptq', bits: 4 } }, /"gptq".*not supported/],
    ['an unknown score activation', { sbert_ce_default_activation_function: 'torch.nn.Softmax' }, /Softmax/],
  ])('%s', async (_, change, message) => {
    const folder = copyOf('bert');
    editJson(folder, 'config.json', (config) => Object.assign(config, change));
    await expectRefused(folder, 'ERR_MODEL_UNSUPPORTED', message);
  });
});

describe('config.json', () => {
  test.each<[string, string, RegExp]>([
    ['that is empty', '', /config\.json/],
    ['that is cut', '{"model_type": "be', /config\.json/],
    ['that is a list', '[]', /config\.json/],
    ['that is nested too deep', '['.repeat(100_000), /config\.json/],
    ['that is no text', '\u0000\u0001', /config\.json/],
  ])('%s', async (_, content, message) => {
    const folder = copyOf('bert');
    writeFileSync(join(folder, 'config.json'), content);
    const error = await loadError(folder);
    expect(['ERR_MODEL_INVALID', 'ERR_MODEL_NOT_FOUND']).toContain(error.code);
    expect(error.message).toMatch(message);
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    ['no hidden size', { hidden_size: undefined }, /hidden_size/],
    ['a hidden size of text', { hidden_size: '64' }, /hidden_size/],
    ['a negative size', { intermediate_size: -1 }, /intermediate_size/],
    ['a fraction of a layer', { num_hidden_layers: 1.5 }, /num_hidden_layers/],
    ['a huge size', { vocab_size: 1e300 }, /vocab_size/],
    ['heads that do not divide', { num_attention_heads: 5 }, /no multiple of its 5 attention heads/],
    [
      'another hidden size than the weights',
      { hidden_size: 128 },
      /tensor bert\..* has shape \[.*\] but config\.json asks for \[.*128\]/,
    ],
    [
      'more layers than the weights',
      { num_hidden_layers: 99 },
      /tensor bert\.encoder\.layer\.\d+\..* is missing/,
    ],
    ['fewer layers than the weights', { num_hidden_layers: 1 }, /one layer more than the 1/],
    [
      'another number of labels',
      { id2label: { 0: 'a', 1: 'b' } },
      /classifier\.weight has shape \[1, 64\] but config\.json asks for \[2, 64\]/,
    ],
    ['a smaller vocabulary', { vocab_size: 100 }, /word_embeddings\.weight has shape/],
    ['an epsilon of 0', { layer_norm_eps: 0 }, /layer_norm_eps/],
  ])('with %s', async (_, change, message) => {
    const folder = copyOf('bert');
    editJson(folder, 'config.json', (config) => Object.assign(config, change));
    await expectRefused(folder, 'ERR_MODEL_INVALID', message);
  });
});

describe('model.safetensors', () => {
  test.each([0, 4, 8, 100, 5000, 1_000_000])('cut after %i bytes', async (size) => {
    const folder = copyOf('bert');
    truncateSync(join(folder, WEIGHTS), size);
    const error = await loadError(folder);
    expect(['ERR_MODEL_INVALID', 'ERR_MODEL_NOT_FOUND']).toContain(error.code);
    expect(error.message).toMatch(/model\.safetensors/);
  });

  test('with a header longer than the file', async () => {
    const folder = copyOf('bert');
    const bytes = readFileSync(join(folder, WEIGHTS));
    for (const size of [BigInt(bytes.length), 2n ** 40n, 2n ** 64n - 1n]) {
      bytes.writeBigUInt64LE(size);
      writeFileSync(join(folder, WEIGHTS), bytes);
      await expectRefused(folder, 'ERR_MODEL_INVALID', /header/);
    }
  });

  test.each<[string, string]>([
    ['a header that is no JSON', '{"a": '],
    ['a header that is a list', '[]'],
    [
      'overlapping tensors',
      '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}',
    ],
    ['a tensor out of range', '{"a":{"dtype":"F32","shape":[99],"data_offsets":[0,396]}}'],
    ['offsets that run backwards', '{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}'],
    ['a shape that contradicts its bytes', '{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,16]}}'],
    ['a shape that overflows', '{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,16]}}'],
    ['a negative dimension', '{"a":{"dtype":"F32","shape":[-4],"data_offsets":[0,16]}}'],
    ['an unknown type', '{"a":{"dtype":"Q3","shape":[4],"data_offsets":[0,16]}}'],
  ])('with %s', async (_, header) => {
    const folder = copyOf('bert');
    writeRaw(join(folder, WEIGHTS), header, Buffer.alloc(16));
    await expectRefused(folder, 'ERR_MODEL_INVALID', /model\.safetensors/);
  });

  test('without a tensor that the model needs', async () => {
    const folder = copyOf('bert');
    editTensors(folder, (tensors) => tensors.delete('bert.encoder.layer.1.output.dense.bias'));
    await expectRefused(
      folder,
      'ERR_MODEL_INVALID',
      /tensor bert\.encoder\.layer\.1\.output\.dense\.bias is missing/,
    );
  });

  test('with a tensor of another shape', async () => {
    const folder = copyOf('bert');
    editTensors(folder, (tensors) => {
      const tensor = tensors.get('bert.pooler.dense.weight');
      if (tensor) tensor.shape = [32, 128];
    });
    await expectRefused(folder, 'ERR_MODEL_INVALID', /bert\.pooler\.dense\.weight has shape \[32, 128\]/);
  });

  test('with a type that is not read', async () => {
    const folder = copyOf('bert');
    editTensors(folder, (tensors) => {
      tensors.set('bert.pooler.dense.bias', { dtype: 'F64', shape: [64], data: Buffer.alloc(512) });
    });
    await expectRefused(folder, 'ERR_MODEL_UNSUPPORTED', /bert\.pooler\.dense\.bias has type F64/);
  });

  test('with int8 rows without their scales', async () => {
    const folder = copyOf('bert');
    editTensors(folder, (tensors) => {
      tensors.set('bert.pooler.dense.weight', { dtype: 'I8', shape: [64, 64], data: Buffer.alloc(4096) });
    });
    await expectRefused(folder, 'ERR_MODEL_INVALID', /bert\.pooler\.dense\.weight_scale is missing/);
  });

  test.each([
    'bert.embeddings.word_embeddings.weight',
    'bert.encoder.layer.0.output.dense.weight',
    'classifier.bias',
  ])('with NaN in %s gives an error, not a score', async (name) => {
    const folder = copyOf('bert');
    editTensors(folder, (tensors) => {
      const tensor = tensors.get(name);
      if (tensor) tensors.set(name, fromFloats(floats(tensor).fill(Number.NaN), tensor.shape));
    });
    // Kernels of ours refuse such a weight when they pack it; ONNX Runtime's do not look.
    await using model = await Reranker.load(folder, { precision: 'fp32', cpu: 'generic' });
    await expect(model.rerank('planet', ['one', 'two'])).rejects.toMatchObject({
      code: 'ERR_MODEL_INVALID',
      message: expect.stringContaining(folder),
    });
    await expect(model.predict([['planet', 'one']])).rejects.toMatchObject({ code: 'ERR_MODEL_INVALID' });
  });
});

describe('shards', () => {
  function sharded(): string {
    const folder = copyOf('bert');
    const tensors = [...readTensors(join(folder, WEIGHTS))];
    const weight_map: Record<string, string> = {};
    [tensors.slice(0, 10), tensors.slice(10)].forEach((part, i) => {
      const file = `model-0000${i + 1}-of-00002.safetensors`;
      writeTensors(join(folder, file), new Map(part));
      for (const [name] of part) weight_map[name] = file;
    });
    rmSync(join(folder, WEIGHTS));
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map }));
    return folder;
  }

  test('load and score as the single file does', async () => {
    await using whole = await Reranker.load(fixture('bert'));
    await using parts = await Reranker.load(sharded());
    const pair = [['a planet', 'a document about planets']] as const;
    expect(await parts.predict(pair)).toEqual(await whole.predict(pair));
  });

  test('that are missing are named', async () => {
    const folder = sharded();
    rmSync(join(folder, 'model-00002-of-00002.safetensors'));
    expect((await loadError(folder)).message).toMatch(/model-00002-of-00002\.safetensors/);
  });

  test('must lie in the folder', async () => {
    const folder = sharded();
    const other = temporaryFolder();
    mkdirSync(join(folder, 'sub'));
    cpSync(join(folder, 'model-00001-of-00002.safetensors'), join(other, 'outside.safetensors'));
    for (const name of ['../outside.safetensors', join(other, 'outside.safetensors'), 'sub/x.safetensors']) {
      editJson(folder, 'model.safetensors.index.json', (json) => {
        json.weight_map = { 'classifier.bias': name };
      });
      await expectRefused(folder, 'ERR_MODEL_INVALID', /index/);
    }
  });

  test('with an index that lies about a tensor', async () => {
    const folder = sharded();
    editJson(folder, 'model.safetensors.index.json', (json) => {
      (json.weight_map as Record<string, string>).ghost = 'model-00001-of-00002.safetensors';
    });
    await expectRefused(folder, 'ERR_MODEL_INVALID', /ghost/);
  });
});

describe('tokenizer.json', () => {
  test.each<[string, (text: string) => string]>([
    ['that is empty', () => ''],
    ['that is cut', (text) => text.slice(0, text.length / 2)],
    ['that is another kind of JSON', () => '{"hello": [1, 2, 3]}'],
    ['with a vocabulary that is none', (text) => text.replace(/"vocab":\s*\{/, '"vocab": 5, "x": {')],
    [
      'with a broken normalizer',
      (text) =>
        text.replace(
          /"normalizer":\s*\{/,
          '"normalizer": {"type":"Precompiled","precompiled_charsmap":"AAAA"},"x":{',
        ),
    ],
  ])('%s', async (_, edit) => {
    const folder = copyOf('bert');
    const path = join(folder, 'tokenizer.json');
    const text = readFileSync(path, 'utf8');
    expect(edit(text)).not.toBe(text);
    writeFileSync(path, edit(text));
    const error = await loadError(folder);
    expect(['ERR_MODEL_INVALID', 'ERR_MODEL_NOT_FOUND']).toContain(error.code);
    expect(error.message).toMatch(/tokenizer\.json/);
  });

  test('of another model is told from its token ids', async () => {
    const folder = copyOf('roberta'); // 3,000 embeddings
    renameSync(join(folder, 'tokenizer.json'), join(folder, 'old.json'));
    cpSync(join(fixture('bert'), 'tokenizer.json'), join(folder, 'tokenizer.json')); // 8,000 pieces
    expect(existsSync(join(folder, 'old.json'))).toBe(true);
    await using model = await Reranker.load(folder);
    await expect(model.rerank('only a document', ['about planets and stars'])).rejects.toMatchObject({
      code: 'ERR_MODEL_INVALID',
      message: expect.stringContaining('different models'),
    });
  });

  test('broken at random never ends the process', async () => {
    const folder = copyOf('bert');
    const files = ['tokenizer.json', 'config.json', WEIGHTS] as const;
    const originals = files.map((file) => readFileSync(join(folder, file)));
    let state = 7;
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state % below;
    };
    for (let round = 0; round < 90; round++) {
      const which = round % files.length;
      const bytes = Buffer.from(originals[which] as Buffer);
      // Headers and settings stand at the front of each file.
      for (let k = 0; k < 4; k++) bytes[random(Math.min(bytes.length, 4096))] = random(256);
      writeFileSync(join(folder, files[which] as string), bytes);
      try {
        await using model = await Reranker.load(folder);
        await model.predict([['planet', 'a document']]);
      } catch (error) {
        expect(error).toBeInstanceOf(CrossrankError);
        expect((error as CrossrankError).code).toMatch(/^ERR_MODEL_/);
      }
      writeFileSync(join(folder, files[which] as string), originals[which] as Buffer);
    }
  });
});
