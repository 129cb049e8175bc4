// The native protocol: every command, every refusal, and how it looks from the other protocols. The client is written from
// docs/protocol.md alone.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import WebSocket from 'ws';
import { Client, settle as settleChat } from './lib/client.mjs';
import { DescribedSocket } from './lib/described.mjs';
import { befriend, couple, entry, history as friendHistory, newUser, tell } from './lib/friends.mjs';
import { Native } from './lib/native.mjs';
import { say, tell as post } from './lib/rooms.mjs';
import { knock, unique } from './lib/socket.mjs';
import { Player, claimsOf, login, makeToken, newSpace, nowS, read as readSpace, settle, transfer,
  write as writeSpace } from './lib/spaces.mjs';
import { NO_RATES, Stack, eventually, request, top } from './lib/stack.mjs';

const SECRET = 'a-secret-of-the-test-that-is-long-enough';
const NOBODY = `user_${'0'.repeat(32)}`;
const NOWHERE = `room_${'0'.repeat(32)}`;
/** What other suites see: server-api, lifecycle, moderation. */
const ELSEWHERE = [...['conversations', 'create', 'invite', 'remove', 'quit', 'search'].flatMap((cmd) => [`command_${cmd}`, `answer_${cmd}`]),
  'command_react', 'answer_react', 'event_react', 'event_gone', 'event_kicked', 'event_beat', 'event_joined', 'event_removed', 'event_renamed'];

describe('the native protocol', () => {
  let stack;
  /** {room, nickId, nick} of a member of a chatroom; a new one unless named. */
  const member = async (chatroomName = unique('room'), nick = unique('nick')) => {
    const { json } = await stack.api('createChatroom', { chatroomName, nickName: nick, headNum: 3 });
    return { room: json.data.chatroomId, nickId: json.data.nickId, nick, chatroomName };
  };
  const enter = async (chatroomName, how) => {
    const seat = await member(chatroomName);
    const native = await Native.hello(stack, { user: seat.nickId }, how);
    const joined = await native.join(seat.room);
    return Object.assign(native, { ...seat, ch: joined.ch, joinedAt: joined.seq });
  };
  before(async () => {
    stack = await Stack.start({ relays: 2,
      settings: { ...NO_RATES, jwt_secret: SECRET, handshake_timeout_ms: '1500ms', grace_ms: '200ms',
        native_rooms_max: 8 } });
    stack.keepSecret(SECRET);
    Native.described = new DescribedSocket();
  });
  after(() => stack?.remove());

  it('needs its subprotocol', async () => {
    const offer = (list) => (list === undefined ? {} : { 'Sec-WebSocket-Protocol': list });
    for (const relay of [0, 1]) {
      for (const [list, status] of [['chaguan.v1', 101], ['foo, chaguan.v1', 101], ['chaguan.v1 ,foo', 101],
        [undefined, 400], ['', 400], ['chaguan.v2', 400], ['CHAGUAN.V1', 400], ['chaguan', 400],
        ['no subprotocol', 400]])
        assert.equal(await knock(stack, '/v1', { relay, headers: offer(list) }), status, `${list} at ${relay}`);
    }
    const both = new WebSocket(`${stack.wsUrl(1)}/v1`, ['other', 'chaguan.v1']);
    await new Promise((resolve) => both.once('open', resolve));
    assert.equal(both.protocol, 'chaguan.v1');
    both.terminate();
  });

  it('says hello once, in time, as somebody', async () => {
    const seat = await member();
    const late = await Native.open(stack);
    assert.deepEqual(await late.closed, { code: 1008, reason: 'No hello in time' });
    const native = await Native.open(stack);
    for (const cmd of ['join', 'send', 'ping', 'nonsense'])
      assert.equal(await native.refused(cmd, { room: seat.room }), 'not_hello');
    for (const bad of [{}, { user: 7 }, { user: 'x' }, { user: NOBODY }, { user: seat.room }])
      assert.equal(await native.refused('hello', bad), 'unauthorized');
    for (const bad of [{ token: 'x.y.z' }, { user: seat.nickId, token: 'x' }]) {
      const other = await Native.open(stack);
      assert.equal(await other.refused('hello', bad), 'token_malformed');
      assert.deepEqual(await other.closed, { code: 4401, reason: 'token_malformed' });
    }
    for (const resume of [7, {}, [7], [{}], [{ room: 7 }], [{ room: seat.room, seq: 1 }],
      [{ room: seat.room, epoch: -1, seq: 1 }], [{ room: seat.room, epoch: 1, seq: '1' }],
      [{ room: seat.room, presence: 1 }], [{ room: seat.room }, { room: seat.room }],
      Array.from({ length: 101 }, (_, i) => ({ room: `room_${i}` }))])
      assert.equal(await native.refused('hello', { user: seat.nickId, resume }), 'bad_argument');
    const welcome = await native.must('hello', { user: seat.nickId });
    assert.deepEqual([welcome.user, welcome.epoch, welcome.joined], [seat.nick, 1, []]);
    assert.equal(typeof welcome.ping_ms, 'number');
    assert.equal(await native.refused('hello', { user: seat.nickId }), 'bad_command');
    await native.must('ping');
    await native.close();
  });

  it('believes a token where there is one, to its end', async () => {
    const player = await login(stack);
    const space = await newSpace(stack, player);
    assert.equal(await (await Native.open(stack)).refused('hello', { user: player.userId }), 'unauthorized');
    const native = await Native.hello(stack, { token: player.token });
    const { ch } = await native.join(space.roomId);
    const friend = await newUser(stack, unique('friend'), { password: 'hidden!' });
    assert.equal(await (await Native.open(stack)).refused('hello', { user: friend.userId }), 'unauthorized');
    await Native.hello(stack, { user: friend.userId, token: friend.token });
    const brief = makeToken({ ...claimsOf(player.userId), exp: nowS() + 3 }, SECRET);
    const [short, kept] = [await Native.hello(stack, { token: brief }), await Native.hello(stack, { token: brief })];
    assert.equal(await kept.refused('refresh', { token: (await login(stack)).token }), 'forbidden');
    assert.equal(await kept.refused('refresh', { token: 'no token' }), 'token_malformed');
    assert.equal(await kept.refused('refresh'), 'bad_argument');
    const exp = nowS() + 1000;
    assert.equal((await kept.must('refresh', { token: makeToken({ ...claimsOf(player.userId), exp }, SECRET) })).expires, exp * 1000);
    assert.equal((await short.closed).code, 4401);
    await kept.must('ping');
    await kept.must('refresh', { token: makeToken({ ...claimsOf(player.userId), exp: nowS() + 1 }, SECRET) });
    assert.equal((await kept.closed).code, 4401, 'the latest token counts');
    const guest = await enter();
    assert.equal(await guest.refused('refresh', { token: player.token }), 'forbidden');
    const stranger = await Native.hello(stack, { token: (await login(stack)).token });
    assert.equal(await stranger.refused('join', { room: space.roomId }), 'not_found');
    // what is said among native clients, and what the space's own protocol does
    const [bob, watcher] = [await login(stack), await Player.enter(stack, space, player)];
    assert.equal((await writeSpace(stack, `spaces/${space.roomId}/join`, bob)).status, 200);
    const { seq } = await native.send(space.roomId);
    await transfer(stack, space, player, { toId: bob.userId, score: 5, clientId: unique('t') });
    const event = await native.reached(ch, seq + 1);
    assert.deepEqual([event.kind, event.content], ['transfer', { fromId: player.userId, toId: bob.userId, score: 5 }]);
    await settle(watcher);
    assert.equal(watcher.events.filter(({ type }) => type === 'transfer').length, 1);
    const unread = async () => (await readSpace(stack, `spaces/${space.roomId}/unread`, bob)).json;
    assert.equal((await unread()).unread, 1);
    assert.equal((await writeSpace(stack, `spaces/${space.roomId}/read`, bob, { seq: 999 })).json.unread, 0);
    assert.equal((await readSpace(stack, `spaces/${space.roomId}/unread`)).status, 401);
  });

  it('carries what is said between relays, in order, once, with the answer before the event', async () => {
    const one = await enter(undefined, { relay: 1 });
    const two = await enter(one.chatroomName, { relay: 2 });
    const ids = Array.from({ length: 50 },
      () => one.command('send', { room: one.room, content: unique('said'), client_id: unique('c') }));
    const answers = await Promise.all(ids.map((id) => one.answer(id)));
    const seqs = answers.map(({ seq }) => seq);
    assert.deepEqual(seqs, Array.from(seqs, (_, i) => seqs[0] + i), 'in the order in which they were sent');
    await Promise.all([one, two].map((native) => native.reached(one.ch, seqs.at(-1))));
    for (const native of [one, two])
      assert.equal(native.log(one.ch).filter(({ kind, name }) => kind === 'text' && name === one.nick).length, 50);
    const order = one.frames.map((text) => JSON.parse(text))
      .map((frame) => (frame.re ? `re ${frame.seq}` : `ev ${frame.seq}`));
    for (const seq of seqs) assert.ok(order.indexOf(`re ${seq}`) < order.indexOf(`ev ${seq}`), `${seq}`);
  });

  it('takes no time below that of the message before, whatever the clocks of relays say', async () => {
    const one = await enter(undefined, { relay: 1 });
    const two = await enter(one.chatroomName, { relay: 2 });
    await one.send(one.room);
    // As if a relay whose clock is ahead had stored the last one; those of this stack are behind it.
    const ahead = Date.now() + 30_000;
    const stores = (room) => stack.sql('UPDATE conversation SET last_at = ? WHERE public_id = ?', [ahead, room]);
    await stores(one.room);
    const sent = [];
    for (const native of [two, one, two]) sent.push(await native.send(one.room));
    assert.deepEqual(sent.map(({ ts }) => ts), [ahead, ahead, ahead]);
    await one.reached(one.ch, sent[2].seq);
    const rises = (rows, what) => {
      const times = rows.map(({ ts }) => ts);
      assert.deepEqual(times, [...times].sort((a, b) => a - b), what);
      assert.equal(times.at(-1), ahead, what);
    };
    rises(one.log(one.ch), 'as they came live');
    rises((await two.must('history', { room: one.room })).events, 'the history');
    const path = `/api/rooms/${one.room}/messages?nickId=${one.nickId}`;
    const { json } = await request(stack.url + path);
    rises(json.data, 'the history over REST');

    // a transfer has a transaction of its own
    const player = await login(stack), bob = await login(stack);
    const space = await newSpace(stack, player);
    assert.equal((await writeSpace(stack, `spaces/${space.roomId}/join`, bob)).status, 200);
    const native = await Native.hello(stack, { token: player.token });
    const { ch } = await native.join(space.roomId);
    await stores(space.roomId);
    await transfer(stack, space, player, { toId: bob.userId, score: 5, clientId: unique('t') });
    const said = await native.send(space.roomId);
    await native.reached(ch, said.seq);
    assert.deepEqual(native.log(ch).map(({ kind, ts }) => [kind, ts]), [['transfer', ahead], ['text', ahead]]);
    // and the next one's time is this server's own again where the last one's is over
    await stack.sql('UPDATE conversation SET last_at = 1 WHERE public_id = ?', [space.roomId]);
    await transfer(stack, space, player, { toId: bob.userId, score: 5, clientId: unique('t') });
    const [{ last }] = await stack.sql('SELECT last_at AS last FROM conversation WHERE public_id = ?', [space.roomId]);
    assert.ok(last > 1_700_000_000_000 && last < ahead, `${last}`);
  });

  it('never makes two of a retry: later, at once, on the other relay, over the other protocols', async () => {
    const one = await enter(undefined, { relay: 1 });
    const two = await Native.hello(stack, { user: one.nickId }, { relay: 2 });
    const client_id = unique('retry');
    const content = stack.keepSecret(unique('once'));
    const command = { room: one.room, content, client_id };
    const first = await one.must('send', command);
    assert.equal(first.repeated, false);
    for (const native of [one, two]) {
      const again = await native.must('send', command);
      assert.deepEqual([again.seq, again.ts, again.repeated], [first.seq, first.ts, true]);
    }
    const raced = unique('race');
    const answers =
      await Promise.all([one, two, one, two].map((native) => native.must('send', { ...command, client_id: raced })));
    assert.equal(new Set(answers.map(({ seq }) => seq)).size, 1);
    assert.equal(answers.filter(({ repeated }) => !repeated).length, 1);
    assert.equal((await say(stack, { roomId: one.room, nickId: one.nickId }, content, { clientId: client_id })).seq,
      first.seq);
    const header = await request(`${stack.url}/rooms/${one.room}/send`,
      { method: 'POST', headers: { 'content-type': 'application/json', 'idempotency-key': client_id },
        body: JSON.stringify({ nickId: one.nickId, content }) });
    assert.equal(header.json.data.seq, first.seq, header.text);
    assert.equal(await one.refused('edit', { ...command, seq: first.seq }), 'conflict');
    assert.equal(await stack.count('SELECT COUNT(*) FROM message WHERE content = ?', [content]), 2);
    for (const bad of ['', 'a b', 'é', 'x'.repeat(65), 7, null, undefined])
      assert.equal(await one.refused('send', { room: one.room, content, client_id: bad }), 'bad_argument');
    assert.equal((await post(stack, { roomId: one.room, nickId: one.nickId }, { content, clientId: 7 })).status, 400);
  });

  it('a retry over the sockets of the other protocols is stored once', async () => {
    const { friendId, one, other, ones } = await couple(stack);
    const clientId = unique('f');
    const frame = { friend: friendId, from: one.user.userId, to: other.user.userId, content: unique('once'),
      type: 'text', clientId };
    for (let i = 0; i < 3; i++) one.sendJson(frame);
    const last = ones[0].send(friendId, unique('last'), other.user.userId);
    await other.heard(last);
    assert.equal(other.said.filter((content) => content === frame.content).length, 1);
    one.sendJson({ ...frame, clientId: 7 });
    assert.equal(await one.refusal(), 'bad_client_id');
    const seat = await member();
    const chatter = await Client.join(stack, { roomId: seat.room, nickId: seat.nickId, nick: seat.nick });
    const content = unique('once');
    for (let i = 0; i < 3; i++) chatter.say(content, { clientId });
    await settleChat(chatter);
    assert.equal(chatter.said.filter((said) => said === content).length, 1);
    chatter.say(content, { clientId: 'x'.repeat(65) });
    assert.equal((await chatter.next('error')).data.code, 'bad_client_id');
  });

  it('refuses what cannot be said, or not there, or not so', async () => {
    const native = await enter();
    const stranger = await member();
    const ok = { room: native.room, client_id: 'c', content: 'x' };
    for (const [more, code] of [[{ content: '' }, 'bad_argument'], [{ content: 7 }, 'bad_argument'],
      [{ content: 'a\u0001' }, 'bad_argument'], [{ kind: 'join' }, 'bad_argument'], [{ kind: 7 }, 'bad_argument'],
      [{ kind: 'file' }, 'bad_argument'], [{ kind: 'file', content: 'javascript:x' }, 'bad_argument'],
      [{ room: 7 }, 'bad_argument'], [{ room: undefined }, 'bad_argument'], [{ room: '' }, 'not_found'],
      [{ room: NOWHERE }, 'not_found'],
      [{ room: stranger.room }, 'not_found'], [{ room: 'x'.repeat(60000) }, 'not_found'],
      [{ room: `${native.room} ` }, 'not_found'], [{ room: native.room.toUpperCase() }, 'not_found']])
      assert.equal(await native.refused('send', { ...ok, ...more }), code, JSON.stringify(more).slice(0, 80));
    const needs = { edit: { seq: 1, client_id: 'c', content: 'x' }, recall: { seq: 1, client_id: 'c' }, read: { seq: 1 } };
    for (const cmd of ['join', 'leave', 'edit', 'recall', 'history', 'read', 'members', 'typing']) {
      assert.equal(await native.refused(cmd, { room: stranger.room, ...needs[cmd] }), 'not_found', cmd);
      const { error } = await native.ask(cmd, { room: native.room, ...needs[cmd], 'mistake 茶': null });
      assert.equal(error.code, 'bad_argument');
      assert.match(error.message, /mistake 茶/, 'a field that is not known is named');
    }
    for (const kind of ['file', 'image', 'video'])
      await native.must('send', { room: native.room, client_id: unique('c'), kind,
        content: 'https://example.org/a.png' });
    await native.send(native.room, '🍵', { kind: 'emoji' });
    for (const bad of [{ after: 'x' }, { before: -1 }, { limit: 0 }, { limit: 201 }, { after: 1, before: 2 },
      { after: 1.5 }])
      assert.equal(await native.refused('history', { room: native.room, ...bad }), 'bad_argument');
    for (const seq of [undefined, -1, '1', 1.5, 1e300])
      assert.equal(await native.refused('read', { room: native.room, seq }), 'bad_argument');
    for (const bad of [{ epoch: 1 }, { seq: 1 }, { epoch: 'x', seq: 1 }, { presence: 'yes' }, { epoch: 1, seq: 1e300 }])
      assert.equal(await native.refused('join', { room: native.room, ...bad }), 'bad_argument');
    for (const rooms of [undefined, 7, [7], ['x'.repeat(129)], Array(101).fill(NOWHERE)])
      assert.equal(await native.refused('unread', { rooms }), 'bad_argument');
    for (const seq of [undefined, 0, '1', 1e300])
      assert.equal(await native.refused('recall', { room: native.room, seq, client_id: 'c' }), 'bad_argument');
  });

  it('edits and recalls are events, and every protocol shows what came of them', async () => {
    const one = await enter(undefined, { relay: 1 });
    const two = await enter(one.chatroomName, { relay: 2 });
    const chatter = await Client.join(stack, { roomId: one.room, nickId: two.nickId, nick: two.nick }, { relay: 2 });
    const [a, b] = [await one.send(one.room, unique('first')), await one.send(one.room, unique('second'))];
    await chatter.until(() => chatter.frames.some((text) => text.includes(`"seq":${b.seq}`)), 'both at the chatroom');
    assert.equal(await two.refused('edit', { room: one.room, seq: a.seq, client_id: unique('e'), content: 'x' }),
      'forbidden');
    assert.equal(await one.refused('edit', { room: one.room, seq: 9999, client_id: unique('e'), content: 'x' }),
      'not_found');
    const edited = unique('edited "quoted" 茶');
    const edit = await one.must('edit', { room: one.room, seq: a.seq, client_id: 'e1', content: edited });
    assert.deepEqual(await one.must('edit', { room: one.room, seq: a.seq, client_id: 'e1', content: edited })
      .then(({ seq, repeated }) => [seq, repeated]), [edit.seq, true]);
    const recall = await one.must('recall', { room: one.room, seq: b.seq, client_id: 'r1' });
    assert.deepEqual(await one.must('recall', { room: one.room, seq: b.seq, client_id: 'r1' })
      .then(({ seq, repeated }) => [seq, repeated]), [recall.seq, true]);
    assert.equal(await one.refused('recall', { room: one.room, seq: b.seq, client_id: 'r2' }), 'not_found');
    assert.equal(await one.refused('edit', { room: one.room, seq: b.seq, client_id: 'e2', content: 'x' }), 'not_found');
    for (const native of [one, two]) {
      await native.reached(one.ch, recall.seq);
      const { ev, of, content } = native.log(one.ch).find(({ seq }) => seq === edit.seq);
      assert.deepEqual([ev, of, content], ['edit', a.seq, edited]);
      assert.deepEqual(native.log(one.ch).find(({ seq }) => seq === recall.seq).of, b.seq);
    }
    const { events } = await two.must('history', { room: one.room });
    const rows = new Map(events.map((event) => [event.seq, event]));
    assert.deepEqual([rows.get(a.seq).content, rows.get(a.seq).edited], [edited, edit.seq]);
    assert.deepEqual([rows.get(b.seq).content, rows.get(b.seq).recalled], [undefined, true]);
    // the chatroom: live nothing, in its history the new text, and never again the old one
    const from = chatter.frames.length;
    const logs = await chatter.history();
    const lines = new Map(logs.map((line) => [line.seq, line.log_content]));
    assert.deepEqual([lines.get(a.seq), lines.get(b.seq)], [edited, '消息已撤回']);
    assert.ok(!lines.has(edit.seq) && !lines.has(recall.seq));
    assert.ok(chatter.frames.slice(from).every((text) => !text.includes('second-')));
    const rest = (await request(`${stack.url}/api/rooms/${one.room}/messages?nickId=${one.nickId}`)).json.data;
    assert.deepEqual(rest.map(({ seq, content }) => [seq, content])
      .filter(([seq]) => [a.seq, b.seq, edit.seq, recall.seq].includes(seq)),
      [[a.seq, edited], [b.seq, '消息已撤回']]);
    const poll = (await request(`${stack.url}/rooms/${one.room}/poll?nickId=${one.nickId}&after=0`)).json;
    assert.equal(poll.next, recall.seq);
    assert.deepEqual(poll.events.filter(({ seq }) => seq >= a.seq).map(({ data }) => data.log_content),
      [edited, '消息已撤回']);
    // a second edit leaves nothing of the first, a recall nothing of either
    const last = await one.must('edit', { room: one.room, seq: a.seq, client_id: 'e3', content: unique('last') });
    await one.must('recall', { room: one.room, seq: a.seq, client_id: 'r3' });
    assert.ok(last.seq > recall.seq);
    assert.equal(
      await stack.count('SELECT COUNT(*) FROM message WHERE conversation = ? AND (content LIKE ? OR content LIKE ?)',
        [one.ch, '%edited%quoted%', '%last-%']), 0);
    assert.ok(!JSON.stringify(await two.must('history', { room: one.room })).includes('last-'));
    await chatter.close();
  });

  it('friends see what is written, changed and taken back; what is unread counts neither', async () => {
    const { friendId, other, one } = await couple(stack, [1], [2]);
    const native = await Native.hello(stack, { user: one.user.userId }, { relay: 1 });
    const { ch, seq } = await native.join(friendId);
    const before = (await entry(stack, friendId, other.user)).unread;
    const [a, b] = [await native.send(friendId, unique('a')),
      await native.send(friendId, unique('b'), { kind: 'text' })];
    await other.until(() => other.events.some((event) => event.seq === b.seq), 'both at the friend');
    assert.equal((await entry(stack, friendId, other.user)).unread, before + 2);
    await native.must('recall', { room: friendId, seq: b.seq, client_id: unique('r') });
    const edit = await native.must('edit',
      { room: friendId, seq: a.seq, client_id: unique('e'), content: unique('better') });
    const row = await entry(stack, friendId, other.user);
    assert.deepEqual([row.unread, row.last.seq, row.last.content], [before + 1, b.seq, '消息已撤回']);
    const rows = await friendHistory(stack, friendId, other.user);
    assert.deepEqual(rows.slice(-2).map((message) => [message.seq, message.type]), [[a.seq, 'text'], [b.seq, 'text']]);
    assert.match(rows.at(-2).content, /^better/);
    const answer = other.send(friendId, unique('answer'), one.user.userId);
    await native.until(() => native.said(ch).includes(answer), 'the answer');
    const { rooms } = await native.must('unread', { rooms: [friendId, NOWHERE] });
    assert.equal(rooms[1].error.code, 'not_found');
    assert.ok(rooms[0].unread >= 1 && rooms[0].seq === edit.seq + 1 && rooms[0].read >= 0 && rooms[0].ch === ch
      && seq < a.seq);
  });

  it('pages the history either way, and says when there is more', async () => {
    const native = await enter();
    const { seq } = await native.send(native.room);
    for (let i = 1; i < 20; i++) await native.send(native.room);
    const page = async (range) => {
      const { events, more, ch } = await native.must('history', { room: native.room, ...range });
      assert.equal(ch, native.ch);
      return [events.map((event) => event.seq - seq), more];
    };
    const list = (from, count) => Array.from({ length: count }, (_, i) => from + i);
    assert.deepEqual(await page({ limit: 5 }), [list(15, 5), true]);
    assert.deepEqual(await page({ before: seq + 15, limit: 5 }), [list(10, 5), true]);
    assert.deepEqual(await page({ after: seq + 9, limit: 5 }), [list(10, 5), true]);
    assert.deepEqual(await page({ after: seq + 14, limit: 5 }), [list(15, 5), false]);
    assert.deepEqual(await page({ after: seq + 999 }), [[], false]);
    assert.deepEqual(await page({ before: 1 }), [[], false]);
    assert.equal((await page({ after: 0, limit: 200 }))[1], false);
    const live = native.log(native.ch).filter((event) => event.kind === 'text');
    const { events } = await native.must('history', { room: native.room, after: seq - 1 });
    assert.deepEqual(events, live, 'as they came live');
    for (let i = 0; i < 20; i++) await native.send(native.room, 'x'.repeat(60000));
    const large = await native.must('history', { room: native.room, limit: 200 });
    assert.ok(large.more && large.events.length < 20 && large.events.at(-1).content.length === 60000);
    const forward = await native.must('history', { room: native.room, after: seq + 19, limit: 200 });
    assert.ok(forward.more && forward.events.length < 20 && forward.events[0].seq === seq + 20);
  });

  it('moves the read marker forward only, and tells all devices on all relays and over REST', async () => {
    const one = await enter(undefined, { relay: 1 });
    const reader = await member(one.chatroomName);
    const devices =
      await Promise.all([1, 2, 2].map((relay) => Native.hello(stack, { user: reader.nickId }, { relay })));
    const seqs = [];
    for (let i = 0; i < 4; i++) seqs.push((await one.send(one.room)).seq);
    const counted =
      async () => (await request(`${stack.url}/api/rooms/${one.room}/unread?nickId=${reader.nickId}`)).json.data;
    assert.equal((await counted()).unread, 4);
    assert.deepEqual(await devices[0].must('read', { room: one.room, seq: seqs[1] })
      .then(({ seq, unread }) => [seq, unread]), [seqs[1], 2]);
    for (const device of devices.slice(1))
      await device.event('read', ({ ch, seq }) => ch === one.ch && seq === seqs[1]);
    assert.deepEqual(await devices[1].must('read', { room: one.room, seq: seqs[0] })
      .then(({ seq, unread }) => [seq, unread]), [seqs[1], 2], 'never back');
    await one.must('recall', { room: one.room, seq: seqs[3], client_id: unique('r') });
    assert.deepEqual(await counted().then(({ read, unread }) => [read, unread]), [seqs[1], 1]);
    const marked = await request(`${stack.url}/api/rooms/${one.room}/read`,
      { method: 'POST', headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ nickId: reader.nickId, seq: 10 ** 9 }) });
    const last = seqs[3] + 1;
    assert.deepEqual(marked.json, { success: true, data: { seq: last, read: last, unread: 0 } }, marked.text);
    for (const device of devices) await device.event('read', ({ seq }) => seq === last);
    assert.equal((await devices[2].join(one.room)).read, last);
    assert.equal(one.events.filter(({ ev }) => ev === 'read').length, 0, 'nobody else hears of it');
    assert.equal((await one.must('unread', { rooms: [one.room] })).rooms[0].unread, 0, 'own messages are not unread');
    for (const [path, status] of [[`rooms/${one.room}/unread`, 400], [`rooms/${one.room}/unread?nickId=${NOBODY}`, 404],
      [`rooms/${NOWHERE}/unread?nickId=${one.nickId}`, 404]])
      assert.equal((await request(`${stack.url}/api/${path}`)).status, status, path);
  });

  it('a marker of the friend chat reaches native devices too', async () => {
    const { friendId, one, other } = await couple(stack);
    const native = await Native.hello(stack, { user: other.user.userId }, { relay: 1 });
    const { ch } = await native.join(friendId);
    const content = one.send(friendId, unique('x'), other.user.userId);
    const { seq } = await native.until(() => native.log(ch).find((event) => event.content === content), 'it');
    assert.equal((await tell(stack, `friends/${friendId}/read`, { userId: other.user.userId, seq })).status, 200);
    await native.event('read', (event) => event.ch === ch && event.seq === seq);
    await befriend(stack, await newUser(stack), other.user); // its notice goes to whoever sits in the inbox
    await native.must('ping');
  });

  it('shows who is present to who wants to know, and their comings as the protocol does', async () => {
    const one = await enter(undefined, { relay: 1 });
    const seat = await member(one.chatroomName);
    const two = await Native.hello(stack, { user: seat.nickId }, { relay: 2 });
    await two.join(seat.room, { presence: true });
    const arrival = await one.until(() => one.log(one.ch)
      .find(({ kind, name }) => kind === 'join' && name === seat.nick), 'the arrival');
    assert.equal('content' in arrival, false);
    await two.event('members', ({ members }) => members.some(({ name, head }) => name === seat.nick && head === 3));
    await eventually(async () => (await one.must('members', { room: one.room })).members.map(({ name }) => name)
      .includes(seat.nick), 'the list');
    assert.equal(one.events.some(({ ev }) => ev === 'members'), false);
    await two.must('leave', { room: seat.room });
    await one.until(() => one.log(one.ch).find(({ kind, name }) => kind === 'leave' && name === seat.nick),
      'the departure');
    assert.deepEqual((await one.must('members', { room: one.room })).members, []);
  });

  it('typing is told to all, once a second at most', async () => {
    const one = await enter(undefined, { relay: 1 });
    const two = await enter(one.chatroomName, { relay: 2 });
    const watcher = await Native.hello(stack, { user: (await member(one.chatroomName)).nickId }, { relay: 2 });
    await watcher.join(one.room, { presence: true });
    for (let i = 0; i < 20; i++) await one.must('typing', { room: one.room });
    for (const native of [one, two, watcher])
      await native.event('typing', ({ ch, name }) => ch === one.ch && name === one.nick);
    const { seq } = await one.send(one.room);
    await two.reached(one.ch, seq);
    assert.ok(two.events.filter(({ ev }) => ev === 'typing').length <= 2);
  });

  it('joins, joins again, leaves and comes back; not more rooms than may be', async () => {
    const name = unique('nick');
    const seats = await Promise.all(Array.from({ length: 10 }, () => member(undefined, name)));
    const native = await Native.hello(stack, { user: seats[0].nickId });
    const first = await native.join(seats[0].room);
    const { seq } = await native.send(seats[0].room);
    await native.reached(first.ch, seq);
    const again = await native.must('join', { room: seats[0].room });
    assert.deepEqual([again.ch, again.seq, 'missed' in again], [first.ch, seq, false]);
    await native.must('leave', { room: seats[0].room });
    await native.must('leave', { room: seats[0].room });
    await native.send(seats[0].room, unique('unheard'));
    const back = await native.join(seats[0].room, { epoch: 1, seq });
    assert.equal(back.missed, 1);
    await native.reached(first.ch, seq + 1);
    for (const { room } of seats.slice(1, 8)) await native.join(room);
    assert.equal(await native.refused('join', { room: seats[8].room }), 'too_many');
    await native.must('leave', { room: seats[3].room });
    await native.join(seats[8].room); // one that is not listened to makes way
    assert.equal(await native.refused('send', { room: seats[9].room, client_id: 'x', content: 'x' }), 'too_many');
  });

  it('what is sent together about one conversation is done in order', async () => {
    const seat = await member();
    const native = await Native.hello(stack, { user: seat.nickId });
    const ids = [['send', { client_id: 'a', content: 'one' }], ['join', {}],
      ['send', { client_id: 'b', content: 'two' }], ['leave', {}], ['leave', {}], ['join', { epoch: 1, seq: 0 }],
      ['join', {}], ['history', {}]].map(([cmd, fields]) => native.command(cmd, { room: seat.room, ...fields }));
    const answers = await Promise.all(ids.map((id) => native.answer(id)));
    assert.ok(answers.every(({ ok }) => ok), JSON.stringify(answers));
    assert.equal(answers[2].seq, answers[0].seq + 1);
  });

  describe('hostile clients', () => {
    const silentFor = (native) => native.must('ping');
    it('frames that are no commands get one refusal each and harm nobody', async () => {
      const native = await enter();
      const frames = ['', 'x', '[]', '7', 'null', '{', '{"id":1}', '{"id":1,"cmd":7}', '{"id":"1","cmd":"ping"}',
        '{"id":-1,"cmd":"ping"}', '{"id":1.5,"cmd":"ping"}', '{"id":9007199254740992,"cmd":"ping"}',
        '{"id":1e400,"cmd":"ping"}', '{"cmd":"ping"}', '{"id":[],"cmd":"nix"}', `{"id":1,"cmd":"${'x'.repeat(60000)}"}`,
        `{"a":${'['.repeat(20000)}${']'.repeat(20000)}}`, '{"cmd":"ping","\\u0000":1}', '{"cmd":"send","cmd":"ping"}',
        `{"cmd":"unread","rooms":[${'"x",'.repeat(4000)}"x"]}`,
        '{"cmd":"send","room":{},"content":[],"client_id":null}', '\ufeff{"cmd":"ping"}'];
      const before = native.frames.length;
      for (const frame of frames) native.ws.send(frame);
      await silentFor(native);
      await native.until(() => native.frames.length >= before + frames.length + 1, 'an answer to each');
      assert.equal(native.frames.length, before + frames.length + 1);
      for (const text of native.frames.slice(before, -1)) assert.ok('re' in JSON.parse(text), text);
    });

    it('what breaks the protocol ends the connection with the code that says so', async () => {
      for (const [send, code] of [[(ws) => ws.send(Buffer.from('{}')), 1003],
        [(ws) => ws.send('x'.repeat(70000)), 1009],
        [(ws) => ws.send(Buffer.from([0x22, 0xff, 0x22]), { binary: false }), 1007]]) {
        const native = await enter();
        send(native.ws);
        assert.equal((await native.closed).code, code);
      }
    });

    it('a flood of commands is answered, each once, some with busy', async () => {
      const native = await enter();
      const ids = Array.from({ length: 2000 },
        (_, i) => native.command(['history', 'members', 'read', 'typing'][i % 4],
          { room: native.room, ...(i % 4 === 2 && { seq: 1 }) }));
      const answers = await Promise.all(ids.map((id) => native.answer(id)));
      for (const answer of answers)
        assert.ok(answer.ok || (answer.error.code === 'busy' && answer.error.retry_after_ms > 0),
          JSON.stringify(answer));
      assert.equal(native.frames.filter((text) => text.startsWith('{"re":')).length, 2000 + native.ids - 2000);
    });

    it('who does not read is closed as too slow, and the others hear everything', async () => {
      const slow = await enter(undefined, { relay: 1 });
      const fast = await enter(slow.chatroomName, { relay: 1 });
      slow.ws._socket.pause();
      let last;
      for (let i = 0; i < 220; i++) last = await fast.send(fast.room, 'y'.repeat(60000));
      await fast.reached(fast.ch, last.seq);
      await eventually(async () => (await stack.metric('relay1', 'closed_slow_total')) >= 1,
        'the slow one to be closed');
      slow.ws._socket.resume();
      await slow.closed;
      // and comes back with its cursor for the rest
      const back = await Native.hello(stack, { user: slow.nickId }, { resume: slow.resume });
      assert.equal(back.welcome.joined[0].missed, last.seq - slow.resume[0].seq);
      await back.reached(fast.ch, last.seq);
    });
  });

  it('is as docs/asyncapi.json describes it: every command with its fields, every answer and every event', () => {
    const { spec, seen } = Native.described;
    const source = fs.readFileSync(`${top}/relay/native/native.c`, 'utf8').match(/\} commands\[\] = \{([^;]*)\};/)[1];
    const commands = [...source.matchAll(/\{"(\w+)", "([\w ]+)"/g)].map(([, name, fields]) => [name, fields.split(' ').sort()]);
    const described = Object.keys(spec.operations).filter((name) => name !== 'events')
      .map((name) => [name, Object.keys(spec.components.schemas[`command_${name}`].properties).sort()]);
    assert.ok(commands.length > 10);
    assert.deepEqual(described.sort(), commands.sort());
    const missing = Object.keys(spec.channels.v1.messages).filter((name) => !seen.has(name));
    assert.deepEqual(missing.filter((name) => !ELSEWHERE.includes(name)), [], 'what this suite has not seen');
  });

  it('all parts end in an orderly way, and the logs hold no secret', () => stack.checkAndStop());
});
