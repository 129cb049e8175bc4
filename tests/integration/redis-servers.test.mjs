// Redis beyond one machine: a master that sentinels watch over, and several servers that share the rooms.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Client, assertSameList, assertWhole, enter, settle, unique } from './lib/client.mjs';
import { GuardedServer, RedisServer, Sentinel, password, redisDir, sentinelPassword } from './lib/redis.mjs';
import { Stack, eventually, freePort, request } from './lib/stack.mjs';

const settings = { redis_timeout_ms: '600ms', reconcile_ms: '2s', reconcile_down_ms: '200ms', grace_ms: '200ms',
  members_interval_ms: '20ms', lease_ms: '2s' };

async function gather(stack, ...relays) {
  const roomName = unique('room');
  const people = [];
  for (const relay of relays)
    people.push(await Client.join(stack, await enter(stack, roomName, unique('nick')), { relay }));
  await Promise.all(people.map((p) => p.present(...people.map((x) => x.seat.nick))));
  return people;
}

/** Talks until told to stop; each waits to hear itself before going on. */
function talk(...people) {
  let talking = true;
  const talks = people.map(async (client) => {
    while (talking) await client.heard(client.say(unique('talk')));
  });
  return async () => {
    talking = false;
    await Promise.all(talks);
  };
}

const more = (client, count, what) => client.until(((n) => () => client.said.length > n + count)(client.said.length),
  what);

/** Everybody heard the same, whole and in one order. */
function assertSame(...clients) {
  for (const client of clients) {
    assertWhole(client);
    assertSameList(client.said, clients[0].said);
  }
}

const readyz = async (stack, name) => {
  const page = name === 'rest' ? `${stack.url}/readyz` : `http://127.0.0.1:${stack.relayPort(name.slice(5))}/readyz`;
  return (await request(page)).json.redis_servers;
};

/** Every program sees these servers, up or down. */
const all = (stack, wanted, what) => eventually(async () => {
  for (const name of ['relay1', 'relay2', 'rest'])
    if (JSON.stringify(await readyz(stack, name)) !== JSON.stringify(wanted)) return false;
  return true;
}, what);

describe('Redis behind sentinels', () => {
  let stack, dir, one, two, sentinels;
  const at = (server) => all(stack, [{ at: server.at, up: true }], `all to use ${server.name}`);
  const agree = (server) => eventually(async () => {
    for (const sentinel of sentinels) if ((await sentinel.master()) !== server.port) return false;
    return true;
  }, `the sentinels to name ${server.name}`);

  before(async () => {
    dir = redisDir();
    one = await GuardedServer.start(dir, 'one');
    two = await GuardedServer.start(dir, 'two', ['--replicaof', '127.0.0.1', String(one.port)]);
    sentinels = [];
    for (const name of ['watch1', 'watch2', 'watch3']) sentinels.push(await Sentinel.start(dir, name, one, 2));
    await eventually(async () => (await Promise.all(sentinels.map((s) => s.knows(1, 2)))).every(Boolean),
      'the sentinels to know each other');
    const nobody = `127.0.0.1:${await freePort()}`; // a sentinel that is not there is passed over
    stack = await Stack.start({ settings: { ...settings, redis_password: password,
      redis_sentinel_password: sentinelPassword,
      redis_sentinels: [nobody, ...sentinels.map((s) => s.at)].join(',') } });
  });
  after(async () => {
    await stack?.remove();
    for (const server of [...(sentinels ?? []), one, two]) await server?.end();
    if (dir) fs.rmSync(dir, { recursive: true, force: true });
  });

  it('they say where it is', async () => {
    await at(one);
    const stats = await stack.chaguan('stats');
    assert.match(stats.stdout, /^relays=2$/m, stats.stderr);
    assert.equal((await stack.redis('KEYS', '*')).length, 0, 'the Redis of the run itself is not used');
  });

  it('the master is killed while all talk: all programs follow, nothing is lost or doubled, ' +
    'presence is true', async () => {
    const [a, b, c] = await gather(stack, 1, 2, 1);
    const left = (who) => (line) => line.includes(who.seat.nick) && line.endsWith('离开了房间');
    const stop = talk(a, b);
    await more(a, 10, 'talk before');
    await one.end('SIGKILL');
    await c.close(); // who goes while there is no Redis is gone afterwards
    const started = performance.now();
    await at(two);
    const took = performance.now() - started;
    await more(a, 10, 'talk after');
    await stop();
    await settle(a, b);
    assertSame(a, b);
    await Promise.all([a, b].map((client) => client.present(a.seat.nick, b.seat.nick)));
    const d = await Client.join(stack, await enter(stack, a.seat.roomName, unique('d')), { relay: 2 });
    await Promise.all([a, b, d].map((client) => client.present(...[a, b, d].map((x) => x.seat.nick))));
    await stack.counts('bus_received_total', () => settle(a, b, d));
    assert.ok((await stack.relayMetric('redis_moves_total')) >= 2, 'both relays have moved');
    assert.ok(took < 15_000, `they followed within ${Math.round(took)} ms`);
    for (const client of [a, b]) {
      assert.equal(client.lines.filter(left(c)).length, 1, 'who left has left once');
      for (const stayed of [a, b]) assert.equal(client.lines.filter(left(stayed)).length, 0, 'who stayed has not left');
    }
  });

  it('the old master is back as a replica, and takes over again when the sentinels are told to: ' +
    'nobody has to be restarted', async () => {
    const [a, b] = await gather(stack, 1, 2);
    await one.up('--replicaof', '127.0.0.1', String(two.port));
    await eventually(async () => (await one.ask('ROLE'))[0] === 'slave' && (await one.ask('INFO', 'replication'))
      .some((l) => l.startsWith('master_link_status:up')), 'it to be a replica');
    await agree(two);
    const stop = talk(a, b);
    await eventually(async () => (await sentinels[0].ask('SENTINEL', 'FAILOVER', 'mymaster'))[0] === 'OK',
      'a failover to begin');
    await at(one);
    await more(a, 10, 'talk after');
    await stop();
    await settle(a, b);
    assertSame(a, b);
    await stack.counts('bus_received_total', () => settle(a, b));
  });

  it('the master hangs, and a sentinel with it: the same, and when it goes on it is nobody\'s master ' +
    'any more', async () => {
    const [a, b] = await gather(stack, 1, 2);
    const stop = talk(a, b);
    await more(a, 10, 'talk before');
    for (const hanging of [one, sentinels[0]]) hanging.child.kill('SIGSTOP');
    await at(two);
    await more(a, 10, 'talk after');
    for (const hanging of [one, sentinels[0]]) hanging.child.kill('SIGCONT');
    await eventually(async () => (await one.ask('ROLE'))[0] === 'slave', 'it to be a replica');
    await agree(two);
    await at(two);
    await stop();
    await settle(a, b);
    assertSame(a, b);
    for (const client of [a, b])
      assert.ok(!client.lines.some((line) => line.endsWith('离开了房间')), 'nobody has left');
    [one, two] = [two, one];
  });

  it('what a server that took over should not have any more is taken out of it', async () => {
    const [a, b, c] = await gather(stack, 1, 2, 2);
    const id = await stack.count('SELECT MAX(id) FROM conversation');
    const key = `chaguan:presence:${id}`;
    const before = await one.ask('HGETALL', key);
    const ghost = before.findIndex((text) => text.endsWith(c.seat.nick)) - 1;
    const [field, value] = before.slice(ghost, ghost + 2);
    const [, entry, user] = field.match(/^(.*):(\d+)$/);
    await c.close();
    await Promise.all([a, b].map((client) => client.present(a.seat.nick, b.seat.nick)));
    await one.ask('HSET', key, field, value); // as if the leave had not been copied before the failover
    await one.ask('SADD', `chaguan:who:${id}:${user}`, entry);
    assert.equal((await one.ask('HKEYS', key)).length, 3);
    await one.ask('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await eventually(async () => !(await one.ask('HKEYS', key)).includes(field), 'the entry to go');
    assert.deepEqual(await one.ask('SMEMBERS', `chaguan:who:${id}:${user}`), []);
    await at(one);
    const d = await Client.join(stack, await enter(stack, a.seat.roomName, unique('d')), { relay: 1 });
    await Promise.all([a, b, d].map((client) => client.present(...[a, b, d].map((x) => x.seat.nick))));
  });

  it('without any sentinel all go on, also after a loss, where it was last; ' +
    'a demoted one is left at its first refusal', async () => {
    const [a, b] = await gather(stack, 1, 2);
    for (const sentinel of sentinels) await sentinel.end();
    await stack.counts('redis_connects_total', () => one.ask('CLIENT', 'KILL', 'TYPE', 'pubsub'), 2);
    await at(one);
    await stack.counts('bus_received_total', () => settle(a, b));
    const stop = talk(a, b);
    await one.ask('REPLICAOF', '127.0.0.1', String(two.port)); // nobody is disconnected by this
    await all(stack, [{ at: one.at, up: false }], 'all to see that it is no master');
    await more(a, 10, 'talk without Redis');
    await one.ask('REPLICAOF', 'NO', 'ONE');
    await at(one);
    await stop();
    await settle(a, b);
    assertSame(a, b);
    for (const name of ['relay1', 'relay2'])
      assert.match(stack.read(`${name}.log`), /event=redis\.down .*why="read_only"/);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', async () => {
    for (const secret of [password, sentinelPassword]) stack.keepSecret(secret);
    await stack.checkAndStop();
  });
});

describe('Rooms spread over two Redis servers', () => {
  let stack, dir, one, two;
  const state = (first, second) => all(stack, [{ at: one.at, up: first }, { at: two.at, up: second }],
    `one to be ${first ? 'up' : 'down'}, two ${second ? 'up' : 'down'}`);
  const rooms = async (server) => (await server.ask('KEYS', 'chaguan:presence:*')).map((key) => key.split(':')[2]);

  /** People in a room that this server has. */
  async function gatherOn(server, ...relays) {
    for (;;) {
      const people = await gather(stack, ...relays);
      const id = String(await stack.count('SELECT MAX(id) FROM conversation'));
      const [here, there] = [await rooms(server), await rooms(server === one ? two : one)];
      assert.notEqual(here.includes(id), there.includes(id), 'a room is on one server');
      if (here.includes(id)) return people;
      await Promise.all(people.map((p) => p.close()));
    }
  }

  before(async () => {
    dir = redisDir();
    one = await RedisServer.start(dir, 'one');
    two = await RedisServer.start(dir, 'two', { socket: true });
    stack = await Stack.start({ settings: { ...settings, redis_addresses: `${one.at},${two.at}` } });
  });
  after(async () => {
    await stack?.remove();
    for (const server of [one, two]) await server?.end();
    if (dir) fs.rmSync(dir, { recursive: true, force: true });
  });

  it('each room is on one of them, each relay is known to both', async () => {
    await state(true, true);
    const onOne = await gatherOn(one, 1, 2), onTwo = await gatherOn(two, 1, 2);
    await settle(...onOne);
    await settle(...onTwo);
    for (const server of [one, two]) {
      assert.equal((await server.ask('KEYS', 'chaguan:lease:*')).length, 2);
      assert.ok((await server.ask('PUBSUB', 'CHANNELS', 'chaguan:room:*')).length > 0);
    }
    const { roomId, nickId } = onTwo[0].seat;
    assert.deepEqual((await stack.api('validateNickIdByRoomId', { roomId, nickId })).json, { success: true });
  });

  it('one is killed: its rooms go on by reconciliation, those of the other do not notice, ' +
    'and all is as it was when it is back, empty', async () => {
    const [a, b] = await gatherOn(one, 1, 2), [x, y, z] = await gatherOn(two, 1, 2, 2);
    const stop = talk(a, b, x, y);
    await two.end('SIGKILL');
    await state(true, false);
    await more(x, 5, 'talk by reconciliation');
    // The other one's rooms still hear of comings across relays, which no reconciliation brings.
    const c = await Client.join(stack, await enter(stack, a.seat.roomName, unique('c')), { relay: 2 });
    await Promise.all([a, b, c].map((client) => client.present(...[a, b, c].map((p) => p.seat.nick))));
    await c.close();
    await Promise.all([a, b].map((client) => client.present(a.seat.nick, b.seat.nick)));
    const seat = await enter(stack, x.seat.roomName, unique('newcomer')); // and nobody is refused on the dead one's
    const w = await Client.connect(stack, seat, { relay: 1 });
    await w.heard(w.say(unique('newcomer')));
    await z.close();
    await two.up();
    await state(true, true);
    await more(x, 5, 'talk through it again');
    await stop();
    await settle(a, b);
    await settle(x, y, w);
    assertSame(a, b);
    assertSame(x, y);
    assertWhole(w);
    await Promise.all([x, y, w].map((client) => client.present(...[x, y, w].map((p) => p.seat.nick))));
    await stack.counts('bus_received_total', () => settle(x, y));
    for (const name of ['relay1', 'relay2', 'rest']) {
      const lines = stack.read(`${name}.log`).split('\n').filter((line) => /event=redis\.(up|down) /.test(line)
        && line.includes(two.at));
      assert.equal(lines.length, 3, `${name} tells of each change once: ${lines.join('\n')}`);
    }
  });

  it('a relay that is killed is missed on both, each of its users once', async () => {
    const [a, b] = await gatherOn(one, 1, 2), [x, y] = await gatherOn(two, 1, 2);
    await stack.kill('relay2', 'KILL');
    for (const [stays, goes] of [[a, b], [x, y]]) {
      await stays.present(stays.seat.nick);
      await settle(stays);
      assert.equal(stays.lines.filter((line) => line.includes(goes.seat.nick)
        && line.endsWith('离开了房间')).length, 1);
    }
    await stack.startPart('relay2');
    await state(true, true);
  });

  it('with the first one gone a relay and REST still start, and rooms of the second are whole', async () => {
    const [x] = await gatherOn(two, 1);
    await one.end('SIGKILL');
    await stack.stopPart('relay2');
    await stack.stopPart('rest');
    await stack.startPart('relay2');
    await stack.startPart('rest');
    await state(false, true);
    const y = await Client.join(stack, await enter(stack, x.seat.roomName, unique('y')), { relay: 2 });
    await x.present(x.seat.nick, y.seat.nick);
    await settle(x, y);
    const stats = await stack.chaguan('stats');
    assert.match(stats.stdout, /^relays=2$/m, stats.stderr);
    await one.up();
    await state(true, true);
    await eventually(async () => (await one.ask('KEYS', 'chaguan:relay:*')).length === 2,
      'the relays to say where they are');
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
