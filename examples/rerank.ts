// npm run example:rerank
import { Reranker } from 'crossrank';

const question = 'How do I install Node.js?';
const candidates = [
  'npm is the package manager that comes with Node.js.',
  'Install Node.js with the package manager of your system, or from nodejs.org.',
  'Bananas are rich in potassium.',
  'Deno is another runtime for JavaScript.',
  '用系统的包管理器安装 Node.js，或者从官网下载。',
];

async function main(): Promise<void> {
  await using reranker = await Reranker.load();
  const { results } = await reranker.rerank(question, candidates, { topK: 3 });
  for (const { score, document } of results) console.log(score.toFixed(3), document);
}

main();
