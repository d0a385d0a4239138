// npm run example:mcp           a client of `crossrank mcp`: npm install crossrank @modelcontextprotocol/sdk
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';

const documents = [
  { id: 'venus', text: 'Venus is the second planet from the Sun.' },
  { id: 'mars', text: 'Mars is often called the Red Planet.' },
  { id: 'bread', text: 'Bread is made of flour and water.' },
];

const client = new Client({ name: 'example', version: '1.0.0' });
// In an application: { command: 'npx', args: ['crossrank', 'mcp', '--store', 'notes.store'] }
const cli = fileURLToPath(import.meta.resolve('../lib/cli/main.js'));
await client.connect(new StdioClientTransport({ command: process.execPath, args: [cli, 'mcp'] }));
await client.callTool({ name: 'index', arguments: { documents } });
const query = 'Which planet is known as the Red Planet?';
const { structuredContent } = await client.callTool({ name: 'search', arguments: { query, topK: 2 } });
const { results } = structuredContent as { results: { score: number; text: string }[] };
for (const { score, text } of results) console.log(score.toFixed(3), text);
await client.close();
