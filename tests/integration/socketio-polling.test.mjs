// Many polling clients over three relays behind plain round robin: each request of a session arrives anywhere.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { IoClient, Polling, unique } from './lib/io.mjs';
import { Stack, eventually } from './lib/stack.mjs';

const CLIENTS = 200;

describe('polling without sticky sessions', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ relays: 3,
      settings: { io_app: 'echo', io_ping_interval_ms: '2s', io_ping_timeout_ms: '30s' } });
    // Plain round robin: the next request goes to the next relay, whoever has the session.
    await stack.stopPart('nginx');
    const site = stack.read('nginx/chaguan.conf');
    const home = 'proxy_pass http://$chaguan_home;';
    assert.ok(site.includes(home));
    fs.writeFileSync(stack.file('nginx/chaguan.conf'), site.replace(home, 'proxy_pass http://chaguan_newcomers;'));
    await stack.startPart('nginx');
  });
  after(() => stack?.remove());

  it('every request of a session may arrive at another relay', async () => {
    const session = await Polling.joined(stack);
    for (let i = 0; i < 12; i++) {
      const content = stack.keepSecret(unique('polled'));
      const posted = await session.post(`42["message","${content}"]`);
      assert.deepEqual([posted.status, posted.text], [200, 'ok']);
      assert.equal(await session.packet('42["message-back"'), `42["message-back","${content}"]`);
    }
    await session.post('1');
    await eventually(async () => (await stack.relayMetric('io_sockets')) === 0, 'its end');
  });

  it(`${CLIENTS} clients talk, and no poll fails`, async () => {
    const clients = await Promise.all(Array.from({ length: CLIENTS }, (_, i) =>
      IoClient.connect(stack, { transports: ['polling'], auth: { i } })));
    const spread = await Promise.all([1, 2, 3].map((n) => stack.metric(`relay${n}`, 'io_sockets')));
    assert.equal(spread.reduce((a, b) => a + b), CLIENTS);
    assert.ok(spread.every((n) => n > 0), `spread over the relays: ${spread}`); // unevenly, as requests alternate
    await Promise.all(clients.map(async (client, i) => {
      assert.deepEqual(await client.event('auth'), [{ i }]);
      for (let round = 0; round < 10; round++) {
        const bytes = Buffer.from([i, round]);
        assert.deepEqual(await client.ask('message-with-ack', i, round, bytes), [i, round, bytes]);
      }
    }));
    // Quiet ones, too: their polls are held and answered with pings.
    await Promise.all(clients.map((client) => {
      let pings = 0;
      client.socket.io.on('ping', () => {
        pings++;
        client.wake();
      });
      return client.until(() => pings >= 2, 'two pings');
    }));
    for (const client of clients) {
      assert.deepEqual(client.engineErrors, []);
      assert.deepEqual(client.disconnects, []);
      assert.equal(client.connects.length, 1);
      assert.equal(client.engine.transport.name, 'polling');
    }
    const requests = () => stack.read('nginx.access.log').split('\n')
      .filter((line) => line.includes('path="/socket.io/"'));
    await eventually(() => requests().length > CLIENTS * 20,
      'their requests in the log, which nginx writes once a second');
    const lines = requests();
    assert.deepEqual(lines.filter((line) => !line.includes(' status=200 ')), []);
    for (const client of clients) client.close();
  });

  it('everything is in order afterwards', () => stack.checkAndStop());
});
