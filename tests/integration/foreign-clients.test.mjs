// Clients that others wrote, each with its own way of saying things: libraries of Debian and programs of its, byte for byte
// what the libraries of Java, Swift and Arduino send, and what stands between them and us: a proxy as it is installed, one
// that compresses, one that holds back.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import zlib from 'node:zlib';
import { after, before, describe, it } from 'node:test';
import { Client, enter, unique } from './lib/client.mjs';
import { Polling, SEPARATOR } from './lib/io.mjs';
import { Raw, TEXT, frame } from './lib/raw.mjs';
import { Events, Stream, roomUrl, say } from './lib/rooms.mjs';
import { Stack, eventually, freePort, post, request, run } from './lib/stack.mjs';
import { AVATAR, FILE, VIDEO, address, mp4, png } from './lib/uploads.mjs';

const P0 = '{"_placeholder":true,"num":0}';
const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='; // RFC 6455 section 1.3
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';
const PYTHON = '/usr/bin/python3'; // Debian's, which has Debian's modules
const python = (module) => spawnSync(PYTHON, ['-c', `import ${module}`]).status === 0 ? false
  : `${PYTHON} has no module ${module}`;

describe('clients that others wrote', () => {
  let stack, seat, listener;
  const closing = [];
  const entrances = () => [stack.port, stack.relayPort(1), stack.relayPort(2)];
  const chat = () => `/?roomId=${seat.roomId}&nickId=${seat.nickId}`;
  before(async () => {
    stack = await Stack.start({ settings: { io_app: 'echo' } });
    seat = await enter(stack, unique('room'), unique('nick'));
    listener = await Client.join(stack, await enter(stack, seat.roomName, unique('listener')), { relay: 2 });
  });
  after(async () => {
    for (const close of closing) close();
    await listener?.close();
    try {
      await stack?.checkAndStop();
    } finally {
      await stack?.remove();
    }
  });

  /** A connection that has said these lines; its answer's head is there. */
  const dial = async (port, lines, raw) => {
    raw ??= await Raw.connect(port);
    const from = raw.bytes.length;
    raw.send(`${lines.join('\r\n')}\r\n\r\n`);
    await raw.until(() => raw.bytes.indexOf('\r\n\r\n', from) >= 0, 'an answer');
    raw.head = raw.bytes.subarray(from, raw.bytes.indexOf('\r\n\r\n', from) + 4).toString('latin1');
    return raw;
  };
  /** A WebSocket opened so talks in the chatroom, and its words are heard on the other relay. */
  const talks = async (raw, what) => {
    assert.match(raw.head, /^HTTP\/1\.1 101 /, what);
    assert.ok(raw.head.includes(`\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n`), what);
    // Some compare without regard to letter case, and these do not.
    assert.match(raw.head, /\r\nUpgrade: websocket\r\n/, what);
    assert.match(raw.head, /\r\nConnection: [Uu]pgrade\r\n/, what);
    assert.doesNotMatch(raw.head, /Sec-WebSocket-(Protocol|Extensions)/i, what);
    const content = stack.keepSecret(unique('hello'));
    raw.send(frame(TEXT, JSON.stringify({ type: 'message', sendUserId: seat.nickId, sendUserName: seat.nick,
      sendRoom: seat.roomId, content, sendTime: '2024-01-01 00:00:00' })));
    await listener.heard(content);
    raw.destroy();
  };

  // ---- programs and libraries ----

  it('python3-socketio talks, by polling, by WebSocket and with the change between them', { skip: python('socketio') || python('requests') || python('websocket') },
    async () => {
      const script = `
import sys, socketio
for transports in (['polling'], ['websocket'], ['polling', 'websocket']):
    c = socketio.Client(reconnection=False)
    c.connect(sys.argv[1], transports=transports, headers={'X-Auth': 't'}, auth={'token': 'x'}, wait_timeout=60)
    assert list(c.call('message-with-ack', ('text', {'n': 1.0}, b'\\x00\\x01'), timeout=60)) == ['text', {'n': 1.0}, b'\\x00\\x01']
    c.disconnect()
print('fine')
`;
      for (const port of entrances()) {
        const { code, stdout, stderr } = await run(PYTHON, ['-c', script, `http://127.0.0.1:${port}`]);
        assert.equal(code, 0, stderr);
        assert.equal(stdout, 'fine\n');
      }
    });

  it('python3-websocket and python3-websockets talk, whatever headers their users add',
    { skip: python('websocket') || python('websockets') }, async () => {
      const script = `
import sys, json, asyncio, websocket, websockets
url, content = sys.argv[1], sys.argv[2]
frame = json.dumps({'type': 'message', 'content': content})
named = 'extra_headers' if int(websockets.__version__.split('.')[0]) < 14 else 'additional_headers'
for i, headers in enumerate([[], ['X-Auth: t'], ['User: May'], ['Cookie: a=' + 'x' * 7000]]):
    w = websocket.create_connection(url, timeout=60, header=headers)
    w.send(frame.replace(content, content + 'a%d' % i)); w.close()
    w = websocket.create_connection(url, timeout=60, header=headers, origin='ws://127.0.0.1', cookie='b=' + 'y' * 7000)
    w.send(frame.replace(content, content + 'b%d' % i)); w.close()
    async def go():
        async with websockets.connect(url, **{named: [tuple(h.split(': ')) for h in headers]}) as w:
            await w.send('\\ufeff' + frame.replace(content, content + 'c%d' % i))
    asyncio.run(go())
print('fine')
`;
      for (const port of entrances()) {
        const content = stack.keepSecret(unique('from-python'));
        const { code, stdout, stderr } = await run(PYTHON, ['-c', script, `ws://127.0.0.1:${port}${chat()}`, content]);
        assert.equal(code, 0, stderr);
        assert.equal(stdout, 'fine\n');
        for (const one of ['a', 'b', 'c']) for (let i = 0; i < 4; i++) await listener.heard(`${content}${one}${i}`);
      }
    });

  it('curl uploads as it does everything else: with Expect, in chunks, to a path with a slash', async () => {
    const file = stack.file('curl.png');
    const bytes = png(1_500_000); // large enough to be asked for first
    fs.writeFileSync(file, bytes);
    for (const [name, ...options] of [['whole'], ['chunks', '-H', 'Transfer-Encoding: chunked'],
      ['expect', '-H', 'Expect: 100-continue'], ['slash'], ['named', '-F', 'a=1', '-F', 'b=;type=text/plain']]) {
      const { code, stdout, stderr } = await run('curl', ['-sS', '-F', `file=@${file}`, ...options,
        `${stack.url}/api/upload${name === 'slash' ? '/' : ''}`]);
      assert.equal(code, 0, stderr);
      const answer = JSON.parse(stdout);
      assert.equal(answer.success, true, `${name}: ${stdout}`);
      assert.ok((await request(address(stack, FILE.url(answer)))).bytes.equals(bytes), name);
    }
  });

  // ---- byte for byte ----

  /** Sends a form as it stands; the answer. */
  const form = async (call, type, body, headers = []) => {
    const raw = await Raw.connect(stack.port);
    raw.send([`POST ${call.path} HTTP/1.1`, ...headers, `Content-Type: ${type}`, `Content-Length: ${body.length}`,
      `Host: 127.0.0.1:${stack.port}`, 'Connection: close', '', ''].join('\r\n'));
    raw.send(body);
    await raw.end();
    return { text: raw.text, json: JSON.parse(raw.text.match(/\{.*\}/s)[0]) };
  };
  const forms = {
    'OkHttp': ['multipart/form-data; boundary=6f1b7c1e-1d8f-4c9a-9f57-0c3b2a5d4e61', (name, type, length) =>
      ['--6f1b7c1e-1d8f-4c9a-9f57-0c3b2a5d4e61\r\nContent-Disposition: form-data; name="note"\r\nContent-Length: 1\r\n\r\n' +
        `1\r\n--6f1b7c1e-1d8f-4c9a-9f57-0c3b2a5d4e61\r\nContent-Disposition: form-data; name="${name}"; filename="a.png"\r\n` +
        `Content-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`,
      '\r\n--6f1b7c1e-1d8f-4c9a-9f57-0c3b2a5d4e61--\r\n']],
    'HttpURLConnection on Android, as it is shown everywhere': ['multipart/form-data;boundary=*****', (name) =>
      [`--*****\r\nContent-Disposition: form-data; name="${name}";filename="/sdcard/a.png"\r\n\r\n`, '\r\n--*****--\r\n']],
    'Java': ['multipart/form-data; boundary====1650000000000===', (name, type) =>
      [`--===1650000000000===\r\nContent-Disposition: form-data; name="${name}"; filename="a.png"\r\nContent-Type: ${type}\r\n` +
        'Content-Transfer-Encoding: binary\r\n\r\n', '\r\n\r\n--===1650000000000===--\r\n']],
    'URLSession, by hand': ['multipart/form-data; boundary=Boundary-9E2A6D0C-3F1B-4E7D-8A55-1C2D3E4F5A6B', (name, type) =>
      [`\r\n--Boundary-9E2A6D0C-3F1B-4E7D-8A55-1C2D3E4F5A6B\r\nContent-Disposition: form-data; name="${name}"; ` +
        `filename="a.png"\r\nContent-Type: ${type}\r\n\r\n`, '\r\n--Boundary-9E2A6D0C-3F1B-4E7D-8A55-1C2D3E4F5A6B--']],
    'Alamofire': ['multipart/form-data; boundary=alamofire.boundary.4f5c9a4e7d1b2c3a', (name, type) =>
      [`--alamofire.boundary.4f5c9a4e7d1b2c3a\r\nContent-Disposition: form-data; name="${name}"; filename="a.png"\r\n` +
        `Content-Type: ${type}\r\n\r\n`, '\r\n--alamofire.boundary.4f5c9a4e7d1b2c3a--\r\n']],
    'UnityWebRequest': ['multipart/form-data; boundary="0W7yyxJkLmWqJ3KnRHdTdYGtkTb4FZ8VbCnRkk2M"', (name, type) =>
      [`\r\n--0W7yyxJkLmWqJ3KnRHdTdYGtkTb4FZ8VbCnRkk2M\r\nContent-Type: ${type}\r\n` +
        `Content-disposition: form-data; name="${name}"; filename="a.png"\r\n\r\n`,
      '\r\n--0W7yyxJkLmWqJ3KnRHdTdYGtkTb4FZ8VbCnRkk2M--\r\n']],
    'a mailer\'s library, with words around': [`multipart/form-data; boundary="=_{${'x'.repeat(100)}};[@]"`, (name, type) =>
      [`This is a multi-part message in MIME format.\r\n\r\n--=_{${'x'.repeat(100)}};[@]\r\n` +
        `Content-Disposition: form-data; name="${name}"; filename="a.png"\r\nContent-Type: ${type}\r\n\r\n`,
      `\r\n--=_{${'x'.repeat(100)}};[@]--\r\nThat was it.\r\n`]],
    'RFC 1867\'s example': ['multipart/form-data, boundary=AaB03x', (name, type) =>
      [`--AaB03x\r\ncontent-disposition: form-data; name="${name}"; filename="file1.txt"\r\nContent-Type: ${type}\r\n\r\n`,
        '\r\n--AaB03x--\r\n']],
  };
  for (const [who, [type, around]] of Object.entries(forms)) {
    it(`a form as ${who} writes it`, async () => {
      for (const [call, bytes, kind] of [[FILE, png(), 'image/png'], [AVATAR, png(), 'image/png'],
        [VIDEO, mp4(), 'video/mp4']]) {
        const [head, end] = around(call.name, kind, bytes.length);
        const { text, json } = await form(call, type, Buffer.concat([Buffer.from(head), bytes, Buffer.from(end)]));
        assert.match(text, /^HTTP\/1\.1 200 /, text);
        const kept = (await request(address(stack, call.url(json)))).bytes;
        assert.ok(kept.subarray(0, bytes.length).equals(bytes), 'the bytes are the same');
        assert.ok(kept.length - bytes.length <= 2, 'but for the empty line that some put before the end');
      }
    });
  }

  it('engine.io-client-java posts base64 in lines', async () => {
    for (const relay of [0, 1]) {
      const session = await Polling.joined(stack, { relay });
      const bytes = Buffer.alloc(200, 7);
      const lines = bytes.toString('base64').replace(/.{1,76}/g, '$&\n'); // android.util.Base64.DEFAULT
      const body = `451-1["message-with-ack",${P0}]${SEPARATOR}b${lines}`;
      const url = new URL(session.url);
      const raw = await Raw.connect(Number(url.port));
      raw.send([`POST ${url.pathname}${url.search}&t=P5IYDnQ HTTP/1.1`, 'Accept: */*',
        'Content-Type: text/plain;charset=UTF-8', `Content-Length: ${Buffer.byteLength(body)}`, `Host: ${url.host}`,
        'Connection: Keep-Alive', 'Accept-Encoding: gzip', 'User-Agent: okhttp/3.12.12', '', body].join('\r\n'));
      await raw.until(() => raw.text.endsWith('ok'), 'the answer');
      raw.destroy();
      const answer = [];
      while (answer.length < 2) answer.push(...(await session.packets()).filter((packet) => packet !== '2'));
      assert.deepEqual(answer, [`461-1[${P0}]`, `b${bytes.toString('base64')}`]);
      await session.post('1');
    }
  });

  it('OkHttp, Starscream, URLSession and the Arduino libraries open WebSockets', async () => {
    const handshakes = (host) => ({
      OkHttp: [`GET ${chat()} HTTP/1.1`, 'Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Key: ${KEY}`,
        'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Extensions: permessage-deflate', `Host: ${host}`,
        'Accept-Encoding: gzip', 'User-Agent: okhttp/4.12.0'],
      Starscream: [`GET ${chat()} HTTP/1.1`, `Sec-WebSocket-Key: ${KEY}`, `Origin: ws://${host}`, 'Upgrade: websocket',
        `Host: ${host}`, 'Connection: Upgrade', 'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; server_max_window_bits=15'],
      'Starscream, to a front that has TLS': [`GET ${chat()} HTTP/1.1`, `Sec-WebSocket-Key: ${KEY}`,
        'Origin: wss://chat.example', 'Upgrade: websocket', 'Host: chat.example:443', 'Connection: Upgrade',
        'Sec-WebSocket-Version: 13'],
      URLSession: [`GET ${chat()} HTTP/1.1`, `Host: ${host}`, 'Accept: */*', 'Connection: Upgrade', 'Upgrade: websocket',
        `Sec-WebSocket-Key: ${KEY}`, 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Extensions: permessage-deflate',
        'Accept-Language: zh-CN,zh-Hans;q=0.9', 'Accept-Encoding: gzip, deflate', 'Cache-Control: no-cache',
        'Pragma: no-cache', 'User-Agent: App/1 CFNetwork/1490.0.4 Darwin/23.2.0'],
      'arduinoWebSockets': [`GET ${chat()} HTTP/1.1`, `Host: ${host}`, 'Connection: Upgrade', 'Upgrade: websocket',
        'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${KEY}`, 'Sec-WebSocket-Protocol: arduino', 'Origin: file://',
        'User-Agent: arduino-WebSocket-Client'],
      'ArduinoWebsockets': [`GET ${chat()} HTTP/1.1`, 'Host: 127.0.0.1', 'Upgrade: websocket', 'Connection: Upgrade',
        `Sec-WebSocket-Key: ${KEY}`, 'Sec-WebSocket-Version: 13'],
      'Electron and others, with capitals': [`GET ${chat()} HTTP/1.1`, `HOST: ${host}`, 'UPGRADE: WebSocket',
        'CONNECTION: keep-alive, Upgrade', `SEC-WEBSOCKET-KEY: ${KEY}`, 'SEC-WEBSOCKET-VERSION: 13', 'ORIGIN: file://'],
      'an extension': [`GET ${chat()} HTTP/1.1`, `Host: ${host}`, 'Connection: Upgrade', 'Upgrade: websocket',
        `Sec-WebSocket-Key: ${KEY}`, 'Sec-WebSocket-Version: 13',
        'Origin: chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb'],
      'a mini program': [`GET ${chat()} HTTP/1.1`, `Host: ${host}`, 'Connection: Upgrade', 'Upgrade: websocket',
        `Sec-WebSocket-Key: ${KEY}`, 'Sec-WebSocket-Version: 13', 'Origin: weapp://wechat-game-runtime'],
      'a path with a slash at its end': [`GET ${chat().replace('/?', '/chatroom/?')} HTTP/1.1`, `Host: ${host}`,
        'Connection: keep-alive', 'Connection: Upgrade', 'Upgrade: websocket', `Sec-WebSocket-Key: ${KEY}`,
        'Sec-WebSocket-Version: 13'],
    });
    for (const port of entrances())
      for (const [who, lines] of Object.entries(handshakes(`127.0.0.1:${port}`)))
        await talks(await dial(port, lines), `${who}, port ${port === stack.port ? 'of nginx' : 'of a relay'}`);
  });

  it('arduinoWebSockets speaks Socket.IO: a poll, then the WebSocket on the same connection, and no probe', async () => {
    for (const port of entrances()) {
      const agent = ['Origin: file://', 'User-Agent: arduino-WebSocket-Client'];
      const host = `Host: 127.0.0.1:${port}`;
      const raw = await dial(port, ['GET /socket.io/?EIO=4&transport=polling HTTP/1.1', host, 'Connection: keep-alive',
        ...agent]);
      await raw.until(() => raw.text.includes('}'), 'the whole answer');
      const sid = stack.keepSecret(raw.text.match(/"sid":"([^"]+)"/)[1]);
      await dial(port, [`GET /socket.io/?EIO=4&transport=websocket&sid=${sid} HTTP/1.1`, host, 'Connection: Upgrade',
        'Upgrade: websocket', 'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${KEY}`,
        'Sec-WebSocket-Protocol: arduino', ...agent], raw);
      assert.match(raw.head, /^HTTP\/1\.1 101 /);
      raw.send(Buffer.concat([frame(TEXT, '5'), frame(TEXT, '40'), frame(TEXT, '421["message-with-ack",{"now":123}]')]));
      await raw.until(() => raw.text.includes('431[{"now":123}]'), 'the acknowledgement');
      raw.destroy();
    }
  });

  it('numbers and marks as other languages write them', async () => {
    const marked = (value) => `\ufeff${value}`;
    const name = unique('gson');
    const answer = await post(`${stack.url}/mysql/createChatroom/`,
      marked(`{"chatroomName":"${seat.roomName}","nickName":"${name}","headNum":7.0}`));
    assert.equal(answer.json?.success, true, answer.text);
    const other = { ...answer.json.data };
    const client = await Client.join(stack, { roomId: other.chatroomId, nickId: other.nickId, roomName: seat.roomName,
      nick: name }, { relay: 1 });
    assert.equal(client.members.find((member) => member.user_name === name).head_num, 7);
    const content = stack.keepSecret(unique('marked'));
    client.sendRaw(marked(JSON.stringify({ type: 'message', content })));
    await listener.heard(content);
    await client.close();
    const poll = await request(roomUrl(stack, seat, 'poll/', { after: '1.0', wait: '0.0' }));
    assert.equal(poll.status, 200, poll.text);
    const sent = await post(roomUrl(stack, { roomId: seat.roomId }, 'send/'),
      marked(JSON.stringify({ nickId: seat.nickId, content: stack.keepSecret(unique('sent')) })));
    assert.equal(sent.status, 200, sent.text);
    for (const n of ['1', '2'])
      await post(`${stack.url}/users/register/`, { account: `1380000000${n}`, app_sid: 'shop', username: 'W', avatar: '' });
    const message = await post(`${stack.url}/chat/v1/message/`, marked('{"friendInfo":{"account":13800000001.0,' +
      '"app_sid":"shop"},"userInfo":{"account":"13800000002","app_sid":"shop"},"chat_content":"hi","chat_type":0e0}'));
    assert.equal(message.json?.code, 1, message.text);
    for (const bad of ['2.5', '-1', '1e10', '"x']) {
      const refused = await post(`${stack.url}/api/createChatroom`,
        `{"chatroomName":"h","nickName":"H","headNum":${bad}}`);
      assert.equal(refused.status, 400, bad);
    }
    const listed = await request(`${stack.url}/api/rooms/${seat.roomId}/messages/?nickId=${seat.nickId}&limit=5.0&after=0e0`);
    assert.equal(listed.status, 200, listed.text);
  });

  // ---- what stands in between ----

  /** nginx as Debian installs it, with what everybody writes for a proxy. */
  const outerNginx = async () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'outer-'));
    const port = await freePort();
    const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${dir}/${name};`);
    fs.writeFileSync(`${dir}/nginx.conf`, `daemon off; master_process off; pid ${dir}/pid; error_log ${dir}/error.log;
      events { } http { access_log off; ${temps.join(' ')}
        gzip on; gzip_proxied any; gzip_types text/event-stream text/plain application/json;
        server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${stack.port}; } } }`);
    const nginx = spawn('nginx', ['-c', `${dir}/nginx.conf`, '-p', dir, '-e', `${dir}/error.log`], { stdio: 'ignore',
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` } });
    closing.push(() => {
      nginx.kill();
      fs.rmSync(dir, { recursive: true, force: true });
    });
    await eventually(() => request(`http://127.0.0.1:${port}/mysql/getRoomNums`), 'the proxy in front');
    return port;
  };
  /** What create-react-app and others have: express's "compression" before the proxy. It leaves alone what says so. */
  const compressing = async () => {
    const port = await freePort();
    const server = http.createServer((req, res) => {
      const up = http.request({ port: stack.port, path: req.url, headers: req.headers, agent: false }, (answer) => {
        const plain = /(?:^|,)\s*no-transform\s*(?:,|$)/.test(answer.headers['cache-control'] ?? '');
        const headers = { ...answer.headers, ...(plain ? {} : { 'content-encoding': 'gzip' }) };
        res.writeHead(answer.statusCode, headers);
        if (plain) answer.pipe(res);
        else answer.pipe(zlib.createGzip()).pipe(res);
      });
      res.on('close', () => up.destroy());
      up.on('error', () => res.destroy());
      req.pipe(up);
    });
    await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
    closing.push(() => server.closeAllConnections?.() ?? server.close(), () => server.close());
    return port;
  };
  /** Gives on what came only as far as 2,000 bytes more have come. */
  const holding = async () => {
    const port = await freePort();
    const server = net.createServer((client) => {
      const up = net.connect(stack.port, '127.0.0.1');
      let held = Buffer.alloc(0);
      up.on('data', (bytes) => {
        held = Buffer.concat([held, bytes]);
        if (held.length <= 2000) return;
        client.write(held.subarray(0, held.length - 2000));
        held = held.subarray(held.length - 2000);
      });
      client.pipe(up);
      for (const [one, other] of [[client, up], [up, client]]) one.on('error', () => {}).on('close', () => other.destroy());
    });
    await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
    closing.push(() => server.close());
    return port;
  };
  for (const [what, start, query] of [['an nginx as it is installed', outerNginx, {}],
    ['a proxy that compresses', compressing, {}], ['something that holds back 2,000 bytes', holding, { padding: 'true' }]]) {
    it(`events and scripts come at once through ${what}`, async () => {
      const port = await start();
      const events = await Events.open(stack, seat, { port, query });
      closing.push(() => events.close());
      const stream = await Stream.open(roomUrl(stack, seat, 'stream', query, { port }), { 'Accept-Encoding': 'gzip' });
      closing.push(() => stream.close());
      await stream.until(() => stream.got.length > 0, 'the first script');
      assert.match(stream.headers['cache-control'], /\bno-transform\b/);
      if (start === compressing) assert.equal(stream.headers['content-encoding'], undefined);
      for (let i = 0; i < 3; i++) {
        const content = unique('kettle');
        await say(stack, seat, content);
        for (const one of [events, stream]) await one.heard(content);
      }
      events.close();
      stream.close();
    });
  }

  it('our own nginx tells the outside what is not to be held back', async () => {
    for (const verb of ['events', 'stream/']) {
      const stream = await Stream.open(roomUrl(stack, seat, verb));
      assert.equal(stream.status, 200);
      assert.equal(stream.headers['x-accel-buffering'], 'no');
      assert.equal(stream.headers['cache-control'], 'no-store, no-transform');
      stream.close();
    }
  });
});
