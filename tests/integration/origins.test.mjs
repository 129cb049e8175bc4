// Whose pages may use the server: handshakes of every protocol, polling, the older transports, REST; and what browsers are
// told.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import WebSocket from 'ws';
import { Client, enter, unique } from './lib/client.mjs';
import { Raw, handshake } from './lib/raw.mjs';
import { Stack, request, post } from './lib/stack.mjs';

const LISTED = 'https://pages.example';
const EVIL = ['https://evil.example', 'null', 'http://chat.example.evil.example', 'http://127.0.0.1.evil.example',
  'wss://evil.example', 'https://chat.example:80@evil.example'];
/** Of the same host, but not what a browser calls the same origin; and what no site can have. */
const NATIVE = ['ws://chat.example', 'wss://chat.example', 'https://chat.example', 'http://chat.example:8080',
  'chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb', 'moz-extension://0a1b', 'weapp://wechat-game-runtime',
  'capacitor://localhost', 'ionic://localhost', 'file://'];

describe('origins', () => {
  let stack;
  let seat;
  /** What a handshake with these headers comes to: 101 or the status of the refusal. */
  const shake = (path, headers, protocols) => new Promise((resolve, reject) => {
    const ws = new WebSocket(`${stack.wsUrl()}${path}`, protocols, { headers, perMessageDeflate: false });
    ws.once('open', () => {
      ws.terminate();
      resolve(101);
    });
    ws.once('unexpected-response', (req, res) => {
      resolve(res.statusCode);
      req.destroy();
    });
    ws.once('error', reject);
  });
  const entrances = () => [[`/?roomId=${seat.roomId}&nickId=${seat.nickId}`], [`/ws/user_${'0'.repeat(32)}`],
    ['/chat/v1/message'],
    ['/socket.io/?EIO=4&transport=websocket'], ['/v1', 'chaguan.v1']];
  const pages = () => ['/socket.io/?EIO=4&transport=polling', `/rooms/${seat.roomId}/poll?nickId=${seat.nickId}`,
    '/mysql/getRoomNums',
    `/api/rooms/${seat.roomId}/messages?nickId=${seat.nickId}`];

  before(async () => {
    stack = await Stack.start({ settings: { origins: LISTED, server_names: 'chat.example' } });
    seat = await enter(stack, unique('room'), unique('nick'));
  });
  after(async () => {
    await stack.checkAndStop();
    await stack.remove();
  });

  it('a page of another site gets 403 at every protocol, and is counted', async () => {
    const before = await stack.relayMetric('origin_refused_total');
    for (const Origin of EVIL)
      for (const [path, protocols] of entrances())
        assert.equal(await shake(path, { Origin, Host: 'chat.example' }, protocols), 403, `${Origin} ${path}`);
    assert.equal(await stack.relayMetric('origin_refused_total'), before + EVIL.length * entrances().length);
    for (const Origin of EVIL) {
      for (const page of pages()) {
        const answer = await request(stack.url + page, { headers: { Origin } });
        assert.equal(answer.status, 403, `${Origin} ${page}: ${answer.text}`);
        assert.equal(answer.json.origin, Origin, 'whoever runs the server has to know what to list');
        assert.equal(answer.headers['access-control-allow-origin'], undefined);
      }
      const sent = await post(`${stack.url}/rooms/${seat.roomId}/send`,
        { nickId: seat.nickId, content: 'x' }, { Origin });
      assert.deepEqual([sent.status, sent.json.code, sent.json.origin], [403, 'origin', Origin]);
      const made = await post(`${stack.url}/mysql/createChatroom`,
        { chatroomName: 'x', nickName: 'x', headNum: 1 }, { Origin });
      assert.deepEqual([made.status, made.json], [403, { error: '创建失败', code: 'origin', origin: Origin }]);
    }
    const socket = await Raw.connect(stack.port);
    socket.send(handshake(entrances()[0][0], { Origin: EVIL[0] }));
    await socket.until(() => socket.text.includes('setting: origins'), 'a refusal that says what to set');
    assert.ok(socket.text.includes(EVIL[0]));
    socket.destroy();
    for (const log of ['relay1.log', 'rest.log'])
      assert.ok(stack.read(log).includes(`event=origin.refused origin="${EVIL[0]}"`), log);
    assert.equal(await stack.count(`SELECT COUNT(*) FROM message WHERE content = 'x'`), 0);
  });

  it('a page of the server itself may, and so may what is no browser', async () => {
    for (const headers of [{}, { Origin: stack.url }, { Host: 'chat.example', Origin: 'http://chat.example' }]) {
      for (const [path, protocols] of entrances())
        assert.equal(await shake(path, headers, protocols), 101, `${JSON.stringify(headers)} ${path}`);
      for (const page of pages()) {
        const answer = await request(stack.url + page, { headers });
        assert.equal(answer.status, 200, `${page}: ${answer.text}`);
        assert.equal(answer.headers['access-control-allow-origin'], undefined);
      }
    }
  });

  it('the same host may under any scheme and port, and so may what no site has', async () => {
    for (const Origin of NATIVE) {
      for (const Host of ['chat.example', 'chat.example:443']) {
        for (const [path, protocols] of entrances())
          assert.equal(await shake(path, { Host, Origin }, protocols), 101, `${Origin} at ${Host} ${path}`);
        for (const page of pages()) {
          const answer = await request(stack.url + page, { headers: { Host, Origin } });
          assert.equal(answer.status, 200, `${page}: ${answer.text}`);
          assert.equal(answer.headers['access-control-allow-origin'], Origin);
          assert.equal(answer.headers['access-control-allow-credentials'], 'true');
        }
      }
    }
  });

  it('behind a proxy of this machine that has TLS, its pages are the server\'s own', async () => {
    for (const page of pages()) {
      const headers = { Host: 'chat.example', Origin: 'https://chat.example', 'X-Forwarded-Proto': 'https' };
      const answer = await request(stack.url + page, { headers });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['access-control-allow-origin'], undefined, 'to its browser this is no other origin');
    }
  });

  it('a page whose own name leads here by now is refused, whatever it says', async () => {
    const Host = 'rebound.example:7005';
    for (const headers of [{ Host }, { Host, Origin: `http://${Host}` }, { Host, Origin: LISTED }]) {
      for (const [path, protocols] of entrances())
        assert.equal(await shake(path, headers, protocols), 403, `${JSON.stringify(headers)} ${path}`);
      for (const page of [...pages(), '/metrics', '/readyz', '/relay1/metrics']) {
        const answer = await request(stack.url + page, { headers });
        assert.equal(answer.status, 403, `${page}: ${answer.text}`);
        assert.equal(answer.json.host, Host);
        assert.equal(answer.headers['access-control-allow-origin'], undefined);
      }
      assert.equal((await request(`http://127.0.0.1:${stack.relayPort(1)}/metrics`, { headers })).status, 403);
    }
    for (const Host of ['localhost:7005', '127.0.0.1', 'chat.example', 'tea.local']) {
      const wanted = /^(localhost|127)/.test(Host) ? 200 : 403; // a name of the server's is not enough for operators' pages
      for (const page of ['/metrics', '/readyz', '/healthz', '/relay1/metrics', '/relay2/readyz'])
        assert.equal((await request(stack.url + page, { headers: { Host } })).status, wanted, `${Host} ${page}`);
      assert.equal((await request(`http://127.0.0.1:${stack.relayPort(1)}/readyz`, { headers: { Host } })).status, wanted);
    }
  });

  it('a listed page, and one of this machine on any port, may, and the browser is told so', async () => {
    for (const Origin of [LISTED, 'http://localhost:5173', 'http://[::1]:8080']) {
      for (const [path, protocols] of entrances())
        assert.equal(await shake(path, { Origin }, protocols), 101, `${Origin} ${path}`);
      for (const page of pages()) {
        const answer = await request(stack.url + page, { headers: { Origin } });
        assert.equal(answer.status, 200, `${page}: ${answer.text}`);
        assert.equal(answer.headers['access-control-allow-origin'], Origin);
        assert.equal(answer.headers['access-control-allow-credentials'], 'true');
        assert.equal(answer.headers.vary, 'Origin');
      }
      const lost = await request(`${stack.url}/rooms/${seat.roomId}/poll?nickId=user_${'0'.repeat(32)}`,
        { headers: { Origin } });
      assert.deepEqual([lost.status, lost.headers['access-control-allow-origin']], [404, Origin],
        'a refusal can be read, too');
    }
    assert.equal(await shake(entrances()[0][0], { Host: 'chat.example', Origin: 'http://localhost:5173' }), 403,
      'not by another name of the server');
  });

  it('browsers that ask first are answered', async () => {
    for (const page of ['/socket.io/?EIO=4&transport=polling', `/rooms/${seat.roomId}/send`, '/mysql/createChatroom',
      '/api/friends']) {
      const preflight = (Origin) => request(stack.url + page, { method: 'OPTIONS',
        headers: { Origin, 'Access-Control-Request-Method': 'POST',
          'Access-Control-Request-Headers': 'content-type' } });
      const answer = await preflight(LISTED);
      assert.equal(answer.status, 200, page);
      assert.equal(answer.headers['access-control-allow-origin'], LISTED);
      assert.match(answer.headers['access-control-allow-methods'], /POST/);
      const allowed = answer.headers['access-control-allow-headers'].split(', ');
      for (const header of ['Authorization', 'Idempotency-Key', 'Last-Event-ID', 'Cache-Control', 'X-Requested-With',
        'Content-Type', 'Token'])
        assert.ok(allowed.includes(header), `${page}: ${header}`);
      assert.equal(answer.headers['access-control-allow-credentials'], 'true');
      const other = await preflight(EVIL[0]);
      assert.ok(other.status >= 400, `${page}: ${other.status}`);
      assert.equal(other.headers['access-control-allow-origin'], undefined);
    }
  });

  it('a page on a development server chats as ever', async () => {
    const client = await Client.join(stack, seat, { options: { origin: 'http://localhost:5173' } });
    await client.heard(client.say(unique('tea')));
    client.close();
  });
});
