import { Ajv, type ValidateFunction } from 'ajv';
import { CrossrankError } from '../errors';
import type { Ranker } from '../ranking/ranker';
import type { SearchPipeline } from '../search/pipeline';
import type { SearchOptions } from '../search/pipeline-options';
import { PRESETS } from '../search/presets';
import type { StoredDocument } from '../search/types';

/** How a tool is run: what ends it, and who hears how far it is. */
export interface ToolCall {
  signal: AbortSignal;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

type Schema = {
  type: 'object';
  properties: Record<string, object>;
  required: string[];
  additionalProperties: false;
};

/** A tool as MCP describes it, and what it does; it knows nothing of the protocol. */
export interface Tool {
  name: string;
  title: string;
  description: string;
  inputSchema: Schema;
  outputSchema: Schema;
  annotations: {
    readOnlyHint: boolean;
    destructiveHint: boolean;
    idempotentHint: boolean;
    openWorldHint: false;
  };
  /** @throws {@link CrossrankError}; with the reason of the signal */
  run(input: unknown, call: ToolCall): Promise<Record<string, unknown>>;
}

/** What the tools work with. */
export interface ToolParts {
  reranker: Ranker;
  /** Without it there is no tool but `rerank`. */
  pipeline?: SearchPipeline;
  /** Leaves out the tool `index`. @defaultValue `false` */
  readOnly?: boolean;
}

export function toolsOf({ reranker, pipeline, readOnly = false }: ToolParts): Tool[] {
  if (pipeline === undefined) return [rerankTool(reranker)];
  const tools = [searchTool(pipeline), rerankTool(reranker)];
  return readOnly ? tools : [...tools, indexTool(pipeline)];
}

const MAX_DOCUMENTS = 1000;
const MAX_RESULTS = 1000;

const READS = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
} as const;

const text = (description: string) => ({ type: 'string', description });
const count = (description: string) => ({ type: 'integer', minimum: 1, maximum: MAX_RESULTS, description });
const number = (description: string) => ({ type: 'number', description });
const flag = (description: string) => ({ type: 'boolean', description });
const object = (properties: Schema['properties'], required = Object.keys(properties)): Schema => ({
  ...{ type: 'object', properties, required, additionalProperties: false },
});
const list = (items: object, more: object = {}) => ({ type: 'array', items, ...more });

const METADATA = {
  type: 'object',
  additionalProperties: { type: ['string', 'number', 'boolean'] },
  description: 'Flat facts to filter by and to show',
};

interface RerankInput {
  query: string;
  documents: (string | { text: string; id?: string })[];
  topK?: number;
  minScore?: number;
  longDocuments?: 'truncate' | 'window' | 'chunk';
}

function rerankTool(reranker: Ranker): Tool {
  return tool<RerankInput>({
    name: 'rerank',
    title: 'Rerank documents',
    description:
      'Orders documents by how well they answer a query: a cross-encoder reads the query with each. Returns positions in the given list and scores, best first.',
    inputSchema: object(
      {
        query: text('The question or search query'),
        documents: list(
          {
            anyOf: [{ type: 'string' }, object({ text: text('Its text'), id: text('Given back') }, ['text'])],
          },
          { maxItems: MAX_DOCUMENTS, description: 'What to order: strings, or objects with text and id' },
        ),
        topK: count('Return the best so many; all where left out'),
        minScore: number('Return only what scores at least this'),
        longDocuments: {
          enum: ['truncate', 'window', 'chunk'],
          description:
            'Of a document longer than the model reads: truncate (default) reads its beginning, window and chunk all of it, and tell where the best part is',
        },
      },
      ['query', 'documents'],
    ),
    outputSchema: object({
      results: list(
        object(
          {
            index: { type: 'integer', description: 'Position in the given documents, from 0' },
            id: text('As it was given'),
            score: number('Higher is better'),
            truncated: flag('Whether only part of it was read'),
            span: object({ start: { type: 'integer' }, end: { type: 'integer' } }),
          },
          ['index', 'score', 'truncated'],
        ),
      ),
    }),
    annotations: READS,
    async run({ query, documents, ...options }, { signal }) {
      const { results } = await reranker.rerank(query, documents, { ...options, signal });
      return {
        results: results.map(({ index, score, truncated, span, document }) => ({
          ...{ index, score, truncated },
          ...(typeof document === 'object' && document.id !== undefined ? { id: document.id } : {}),
          ...(span === undefined ? {} : { span }),
        })),
      };
    },
  });
}

type SearchInput = { query: string } & Pick<
  SearchOptions,
  'topK' | 'initialK' | 'preset' | 'filter' | 'minScore' | 'rerank'
>;

function searchTool(pipeline: SearchPipeline): Tool {
  return tool<SearchInput>({
    name: 'search',
    title: 'Search documents',
    description:
      'Finds passages in the indexed documents by meaning and by words, and reranks them. Returns texts with scores, best first.',
    inputSchema: object(
      {
        query: text('The question or search query'),
        topK: count('How many results; 5 where left out'),
        initialK: { ...count('How many candidates are reranked; 50 where left out'), maximum: 10_000 },
        preset: {
          enum: Object.keys(PRESETS),
          description: 'Depths for a purpose, in place of topK and initialK',
        },
        filter: {
          type: 'object',
          description: 'Conditions on metadata, such as {"lang": "zh", "year": {"$gte": 2020}}',
        },
        minScore: number('Return only what the reranker scores at least this'),
        rerank: flag('false: the first stage alone, faster and coarser'),
      },
      ['query'],
    ),
    outputSchema: object(
      {
        results: list(
          object(
            {
              rank: { type: 'integer' },
              id: { type: 'string' },
              score: { type: 'number' },
              text: { type: 'string' },
              metadata: METADATA,
              span: object({ start: { type: 'integer' }, end: { type: 'integer' } }),
            },
            ['rank', 'id', 'score', 'text'],
          ),
        ),
        degraded: flag('Whether a stage failed, and the others made the best of it'),
        reasons: list(object({ stage: { type: 'string' }, code: { type: 'string' } })),
        notice: text('What to do where nothing was found'),
      },
      ['results', 'degraded', 'reasons'],
    ),
    annotations: READS,
    async run({ query, ...options }, { signal }) {
      const { results, degraded, reasons, notice } = await pipeline.search(query, { ...options, signal });
      return {
        results: results.map(({ rank, score, document: { id, text, metadata }, span }) => ({
          ...{ rank, id, score, text },
          ...(metadata === undefined ? {} : { metadata }),
          ...(span === undefined ? {} : { span }),
        })),
        degraded,
        reasons: reasons.map(({ stage, code }) => ({ stage, code })),
        ...(notice === undefined ? {} : { notice }),
      };
    },
  });
}

function indexTool(pipeline: SearchPipeline): Tool {
  const entry = object(
    { id: { type: 'string', minLength: 1 }, text: { type: 'string' }, metadata: METADATA },
    ['id', 'text'],
  );
  const done = (description: string) => ({ type: 'integer', description });
  return tool<{ documents: StoredDocument[] }>({
    name: 'index',
    title: 'Index documents',
    description:
      'Adds documents to those that search finds. One whose id is there already is replaced; one that is unchanged costs nothing.',
    inputSchema: object({ documents: list(entry, { minItems: 1, maxItems: MAX_DOCUMENTS }) }),
    outputSchema: object({
      documents: done('Received'),
      embedded: done('Embedded and stored'),
      unchanged: done('There already, with the same text and metadata'),
    }),
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    async run({ documents }, { signal, onProgress }) {
      const progress = await pipeline.index(documents, {
        signal,
        onProgress: (progress) => onProgress?.(progress.documents, documents.length),
      });
      return { documents: progress.documents, embedded: progress.embedded, unchanged: progress.unchanged };
    },
  });
}

const ajv = new Ajv({ allowUnionTypes: true });

function tool<Input>(
  description: Omit<Tool, 'run'> & { run(input: Input, call: ToolCall): Promise<Record<string, unknown>> },
): Tool {
  let validate: ValidateFunction<Input> | undefined; // compiled when it is first needed
  return {
    ...description,
    async run(input, call) {
      validate ??= ajv.compile<Input>(description.inputSchema);
      if (!validate(input)) {
        throw new CrossrankError(
          'ERR_INVALID_ARGUMENT',
          ajv.errorsText(validate.errors, { dataVar: 'arguments' }),
        );
      }
      return description.run(input, call);
    },
  };
}
