// The official Socket.IO client against the echo application: every transport, every kind of packet.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { IoClient, ioUrl, unique } from './lib/io.mjs';
import { Stack, eventually, request } from './lib/stack.mjs';

const POLLING = { transports: ['polling'] };
const WEBSOCKET = { transports: ['websocket'] };
const UPGRADE = { transports: ['polling', 'websocket'] };

const VALUES = [
  1, -1.5e-7, 0, '', 'text', '茶馆 😀 \u2028 </script> \\ "', true, false, null, [], {}, [[], {}],
  { a: { b: [1, { c: null }] } },
  { _placeholder: 'no', num: 0 }, '_placeholder', { '': '' }, { __proto__x: 1, constructor: 'x', toString: 'y' },
  'half a pair \ud83d', 'NUL \u0000', 'control \u001f\u0085', 2 ** 53 - 1, 1e300,
];
const bytes = (n) => crypto.randomBytes(n);

describe('the official client of Socket.IO', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ relays: 3,
      settings: { io_app: 'echo', io_ping_interval_ms: '500ms', io_ping_timeout_ms: '20s', lease_ms: '1500ms' } });
  });
  after(() => stack?.remove());

  for (const [how, transport] of [['by polling alone', POLLING], ['by WebSocket alone', WEBSOCKET],
    ['by polling and then WebSocket', UPGRADE]]) {
    for (const relay of [0, 2]) {
      describe(`${how}, ${relay ? 'directly' : 'through nginx'}`, () => {
        const connect = async (options) => {
          const client = await IoClient.connect(stack, { relay, ...transport, ...options });
          if (transport === UPGRADE) await client.upgraded();
          return client;
        };

        it('connects, is told its auth payload, and gets back what it says to the letter', async () => {
          const auth = { token: unique('token'), 'ключ': [1, null, '</script>'] };
          stack.keepSecret(auth.token);
          const client = await connect({ auth });
          assert.deepEqual(await client.event('auth'), [auth]);
          assert.equal(client.connects[0].recovered, false);
          assert.match(client.id, /^[\w-]{20}$/);
          assert.notEqual(client.id, client.engine.id);
          client.socket.emit('message', ...VALUES);
          assert.deepEqual(await client.event('message-back'), VALUES);
          client.socket.emit('message');
          assert.deepEqual(await client.event('message-back', 2), []);
          assert.equal(client.engine.transport.name, transport === POLLING ? 'polling' : 'websocket');
          assert.deepEqual(client.engineErrors, []);
          client.close();
        });

        for (const forceBase64 of [false, true])
          it('carries binary, wherever it stands in the arguments, as events and as acknowledgements, ' +
            (forceBase64 ? 'in base64' : 'as it is'), async () => {
            const client = await connect({ forceBase64 });
            const args = [bytes(3), 'and', { deep: [{ er: bytes(1000) }], same: bytes(0) }, bytes(65_537), null];
            client.socket.emit('message', ...args);
            assert.deepEqual(await client.event('message-back'), args);
            assert.deepEqual(await client.ask('message-with-ack', ...args), args);
            const ten = Array.from({ length: 10 }, (_, i) => bytes(i));
            assert.deepEqual(await client.ask('message-with-ack', ten), [ten]);
            assert.deepEqual(await client.ask('message-with-ack', new Uint8Array([0, 30, 255]).buffer),
              [Buffer.from([0, 30, 255])]);
            client.close();
          });

        it('acknowledges in both directions', async () => {
          const client = await connect();
          assert.deepEqual(await client.ask('message-with-ack', 1, '2', { 3: [false] }), [1, '2', { 3: [false] }]);
          assert.deepEqual(await client.ask('message-with-ack'), []);
          const many = await Promise.all(Array.from({ length: 50 }, (_, i) => client.ask('message-with-ack', i)));
          assert.deepEqual(many.map(([i]) => i), Array.from({ length: 50 }, (_, i) => i));
          client.socket.on('question', (...args) => args.pop()('it was', ...args.reverse()));
          client.socket.emit('ask', 'a', bytes(2).fill(7));
          assert.deepEqual(await client.event('answer'), ['it was', Buffer.from([7, 7]), 'a']);
          client.socket.emit('ask', 'b');
          assert.deepEqual(await client.event('answer', 2), ['it was', 'b']);
          client.close();
        });

        it('waits for an acknowledgement no longer than it wants, and goes on', async () => {
          const client = await connect();
          await assert.rejects(client.socket.timeout(50).emitWithAck('an event that nobody answers'),
            /operation has timed out/);
          assert.deepEqual(await client.ask('message-with-ack', 'still here'), ['still here']);
          client.close();
        });

        it('keeps the order of many messages', async () => {
          const client = await connect();
          for (let i = 0; i < 500; i++) client.socket.emit('message', i, i % 50 ? 'text' : bytes(100));
          await client.event('message-back', 500);
          assert.deepEqual(client.all('message-back').map(([i]) => i), Array.from({ length: 500 }, (_, i) => i));
          client.close();
        });

        it('has several namespaces on one connection, each for itself', async () => {
          const client = await connect();
          const custom = IoClient.beside(client, '/custom', { auth: { who: 'custom' } });
          assert.deepEqual(await custom.event('auth'), [{ who: 'custom' }]);
          assert.notEqual(custom.id, client.id);
          assert.equal(custom.engine, client.engine);
          custom.socket.emit('message', 'there', bytes(1).fill(9));
          client.socket.emit('message', 'here');
          assert.deepEqual(await custom.event('message-back'), ['there', Buffer.from([9])]);
          assert.deepEqual(await client.event('message-back'), ['here']);
          assert.deepEqual(await custom.ask('message-with-ack', 1), [1]);
          custom.socket.disconnect();
          assert.deepEqual(await client.ask('message-with-ack', 'still here'), ['still here']);
          assert.equal(client.all('message-back').length, 1);
          custom.socket.connect();
          await custom.until(() => custom.connects.length === 2, 'the namespace again');
          client.close();
        });

        it('is refused a namespace that there is not, and keeps the others', async () => {
          const client = await connect();
          const none = IoClient.beside(client, '/none');
          await none.until(() => none.refusals.length, 'the refusal');
          assert.equal(none.refusals[0].message, 'Invalid namespace');
          assert.equal(none.socket.connected, false);
          assert.deepEqual(await client.ask('message-with-ack', 'still here'), ['still here']);
          client.close();
        });

        it('lives through many pings', async () => {
          const client = await connect();
          let pings = 0;
          client.socket.io.on('ping', () => {
            pings++;
            client.wake();
          });
          await client.until(() => pings >= 4, 'four pings');
          assert.deepEqual(client.disconnects, []);
          client.close();
        });

        it('carries a message as long as may be', async () => {
          const client = await connect();
          const long = 'x'.repeat(990_000);
          assert.equal((await client.ask('message-with-ack', long))[0].length, long.length);
          client.close();
        });

        it('ends on either side in an orderly way, and comes back with a new id', async () => {
          const client = await connect();
          const first = client.id;
          client.socket.disconnect();
          assert.deepEqual(client.disconnects, ['io client disconnect']);
          client.socket.connect();
          await client.until(() => client.connects.length === 2, 'the second connection');
          assert.notEqual(client.id, first);
          client.close();
        });
      });
    }
  }

  it('delivers a volatile message, and drops one for which the transport is not free', async () => {
    const client = await IoClient.connect(stack, POLLING);
    await client.event('auth');
    await client.until(() => client.engine.transport.writable, 'the transport to be free');
    client.socket.volatile.emit('message', 'now');
    client.socket.volatile.emit('message', 'lost');
    client.socket.emit('message', 'kept');
    assert.deepEqual(await client.ask('message-with-ack', 'end'), ['end']);
    assert.deepEqual(client.all('message-back'), [['now'], ['kept']]);
    client.close();
  });

  for (const [how, transport] of [['polling', POLLING], ['WebSocket', WEBSOCKET], ['the upgrade', UPGRADE]]) {
    it(`connects again by itself after its relay was killed, with ${how}`, async () => {
      const client = await IoClient.connect(stack, transport);
      if (transport === UPGRADE) await client.upgraded();
      for (const n of [1, 2, 3]) { // one of them is its relay
        await stack.kill(`relay${n}`, 'KILL');
        await stack.startPart(`relay${n}`);
      }
      await client.until(() => client.disconnects.length && client.socket.connected, 'its return');
      assert.ok(client.disconnects.every((reason) => /^transport/.test(reason)), client.disconnects.join());
      assert.deepEqual(await client.ask('message-with-ack', 'back'), ['back']);
      client.close();
    });
  }

  it('is told by a relay that ends, and goes on with another', async () => {
    const client = await IoClient.connect(stack, { ...UPGRADE, relay: 2 });
    await client.upgraded();
    client.socket.io.uri = ioUrl(stack);
    await stack.stopPart('relay2');
    await client.until(() => client.connects.length === 2, 'its return');
    assert.deepEqual(await client.ask('message-with-ack', 'back'), ['back']);
    client.close();
    const polling = await IoClient.connect(stack, { ...POLLING, relay: 1 });
    polling.socket.io.uri = ioUrl(stack);
    await stack.stopPart('relay1');
    await polling.until(() => polling.connects.length === 2, 'its return');
    polling.close();
    await stack.up();
  });

  it('a client whose wire is silent is dropped after the ping\'s time', async () => {
    const quick = await Stack.start({ relays: 1,
      settings: { io_app: 'echo', io_ping_interval_ms: '200ms', io_ping_timeout_ms: '200ms' } });
    try {
      for (const transport of [POLLING, WEBSOCKET]) {
        const client = await IoClient.connect(quick, transport);
        client.socket.io.reconnection(false);
        await eventually(async () => (await quick.metric('relay1', 'io_sockets')) === 1, 'the socket');
        client.engine.transport.doWrite = client.engine.transport.write = () => {}; // says nothing any more
        await client.until(() => client.disconnects.length, 'its end');
        await eventually(async () => (await quick.metric('relay1', 'io_sockets')) === 0, 'the socket to go');
      }
      await quick.checkAndStop();
    } finally {
      await quick.remove();
    }
  });

  it('the browser\'s client is served, with its map', async () => {
    for (const name of ['socket.io.js', 'socket.io.min.js', 'socket.io.js.map', 'socket.io.min.js.map']) {
      const answer = await request(`${stack.url}/socket.io/${name}`);
      assert.equal(answer.status, 200, name);
      assert.match(answer.headers['content-type'], name.endsWith('.map') ? /json/ : /javascript/);
    }
    const script = await request(`${stack.url}/socket.io/socket.io.js`);
    assert.match(script.text, /Socket\.IO v4\.8\.4/);
    assert.equal((await request(`${stack.url}/socket.io/socket.io.jsx`)).status, 404);
  });

  it('everything is in order afterwards', () => stack.checkAndStop());
});
