// Both READMEs keep their word: their shell blocks that are marked as tested run here as they stand, one after another
// in one bash, as somebody would paste them. Only where the run is differs: its address, its directory, the programs.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bin, DEADLINE_MS, Stack, run, top } from './lib/stack.mjs';

const READMES = ['README.md', 'README.zh.md'];
const read = (name) => fs.readFileSync(path.join(top, name), 'utf8');
const blocks = (text) => [...text.matchAll(/^<!-- tested -->\n```sh\n(.*?)^```$/gms)].map((match) => match[1]);
const MARK = '=== the next block';
const isClient = (block) => /^node client\.mjs$/m.test(block);

describe('the READMEs', () => {
  let stack, dir;
  before(async () => {
    stack = await Stack.start({ settings: { log_level: 'info' } }); // the default, as for somebody who pastes
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-readme-'));
    // what "npm install ws" leaves
    fs.symlinkSync(path.join(top, 'tests', 'node_modules'), path.join(dir, 'node_modules'));
  });
  after(async () => {
    if (dir) fs.rmSync(dir, { recursive: true, force: true });
    await stack?.remove();
  });

  const here = (block) => block.replaceAll('http://127.0.0.1:7005', stack.url)
    .replaceAll('build/chaguan', path.join(bin, 'chaguan'))
    .replaceAll('run/chaguan.conf', stack.file('chaguan.conf'));

  for (const name of READMES) {
    const tested = blocks(read(name));

    it(`${name}: the curl examples and the operator's commands work as pasted`, async () => {
      for (const [, secret] of tested.join().matchAll(/"(?:password|account|chat_content)":\s?"([^"$']*)"/g))
        stack.keepSecret(secret);
      const script = tested.filter((block) => !isClient(block)).map(here).join(`\necho '${MARK}'\n`);
      const { code, stdout, stderr } = await run('bash', ['--norc', '-eu', '-c', script], { cwd: dir });
      assert.equal(code, 0, `${stdout}\n${stderr}`);
      assert.equal(stderr, '');
      const [chatroom, friends, customers, spaces, transports, admin, operator] = stdout.split(`${MARK}\n`)
        .map((out) => out.trim().split('\n'));

      const seat = JSON.parse(chatroom[0]);
      assert.equal(seat.success, true);
      assert.match(chatroom[0], /"chatroomId":"room_[0-9a-f]{32}","nickId":"user_[0-9a-f]{32}"/);
      assert.ok(JSON.parse(chatroom[1]).data >= 1, 'getRoomNums');
      assert.deepEqual(JSON.parse(chatroom[2]), { success: true }, 'validateNickIdByRoomId');
      const [, room, nick] = tested[0].match(/"chatroomName":"([^"]*)","nickName":"([^"]*)"/);
      assert.deepEqual(JSON.parse(chatroom[3]), { success: true, data: room });
      assert.deepEqual(JSON.parse(chatroom[4]), { success: true, data: nick });

      const [found, friendList, messages, read, refused, withToken] = friends.map((line) => JSON.parse(line));
      assert.match(found.data[0].userId, /^user_[0-9a-f]{32}$/);
      assert.match(friendList.data[0].friendId, /^friend_[0-9a-f]{32}$/);
      assert.deepEqual([friendList.data[0].last, friendList.data[0].unread, messages.data], [null, 0, []]);
      assert.deepEqual(read, { success: true, data: { seq: 0 } });
      assert.equal(refused.code, 'unauthorized');
      assert.deepEqual(withToken, { success: true, data: [] });

      const picture = customers.splice(4, 1)[0];
      assert.equal(picture, '200 image/png');
      const [wang, bob, first, second, note, history] = customers.map((line) => JSON.parse(line));
      assert.deepEqual([wang.status, bob.status], [200, 200]);
      assert.deepEqual([first.code, first.data.length, second.data.length], [1, 1, 2]);
      assert.match(second.data[1].content, /^\/media\/[0-9a-f]{32}\.png$/);
      assert.equal(note.data.kind, 'text/plain');
      assert.deepEqual(history, second);

      const [joined, once, again, space, records] = spaces.map((line) => JSON.parse(line));
      assert.match(joined.roomNum, /^\d{8}$/);
      assert.equal(once.score, 5);
      assert.deepEqual(again, once);
      assert.deepEqual(space.standings.map((standing) => standing.score).sort(), [-5, 5]);
      assert.deepEqual(records, space.records);

      const [sent, repeated, polled] = transports.map((line) => line.startsWith('{') && JSON.parse(line));
      assert.ok(sent.data.seq >= 1);
      assert.deepEqual(repeated, sent);
      assert.equal(polled.next, sent.data.seq);
      assert.ok(polled.events.some((event) => event.seq === sent.data.seq));
      assert.ok(transports.includes(`id: ${sent.data.epoch}-${sent.data.seq}`), 'Server-Sent Events');

      const [emitted, rooms, sockets, counts] = admin.map((line) => JSON.parse(line));
      assert.ok(emitted.success && emitted.data.seq >= 1);
      assert.deepEqual([rooms.success, sockets.success], [true, true]);
      assert.deepEqual(counts.data, { sockets: 0, rooms: 0 });

      assert.equal(JSON.parse(operator[0]).ready, true, 'the REST process');
      assert.equal(JSON.parse(operator[1]).ready, true, 'the relay');
      assert.equal(operator.filter((line) => /^chaguan_\w+ \d+$/.test(line)).length, 5, 'metrics');
      assert.match(stdout, /^messages=\d+$/m);
      assert.match(stdout, /^no findings$/m);
      assert.match(stdout, /^the schema is up to date$/m);
      assert.match(stdout, /^unreferenced=0$/m);
    });

    it(`${name}: the Node client works as pasted`, async () => {
      const [block] = tested.filter(isClient);
      const said = stack.keepSecret(block.match(/content: '([^']*)'/)[1]);
      const nick = block.match(/nick = '([^']*)'/)[1];
      const child = spawn('bash', ['--norc', '-eu', '-c', here(block)], { cwd: dir, detached: true });
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
    });

    it(`${name}: what it points to is there, and both tell the same`, () => {
      const text = read(name);
      const targets = [...text.matchAll(/\]\(([^)#]+)\)/g)].map((match) => match[1])
        .filter((to) => !/^https?:/.test(to));
      for (const to of targets) assert.ok(fs.existsSync(path.join(top, to)), to);
      const skeleton = (t) => t.split('\n').filter((line) => /^(#|\||```)/.test(line)).length;
      assert.equal(skeleton(text), skeleton(read(READMES[0])));
      assert.equal(tested.length, 8);
      const code = (t) => [...t.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]).sort();
      assert.deepEqual([...new Set(code(text))], [...new Set(code(read(READMES[0])))], 'the same names in both');
    });
  }

  it('settings that the READMEs name exist', async () => {
    const printed = (await Promise.all(['chaguan-relay', 'chaguan-rest', 'chaguan']
      .map((program) => run(path.join(bin, program), ['--print-config'])))).map((r) => r.stdout).join('');
    const settings = new Set([...printed.matchAll(/^(?:# )?(\w+) = /gm)].map((match) => match[1]));
    for (const name of READMES) {
      const text = read(name);
      const named = [...text.matchAll(/\| `(\w+)` \|$/gm), ...text.matchAll(/^(\w+) = /gm)].map((match) => match[1]);
      assert.ok(named.length >= 10);
      for (const setting of named) assert.ok(settings.has(setting), setting);
    }
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
