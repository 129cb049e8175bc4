// Clients that stop reading, stop answering or never finish a frame: they go, the others miss nothing.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, assertSameList, assertWhole, enter, settle, unique } from './lib/client.mjs';
import { CONTINUATION, PING, Raw, TEXT, frame } from './lib/raw.mjs';
import { Stack, eventually } from './lib/stack.mjs';

describe('a client that stops reading', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ settings: { max_message_bytes: '32k', room_log_bytes: '128k', outbox_bytes: '512k',
      history_bytes: '64k', close_timeout_ms: '1s', grace_ms: '100ms' } });
  });
  after(() => stack?.remove());

  for (const relay of [1, 0]) {
    it(`${relay ? 'directly' : 'through nginx'}: falls off the room's log and is closed; ` +
      `the others hear every message`, async () => {
      const roomName = unique('room');
      const a = await Client.join(stack, await enter(stack, roomName, unique('a')), { relay: 1 });
      const b = await Client.join(stack, await enter(stack, roomName, unique('b')), { relay: 2 });
      const slow = await Client.join(stack, await enter(stack, roomName, unique('slow')), { relay });
      await Promise.all([a, b].map((client) => client.line(`${slow.seat.nick} 进入了房间`)));
      slow.ws.pause();
      const contents = [];
      await stack.counts('closed_slow_total', async () => {
        // Until the relay has enough of it: how much the kernel and nginx buffer is theirs to know.
        const before = await stack.relayMetric('closed_slow_total');
        while ((await stack.relayMetric('closed_slow_total')) === before) {
          assert.ok(contents.length < 20_000, 'a slow reader is closed at some point');
          for (let i = 0; i < 7; i++) contents.push(a.say(unique('y'.repeat(8000)))); // fits into the room's log
          await Promise.all([a, b].map((client) => client.heard(contents.at(-1))));
        }
      });
      for (const client of [a, b]) {
        assertSameList(client.said, contents);
        assertWhole(client);
        await client.line(`${slow.seat.nick} 离开了房间`);
        await client.present(a.seat.nick, b.seat.nick);
      }
      slow.ws.resume();
      const { code } = await slow.closed;
      assert.ok([1013, 1006].includes(code), `told to try again later, or cut: ${code}`);
      assertSameList(slow.said, contents.slice(0, slow.said.length), 'what it did read');
      const back = await Client.join(stack, slow.seat, { relay });
      const logs = await back.history();
      assert.ok(logs.some((row) => row.log_content === contents.at(-1)),
        'it comes back and finds what it missed in the history');
      for (const client of [a, b, back]) await client.close();
    });
  }

  it('a burst of messages longer than the room\'s log still reaches everyone who reads', async () => {
    const roomName = unique('room');
    const people = [];
    for (const relay of [1, 2, 0])
      people.push(await Client.join(stack, await enter(stack, roomName, unique('nick')), { relay }));
    const contents = Array.from({ length: 60 }, () => people[0].say(unique('w'.repeat(8000))));
    for (const person of people) {
      await person.until(() => person.said.length === contents.length, 'the whole burst');
      assertSameList(person.said, contents);
      await person.close();
    }
  });

  it('asking for more answers than it reads, a client gets no more than it reads', async () => {
    const roomName = unique('room');
    const a = await Client.join(stack, await enter(stack, roomName, unique('a')), { relay: 1 });
    for (let i = 0; i < 60; i++) await a.heard(a.say(unique('z'.repeat(8000))));
    const seat = await enter(stack, roomName, unique('greedy'));
    const raw = await Raw.seat(stack.relayPort(1), seat);
    raw.socket.pause();
    const question = frame(TEXT, JSON.stringify({ type: 'query-logs' }));
    for (let i = 0; i < 200; i++) raw.send(question);
    for (let i = 0; i < 20; i++) {
      await settle(a);
      const waiting = await stack.metric('relay1', 'waiting_bytes');
      assert.ok(waiting < 3 * 64 * 1024, `${waiting} bytes wait for a client that asked 200 times`);
    }
    raw.socket.resume();
    const logs = () => raw.frames.filter(({ payload }) => payload.includes('"type":"logs"')).length;
    await raw.until(() => logs() >= 2, 'an answer, and one more that was owed');
    raw.destroy();
    await settle(a);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});

describe('a client that falls silent', () => {
  let stack, seat, near, far;
  before(async () => {
    stack = await Stack.start({ settings: { ping_interval_ms: '1s', grace_ms: 0 } });
    seat = await enter(stack, unique('room'), unique('nick'));
    near = await Client.join(stack, seat, { relay: 1 });
    far = await Client.join(stack, await enter(stack, seat.roomName, unique('far')), { relay: 2 });
  });
  after(() => stack?.remove());
  const fresh = () => enter(stack, seat.roomName, unique('silent'));

  it('is asked for a sign of life and cut when it gives none, and its departure is told', async () => {
    const silent = await fresh();
    await stack.counts('closed_silent_total', async () => {
      const raw = await Raw.seat(stack.relayPort(1), silent);
      await raw.until(() => raw.frames.some((f) => f.opcode === PING), 'a ping');
      await raw.end();
    });
    await far.line(`${silent.nick} 离开了房间`);
    await settle(near, far);
  });

  for (const [what, bytes] of Object.entries({
    'half a header': () => frame(TEXT, 'x'.repeat(200)).subarray(0, 3),
    'half a payload': () => frame(TEXT, 'x'.repeat(200)).subarray(0, 60),
    'a promise of 60,000 bytes': () => frame(TEXT, 'x', { length: 60_000 }),
    'a first fragment': () => frame(TEXT, '{"type":', { fin: false }),
    'fragments without an end': () =>
      Buffer.concat([frame(TEXT, '{', { fin: false }), frame(CONTINUATION, '"', { fin: false })]),
  })) {
    it(`is cut also when it left off after ${what}`, async () => {
      const silent = await fresh();
      await stack.counts('closed_silent_total', async () => {
        const raw = await Raw.seat(stack.relayPort(1), silent);
        raw.send(bytes());
        await raw.end();
      });
      await far.line(`${silent.nick} 离开了房间`);
      await settle(near, far);
    });
  }

  it('stays as long as it answers, without saying a word', async () => {
    const client = await Client.join(stack, await fresh(), { relay: 1 });
    let pings = 0;
    const third = new Promise((resolve) => {
      client.ws.on('ping', () => ++pings === 3 && resolve());
    });
    await Promise.race([third, client.closed]);
    assert.equal(client.closeInfo, undefined);
    await settle(client, near, far);
    await client.close();
  });

  it('the sockets of a process that is stopped are cut, and it finds out when it goes on', async () => {
    const client = await Client.join(stack, await fresh(), { relay: 2 });
    client.ws._autoPong = false; // answers no ping any more, as a stopped process would not
    client.ws._receiver.removeAllListeners('ping');
    await client.closed;
    await far.line(`${client.seat.nick} 离开了房间`);
    await settle(near, far);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
