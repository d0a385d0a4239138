import type { EmbedAnswer, RankAnswer } from '../calls';
import type { Body, Dialect, Endpoint, ErrorAnswer } from '../dialect';
import type { FailureKind, RequestFailure } from '../failure';
import {
  arrayOf,
  BOOLEAN,
  COUNT,
  DIMENSIONS,
  given,
  NUMBER,
  nullable,
  object,
  oneOf,
  STRING,
  STRING_OR_STRINGS,
  STRINGS,
} from './schemas';

type ErrorType = 'Unhealthy' | 'Backend' | 'Overloaded' | 'Validation' | 'Tokenizer' | 'Empty';

/** As `impl From<&ErrorType> for StatusCode` in its router; what axum refuses before that has axum's status. */
const ERRORS: Readonly<Record<FailureKind, readonly [status: number, type: ErrorType]>> = {
  malformed: [400, 'Validation'],
  invalid: [422, 'Validation'],
  'too-large': [413, 'Validation'],
  'too-many': [413, 'Validation'],
  'too-long': [413, 'Validation'],
  'unknown-model': [404, 'Validation'],
  unsupported: [424, 'Backend'],
  unauthorized: [401, 'Validation'],
  'not-found': [404, 'Validation'],
  method: [405, 'Validation'],
  'media-type': [415, 'Validation'],
  'queue-full': [429, 'Overloaded'],
  closing: [503, 'Unhealthy'],
  timeout: [504, 'Backend'],
  internal: [500, 'Backend'],
};

const TRUNCATION = {
  truncate: nullable(BOOLEAN),
  truncation_direction: {
    ...oneOf('Right', 'right'),
    description: 'Texts are cut at their end; `Left` of text-embeddings-inference is not there.',
  },
};

/** As sentence-transformers calls the prompts of models. */
const PROMPT_NAME = nullable(oneOf('query', 'passage', 'document'));

const rerank: Endpoint = {
  path: '/rerank',
  operationId: 'teiRerank',
  summary: 'Ranks texts by how well they answer a query',
  requestSchema: object(
    { query: STRING, texts: STRINGS },
    { ...TRUNCATION, raw_scores: BOOLEAN, return_text: BOOLEAN },
  ),
  responseSchema: arrayOf(object({ index: COUNT, score: NUMBER }, { text: STRING })),
  example: {
    query: 'Which planet is known as the Red Planet?',
    texts: ['Venus is the second planet from the Sun.', 'Mars is often called the Red Planet.'],
  },
  claim: ({ texts }) => (texts === undefined ? 'no' : 'certain'),
  read(body) {
    const { query, texts, raw_scores, return_text } = body as {
      query: string;
      texts: string[];
      raw_scores?: boolean;
      return_text?: boolean;
    };
    return {
      call: {
        kind: 'rank',
        model: undefined,
        query,
        documents: texts,
        topK: undefined,
        scores: raw_scores === true ? 'raw' : 'sigmoid',
        tooLong: truncation(body),
      },
      write(answer) {
        const { results } = answer as RankAnswer;
        return results.map(({ index, score }) =>
          return_text === true ? { index, text: texts[index], score } : { index, score },
        );
      },
    };
  },
};

const embed: Endpoint = {
  path: '/embed',
  operationId: 'teiEmbed',
  summary: 'Embeds texts',
  requestSchema: object(
    { inputs: STRING_OR_STRINGS },
    { ...TRUNCATION, normalize: BOOLEAN, prompt_name: PROMPT_NAME, dimensions: DIMENSIONS },
  ),
  responseSchema: arrayOf(arrayOf(NUMBER)),
  example: { inputs: ['What is Deep Learning?', 'Mars is often called the Red Planet.'] },
  claim: () => 'certain',
  read(body) {
    const { inputs, normalize } = body as { inputs: string | string[]; normalize?: boolean };
    const texts = typeof inputs === 'string' ? [inputs] : inputs;
    return {
      call: {
        kind: 'embed',
        model: undefined,
        texts,
        role: promptOf(given(body.prompt_name)),
        normalize: normalize ?? true,
        dimensions: given<number>(body.dimensions),
        tooLong: truncation(body),
      },
      write: (answer) => (answer as EmbedAnswer).embeddings.map((vector) => Array.from(vector)),
    };
  },
};

/** Left out, it is cut: `--auto-truncate`, which current versions have on, see `/info`. */
function truncation(body: Body): 'truncate' | 'refuse' {
  return body.truncate === false ? 'refuse' : 'truncate';
}

function promptOf(name: 'query' | 'passage' | 'document' | undefined): 'query' | 'document' | undefined {
  return name === 'passage' ? 'document' : name;
}

export const tei: Dialect = {
  name: 'tei',
  title: 'text-embeddings-inference',
  endpoints: [rerank, embed],
  writeError({ kind, message, field }: RequestFailure): ErrorAnswer {
    const isEmpty =
      kind === 'invalid' && (field === 'texts' || field === 'inputs') && message.endsWith('be empty');
    const [status, type] = isEmpty ? ([400, 'Empty'] as const) : ERRORS[kind];
    return { status, body: { error: message, error_type: type } };
  },
  errorSchema: object({
    error: STRING,
    error_type: oneOf('Unhealthy', 'Backend', 'Overloaded', 'Validation', 'Tokenizer', 'Empty'),
  }),
};
