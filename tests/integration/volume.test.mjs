// Ten thousand messages: nobody misses one, nobody hears one twice, everybody hears them in the same order.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, assertSameList, assertWhole, enter, unique } from './lib/client.mjs';
import { Stack, eventually } from './lib/stack.mjs';

const CLIENTS = 20;
const EACH = 500;
const AHEAD = 25; // messages that a client has under way before it waits for its own to come back

describe('volume', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ settings: { log_level: 'info' } });
  });
  after(() => stack?.remove());

  it('10,000 messages from 20 clients over two relays: every client sees every message once, ' +
    'in the order of seq', async () => {
    const roomName = unique('room');
    const clients = [];
    for (let i = 0; i < CLIENTS; i++) {
      const seat = await enter(stack, roomName, unique('nick'));
      clients.push(await Client.join(stack, seat, { relay: [1, 2, 0][i % 3] }));
    }
    const heard = clients.map((client) => {
      const state = { own: 0, all: 0, at: 0 };
      client.waiters.add(() => {
        for (; state.at < client.events.length; state.at++) {
          const { type, data } = client.events[state.at];
          if (type !== 'message' || data.log_user_name === 'system') continue;
          state.all++;
          if (data.log_user_name === client.seat.nick) state.own++;
        }
      });
      return state;
    });
    const marker = unique('volume');
    stack.keepSecret(marker);
    await Promise.all(clients.map(async (client, who) => {
      for (let i = 0; i < EACH; i++) {
        if (i >= AHEAD) await client.until(() => heard[who].own > i - AHEAD, 'its own messages');
        client.sendJson({ type: 'message', content: `${marker} ${who} ${i}` });
      }
    }));
    await Promise.all(clients.map((client, who) => client.until(() => heard[who].all >= CLIENTS * EACH,
      'all messages')));

    const reference = clients[0].said;
    assert.equal(new Set(reference).size, CLIENTS * EACH, 'every message, each once');
    for (const client of clients) {
      assertWhole(client);
      assertSameList(client.said, reference, 'what two clients heard');
      assert.deepEqual(client.events.filter((event) => event.type === 'error'), []);
    }
    const next = new Array(CLIENTS).fill(0);
    for (const content of reference) {
      const [who, i] = content.split(' ').slice(1).map(Number);
      assert.equal(i, next[who]++, 'a sender is heard in the order of speaking');
    }
    const rows = await stack.sql(
      'SELECT m.seq, m.content FROM message m JOIN conversation c ON c.id = m.conversation WHERE c.public_id = ? ' +
      'ORDER BY m.seq', [clients[0].seat.roomId]);
    rows.forEach((row, i) => assert.equal(Number(row.seq), i + 1));
    assertSameList(rows.map((row) => row.content).filter((content) => content.startsWith(marker)), reference,
      'stored and heard');
    assert.equal(await stack.relayMetric('journal_failed_total'), 0);
    await Promise.all(clients.map((client) => client.close()));
    await eventually(async () => (await stack.relayMetric('connections')) === 0, 'all to be gone');
  });

  it('twenty rooms at once stay apart', async () => {
    const rooms = await Promise.all(Array.from({ length: 20 }, async () => {
      const roomName = unique('room');
      return Promise.all([1, 2].map(async (relay) => Client.join(stack,
        await enter(stack, roomName, unique('nick')), { relay })));
    }));
    await Promise.all(rooms.map(async ([a, b], room) => {
      const contents = [];
      for (let i = 0; i < 100; i++) contents.push(a.say(`room ${room} a ${i}`), b.say(`room ${room} b ${i}`));
      await Promise.all([a, b].map((client) => client.until(() => client.said.length >= contents.length,
        'all of the room')));
      assertSameList([...a.said].sort(), contents.sort());
      assertSameList(b.said, a.said);
      assertWhole(a);
      assertWhole(b);
    }));
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
