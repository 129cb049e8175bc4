// A right that was proved when a connection opened ends with what it rested on: a password that is set, a token that is
// revoked, a membership that ends. On every relay and transport within a second, without Redis too, and also for who is
// coming in at that very moment.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, enter, settle as settleRoom, unique } from './lib/client.mjs';
import { session } from './lib/customers.mjs';
import { Friend, couple, data, newUser, tell } from './lib/friends.mjs';
import { Native } from './lib/native.mjs';
import { Events, Stream, ask, roomUrl } from './lib/rooms.mjs';
import { keepIn } from './lib/socket.mjs';
import { Player, claimsOf, login, makeToken, newSpace, nowS, read, seen } from './lib/spaces.mjs';
import { Stack, eventually, post } from './lib/stack.mjs';

const SECRET = 'a-secret-of-the-test-that-is-long-enough';
const ADMIN = 'the-admin-token-of-these-tests';
const WITHIN_MS = 1000;
const REVOKED = { code: 4401, reason: 'revoked' };

describe('rights that are taken away', () => {
  let stack;
  const open = [];
  const keep = keepIn(open);
  const friend = async (user, how) => keep(await Friend.connect(stack, user, how));
  const player = async (space, user, how) => keep(await Player.enter(stack, space, user, how));
  const native = async (who, how) => keep(await Native.hello(stack, who, how));

  /** All of these are closed as revoked within a second from now on. */
  async function revoked(...clients) {
    const begin = Date.now();
    for (const client of clients) assert.deepEqual(await client.closed, REVOKED);
    assert.ok(Date.now() - begin < WITHIN_MS, `it took ${Date.now() - begin} ms`);
  }
  async function refusedAtOnce(client, ...codes) {
    const { code } = await keep(client).closed;
    assert.ok(codes.includes(code), `closed with ${code}`);
  }
  async function operate(...words) {
    const { code, stderr } = await stack.chaguan(...words);
    assert.equal(code, 0, `chaguan ${words.join(' ')}: ${stderr}`);
  }
  const setPassword = (name) => newUser(stack, name, { password: 'the-users-own' });

  before(async () => {
    stack = await Stack.start({ relays: 2, settings: { jwt_secret: SECRET, admin_token: ADMIN, grace_ms: '200ms',
      members_interval_ms: '20ms', redis_timeout_ms: '500ms', reconcile_ms: '10min', reconcile_down_ms: '60s',
      poll_presence_ms: '500ms' } });
  });
  after(async () => {
    for (const client of open) client.close();
    await stack?.checkAndStop();
    await stack?.remove();
  });

  it('a password that a user sets puts out who came with the id alone, and lets in who has it', async () => {
    const name = unique('owner');
    const user = await newUser(stack, name);
    const strangers = [await friend(user, { relay: 1 }), await friend(user, { relay: 2 }),
      await native({ user: user.userId }, { relay: 1 }), await native({ user: user.userId }, { relay: 2 })];
    const { token } = await setPassword(name);
    await revoked(...strangers);
    await refusedAtOnce(Friend.dial(stack, `/ws/${user.userId}`, { relay: 2 }), 4401);
    const unknown = keep(await Native.open(stack, { relay: 1 }));
    assert.equal(await unknown.refused('hello', { user: user.userId }), 'unauthorized');

    const owner = await friend({ userId: user.userId }, { relay: 2, headers: { token } });
    const also = await native({ token }, { relay: 1 });
    const other = await newUser(stack);
    const friendId = (await data(tell(stack, 'friends', { user1: user.userId, user2: other.userId }, { token }))).friendId;
    const witness = await friend(other, { relay: 1 });
    await eventually(() => {
      owner.send(friendId, 'mine', other.userId);
      return witness.said.includes('mine');
    }, 'what the owner says');
    assert.equal(owner.closeInfo, undefined);
    assert.equal(also.closeInfo, undefined);
  });

  it('what a name alone gave a token for is over once the name has a password', async () => {
    const nickName = unique('owner');
    const stranger = await login(stack, nickName);
    const space = await newSpace(stack, stranger);
    const theirs = [await player(space, stranger, { relay: 1 }), await player(space, stranger, { relay: 2 }),
      await native({ token: stranger.token }, { relay: 2 })];
    const foreign = makeToken(claimsOf(stranger.userId), SECRET);
    const older = makeToken(claimsOf(stranger.userId, { iat: nowS() - 60 }), SECRET);
    const silent = makeToken(claimsOf(stranger.userId, { iat: undefined }), SECRET);
    for (const token of [foreign, older, silent]) assert.equal((await read(stack, `spaces/${space.roomId}`, { token })).status, 200);
    const owner = await login(stack, nickName, { password: 'the-users-own' });
    assert.equal(owner.userId, stranger.userId);
    await revoked(...theirs);
    for (const token of [stranger.token, older, silent]) {
      assert.equal((await read(stack, `spaces/${space.roomId}`, { token })).status, 401);
      const socket = keep(Player.at(stack, space, { token }, { relay: 2 }));
      assert.deepEqual(await socket.closed, REVOKED);
      const again = keep(await Native.open(stack, { relay: 1 }));
      assert.equal(await again.refused('hello', { token }), 'unauthorized');
    }
    assert.equal((await read(stack, `spaces/${space.roomId}/unread`, stranger)).status, 401);
    assert.equal((await seen(stack, space, owner)).roomId, space.roomId);
    const mine = await player(space, owner, { relay: 1 });
    await native({ token: owner.token }, { relay: 2 });
    const later = makeToken(claimsOf(stranger.userId, { iat: nowS() + 5 }), SECRET);
    await player(space, { ...owner, token: later }, { relay: 2 });
    assert.equal(mine.closeInfo, undefined);
  });

  it('nobody who is coming in at that very moment stays', async () => {
    for (let round = 0; round < 5; round++) {
      const name = unique('owner');
      const user = await newUser(stack, name);
      const coming = [];
      let owner;
      const set = (async () => {
        await new Promise((resolve) => setTimeout(resolve, 5 * round));
        owner = await setPassword(name);
      })();
      for (let i = 0; i < 40; i++) {
        coming.push(keep(Friend.dial(stack, `/ws/${user.userId}`, { relay: 1 + (i % 2) })));
        coming.push(keep(await Native.open(stack, { relay: 1 + (i % 2) })));
        coming.at(-1).command('hello', { user: user.userId });
      }
      await set;
      const begin = Date.now();
      await eventually(() => coming.every((client) => client.closeInfo ||
        [...(client.answers?.values() ?? [])].some((answer) => !answer.ok)), 'that nobody is in');
      assert.ok(Date.now() - begin < WITHIN_MS);
      for (const client of coming) client.close();
      (await friend(user, { headers: { token: owner.token } })).close();
    }
  });

  it('a membership that ends takes the seat on every transport, and no page is read past that', async () => {
    const seat = await enter(stack, unique('room'), unique('nick'));
    const witness = await enter(stack, seat.roomName, unique('nick'));
    const elsewhere = await enter(stack, unique('room'), seat.nick);
    const near = keep(await Client.join(stack, seat, { relay: 1 }));
    const far = keep(await Client.join(stack, seat, { relay: 2 }));
    const there = keep(await Client.join(stack, elsewhere, { relay: 2 }));
    const stays = keep(await Client.join(stack, witness, { relay: 1 }));
    const [sitting, knowing] = [await native({ user: seat.nickId }, { relay: 2 }), await native({ user: seat.nickId })];
    await sitting.join(seat.roomId);
    await sitting.join(elsewhere.roomId);
    await knowing.must('history', { room: seat.roomId });
    const stream = keep(await Stream.open(roomUrl(stack, seat, 'stream', {}, { relay: 1 })));
    const events = keep(await Events.open(stack, seat, { relay: 2 }));
    const poll = ask(stack, seat, 'poll', { wait: 55 }, { relay: 1 });
    await settleRoom(near, far, stays);

    const begin = Date.now();
    assert.equal((await post(`${stack.url}/api/admin/revoke`, { user: seat.nick, realm: 'chatroom', room: seat.roomName },
      { Authorization: `Bearer ${ADMIN}` })).status, 200);
    await revoked(near, far);
    const put = await sitting.nextEvent((event) => event.ev === 'kicked', 'word of it');
    assert.equal(put.reason, 'revoked');
    await eventually(() => stream.ended, 'the end of the stream');
    await poll;
    assert.ok(Date.now() - begin < 2 * WITHIN_MS);
    const secret = stays.say(unique('after'));
    await stays.heard(secret);
    for (const client of [sitting, knowing]) {
      assert.equal(await client.refused('history', { room: seat.roomId }), 'not_found');
      assert.equal(await client.refused('send', { room: seat.roomId, content: 'x', client_id: unique('c') }), 'not_found');
    }
    for (const verb of ['poll', 'events', 'stream']) assert.equal((await ask(stack, seat, verb)).status, 404);
    await refusedAtOnce(Client.dial(stack, `?roomId=${seat.roomId}&nickId=${seat.nickId}`, { relay: 2 }), 1008);
    for (const got of [near, far, events, stream].map((client) => JSON.stringify(client.got ?? client.said)))
      assert.ok(!got.includes(secret));
    await sitting.send(elsewhere.roomId);
    assert.equal(there.closeInfo, undefined);
    events.close();

    const back = await enter(stack, seat.roomName, seat.nick); // coming in again makes a member again
    assert.deepEqual([back.roomId, back.nickId], [seat.roomId, seat.nickId]);
    keep(await Client.join(stack, seat, { relay: 1 }));
    await sitting.join(seat.roomId);
  });

  it('a membership of the application that an operator ends: everybody there hears of it at once', async () => {
    const { stdout } = await stack.chaguan('key', 'add', unique('key'), '--scope', 'write,admin');
    const call = async (path, body) => (await fetch(`${stack.url}/v1/${path}`, { method: 'POST',
      headers: { authorization: `Bearer ${stdout.trim()}` }, body: JSON.stringify(body) })).json();
    const [ann, bob, eve] = ['ann', 'bob', 'eve'].map(unique);
    const { id } = await call('conversations', { type: 'group', members: [ann, bob, eve] });
    const enterAs = async (user, relay) => {
      const client = await native({ token: (await call(`users/${user}/token`, {})).token }, { relay });
      await client.join(id);
      return client;
    };
    const witnesses = [await enterAs(ann, 1), await enterAs(ann, 2)];
    const theirs = [await enterAs(bob, 1), await enterAs(eve, 2)];
    await operate('user', 'revoke', `app:${bob}`, '--room', id);
    for (const client of witnesses) await client.event('removed', ({ from }) => from.id === bob);
    assert.equal((await post(`${stack.url}/api/admin/revoke`, { user: `app:${eve}`, room: id }, { Authorization: `Bearer ${ADMIN}` })).status, 200);
    for (const client of witnesses) await client.event('removed', ({ from }) => from.id === eve);
    for (const client of theirs) assert.equal((await client.event('kicked')).reason, 'revoked');
  });

  it('of a user whose rights are revoked altogether nothing stays open, whatever the protocol', async () => {
    const { one, other } = await couple(stack, [1], [2]);
    const account = await session(stack, [1], [2]);
    const seat = await enter(stack, unique('room'), unique('nick'));
    const room = keep(await Client.join(stack, seat, { relay: 2 }));
    const talker = await native({ user: seat.nickId }, { relay: 1 });
    await operate('user', 'revoke', one.user.userId);
    await revoked(one);
    await operate('user', 'revoke', seat.nickId);
    await revoked(room, talker);
    const [{ id }] = await stack.sql('SELECT user AS id FROM customer WHERE account = ?', [account.user.account]);
    const [{ publicId }] = await stack.sql('SELECT public_id AS publicId FROM user WHERE id = ?', [id]);
    await operate('user', 'revoke', publicId);
    await revoked(account.near);
    assert.equal(other.closeInfo ?? account.far.closeInfo, undefined);
    await friend(one.user); // its id still is what the article takes it for
  });

  it('keys that were changed put out who came with a token, and nobody else', async () => {
    const user = await login(stack);
    const space = await newSpace(stack, user);
    const { one } = await couple(stack, [1], [2]);
    const theirs = [await player(space, user, { relay: 1 }), await native({ token: user.token }, { relay: 2 })];
    await operate('tokens', 'revoke');
    await revoked(...theirs);
    await player(space, user, { relay: 2 });
    await new Promise((resolve) => setTimeout(resolve, WITHIN_MS)); // found again by looking, it is no news
    assert.equal(one.closeInfo, undefined);
    assert.equal(open.at(-1).closeInfo, undefined);
  });

  it('what may not be revoked is refused', async () => {
    const { code, stderr } = await stack.chaguan('user', 'revoke', unique('nobody'));
    assert.deepEqual([code, /no such user/.test(stderr)], [2, true]);
    const seat = await enter(stack, unique('room'), unique('nick'));
    const other = await enter(stack, unique('room'), unique('nick'));
    const twice = await stack.chaguan('user', 'revoke', seat.nickId, '--room', other.roomId);
    assert.match(twice.stderr, /no member/);
    assert.equal((await post(`${stack.url}/api/admin/revoke`, { user: seat.nick })).status, 401);
    assert.equal((await post(`${stack.url}/api/admin/revoke`, { user: unique('x'), realm: 'socketio' },
      { Authorization: `Bearer ${ADMIN}` })).status, 400);
  });

  it('without Redis it takes no longer', async () => {
    const [first, second] = [unique('owner'), unique('owner')];
    const users = [await newUser(stack, first), await newUser(stack, second)];
    const seat = await enter(stack, unique('room'), unique('nick'));
    const strangers = [await friend(users[0], { relay: 1 }), await friend(users[0], { relay: 2 }),
      await native({ user: users[0].userId }, { relay: 2 })];
    const member = keep(await Client.join(stack, seat, { relay: 2 }));
    const late = [await friend(users[1], { relay: 1 }), await friend(users[1], { relay: 2 })];
    await stack.kill('redis', 'STOP'); // it hangs: no relay knows yet that it hears nothing
    await setPassword(first);
    await revoked(...strangers);
    await stack.kill('redis', 'CONT');
    await stack.stopPart('redis');
    await setPassword(second);
    await revoked(...late);
    await operate('user', 'revoke', seat.nickId, '--room', seat.roomId);
    await revoked(member);
    await stack.startPart('redis');
    await stack.ready();
  });
});
