/**
 * The server as `crossrank serve` runs it, from code: `import { createServer } from 'crossrank/server'`.
 *
 * @packageDocumentation
 */

export type { ApiName } from './dialect';
export type { ModelPool, ServedModel } from './model-pool';
export type { ServerOptions, ServerSettings } from './options';
export { page } from './page';
export type { ServerContext, ServerLogger, ServerPlugin } from './plugin';
export { createServer, type Server } from './server';
