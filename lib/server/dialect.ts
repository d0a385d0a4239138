import type { IncomingHttpHeaders } from 'node:http';
import type { Answer, Call } from './calls';
import type { RequestFailure } from './failure';

/** The APIs that people already call, as `--api` names them. */
export const API_NAMES = [
  'tei',
  'jina',
  'cohere-v1',
  'cohere-v2',
  'voyage',
  'vllm',
  'openai',
  'huggingface',
] as const;

/** One of the APIs that people already call. */
export type ApiName = (typeof API_NAMES)[number];

/** JSON Schema 2020-12, as OpenAPI 3.1 has it. */
export type JsonSchema = Readonly<Record<string, unknown>>;

export type Body = Readonly<Record<string, unknown>>;

/** One API in its own words: field names, defaults, score scale, error shape, status codes. No state. */
export interface Dialect {
  name: ApiName;
  /** Such as "text-embeddings-inference"; for messages and the OpenAPI document. */
  title: string;
  endpoints: readonly Endpoint[];
  writeError(failure: RequestFailure, requestId: string): ErrorAnswer;
  /** JSON Schema of what {@link writeError} writes. */
  errorSchema: JsonSchema;
}

export interface ErrorAnswer {
  status: number;
  body: unknown;
}

/** `POST` of one path. */
export interface Endpoint {
  /** Such as `/v1/rerank`; other dialects may have it too. `:model` takes a model's name, slashes included. */
  path: string;
  operationId: string;
  summary: string;
  /** What a body is checked against before {@link read}, and what the OpenAPI document says of it, both with the limits of the server. */
  requestSchema: JsonSchema;
  /**
   * Which of the bodies that hold to {@link requestSchema} are for this API, where {@link claim} would give others away: for the
   * OpenAPI document.
   */
  claimSchema?: JsonSchema;
  responseSchema: JsonSchema;
  /** An example of a body, for the OpenAPI document and the page; it works as it is on a server of the embedded models. */
  example: Body;
  /**
   * How much a body, or the headers of a known client, speaks for this API, where several have the path. It is asked before the
   * body is checked, so it believes nothing: any field may have any type. `certain` goes before `possible`; among equals it is
   * the first whose {@link requestSchema} the body holds to, with that of `--api` before the order of the dialects.
   */
  claim(body: Body, headers: IncomingHttpHeaders): 'certain' | 'possible' | 'no';
  /**
   * @param body - It holds to {@link requestSchema}
   * @param parameters - Of the path
   * @throws RequestFailure with `invalid` for what no schema can tell
   */
  read(body: Body, parameters: Readonly<Record<string, string>>): Reading;
}

/** What a body asks for, and how its answer is written. */
export interface Reading {
  call: Call;
  write(answer: Answer): unknown;
}
