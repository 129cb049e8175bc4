// Floods, on every protocol and over REST: refused with a code and a time, closed if they go on; and caps on connections
// and rooms. Others are served meanwhile.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, enter, unique } from './lib/client.mjs';
import { session, chatInfo } from './lib/customers.mjs';
import { Friend, befriend, newUser } from './lib/friends.mjs';
import { IoClient } from './lib/io.mjs';
import { Native } from './lib/native.mjs';
import { ask, roomUrl, tell, Stream } from './lib/rooms.mjs';
import { keepIn } from './lib/socket.mjs';
import { Player, login, newSpace } from './lib/spaces.mjs';
import { Stack, eventually, post, request } from './lib/stack.mjs';

const BURST = 20;

describe('limits', () => {
  let stack;
  const open = [];
  const keep = keepIn(open);
  const seatIn = (roomName = unique('room'), nick = unique('nick')) => enter(stack, roomName, nick);
  const joined = async (seat, relay) => keep(await Client.join(stack, seat, { relay }));
  /** The refusal that a flood ends with: each protocol's own. */
  async function flood(client, send, isRefusal) {
    await stack.counts('closed_rate_total', async () => {
      for (let i = 0; i < 4 * BURST; i++) send(i);
      assert.deepEqual(await client.closed, { code: 1008, reason: 'Too many messages' });
    });
    const refusal = client.events.find(isRefusal);
    assert.ok(refusal, `no refusal among ${client.events.length} events`);
    return refusal;
  }

  before(async () => {
    stack = await Stack.start({ settings: { rate_connection: 5, rate_connection_burst: BURST, rate_user: 5,
      rate_user_burst: BURST + 5, rate_stranger_percent: 100,
      user_sockets_max: 3, user_rooms_max: 2, members_interval_ms: '20ms', grace_ms: '200ms',
      poll_presence_ms: '200ms' } });
  });
  after(async () => {
    for (const client of open) client.close();
    await stack.checkAndStop();
    await stack.remove();
  });

  it('a flood in a room is refused with a code and a time, then closed, while the others go on talking', async () => {
    const seat = await seatIn();
    const [bad, one, two] = [await joined(seat, 1), await joined(await seatIn(seat.roomName), 1),
      await joined(await seatIn(seat.roomName), 2)];
    const flooded = flood(bad, () => bad.say(unique('flood')), (event) => event.type === 'error');
    for (let i = 0; i < 5; i++) await one.heard(two.say(unique('tea')));
    const refusal = await flooded;
    assert.equal(refusal.data.code, 'rate');
    assert.ok(refusal.data.retry_after_ms > 0 && refusal.data.retry_after_ms <= 1000, JSON.stringify(refusal));
    const stored = await stack.count(`SELECT COUNT(*) FROM message WHERE content LIKE 'flood-%'`);
    assert.ok(stored >= BURST && stored < 2 * BURST, `${stored} were stored`);
  });

  it('who waits as long as they were told goes on', async () => {
    const client = await joined(await seatIn(), 1);
    for (let i = 0; i < BURST + 1; i++) client.say(unique('tea'));
    const { data } = await client.next('error');
    await new Promise((resolve) => setTimeout(resolve, data.retry_after_ms + 100));
    await client.heard(client.say(unique('tea')));
  });

  it('several connections of a user on one relay share one rate, also with what is posted', async () => {
    const seat = await seatIn();
    const [one, two] = [await joined(seat, 1), await joined(seat, 1)];
    for (let i = 0; i < BURST - 5; i++) for (const client of [one, two]) client.say(unique('tea'));
    await Promise.race([one, two].map((client) => client.next('error')));
    const answer = await tell(stack, seat, { content: unique('tea') }, { relay: 1 });
    assert.equal(answer.status, 429, answer.text);
    assert.equal(answer.json.code, 'rate');
    assert.ok(answer.json.retry_after_ms > 0 && Number(answer.headers['retry-after']) >= 1);
  });

  it('every other protocol says it in its own words', async () => {
    const [ann, bob] = [await newUser(stack), await newUser(stack)];
    const friendId = await befriend(stack, ann, bob);
    const friend = keep(await Friend.connect(stack, ann));
    assert.equal((await flood(friend, () => friend.send(friendId, unique('tea'), bob.userId),
      (event) => event.code === 'rate')).type, 'error');

    const { near, far } = await session(stack);
    keep(near);
    keep(far);
    assert.match((await flood(near, () => near.say(unique('tea')), (event) => event.retry_after_ms)).msg,
      /发送太频繁/);

    const may = await login(stack);
    const space = await newSpace(stack, may);
    const player = keep(Player.at(stack, space, may));
    await player.opened;
    await flood(player, () => player.sendJson({ spaceName: space.roomNum, x: 1 }), (event) => event.code === 'rate');

    const seat = await seatIn();
    const native = keep(await Native.hello(stack, { user: seat.nickId }));
    let last;
    await stack.counts('closed_rate_total', async () => {
      for (let i = 0; i < 4 * BURST; i++) last = native.command('ping');
      await native.closed;
    });
    const refusal = [...native.answers.values()].find((answer) => !answer.ok);
    assert.equal(refusal.error.code, 'rate');
    assert.ok(refusal.error.retry_after_ms > 0 && refusal.re <= last);
  });

  for (const transports of [['polling'], ['websocket']]) {
    it(`Socket.IO over ${transports} acknowledges the refusal, and a flood ends`, async () => {
      const client = await IoClient.connect(stack, { relay: 1, transports });
      client.socket.io.reconnection(false);
      assert.deepEqual(await client.ask('message', unique('nick')), [{ success: true }]);
      const answers = [];
      for (let i = 0; i < BURST + 5; i++)
        client.socket.emit('message', unique('tea'), (answer) => answers.push(answer));
      const refusal = await eventually(() => answers.find((answer) => answer.error === 'rate'), 'the refusal');
      assert.ok(refusal.retry_after_ms > 0);
      for (let i = 0; i < 4 * BURST; i++) client.socket.emit('message', unique('tea'));
      await client.until(() => client.disconnects.length, 'the end');
    });
  }

  it('a flood of REST posts gets 429 with Retry-After', async () => {
    const { user, friend, near, far } = await session(stack);
    keep(near);
    keep(far);
    const answers = await Promise.all(Array.from({ length: 2 * BURST },
      () => post(`${stack.url}/chat/v1/message`, chatInfo(user, friend, unique('tea')))));
    const refused = answers.filter((answer) => answer.status === 429);
    assert.ok(refused.length > 0 && refused.length < answers.length, `${refused.length} refused`);
    assert.ok(refused.every((answer) => Number(answer.headers['retry-after']) >= 1 && answer.json.code === 0));
  });

  it('a user has so many sockets on a relay, and so many rooms', async () => {
    const seat = await seatIn();
    const clients = [await joined(seat, 1), await joined(seat, 1), await joined(seat, 1)];
    assert.deepEqual(await keep(Client.dial(stack, `?roomId=${seat.roomId}&nickId=${seat.nickId}`,
      { relay: 1 })).closed,
      { code: 1008, reason: 'Too many connections of this user' });
    for (const answer of [await ask(stack, seat, 'events', {}, { relay: 1 }),
      await ask(stack, seat, 'poll', { wait: 55 }, { relay: 1 })])
      assert.deepEqual([answer.status, answer.json.code], [429, 'too_many'], answer.text);
    clients[0].close();
    await clients[0].closed;
    await eventually(async () => {
      const stream = await Stream.open(roomUrl(stack, seat, 'stream', {}, { relay: 1 }));
      stream.close();
      return stream.status === 200;
    }, 'that there is room again');

    await enter(stack, unique('room'), seat.nick);
    const third = await stack.api('createChatroom', { chatroomName: unique('room'), nickName: seat.nick, headNum: 1 });
    assert.deepEqual([third.status, third.json], [429, { error: '创建失败', code: 'too_many' }]);
    await enter(stack, seat.roomName, seat.nick); // a room of theirs is no new one
  });
});

describe('limits of an address', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ relays: 1,
      settings: { rate_handshakes: 1, rate_handshakes_burst: 4, address_connections_max: 3 } });
  });
  after(async () => {
    await stack.checkAndStop();
    await stack.remove();
  });

  it('opens only so many connections, and has only so many', async () => {
    const seat = await enter(stack, unique('room'), unique('nick'));
    const clients = [];
    for (let i = 0; i < 3; i++) clients.push(await Client.connect(stack, seat));
    const late = await request(`${stack.url}/socket.io/?EIO=4&transport=polling`);
    assert.equal(late.status, 429, late.text);
    assert.ok(Number(late.headers['retry-after']) >= 1);
    const [handshake] =
      await Promise.allSettled([Client.dial(stack, `?roomId=${seat.roomId}&nickId=${seat.nickId}`).opened]);
    assert.match(handshake.reason.message, /429/);
    assert.ok((await stack.metric('relay1', 'address_refused_total')) >= 2);
    await clients[0].heard(clients[0].say(unique('tea')));
    for (const client of clients) client.close();
    await eventually(async () => (await request(`${stack.url}/socket.io/?EIO=4&transport=polling`)).status === 200,
      'that it may again');
  });
});
