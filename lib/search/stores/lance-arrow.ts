import type * as Arrow from 'apache-arrow';
import type { EmbeddedDocument, EmbeddingSpace } from '../types';
import { metadataToText } from './lance-sql';

/** Entry of a schema's metadata. */
const MODEL = 'crossrank.model';

/**
 * Entry of a column's metadata. Lance does not enforce the key, but with it sees that two processes add the same id at
 * the same time; without, that would be there twice.
 */
const KEY = new Map([['lance-schema:unenforced-primary-key', 'true']]);

/** What is read of a document; beside these there is `vector`. */
export const COLUMNS = ['id', 'text', 'metadata'] as const;

/** Documents as Arrow has them, for tables of one space. */
export class ArrowDocuments {
  readonly schema: Arrow.Schema;
  readonly #arrow: typeof Arrow;
  readonly #dimension: number;

  constructor(arrow: typeof Arrow, { model, dimension }: EmbeddingSpace) {
    const { Field, FixedSizeList, Float32, Schema, Utf8 } = arrow;
    const vector = new FixedSizeList(dimension, new Field('item', new Float32(), true));
    const fields = [
      ...COLUMNS.map((name) => new Field(name, new Utf8(), false, name === 'id' ? KEY : undefined)),
      new Field('vector', vector, false),
    ];
    this.schema = new Schema<Arrow.TypeMap>(fields, new Map([[MODEL, model]]));
    this.#arrow = arrow;
    this.#dimension = dimension;
  }

  /** By columns and not as rows, which LanceDB copies value by value, older versions not at all. */
  table(documents: readonly EmbeddedDocument[]): Arrow.Table {
    const { Table, Utf8, vectorFromArray } = this.#arrow;
    const texts = (values: string[]) => vectorFromArray(values, new Utf8());
    return new Table(this.schema, {
      id: texts(documents.map(({ id }) => id)),
      text: texts(documents.map(({ text }) => text)),
      metadata: texts(documents.map(({ metadata }) => metadataToText(metadata))),
      vector: this.#vectors(documents),
    });
  }

  #vectors(documents: readonly EmbeddedDocument[]): Arrow.Vector {
    const { Float32, makeData, makeVector } = this.#arrow;
    const data = new Float32Array(documents.length * this.#dimension);
    documents.forEach(({ vector }, i) => {
      data.set(vector, i * this.#dimension);
    });
    const child = makeData({ type: new Float32(), data });
    const type = this.schema.fields.at(-1)?.type as Arrow.FixedSizeList<Arrow.Float32>;
    return makeVector(makeData({ type, length: documents.length, nullCount: 0, child }));
  }
}

/** As far as a table tells it. */
export function spaceOf(schema: Arrow.Schema): { model: unknown; dimension: unknown } {
  const vector = schema.fields.find(({ name }) => name === 'vector');
  return { model: schema.metadata.get(MODEL), dimension: vector?.type.listSize };
}
