// Handshakes that must not become a conversation, and plain HTTP at the relays' ports. Whatever comes, a bystander in
// the room goes on talking.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, enter, settle, unique } from './lib/client.mjs';
import { Raw, handshake } from './lib/raw.mjs';
import { Stack, eventually, post, request } from './lib/stack.mjs';

describe('hostile handshakes', () => {
  let stack, near, far, seat, stranger;
  /** Both bystanders, on different relays, still send and receive. */
  const unharmed = () => settle(near, far);
  const good = () => `/?roomId=${seat.roomId}&nickId=${seat.nickId}`;
  /** Every way in: nginx and one relay directly. */
  const entrances = () => [stack.port, stack.relayPort(1)];
  /** The status that a raw request gets. */
  const status = async (port, text) => {
    const raw = await Raw.connect(port);
    raw.send(text);
    await raw.until(() => raw.status || raw.over, 'an answer');
    const got = raw.status;
    raw.destroy();
    return got;
  };
  before(async () => {
    stack = await Stack.start({ settings: { handshake_timeout_ms: '2s', max_connections: 60 } });
    seat = await enter(stack, unique('room'), unique('nick'));
    stranger = await enter(stack, unique('room'), unique('stranger'));
    near = await Client.join(stack, seat, { relay: 1 });
    far = await Client.join(stack, await enter(stack, seat.roomName, unique('far')), { relay: 2 });
  });
  after(() => stack?.remove());

  for (const relay of [0, 1, 2]) {
    it(`${relay ? `relay ${relay}` : 'nginx'}: who does not say where, or does not belong there, ` +
      `is told so and counted`, async () => {
      const none = `0123456789abcdef0123456789abcdef`;
      const { roomId, nickId } = seat;
      const cases = [
        ['', 'Room ID not provided'], ['?', 'Room ID not provided'], ['?nickId=x', 'Room ID not provided'],
        [`?nickId=${nickId}`, 'Room ID not provided'],
        [`?roomId=&nickId=${nickId}`, 'Room ID not provided'],
        [`?room=${roomId}&nickId=${nickId}`, 'Room ID not provided'],
        [`?ROOMID=${roomId}&nickId=${nickId}`, 'Room ID not provided'],
        [`?roomId=${roomId}`, 'Unknown user'], [`?roomId=${roomId}&nickId=`, 'Unknown user'],
        [`?roomId=${roomId}&nickId=user_${none}`, 'Unknown user'],
        [`?roomId=${roomId}&nickId=${nickId}%20`, 'Unknown user'],
        [`?roomId=${roomId}&nickId=${nickId}+`, 'Unknown user'],
        [`?roomId=${roomId}&nickId=${nickId}%00`, 'Unknown user'],
        [`?roomId=${roomId}&nickId=${nickId}%`, 'Unknown user'],
        [`?roomId=${roomId}&nickId=%20${nickId}`, 'Unknown user'],
        [`?roomId=${roomId}&nickId=${nickId.toUpperCase()}`, 'Unknown user'],
        [`?roomId=${roomId}&nickId=%25`, 'Unknown user'],
        [`?roomId=${roomId}&nickId=user_%25`, 'Unknown user'],
        [`?roomId=${roomId}&nickId='%20OR%201=1--`, 'Unknown user'],
        [`?roomId=${roomId}&nickId=${roomId}`, 'Unknown user'], [`?roomId=${roomId}&nickId=%ff%fe`, 'Unknown user'],
        [`?roomId=${roomId}&nickId=${'x'.repeat(1500)}`, 'Unknown user'],
        [`?roomId=room_${none}&nickId=${nickId}`, 'Unknown room'],
        [`?roomId=${roomId}%20&nickId=${nickId}`, 'Unknown room'],
        [`?roomId=%25&nickId=${nickId}`, 'Unknown room'], [`?roomId='%20OR%201=1--&nickId=${nickId}`, 'Unknown room'],
        [`?roomId=${nickId}&nickId=${nickId}`, 'Unknown room'],
        [`?roomId=${roomId.slice(0, -1)}&nickId=${nickId}`, 'Unknown room'],
        [`?roomId=${roomId}%E0%80&nickId=${nickId}`, 'Unknown room'],
        [`?roomId=${roomId}&nickId=${stranger.nickId}`, 'Not a member of this room'],
        [`?roomId=${stranger.roomId}&nickId=${nickId}`, 'Not a member of this room'],
      ];
      await stack.counts('admissions_refused_total', async () => {
        for (const [query, reason] of cases) {
          const client = Client.dial(stack, query, { relay });
          assert.deepEqual(await client.closed, { code: 1008, reason }, query);
          assert.deepEqual(client.frames, [], 'nothing of the room is shown');
        }
      }, cases.length);
      await near.present(near.seat.nick, far.seat.nick);
      await unharmed();
    });
  }

  it('other versions, methods and kinds of upgrade get no 101', async () => {
    const requests = {
      'no key': handshake(good(), { 'Sec-WebSocket-Key': undefined }),
      'no version': handshake(good(), { 'Sec-WebSocket-Version': undefined }),
      'version 8': handshake(good(), { 'Sec-WebSocket-Version': '8' }),
      'version 0': handshake(good(), { 'Sec-WebSocket-Version': '0' }),
      'version 130': handshake(good(), { 'Sec-WebSocket-Version': '130' }),
      'POST': handshake(good(), { 'Content-Length': '0' }, 'POST'),
      'PUT': handshake(good(), {}, 'PUT'),
      'OPTIONS': handshake(good(), {}, 'OPTIONS'),
      'h2c': handshake(good(), { Upgrade: 'h2c', Connection: 'Upgrade, HTTP2-Settings',
        'HTTP2-Settings': 'AAMAAABkAARAAAAAAAIAAAAA' }),
      'h2c and websocket': handshake(good(), { Upgrade: 'h2c, websocket' }),
      'another protocol': handshake(good(), { Upgrade: 'TLS/1.0' }),
      'no connection header': handshake(good(), { Connection: undefined }),
      'an unknown path': handshake('/nope/nope'),
      'a path that climbs': handshake(`/../../etc/passwd${good()}`),
      'one that climbs at its end, with escapes': handshake(`/a/%2e%2e${good().slice(1)}`),
      'a key of 15 bytes': handshake(good(), { 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAA' }),
      'a key that is no base64': handshake(good(), { 'Sec-WebSocket-Key': '!!!!!!!!!!!!!!!!!!!!!!==' }),
      'two keys': handshake(good(), { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }),
      'two versions': handshake(good(), { 'sec-websocket-version': '13' }),
    };
    for (const port of entrances()) {
      for (const [what, text] of Object.entries(requests)) {
        const got = await status(port, text);
        assert.notEqual(got, 101, what);
        if (what === 'an unknown path') assert.equal(got, 404);
      }
    }
    await unharmed();
  });

  it('an HTTP/2 preface, TLS, noise and endless headers end the connection and nothing else', async () => {
    const noise = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 167 + 13) % 256));
    const openings = ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', Buffer.from('16030100ff010000fb0303', 'hex'), noise,
      '\0'.repeat(2000), '\r\n'.repeat(2000),
      `GET /?${'x'.repeat(70_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, handshake(good(), { 'X-Long': 'y'.repeat(70_000) }),
      `GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(20_000)}\r\n`, 'GET\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n',
      `${'G'.repeat(20_000)} / HTTP/1.1\r\n\r\n`];
    for (const port of entrances()) {
      for (const opening of openings) {
        const raw = await Raw.connect(port);
        raw.send(opening);
        await raw.until(() => raw.over || raw.status, 'an answer or an end');
        assert.notEqual(raw.status, 101);
        raw.destroy();
      }
    }
    await unharmed();
  });

  it('whoever connects and says nothing, or half a header, is cut after a while', async () => {
    const port = stack.relayPort(1);
    const half = [await Raw.connect(port), await Raw.connect(port), await Raw.connect(port)];
    half[1].send('GET / HT');
    half[2].send(handshake(good()).slice(0, -2));
    await unharmed();
    for (const raw of half) await raw.end('the end of a connection that says nothing');
    await unharmed();
  });

  it('a header that comes byte by byte is one, as long as it comes in time', async () => {
    const raw = await Raw.connect(stack.relayPort(1));
    for (const byte of handshake(good())) raw.send(byte);
    await raw.until(() => raw.status, 'the handshake');
    assert.equal(raw.status, 101);
    raw.destroy();
  });

  it('what else stands in the head is nobody\'s business: names that begin like others, many arguments, stray signs, ' +
    'subprotocols', async () => {
    // Beginnings of names that a reader of heads might know; the last line and the only one.
    const names = ['X-Auth', 'User', 'Proxy', 'X-Forwarded', 'Auth', 'Access', 'A', 'Sec', 'Sec-WebSocket',
      'Sec-WebSocket-Ke', 'Sec-WebSocket-Protoco', 'Sec-WebSocket-Extensions', 'Host-', 'Upgrad', 'Connectio', 'Content',
      'Content-Lengt', 'Transfer-Encodin', 'Origi', 'Rang', 'X'];
    const heads = Object.fromEntries(names.map((name) => [name, handshake(good(), { [name]: 't' })]));
    heads['200 arguments'] = handshake(good() + Array.from({ length: 200 }, (_, i) => `&q${i}=1`).join(''));
    heads['a stray %'] = handshake(`${good()}&name=100%&x=%0&%zz=1&=&&`);
    heads['a subprotocol that nobody knows'] = handshake(good(), { 'Sec-WebSocket-Protocol': 'arduino' });
    heads['extensions'] = handshake(good(), { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits, x' });
    heads['two Connection lines'] = handshake(good(), { Connection: 'keep-alive', connection: 'Upgrade' });
    heads['two Connection lines, the other way round'] = handshake(good(), { connection: 'keep-alive' });
    heads['three Connection lines'] = handshake(good(), { Connection: 'keep-alive, x', connection: 'close,UPGRADE',
      CONNECTION: 'te' });
    heads['two Upgrade lines'] = handshake(good(), { upgrade: 'WebSocket' });
    heads['capitals'] = handshake(good(), { Upgrade: 'WEBSOCKET', Connection: 'uPGRADE' });
    heads['blanks'] = handshake(good(), { Upgrade: '  websocket  ', Connection: '  keep-alive , Upgrade , ' });
    heads['a slash at the end'] = handshake(good().replace('/?', '/chatroom/?'));
    for (const port of entrances())
      for (const [what, text] of Object.entries(heads)) {
        const raw = await Raw.connect(port);
        raw.send(text);
        await raw.until(() => raw.status || raw.over, 'an answer');
        assert.equal(raw.status, 101, what);
        assert.doesNotMatch(raw.text, /sec-websocket-(protocol|extensions)/i, what);
        raw.destroy();
      }
    for (const port of entrances())
      for (const last of [{}, { 'X-Auth': 't' }, { User: 'May' }]) {
        const raw = await Raw.connect(port);
        raw.send(handshake('/v1', { 'Sec-WebSocket-Protocol': 'x', 'sec-websocket-protocol': 'chaguan.v1', ...last }));
        await raw.until(() => raw.status || raw.over, 'an answer');
        assert.match(raw.text, /^HTTP\/1\.1 101 [\s\S]*\r\nSec-WebSocket-Protocol: chaguan\.v1\r\n/);
        raw.destroy();
      }
    await unharmed();
  });

  it('a head is as large as nginx lets it be, wherever it goes; what is larger is 431', async () => {
    const poll = '/socket.io/?EIO=4&transport=polling';
    const plain = (path, lines) => `GET ${path} HTTP/1.1\r\nHost: x\r\n${lines}\r\n`;
    // Cookies of other pages of this host; and what is no cookie, and goes on to the relay.
    for (const [name, size, count, fits] of [['Cookie', 4500, 2, true], ['Cookie', 8100, 3, true], ['X-Other', 8100, 3, true],
      ['X-Other', 7000, 4, true], ['X-Other', 8100, 4, true], ['Cookie', 8200, 1, false], ['X-Other', 8100, 5, false], ['Cookie', 1000, 40, false]]) {
      const lines = `${name}: a=${'x'.repeat(size - name.length - 6)}\r\n`.repeat(count);
      for (const port of entrances()) {
        const what = `${count} of ${size} bytes, ${port === stack.port ? 'nginx' : 'directly'}`;
        assert.equal(await status(port, handshake(good()).replace(/\r\n$/, `${lines}\r\n`)), fits ? 101 : 431, what);
        assert.equal(await status(port, plain(poll, lines)), fits ? 200 : 431, what);
        if (port !== stack.port) continue;
        for (const path of ['/mysql/getRoomNums', '/', '/users/list/'])
          assert.equal((await status(port, plain(path, lines))) === 431, !fits, `${path}: ${what}`);
      }
    }
    for (const port of entrances()) {
      assert.equal(await status(port, handshake(`${good()}&x=${'y'.repeat(7900)}`)), 101, 'a long query');
      assert.equal(await status(port, plain(`${poll}&x=${'y'.repeat(8100 - poll.length)}`, '')), 200);
      assert.equal(await status(port, plain(`${poll}&x=${'y'.repeat(9000)}`, '')), 414);
    }
    const query = `limit=5.0&x=${'y'.repeat(7900)}`;
    assert.equal(await status(stack.port, plain(`/api/rooms/${seat.roomId}/messages/?nickId=${seat.nickId}&${query}`, '')), 200);
    assert.equal(await status(stack.port, plain(`/api/rooms/${seat.roomId}/messages?nickId=${seat.nickId}` +
      Array.from({ length: 100 }, (_, i) => `&q${i}=1`).join(''), '')), 200);
    const refused = await Raw.connect(stack.port);
    refused.send(plain('/mysql/getRoomNums', `Cookie: ${'x'.repeat(9000)}\r\n`));
    await refused.until(() => refused.text.includes('}'), 'an answer');
    assert.deepEqual(JSON.parse(refused.text.match(/\{.*\}/)[0]), { error: 'request header too large' });
    refused.destroy();
    await unharmed();
  });

  it('a host is told to the relays for clients that name none', async () => {
    const poll = `/socket.io/?EIO=4&transport=polling`;
    for (const path of ['/', '/mysql/getRoomNums', poll])
      assert.equal(await status(stack.port, `GET ${path} HTTP/1.0\r\n\r\n`), 200, path);
    assert.equal(await status(stack.port, `GET ${poll} HTTP/1.1\r\n\r\n`), 400);
  });

  it('a head with a line that ends in LF alone is refused at once', async () => {
    assert.equal(await status(stack.relayPort(1), 'GET / HTTP/1.1\nHost: x\n'), 400);
  });

  it('one connection more than allowed is refused, and there is room again when one has left', async () => {
    const crowd = [];
    const guests = () => stack.metric('relay1', 'lobby_guests'); // whoever asks is one; others may idle since before
    const idle = await guests();
    await stack.counts('connections_refused_total', async () => {
      for (let refused = false; !refused;) {
        assert.ok(crowd.length < 60, 'the limit holds');
        const raw = await Raw.connect(stack.relayPort(1));
        raw.send(handshake(good()));
        await raw.until(() => raw.status || raw.over, 'an answer');
        refused = raw.status !== 101;
        if (refused) raw.destroy();
        else crowd.push(raw);
        // One that was not let in yet would make room for the next.
        if (!refused) await eventually(async () => (await guests()) <= idle, 'it to be let in');
      }
    });
    assert.ok(crowd.length >= 50, `${crowd.length} got in`);
    await unharmed();
    // nginx asks the other relay
    const late = await Client.join(stack, await enter(stack, seat.roomName, unique('late')));
    await late.close();
    for (const raw of crowd) raw.destroy();
    await eventually(async () => {
      const raw = await Raw.connect(stack.relayPort(1));
      raw.send(handshake(good()));
      await raw.until(() => raw.status || raw.over, 'an answer');
      raw.destroy();
      return raw.status === 101;
    }, 'a free place');
  });

  it('with nothing configured, a name that somebody outside can own is not ours, with or without a page of it', async () => {
    const foreign = ['evil.example', 'evil.example:80', 'localhost.evil.example', '127.0.0.1.evil.example', 'local.example', 'evil.example.'];
    for (const port of entrances()) {
      for (const host of foreign)
        for (const origin of ['', `Origin: http://${host}\r\n`])
          for (const path of ['/healthz', '/metrics', '/socket.io/?EIO=4&transport=polling', `/rooms/${seat.roomId}/poll?nickId=${seat.nickId}&wait=0`])
            assert.equal(await status(port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${origin}\r\n`), 403, `${host} ${origin} ${path}`);
      for (const host of foreign)
        assert.equal(await status(port, handshake(good(), { Host: host, Origin: `http://${host}` })), 403, host);
      for (const headers of [{ Host: 'tea' }, { Host: 'tea.local' }, { Host: '192.0.2.7' }, { Host: 'chat.example', Origin: 'https://chat.example' }])
        assert.equal(await status(port, handshake(good(), headers)), 101, JSON.stringify(headers));
    }
    await unharmed();
  });

  it('a relay answers plain HTTP with its health, its counters and else 404 or 405', async () => {
    const direct = `http://127.0.0.1:${stack.relayPort(1)}`;
    for (const base of [direct, `${stack.url}/relay1`]) {
      for (const page of ['/healthz', '/readyz']) assert.equal((await request(base + page)).status, 200, base + page);
      const metrics = await request(`${base}/metrics`);
      assert.equal(metrics.status, 200);
      assert.match(metrics.headers['content-type'], /^text\/plain; version=0\.0\.4/);
      assert.match(metrics.text, /^# TYPE chaguan_connections gauge$/m);
    }
    for (const path of ['/', '/nope', '/metrics/x', '/healthz/..%2f', '/index.html', '/%00', '/?roomId=x',
      '/mysql/getRoomNums']) {
      assert.equal((await request(direct + path)).status, 404, path);
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      for (const path of ['/healthz', '/', '/metrics'])
        assert.equal((await request(direct + path, { method })).status, 405, `${method} ${path}`);
    }
    assert.equal((await post(`${direct}/metrics`, 'x'.repeat(10_000))).status, 405);
    const raw = await Raw.connect(stack.relayPort(1));
    raw.send('POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    await raw.until(() => raw.status || raw.over, 'an answer');
    assert.ok(raw.status === undefined || raw.status >= 400);
    assert.equal(raw.text.match(/HTTP\/1/g)?.length ?? 0, raw.status ? 1 : 0,
      'what follows a refused body is not a request');
    raw.destroy();
    await unharmed();
  });

  it('kept-alive and pipelined questions are answered one by one, and without spinning', async () => {
    const raw = await Raw.connect(stack.relayPort(1));
    const question = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n';
    raw.send(question);
    await raw.until(() => raw.status, 'the first answer');
    assert.equal(raw.status, 200);
    if (!raw.over) {
      raw.send(question + question);
      await raw.until(() => raw.over || raw.text.split('HTTP/1.1 200').length === 4, 'three answers or an end');
    }
    raw.destroy();
    await unharmed();
  });

  it('the health and counter pages are for this machine only, whatever a header claims', async () => {
    const config = stack.read('nginx/chaguan.conf');
    for (const block of config.match(/location [^{]*(healthz|metrics)[^{]*\{[^}]*\}/g))
      assert.match(block, /allow 127\.0\.0\.1;[\s\S]*deny all;/);
    const answer = await request(`${stack.url}/metrics`, { headers: { 'X-Forwarded-For': '8.8.8.8' } });
    assert.equal(answer.status, 200);
  });

  it('an address in X-Forwarded-For is believed on the socket of nginx only', async () => {
    const raw = await Raw.connect(stack.relayPort(1));
    raw.send(handshake(good(), { 'X-Forwarded-For': '203.0.113.77' }));
    await raw.until(() => raw.status, 'the handshake');
    const proxied = await Client.connect(stack, seat, { options: { headers: { 'X-Forwarded-For': '203.0.113.78' } } });
    await settle(proxied, near);
    raw.destroy();
    await proxied.close();
    for (const [name, text] of Object.entries(stack.logs())) assert.doesNotMatch(text, /203\.0\.113\.7[78]/, name);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
