// Redis or MariaDB gone, hanging or back: what goes on, what is refused and how, and that nothing has to be repaired.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Client, assertSameList, assertWhole, enter, settle, unique } from './lib/client.mjs';
import { Friend, befriend, newUser, settle as talk } from './lib/friends.mjs';
import { NO_RATES, Stack, eventually, request } from './lib/stack.mjs';

/** As enter(), but REST may still be finding out that the database is back. */
const entered = (stack, roomName, nick) => eventually(() => enter(stack, roomName, nick), 'REST to be back');

const gatherIn = (stack) => async (...relays) => {
  const roomName = unique('room');
  const people = [];
  for (const relay of relays) {
    const seat = await entered(stack, roomName, unique('nick'));
    // one of the relay's readers may still wait for its next attempt at the database: who comes then is to come again
    people.push(await eventually(() => Client.join(stack, seat, { relay }).catch(() => undefined), 'the relay to be back'));
  }
  const nicks = people.map((p) => p.seat.nick);
  await Promise.all(people.map((p) => p.present(...nicks)));
  return people;
};

/** Brings back what a failed test left dead or stopped. */
async function revive(stack) {
  for (const name of ['redis', 'mariadb']) await stack.script('kill', name, 'CONT');
  await stack.up();
}

/** Everybody heard the same, whole. */
function assertSame(...clients) {
  for (const client of clients) {
    assertWhole(client);
    assertSameList(client.said, clients[0].said);
  }
}

describe('Redis down', () => {
  let stack, gather;
  const redisIs = (up) => eventually(async () => {
    for (const name of ['relay1', 'relay2']) if ((await stack.metric(name, 'redis_up')) !== up) return false;
    return true;
  }, `the relays to see Redis ${up ? 'up' : 'down'}`);
  before(async () => {
    stack = await Stack.start({ settings: { ...NO_RATES, redis_timeout_ms: '500ms', reconcile_ms: '500ms',
      reconcile_down_ms: '200ms', grace_ms: '200ms', members_interval_ms: '20ms', lease_ms: '3s' } });
    gather = gatherIn(stack);
  });
  beforeEach(() => revive(stack));
  after(() => stack?.remove());

  it('killed: inside a relay and between relays every message arrives, ' +
    'and afterwards there is no gap and nothing twice', async () => {
    const [a, b, c] = await gather(1, 1, 2);
    await settle(a, b, c);
    await stack.kill('redis', 'KILL');
    for (let i = 0; i < 20; i++) for (const client of [a, b, c]) client.say(unique(`without ${i}`));
    await settle(a, b, c);
    await redisIs(0);
    await settle(a, b, c);
    assertSame(a, b, c);
    await stack.startPart('redis');
    for (let i = 0; i < 20; i++) for (const client of [a, b, c]) client.say(unique(`during ${i}`));
    await redisIs(1);
    await settle(a, b, c);
    assertSame(a, b, c);
    await Promise.all([a, b, c].map((client) => client.present(a.seat.nick, b.seat.nick, c.seat.nick)));
    for (const client of [a, b, c])
      assert.ok(!client.lines.some((line) => line.endsWith('离开了房间')), 'nobody has left');
  });

  it('a friend that one makes meanwhile is heard, though the database is away when it comes back', async () => {
    const [ann, bob] = [await newUser(stack), await newUser(stack)];
    const a = await Friend.connect(stack, ann, { relay: 1 });
    await stack.kill('redis', 'KILL');
    await redisIs(0);
    const friend = await befriend(stack, ann, bob);
    await stack.stopPart('mariadb');
    await stack.startPart('redis');
    await redisIs(1);
    await stack.startPart('mariadb');
    const b = await eventually(async () => { // a reader may still wait for its next attempt at the database
      const one = await Friend.connect(stack, bob, { relay: 2 });
      one.sendJson({});
      return await Promise.race([one.refusal(), one.closed]) === 'identity' && one;
    }, 'the relay to be back');
    await talk(friend, [a], [b]);
    await Promise.all([a, b].map((one) => one.close()));
  });

  it('down: REST goes on, newcomers come in, history is read, whoever goes is gone when Redis is back', async () => {
    const [a, b] = await gather(1, 2);
    await stack.kill('redis', 'KILL');
    await redisIs(0);
    const seat = await enter(stack, a.seat.roomName, unique('newcomer'));
    const { roomId, nickId } = seat;
    assert.deepEqual((await stack.api('validateNickIdByRoomId', { roomId, nickId })).json, { success: true },
      'a member is not refused');
    assert.deepEqual((await stack.api('getRoomInfo', { roomId })).json, { success: true, data: seat.roomName });
    for (const relay of [1, 2]) {
      const other = await enter(stack, a.seat.roomName, unique('newcomer'));
      const client = await Client.connect(stack, other, { relay });
      const content = client.say(unique('newly'));
      for (const heard of [client, a, b]) await heard.heard(content);
      assert.ok((await client.history()).some((row) => row.log_content === content));
      await client.close();
    }
    const stays = await Client.connect(stack, seat, { relay: 2 });
    await stays.heard(stays.say(unique('staying')));
    await stack.startPart('redis');
    await redisIs(1);
    await Promise.all([a, b, stays].map((client) => client.present(a.seat.nick, b.seat.nick, seat.nick)));
    await settle(a, b, stays);
    assertWhole(a);
    assertWhole(b);
  });

  it('hanging: it counts as down, and when it goes on nobody has missed anything', async () => {
    const [a, b, c] = await gather(1, 2, 2);
    await stack.kill('redis', 'STOP');
    for (let i = 0; i < 20; i++) for (const client of [a, b, c]) client.say(unique(`hanging ${i}`));
    await settle(a, b, c);
    await redisIs(0);
    await enter(stack, unique('room'), unique('nick'));
    await settle(a, b, c);
    await stack.kill('redis', 'CONT');
    await redisIs(1);
    await settle(a, b, c);
    assertSame(a, b, c);
  });

  it('emptied and restarted again and again under talk: one order, whole, and the members are right', async () => {
    const [a, b, c] = await gather(1, 2, 1);
    let talking = true;
    const talks = [a, b, c].map(async (client) => {
      while (talking) await client.heard(client.say(unique('talk')));
    });
    for (let round = 0; round < 3; round++) {
      await stack.kill('redis', 'KILL');
      await a.until(((n) => () => a.said.length > n + 20)(a.said.length), 'talk without Redis');
      await stack.startPart('redis');
      await a.until(((n) => () => a.said.length > n + 20)(a.said.length), 'talk with Redis');
    }
    await redisIs(1);
    await stack.redis('FLUSHALL');
    talking = false;
    await Promise.all(talks);
    await settle(a, b, c);
    assertSame(a, b, c);
    const d = await Client.join(stack, await enter(stack, a.seat.roomName, unique('d')), { relay: 2 });
    await Promise.all([a, b, c, d].map((client) => client.present(...[a, b, c, d].map((x) => x.seat.nick))));
  });

  it('what others write into its channels is not taken for messages', async () => {
    const [a, b] = await gather(1, 2);
    const channels = await stack.redis('PUBSUB', 'CHANNELS');
    assert.ok(channels.length > 0);
    for (const channel of channels) {
      for (const text of ['', 'CG', 'hello', 'CG\u0001\u0001' + 'x'.repeat(26), 'CG\u0001\u0001' + '\u007f'.repeat(200),
        'x'.repeat(100_000)]) {
        await stack.redis('PUBLISH', channel, text);
      }
    }
    await settle(a, b);
    await eventually(async () => (await stack.relayMetric('bus_malformed_total')) > 0, 'the noise to be counted');
    assertSame(a, b);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});

describe('MariaDB down', () => {
  let stack, gather;
  const errors = (client) => client.events.filter((event) => event.type === 'error').map((event) => event.data.code);
  /** The next thing the client hears about a message: 'heard' or the code of an error. */
  const outcome = (client, content) => client.until(() => {
    if (client.said.includes(content)) return 'heard';
    const codes = errors(client);
    return codes.length > client.answered ? codes[client.answered++] : undefined;
  }, 'an answer to a message');
  const stored = async (content) => (await stack.count('SELECT COUNT(*) FROM message WHERE content = ?', [content]));
  const works = async (...clients) => {
    for (const client of clients) {
      client.answered = errors(client).length;
      await eventually(async () => (await outcome(client, client.say(unique('again?')))) === 'heard',
        'messages to be stored again');
    }
    await settle(...clients);
  };
  before(async () => {
    stack = await Stack.start({ settings: { ...NO_RATES, journal_timeout_ms: '1500ms', db_timeout_ms: '1s',
      grace_ms: '200ms', members_interval_ms: '20ms' } });
    gather = gatherIn(stack);
  });
  beforeEach(() => revive(stack));
  after(() => stack?.remove());

  it('stopped: senders are told, sockets stay, newcomers are asked to try again, ' +
    'REST answers 503 with its failure bodies', async () => {
    const [a, b] = await gather(1, 2);
    for (const client of [a, b]) client.answered = 0;
    await a.heard(a.say(unique('before')));
    await stack.stopPart('mariadb');
    for (const client of [a, b]) {
      const content = client.say(unique('refused'));
      assert.equal(await outcome(client, content), 'unavailable');
    }
    const names = ['one', 'two', 'three'].map(unique);
    const told = () => a.events.filter((event) => event.type === 'error').map((event) => event.data.clientId);
    const before = told().length;
    for (const clientId of names) a.say(unique('refused'), { clientId });
    await a.until(() => told().length >= before + names.length, 'an error for each');
    assert.deepEqual(told().slice(before).sort(), names.sort(),
      'each error names its frame');
    a.answered = errors(a).length;
    const recent = await a.history();
    assert.deepEqual(recent.filter((row) => row.log_user_name !== 'system').map((row) => row.log_content), a.said,
      'recent history is told from memory');
    for (const relay of [0, 1, 2]) {
      const client = Client.dial(stack, `?roomId=${a.seat.roomId}&nickId=${a.seat.nickId}`, { relay });
      assert.deepEqual(await client.closed, { code: 1013, reason: 'Try again later' });
    }
    const bodies = { createChatroom: { error: '创建失败' }, getRoomInfo: { error: '查询报错' },
      getUserInfo: { error: '查询报错' }, validateNickIdByRoomId: { success: false } };
    for (const [call, body] of Object.entries(bodies)) {
      const { roomId, nickId } = a.seat;
      const answer =
        await stack.api(call, { chatroomName: 'x', nickName: 'y', headNum: 1, roomId, nickId, userId: nickId });
      assert.deepEqual([answer.status, answer.json], [503, body], call);
    }
    const nums = await request(`${stack.url}/api/getRoomNums`);
    assert.deepEqual([nums.status, nums.json], [503, { success: true, data: 0 }]);
    for (const page of ['', '/relay1', '/relay2']) {
      await eventually(async () => (await request(`${stack.url}${page}/readyz`)).status === 503,
        `${page}/readyz to say so`);
      assert.equal((await request(`${stack.url}${page}/healthz`)).status, 200);
    }
    const check = await stack.chaguan('check');
    assert.notEqual(check.code, 0);
    assert.match(check.stdout + check.stderr, /database|MySQL|MariaDB|connect/i);
    for (const client of [a, b]) assert.equal(client.closeInfo, undefined, 'open sockets stay');

    await stack.startPart('mariadb');
    await works(a, b);
    const seat = await entered(stack, a.seat.roomName, unique('late'));
    const late = await eventually(() => Client.join(stack, seat, { relay: 2 }).catch(() => undefined), 'a newcomer to come in');
    await works(late, a, b);
    for (const page of ['', '/relay1', '/relay2'])
      await eventually(() => stack.ready(`${page}/readyz`), `${page}/readyz to recover`);
    const rows = await stack.sql(`SELECT content FROM message WHERE content LIKE 'refused-%'`);
    assert.deepEqual(rows, [], 'what was refused as unavailable is not stored after all');
    assertSame(a, b);
  });

  for (const [signal, what] of [['KILL', 'killed'], ['STOP', 'hanging']]) {
    it(`${what} under talk: every message is either heard by all or answered with an error, ` +
      `and what was refused is not stored`, async () => {
      const [a, b] = await gather(1, 2);
      for (const client of [a, b]) client.answered = 0;
      const fate = new Map();
      let talking = true;
      const talks = [a, b].map(async (client) => {
        while (talking) {
          const content = client.say(unique('fate'));
          fate.set(content, await outcome(client, content));
        }
      });
      await a.until(() => a.said.length > 30, 'talk');
      await stack.kill('mariadb', signal);
      await Promise.all([a, b].map((client) => client.until(() => errors(client).length > 0,
        'an error instead of silence')));
      if (signal === 'KILL') await stack.startPart('mariadb');
      else await stack.kill('mariadb', 'CONT');
      const soFar = a.said.length;
      await a.until(() => a.said.length > soFar + 30, 'talk to go on');
      talking = false;
      await Promise.all(talks);
      await works(a, b);
      for (const [content, told] of fate) {
        const rows = await stored(content);
        if (told === 'heard') assert.equal(rows, 1, 'what was heard is stored');
        else if (told === 'unknown') assert.ok(rows <= 1);
        else assert.deepEqual([told, rows], ['unavailable', 0]);
      }
      assertSame(a, b);
      for (const client of [a, b]) assert.equal(client.closeInfo, undefined);
    });
  }

  it('whoever closes while it is down is gone afterwards, whoever stays is there', async () => {
    const [a, b, c] = await gather(1, 2, 1);
    for (const client of [a, b]) client.answered = 0;
    await stack.stopPart('mariadb');
    await c.close();
    await stack.startPart('mariadb');
    await works(a, b);
    await Promise.all([a, b].map((client) => client.present(a.seat.nick, b.seat.nick)));
    assertSame(a, b);
  });

  it('closing idle connections, as a server does after some hours, is no reason to refuse anything', async () => {
    const [a, b] = await gather(1, 2);
    for (const client of [a, b]) client.answered = 0;
    await works(a, b);
    for (let round = 0; round < 2; round++) {
      const ids = await stack.sql(
        'SELECT id FROM information_schema.processlist WHERE user = CURRENT_USER() OR user LIKE \'chaguan%\'');
      for (const { id } of ids) await stack.script('sql', '-e', `KILL ${id}`);
      for (let i = 0; i < 20; i++) await enter(stack, unique('room'), unique('nick'));
      for (const client of [a, b])
        assert.equal(await outcome(client, client.say(unique('after an idle night'))), 'heard');
      await Client.join(stack, await enter(stack, a.seat.roomName, unique('late')), { relay: 1 + round });
    }
    await settle(a, b);
  });

  it('both down and back in either order', async () => {
    const [a, b] = await gather(1, 2);
    for (const order of [['redis', 'mariadb'], ['mariadb', 'redis']]) {
      for (const client of [a, b]) client.answered = errors(client).length;
      await stack.kill('redis', 'KILL');
      await stack.stopPart('mariadb');
      assert.equal(await outcome(a, a.say(unique('refused'))), 'unavailable');
      for (const name of order) await stack.startPart(name);
      await works(a, b);
      await eventually(async () => (await stack.relayMetric('redis_up')) === 2, 'Redis to be used again');
      await settle(a, b);
    }
    assertSame(a, b);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
