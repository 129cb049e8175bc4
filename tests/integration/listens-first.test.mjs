// A relay listens to Redis before it reads what it has to tell, so nothing falls between, however long it takes until it
// listens. Here Redis is behind a gate: subscriptions wait there for as long as a test wants them to.
import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client, enter } from './lib/client.mjs';
import { Friend, befriend, history, newUser, settle } from './lib/friends.mjs';
import { Gate } from './lib/gate.mjs';
import { Native } from './lib/native.mjs';
import { Events, Stream, roomUrl, say } from './lib/rooms.mjs';
import { unique } from './lib/socket.mjs';
import { Stack, eventually } from './lib/stack.mjs';

describe('a relay that does not listen yet', () => {
  let stack, gate;
  before(async () => {
    let dir;
    gate = await Gate.start(() => net.connect(path.join(dir, 'redis.sock')));
    stack = await Stack.start({ relays: 2, settings: (run) => {
      dir = run;
      return { redis_socket: '', redis_host: '127.0.0.1', redis_port: gate.port, redis_timeout_ms: '30s',
        friend_ping_ms: '2s' };
    } });
  });
  after(async () => {
    await stack?.remove();
    gate?.close();
  });

  /** A connection of the friend chat that waits at the gate; its handshake is not answered yet. */
  async function wait(user) {
    const friend = await gate.during(() => Friend.dial(stack, `/ws/${user.userId}`, { relay: 1 }));
    friend.user = user;
    assert.equal(friend.ws.readyState, friend.ws.CONNECTING);
    return friend;
  }

  it('does not miss a friend that one makes meanwhile', async () => {
    const [ann, bob] = await Promise.all([newUser(stack), newUser(stack)]);
    const a = await wait(ann);
    const friend = await befriend(stack, ann, bob);
    gate.open();
    const b = await Friend.connect(stack, bob, { relay: 2 });
    await settle(friend, [a], [b]);
  });

  it('is not connected to: who is hears each message from then on, and has the others in the history', async () => {
    const [ann, bob] = await Promise.all([newUser(stack), newUser(stack)]);
    const friend = await befriend(stack, ann, bob);
    const b = await Friend.connect(stack, bob, { relay: 2 });
    const a = await wait(ann);
    const before = b.send(friend, unique('before'), ann.userId);
    await eventually(async () => (await history(stack, friend, ann)).length, 'it to be stored');
    assert.equal(a.ws.readyState, a.ws.CONNECTING);
    gate.open();
    await a.opened;
    assert.deepEqual((await history(stack, friend, ann)).map((row) => row.content), [before]);
    await a.heard(b.send(friend, unique('after'), ann.userId));
    await b.heard(a.send(friend, unique('answer'), bob.userId));
    assert.deepEqual([a.errors, b.errors], [[], []]);
  });

  it('nor is it asked for a sign of life, which would be the answer, however long that takes', async () => {
    const [ann, bob] = await Promise.all([newUser(stack), newUser(stack)]);
    const b = await Friend.connect(stack, bob, { relay: 1 });
    const a = await wait(ann);
    for (let pings = 0; pings < 3; pings++) // its own would be cut at the third
      await new Promise((resolve) => b.ws.once('ping', resolve));
    assert.equal(a.ws.readyState, a.ws.CONNECTING);
    gate.open();
    await a.opened;
    await settle(await befriend(stack, ann, bob), [a], [b]);
  });

  it('nor is one for a chatroom: what is said once it is open is heard, by itself too', async () => {
    const seat = await enter(stack, unique('room'), unique('nick'));
    const client = await gate.during(() => Client.dial(stack, `?roomId=${seat.roomId}&nickId=${seat.nickId}`, { relay: 1 }));
    assert.equal(client.ws.readyState, client.ws.CONNECTING);
    client.seat = seat;
    gate.open();
    await client.opened;
    const content = unique('heard');
    await say(stack, seat, content, {}, { relay: 2 });
    await client.heard(content);
    await client.close();
  });

  for (const [verb, open] of [['events', (url) => new Events(url)], ['stream', (url) => Stream.open(url)]])
    it(`brings to an open /${verb} what is said from then on`, async () => {
      const seat = await enter(stack, unique('room'), unique('nick'));
      const listener = await gate.during(() => open(roomUrl(stack, seat, verb, {}, { relay: 1 })));
      await listener.until(() => listener.opens > 0 || listener.status === 200, 'it to be open');
      const { seq } = await say(stack, seat, unique('heard'), {}, { relay: 2 });
      gate.open();
      await listener.reached(seq);
      assert.equal(listener.seqs[0], seq);
      listener.close();
    });

  it('answers a native hello once it hears of what is read elsewhere', async () => {
    const seat = await enter(stack, unique('room'), unique('nick'));
    const { seq } = await say(stack, seat, unique('said'));
    const other = await Native.hello(stack, { user: seat.nickId }, { relay: 2 });
    await other.join(seat.roomId);
    const native = await gate.during(async () => {
      const opened = await Native.open(stack, { relay: 1 });
      opened.hello = opened.command('hello', { user: seat.nickId });
      return opened;
    });
    assert.equal(native.frames.length, 0);
    gate.open();
    await native.answer(native.hello);
    await native.join(seat.roomId);
    await other.must('read', { room: seat.roomId, seq });
    await native.event('read', (event) => event.seq === seq);
    await Promise.all([other, native].map((one) => one.close()));
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
