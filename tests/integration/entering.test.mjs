// Many createChatroom calls at once: they go to the database in groups, from any number of REST processes, and everyone
// gets the answer that they would have got alone.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { enter, unique } from './lib/client.mjs';
import { fastcgi } from './lib/fastcgi.mjs';
import { Stack, bin, eventually } from './lib/stack.mjs';

const CROWD = 300;

describe('a crowd that enters at once', () => {
  let stack;
  let second; // another REST process on the same database
  const call = (chatroomName, nickName, headNum = 1) =>
    stack.api('createChatroom', { chatroomName, nickName, headNum });
  const members = (roomId) => stack.count(
    'SELECT COUNT(*) FROM member m JOIN conversation c ON c.id = m.conversation WHERE c.public_id = ?', [roomId]);
  const head = async (nickId) => {
    const [row] = await stack.sql('SELECT head_num FROM user WHERE public_id = ?', [nickId]);
    return JSON.parse(row.head_num);
  };
  const grown = async (metric, work) => {
    const before = await stack.metric('rest', metric);
    await work();
    return (await stack.metric('rest', metric)) - before;
  };
  before(async () => {
    stack = await Stack.start({ settings: { user_rooms_max: 40 } });
  });
  after(async () => {
    second?.kill('SIGKILL');
    await stack?.remove();
  });

  it('of new names, known names and the same names gets the right ids, and is online', async () => {
    const known = await enter(stack, unique('room'), unique('nick'));
    const names = (what, count) => Array.from({ length: count }, () => unique(what));
    const [rooms, nicks] = [[known.roomName, ...names('room', 11)], [known.nick, ...names('nick', 24)]];
    const wanted = Array.from({ length: CROWD }, (_, i) => [rooms[i % rooms.length], nicks[(i * 7) % nicks.length]]);
    let answers;
    let groups;
    const entered = await grown('joins_total', async () => {
      groups = await grown('join_batches_total', async () => {
        answers = await Promise.all(wanted.map(([room, nick]) => call(room, nick)));
      });
    });
    assert.equal(entered, CROWD);
    assert.ok(groups < CROWD / 2, `${groups} groups`);
    const ids = new Map([[known.roomName, known.roomId], [known.nick, known.nickId]]);
    for (const [i, { status, json }] of answers.entries()) {
      assert.equal(status, 200);
      const given = [json.data.chatroomId, json.data.nickId];
      for (const [j, name] of wanted[i].entries()) {
        assert.equal(ids.get(name) ?? given[j], given[j], name);
        ids.set(name, given[j]);
      }
    }
    assert.equal(new Set(ids.values()).size, rooms.length + nicks.length);
    for (const room of rooms) {
      const guests = wanted.filter(([asked]) => asked === room).map(([, nick]) => nick);
      assert.equal(await members(ids.get(room)), new Set(guests).size);
    }
    for (const [room, nick] of wanted.slice(0, 60)) {
      const valid = await stack.api('validateNickIdByRoomId', { roomId: ids.get(room), nickId: ids.get(nick) });
      assert.deepEqual(valid.json, { success: true });
    }
  });

  it('under one name with different heads leaves one of them, and the next one counts', async () => {
    const [room, nick] = [unique('room'), unique('nick')];
    const heads = Array.from({ length: 30 }, (_, i) => i);
    const answers = await Promise.all(heads.map((headNum) => call(room, nick, headNum)));
    const { nickId, chatroomId } = answers[0].json.data;
    for (const { json } of answers) assert.deepEqual(json.data, { nickId, chatroomId });
    assert.ok(heads.includes(await head(nickId)));
    assert.equal((await call(room, nick, 'next')).status, 200);
    assert.equal(await head(nickId), 'next');
    assert.equal(await members(chatroomId), 1);
  });

  it('lets those in who may, refuses who is banned or in too many rooms, and stores nothing of those', async () => {
    const banned = await enter(stack, unique('room'), unique('nick'));
    const busy = await enter(stack, unique('room'), unique('nick'));
    for (let i = 1; i < 40; i++) await enter(stack, unique('room'), busy.nick);
    const ban = await stack.chaguan('user', 'ban', banned.nick, '--realm', 'chatroom');
    assert.equal(ban.code, 0, ban.stderr);
    const room = unique('room');
    const kinds = ['banned', 'busy', 'new', 'muted'];
    const muted = await enter(stack, unique('room'), unique('nick'));
    await stack.chaguan('user', 'mute', muted.nick, '--realm', 'chatroom');
    const nameOf = {
      banned: () => banned.nick, busy: () => busy.nick, new: () => unique('nick'), muted: () => muted.nick,
    };
    const answers = await Promise.all(Array.from({ length: 80 }, (_, i) => {
      const kind = kinds[i % 4];
      return call(kind === 'banned' ? `${room} of the banned` : room, nameOf[kind]());
    }));
    for (const [i, answer] of answers.entries()) {
      const wanted = {
        banned: [403, 'banned'], busy: [429, 'too_many'], new: [200, undefined], muted: [200, undefined],
      };
      assert.deepEqual([answer.status, answer.json.code], wanted[kinds[i % 4]], kinds[i % 4]);
    }
    assert.equal(await stack.count('SELECT COUNT(*) FROM conversation WHERE name = ?', [`${room} of the banned`]), 0);
    assert.equal(await members(answers[2].json.data.chatroomId), 21);
  });

  it('of two REST processes agrees on who and what is who', async () => {
    const socket = stack.file('rest2.sock');
    const config = ['--config', stack.file('chaguan.conf'), '--set', `rest_socket=${socket}`];
    const args = [...config, '--set', `log_file=${stack.file('rest2.log')}`];
    second = spawn(path.join(bin, 'chaguan-rest'), args, { stdio: 'ignore' });
    const lives = () => fastcgi(socket, { method: 'GET', path: '/healthz', contentLength: '' })
      .then((answer) => answer?.status === 200, () => false);
    await eventually(lives, 'the second process');
    const [rooms, nicks] = [8, 20].map((count) => Array.from({ length: count }, () => unique('name')));
    const pair = (i) => [rooms[(i * 5) % rooms.length], nicks[(i * 3) % nicks.length]];
    const wanted = Array.from({ length: CROWD }, (_, i) => pair(i));
    const direct = async (room, nick, headNum) => {
      const body = JSON.stringify({ chatroomName: room, nickName: nick, headNum });
      const contentLength = Buffer.byteLength(body);
      const answer = await fastcgi(socket, { path: '/api/createChatroom', body, contentLength });
      return { status: answer.status, json: JSON.parse(answer.text) };
    };
    const answers = await Promise.all(wanted.map(([room, nick], i) => (i % 2 ? direct : call)(room, nick, i % 5)));
    const ids = new Map();
    for (const [i, { status, json }] of answers.entries()) {
      assert.equal(status, 200);
      for (const [j, id] of [json.data.chatroomId, json.data.nickId].entries()) {
        assert.equal(ids.get(wanted[i][j]) ?? id, id);
        ids.set(wanted[i][j], id);
      }
    }
    assert.equal(new Set(ids.values()).size, rooms.length + nicks.length);
    second.kill('SIGTERM');
    await eventually(() => second.exitCode === 0, 'the second process to end well');
  });

  it('everything is in order afterwards', () => stack.checkAndStop());
});
