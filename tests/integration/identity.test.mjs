// Users of an application: whom its tokens make them, which tokens are refused and how that is told, its keys as they
// change, and front ends that let in nobody without a token.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Customer, chatInfo } from './lib/customers.mjs';
import { Friend } from './lib/friends.mjs';
import { eventually, post, request } from './lib/http.mjs';
import WebSocket from 'ws';
import { IoClient } from './lib/io.mjs';
import { Native } from './lib/native.mjs';
import { Socket, knock, unique } from './lib/socket.mjs';
import { makeToken, nowS } from './lib/spaces.mjs';
import { Stack, bin, run, top } from './lib/stack.mjs';

const SECRET = 'the-secret-of-these-tests-0123456789abcdef';
const HS = 'a-secret-of-the-application-0123456789abcdef';
const pair = (type, options) => crypto.generateKeyPairSync(type, { ...options,
  publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } });
const rsa = pair('rsa', { modulusLength: 2048 });
const ec = pair('ec', { namedCurve: 'P-256' });
const [first, second, stranger] = [1, 2, 3].map(() => pair('ec', { namedCurve: 'P-256' }));
const jwk = (kid, { publicKey }) => ({ kid, use: 'sig', ...crypto.createPublicKey(publicKey).export({ format: 'jwk' }) });

const claims = (sub, more = {}) => ({ sub, aud: 'shop', iat: nowS(), exp: nowS() + 600, ...more });
const hs = (sub, more, how = {}) => makeToken(claims(sub, more), HS, { header: { kid: 'hs' }, ...how });
const es = (sub, kid, { privateKey }) => makeToken(claims(sub), privateKey, { alg: 'ES256', header: { kid } });

/** A server of a JWK Set that does as it is told. */
class Keys {
  keys = [];
  asked = 0;
  how = 'well';

  async begin() {
    this.server = http.createServer((req, res) => {
      this.asked++;
      if (this.how === 'slowly') return;
      if (this.how === 'elsewhere') return res.writeHead(302, { location: '/other' }).end();
      if (this.how === 'garbage') return res.end('<html>');
      if (this.how === 'huge') return res.end(JSON.stringify({ keys: this.keys, more: 'x'.repeat(300_000) }));
      res.end(JSON.stringify({ keys: this.keys }));
    });
    await new Promise((resolve) => this.server.listen(this.port ?? 0, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    this.url = `http://127.0.0.1:${this.port}/jwks`;
  }

  end() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

describe('users of an application, with doors = token', () => {
  let stack, dir;
  const jwks = new Keys();
  const hangUp = () => {
    for (const name of ['relay1', 'relay2', 'rest']) process.kill(stack.pid(name), 'SIGHUP');
  };
  const all = async (metric) => (await stack.relayMetric(metric)) + (await stack.metric('rest', metric));
  /** What hello is refused with: the code of the answer, which is the reason of the close. */
  const refusedHello = async (fields) => {
    const native = await Native.open(stack, { relay: 1 });
    const code = await native.refused('hello', fields);
    assert.deepEqual(await native.closed, { code: 4401, reason: code });
    return code;
  };
  const call = (name, body, token) => post(`${stack.url}/api/${name}`, body, token ? { token } : {});
  const admin = async (...words) => {
    const { code, stdout, stderr } = await stack.chaguan(...words);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };
  const enter = async (token, chatroomName) => {
    const { status, json, text } = await call('createChatroom', { chatroomName, nickName: 'ignored' }, token);
    assert.equal(status, 200, text);
    return json.data[0] ?? json.data;
  };

  before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-keys-'));
    fs.chmodSync(dir, 0o755); // started by root, the servers are another account's
    fs.writeFileSync(path.join(dir, 'hs.secret'), `${HS}\n`);
    fs.writeFileSync(path.join(dir, 'rs.pem'), rsa.publicKey);
    fs.writeFileSync(path.join(dir, 'es.pem'), ec.publicKey);
    jwks.keys = [jwk('first', first)];
    await jwks.begin();
    stack = await Stack.start({ relays: 2, settings: { doors: 'token', app_keys: dir, app_jwks_url: jwks.url,
      app_audience: 'shop', jwt_secret: SECRET, demos: 'on', signup: 'invite', grace_ms: '100ms' } });
    stack.keepSecret(HS);
  });
  after(async () => {
    await jwks.end();
    await stack?.remove();
    fs.rmSync(dir, { recursive: true, force: true });
  });

  it('a token of each kind of key is its user, who has one number and the name that was said last', async () => {
    const id = unique('用户 1');
    const tokens = [hs(id), es(id, 'es', ec), es(id, 'first', first),
      makeToken(claims(id), rsa.privateKey, { alg: 'RS256', header: { kid: 'rs' } }),
      makeToken(claims(id, { aud: ['x', 'shop'] }), HS, { header: { kid: 'hs' } })];
    for (const [i, token] of tokens.entries())
      assert.equal((await Native.hello(stack, { token }, { relay: 1 + i % 2 })).welcome.user, id);
    assert.equal((await Native.hello(stack, { token: hs(id, { name: 'Ann' }) })).welcome.user, 'Ann');
    assert.equal((await Native.hello(stack, { user: id, token: hs(id) })).welcome.user, 'Ann');
    await Native.hello(stack, { token: hs(id, { name: 'Bea', face: 'https://faces.example/b.png', role: 'moderator' }) });
    const rows = await stack.sql('SELECT a.name, a.face, a.role FROM user u JOIN app_user a ON a.user = u.id ' +
      'WHERE u.realm = 5 AND u.name = ?', [id]);
    assert.deepEqual(rows.map((row) => [String(row.name), String(row.face), row.role]),
      [['Bea', 'https://faces.example/b.png', 1]]);
    const many = await Promise.all(Array.from({ length: 20 }, (_, i) =>
      Native.hello(stack, { token: hs(`${id}!`) }, { relay: 1 + i % 2 })));
    assert.equal(many.length, 20);
    assert.equal((await stack.sql('SELECT 1 FROM user WHERE realm = 5 AND name = ?', [`${id}!`])).length, 1);
  });

  it('a JWK Set that changes is fetched again; one that is bad, huge, slow or gone leaves the keys of before', async () => {
    const id = unique('set');
    jwks.keys = [jwk('first', first), jwk('second', second), { kty: 'OKP', kid: 'x', crv: 'Ed25519', x: 'AA' },
      { kty: 'oct', kid: 'public', k: Buffer.from(HS).toString('base64url') }];
    const asked = jwks.asked;
    await refusedHello({ token: es(id, 'second', second) });
    await eventually(async () => (await stack.metric('relay1', 'token_keys')) === 5, 'the second key');
    await Native.hello(stack, { token: es(id, 'second', second) }, { relay: 1 });
    assert.equal(await refusedHello({ token: makeToken(claims(id), HS, { header: { kid: 'public' } }) }),
      'token_unknown_key');
    for (let i = 0; i < 20; i++) await refusedHello({ token: es(id, `no-${i}`, stranger) });
    assert.equal(jwks.asked, asked + 1, 'once a minute for keys that are not there');
    for (const how of ['garbage', 'huge', 'elsewhere', 'slowly']) {
      jwks.how = how;
      const failed = await all('token_keys_failed_total'), before = jwks.asked;
      hangUp();
      if (how === 'slowly') await eventually(() => jwks.asked === before + 3, 'questions that wait');
      else await eventually(async () => (await all('token_keys_failed_total')) >= failed + 3, how);
      await Native.hello(stack, { token: es(id, 'second', second) }, { relay: 1 });
      assert.equal((await call('users', {}, es(id, 'first', first))).status, 200, how);
    }
    await jwks.end();
    await Native.hello(stack, { token: es(id, 'first', first) }, { relay: 2 });
    jwks.how = 'well';
    await jwks.begin();
  });

  it('each refusal has its code: at the handshake and over REST', async () => {
    const id = unique('u'), good = hs(id), [head, body, mark] = good.split('.');
    const cases = {
      token_missing: [''],
      token_malformed: ['x', 'a.b', `${head}.${body}`, `"${good}"`, hs(''), hs(5), hs('a\nb'), hs('x'.repeat(129)),
        hs(id, { exp: undefined }), hs(id, { name: 7 }), hs(id, { role: 'king' }), hs(id, { face: 'javascript:1' }),
        hs(id, { more: 'x'.repeat(5000) })],
      token_signature: [`${head}.${body}.${mark.slice(0, -3)}AAA`, hs(id, {}, { alg: 'none' }),
        hs(id, {}, { alg: 'HS512' }), es(id, 'es', stranger), es(id, 'hs', ec),
        makeToken(claims(id), rsa.publicKey, { header: { kid: 'rs' } }),
        makeToken(claims(id), ec.publicKey, { header: { kid: 'es' } }),
        makeToken(claims(id), HS, { alg: 'RS256', signed: 'HS256', header: { kid: 'hs' } })],
      token_expired: [hs(id, { exp: nowS() - 1 }), hs(id, { nbf: nowS() + 600 })],
      token_audience: [hs(id, { aud: 'chaguan' }), hs(id, { aud: undefined }), hs(id, { aud: ['a', 'b'] })],
      token_unknown_key: [es(id, 'nobody', stranger), es(id, '../../etc/passwd', stranger),
        makeToken(claims(id), HS), makeToken({ sub: `user_${'0'.repeat(32)}`, aud: 'chaguan', exp: nowS() + 60 }, SECRET)],
    };
    for (const [code, tokens] of Object.entries(cases)) {
      for (const token of tokens) {
        assert.equal(await refusedHello(token ? { token } : {}), code, token);
        const headers = token ? { authorization: `Bearer ${token.slice(0, 7000)}` } : {};
        const answer = await request(`${stack.url}/api/friends?userId=x`, { headers });
        assert.deepEqual([answer.status, answer.json.code], [401, code], token);
      }
    }
    assert.equal((await stack.sql('SELECT 1 FROM user WHERE realm = 5 AND name = ?', [id])).length, 0);
    assert.ok(await all('tokens_refused_total') > 20);
  });

  it('without a token no front end lets anybody in', async () => {
    const room = `room_${'0'.repeat(32)}`, user = `user_${'0'.repeat(32)}`;
    for (const target of [`/?roomId=${room}&nickId=${user}`, `/ws/${user}`,
      `/chat/v1/message?friendphone=a&userphone=b&app_sid=c`])
      assert.deepEqual(await Socket.dial(stack, target).closed, { code: 4401, reason: 'token_missing' }, target);
    assert.equal(await knock(stack, `/space?roomId=space_${'0'.repeat(32)}`), 401);
    for (const [method, target] of [['GET', `poll?nickId=${user}`], ['GET', `events?nickId=${user}`],
      ['GET', `stream?nickId=${user}`]]) {
      const answer = await request(`${stack.url}/rooms/${room}/${target}`, { method });
      assert.deepEqual([answer.status, answer.json.code], [401, 'token_missing'], target);
    }
    const sent = await post(`${stack.url}/rooms/${room}/send`, { nickId: user, content: 'x' });
    assert.deepEqual([sent.status, sent.json.code], [401, 'token_missing']);
    for (const name of ['createChatroom', 'login', 'users', 'friends', 'spaces'])
      assert.deepEqual(await call(name, {}).then(({ status, json }) => [status, json.code]), [401, 'token_missing'], name);
    for (const target of ['/mysql/createChatroom', '/users/register', '/chat/v1/message', '/users/upload_avatar'])
      assert.equal((await post(stack.url + target, {})).status, 401, target);
    for (const nsp of ['/', '/news']) {
      const io = new IoClient(stack, { nsp });
      await io.until(() => io.refusals.length, 'a refusal');
      assert.equal(io.refusals[0].message, 'token_missing');
    }
  });

  it('a chatroom opens with one, on every transport', async () => {
    const id = unique('ann'), name = unique('Ann'), token = hs(id, { name });
    const { chatroomId, nickId } = await enter(token, unique('room'));
    const target = `/?roomId=${chatroomId}&token=${token}`;
    class Chat extends Socket {
      eventsOf(value) { return value; }
    }
    const chat = Chat.dial(stack, target, { relay: 1 });
    await chat.until(() => chat.events.find((event) => event.type === 'members'), 'the members');
    chat.sendJson({ type: 'message', content: 'said by ann', sendUserId: nickId, sendRoom: chatroomId });
    const said = await chat.until(() => chat.events.find(({ data }) => data.log_content === 'said by ann'));
    assert.equal(said.data.log_user_name, name);
    chat.sendJson({ type: 'message', content: 'as another', sendUserId: `user_${'0'.repeat(32)}` });
    await chat.until(() => chat.events.find(({ data }) => data.code === 'identity'));
    const headers = { authorization: `Bearer ${token}` };
    const polled = await request(`${stack.url}/rooms/${chatroomId}/poll?after=0&nickId=whoever`, { headers });
    assert.equal(polled.status, 200, polled.text);
    assert.ok(polled.text.includes('said by ann'));
    assert.equal((await post(`${stack.url}/rooms/${chatroomId}/send`, { content: 'posted' }, headers)).status, 200);
    await chat.until(() => chat.events.find(({ data }) => data.log_content === 'posted' && data.log_user_name === name));
    assert.equal((await call('validateNickIdByRoomId', { roomId: chatroomId }, token)).json.success, true);
    const other = Chat.dial(stack, `/?roomId=${chatroomId}&nickId=${nickId}&token=${hs(unique('eve'))}`);
    assert.deepEqual(await other.closed, { code: 1008, reason: 'Not a member of this room' });
    const brief = Chat.dial(stack, `/?roomId=${chatroomId}&token=${hs(id, { exp: nowS() + 2 })}`);
    await brief.until(() => brief.events.length);
    assert.deepEqual(await brief.closed, { code: 4401, reason: 'The token has expired' });
    assert.equal((await Native.hello(stack, { token })).welcome.user, name);
  });

  it('so do friends, spaces, customers and Socket.IO', async () => {
    const [ann, bob] = [unique('ann'), unique('bob')], [tokenA, tokenB] = [hs(ann), hs(bob)];
    const [a, b] = [(await call('users', {}, tokenA)).json.data, (await call('users', {}, tokenB)).json.data];
    const { friendId } = (await call('friends', { user1: a.userId, user2: b.userId }, tokenA)).json.data;
    const listener = Friend.dial(stack, `/ws/me?token=${tokenB}`, { relay: 2 });
    const speaker = Friend.dial(stack, '/ws/me', { relay: 1, options: { headers: { token: tokenA } } });
    await Promise.all([listener.opened, speaker.opened]);
    await eventually(() => { // once the listener is let in, of which it is not told
      speaker.sendJson({ friend: friendId, from: a.userId, to: b.userId, content: 'among friends', type: 'text' });
      return listener.events.find(({ content }) => content === 'among friends');
    }, 'a friend to hear the other');
    const third = await call('friends', { user1: a.userId, user2: b.userId }, hs(unique('eve')));
    assert.equal(third.status, 401, third.text);

    const login = (await call('login', {}, tokenA)).json;
    assert.equal(login.userId, a.userId);
    const space = (await call('spaces', { name: unique('space') }, tokenA)).json;
    for (const token of [tokenB, login.token]) {
      const player = Socket.dial(stack, `/${space.roomNum}?token=${token}&roomId=${space.roomId}`);
      await player.until(() => player.events.find((event) => event.userJoin), 'an arrival');
    }

    const card = (account) => ({ account, app_sid: 'app-1', username: account, avatar: '' });
    for (const [account, token] of [[ann, tokenA], [bob, tokenB]])
      assert.equal((await post(`${stack.url}/users/register`, { ...card(account), account: 'ignored' }, { token })).status, 200);
    const customer = Customer.dial(stack, `/chat/v1/message?friendphone=${bob}&userphone=${bob}&app_sid=app-1&token=${tokenA}`);
    await customer.until(() => customer.events.length);
    customer.sendJson(chatInfo(card(ann), card(bob), 'of a customer'));
    await customer.until(() => customer.frames.find((frame) => frame.includes('of a customer')));

    const io = await IoClient.connect(stack, { auth: { token: tokenA } });
    const far = await IoClient.connect(stack, { relay: 2, auth: { token: tokenB } });
    io.socket.emit('message', 'over Socket.IO');
    const heard = await far.until(() => far.events.find(({ args }) => args[0]?.content === 'over Socket.IO'));
    assert.equal(heard.args[0].username, ann);
  });

  it('whatever there is to open, in nginx, the relay and REST, is for everybody by a list, or shut without a token', async () => {
    const id = unique('all'), token = hs(id), source = (file) => fs.readFileSync(path.join(top, file), 'utf8');
    /** Of an answer, however long it goes on. */
    const status = (target, { relay = 3, method = 'GET', headers = {}, body } = {}) => new Promise((resolve, reject) => {
      const req = http.request(`${stack.wsUrl(relay).replace('ws', 'http')}${target}`, { method, headers, agent: false }, (res) => {
        resolve(res.statusCode);
        res.destroy();
      });
      req.on('error', reject);
      req.end(body);
    });
    const asked = (target) => `${target}${target.includes('?') ? '&' : '?'}token=${token}`;
    const turns = async (open, target, how, fine) => { // shut without a token, and with another's; open with one
      assert.equal(await open(target, how), 401, target);
      assert.equal(await open(`${asked(target)}x`, how), 401, target);
      assert.equal(await open(asked(target), how), fine, target);
    };
    await stack.startPart('relay3', '--set', 'io_app=echo'); // which has bare Engine.IO, too

    // the relay: what main.c lists
    const list = (name) => source('relay/main.c').match(new RegExp(`\\b${name}\\[\\] = \\{([^}]*)\\}`))[1].match(/\w+(?=,)/g)
      .filter((word) => word !== 'NULL');
    const closes = (target) => async () => {
      assert.deepEqual(await Socket.dial(stack, target, { relay: 3 }).closed, { code: 4401, reason: 'token_missing' });
    };
    const none = '0'.repeat(32), bare = '/engine.io/?EIO=4&transport=';
    const connects = (...namespaces) => async () => {
      for (const nsp of namespaces) {
        const shut = new IoClient(stack, { relay: nsp === '/custom' ? 3 : 1, nsp });
        await shut.until(() => shut.refusals.length, 'a refusal');
        assert.equal(shut.refusals[0].message, 'token_missing', nsp);
        await IoClient.connect(stack, { relay: nsp === '/custom' ? 3 : 1, nsp, auth: { token } });
      }
    };
    const ways = {
      protocols: {
        eio_protocol: async () => {
          await turns((to) => knock(stack, to, { relay: 3 }), `${bare}websocket`, {}, 101);
          const brief = hs(id, { exp: nowS() + 1 }), at = stack.wsUrl(3), polls = at.replace('ws', 'http') + bare + 'polling';
          const bareSocket = new Promise((resolve) => new WebSocket(`${at}${bare}websocket&token=${brief}`).on('close', resolve));
          const { sid } = JSON.parse((await request(`${polls}&token=${brief}`)).text.slice(1));
          const io = await IoClient.connect(stack, { relay: 3, nsp: '/news', auth: { token: brief }, reconnection: false });
          assert.equal((await request(`${polls}&sid=${sid}`)).text, '1', 'a poll is told that the connection ends');
          assert.equal(await bareSocket, 1000);
          await io.until(() => io.disconnects.length, 'Socket.IO to end with its token');
        },
        friends_protocol: closes(`/ws/user_${none}`),
        customer_protocol: closes('/chat/v1/message?friendphone=a&userphone=b&app_sid=c'),
        native_protocol: async () => assert.equal(await refusedHello({}), 'token_missing'),
        demo_echo_protocol: async () => {
          await turns((to) => knock(stack, to, { relay: 3 }), '/echo', {}, 101);
          const brief = Socket.dial(stack, `/echo?token=${hs(id, { exp: nowS() + 1 })}`, { relay: 3 });
          assert.deepEqual(await brief.closed, { code: 4401, reason: 'The token has expired' });
        },
        demo_greet_protocol: () => turns((to) => knock(stack, to, { relay: 3 }), '/ws', {}, 101),
        space_protocol: async () => assert.equal(await knock(stack, `/space?roomId=space_${none}`, { relay: 3 }), 401),
        chatroom_protocol: closes(`/?roomId=room_${none}&nickId=user_${none}`),
      },
      routes: {
        eio_route: async () => {
          for (const way of [`${bare}polling`, `${bare}polling&j=0`, '/engine.io/?EIO=3&transport=polling'])
            if (!way.includes('EIO=3')) await turns(status, way, {}, 200);
            else assert.notEqual(await status(way), 200);
          assert.equal(await status('/socket.io/?EIO=4&transport=polling'), 200); // its CONNECT asks
        },
        chatroom_http_route: async () => {
          for (const way of ['poll', 'events', 'stream']) assert.equal(await status(`/rooms/room_${none}/${way}?nickId=user_${none}`), 401);
          const body = JSON.stringify({ nickId: `user_${none}`, content: 'x' });
          assert.equal(await status(`/rooms/room_${none}/send`, { method: 'POST', body, headers: { 'content-type': 'application/json', 'content-length': body.length } }), 401);
        },
        status_route: async () => assert.equal(await status('/readyz'), 200), // operators' own
        demo_clock_route: async () => {
          for (const relay of [0, 3])
            for (const headers of [{}, { accept: 'text/event-stream' }, { 'sec-fetch-dest': 'iframe' }])
              await turns(status, '/clock', { relay, headers }, 200);
        },
      },
      apps: { chat_app: connects('/'), echo_app: connects('/custom'), news_app: connects('/news'), demo_app: connects('/echo-demo') },
    };
    for (const [name, tried] of Object.entries(ways)) {
      assert.deepEqual(list(name).sort(), Object.keys(tried).sort(), `relay/main.c: ${name}`);
      for (const way of Object.values(tried)) await way();
    }

    // REST: what --help prints
    const free = ['GET /healthz', 'GET /readyz', 'GET /metrics', 'POST /v1/signup', 'POST /v1/login', // who has no token yet
      'GET /v1/openapi.json', 'GET /v1/asyncapi.json', ...['chatroom', 'friends', 'customers', 'spaces', 'socketio'].map((of) => `GET /v1/asyncapi/${of}.json`),
      'GET /api/upload/room', 'GET /v1/uploads/room', 'GET /media/:name']; // asked by nginx of uploads; a file's name is a secret
    const operators = /^\/api\/(io|admin)\//; // a token of their own
    const { stdout } = await run(path.join(bin, 'chaguan-rest'), ['--help']);
    const calls = [...stdout.matchAll(/^ {2}(GET|POST|PUT|PATCH|DELETE) +(\/\S+)/gm)].map(([, method, to]) => [method, to]);
    assert.ok(calls.length > 60);
    for (const [method, to] of calls) {
      if (free.includes(`${method} ${to}`)) continue;
      const ask = (headers) => request(stack.url + to.replace(/:\w+/g, 'x'), { method,
        headers: { 'content-type': 'application/json', 'content-length': 2, ...headers }, body: '{}' });
      const [without, with_] = [await ask({}), await ask({ authorization: `Bearer ${token}` })];
      const shut = operators.test(to) ? [401, 403, 404] : [401];
      assert.ok(shut.includes(without.status), `${method} ${to}: ${without.status} ${without.text}`);
      if (!operators.test(to)) assert.notEqual(with_.status, 401, `${method} ${to}: ${with_.text}`);
    }
    assert.deepEqual(free.filter((call) => !calls.some((one) => one.join(' ') === call)), [], 'the list is of what there is');

    // nginx: every location leads to one of the above, or has files and sentences for everybody
    const leads = { relay: ['@chaguan_handoff', '@chaguan_relay', '^/(socket|engine)\\.io(/|$)', '^/clock/?$',
      '^/rooms/[^/]+/(poll|events|stream|send)/?$', '^/(?<chaguan_relay>relay[0-9]+)(?<chaguan_page>/(healthz|readyz|metrics))$'],
    rest: ['^/(mysql|api|users|chat/v1|v1)/', '^/(api/upload|users/upload_(avatar|video)|v1/uploads)/?$', '/chaguan/upload_room',
      '/chaguan/upload_refused', '^/(healthz|readyz|metrics)$', '@chaguan_thumbnail'],
    everybody: ['^/socket\\.io/(?<chaguan_client>socket\\.io(\\.esm)?(\\.min)?\\.js(\\.map)?)$', '/', '@PAGES@', '/\\.', '/media/',
      '^/media/(?<chaguan_file>[0-9a-f]{32}\\.[a-z0-9]{1,8})$', '^/chaguan/thumbnail/(?<chaguan_picture>[0-9a-f]{32}\\.[a-z0-9]{1,8})$',
      '@chaguan_404', '@chaguan_413', '@chaguan_429', '@chaguan_431', '@chaguan_502', '@chaguan_504', '@chaguan_upload_refused'] };
    const locations = [...source('nginx/chaguan.conf.in').matchAll(/^(?:@\w+@)? *location (?:[=~] )?"?([^"\n]*?)"? \{$/gm)].map(([, to]) => to);
    assert.deepEqual(locations.sort(), Object.values(leads).flat().sort());
    await stack.stopPart('relay3');
  });

  it('an operator voids the tokens of one user, and bans', async () => {
    const id = unique('gone'), token = hs(id), native = await Native.hello(stack, { token });
    const { chatroomId } = await enter(token, unique('room'));
    const chat = Socket.dial(stack, `/?roomId=${chatroomId}&token=${token}`, { relay: 2 });
    chat.eventsOf = (value) => value;
    await chat.until(() => chat.events.length);
    const ios = await Promise.all([1, 2].map((relay) => IoClient.connect(stack, { relay, auth: { token }, reconnection: false })));
    const other = await IoClient.connect(stack, { auth: { token: hs(unique('stays')) } });
    await admin('user', 'revoke', `app:${id}`);
    for (const client of ios) await client.until(() => client.disconnects.length, 'the end of a revoked one');
    assert.deepEqual(other.disconnects, []);
    for (const socket of [native, chat]) assert.deepEqual(await socket.closed, { code: 4401, reason: 'revoked' });
    const again = await Native.open(stack);
    assert.equal(await again.refused('hello', { token }), 'unauthorized');
    assert.deepEqual(await Socket.dial(stack, `/?roomId=${chatroomId}&token=${token}`).closed,
      { code: 4401, reason: 'revoked' });
    const later = hs(id, { iat: nowS() + 2 });
    const back = await Native.hello(stack, { token: later });
    const there = await IoClient.connect(stack, { auth: { token: later }, reconnection: false });
    await admin('user', 'ban', `app:${id}`);
    assert.equal((await back.closed).code, 1008);
    await there.until(() => there.disconnects.length, 'the end of a banned one');
    const io = new IoClient(stack, { auth: { token: later } });
    await io.until(() => io.refusals.length, 'a refusal');
    assert.equal(io.refusals[0].message, 'banned');
  });

  it('Socket.IO shows nothing of who was erased, on any relay, and they are online for whoever asks until then', async () => {
    const [id, stays] = [unique('erased'), unique('stays')];
    const key = (await stack.chaguan('key', 'add', 'eraser', '--scope', 'read,admin')).stdout.trim();
    const call = (method, to) => request(`${stack.url}/v1/${to}`, { method, headers: { authorization: `Bearer ${key}` } });
    const online = async () => (await call('GET', `presence?users=${id},${stays}`)).json.items.map((item) => item.online);
    const one = await IoClient.connect(stack, { relay: 1, auth: { token: hs(id, { name: 'Erased Name' }) }, reconnection: false });
    const other = await IoClient.connect(stack, { relay: 2, auth: { token: hs(stays) } });
    const secret = stack.keepSecret(unique('secret-of-the-erased'));
    await one.ask('message', secret);
    await other.until(() => JSON.stringify(other.all('message')).includes(secret), 'what they said');
    await eventually(async () => (await online()).every(Boolean), 'both to be online');
    assert.equal((await call('DELETE', `users/${id}`)).status, 204);
    await one.until(() => one.disconnects.length, 'their end');
    for (const relay of [1, 2]) {
      const newcomer = await IoClient.connect(stack, { relay, auth: { token: hs(unique('new')) } });
      let asked = 0;
      await eventually(async () => {
        await newcomer.ask('getAllMessages');
        return !/secret-of-the-erased|Erased Name/.test(JSON.stringify(await newcomer.event('allMessages', ++asked)));
      }, 'the relay to forget it');
    }
    await eventually(async () => JSON.stringify(await online()) === '[false,true]', 'one to be online');
  });

  it('accounts of Chaguan\'s own are users like others', async () => {
    const v1 = (name, body, token) => post(`${stack.url}/v1/${name}`, body, token ? { authorization: `Bearer ${token}` } : {});
    const refused = async (answer, status, code) => {
      const { status: got, json, text } = await answer;
      assert.deepEqual([got, json?.error?.code], [status, code], text);
    };
    const password = stack.keepSecret(unique('a password of an account'));
    const [boss, ann] = [unique('boss'), unique('ann')];
    await refused(v1('signup', { name: boss, password }), 403, 'invite_needed');
    await refused(v1('signup', { name: boss, password, invite: `ci_${'0'.repeat(32)}` }), 403, 'invite_invalid');
    await admin('setup-code'); // the next one takes its place
    const code = stack.keepSecret(await admin('setup-code')), invite = stack.keepSecret(await admin('invite', 'add'));
    const made = await v1('signup', { name: boss, password, invite: code });
    assert.equal(made.status, 200, made.text);
    assert.deepEqual([made.json.user, Object.keys(made.json).sort()], [boss, ['expires', 'token', 'user']]);
    const [{ role }] = await stack.sql('SELECT a.role FROM user u JOIN app_user a ON a.user = u.id ' +
      'WHERE u.realm = 5 AND u.name = ?', [boss]);
    assert.equal(role, 2);
    await refused(v1('signup', { name: unique('second'), password, invite: code }), 403, 'invite_invalid');
    assert.equal((await stack.chaguan('setup-code')).code, 2, 'there is an account');
    const both = await Promise.all([ann, unique('eve')].map((name) => v1('signup', { name, password, invite })));
    assert.deepEqual(both.map(({ status }) => status).sort(), [200, 403], 'an invite is for one');
    const name = both[0].status === 200 ? ann : both[1].json.user;
    const more = stack.keepSecret(await admin('invite', 'add'));
    const taken = unique('of the application');
    await Native.hello(stack, { token: hs(taken) });
    for (const of of [name, taken]) await refused(v1('signup', { name: of, password, invite: more }), 409, 'name_taken');
    await refused(v1('signup', { name: 'system', password, invite: more }), 400, 'bad_argument');
    await refused(v1('signup', { name: unique('x'), password: 'short', invite: more }), 400, 'bad_argument');
    await refused(v1('login', { name, password: `${password}!` }), 401, 'wrong_password');
    for (const of of [taken, unique('nobody')]) await refused(v1('login', { name: of, password }), 401, 'wrong_password');
    const { json: { token, user, expires } } = await v1('login', { name, password });
    assert.equal(user, name);
    assert.ok(expires > Date.now());
    assert.equal((await Native.hello(stack, { token })).welcome.user, name);
    assert.equal((await call('users', {}, token)).json.data.name, name);
    const next = await v1('token/refresh', {}, token);
    assert.equal((await Native.hello(stack, { token: next.json.token })).welcome.user, name);
    await refused(v1('token/refresh', {}), 401, 'token_missing');
    await refused(v1('token/refresh', {}, hs(taken)), 403, 'forbidden');
  });

  it('keys are read anew on SIGHUP, while clients are connected', async () => {
    const id = unique('turn'), stays = await Native.hello(stack, { token: hs(id) });
    const fresh = 'another-secret-of-the-application-0123456789';
    stack.keepSecret(fresh);
    const token = makeToken(claims(id), fresh, { header: { kid: 'hs2' } });
    assert.equal(await refusedHello({ token }), 'token_unknown_key');
    fs.writeFileSync(path.join(dir, 'hs2.secret'), fresh);
    fs.rmSync(path.join(dir, 'rs.pem'));
    hangUp();
    await eventually(async () => (await all('token_keys')) === 15, 'the new key');
    assert.equal((await Native.hello(stack, { token }, { relay: 2 })).welcome.user, id);
    assert.equal((await call('users', {}, token)).status, 200);
    assert.equal(await refusedHello({ token: makeToken(claims(id), rsa.privateKey, { alg: 'RS256', header: { kid: 'rs' } }) }),
      'token_unknown_key');
    await stays.must('ping');
    const failed = await all('token_keys_failed_total');
    fs.writeFileSync(path.join(dir, 'weak.secret'), 'short');
    hangUp();
    await eventually(async () => (await all('token_keys_failed_total')) >= failed + 3, 'a refusal of the folder');
    await Native.hello(stack, { token: hs(id) });
    fs.rmSync(path.join(dir, 'weak.secret'));
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
