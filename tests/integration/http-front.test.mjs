// The relay's own HTTP: slow, broken and smuggled requests, many idle and held ones, no descriptor left, and requests
// that reach a relay that they are not for.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Client, enter, settle, unique } from './lib/client.mjs';
import { Raw, handshake } from './lib/raw.mjs';
import { Stack, eventually, request } from './lib/stack.mjs';

const get = (path, more = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;
const count = (raw, text) => raw.text.split(text).length - 1;

describe('the HTTP front of a relay', () => {
  let stack, near, far, seat;
  const unharmed = () => settle(near, far);
  /** What a connection that says this gets, all of it, once it is over. */
  const all = async (port, ...pieces) => {
    const raw = await Raw.connect(port);
    for (const piece of pieces) raw.send(piece);
    await raw.end();
    return raw.text;
  };
  const metric = (relay, name) => stack.metric(`relay${relay}`, name);
  const cpuTicks = (name) => {
    const fields = stack.statOf(name).split(') ')[1].split(' ');
    return Number(fields[11]) + Number(fields[12]); // utime, stime: hundredths of a second
  };
  before(async () => {
    stack = await Stack.start({ settings: { handshake_timeout_ms: '2s', http_idle_ms: '3s', max_connections: 4000,
      user_sockets_max: 0 } });
    stack.statOf = (name) => fs.readFileSync(`/proc/${stack.pid(name)}/stat`, 'latin1');
    seat = await enter(stack, unique('room'), unique('nick'));
    near = await Client.join(stack, seat, { relay: 1 });
    far = await Client.join(stack, await enter(stack, seat.roomName, unique('far')), { relay: 2 });
  });
  after(() => stack?.remove());

  it('a connection is kept for the next request, closed when asked to, and after a while of silence', async () => {
    const raw = await Raw.connect(stack.relayPort(1));
    for (let i = 1; i <= 3; i++) {
      raw.send(get('/healthz'));
      await raw.until(() => count(raw, '\r\n\r\nok\n') === i, 'an answer');
    }
    await raw.end('the end of an idle connection');
    assert.match(await all(stack.relayPort(1), get('/healthz', 'Connection: close\r\n')),
      /^HTTP\/1\.1 200 OK\r\n[\s\S]*Connection: close\r\n[\s\S]*ok\n$/);
    assert.match(await all(stack.relayPort(1), 'GET /healthz HTTP/1.0\r\n\r\n'), /Connection: close/);
  });

  it('a thousand requests in one write are answered in their order', async () => {
    const raw = await Raw.connect(stack.relayPort(1));
    raw.send(Array.from({ length: 500 }, () => get('/healthz') + get('/nope')).join(''));
    await raw.until(() => count(raw, 'HTTP/1.1 ') === 1000, 'a thousand answers');
    assert.deepEqual(raw.text.match(/HTTP\/1\.1 (\d+)/g).slice(0, 4),
      ['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200', 'HTTP/1.1 404']);
    raw.destroy();
  });

  it('half a head and half a body are told that they took too long', async () => {
    await stack.counts('http_timeouts_total', async () => {
      const head = await Raw.connect(stack.relayPort(1));
      const body = await Raw.connect(stack.relayPort(1));
      head.send('GET /healthz HTTP/1.1\r\nHo');
      body.send(`POST /rooms/${seat.roomId}/send HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{`);
      await Promise.all([head.end(), body.end()]);
      for (const raw of [head, body]) assert.match(raw.text, /^HTTP\/1\.1 408 /);
    }, 2);
    await unharmed();
  });

  it('a body that breaks off is no message, however whole it looks', async () => {
    const stored = () => stack.count('SELECT COUNT(*) FROM message WHERE kind = 1');
    const before = await stored();
    const body = JSON.stringify({ nickId: seat.nickId, content: unique('half') });
    for (const port of [stack.port, stack.relayPort(1)]) {
      for (const head of [`Content-Length: ${body.length + 1}\r\n\r\n${body}`,
        `Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n`]) {
        const raw = await Raw.connect(port);
        raw.send(`POST /rooms/${seat.roomId}/send HTTP/1.1\r\nHost: x\r\n${head}`);
        raw.socket.end();
        await raw.end();
        assert.ok(raw.status === undefined || raw.status >= 400, raw.text);
      }
    }
    assert.equal(await stored(), before);
    await unharmed();
  });

  it('what could smuggle a request is refused, and what follows it is none', async () => {
    const post = `POST /rooms/${seat.roomId}/send HTTP/1.1\r\nHost: x\r\n`;
    const bad = [
      `${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      `${post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde`,
      `${post}Content-Length: -1\r\n\r\n`, `${post}Content-Length: 0x5\r\n\r\nabcde`,
      `${post}Content-Length : 5\r\n\r\nabcde`,
      `${post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
      `${post}Transfer-Encoding: chunked\r\n\r\n5\r\nabcdeXX0\r\n\r\n`,
      `${post}X: folded\r\n Content-Length: 5\r\n\r\nabcde`, `${post}X: y\nContent-Length: 5\r\n\r\nabcde`,
      get('/healthz', 'Host: y\r\n'),
    ];
    for (const text of bad) {
      const got = await all(stack.relayPort(1), text, get('/healthz'));
      assert.match(got, /^HTTP\/1\.1 400 /, text);
      assert.equal(got.split('HTTP/1.1 ').length, 2, text);
    }
    await unharmed();
  });

  it('each limit has its status', async () => {
    const port = stack.relayPort(1);
    assert.match(await all(port, get(`/?${'x'.repeat(10_000)}`)), /^HTTP\/1\.1 414 /);
    assert.match(await all(port, get('/healthz', `X: ${'y'.repeat(10_000)}\r\n`)), /^HTTP\/1\.1 431 /);
    assert.match(await all(port, get('/healthz', `X: ${'y'.repeat(8000)}\r\n`.repeat(5))), /^HTTP\/1\.1 431 /);
    const path = `/rooms/${seat.roomId}/send`;
    assert.match(await all(port, `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${1 << 30}\r\n\r\n`),
      /^HTTP\/1\.1 413 /);
    assert.match(await all(port,
      `POST ${path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n${'z'.repeat(3_000_000)}`),
      /^HTTP\/1\.1 413 /);
    assert.match(await all(port, 'GET / HTTP/2.0\r\nHost: x\r\n\r\n'), /^HTTP\/1\.1 505 /);
    await unharmed();
  });

  it('h2c gets no tunnel, directly or through nginx, wherever it asks', async () => {
    const h2c = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n';
    for (const port of [stack.port, stack.relayPort(1)]) {
      for (const path of ['/', '/healthz', `/rooms/${seat.roomId}/poll?nickId=${seat.nickId}&wait=0`,
        '/socket.io/?EIO=4&transport=polling', '/nope']) {
        const raw = await Raw.connect(port);
        raw.send(get(path, h2c));
        await raw.until(() => raw.status, 'an answer');
        assert.notEqual(raw.status, 101, path);
        if (port !== stack.port) assert.equal(raw.status, 400, path);
        raw.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
        raw.destroy();
      }
    }
  });

  it('a frame right behind the handshake is not lost', async () => {
    const raw = await Raw.connect(stack.relayPort(1));
    const text = JSON.stringify({ type: 'query-logs', sendUserId: seat.nickId, sendRoom: seat.roomId });
    const mask = Buffer.alloc(4);
    const frame =
      Buffer.concat([Buffer.from([0x81, 0xfe, text.length >> 8, text.length & 255]), mask, Buffer.from(text)]);
    raw.send(Buffer.concat([Buffer.from(handshake(`/?roomId=${seat.roomId}&nickId=${seat.nickId}`)), frame]));
    await raw.until(() => raw.frames.some((f) => f.payload.includes('"logs"')), 'the history');
    raw.destroy();
  });

  it('a thousand connections that say nothing harm nobody and are cut', async () => {
    const before = await metric(1, 'http_connections');
    const mute = await Promise.all(Array.from({ length: 1000 }, () => Raw.connect(stack.relayPort(1))));
    await unharmed();
    await Promise.all(mute.map((raw) => raw.end()));
    await eventually(async () => (await metric(1, 'http_connections')) <= before, 'nothing left');
    await unharmed();
  });

  it('a thousand held polls whose clients vanish are noticed at once and cost nothing afterwards', async (t) => {
    const seat = await enter(stack, unique('room'), unique('nick')); // nobody else is there, so nothing happens there
    const before = await metric(1, 'connections'); // a held poll is one, an idle HTTP connection is not
    const aborted = await metric(1, 'http_aborted_total');
    const direct = `http://127.0.0.1:${stack.relayPort(1)}/rooms/${seat.roomId}/poll?nickId=${seat.nickId}`;
    // The user's own arrival is an event, and comes a little after the first poll.
    const { next, epoch } = await eventually(async () => {
      const { json } = await request(`${direct}&after=0&wait=0`);
      return json.events.some((event) => event.data.log_user_name === 'system') && json;
    }, 'its arrival');
    const poll = get(`/rooms/${seat.roomId}/poll?nickId=${seat.nickId}&after=${next}&epoch=${epoch}&wait=50`);
    const held = [];
    for (let i = 0; i < 1000; i++) {
      const raw = await Raw.connect(stack.relayPort(1));
      raw.send(i % 2 ? poll : poll + get('/healthz') + 'and more that nobody reads while the first is held');
      held.push(raw);
    }
    await eventually(async () => (await metric(1, 'connections')) >= before + 1000, 'a thousand held');
    const heldFrom = cpuTicks('relay1');
    await new Promise((resolve) => setTimeout(resolve, 2000)); // what is measured is a stretch of time
    const holding = cpuTicks('relay1') - heldFrom;
    held.forEach((raw, i) => (i % 3 ? raw.destroy() : raw.socket.resetAndDestroy()));
    await eventually(async () => (await metric(1, 'connections')) <= before, 'all gone');
    assert.ok((await metric(1, 'http_aborted_total')) >= aborted + 1000);
    const goneFrom = cpuTicks('relay1');
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const afterwards = cpuTicks('relay1') - goneFrom;
    t.diagnostic(
      `relay CPU in 2 s: ${holding * 10} ms holding 1,000 polls, ${afterwards * 10} ms after their clients vanished`);
    assert.ok(holding < 50 && afterwards < 50, 'a relay that spins would take 200 hundredths');
    await unharmed();
  });

  it('without a free descriptor the oldest that was not let in goes, and accepting goes on', async () => {
    const pid = stack.pid('relay2');
    const open = fs.readdirSync(`/proc/${pid}/fd`).length;
    const out = await metric(2, 'lobby_put_out_total');
    await stack.limitFiles('relay2', open + 6);
    const crowd = await Promise.all(Array.from({ length: 40 }, () => Raw.connect(stack.relayPort(2))));
    const used = cpuTicks('relay2');
    await unharmed(); // who is in goes on
    await new Promise((resolve) => setTimeout(resolve, 1000));
    assert.ok(cpuTicks('relay2') - used < 30, 'and it does not spin');
    crowd.at(-1).send(get('/healthz'));
    await crowd.at(-1).until(() => crowd.at(-1).status === 200, 'an answer to the last in the queue');
    await stack.limitFiles('relay2');
    assert.ok((await metric(2, 'lobby_put_out_total')) > out);
    for (const raw of crowd) raw.destroy();
    await unharmed();
  });

  describe('a request that reaches a relay that it is not for', () => {
    const io = (relay, query, options) =>
      request(`http://127.0.0.1:${stack.relayPort(relay)}/socket.io/?EIO=4&transport=polling${query}`, options);
    const open = async () => JSON.parse((await io(1, '')).text.slice(1)).sid;
    /** CONNECT and its answer, all of it at the relay that does not have the connection. */
    const talk = async () => {
      const sid = await open();
      assert.equal((await io(2, `&sid=${sid}`,
        { method: 'POST', body: '40', headers: { 'Content-Type': 'text/plain;charset=UTF-8' } })).text, 'ok');
      assert.match((await io(2, `&sid=${sid}`)).text, /^40\{"sid":/);
      return sid;
    };

    it('is answered by the one that it is for, with its socket', async () => {
      const given = await metric(2, 'handoffs_given_total');
      const taken = await metric(1, 'handoffs_taken_total');
      await talk();
      assert.equal(await metric(2, 'handoffs_given_total'), given + 2);
      assert.equal(await metric(1, 'handoffs_taken_total'), taken + 2);
    });

    it('also as a held poll whose client then leaves, and as a WebSocket that upgrades it', async () => {
      const sid = await talk();
      const ws = await Raw.connect(stack.relayPort(2));
      ws.send(handshake(`/socket.io/?EIO=4&transport=websocket&sid=${sid}`));
      await ws.until(() => ws.status === 101, 'the handshake');
      ws.destroy();
      const left = await talk();
      const aborted = await metric(1, 'http_aborted_total');
      const raw = await Raw.connect(stack.relayPort(2));
      const given = await metric(2, 'handoffs_given_total');
      raw.send(get(`/socket.io/?EIO=4&transport=polling&sid=${left}`));
      await eventually(async () => (await metric(2, 'handoffs_given_total')) > given, 'it is handed over');
      raw.destroy();
      await eventually(async () => (await metric(1, 'http_aborted_total')) > aborted, 'the other relay to notice');
    });

    it('goes over TCP where a socket cannot be given', async () => {
      fs.renameSync(stack.file('relay1.sock.handoff'), stack.file('relay1.sock.away'));
      try {
        await new Promise((resolve) => net.connect(stack.relayPort(2), '127.0.0.1', resolve).end());
        const spliced = await metric(2, 'handoffs_spliced_total');
        await stack.kill('relay2');
        await stack.startPart('relay2'); // which has no connection to the other's socket yet
        far = await Client.join(stack, far.seat, { relay: 2 });
        await talk();
        assert.ok((await metric(2, 'handoffs_spliced_total')) >= 2, `${spliced}`);
      } finally {
        fs.renameSync(stack.file('relay1.sock.away'), stack.file('relay1.sock.handoff'));
      }
      await unharmed();
    });

    it('is refused when it says itself that it was handed over, or when no relay is meant', async () => {
      const sid = await open();
      const forged = await io(2, `&sid=${sid}`, { headers: { 'X-Chaguan-Handed': '1' } });
      assert.deepEqual([forged.status, forged.json.code], [400, 1]);
      assert.equal((await io(1, `&sid=${sid}`,
        { method: 'POST', body: '40', headers: { 'Content-Type': 'text/plain' } })).text, 'ok');
    });
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
