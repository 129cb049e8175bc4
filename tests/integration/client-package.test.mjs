// chaguan-client as something to install: its types, its size, its package, what it needs of the place where it runs, and the
// client of its manual.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import ts from 'typescript';
import * as all from '../../client/index.js';
import { makeMiniProgram } from './lib/wx.mjs';
import { People, listen, stateOf } from './lib/people.mjs';
import { unique } from './lib/socket.mjs';
import { eventually, run, top } from './lib/stack.mjs';
import { png } from './lib/uploads.mjs';

const GZIPPED_MAX = 12_000;
const folder = path.join(top, 'client');
const sources = () => fs.readdirSync(folder).filter((name) => name.endsWith('.js')).sort();
const manifest = () => JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));

/** An application that uses every call, and what must not compile. */
const USES = `
import { ChaguanError, connect, memoryStorage, webStorage, webTransport, wxStorage, wxTransport } from 'chaguan-client';
import type { Client, Conversation, Cursor, MessageEvent, Reset, State, Stored } from 'chaguan-client';
const client: Client = connect({ url: 'https://chat.example.org', token: async () => 'token', storage: webStorage(localStorage, 'ann'),
  transport: webTransport(WebSocket), share: 'ann', backoff_ms: 500 });
connect({ url: 'https://chat.example.org', user: 'user_1', storage: memoryStorage() }).close();
declare const wx: any;
connect({ url: 'https://chat.example.org', token: () => undefined, transport: wxTransport(wx), storage: wxStorage(wx, 'ann') });
client.on('state', ({ state, why, until }: State) => console.log(state, why, until?.getTime()));
client.on('settled', ({ client_id, answer, error }) => console.log(client_id, answer?.seq, error?.unknown));
client.on('trouble', (error: ChaguanError) => console.log(error.code));
const room: Conversation = client.conversation('tea');
const off: () => void = room.on('message', (event: MessageEvent) => console.log(event.from.uid, event.content));
room.on('edit', ({ of, content }) => console.log(of + 1, content?.length));
room.on('gone', ({ first, seq }) => console.log(seq - first));
room.on('reset', ({ was, cursor, epoch_changed }: Reset) => console.log(was.seq, cursor.seq, epoch_changed));
room.on('event', (event) => { if (event.ev === 'typing') console.log(event.from.name); });
export async function all(): Promise<number> {
  const cursor: Cursor = { epoch: 1, seq: 2 };
  const { missed, reset } = await room.join({ cursor, presence: true });
  const sending = room.send('hello', { meta: { a: 1 }, reply_to: 1, mentions: ['bob', 8], kind: 'text' });
  client.cancel(sending.client_id);
  const { seq } = await sending;
  const stored: Stored = await room.react(seq, '👍', true);
  await Promise.all([room.edit(seq, 'hi'), room.recall(seq), room.read(), room.read(seq), room.typing(), room.invite('bob', 'reader'),
    room.remove('bob'), room.quit(), client.unread(['tea']), client.conversations({ limit: 1 }), client.search('tea')]);
  const { events, more } = await room.history({ before: seq, limit: 10 });
  const found = await room.search('tea');
  const made = await client.create({ type: 'direct', members: ['bob'] });
  const sent = await room.upload(new Blob([]), { onprogress: ({ sent: n, total }) => n / total, signal: new AbortController().signal });
  const members = await room.members();
  room.leave();
  off();
  client.wake();
  return (missed ?? 0) + Number(reset) + events.length + Number(more) + found.items.length + made.ch + sent.uploaded.bytes + members.length +
    (stored.seq ?? 0) + (await room.unread()).unread + client.outbox.length;
}
`;
const WRONG = [
  'connect({ token: async () => "t" });',
  'connect({ url: "u", token: 5 });',
  'client.conversation(7);',
  'client.on("no such", () => {});',
  'room.send("x", { kind: "audio" });',
  'room.send("x").then(({ no_such }) => no_such);',
  'room.on("message", ({ of }) => of);',
  'room.react("1", "x");',
  'room.read("1");',
  'client.create({ type: "club" });',
];

describe('chaguan-client, the package', () => {
  let dir;
  before(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-package-'));
  });
  after(() => fs.rmSync(dir, { recursive: true, force: true }));

  it(`is at most ${GZIPPED_MAX} bytes, gzipped, without its comments, and needs nothing else`, (t) => {
    const texts = sources().map((name) => fs.readFileSync(path.join(folder, name), 'utf8'));
    const compilerOptions = { removeComments: true, target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext };
    const [bytes, whole] = [texts.map((text) => ts.transpileModule(text, { compilerOptions }).outputText), texts]
      .map((of) => gzipSync(of.join(''), { level: 9 }).length);
    t.diagnostic(`${bytes} bytes, ${whole} with them`);
    assert.ok(bytes <= GZIPPED_MAX, `${bytes}`);
    for (const text of texts)
      for (const [, from] of text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']*)'/g)) assert.match(from, /^\.\/\w+\.js$/);
    assert.deepEqual([manifest().dependencies, manifest().peerDependencies], [undefined, undefined]);
  });

  it('has the version of the release, its licence, and exports what its types say', () => {
    assert.equal(manifest().version, fs.readFileSync(path.join(top, 'Makefile'), 'utf8').match(/^VERSION := (.*)$/m)[1]);
    assert.equal(fs.readFileSync(path.join(folder, 'LICENSE'), 'utf8'), fs.readFileSync(path.join(top, 'LICENSE'), 'utf8'));
    const types = fs.readFileSync(path.join(folder, 'index.d.ts'), 'utf8');
    const told = [...types.matchAll(/^export (?:function|class) (\w+)/gm)].map(([, name]) => name);
    assert.deepEqual(Object.keys(all).sort(), told.sort());
  });

  it('packed and installed into an empty folder, it is imported, and its types check, and refuse what is wrong', async () => {
    const packed = await run('npm', ['pack', '--silent', '--pack-destination', dir], { cwd: folder });
    assert.equal(packed.code, 0, packed.stderr);
    const tarball = path.join(dir, packed.stdout.trim());
    const app = path.join(dir, 'app');
    fs.mkdirSync(app);
    const installed = await run('npm', ['install', '--silent', '--no-audit', '--no-fund', '--offline', tarball], { cwd: app });
    assert.equal(installed.code, 0, installed.stderr + installed.stdout);
    const there = fs.readdirSync(path.join(app, 'node_modules/chaguan-client')).sort();
    assert.deepEqual(there, ['LICENSE', 'README.md', 'index.d.ts', 'package.json', ...sources()].sort());
    const imported = await run('node', ['--input-type=module', '-e', "import * as all from 'chaguan-client'; console.log(Object.keys(all).length)"], { cwd: app });
    assert.equal(imported.stdout.trim(), String(Object.keys(all).length), imported.stderr);

    fs.writeFileSync(path.join(app, 'uses.ts'), USES);
    WRONG.forEach((line, i) => fs.writeFileSync(path.join(app, `wrong${i}.ts`), `import { connect } from 'chaguan-client';
const client = connect({ url: 'u' }), room = client.conversation('r');
void room;
// @ts-expect-error
${line}
export {};
`));
    const tsc = path.join(top, 'tests/node_modules/typescript/bin/tsc');
    const checked = await run('node', [tsc, '--noEmit', '--strict', '--noUnusedLocals', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2022,dom', 'uses.ts', ...WRONG.map((_, i) => `wrong${i}.ts`)], { cwd: app });
    assert.equal(checked.code, 0, checked.stdout);
  });

  describe('where it runs', () => {
    let people, stack;
    before(async () => {
      people = await People.start();
      stack = people.stack;
    });
    after(() => people?.end());

    it('a mini program: sockets and uploads are tasks, files are paths, the storage is its own', async () => {
      const name = unique('ann'), id = await people.room(name, unique('bob'));
      const wx = makeMiniProgram(stack, { files: { 'wxfile://tmp/photo.png': png() } });
      const begin = () => people.connect(name, { transport: all.wxTransport(wx), storage: all.wxStorage(wx, name) });
      const client = begin(), room = client.conversation(id), heard = listen(room, 'message');
      await room.join();
      const text = unique('said');
      stack.keepSecret(text);
      await room.send(text);
      const steps = [];
      const { uploaded } = await room.upload('wxfile://tmp/photo.png', { onprogress: (step) => steps.push(step) });
      assert.equal(uploaded.kind, 'image/png');
      assert.equal(steps.at(-1).sent, steps.at(-1).total);
      await heard.until(({ kind, content }) => kind === 'image' && content === uploaded.url);
      wx.sockets.at(-1).terminate();
      const states = listen(client, 'state');
      await states.until(({ state }) => state === 'open');
      await room.send(text);
      await heard.until(() => heard.length === 3);
      assert.deepEqual(heard.map(({ seq }) => seq), [1, 2, 3]);
      client.close();

      const dead = people.connect(name, { storage: all.wxStorage(wx, name),
        transport: { ...all.wxTransport(wx), open: () => ({ send() {}, close() {} }) } });
      const lost = assert.rejects(dead.conversation(id).send(text), { code: 'closed', unknown: false });
      await eventually(() => wx.storage.size === 1, 'it to be in the storage');
      dead.close();
      await lost;
      const again = begin(), settled = listen(again, 'settled');
      assert.equal((await settled.until(() => true)).answer.seq, 4);
      assert.equal(wx.storage.size, 0);
      assert.equal((await stateOf(again, 'open')).state, 'open');
    });

    it('the first client of the manual, ten lines, does what the manual says', async () => {
      const name = unique('ann'), room = await people.room(name);
      const manual = fs.readFileSync(path.join(top, 'docs/client.md'), 'utf8');
      const program = manual.match(/^```js\n(.*?)^```$/ms)[1];
      assert.ok(program.trim().split('\n').length <= 10, program);
      const app = path.join(dir, 'first');
      fs.mkdirSync(path.join(app, 'node_modules'), { recursive: true });
      fs.symlinkSync(folder, path.join(app, 'node_modules/chaguan-client'));
      fs.symlinkSync(path.join(top, 'tests/node_modules/ws'), path.join(app, 'node_modules/ws'));
      fs.writeFileSync(path.join(app, 'first.mjs'), program);
      const first = await run('node', ['first.mjs'], { cwd: app, timeout: 60_000,
        env: { BASE: stack.url, TOKEN: people.tokenOf(name), ROOM: room } });
      assert.equal(first.code, 0, first.stderr);
      assert.equal(first.stdout, `stored as 1\n${name}'s name: The kettle is on.\n`);
    });
  });
});
