// A client that stops reading, of every kind but the chatroom's own socket (slow-and-silent.test.mjs): it is closed and
// counted, and who reads hears every word.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, enter } from './lib/client.mjs';
import { query, session } from './lib/customers.mjs';
import { couple } from './lib/friends.mjs';
import { Chatter } from './lib/io.mjs';
import { Raw, TEXT, frame, handshake } from './lib/raw.mjs';
import { unique } from './lib/socket.mjs';
import { Player, login, newSpace } from './lib/spaces.mjs';
import { NO_RATES, Stack } from './lib/stack.mjs';

describe('a client that stops reading', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ settings: { ...NO_RATES, max_message_bytes: '32k', room_log_bytes: '128k', outbox_bytes: '512k',
      history_bytes: '64k',
      close_timeout_ms: '1s', grace_ms: '100ms', io_app: 'chat' } });
  });
  after(() => stack?.remove());

  const long = () => unique('y'.repeat(8000));
  /** A WebSocket that has got something, and reads no more. */
  const slowSocket = async (target, ...frames) => {
    const raw = await Raw.connect(stack.relayPort(1));
    raw.send(handshake(target));
    await raw.until(() => raw.status === 101, 'the handshake');
    if (frames.length) await raw.until(() => raw.frames.length, 'the first word');
    for (const text of frames) raw.send(frame(TEXT, text));
    return raw;
  };
  const slowStream = async (seat, verb) => {
    const raw = await Raw.connect(stack.relayPort(1));
    raw.send(`GET /rooms/${seat.roomId}/${verb}?nickId=${seat.nickId} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await raw.until(() => raw.text.includes('members'), 'its arrival in the room');
    return raw;
  };

  /** Each: a connection of that kind, and how something long is said that it and somebody else hears. */
  const kinds = {
    'a friend': async () => {
      const pair = await couple(stack);
      const raw = await slowSocket(`/ws/${pair.other.user.userId}`);
      return { raw, say: () => pair.other.heard(pair.one.send(pair.friendId, long(), pair.other.user.userId)) };
    },
    'a player in a space': async () => {
      const [player, other] = [await login(stack), await login(stack)];
      const space = await newSpace(stack, player);
      const seats = [await Player.enter(stack, space, player, { relay: 1 }),
        await Player.enter(stack, space, other, { relay: 2 })];
      const raw = await slowSocket(`/${space.roomNum}?token=${player.token}&roomId=${space.roomId}`);
      return { raw, say: () => {
        const text = seats[0].say({ toMsg: long() });
        return seats[1].until(() => seats[1].frames.some((heard) => heard.toString() === text), 'what was said');
      } };
    },
    'an event stream': async () => inRoom('events'),
    'an iframe': async () => inRoom('stream'),
    'a client of Socket.IO': async () => {
      const [a, b] = [await Chatter.enter(stack, unique('a'), { relay: 1 }),
        await Chatter.enter(stack, unique('b'), { relay: 2 })];
      const raw = await slowSocket('/socket.io/?EIO=4&transport=websocket', '40');
      await raw.until(() => raw.frames.some((f) => f.payload.toString().startsWith('40')), 'its socket');
      return { raw, say: async () => {
        const content = long();
        assert.equal((await a.say(content)).success, true);
        await b.heard(content);
      } };
    },
  };
  async function inRoom(verb) {
    const roomName = unique('room');
    const a = await Client.join(stack, await enter(stack, roomName, unique('a')), { relay: 1 });
    const b = await Client.join(stack, await enter(stack, roomName, unique('b')), { relay: 2 });
    const raw = await slowStream(await enter(stack, roomName, unique('slow')), verb);
    return { raw, say: () => b.heard(a.say(long())) };
  }

  for (const [kind, open] of Object.entries(kinds)) {
    it(`${kind}: is closed and counted; the others hear every message`, async () => {
      const { raw, say } = await open();
      raw.socket.pause();
      const before = await stack.relayMetric('closed_slow_total');
      for (let said = 0; (await stack.relayMetric('closed_slow_total')) === before; said += 20) {
        // how much the kernel buffers is its own matter
        assert.ok(said < 20_000, 'a slow reader is closed at some point');
        for (let i = 0; i < 20; i++) await say();
      }
      raw.socket.resume();
      await raw.end();
      await say();
    });
  }

  it('a customer: one list at most waits, and the latest one comes when it reads on', async () => {
    const { user, friend, near, far } = await session(stack);
    const raw = await slowSocket(`/chat/v1/message?${query(friend, user)}`);
    await raw.until(() => raw.frames.length, 'the first list');
    raw.socket.pause();
    let last;
    for (let i = 0; i < 150; i++) await far.heard(last = near.say(long()));
    const waiting = await stack.relayMetric('waiting_bytes');
    assert.ok(waiting < 1 << 20, `${waiting} bytes wait`);
    raw.socket.resume();
    await raw.until(() => raw.text.includes(last), 'the latest list');
    raw.destroy();
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
