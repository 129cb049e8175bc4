// What Redis knows of Socket.IO sockets when something is lost: Redis for a while, a relay that only slept, one that
// ends.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Chatter, IoClient, unique } from './lib/io.mjs';
import { keepIn } from './lib/socket.mjs';
import { Stack, eventually, request } from './lib/stack.mjs';

const TOKEN = 'the-admin-token-of-these-tests';

describe('what Redis knows of sockets', () => {
  let stack;
  const clients = [];
  const keep = keepIn(clients);
  const enter = async (relay, name = unique('name')) => keep(await Chatter.enter(stack, name, { relay }));
  const ask = async (what) => {
    const { status, json, text } = await request(`${stack.url}/api/io/${what}`,
      { headers: { Authorization: `Bearer ${TOKEN}` } });
    return status === 200 ? json.data : assert.fail(`${status} ${text}`);
  };
  const listed = (...ids) => eventually(async () => (await ask('sockets')).join() === [...ids].sort().join(),
    `the sockets ${ids}`);

  before(async () => {
    stack = await Stack.start({ relays: 2,
      settings: { admin_token: TOKEN, lease_ms: '1s', redis_timeout_ms: '500ms', reconcile_down_ms: '200ms' } });
    stack.keepSecret(TOKEN);
  });
  after(() => stack?.remove());
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    if (stack.exitStatus('relay1') === undefined) await listed();
  });

  it('after Redis was away and kept nothing, all is said again: who came, who went, and who is where', async () => {
    const [a, b, c] = [await enter(1), await enter(2), await enter(2)];
    const [red, green] = [unique('red'), unique('green')];
    await a.ask('join', red);
    await stack.kill('redis');
    await b.ask('join', red);
    await a.ask('leave', red);
    await a.ask('join', green);
    c.close();
    const d = keep(await IoClient.connect(stack, { relay: 1 }));
    await stack.startPart('redis');
    await listed(a.id, b.id, d.id);
    assert.deepEqual(await ask(`rooms/${red}/sockets`), [b.id]);
    assert.deepEqual(await ask(`rooms/${green}/sockets`), [a.id]);
    assert.deepEqual(await ask('counts'), { sockets: 3, rooms: 2 });
    assert.equal((await d.ask('message', a.name))[0].success, false, 'the name is still taken');
    assert.equal((await d.ask('message', c.name))[0].success, true, 'that of the one who went is free');
  });

  it('after Redis did not answer for a while but kept everything, what changed meanwhile is put right', async () => {
    const [a, b] = [await enter(1), await enter(2)];
    const red = unique('red');
    for (const client of [a, b]) await client.ask('join', red);
    await stack.kill('redis', 'STOP');
    await eventually(async () => (await stack.relayMetric('redis_up')) === 0, 'the loss to be noticed');
    a.close();
    await b.ask('leave', red);
    await eventually(async () => (await stack.metric('relay1', 'io_sockets')) === 0, 'the socket to go');
    await stack.kill('redis', 'CONT');
    await listed(b.id);
    await eventually(async () => (await ask('rooms')).length === 0, 'the room to go');
  });

  it('a relay that only slept finds its sockets dropped, and says them again', async () => {
    const [a, b] = [await enter(1), await enter(2)];
    const red = unique('red');
    await b.ask('join', red);
    await stack.kill('relay2', 'STOP');
    await listed(a.id);
    assert.deepEqual(await ask('rooms'), []);
    await stack.kill('relay2', 'CONT');
    await listed(a.id, b.id);
    assert.deepEqual(await ask(`rooms/${red}/sockets`), [b.id]);
    assert.equal((await keep(await IoClient.connect(stack, { relay: 1 })).ask('message', b.name))[0].success, false,
      'its name is its own again');
  });

  it('a relay that ends takes its sockets along, and who comes back elsewhere has all again', async () => {
    const [a, b] = [await enter(1), await enter(2)];
    const red = unique('red');
    for (const client of [a, b]) await client.ask('join', red);
    const before = b.id;
    b.socket.io.reconnection(false);
    await stack.stopPart('relay2');
    await b.until(() => b.disconnects.length, 'the end');
    await listed(a.id);
    const connect = await b.comeBack(1);
    assert.equal(connect.recovered, true);
    assert.equal(connect.id, before);
    await listed(a.id, b.id);
    assert.deepEqual(await ask(`rooms/${red}/sockets`), [a.id, b.id].sort());
    await stack.startPart('relay2');
  });

  it('nothing is left of sockets when all have gone, but what they may come back for', async () => {
    for (let i = 0; i < 20; i++) await (await enter(1 + (i % 2))).ask('join', unique('room'));
    for (const client of clients.splice(0)) client.close();
    await listed();
    const left = (await stack.redis('KEYS', 'chaguan:io:*'))
      .filter((key) => !/^chaguan:io:(pid:|back:|relays$|reaped:)/.test(key));
    assert.deepEqual(left, []);
  });

  it('everything is in order afterwards', () => stack.checkAndStop());
});
