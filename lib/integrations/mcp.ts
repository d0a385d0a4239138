/**
 * For the Model Context Protocol (`@modelcontextprotocol/sdk` 1): {@link createMcpServer} makes a server with the tools
 * `search`, `rerank` and `index`, for any transport; {@link serveMcpHttp} serves it over streamable HTTP. The command
 * `crossrank mcp` does both for models and a store file.
 *
 * @packageDocumentation
 */
export { type McpHttpOptions, type McpHttpServer, serveMcpHttp } from './mcp-http';
export { createMcpServer, type McpServerOptions } from './mcp-server';
export type { ToolParts } from './mcp-tools';
