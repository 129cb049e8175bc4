// Users of an application: whom its tokens make them, which tokens are refused and how that is told, its keys as they
// change, and doors that open to nobody without a token.
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
import { IoClient } from './lib/io.mjs';
import { Native } from './lib/native.mjs';
import { Socket, knock, unique } from './lib/socket.mjs';
import { makeToken, nowS } from './lib/spaces.mjs';
import { Stack } from './lib/stack.mjs';

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
      app_audience: 'shop', jwt_secret: SECRET, signup: 'invite', grace_ms: '100ms' } });
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

  it('without a token no door lets anybody in', async () => {
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
