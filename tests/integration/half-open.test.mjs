// Connections that were not let in take no place of those who come: whoever opens them from one address pushes out their
// own, a newcomer is in within a second, and what they took is given back. Bounds are small here, so that few do it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Client, enter, unique } from './lib/client.mjs';
import { Native } from './lib/native.mjs';
import { handshake } from './lib/raw.mjs';
import { Stack, eventually, request } from './lib/stack.mjs';
import { png, form } from './lib/uploads.mjs';

const GUESTS = 40;
const FLOOD = 400;

describe('connections that were not let in', () => {
  let stack, files;
  const open = [];

  before(async () => {
    stack = await Stack.start({ relays: 1, settings: { max_connections: 150, lobby_max: 60, lobby_address_max: GUESTS,
      grace_ms: '100ms', log_level: 'info' } });
    files = descriptors();
  });
  after(async () => {
    letGo();
    await stack.checkAndStop();
    await stack.remove();
  });

  function descriptors() {
    return fs.readdirSync(`/proc/${stack.pid('relay1')}/fd`).length;
  }
  function letGo() {
    for (const socket of open.splice(0)) socket.destroy();
  }
  /** A connection to the relay itself (1) or to nginx (0) that says `text` and no more. */
  function connect(relay, text) {
    return new Promise((resolve, reject) => {
      const socket = net.connect(relay ? stack.relayPort(relay) : stack.port, '127.0.0.1', () => {
        if (text) socket.write(text);
        resolve(socket);
      });
      socket.on('error', reject);
      socket.on('error', () => {});
      socket.resume();
      open.push(socket);
    });
  }
  const flood = async (relay, text) => {
    for (let i = 0; i < FLOOD; i += 20) await Promise.all(Array.from({ length: 20 }, () => connect(relay, text)));
  };
  /** The result of `act`, done again where it took longer: a machine may stand still for a second, a server may not. */
  async function within(ms, act, what) {
    const took = [];
    for (let i = 0; i < 3; i++) {
      const began = performance.now();
      const result = await act();
      took.push(Math.round(performance.now() - began));
      if (took[i] < ms) return result;
    }
    assert.fail(`${what} took ${took.join(', ')} ms`);
  }
  /** Somebody who comes with Socket.IO over polling, as the official client does. */
  async function comesByPolling(relay) {
    const url = `http://127.0.0.1:${relay ? stack.relayPort(relay) : stack.port}/socket.io/?EIO=4&transport=polling`;
    const hello = await request(url);
    assert.equal(hello.status, 200, hello.text);
    const own = `${url}&sid=${JSON.parse(hello.text.slice(1)).sid}`;
    assert.equal((await request(own, { method: 'POST', body: '40' })).text, 'ok');
    assert.match((await request(own)).text, /^40\{"sid"/);
    return own;
  }
  /** While the flood is there. */
  async function newcomersGetIn(seat) {
    for (const relay of [0, 1]) {
      await within(1000, () => comesByPolling(relay), 'Socket.IO');
      const client = await within(1000, () => Client.join(stack, seat, { relay }), 'a chatroom');
      await client.heard(client.say(unique('tea')));
      await client.close();
    }
    const native = await within(1000, () => Native.hello(stack, { user: seat.nickId }), 'hello');
    await native.close();
  }
  async function holdsOff(relay, text) {
    const seat = await enter(stack, unique('room'), unique('nick'));
    // Put out by those that came after them, or turned away because those that were put out had not yet closed.
    const repelled = async () => {
      const metrics = await stack.metrics('relay1');
      return metrics.lobby_put_out_total + metrics.http_turned_away_total;
    };
    const before = await repelled();
    await flood(relay, text);
    // Whoever comes while the flood still does is a guest among its guests, of the same address.
    await eventually(async () => (await repelled()) >= before + FLOOD - 2 * GUESTS, 'the flood to have come');
    await newcomersGetIn(seat);
    const metrics = await stack.metrics('relay1');
    assert.ok(metrics.lobby_guests <= GUESTS, `${metrics.lobby_guests} guests`);
    assert.ok(descriptors() <= files + 2 * GUESTS + 2 * 64, `${descriptors()} descriptors, ${files} at first`);
    letGo();
    const kept = 2 * 64 + 12; // nginx' workers keep connections to the relay
    await eventually(async () => descriptors() <= files + kept, 'its descriptors to be given back');
  }

  for (const relay of [1, 0]) {
    const way = relay ? 'directly' : 'through nginx';
    it(`${way}: handshakes of Engine.IO that join nothing`, () =>
      holdsOff(relay, 'GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n'));

    it(`${way}: WebSockets of Engine.IO that join nothing`, () =>
      holdsOff(relay, handshake('/socket.io/?EIO=4&transport=websocket', { Host: 'localhost' })));

    it(`${way}: native connections that never say hello`, () =>
      holdsOff(relay, handshake('/v1', { Host: 'localhost', 'Sec-WebSocket-Protocol': 'chaguan.v1' })));
  }

  it('connections without a word', () => holdsOff(1, ''));
  it('connections whose head never ends', () => holdsOff(1, 'GET / HTTP/1.1\r\nHost: loc'));
  it('connections that are kept alive for nothing', () => holdsOff(1, 'GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n'));
  it('connections whose body never ends', () =>
    holdsOff(1, 'POST /rooms/x/send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n{'));

  it('who was let in stays, whatever comes after', async () => {
    const seat = await enter(stack, unique('room'), unique('nick'));
    const client = await Client.join(stack, seat, { relay: 1 });
    const own = await comesByPolling(1);
    const poll = request(own);
    await flood(1, '');
    await flood(1, 'GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await client.heard(client.say(unique('tea')));
    assert.equal((await request(own, { method: 'POST', body: '1' })).text, 'ok');
    await poll;
    letGo();
    await client.close();
  });
});

describe('uploads that never end', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ relays: 1, addressRate: 50, settings: { rate_creations: 1, rate_creations_burst: 6 } });
    // Behind another proxy: the tests say whose a request is.
    const file = stack.file('nginx/chaguan.conf'), text = fs.readFileSync(file, 'utf8');
    fs.writeFileSync(file, text.replace('server_tokens off;',
      '$& set_real_ip_from 127.0.0.1; real_ip_header X-Whose;'));
    await stack.kill('nginx', 'HUP');
    await eventually(async () => {
      await request(`${stack.url}/mysql/getRoomNums`, { headers: { 'X-Whose': '192.0.2.99' } });
      return stack.read('nginx.access.log').includes('peer=192.0.2.99 ');
    }, 'nginx to be told whose a request is');
  });
  after(async () => {
    await stack.checkAndStop();
    await stack.remove();
  });

  /** So many requests whose bodies do not end, of `whose(i)`: {call, status, retry}, status 'waits' if there is no answer. */
  const begin = (count, path, length, whose) => Promise.all(Array.from({ length: count }, (_, i) =>
    new Promise((resolve) => {
      const call = http.request(`${stack.url}${path}`, { method: 'POST', agent: false, headers: { 'X-Whose': whose(i),
        'Content-Type': 'multipart/form-data; boundary=x', 'Content-Length': length } });
      call.on('response', (answer) => {
        answer.resume();
        resolve({ call, status: answer.statusCode, retry: answer.headers['retry-after'] });
      });
      call.on('error', () => resolve({ call, status: 'cut' }));
      call.write('--x\r\n'.padEnd(length / 2 < 64_000 ? length / 2 : 64_000, 'y'));
      setTimeout(() => resolve({ call, status: 'waits' }), 2000);
    })));
  const waiting = (calls) => calls.filter(({ status }) => status === 'waits').length;

  it('are sixteen of one address at most; the others are told when to come again, and other calls go on', async () => {
    const calls = await begin(40, '/api/upload', 20_000_000, () => '127.0.0.1');
    const waits = calls.filter(({ status }) => status === 'waits').length;
    assert.equal(waits, 16, JSON.stringify(calls.map(({ status }) => status)));
    for (const { status, retry } of calls.filter(({ status }) => status !== 'waits')) {
      assert.equal(status, 429);
      assert.equal(retry, '1');
    }
    const rooms = await request(`${stack.url}/api/getRoomNums`);
    assert.equal(rooms.status, 200);
    for (const { call } of calls) call.destroy();
    await eventually(async () => (await request(`${stack.url}/api/upload`, { method: 'POST',
      ...form([{ name: 'file', filename: 'a.png', type: 'image/png', bytes: png(150_000) }]) })).status !== 429,
    'that it may again');
  });

  it('are charged to the /64 of an IPv6 address, and to the IPv4 address within one', async () => {
    const calls = await begin(20, '/api/upload', 200_000, (i) => `2001:db8::${i % 3}:${i + 1}`);
    assert.equal(waiting(calls), 16, 'three spellings of one /64');
    const others = await begin(2, '/api/upload', 200_000, (i) => `2001:db8:0:${i + 1}::1`);
    assert.equal(waiting(others), 2, 'the neighbours of that /64');
    for (const { call } of [...calls, ...others]) call.destroy();
    const mapped = await begin(20, '/api/upload', 200_000, (i) => (i % 2 ? '::ffff:192.0.2.7' : '192.0.2.7'));
    assert.equal(waiting(mapped), 16);
    for (const { call } of mapped) call.destroy();
  });

  it('smaller bodies, which nginx keeps in memory, have a number too', async () => {
    const calls = await begin(260, '/mysql/createChatroom', 50_000, () => '192.0.2.8');
    assert.equal(waiting(calls), 250);
    assert.equal(calls.find(({ status }) => status !== 'waits').status, 429);
    for (const { call } of calls) call.destroy();
  });

  it('requests of one address have a rate', async () => {
    const headers = { 'X-Whose': '192.0.2.9' }, url = `${stack.url}/mysql/getRoomNums`;
    const answers = [];
    for (let i = 0; i < 30; i++) answers.push(...await Promise.all(Array.from({ length: 30 }, () => request(url, { headers }))));
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length > 0 && answers.length - refused.length >= 500, `${refused.length} of ${answers.length} refused`);
    assert.equal(refused[0].headers['retry-after'], '1');
    assert.deepEqual(refused[0].json, { error: 'too many requests' });
    assert.equal((await request(url, { headers: { 'X-Whose': '192.0.2.10' } })).status, 200);
    await eventually(async () => (await request(url, { headers })).status === 200, 'that it may again');
  });

  it('what stays for ever is made at a rate', async () => {
    let last;
    for (let i = 0; i < 10; i++) {
      last = await stack.api('createChatroom', { chatroomName: unique('room'), nickName: unique('nick'), headNum: 1 });
      if (last.status === 429) break;
    }
    assert.equal(last.status, 429);
    assert.equal(last.json.code, 'rate');
    assert.ok(Number(last.headers['retry-after']) >= 1);
    assert.equal((await request(`${stack.url}/api/getRoomNums`)).status, 200);
  });
});

describe('one client by default', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ relays: 1 });
  });
  after(async () => {
    await stack.checkAndStop();
    await stack.remove();
  });

  it('keeps no other from the REST threads, however long its requests take', async () => {
    const seat = await enter(stack, unique('room'), unique('nick'));
    const client = await Client.join(stack, seat, { relay: 1 });
    await client.heard(client.say(unique('tea')));
    await client.close();
    const locks = await stack.database();
    await locks.query('BEGIN');
    const [{ conversation, user }] = await stack.sql(`SELECT m.conversation, m.user FROM member m
      JOIN conversation c ON c.id = m.conversation WHERE c.public_id = ?`, [seat.roomId]);
    await locks.query('SELECT 1 FROM member WHERE conversation = ? AND user = ? FOR UPDATE', [conversation, user]);
    let answered = 0;
    const body = JSON.stringify({ nickId: seat.nickId, seq: 1000 });
    const mark = { method: 'POST', from: '127.0.0.9', body,
      headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) } };
    const stuck = Array.from({ length: 40 }, () => request(`${stack.url}/api/rooms/${seat.roomId}/read`, mark)
      .then((answer) => {
        answered++;
        return answer;
      }));
    await eventually(async () => (await stack.metric('rest', 'requests_waiting')) === 40 - 16 / 2, 'half of the threads to hang');
    for (let i = 0; i < 3; i++) await enter(stack, unique('room'), unique('nick'));
    assert.equal(answered, 0, 'those came in while all the others waited');
    await locks.query('ROLLBACK');
    await locks.end();
    const statuses = (await Promise.all(stuck)).map(({ status }) => status);
    assert.deepEqual(statuses.filter((status) => status !== 200 && status !== 503), []);
    assert.equal(await stack.metric('rest', 'requests_waiting'), 0);
  });

  it('may say so many bytes', async () => {
    const seat = await enter(stack, unique('room'), unique('nick'));
    const client = await Client.join(stack, seat, { relay: 1 });
    for (let i = 0; i < 200; i++) client.say(`${unique('long')}${'x'.repeat(60_000)}`);
    await client.until(() => client.events.some(({ type, data }) => type === 'error' && data.code === 'rate'),
      'a refusal');
    await client.close();
    const bytes = await stack.count(`SELECT COALESCE(SUM(LENGTH(content)), 0) FROM message WHERE content LIKE 'long%'`);
    assert.ok(bytes <= 9 * 1024 * 1024, `${bytes} bytes`);
  });
});
