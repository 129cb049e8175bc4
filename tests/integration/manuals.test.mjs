// The README and the manuals keep their word: every block of theirs that is marked as shell (```sh) runs here as it
// stands. The blocks of one page run one after another in one bash, as somebody would paste them. Only where the run is
// differs: its address, its directory, the programs. Both languages share one page's check.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bin, DEADLINE_MS, Stack, request, run, top } from './lib/stack.mjs';
import { documents, shellBlocks, twin } from './lib/documents.mjs';

const MARK = '=== the next block';
const isClient = (block) => /^node client\.mjs$/m.test(block);
const read = (page) => fs.readFileSync(path.join(top, page), 'utf8');
const pages = documents().filter((page) => shellBlocks(read(page)).length > 0);

/** Asserts on what the blocks of a page printed: the lines of each block, then all of it, then the page's text. */
const checks = {
  'README.md': checkFirstSuccess,
  'docs/clients/chatroom.md': checkChatroom,
  'docs/clients/customers.md': checkCustomers,
  'docs/clients/demos.md': checkDemos,
  'docs/clients/friends.md': checkFriends,
  'docs/clients/http.md': checkHttp,
  'docs/clients/socketio.md': checkAdmin,
  'docs/clients/spaces.md': checkSpaces,
  'docs/export.md': checkExport,
  'docs/feed.md': checkFeed,
  'docs/identity.md': checkIdentity,
  'docs/install.md': checkOperator,
  'docs/platform.md': checkPlatform,
  'docs/protocol.md': checkBeginning,
  'docs/search.md': checkSearch,
};

function checkFirstSuccess([lines], stdout, text) {
  const [sent, polled] = lines.map((line) => JSON.parse(line));
  const said = polled.events.find((event) => event.seq === sent.data.seq);
  assert.equal(said.data.log_content, text.match(/\\"content\\":\\"([^\\]*)/)[1]);
}

function checkChatroom([chatroom], stdout, text) {
  const joined = JSON.parse(chatroom[0]);
  assert.equal(joined.success, true);
  assert.match(chatroom[0], /"chatroomId":"room_[0-9a-f]{32}","nickId":"user_[0-9a-f]{32}"/);
  assert.ok(JSON.parse(chatroom[1]).data >= 1, 'getRoomNums');
  assert.deepEqual(JSON.parse(chatroom[2]), { success: true }, 'validateNickIdByRoomId');
  const [, room, nick] = text.match(/"chatroomName":"([^"]*)","nickName":"([^"]*)"/);
  assert.deepEqual(JSON.parse(chatroom[3]), { success: true, data: room });
  assert.deepEqual(JSON.parse(chatroom[4]), { success: true, data: nick });
  const [messages, unread, marked] = chatroom.slice(5).map((line) => JSON.parse(line));
  assert.ok(Array.isArray(messages.data));
  // the page's Node client may be talking in the same room
  assert.equal(unread.data.read, 0);
  assert.ok(unread.data.unread >= 0 && unread.data.unread <= unread.data.seq, 'unread');
  assert.equal(marked.data.read, Math.min(1, marked.data.seq));
}

function checkFriends([friends]) {
  const [found, friendList, messages, marked, refused, withToken] = friends.map((line) => JSON.parse(line));
  assert.match(found.data[0].userId, /^user_[0-9a-f]{32}$/);
  assert.match(friendList.data[0].friendId, /^friend_[0-9a-f]{32}$/);
  assert.deepEqual([friendList.data[0].last, friendList.data[0].unread, messages.data], [null, 0, []]);
  assert.deepEqual(marked, { success: true, data: { seq: 0 } });
  assert.equal(refused.code, 'unauthorized');
  assert.deepEqual(withToken, { success: true, data: [] });
}

function checkCustomers([customers]) {
  const [picture] = customers.splice(4, 1);
  assert.equal(picture, '200 image/png');
  const [wang, bob, first, second, note, history] = customers.map((line) => JSON.parse(line));
  assert.deepEqual([wang.status, bob.status], [200, 200]);
  assert.deepEqual([first.code, first.data.length, second.data.length], [1, 1, 2]);
  assert.match(second.data[1].content, /^\/media\/[0-9a-f]{32}\.png$/);
  assert.equal(note.data.kind, 'text/plain');
  assert.deepEqual(history, second);
}

function checkSpaces([spaces]) {
  const [joined, once, again, space, records, unread, marked] = spaces.map((line) => JSON.parse(line));
  assert.match(joined.roomNum, /^\d{8}$/);
  assert.equal(once.score, 5);
  assert.deepEqual(again, once);
  assert.deepEqual(space.standings.map((standing) => standing.score).sort(), [-5, 5]);
  assert.deepEqual(records, space.records);
  assert.deepEqual([unread.read, marked.read], [0, 1]);
}

function checkHttp([transports]) {
  const [sent, repeated, polled] = transports.map((line) => line.startsWith('{') && JSON.parse(line));
  assert.ok(sent.data.seq >= 1);
  assert.deepEqual(repeated, sent);
  assert.equal(polled.next, sent.data.seq);
  assert.ok(polled.events.some((event) => event.seq === sent.data.seq));
  assert.ok(transports.includes(`id: ${sent.data.epoch}-${sent.data.seq}`), 'Server-Sent Events');
}

function checkAdmin([admin]) {
  const [emitted, rooms, inRoom, sockets, counts] = admin.map((line) => JSON.parse(line));
  assert.ok(emitted.success && emitted.data.seq >= 1);
  assert.deepEqual([rooms.success, inRoom.success, sockets.success], [true, true, true]);
  assert.deepEqual(counts.data, { sockets: 0, rooms: 0 });
}

function checkOperator([operator, moderation], stdout, text) {
  assert.equal(JSON.parse(operator[0]).ready, true, 'the REST process');
  assert.equal(JSON.parse(operator[1]).ready, true, 'the relay');
  assert.equal(operator.filter((line) => /^chaguan_\w+ \d+$/.test(line)).length, 5, 'metrics');
  assert.match(stdout, /^messages=\d+$/m);
  assert.match(stdout, /^no findings$/m);
  assert.match(stdout, /^the schema is up to date$/m);
  assert.match(stdout, /^unreferenced=0$/m);
  const name = text.match(/user mute '([^']*)'/)[1];
  assert.equal(JSON.parse(moderation[0]).data.name, name);
  assert.ok(moderation[1].startsWith(`user realm="friends" name="${name}"`), stdout);
  const mutes = moderation.filter((line) => line.startsWith(`mute realm="friends" user="${name}"`));
  assert.equal(mutes.length, 2, stdout);
  assert.equal(moderation.at(-1), 'lifted=1');
}

function checkPlatform([lines]) {
  const [user, conversation, asked, told, read] = lines.slice(0, 5).map((line) => JSON.parse(line));
  assert.deepEqual([user.id, conversation.id, conversation.type], ['4711', 'order-17', 'group']);
  assert.ok(told.seq > asked.seq);
  assert.equal(read.items.length, 2); // the other language's page may be talking there, too
  assert.match(lines[5], /^shop-\d+ scope=read,write,admin /);
  assert.equal(lines.length, 6);
}

function checkBeginning([backend, opened, uploaded, back], stdout, text) {
  assert.deepEqual(backend.slice(0, 2).map((line) => JSON.parse(line).id), ['ann', 'bob']);
  assert.match(backend[2], /"public_id":"conv_[0-9a-f]{32}"/);
  const [said] = text.match(/(?<=node talk\.mjs text ')[^']*/), [asked] = text.match(/(?<="from":"bob","content":")[^"]*/);
  const sentence = (line) => line.trimEnd().replace(/^(message \d+ )[^:]*/, '$1…'); // each language's page gives Ann a name
  assert.deepEqual(opened.map(sentence), [`message 1 …: ${said}`, 'closed 1000']);
  const { url, kind } = JSON.parse(uploaded[0]);
  assert.equal(kind, 'image/png');
  assert.deepEqual(uploaded.slice(1).map(sentence), ['missed 0', `message 2 …: ${url}`, 'closed 1000']);
  assert.equal(JSON.parse(back[0]).seq, 3);
  assert.deepEqual(back.slice(1).map(sentence), ['missed 1', `message 3 …: ${asked}`, 'message 4 …: 🍵', 'closed 1000']);
}

function checkIdentity([token, account]) {
  const [user, refused] = token.slice(0, 2).map((line) => JSON.parse(line));
  assert.deepEqual([user.id, refused.error.code], ['5012', 'token_signature']);
  assert.ok(token[2].startsWith('user realm="app" name="5012"'), token[2]);
  const [made, again] = account.map((line) => JSON.parse(line));
  assert.ok(made.token && again.token);
  assert.equal(made.user, again.user);
}

function checkSearch([lines]) {
  const [made, said, found] = lines.slice(0, 3).map((line) => JSON.parse(line));
  assert.deepEqual(found.items.map(({ conversation, seq }) => [conversation, seq]), [[made.id, said.seq]]);
  assert.match(lines[3], /^messages=\d+$/);
  assert.match(lines.at(-1), /^job=search@.* lag_rows=\d+/);
}

function checkExport([lines]) {
  const exported = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  assert.deepEqual([...new Set(exported.map(({ type }) => type))], ['export', 'user', 'conversation', 'member', 'message', 'end']);
  assert.ok(exported.every(({ from }) => from === undefined || from === 'mover'));
  const checked = lines.slice(exported.length);
  assert.ok(checked.some((line) => /^messages=[1-9]/.test(line)));
  assert.equal(checked.at(-1), 'bad=0');
}

function checkFeed([lines]) {
  assert.match(lines.join('\n'), /^streams=\d+\nrows=\d+\n(?:job=.*\n)*job=count worker="worker1@.*" lag_rows=\d+ lag_seconds=[\d.]+$/m);
}

function checkDemos([clock]) {
  assert.match(clock[0], /\d{1,2}:\d{2}:\d{2}/);
  assert.ok(clock.includes('event: open'), 'an EventSource opens');
}

describe('the README and the manuals', () => {
  let stack, dir;
  before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-manuals-'));
    // what "npm install ws" leaves, and what the pages have made before "make run"
    fs.symlinkSync(path.join(top, 'tests', 'node_modules'), path.join(dir, 'node_modules'));
    fs.mkdirSync(path.join(dir, 'keys'));
    fs.chmodSync(dir, 0o755);
    fs.writeFileSync(path.join(dir, 'keys', '2026.secret'), `${crypto.randomBytes(32).toString('base64')}\n`);
    stack = await Stack.start({ settings: { log_level: 'info', demos: 'on', // as "make run" has it
      app_keys: path.join(dir, 'keys'), signup: 'invite', search: 'on' } }); // and as pages say to set it
  });
  after(async () => {
    if (dir) fs.rmSync(dir, { recursive: true, force: true });
    await stack?.remove();
  });

  const here = (text) => text.replaceAll('http://127.0.0.1:7005', stack.url)
    .replaceAll('build/chaguan', path.join(bin, 'chaguan'))
    .replaceAll('run/chaguan.conf', stack.file('chaguan.conf'))
    .replaceAll('keys/2026.secret', path.join(dir, 'keys', '2026.secret'));

  // Pages know nothing of each other, so they may run side by side; every page uses names of its own.
  describe('run as pasted', { concurrency: 3 }, () => {
    for (const page of pages) {
      const text = read(page);
      const blocks = shellBlocks(text);

      it(page, async () => {
        const check = checks[twin(page, 'en')];
        assert.ok(check, 'what its blocks print is checked');
        for (const [, secret] of text.matchAll(/\\?"(?:password|account|chat_content|content)\\?":\s?\\?"([^"$'\\]*)/g))
          stack.keepSecret(secret);
        const script = blocks.filter((block) => !isClient(block)).map(here).join(`\necho '${MARK}'\n`);
        const cwd = fs.mkdtempSync(path.join(dir, 'page-')); // node finds node_modules above it
        const { code, stdout, stderr } = await run('bash', ['--norc', '-eu', '-c', script], { cwd });
        assert.equal(code, 0, `${stdout}\n${stderr}`);
        assert.equal(stderr, '');
        check(stdout.split(`${MARK}\n`).map((out) => out.trim().split('\n')), stdout, text);
      });

      for (const block of blocks.filter(isClient)) it(`${page}: its Node client`, () => runClient(block));
    }
  });

  /** Runs it until it has heard itself, the members and the history; then Ctrl-C. */
  async function runClient(block) {
    const said = stack.keepSecret(block.match(/content: '([^']*)'/)[1]);
    const nick = block.match(/nick = '([^']*)'/)[1];
    const cwd = fs.mkdtempSync(path.join(dir, 'client-')); // node finds node_modules above it
    const child = spawn('bash', ['--norc', '-eu', '-c', here(block)], { cwd, detached: true });
    let out = '';
    const ended = new Promise((resolve) => child.on('close', resolve));
    const heard = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`waited in vain; the client printed:\n${out}`)), DEADLINE_MS);
      const look = (chunk) => {
        out += chunk;
        const done = out.includes(`log_content: '${said}'`) && out.includes(`user_name: '${nick}'`)
          && /^logs \[/m.test(out);
        if (!done && child.exitCode === null) return;
        clearTimeout(timer);
        if (done) resolve();
        else reject(new Error(`the client ended:\n${out}`));
      };
      child.stdout.on('data', look);
      child.stderr.on('data', look);
      child.on('close', () => look(''));
    });
    try {
      await heard;
    } finally {
      if (child.exitCode === null) process.kill(-child.pid, 'SIGINT'); // Ctrl-C: all that the terminal runs
      await ended;
    }
  }

  it('name pages of the server that are there', async () => {
    const addresses = new Set(documents()
      .flatMap((page) => [...read(page).matchAll(/<(http:\/\/127\.0\.0\.1:7005\/[^>]*)>/g)]).map(([, to]) => to));
    assert.ok(addresses.size >= 3);
    for (const address of addresses) assert.equal((await request(here(address))).status, 200, address);
  });

  it('are there in both languages', () => {
    const english = pages.filter((page) => page === twin(page, 'en'));
    assert.deepEqual(english, Object.keys(checks).sort());
    for (const page of english) assert.ok(pages.includes(twin(page, 'zh')), page);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
