// The admin calls on Socket.IO: what a server's own code would do, over REST, true on every relay.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Chatter, IoClient, settleChat, unique } from './lib/io.mjs';
import { keepIn } from './lib/socket.mjs';
import { Stack, eventually, post, request } from './lib/stack.mjs';

const token = crypto.randomBytes(24).toString('hex');

describe('the admin calls on Socket.IO', () => {
  let stack;
  const clients = [];
  const keep = keepIn(clients);
  const enter = async (relay) => keep(await Chatter.enter(stack, unique('name'), { relay }));
  const bearer = { Authorization: `Bearer ${token}` };
  const call = (name, body) => post(`${stack.url}/api/io/${name}`, body, bearer);
  const ask = (path) => request(`${stack.url}/api/io/${path}`, { headers: bearer });
  const data = async (answer) => {
    const { status, json, text } = await answer;
    assert.equal(status, 200, text);
    assert.equal(json.success, true);
    return json.data;
  };
  before(async () => {
    stack = await Stack.start({ relays: 3,
      settings: { admin_token: token, lease_ms: '1500ms', io_namespaces: '/news,/more' } });
    stack.keepSecret(token);
  });
  beforeEach(() => {
    for (const client of clients.splice(0)) client.close();
    return eventually(async () => (await data(ask('counts'))).sockets === 0, 'the sockets of the last test to be gone');
  });
  after(() => stack?.remove());

  it('take the token and nothing else', async () => {
    for (const headers of [{}, { Authorization: 'Bearer ' }, { Authorization: `Bearer ${token}x` },
      { Authorization: `Bearer ${token.slice(1)}` }, { Authorization: `Basic ${token}` }]) {
      assert.equal((await post(`${stack.url}/api/io/emit`, { event: 'x', args: [] }, headers)).status, 401);
      assert.equal((await request(`${stack.url}/api/io/rooms`, { headers })).status, 401);
      for (const name of ['join', 'leave', 'disconnect'])
        assert.equal((await post(`${stack.url}/api/io/${name}`, {}, headers)).status, 401);
    }
  });

  it('emit to everybody, on every relay and transport, once', async () => {
    const people = [await enter(1), await enter(2),
      keep(await Chatter.enter(stack, unique('name'), { relay: 3, transports: ['polling'] }))];
    const args = [unique('news'), { deep: [1.5, null, '</script>'] }, 12345678901234567890n.toString()];
    const { seq } = await data(call('emit', { event: 'bulletin', args }));
    assert.ok(Number.isInteger(seq));
    for (const client of people) assert.deepEqual((await client.event('bulletin')).slice(0, 3), args);
    await settleChat(...people);
    for (const client of people) assert.equal(client.all('bulletin').length, 1);
  });

  it('emit to a namespace alone', async () => {
    const a = await enter(1);
    const [news, more] = [await IoClient.connect(stack, { relay: 2, nsp: '/news' }),
      await IoClient.connect(stack, { relay: 3, nsp: '/more' })].map(keep);
    await data(call('emit', { ns: '/news', event: 'bulletin', args: [1] }));
    assert.equal((await news.event('bulletin'))[0], 1);
    await data(call('emit', { ns: '/more', event: 'end', args: [] }));
    await more.event('end');
    await settleChat(a);
    assert.equal(a.all('bulletin').length + more.all('bulletin').length, 0);
    assert.equal((await call('emit', { ns: '/none', event: 'x', args: [] })).status, 404);
  });

  it('emit to a room, to all but one socket, and to one alone', async () => {
    const [a, b, c] = [await enter(1), await enter(2), await enter(3)];
    const [red, green] = [unique('red'), unique('green')];
    await a.ask('join', red);
    await b.ask('join', red);
    await b.ask('join', green);
    await data(call('emit', { room: red, event: 'to-red', args: [] }));
    for (const client of [a, b]) await client.event('to-red');
    await data(call('emit', { room: [red, green], event: 'to-both', args: [] }));
    for (const client of [a, b]) await client.event('to-both');
    await data(call('emit', { except: a.id, event: 'all-but-a', args: [] }));
    for (const client of [b, c]) await client.event('all-but-a');
    await data(call('emit', { room: red, except: b.id, event: 'red-but-b', args: [] }));
    await a.event('red-but-b');
    await data(call('emit', { except: red, event: 'not-red', args: [] }));
    await c.event('not-red');
    await data(call('emit', { room: c.id, event: 'to-c', args: [] }));
    await c.event('to-c');
    await settleChat(c, a, b);
    const got = (client) => client.events.map(({ name }) => name).filter((name) => /-/.test(name));
    assert.deepEqual(got(a), ['to-red', 'to-both', 'red-but-b']);
    assert.deepEqual(got(b), ['to-red', 'to-both', 'all-but-a']);
    assert.deepEqual(got(c), ['all-but-a', 'not-red', 'to-c']);
  });

  it('what was emitted while a client was cut off reaches it when it comes back', async () => {
    const [a, b] = [await enter(1), await enter(2)];
    await settleChat(b, a);
    const { id } = a;
    await a.cut();
    await data(call('emit', { event: 'missed', args: [unique('bulletin')] }));
    await data(call('emit', { room: id, event: 'alone', args: [] }));
    await data(call('emit', { room: b.id, event: 'not-for-a', args: [] }));
    await data(call('emit', { event: 'gone', args: [], volatile: true }));
    const connect = await a.comeBack(2);
    assert.equal(connect.recovered, true);
    await settleChat(b, a);
    assert.deepEqual(a.events.map(({ name }) => name).filter((name) => name !== 'message'), ['missed', 'alone']);
    assert.deepEqual(b.events.map(({ name }) => name).filter((name) => name !== 'message'),
      ['missed', 'not-for-a', 'gone']);
  });

  it('list rooms, the sockets of a room, and counts, of all relays', async () => {
    const [a, b, c] = [await enter(1), await enter(2), await enter(3)];
    const [red, odd] = [unique('red'), `${unique('odd')} /?:茶`];
    for (const client of [a, b, c]) await client.ask('join', red);
    await c.ask('join', odd);
    await eventually(async () => (await data(ask('rooms'))).includes(odd), 'the room');
    assert.deepEqual((await data(ask('rooms'))).sort(), [red, odd].sort());
    const inRed = await data(ask(`rooms/${encodeURIComponent(red)}/sockets`));
    assert.deepEqual(inRed.sort(), [a.id, b.id, c.id].sort());
    // for names that no path can hold
    assert.deepEqual(await data(ask(`sockets?room=${encodeURIComponent(odd)}`)), [c.id]);
    assert.deepEqual((await data(ask('sockets'))).sort(), [a.id, b.id, c.id].sort());
    assert.deepEqual(await data(ask('counts')), { sockets: 3, rooms: 2 });
    assert.deepEqual(await data(ask('rooms?ns=/news')), []);
    assert.deepEqual(await data(ask('rooms/nobody/sockets')), []);
    assert.equal((await ask('rooms?ns=/none')).status, 404);
    c.close();
    await eventually(async () => (await data(ask('rooms'))).length === 1, 'the room to go');
  });

  it('make a socket join and leave, wherever it is', async () => {
    const [a, b] = [await enter(1), await enter(2)];
    const [red, green] = [unique('red'), unique('green')];
    assert.deepEqual(await data(call('join', { sid: b.id, room: red })), { sockets: 1 });
    assert.deepEqual(await data(ask(`rooms/${red}/sockets`)), [b.id]);
    await data(call('emit', { room: red, event: 'to-red', args: [] }));
    await b.event('to-red');
    await data(call('join', { rooms: [green] })); // everybody
    await data(call('emit', { room: green, event: 'to-green', args: [] }));
    for (const client of [a, b]) await client.event('to-green');
    assert.deepEqual(await data(call('leave', { sid: b.id, rooms: [red, green] })), { sockets: 1 });
    assert.deepEqual((await data(ask(`rooms/${red}/sockets`))), []);
    assert.deepEqual((await data(ask(`rooms/${green}/sockets`))), [a.id]);
    await data(call('emit', { room: green, event: 'to-green', args: [2] }));
    await a.event('to-green', 2);
    await data(call('emit', { event: 'end', args: [] }));
    await b.event('end');
    assert.equal(b.all('to-green').length, 1);
    for (const sid of ['A'.repeat(20), 'x', '__proto__'])
      assert.equal((await call('join', { sid, room: red })).status, 404);
  });

  it('disconnect a socket, or those of a room', async () => {
    const [a, b, c, d] = [await enter(1), await enter(2), await enter(3), await enter(1)];
    const red = unique('red');
    for (const client of [b, c]) await client.ask('join', red);
    await data(call('disconnect', { sid: a.id }));
    await a.until(() => a.disconnects.length, 'the end');
    assert.deepEqual(a.disconnects, ['io server disconnect']);
    assert.equal(a.socket.active, false, 'it does not come back by itself');
    assert.deepEqual(await data(call('disconnect', { room: red })), { sockets: 2 });
    for (const client of [b, c]) await client.until(() => client.disconnects.length, 'the end');
    assert.deepEqual(await data(ask('counts')), { sockets: 1, rooms: 0 });
    assert.deepEqual(d.disconnects, []);
    const heir = await IoClient.connect(stack, { relay: 3 });
    assert.equal((await heir.ask('message', b.name))[0].success, true, 'its name is free');
    heir.close();
  });

  it('refuse what makes no sense, and change nothing', async () => {
    const a = await enter(1);
    const bad = [
      ['emit', {}], ['emit', { event: '' }], ['emit', { event: 1 }], ['emit', { event: 'disconnect', args: [] }],
      ['emit', { event: 'x', args: {} }],
      ['emit', { event: 'x', args: 'y' }], ['emit', { event: 'x', room: 1 }], ['emit', { event: 'x', room: [1] }],
      ['emit', { event: 'x', room: '' }],
      ['emit', { event: 'x', room: 'r'.repeat(129) }], ['emit', { event: 'x', except: {} }],
      ['emit', { event: 'x', ns: 1 }], ['emit', '{'], ['emit', '[]'],
      ['emit', { event: 'x', args: [], volatile: 'yes' }], ['emit', '{"event":"x","args":["\\ud800"]}'],
      ['join', {}], ['join', { sid: a.id }], ['join', { sid: a.id, room: '' }], ['leave', { sid: 1, room: 'r' }],
      ['disconnect', { sid: a.id, room: 'r' }],
    ];
    for (const [name, body] of bad)
      assert.equal((await call(name, body)).status, 400, `${name} ${JSON.stringify(body)}`);
    await settleChat(a);
    assert.deepEqual(a.disconnects, []);
    assert.equal(a.events.filter(({ name }) => name !== 'message').length, 0);
  });

  it('sockets of a relay that was killed are gone from the lists within its lease', async () => {
    const [a, b] = [await enter(1), await enter(2)];
    const red = unique('red');
    for (const client of [a, b]) await client.ask('join', red);
    b.socket.io.reconnection(false);
    await stack.kill('relay2', 'KILL');
    await eventually(async () => (await data(ask(`rooms/${red}/sockets`))).length === 1, 'the dead socket to go');
    assert.deepEqual(await data(ask(`rooms/${red}/sockets`)), [a.id]);
    assert.deepEqual(await data(ask('counts')), { sockets: 1, rooms: 1 });
    await stack.startPart('relay2');
  });

  it('are off without a token in the configuration', async () => {
    const off = await Stack.start({ relays: 1 });
    try {
      for (const headers of [{}, { Authorization: 'Bearer ' }, bearer]) {
        const answer = await post(`${off.url}/api/io/emit`, { event: 'x', args: [] }, headers);
        assert.ok([401, 403, 404].includes(answer.status), String(answer.status));
      }
      await off.checkAndStop();
    } finally {
      await off.remove();
    }
  });

  it('everything is in order afterwards', () => {
    for (const client of clients.splice(0)) client.close();
    return stack.checkAndStop();
  });
});
