// Counts what makes a source easy or hard to enter:  node docs/figures.mjs [CHECKOUT]
// Functions are found by the house style: a definition's brace stands alone at the beginning of a line.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)));
const list = (folder) => fs.existsSync(path.join(root, folder))
  ? fs.readdirSync(path.join(root, folder), { recursive: true }).map((entry) => path.join(folder, entry)) : [];
const read = (file) => fs.readFileSync(path.join(root, file), 'utf8');
const sources = ['common', 'relay', 'rest', 'worker', 'admin', 'thumbnail'].flatMap(list).filter((file) => /\.[ch]$/.test(file));

/** [{name, lines, file}], and the body's text. */
function functions(file) {
  const found = [], lines = read(file).split('\n');
  for (let i = 1; i < lines.length; i++) {
    if (lines[i] !== '{') continue;
    let head = i - 1;
    while (head > 0 && /^[ \t]/.test(lines[head])) head--;
    const name = lines.slice(head, i).join(' ').match(/([a-z_0-9]+)\(/)?.[1];
    const end = lines.indexOf('}', i);
    if (name && end > 0) found.push({ name, file, lines: end - i - 1, body: lines.slice(i, end).join('\n'),
      isStatic: lines[head].startsWith('static') });
  }
  return found;
}

/** The largest number of modules (a .c and its .h) that include each other in a circle. */
function largestCircle() {
  const module = (file) => file.replace(/\.[ch]$/, ''), uses = new Map();
  const all = new Set(sources.map(module));
  for (const file of sources)
    for (const [, header] of read(file).matchAll(/^\s*#\s*include\s*"([^"]+)\.h"/gm))
      if (all.has(header)) (uses.get(module(file)) ?? uses.set(module(file), new Set()).get(module(file))).add(header);
  const reach = (from) => {
    const seen = new Set(), wait = [from];
    for (let next; (next = wait.pop());) for (const to of uses.get(next) ?? []) if (!seen.has(to)) seen.add(to) && wait.push(to);
    return seen;
  };
  const reached = new Map([...all].map((name) => [name, reach(name)]));
  return Math.max(...[...all].map((name) => [...reached.get(name)].filter((other) => reached.get(other).has(name)).length));
}

/** The functions that a message of the chatroom goes through, from its last byte to the sockets of another relay. */
const WAY = ['relay/net/ws.c on_frame', 'relay/core/session.c session_may_speak', 'relay/protocols/chatroom.c chatroom_received',
  'relay/core/hub_bus.c hub_post', 'relay/db/journal.c journal_submit', 'common/store/store_journal.c store_journal',
  'relay/db/completion_queue.c completion_queue_add_stored', 'relay/core/hub_bus.c hub_stored', 'relay/core/hub_order.c hub_deliver',
  'relay/core/hub.c room_append', 'relay/core/frame_log.c frame_log_append', 'relay/redis/bus.c bus_publish',
  'relay/core/hub_bus.c hub_received', 'relay/core/hub_flush.c hub_flush', 'relay/core/hub_flush.c room_flush',
  'relay/core/session.c session_flush'];

const all = sources.filter((file) => file.endsWith('.c')).flatMap(functions);
const lengths = all.map(({ lines }) => lines).sort((a, b) => a - b);
const calls = new Map();
for (const { body } of all) for (const [, name] of body.matchAll(/\b([a-z_0-9]+)\b/g)) calls.set(name, (calls.get(name) ?? 0) + 1);
const way = WAY.map((step) => {
  const [file, name] = step.split(' ');
  if (!all.some((one) => one.file === file && one.name === name)) throw new Error(`${step} is not there any more: see WAY`);
  return file;
});
const fakes = list('tests/unit').filter((file) => /\.h$/.test(file) && !/check\.h$/.test(file));

const folders = new Map();
for (const file of sources) folders.set(path.dirname(file), (folders.get(path.dirname(file)) ?? 0) + 1);

/** How often the pattern is found in the sources. */
const count = (pattern) => sources.reduce((sum, file) => sum + (read(file).match(pattern) ?? []).length, 0);

const figures = {
  'files (.c and .h)': sources.length,
  'lines': sources.reduce((sum, file) => sum + read(file).split('\n').length - 1, 0),
  'most files in one folder': Math.max(...folders.values()),
  'functions': all.length,
  'lines of the median function': lengths[lengths.length >> 1],
  'static functions with one mention': all.filter(({ name, isStatic }) => isStatic && calls.get(name) === 1).length,
  'modules in the largest circle of includes': largestCircle(),
  'files that a message passes': new Set(way).size,
  '… changing the file so often': way.filter((file, i) => i && file !== way[i - 1]).length,
  'lines of fakes for unit tests': fakes.reduce((sum, file) => sum + read(file).split('\n').length - 1, 0),
  'steps from a member to its structure by hand': count(/\(char \*\)\w+ - offsetof/g),
  'lists unlinked by hand': count(/\b(\w+) = &\(\*\1\)->\w+;|(?<!container_of.*)->prev->next = /g),
  'commas of JSON by hand': count(/buf_add\w*\(.*(?:,\\"|',')/g),
  '*_parts.h': sources.filter((file) => file.endsWith('_parts.h')).length,
};
for (const [what, figure] of Object.entries(figures)) console.log(`${what.padEnd(44)} ${figure}`);
