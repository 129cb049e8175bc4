// The documents of the source tree: every *.md, found on the disk, so that a tarball has them as a clone does.
import fs from 'node:fs';
import path from 'node:path';
import { top } from './stack.mjs';

const NOT_OURS = new Set(['node_modules', 'build', 'run']);

/** Paths from the top of the tree, in order. */
export function documents(under = '') {
  return fs.readdirSync(path.join(top, under), { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(under, entry.name);
    if (entry.isDirectory()) return entry.name.startsWith('.') || NOT_OURS.has(entry.name) ? [] : documents(name);
    return entry.name.endsWith('.md') ? [name] : [];
  }).sort();
}

/** The blocks that are marked as shell. Those that are not to be run (they install something, or never end) are not. */
export function shellBlocks(text) {
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map((match) => match[1]);
}

/** The same page in 'en' or 'zh'. */
export function twin(page, language) {
  const english = page.replace(/\.zh\.md$/, '.md');
  return language === 'en' ? english : english.replace(/\.md$/, '.zh.md');
}
