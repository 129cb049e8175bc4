// Who asks for much and reads little: their excess waits behind themselves, what waits for all clients together has a
// bound, and others come in and talk meanwhile.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Client, enter, settle } from './lib/client.mjs';
import { query, session } from './lib/customers.mjs';
import { Chatter, Polling, SEPARATOR } from './lib/io.mjs';
import { Native } from './lib/native.mjs';
import { BINARY, Raw, TEXT, frame, handshake } from './lib/raw.mjs';
import { unique } from './lib/socket.mjs';
import { Stack, eventually, sanitized } from './lib/stack.mjs';

const MIB = 1024 * 1024;
const BOUND = 24 * MIB; // of what waits for all

describe('greedy clients', () => {
  let stack, near, far;
  const raws = [];

  const rss = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${stack.pid('relay1')}/status`, 'utf8'))[1]) * 1024;
  /** Everybody else goes on: the pair talks, and one who was never here comes in through the same relay. */
  const others = async () => {
    await settle(near, far);
    const began = Date.now();
    const seat = await enter(stack, unique('new room'), unique('newcomer'));
    const client = await Client.join(stack, seat, { relay: 1 });
    await settle(client);
    await client.close();
    return Date.now() - began;
  };
  const seated = (roomName = unique('room')) => enter(stack, roomName, unique('nick'));
  /** A socket that says this when it is in, and reads nothing from then on. */
  const deaf = async (target, ready, subprotocol, ...texts) => {
    const raw = await Raw.connect(stack.relayPort(1));
    raws.push(raw);
    raw.send(handshake(target, subprotocol ? { 'Sec-WebSocket-Protocol': subprotocol } : {}));
    await raw.until(() => raw.status === 101, 'the handshake');
    for (const text of ready) {
      raw.send(frame(TEXT, text));
      const seen = raw.frames.length;
      await raw.until(() => raw.frames.length > seen, 'an answer');
    }
    raw.socket.pause();
    raw.send(Buffer.concat(texts.map((text) => frame(TEXT, text))));
    return raw;
  };
  const hangUp = async () => {
    raws.splice(0).forEach((raw) => raw.socket.destroy());
    await eventually(async () => (await stack.metric('relay1', 'waiting_bytes')) === 0, 'nothing to wait any more');
  };
  /** The relay grew by no more than the bound and what its parts need to make answers. */
  const modest = async (began, what) => {
    const grown = rss() - began;
    assert.ok(sanitized || grown < BOUND + 64 * MIB, `${what}: the relay grew by ${Math.round(grown / MIB)} MiB`);
    assert.ok((await stack.metric('relay1', 'waiting_bytes')) <= BOUND, what);
  };

  before(async () => {
    stack = await Stack.start({ relays: 2, settings: { io_app: 'chat', outboxes_bytes: '24m', unfinished_bytes: '8m', grace_ms: '100ms',
      history_bytes: '1m', rate_connection: 0, rate_user: 0, rate_address: 0 } });
    const room = unique('pair');
    near = await Client.join(stack, await seated(room), { relay: 1 });
    far = await Client.join(stack, await seated(room), { relay: 2 });
  });
  after(() => {
    raws.forEach((raw) => raw.socket.destroy());
    return stack?.remove();
  });

  it('a crowd that asks what is unread in a hundred rooms, over and over, delays only itself', async (t) => {
    const nickName = unique('n');
    const { json } = await stack.api('createChatroom', { chatroomName: unique('r'), nickName, headNum: 1 });
    const user = json.data.nickId, rooms = [json.data.chatroomId];
    for (let i = 0; i < 99; i++) {
      const answer = await stack.api('createChatroom', { chatroomName: unique('r'), nickName, headNum: 1 });
      assert.equal(answer.json.data?.nickId, user, JSON.stringify(answer.json));
      rooms.push(answer.json.data.chatroomId);
    }
    const one = await Native.hello(stack, { user }, { relay: 1 });
    assert.equal(await one.refused('unread', { rooms: Array(100).fill(rooms[0]) }), 'bad_argument',
      'the same one a hundred times is one question');
    const ask = JSON.stringify({ id: 1, cmd: 'unread', rooms });
    const crowd = await Promise.all(Array.from({ length: 20 }, async () => {
      const raw = await Raw.connect(stack.relayPort(1));
      raws.push(raw);
      raw.send(handshake('/v1', { 'Sec-WebSocket-Protocol': 'chaguan.v1' }));
      await raw.until(() => raw.status === 101, 'the handshake');
      raw.send(frame(TEXT, JSON.stringify({ id: 0, cmd: 'hello', user })));
      await raw.until(() => raw.frames.length, 'its answer');
      raw.send(Buffer.concat(Array.from({ length: 100 }, () => frame(TEXT, ask))));
      return raw;
    }));
    const took = await others();
    const left = crowd.reduce((sum, raw) => sum + 101 - raw.frames.length, 0);
    t.diagnostic(`a newcomer was in after ${took} ms, ${left} questions were left`);
    assert.ok(left > 0, 'the newcomer did not wait for all of them');
    await one.must('unread', { rooms: rooms.slice(0, 3) }); // the user's own waits, and comes
    for (const raw of crowd)
      await raw.until(() => raw.frames.length === 101, 'an answer to each');
    await one.close();
    await hangUp();
  });

  it('who asks for the history and does not read it gets one answer, and one more when it has read', async (t) => {
    const seat = await seated();
    const writer = await Client.join(stack, seat, { relay: 1 });
    for (let i = 0; i < 20; i++) {
      await writer.heard(writer.say('y'.repeat(50_000)));
    }
    const asks = Array(50).fill('{"type":"query-logs"}');
    const began = rss();
    const target = `/?roomId=${seat.roomId}&nickId=${seat.nickId}`;
    await Promise.all(Array.from({ length: 60 }, () => deaf(target, [], null, ...asks)));
    const took = await others();
    t.diagnostic(`a newcomer was in after ${took} ms; the relay grew by ${Math.round((rss() - began) / MIB)} MiB`);
    await modest(began, 'query-logs');
    /* one of those that are still there begins to read: it is owed an answer or two, not fifty */
    await hangUp();
    const reader = await deaf(target, [], null, ...asks);
    await settle(near, far);
    reader.socket.resume();
    const logs = () => reader.frames.filter(({ payload }) => payload.includes('"type":"logs"')).length;
    await reader.until(() => logs() >= 1, 'an answer');
    reader.send(frame(TEXT, '{"type":"query-logs"}'));
    await reader.until(() => logs() >= 2, 'an answer to what is asked then');
    assert.ok(logs() < 50);
    await hangUp();
    await writer.close();
  });

  it('whoever asks for all messages of the chat and does not read gets no more than some', async (t) => {
    const chatter = await Chatter.enter(stack, unique('chatter'), { relay: 1 });
    for (let i = 0; i < 10; i++) await chatter.say('z'.repeat(20_000));
    const began = rss();
    const asks = Array.from({ length: 300 }, (_, i) => `42${i}["getAllMessages"]`);
    await Promise.all(Array.from({ length: 60 }, () =>
      deaf('/socket.io/?EIO=4&transport=websocket', ['40'], null, ...asks)));
    const took = await others();
    t.diagnostic(`a newcomer was in after ${took} ms; the relay grew by ${Math.round((rss() - began) / MIB)} MiB`);
    await modest(began, 'getAllMessages');
    assert.ok((await stack.metric('relay1', 'reading_paused_total')) > 0);
    await hangUp();

    /* by polling: the POST itself waits until the answers to its first packets were fetched */
    const polling = await Polling.joined(stack, { relay: 1 });
    let answered = false;
    const post = polling.post(asks.slice(0, 30).join(SEPARATOR)).then((answer) => {
      answered = true;
      return answer;
    });
    let acks = 0;
    while (acks < 30) {
      for (const packet of await polling.packets()) {
        acks += packet.startsWith('43');
        if (packet === '2') await polling.post('3').catch(() => {});
      }
      if (acks < 30 && acks) assert.equal(answered, false, 'it is not taken before its answers are');
    }
    assert.equal((await post).status, 200);
    await chatter.close();
    await hangUp();
  });

  it('a list that nobody reads is not made again and again', async (t) => {
    const { user, friend, near: one, far: other } = await session(stack);
    for (let i = 0; i < 15; i++) await one.heard(one.say('w'.repeat(50_000)));
    const began = rss();
    await Promise.all(Array.from({ length: 40 }, () => deaf(`/chat/v1/message?${query(friend, user)}`, [], null)));
    for (let i = 0; i < 10; i++) await other.heard(one.say(unique('word')));
    const took = await others();
    t.diagnostic(`a newcomer was in after ${took} ms; the relay grew by ${Math.round((rss() - began) / MIB)} MiB`);
    await modest(began, 'lists');
    await hangUp();
    await one.close();
    await other.close();
  });

  it('a history that is not read is not followed by another', async (t) => {
    const seat = await seated();
    const writer = await Client.join(stack, seat, { relay: 1 });
    for (let i = 0; i < 20; i++) await writer.heard(writer.say('v'.repeat(50_000)));
    const began = rss();
    const hello = JSON.stringify({ id: 0, cmd: 'hello', user: seat.nickId });
    const asks = Array.from({ length: 100 }, (_, i) =>
      JSON.stringify({ id: i + 1, cmd: 'history', room: seat.roomId, limit: 200 }));
    await Promise.all(Array.from({ length: 60 }, () => deaf('/v1', [hello], 'chaguan.v1', ...asks)));
    const took = await others();
    t.diagnostic(`a newcomer was in after ${took} ms; the relay grew by ${Math.round((rss() - began) / MIB)} MiB`);
    await modest(began, 'history');
    await hangUp();
    /* who reads gets every answer, in order */
    const honest = await Native.hello(stack, { user: seat.nickId }, { relay: 1 });
    const ids = Array.from({ length: 20 }, () => honest.command('history', { room: seat.roomId, limit: 200 }));
    for (const id of ids) assert.equal((await honest.answer(id)).ok, true);
    await honest.close();
    await writer.close();
  });

  it('while much waits, a history is refused as busy and a list comes when there is room', async () => {
    const seat = await seated();
    const writer = await Client.join(stack, seat, { relay: 1 });
    for (let i = 0; i < 20; i++) await writer.heard(writer.say('y'.repeat(50_000)));
    const chatter = await Chatter.enter(stack, unique('chatter'), { relay: 1 });
    await chatter.say('z'.repeat(20_000));
    const { near: one, far: other } = await session(stack);
    const target = `/?roomId=${seat.roomId}&nickId=${seat.nickId}`;
    while ((await stack.metric('relay1', 'waiting_bytes')) <= BOUND * 0.75)
      await deaf(target, [], null, '{"type":"query-logs"}');
    const [answer] = await chatter.ask('getAllMessages');
    assert.deepEqual(answer, { success: false, error: 'busy' });
    const word = other.say(unique('word'));
    await other.heard(word); // on the relay where nothing waits
    await settle(near, far);
    assert.ok(!one.rows.some((row) => row.content === word), 'its list waits');
    assert.equal(one.failures.length, 0, 'and nothing is said to have failed');
    await hangUp();
    await one.heard(word);
    assert.equal((await chatter.ask('getAllMessages'))[0].success, true);
    await Promise.all([writer, chatter, one, other].map((client) => client.close()));
  });

  it('messages that never become whole make room for those that do, whatever they are sent with', async (t) => {
    const LARGE = 900_000, began = rss();
    const dropped = () => stack.metric('relay1', 'unfinished_dropped_total');
    const io = '/socket.io/?EIO=4&transport=websocket';
    const ways = {
      'a frame': async (raw) => {
        raw.send(handshake(io));
        await raw.until(() => raw.status === 101, 'the handshake');
        raw.send(frame(TEXT, '40'));
        await raw.until(() => raw.frames.length > 1, 'its namespace');
        raw.send(frame(TEXT, `42["message","${'a'.repeat(LARGE - 100)}`, { length: LARGE }));
      },
      'a request': (raw) => raw.send(`POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: localhost\r\n`
        + `Content-Length: ${LARGE}\r\n\r\n${'b'.repeat(LARGE - 1)}`),
      attachments: async (raw) => {
        raw.send(handshake(io));
        await raw.until(() => raw.status === 101, 'the handshake');
        raw.send(frame(TEXT, '40'));
        await raw.until(() => raw.frames.length > 1, 'its namespace');
        raw.send(frame(TEXT, '453-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},'
          + '{"_placeholder":true,"num":2}]'));
        raw.send(frame(BINARY, 'c'.repeat(LARGE)));
      },
    };
    for (const [what, begin] of Object.entries(ways)) {
      const before = await dropped();
      for (let i = 0; i < 16; i++) {
        const raw = await Raw.connect(stack.relayPort(1), '127.0.0.1', `127.0.0.${2 + (i % 4)}`);
        raws.push(raw);
        await begin(raw);
      }
      await eventually(async () => (await dropped()) >= before + 5, `${what} to give way`);
      assert.ok((await stack.metric('relay1', 'unfinished_bytes')) <= 8 * MIB, what);
      // who finishes is heard: in two pieces over a WebSocket, and as large as may be over polling
      const half = 'd'.repeat(25_000), text = unique(`${half}${half}`);
      const at = near.events.length;
      near.say(text);
      await far.heard(text);
      assert.ok(near.events.length > at);
      const polling = await Polling.joined(stack, { relay: 1 });
      assert.equal((await polling.post(`42["nothing","${'e'.repeat(LARGE - 1000)}"]`)).text, 'ok', what);
      await others();
    }
    t.diagnostic(`the relay grew by ${Math.round((rss() - began) / MIB)} MiB`);
    assert.ok(raws.some((raw) => raw.closeCode === 1013) && raws.some((raw) => raw.status === 503));
    raws.splice(0).forEach((raw) => raw.socket.destroy());
    await eventually(async () => (await stack.metric('relay1', 'unfinished_bytes')) === 0, 'nothing to be left');
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', async () => {
    await near.close();
    await far.close();
    await stack.checkAndStop();
  });
});
