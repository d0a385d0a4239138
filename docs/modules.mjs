// A plugin of typedoc: modules are called as programs import them, and what they say of the main entry is linked to it.

import { readFileSync } from 'node:fs';
import { Converter, ReflectionKind } from 'typedoc';

const { name: packageName, exports: entries } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
);

/** `integrations/ai-sdk` is `crossrank/ai-sdk`. */
function importedAs(moduleName) {
  const types = [`./dist/lib/${moduleName}.d.ts`, `./dist/lib/${moduleName}/index.d.ts`];
  const found = Object.entries(entries).find(([, entry]) => types.includes(entry.types));
  if (found === undefined) throw new Error(`${moduleName} is no entry point of package.json`);
  return packageName + found[0].slice('.'.length);
}

/** Links of a comment whose file does not import what they name. */
function* openLinks({ comment }) {
  if (comment === undefined) return;
  for (const part of [comment.summary, ...comment.blockTags.map(({ content }) => content)].flat())
    if (part.kind === 'inline-tag' && part.tag === '@link' && part.target === undefined) yield part;
}

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_context, reflection) => {
    if (reflection.kind === ReflectionKind.Module) reflection.name = importedAs(reflection.name);
  });
  // Before typedoc looks for them by itself.
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    const main = project.getChildByName([packageName]);
    for (const reflection of Object.values(project.reflections)) {
      const isInMain = reflection === main || reflection.getFullName().startsWith(`${packageName}.`);
      if (isInMain) continue;
      for (const link of openLinks(reflection)) {
        const named = main.getChildByName(link.text.split('.'));
        if (named !== undefined) link.target = named;
      }
    }
  });
}
