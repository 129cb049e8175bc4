// What the servers behind say is believed no further than it makes sense: a Redis that lies, rows that nobody of ours
// wrote. No process ends for it, and when it is over all goes on.
import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import WebSocket from 'ws';
import { Client, enter, settle, unique } from './lib/client.mjs';
import { fastcgi } from './lib/fastcgi.mjs';
import { Raw } from './lib/raw.mjs';
import { query, register } from './lib/customers.mjs';
import { befriend, newUser } from './lib/friends.mjs';
import { Chatter } from './lib/io.mjs';
import { Liar } from './lib/liar.mjs';
import { Native } from './lib/native.mjs';
import { login, newSpace } from './lib/spaces.mjs';
import { Stack, NO_RATES, eventually, post, request } from './lib/stack.mjs';

const PARTS = ['relay1', 'relay2', 'rest'];
const pids = (stack) => PARTS.map((name) => stack.pid(name));

describe('a Redis that lies', () => {
  let stack, liar;
  before(async () => {
    let dir;
    liar = await Liar.start(() => net.connect(path.join(dir, 'redis.sock')));
    stack = await Stack.start({ relays: 2, settings: (run) => {
      dir = run;
      return { ...NO_RATES, redis_socket: '', redis_host: '127.0.0.1', redis_port: liar.port, grace_ms: '50ms',
        members_interval_ms: '20ms', lease_ms: '1s', redis_timeout_ms: '300ms', reconcile_ms: '500ms', reconcile_down_ms: '200ms',
        admin_token: 'the-administrators-token-of-this-test' };
    } });
  });
  after(async () => {
    await stack?.remove();
    liar?.close();
  });

  /** People of all kinds come, say something and go, and operators ask; what becomes of it is not looked at. */
  async function life(room) {
    const admin = { headers: { Authorization: 'Bearer the-administrators-token-of-this-test' } };
    const attempts = [
      async () => {
        const seat = await enter(stack, room, unique('nick'));
        const ws = await Client.connect(stack, seat, { relay: 1 + Math.floor(Math.random() * 2) });
        ws.say(unique('said'));
        await stack.api('validateNickIdByRoomId', { roomId: seat.roomId, nickId: seat.nickId });
        await ws.close();
      },
      async () => {
        const seat = await enter(stack, room, unique('nick'));
        const native = await Native.open(stack, { relay: 2 });
        native.command('hello', { user: seat.nickId, resume: [{ room: seat.roomId, presence: true }] });
        native.command('members', { room: seat.roomId });
        await new Promise((resolve) => setTimeout(resolve, 100));
        native.ws.terminate();
      },
      async () => {
        const chatter = new Chatter(stack, { relay: Math.floor(Math.random() * 3), reconnection: false,
          transports: [Math.random() < 0.5 ? 'polling' : 'websocket'] });
        for (const [event, text] of [['message', unique('name')], ['join', 'a'], ['join', 'b'], ['message', 'hello'],
          ['message', `@${unique('nobody')} psst`], ['leave', 'a']]) chatter.socket.emit(event, text);
        await new Promise((resolve) => setTimeout(resolve, 200));
        if (Math.random() < 0.5) chatter.socket.io.engine?.close();
        await new Promise((resolve) => setTimeout(resolve, 50));
        chatter.close();
      },
      () => request(`${stack.url}/api/io/rooms`, admin),
      () => request(`${stack.url}/api/io/rooms/a/sockets`, admin),
      () => request(`${stack.url}/api/io/counts`, admin),
      () => request(`${stack.url}/api/io/join`, { method: 'POST', ...admin, body: '{"room":"a","rooms":["c"]}' }),
      () => stack.chaguan('relays'),
    ];
    await Promise.all(attempts.map((attempt) => attempt().catch(() => {})));
  }

  it('ends no process, and is believed again when it says what a Redis says', { timeout: 120_000 }, async () => {
    const before = pids(stack);
    const room = unique('room');
    for (let round = 0; round < 12; round++) {
      liar.share = [0.02, 0.1, 0.4][round % 3];
      liar.interrupt();
      await Promise.all([life(room), life(room)]);
    }
    liar.share = 0;
    for (const name of PARTS) assert.equal(stack.exitStatus(name), undefined, `${name} ended`);
    assert.deepEqual(pids(stack), before);
    assert.ok(liar.lies > 50, `${liar.lies} lies were told`);
    for (const page of ['/readyz', '/relay1/readyz', '/relay2/readyz'])
      await eventually(() => stack.ready(page), `${page} to be well`);
    const [one, two] = await Promise.all([1, 2].map(async (relay) =>
      Client.join(stack, await enter(stack, unique('after'), unique('nick')), { relay })));
    const [ann, bob] = [await enter(stack, 'after all', unique('ann')), await enter(stack, 'after all', unique('bob'))];
    const [w1, w2] = [await Client.join(stack, ann, { relay: 1 }), await Client.join(stack, bob, { relay: 2 })];
    await Promise.all([w1, w2].map((client) => client.present(ann.nick, bob.nick)));
    await settle(w1, w2);
    for (const client of [one, two, w1, w2]) await client.close();
    const chatter = await Chatter.enter(stack, unique('chatter'), { relay: 1 });
    assert.equal((await chatter.say('well again')).success, true);
    chatter.close();
  });

  it('afterwards the numbers agree and the parts end well', () => stack.checkAndStop());
});

// ---- rows ----

const BIG = '18446744073709551615';
/** Columns of a message that nobody of ours would write; the rest is as usual. */
const ODD_MESSAGES = [
  { kind: 0 }, { kind: 12 }, { kind: 200 }, { kind: 255, content: "'{}'" }, { kind: 1, content: "''" },
  { kind: 1, sender: 'NULL' }, { kind: 1, sender_name: "x'ff80c0'" }, { kind: 1, sender_name: "''" },
  { kind: 1, sender_name: `REPEAT('n', 256)` }, { kind: 1, content: "REPEAT('x', 70000)" }, { kind: 1, content: "'\\0\\n\u2028</script>'" },
  { kind: 1, sent_at: "'not a time at all'" }, { kind: 1, created_at: "'9999-12-31 23:59:59.999'" },
  { kind: 1, created_at: "'1000-01-01 00:00:00'" }, { kind: 1, client_id: "x'00ff01'" }, { kind: 1, audience: "x'ff00ff'" },
  { kind: 1, audience: "''" }, { kind: 1, audience: `REPEAT('r', 4096)` }, { kind: 1, revised_by: BIG }, { kind: 1, recalled: 7 },
  { kind: 1, batch_id: BIG }, { kind: 2, sender: 'NULL', sender_name: "x'fe'" }, { kind: 3, sender: 'NULL' }, { kind: 4, content: "''" },
  { kind: 5, content: "'javascript:alert(1)'" }, { kind: 6, content: "'not a url'" }, { kind: 8, content: "'not json'" },
  { kind: 8, content: `'{"fromId":'` }, { kind: 8, content: `'[1,2]'` }, { kind: 8, content: "'{'" }, { kind: 9, content: "'{}'" },
  { kind: 9, content: `'["message"'` }, { kind: 9, content: `'[]'` }, { kind: 9, content: "'7'" }, { kind: 10, content: "'edited'" },
  { kind: 10, client_id: 'NULL', revised_by: 3 }, { kind: 10, content: "''" }, { kind: 11, content: "'{}'" },
  { kind: 9, content: "''" }, { kind: 8, content: "''" }, { kind: 11, content: "'9'" }, { kind: 11, sender: 'NULL', revised_by: BIG },
];
const USUAL = { client_id: 'NULL', batch_id: 1, kind: 1, sender_name: "'somebody'", content: "'something'", sent_at: 'NULL',
  created_at: 'UTC_TIMESTAMP(3)', audience: 'NULL', revised_by: 'NULL', recalled: 0 };

/** A client that says these frames and reads whatever comes until `enough`, or the server closes: how it ended. */
function visit(url, { protocols = [], frames = [], enough = () => false } = {}) {
  return new Promise((resolve) => {
    const ws = new WebSocket(url, protocols, { perMessageDeflate: false });
    const timer = setTimeout(() => ws.close(), 1500); // who has nothing to show says nothing
    ws.on('open', () => frames.forEach((frame) => ws.send(JSON.stringify(frame))));
    ws.on('message', (text) => {
      let value;
      try {
        value = JSON.parse(text);
      } catch (error) {
        resolve(`not JSON: ${error.message}: ${String(text).slice(0, 300)}`);
      }
      if (value && enough(value)) ws.close();
    });
    ws.on('error', (error) => resolve(`${error.message}`)); // bytes that are no text, a frame that is none
    ws.on('close', () => {
      clearTimeout(timer);
      resolve('closed');
    });
  });
}

describe('rows that nobody of ours wrote', () => {
  let stack, seat, friends, friendId, cards, player, space;
  before(async () => {
    stack = await Stack.start({ relays: 2, settings: { ...NO_RATES, grace_ms: '50ms', members_interval_ms: '20ms',
      reconcile_ms: '500ms', revocation_poll_ms: '300ms', admin_token: 'the-administrators-token-of-this-test',
      jwt_secret: 'a-secret-of-the-test-that-is-long-enough' } });
    seat = await enter(stack, unique('odd'), unique('nick'));
    friends = [await newUser(stack), await newUser(stack)];
    friendId = await befriend(stack, ...friends);
    cards = [await register(stack), await register(stack)];
    await post(`${stack.url}/chat/v1/message`, { friendInfo: cards[0], userInfo: cards[1], chat_content: 'hello', chat_type: 0 });
    player = await login(stack);
    space = await newSpace(stack, player);
    (await Chatter.enter(stack, unique('chatter'))).close();
  });
  after(() => stack?.remove());

  /** Everything that reads, on every protocol and both relays; each ends as it should. */
  async function readAll() {
    const admin = { headers: { Authorization: 'Bearer the-administrators-token-of-this-test' } };
    const token = { headers: { token: player.token } };
    const resume = (room) => ({ resume: [{ room, epoch: 1, seq: 0, presence: true }] });
    const native = (proof, room) => ({ protocols: 'chaguan.v1', frames: [{ id: 1, cmd: 'hello', ...proof, ...resume(room) },
      ...['history', 'members', 'join', 'leave', 'join'].map((cmd, i) => ({ id: i + 2, cmd, room })),
      { id: 8, cmd: 'unread', rooms: [room] }, { id: 9, cmd: 'read', room, seq: 2 ** 52 },
      { id: 10, cmd: 'edit', room, seq: 3, client_id: unique('c'), content: 'x' },
      { id: 11, cmd: 'recall', room, seq: 5, client_id: unique('c') }, { id: 12, cmd: 'history', room, before: 9, limit: 200 },
      { id: 13, cmd: 'history', room, after: 9, limit: 200 }], enough: ({ re }) => re === 13 });
    const ends = await Promise.all([1, 2].flatMap((relay) => [
      ['chatroom', `/?roomId=${seat.roomId}&nickId=${seat.nickId}`, { frames: [
        { type: 'query-logs', sendUserId: seat.nickId, sendRoom: seat.roomId }],
      enough: (events) => events.some(({ type }) => type === 'logs' || type === 'error') }],
      ['native', '/v1', native({ user: seat.nickId }, seat.roomId)],
      ['native friend', '/v1', native({ user: friends[0].userId }, friendId)],
      ['native space', '/v1', native({ token: player.token }, space.roomId)],
      ['friend', `/ws/${friends[0].userId}`, {}],
      ['customer', `/chat/v1/message?${query(cards[0], cards[1])}`, { enough: () => true }],
      ['space', `/${space.roomNum}?token=${player.token}&roomId=${space.roomId}`, { enough: () => true }],
    ].map(async ([name, at, options]) => [name, await visit(`${stack.wsUrl(relay)}${at}`, options)])));
    for (const [name, end] of ends) assert.equal(end, 'closed', name);
    const base = stack.url;
    const page = '&limit=200';
    const answers = await Promise.all([
      [`/api/rooms/${seat.roomId}/messages?nickId=${seat.nickId}${page}`], [`/api/rooms/${seat.roomId}/unread?nickId=${seat.nickId}`],
      [`/rooms/${seat.roomId}/poll?nickId=${seat.nickId}&after=0`], [`/api/friends?userId=${friends[0].userId}`],
      [`/rooms/${seat.roomId}/poll?nickId=${seat.nickId}&after=0&epoch=1`],
      [`/api/friends/${friendId}/messages?userId=${friends[0].userId}${page}`], [`/chat/v1/history?${query(cards[0], cards[1])}`],
      [`/api/spaces/${space.roomId}`, token], [`/api/spaces/${space.roomId}/messages?after=0${page}`, token],
      [`/api/spaces/${space.roomId}/unread`, token], ['/api/admin/sanctions', admin], ['/api/io/rooms', admin], ['/metrics'], ['/readyz'],
    ].map(async ([at, options]) => [at, await request(base + at, options)]));
    for (const [at, { status, text, json }] of answers) {
      assert.ok([200, 401, 403, 404, 500, 503].includes(status), `${at}: ${status} ${text.slice(0, 200)}`);
      assert.ok(json !== undefined || at === '/metrics', `${at} is no JSON: ${status} ${text.slice(0, 300)}`);
    }
    const chatter = new Chatter(stack, { relay: 1, reconnection: false });
    await chatter.until(() => chatter.connects.length || chatter.refusals.length || chatter.disconnects.length, 'an answer');
    if (chatter.connects.length) {
      chatter.socket.emit('message', unique('reader'));
      await chatter.ask('getAllMessages').catch(() => {}); // a relay that begins a new epoch ends its sockets
    }
    if (chatter.socket.connected) {
      if (chatter.socket._lastOffset) chatter.socket._lastOffset = chatter.socket._lastOffset.replace(/-\d+$/, '-0');
      await chatter.cut();
      await chatter.comeBack(2);
    }
    chatter.close();
    for (const command of [['stats'], ['check'], ['sanctions'], ['user', 'show', seat.nick], ['media', 'gc', '--dry-run']]) {
      const { signal, code } = await stack.chaguan(...command);
      assert.deepEqual([signal, code === 134], [null, false], `chaguan ${command.join(' ')}`);
    }
  }

  it('a front that leaves parameters out, or says nonsense in them', async () => {
    const socket = stack.file('rest.sock');
    const body = JSON.stringify({ chatroomName: unique('front'), nickName: unique('front'), headNum: 1 });
    const call = { path: '/api/createChatroom', contentLength: body.length, body };
    const names = ['REQUEST_METHOD', 'SCRIPT_NAME', 'REQUEST_URI', 'QUERY_STRING', 'CONTENT_TYPE', 'CONTENT_LENGTH',
      'SERVER_PROTOCOL', 'REMOTE_ADDR'];
    const odd = [...names.map((name) => ({ [name]: undefined })), ...names.map((name) => ({ [name]: '\xff\0%zz -1' })),
      Object.fromEntries(names.map((name) => [name, undefined])), { HTTP_ORIGIN: '\xff', HTTP_HOST: '' },
      { REMOTE_ADDR: 'unix:', HTTP_AUTHORIZATION: 'Bearer' }, { HTTP_IDEMPOTENCY_KEY: 'x'.repeat(120) }];
    for (const named of odd) {
      const answer = await fastcgi(socket, { ...call, named });
      assert.ok(answer?.status >= 200 && answer.status < 600, JSON.stringify([named, answer]));
    }
    for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '\x01\x01\0\x01\0\x08\0\0\0\x63\0\0\0\0\0\0', '\0'.repeat(5000), '\xff'.repeat(64),
      '\x01\x04\0\x01\xff\xff\xff\0', '\x01\x01\0\x01\0\x08\0\0\0\x01\0\0\0\0\0\0\x01\x04\0\x01\0\x04\0\0\xff\xff\xff\xff']) {
      const raw = await Raw.open(socket);
      raw.send(Buffer.from(bytes, 'latin1'));
      raw.destroy();
    }
    assert.equal((await fastcgi(socket, call)).status, 200);
    alive();
  });

  const put = (statements) => stack.must('sql', '-e', statements.join(';\n'));
  const alive = () => {
    for (const name of PARTS) assert.equal(stack.exitStatus(name), undefined, `${name} ended: ${stack.read(`${name}.log`).slice(-500)}`);
  };

  it('messages of every kind of nonsense, in every kind of conversation', { timeout: 180_000 }, async () => {
    const conversations = await stack.sql(`SELECT c.id, c.seq, (SELECT MIN(user) FROM member WHERE conversation = c.id) AS user
      FROM conversation c`);
    await put(conversations.flatMap(({ id, seq, user }) => {
      let at = Number(seq);
      const rows = ODD_MESSAGES.map((odd) => {
        const row = { ...USUAL, sender: user ?? 'NULL', ...odd };
        return `INSERT INTO message (conversation, seq, ${Object.keys(row)}) VALUES (${id}, ${++at}, ${Object.values(row)})`;
      });
      return [...rows, `UPDATE conversation SET seq = ${at} WHERE id = ${id}`];
    }));
    await readAll();
    alive();
  });

  it('numbers that none of ours reaches', { timeout: 180_000 }, async () => {
    await put([
      'UPDATE conversation SET seq = 3 WHERE kind = 2', // rows behind the counter
      `UPDATE conversation SET last_at = ${BIG}`, `UPDATE member SET read_seq = ${BIG}`,
      'UPDATE standing SET score = -9223372036854775808',
      `INSERT INTO message (conversation, seq, ${Object.keys(USUAL)}) SELECT id, ${BIG}, ${Object.values(USUAL)} FROM conversation`,
      `INSERT INTO message (conversation, seq, ${Object.keys(USUAL)}) SELECT id, 9223372036854775807, ${Object.values(USUAL)} FROM conversation`,
    ]);
    await readAll();
    await put([`UPDATE conversation SET seq = ${BIG} WHERE kind IN (1, 4)`]);
    await readAll();
    alive();
  });

  it('people, rights, sanctions, files and the rest', { timeout: 180_000 }, async () => {
    await put([
      "UPDATE user SET name = x'ff80' WHERE realm = 2 LIMIT 1", "UPDATE user SET head_num = '}{not json' WHERE realm = 1",
      'UPDATE user SET rights = 4294967295, tokens_rights = 4294967295 WHERE realm = 4',
      "UPDATE user SET tokens_at = '9999-12-31 23:59:59.999' WHERE realm = 2",
      "UPDATE customer SET username = x'ff80c1', avatar = REPEAT(x'fe', 512)",
      "INSERT INTO credential SELECT id, 'nonsense', UTC_TIMESTAMP(3) FROM user WHERE realm = 2",
      "UPDATE conversation SET name = x'ff80' WHERE kind = 4",
      ...[0, 1, 2, 3, 4, 5, 255].flatMap((kind) => [
        ['NULL', 'NULL', 'NULL'], ["'nonsense'", 'NULL', 'NULL'], ["'::/0'", "x'ff80'", 'NULL'], ['NULL', "''", BIG.slice(0, 9)],
      ].map(([address, name, generation]) => `INSERT INTO sanction (kind, address, name, reason, created_at, changed_at,
        generation) VALUES (${kind}, ${kind === 2 && address === 'NULL' && name === 'NULL' ? "'no address'" : address}, ${name}, REPEAT('r', 500),
        '1000-01-01', UTC_TIMESTAMP(3), ${generation})`)),
      "INSERT INTO media VALUES ('../../etc/passwd', 'text/nonsense', 18446744073709551615, '1000-01-01')",
      "REPLACE INTO meta VALUES ('media_bytes', 'nonsense')", "REPLACE INTO meta VALUES ('secret', 'zz')",
    ]);
    await readAll();
    for (const value of ['nonsense', '-1', '99999999999999999999999']) {
      await put([`REPLACE INTO meta VALUES ('epoch', '${value}')`]);
      await readAll();
    }
    alive();
    const down = await stack.script('down');
    assert.equal(down.code, 0, down.stderr);
    for (const name of PARTS) assert.equal(stack.exitStatus(name), 0, `${name}: ${stack.read(`${name}.log`).slice(-2000)}`);
  });
});
