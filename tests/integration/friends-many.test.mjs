// The friend chat with a great many friends: nobody else notices, nobody is missed, and there is a bound.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { Friend, ask, befriend, data, newUser, refused, settle, tell } from './lib/friends.mjs';
import { unique } from './lib/socket.mjs';
import { Stack } from './lib/stack.mjs';

const MANY = 3000;

describe('the friend chat: many friends', () => {
  let stack;
  before(async () => {
    // A pair that talks as fast as it can must not come to its own bound while the others connect.
    stack = await Stack.start({ relays: 1, settings: { friends_max: 2000, friends_day_address: 60, password_threads: 1,
      rate_connection: 0, rate_user: 0, rate_address: 0, jwt_secret: 's'.repeat(32) } });
  });
  after(() => stack?.remove());

  /** Friendships with so many new users, as if they had made them; the ids, oldest first. */
  async function plant(user, count) {
    const [{ id }] = await stack.sql('SELECT id FROM user WHERE public_id = ?', [user.userId]);
    const mark = unique('planted');
    await stack.sql(`INSERT INTO user (public_id, realm, name, created_at) SELECT CONCAT('user_', MD5(CONCAT(?, seq))), 2,
      CONCAT(?, '-', seq), UTC_TIMESTAMP(3) FROM seq_1_to_${count}`, [mark, mark]);
    await stack.sql(`INSERT INTO conversation (public_id, kind, name, created_at)
      SELECT CONCAT('friend_', MD5(CONCAT(?, id))), 2, CONCAT(?, ':', id), UTC_TIMESTAMP(3)
      FROM user WHERE realm = 2 AND name LIKE CONCAT(?, '-%') ORDER BY id`, [mark, id, mark]);
    await stack.sql(`INSERT INTO pair (conversation, user1, user2) SELECT c.id, ?, u.id FROM user u
      JOIN conversation c ON c.kind = 2 AND c.name = CONCAT(?, ':', u.id) WHERE u.name LIKE CONCAT(?, '-%')`,
    [id, id, mark]);
    for (const who of ['user1', 'user2'])
      await stack.sql(`INSERT INTO member (conversation, user, joined_at) SELECT p.conversation, p.${who}, UTC_TIMESTAMP(3)
        FROM pair p JOIN user u ON u.id = p.user2 WHERE u.name LIKE CONCAT(?, '-%')`, [mark]);
    return stack.sql(`SELECT u.public_id AS userId, c.public_id AS friendId FROM pair p JOIN user u ON u.id = p.user2
      JOIN conversation c ON c.id = p.conversation WHERE u.name LIKE CONCAT(?, '-%') ORDER BY c.id`, [mark]);
  }

  it('who has thousands hears the oldest and the youngest, and a pair that talks meanwhile does not wait', async () => {
    const [hub, ann, bob] = await Promise.all([newUser(stack), newUser(stack), newUser(stack)]);
    const friends = await plant(hub, MANY);
    assert.equal(friends.length, MANY);
    const friend = await befriend(stack, ann, bob);
    const a = await Friend.connect(stack, ann), b = await Friend.connect(stack, bob);
    await settle(friend, [a], [b]);
    let worst = 0, over = false;
    const talk = (async () => {
      while (!over) {
        const began = performance.now();
        await b.heard(a.send(friend, unique('between'), bob.userId));
        worst = Math.max(worst, performance.now() - began);
      }
    })();
    const began = performance.now();
    const socket = await Friend.connect(stack, hub);
    for (const { userId, friendId } of [friends[0], friends[MANY / 2], friends[MANY - 1]]) {
      const other = await Friend.connect(stack, { userId });
      await settle(friendId, [socket], [other]);
    }
    const took = performance.now() - began;
    over = true;
    await talk;
    console.log(`    ${MANY} friends: all there after ${took.toFixed(0)} ms; a pair's worst round trip ${worst.toFixed(1)} ms`);
    const late = await newUser(stack); // one more than friends_max, which those that were planted did not ask
    assert.equal(await refused(tell(stack, 'friends', { user1: late.userId, user2: hub.userId }), 429), 'friends_max');
    await data(tell(stack, 'friends', { user1: friends[5].userId, user2: hub.userId })); // one that there is
    const listed = await data(ask(stack, `friends?userId=${hub.userId}`));
    assert.equal(listed.length, 1000, 'a list is bounded');
    const all = [];
    for (let cursor = ''; cursor !== undefined;) {
      const page = await ask(stack, `friends?userId=${hub.userId}&limit=700${cursor && `&cursor=${cursor}`}`);
      assert.equal(page.status, 200, page.text);
      all.push(...page.json.data);
      cursor = page.json.next;
      assert.equal(page.json.data.length, cursor ? 700 : MANY % 700);
    }
    assert.deepEqual(all.slice(0, 1000), listed, 'and its pages are the whole, in the same order');
    assert.deepEqual(all.map(({ friendId }) => friendId).sort(), friends.map(({ friendId }) => friendId).sort());
    const times = all.map(({ last }) => last?.ts ?? 0);
    assert.ok(times[2] > 0 && times[3] === 0, 'three of them said something');
    assert.deepEqual(times, [...times].sort((a, b) => b - a), 'and who did last comes first');
    await refused(ask(stack, `friends?userId=${hub.userId}&cursor=x`), 400);
    [a, b, socket].forEach((one) => one.close());
  });

  it('a friend made while connected is heard at once, though only the youngest are read again', async () => {
    const [hub, ann] = await Promise.all([newUser(stack), newUser(stack)]);
    await plant(hub, 450);
    const socket = await Friend.connect(stack, hub);
    const friend = await befriend(stack, hub, ann);
    const other = await Friend.connect(stack, ann);
    await settle(friend, [socket], [other]);
    [socket, other].forEach((one) => one.close());
  });

  it('however many are made before they are read again, all are heard', async () => {
    const [hub, ann] = await Promise.all([newUser(stack), newUser(stack)]);
    await plant(hub, 10);
    const socket = await Friend.connect(stack, hub);
    await settle(await befriend(stack, hub, ann), [socket], [await Friend.connect(stack, ann)]);
    const [first] = (await plant(hub, 450)); // without a notice of their own
    const bob = await newUser(stack);
    await befriend(stack, hub, bob);
    const other = await Friend.connect(stack, { userId: first.userId });
    await settle(first.friendId, [socket], [other]);
    [socket, other].forEach((one) => one.close());
  });

  it('an address makes only so many friendships a day, and is told so; those that there are cost nothing', async () => {
    const hub = await newUser(stack);
    let made = 0, answer, last;
    for (; made <= 60; made++) {
      const user = await newUser(stack);
      answer = await tell(stack, 'friends', { user1: user.userId, user2: hub.userId });
      if (answer.status !== 200) break;
      last = user;
    }
    assert.equal(answer.status, 429, answer.text);
    assert.equal(answer.json.code, 'friends_day');
    assert.ok(Number(answer.headers['retry-after']) > 3600);
    assert.ok(made > 30);
    await befriend(stack, last, hub);
  });

  it('logins come through while another address makes names with passwords, eight at a time', async () => {
    const from = (localAddress, body) => new Promise((resolve, reject) => {
      const call = http.request(`${stack.url}/api/users`, { method: 'POST', localAddress, agent: false,
        headers: { 'content-type': 'application/json' } }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode));
      });
      call.on('error', reject);
      call.end(JSON.stringify(body));
    });
    const password = 'white rabbit', name = unique('honest');
    stack.keepSecret(password);
    assert.equal(await from('127.0.0.1', { name, password }), 200);
    let over = false;
    const counts = {};
    const flood = Array.from({ length: 8 }, async () => {
      while (!over) {
        const status = await from('127.0.0.9', { name: unique('flood'), password });
        counts[status] = (counts[status] ?? 0) + 1;
      }
    });
    const began = performance.now(), answers = [];
    for (let i = 0; i < 20; i++) answers.push(await from('127.0.0.1', { name, password }));
    const took = performance.now() - began;
    const others = [];
    for (let i = 0; i < 20; i++) others.push((await data(ask(stack, `users?name=${name}`))).length);
    over = true;
    await Promise.all(flood);
    console.log(`    20 logins took ${took.toFixed(0)} ms; the flood got ${JSON.stringify(counts)}`);
    assert.deepEqual([...new Set(answers)], [200]);
    assert.deepEqual([...new Set(others)], [1], 'calls without a password go on');
  });
});
