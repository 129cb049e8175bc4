// Tokens and passwords: which tokens open a space and its calls, which do not and why, and what guessing a password
// gets.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Friend, ask, befriend, data, history, newUser, refused, settle as settleFriends,
  tell } from './lib/friends.mjs';
import { knock, unique } from './lib/socket.mjs';
import { Player, claimsOf, login, makeToken, newSpace, nowS, read, readToken, seen, settle,
  write } from './lib/spaces.mjs';
import { Stack, request } from './lib/stack.mjs';

const SECRET = 'the-secret-of-these-tests-0123456789abcdef';
const rsa = crypto.generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' } });
const other = crypto.generateKeyPairSync('rsa',
  { modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' } });

/** A good answer's body. */
async function body(answer) {
  const { status, text, json } = await answer;
  assert.equal(status, 200, text);
  return json;
}

/** Tokens that nobody may believe, whatever the keys: [what, token] made for this user with this secret. */
function badTokens(userId, key = SECRET, alg = 'HS256') {
  const good = makeToken(claimsOf(userId), key, { alg });
  const [head, middle, mark] = good.split('.');
  const make = (more, options = {}) => makeToken(claimsOf(userId, more), key, { alg, ...options });
  const without = (name) =>
    makeToken(Object.fromEntries(Object.entries(claimsOf(userId)).filter(([claim]) => claim !== name)), key, { alg });
  const noise = (text) => text.slice(0, -2) + (text.endsWith('AA') ? 'BB' : 'AA');
  return Object.entries({
    'no token': '', 'a word': 'token', 'dots': '..', 'four parts': `${good}.x`, 'two parts': `${head}.${middle}`,
    'no signature': `${head}.${middle}.`, 'another signature': `${head}.${middle}.${noise(mark)}`,
    'another body': `${head}.${make({ exp: nowS() + 6000 }).split('.')[1]}.${mark}`,
    'a body that is no JSON': `${head}.${Buffer.from('hello').toString('base64url')}.${mark}`,
    'expired': make({ exp: nowS() - 1 }), 'expired long ago': make({ exp: 1 }), 'ends never': without('exp'),
    'an end that is a text': make({ exp: String(nowS() + 600) }), 'an end that is negative': make({ exp: -1 }),
    'an end that is null': make({ exp: null }),
    'not begun': make({ nbf: nowS() + 600 }), 'another audience': make({ aud: 'elsewhere' }),
    'no audience': without('aud'), 'other audiences': make({ aud: ['a', 'b'] }), 'nobody': without('sub'),
    'a number for a user': make({ sub: 5 }), 'a name for a user': make({ sub: 'bob' }),
    'a user with a blank': make({ sub: `${userId} ` }),
    'alg none': makeToken(claimsOf(userId), '', { alg: 'none' }),
    'alg None': makeToken(claimsOf(userId), '', { alg: 'None' }),
    'alg none with a signature': makeToken(claimsOf(userId), key, { alg: 'none', signed: alg }),
    'no alg': make({}, { header: { alg: undefined } }), 'an alg that is a number': make({}, { header: { alg: 5 } }),
    'HS512': makeToken(claimsOf(userId), SECRET, { alg: 'HS512' }),
    'HS384': makeToken(claimsOf(userId), SECRET, { alg: 'HS384' }),
    'another secret': makeToken(claimsOf(userId), 'another-secret-that-is-long-enough-too'),
    'an empty secret': makeToken(claimsOf(userId), ''),
    'a kid that is a path, an empty key': makeToken(claimsOf(userId), '', { header: { kid: '/dev/null' } }),
    'a kid that is a query': makeToken(claimsOf(userId), 'x', { header: { kid: `' UNION SELECT 'x` } }),
    'a key of its own': makeToken(claimsOf(userId), other.privateKey,
      { alg: 'RS256', header: { jwk: crypto.createPublicKey(other.publicKey).export({ format: 'jwk' }) } }),
    'an address of a key': makeToken(claimsOf(userId), other.privateKey,
      { alg: 'RS256', header: { jku: 'http://127.0.0.1:9/keys' } }), 'too long': make({ more: 'x'.repeat(5000) }),
      'a blank before it': ` x${good}`, 'a quote': `"${good}"`,
  });
}

/** Every way that a token can be shown gets this status, handshakes 101 where calls get 200. */
async function assertShown(stack, space, token, status, what) {
  const path = `/${encodeURIComponent(space.roomNum)}`;
  const opened = status === 200 ? 101 : status;
  const call = `${stack.url}/api/spaces/${space.roomId}`;
  for (const relay of [0, 1]) {
    assert.equal(await knock(stack, path, { relay, headers: { token, 'room-id': space.roomId } }), opened,
      `${what}: header, ${relay}`);
    assert.equal(await knock(stack, `${path}?token=${encodeURIComponent(token)}&roomId=${space.roomId}`, { relay }),
      opened, `${what}: query, ${relay}`);
  }
  assert.equal((await request(call, { headers: { token } })).status, status, `${what}: header of a call`);
  assert.equal((await request(call, { headers: { Authorization: `Bearer ${token}` } })).status, status,
    `${what}: bearer`);
}

describe('tokens, HS256', () => {
  let stack, user, space;
  before(async () => {
    stack = await Stack.start({ relays: 2, settings: { jwt_secret: SECRET, jwt_ttl_ms: '1h', grace_ms: '100ms' } });
    stack.keepSecret(SECRET);
    user = await login(stack);
    space = await newSpace(stack, user);
  });
  after(() => stack?.remove());

  it('login gives a token for an hour, signed with the secret and naming the user', async () => {
    const [header, claims] = readToken(user.token);
    assert.equal(header.alg, 'HS256');
    assert.deepEqual([claims.sub, claims.aud, claims.exp - claims.iat], [user.userId, 'chaguan', 3600]);
    assert.equal(user.expires, claims.exp * 1000);
    const [head, middle, mark] = user.token.split('.');
    assert.equal(mark, crypto.createHmac('sha256', SECRET).update(`${head}.${middle}`).digest('base64url'));
    await assertShown(stack, space, user.token, 200, "login's token");
  });

  it('a token made by another program with the same secret is as good', async () => {
    for (const more of [{}, { aud: ['else', 'chaguan'] }, { nbf: nowS() - 5 }, { exp: 99_999_999_999 },
      { extra: { a: [1] } }]) {
      await assertShown(stack, space, makeToken(claimsOf(user.userId, more), SECRET,
        { header: { kid: '../../dev/null' } }), 200, JSON.stringify(more));
    }
  });

  it('every other is 401: at the handshake, in a header, in a query and as a bearer', async () => {
    for (const [what, token] of badTokens(user.userId)) await assertShown(stack, space, token, 401, what);
    assert.equal(await knock(stack, `/${space.roomNum}`, { headers: { 'room-id': space.roomId } }), 401);
    for (const [path, content] of [['spaces', {}], [`spaces/${space.roomId}/join`, {}],
      [`spaces/${space.roomId}/transfers`, { toId: user.userId, score: 1, clientId: 'x' }]])
      await refused(write(stack, path, {}, content), 401);
    for (const path of [`spaces/${space.roomId}`, `spaces/${space.roomId}/messages`])
      await refused(read(stack, path), 401);
  });

  it('a good token of a user who does not exist, or is of another protocol, opens nothing', async () => {
    const friend = await newUser(stack);
    for (const userId of [`user_${'0'.repeat(32)}`, friend.userId]) {
      const stranger = { userId, token: makeToken(claimsOf(userId), SECRET) };
      assert.equal((await Player.at(stack, space, stranger).closed).code, 1008);
      await refused(read(stack, `spaces/${space.roomId}`, stranger), 401);
    }
    assert.equal((await seen(stack, space, user)).members.length, 1);
  });

  it('a token that ends while its connection stands closes it with 4401, in all tabs and no other', async () => {
    const stays = await Player.enter(stack, space, user, { relay: 1 });
    const guest = await login(stack);
    const exp = nowS() + 3;
    const short = { ...guest, token: makeToken(claimsOf(guest.userId, { exp }), SECRET) };
    const tabs = [];
    for (const [relay, query] of [[1, false], [2, true], [0, false]])
      tabs.push(await Player.enter(stack, space, short, { relay, query }));
    const longer = await Player.enter(stack, space, guest, { relay: 2 });
    for (const tab of tabs) assert.equal((await tab.closed).code, 4401);
    assert.ok(nowS() >= exp, 'not before its end');
    await settle(stays, longer);
    assert.equal(await knock(stack, `/${space.roomNum}`, { headers: { token: short.token, 'room-id': space.roomId } }),
      401);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});

describe('tokens, RS256', () => {
  let stack, dir, user, space;
  before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-key-'));
    fs.writeFileSync(path.join(dir, 'public.pem'), rsa.publicKey);
    fs.chmodSync(dir, 0o755); // started by root, the servers are another account's
    // Users and the space are made with a secret; then only the public key is left.
    stack = await Stack.start({ relays: 2, settings: { jwt_secret: SECRET } });
    user = await login(stack);
    space = await newSpace(stack, user);
    await stack.must('down');
    stack.settings = { log_level: 'debug', jwt_secret: '', jwt_public_key: path.join(dir, 'public.pem') };
    await stack.up();
  });
  after(async () => {
    await stack?.remove();
    fs.rmSync(dir, { recursive: true, force: true });
  });

  it('what the private key signed is taken, and a connection lives by it', async () => {
    const token = makeToken(claimsOf(user.userId), rsa.privateKey, { alg: 'RS256' });
    await assertShown(stack, space, token, 200, 'RS256');
    const player = await Player.enter(stack, space, { ...user, token }, { relay: 2 });
    await settle(player);
    const short = makeToken(claimsOf(user.userId, { exp: nowS() + 2 }), rsa.privateKey, { alg: 'RS256' });
    assert.equal((await Player.at(stack, space, { ...user, token: short }, { relay: 1 }).closed).code, 4401);
  });

  it('HS256 signed with the public key, another key, another algorithm and the secret of before are 401', async () => {
    const der = crypto.createPublicKey(rsa.publicKey).export({ type: 'spki', format: 'der' });
    for (const [what, key] of [['the PEM file', rsa.publicKey], ['without its last line feed', rsa.publicKey.trimEnd()],
      ['its DER', der], ['its base64', der.toString('base64')], ['the secret of before', SECRET], ['nothing', '']]) {
      await assertShown(stack, space, makeToken(claimsOf(user.userId), key, { alg: 'HS256' }), 401,
        `HS256 with ${what}`);
      await assertShown(stack, space, makeToken(claimsOf(user.userId), key, { alg: 'RS256', signed: 'HS256' }), 401,
        `HS256 called RS256 with ${what}`);
    }
    await assertShown(stack, space, makeToken(claimsOf(user.userId), other.privateKey, { alg: 'RS256' }), 401,
      'another private key');
    await assertShown(stack, space, makeToken(claimsOf(user.userId), rsa.privateKey, { alg: 'RS512' }), 401, 'RS512');
    await assertShown(stack, space, makeToken(claimsOf(user.userId), rsa.privateKey, { alg: 'HS256', signed: 'RS256' }),
      401, 'RS256 called HS256');
    for (const [what, token] of badTokens(user.userId, rsa.privateKey, 'RS256'))
      await assertShown(stack, space, token, 401, what);
  });

  it('login gives no token where there is nothing to sign with', async () => {
    const answer = await tell(stack, 'login', { nickName: unique('nobody') });
    assert.equal(answer.status, 501, answer.text);
    assert.ok(!answer.text.includes('token"'));
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});

describe('passwords', () => {
  let stack;
  const logIn = (nickName, password) => tell(stack, 'login', { nickName, password });
  before(async () => {
    stack = await Stack.start({ relays: 2, settings: { jwt_secret: SECRET, login_attempts: 5 } });
  });
  after(() => stack?.remove());
  // The address counts as well as the name, and all tests have the same: forget what was counted.
  const forgive = async () => {
    for (const key of await stack.redis('--scan', '--pattern', '*'))
      if (/login|limit|attempt/.test(key)) await stack.redis('DEL', key);
  };

  it('the first one sets it, then it is needed, and no other will do; it is stored as an Argon2id hash', async () => {
    const [name, password] = [unique('ann'), stack.keepSecret(unique('correct horse "battery" 茶🍵 \\'))];
    const first = await body(logIn(name, password));
    assert.equal((await body(logIn(name, password))).userId, first.userId);
    for (const wrong of [`${password} `, password.toUpperCase(), password.slice(1)])
      assert.equal(await refused(logIn(name, stack.keepSecret(wrong)), 401), 'unauthorized');
    await refused(tell(stack, 'login', { nickName: name }), 401);
    const [{ hash }] = await stack.sql(
      'SELECT hash FROM credential c JOIN user u ON u.id = c.user WHERE u.public_id = ?', [first.userId]);
    assert.match(hash, /^\$argon2id\$/);
    assert.ok(!hash.includes(password));
    await forgive();
  });

  it('what can be no password is 400', async () => {
    for (const password of ['', 'short', 'x'.repeat(257), 5, [], {}])
      await refused(logIn(unique('bad'), password), 400);
  });

  it('too many wrong ones are 429 for a while, the right one too; ' +
    'others are not locked out of their names', async () => {
    await forgive();
    const [name, password] = [unique('bob'), stack.keepSecret(unique('the right one'))];
    const { userId } = await body(logIn(name, password));
    const statuses = [];
    for (let i = 0; i < 8; i++) statuses.push((await logIn(name, stack.keepSecret(unique('a wrong one')))).status);
    assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
    const answer = await logIn(name, password);
    assert.equal(answer.status, 429);
    assert.match(answer.headers['retry-after'], /^[1-9]\d?$/);
    await forgive();
    assert.equal((await body(logIn(name, password))).userId, userId);
  });

  it('many guesses at once are no more guesses', async () => {
    await forgive();
    const [name, password] = [unique('cat'), stack.keepSecret(unique('the right one'))];
    await body(logIn(name, password));
    const answers =
      await Promise.all(Array.from({ length: 20 }, () => logIn(name, stack.keepSecret(unique('a guess')))));
    const count = (status) => answers.filter((answer) => answer.status === status).length;
    assert.ok(count(401) <= 5, `${count(401)} guesses were looked at`);
    assert.equal(count(401) + count(429) + count(503), 20);
    await forgive();
  });

  it("a friend's password: the id alone no longer opens the socket, the history or the list", async () => {
    await forgive();
    const [password, name] = [stack.keepSecret(unique('of a friend')), unique('dora')];
    const dora = await newUser(stack, name, { password });
    const bob = await newUser(stack);
    assert.deepEqual(Object.keys(dora).sort(), ['expires', 'name', 'token', 'userId']);
    const friend = await data(tell(stack, 'friends', { user1: dora.userId, user2: bob.userId }, { token: dora.token }))
      .then((made) => made.friendId);
    const stranger = await login(stack);
    for (const token of [undefined, 'x', stranger.token, `${dora.token}x`,
      makeToken(claimsOf(dora.userId), 'some-other-secret-of-32-bytes-or-so'),
      makeToken(claimsOf(dora.userId, { exp: nowS() - 1 }), SECRET)]) {
      const headers = token ? { token } : {};
      for (const relay of [0, 1]) {
        const socket = Friend.dial(stack, `/ws/${dora.userId}`, { relay, options: { headers } });
        assert.equal((await socket.closed).code, 4401);
        assert.deepEqual(socket.frames, []);
      }
      await refused(ask(stack, `friends?userId=${dora.userId}`, headers), 401);
      await refused(ask(stack, `friends/${friend}/messages?userId=${dora.userId}`, headers), 401);
      await refused(tell(stack, `friends/${friend}/read`, { userId: dora.userId, seq: 1 }, headers), 401);
      await refused(tell(stack, 'friends', { user1: dora.userId, user2: stranger.userId }, headers), 401, 404);
    }
    const byHeader = await Friend.connect(stack, dora, { relay: 1, headers: { token: dora.token } });
    const byQuery = Object.assign(Friend.dial(stack, `/ws/${dora.userId}?token=${dora.token}`, { relay: 0 }),
      { user: dora });
    const far = await Friend.connect(stack, bob, { relay: 2 });
    await settleFriends(friend, [byHeader, byQuery], [far]);
    assert.equal((await data(ask(stack, `friends?userId=${dora.userId}`, { token: dora.token }))).length, 1);
    assert.ok(
      (await data(ask(stack, `friends?userId=${dora.userId}`, { Authorization: `Bearer ${dora.token}` }))).length);
    await refused(tell(stack, 'users', { name, password: 'another one' }), 401);
    await refused(tell(stack, 'users', { name }), 401);
    assert.equal((await newUser(stack, name, { password })).userId, dora.userId);
    assert.ok((await history(stack, friend, bob)).length, 'who has no password reads on');
    await refused(tell(stack, 'friends', { user1: bob.userId, user2: dora.userId }), 401);
    assert.equal(await befriend(stack, bob, await newUser(stack)).then((id) => typeof id), 'string');
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
