// npm run example:rerank
import { Reranker } from 'crossrank';

const question = 'How do I undo the last commit but keep my changes?';
const candidates = [
  'git stash saves the working directory for later and leaves it clean.',
  'git reset --soft HEAD~1 removes the last commit; its changes stay staged.',
  'git commit --amend puts what is staged into the last commit.',
  'git revert makes a new commit that undoes the changes of an earlier one.',
  '撤销提交但保留修改，可以使用 git reset --soft HEAD~1。',
];

async function main(): Promise<void> {
  await using reranker = await Reranker.load();
  const { results } = await reranker.rerank(question, candidates, { topK: 3 });
  for (const { score, document } of results) console.log(score.toFixed(3), document);
}

main();
