// Relays that die, drain, restart or are exchanged: what was stored stays, who was there leaves once, the rest goes on.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Client, assertSameList, assertWhole, enter, settle, unique } from './lib/client.mjs';
import { Raw, handshake } from './lib/raw.mjs';
import { Stack, eventually, request } from './lib/stack.mjs';

const left = (nick) => `${nick} 离开了房间`;

describe('relays that come and go', () => {
  let stack;
  const gather = async (...relays) => {
    const roomName = unique('room');
    const people = [];
    for (const relay of relays)
      people.push(await Client.join(stack, await enter(stack, roomName, unique('nick')), { relay }));
    const nicks = people.map((p) => p.seat.nick);
    await Promise.all(people.map((p) => p.present(...nicks)));
    return people;
  };
  /** A room's rows as they show: [{seq, content}]. */
  const stored = async (roomId) => {
    const rows = await stack.sql(
      'SELECT m.seq, m.kind, m.sender_name, m.content FROM message m JOIN conversation c ON c.id = m.conversation ' +
      'WHERE c.public_id = ? ORDER BY m.seq', [roomId]);
    const verbs = { 2: '进入了房间', 3: '离开了房间' };
    return rows.map(({ seq, kind, sender_name: name, content }) =>
      ({ seq, content: verbs[kind] ? `${name} ${verbs[kind]}` : content }));
  };
  before(async () => {
    stack = await Stack.start({ relays: 3,
      settings: { lease_ms: '1500ms', grace_ms: '200ms', members_interval_ms: '20ms', drain_ms: '500ms' } });
  });
  beforeEach(() => stack.up()); // brings back what a failed test left dead
  after(() => stack?.remove());

  it('killed with SIGKILL: its users leave within the lease, once each, on whatever relay one looks', async () => {
    const [a, b, c, d, e] = await gather(1, 3, 2, 2, 2);
    const second = await Client.join(stack, d.seat, { relay: 1 }); // d has a tab on a relay that lives
    await stack.kill('relay2', 'KILL');
    for (const client of [c, d, e]) assert.equal((await client.closed).code, 1006);
    for (const watcher of [a, b, second]) {
      await watcher.line(left(c.seat.nick));
      await watcher.line(left(e.seat.nick));
      await watcher.present(a.seat.nick, b.seat.nick, d.seat.nick);
    }
    await settle(a, b, second);
    const rows = (await stored(a.seat.roomId)).map((row) => row.content);
    for (const gone of [c, e]) {
      assert.equal(rows.filter((content) => content === left(gone.seat.nick)).length, 1, 'stored once');
      for (const watcher of [a, b])
        assert.equal(watcher.lines.filter((line) => line === left(gone.seat.nick)).length, 1, 'told once');
      const online = await stack.api('validateNickIdByRoomId', { roomId: gone.seat.roomId, nickId: gone.seat.nickId });
      assert.deepEqual(online.json, { success: false });
    }
    assert.ok(!rows.includes(left(d.seat.nick)), 'whoever has another tab stays');
    await stack.startPart('relay2');
    const back = await Client.join(stack, c.seat, { relay: 2 });
    await a.present(a.seat.nick, b.seat.nick, c.seat.nick, d.seat.nick);
    await settle(a, b, second, back);
    for (const watcher of [a, b]) assertWhole(watcher);
  });

  it('killed in the middle of a conversation: every message that anybody saw is stored, ' +
    'in the order they saw', async () => {
    const [a, b, c] = await gather(1, 2, 3);
    let talking = true;
    const talk = async (client) => {
      while (talking && !client.closeInfo) {
        const content = client.say(unique('talk'));
        await Promise.race([client.heard(content).catch(() => {}), client.closed]);
      }
    };
    const talks = [a, b, c].map(talk);
    await a.until(() => a.said.length > 100, 'a conversation');
    await stack.kill('relay2', 'KILL');
    await b.closed;
    const soFar = a.said.length;
    await a.until(() => a.said.length > soFar + 100, 'the conversation to go on');
    talking = false;
    await Promise.all(talks);
    await settle(a, c);
    const rows = await stored(a.seat.roomId);
    for (const client of [a, b, c]) {
      assertWhole(client);
      const first = client.messages[0].seq;
      assertSameList(client.messages.map((m) => m.log_content),
        rows.slice(first - 1, first - 1 + client.messages.length).map((row) => row.content), 'seen and stored');
    }
    await stack.startPart('relay2');
  });

  it('ended with SIGTERM: asks its clients to come back elsewhere, stores what they said, ends with 0', async () => {
    const people = await gather(2, 2, 2, 1);
    const [a, b, c, watcher] = people;
    const contents = [a, b, c].flatMap((client) => Array.from({ length: 30 }, () => client.say(unique('last'))));
    await watcher.until(() => watcher.said.length === contents.length, 'all they said');
    const stopping = stack.stopPart('relay2');
    for (const client of [a, b, c]) assert.equal((await client.closed).code, 1012);
    await stopping; // fails unless the exit status is 0
    assert.equal(stack.exitStatus('relay2'), 0);
    assert.ok(!fs.existsSync(stack.file('relay2.pid')));
    const back = await Promise.all([a, b, c].map((client) => Client.join(stack, client.seat)));
    await watcher.present(...people.map((p) => p.seat.nick));
    await settle(watcher, ...back);
    assert.deepEqual([...new Set(contents)].filter((content) => !watcher.said.includes(content)), []);
    await stack.startPart('relay2');
  });

  it('while it drains it takes nobody new and says that it is not ready', async () => {
    await stack.startPart('relay9', '--set', 'drain_ms=10min');
    const seat = await enter(stack, unique('room'), unique('nick'));
    // one is asked to leave each 50 ms, however long a drain may take
    const inside = await Promise.all(Array.from({ length: 60 }, () => Client.join(stack, seat, { relay: 9 })));
    const port = stack.relayPort(9);
    await stack.kill('relay9', 'TERM');
    await eventually(async () => (await request(`http://127.0.0.1:${port}/readyz`)
      .catch((error) => ({ status: error.code }))).status !== 200, 'no longer ready');
    const raw = await Raw.connect(port).catch(() => null);
    if (raw) {
      raw.send(handshake(`/?roomId=${seat.roomId}&nickId=${seat.nickId}`));
      await raw.until(() => raw.status || raw.over, 'a refusal');
      assert.notEqual(raw.status, 101);
      raw.destroy();
    }
    assert.ok(inside.some((client) => !client.closeInfo), 'ten minutes are not over');
    await stack.kill('relay9', 'KILL');
    for (const client of inside) assert.ok([1012, 1006].includes((await client.closed).code));
  });

  it('all relays and REST restarted: nothing stored is lost, and the numbers go on', async () => {
    const [a, b] = await gather(1, 2);
    const contents = Array.from({ length: 40 }, (_, i) => (i % 2 ? a : b).say(unique('kept')));
    await Promise.all([a, b].map((client) => client.until(() => client.said.length === contents.length, 'all')));
    const last = a.messages.at(-1).seq;
    for (const name of ['relay1', 'relay2', 'relay3', 'rest']) await stack.stopPart(name);
    for (const name of ['relay1', 'relay2', 'relay3', 'rest']) await stack.startPart(name);
    await eventually(() => stack.ready(), 'REST to be back');
    assert.deepEqual(await enter(stack, a.seat.roomName, a.seat.nick), a.seat);
    const again = await Client.join(stack, a.seat, { relay: 2 });
    const logs = await again.history();
    assertSameList(logs.filter((row) => row.log_user_name !== 'system').map((row) => row.log_content).sort(),
      [...contents].sort());
    const next = await again.heard(again.say(unique('next')));
    assert.ok(next.seq > last);
    const rows = await stored(a.seat.roomId);
    rows.forEach((row, i) => assert.equal(Number(row.seq), i + 1));
    const lines = rows.map((row) => row.content);
    for (const { seat } of [a, b]) {
      const [came, went] = [`${seat.nick} 进入了房间`,
        left(seat.nick)].map((line) => lines.filter((l) => l === line).length);
      assert.ok(came - went === 0 || came - went === 1, `${came} arrivals and ${went} departures`);
    }
  });

  it('a relay that stands still while the others talk catches up without a gap when it goes on', async () => {
    const [a, b] = await gather(1, 2);
    await stack.kill('relay2', 'STOP');
    const contents = Array.from({ length: 200 }, () => a.say(unique('meanwhile')));
    await a.until(() => a.said.length === contents.length, 'all');
    await stack.kill('relay2', 'CONT');
    await b.until(() => b.said.length >= contents.length, 'what b missed');
    await settle(a, b);
    assertSameList(b.said, a.said);
    assertWhole(b);
  });

  it('a relay that stood still longer than its lease comes back to the same members as the others', async () => {
    const [a, b, c] = await gather(1, 2, 2);
    await stack.kill('relay2', 'STOP');
    await Promise.all([b, c].map((gone) => a.line(left(gone.seat.nick))));
    await stack.kill('relay2', 'CONT');
    const nicks = [a, b, c].map((client) => client.seat.nick);
    // Its clients never noticed: they are there again, and everyone sees so.
    const open = [b, c].filter((client) => !client.closeInfo);
    if (open.length === 2) await Promise.all([a, b, c].map((client) => client.present(...nicks)));
    await settle(a, ...open);
    const rows = (await stored(a.seat.roomId)).map((row) => row.content);
    for (const { seat } of [b, c]) assert.equal(rows.filter((line) => line === left(seat.nick)).length, 1);
  });

  it('an nginx reload: new connections work at once, direct ones do not notice', async () => {
    const [direct, proxied] = await gather(1, 0);
    await stack.reload('nginx');
    const fresh = await Client.join(stack, await enter(stack, direct.seat.roomName, unique('fresh')));
    await settle(direct, fresh);
    assert.equal(direct.closeInfo, undefined);
    const again = proxied.closeInfo ? await Client.join(stack, proxied.seat) : proxied;
    await settle(direct, fresh, again);
  });

  it('SIGHUP reopens the logs: a moved one is no longer written', async () => {
    const [a] = await gather(1);
    for (const name of ['relay1', 'rest']) {
      fs.renameSync(stack.file(`${name}.log`), stack.file(`${name}.log.1`));
      await stack.reload(name);
    }
    await eventually(async () => {
      await enter(stack, unique('room'), unique('nick'));
      return fs.existsSync(stack.file('rest.log')) && fs.existsSync(stack.file('relay1.log'));
    }, 'new logs');
    const moved = ['relay1', 'rest'].map((name) => stack.read(`${name}.log.1`).length);
    await eventually(async () => {
      await (await Client.join(stack, await enter(stack, a.seat.roomName, unique('nick')), { relay: 1 })).close();
      return stack.read('rest.log').length > 0 && stack.read('relay1.log').length > 0;
    }, 'lines in the new logs');
    assert.deepEqual(['relay1', 'rest'].map((name) => stack.read(`${name}.log.1`).length), moved);
    await settle(a);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});

describe('a relay that dies while its users come back at once', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ settings: { lease_ms: '10s', grace_ms: '10s', members_interval_ms: '20ms' } });
  });
  after(() => stack?.remove());

  it('they come back elsewhere before anyone noticed: no noise, nothing lost, ' +
    'also once the lease has run out', async () => {
    const roomName = unique('room');
    const a = await Client.join(stack, await enter(stack, roomName, unique('a')), { relay: 1 });
    const b = await Client.join(stack, await enter(stack, roomName, unique('b')), { relay: 2 });
    const contents = [a.say(unique('before')), b.say(unique('before'))];
    await Promise.all([a, b].flatMap((client) => contents.map((content) => client.heard(content))));
    const dead = (await stack.redis('KEYS', '*:lease:relay2:*'))[0].split(':lease:')[1];
    await stack.kill('relay2', 'KILL');
    await b.closed;
    const again = await Client.join(stack, b.seat); // through nginx, which finds a relay that lives
    contents.push(again.say(unique('after')));
    await a.heard(contents[2]);
    const logs = await again.history();
    assertSameList(logs.filter((row) => row.log_user_name !== 'system').map((row) => row.log_content), [...a.said]);
    await stack.startPart('relay2');
    await eventually(async () => {
      // that it is dead may be remembered
      const traces = (await stack.redis('KEYS', `*${dead}*`)).filter((key) => !key.includes(':reaped:'));
      for (const key of await stack.redis('KEYS', '*:presence:*'))
        traces.push(...(await stack.redis('HKEYS', key)).filter((k) => k.startsWith(dead)));
      for (const key of await stack.redis('KEYS', '*:who:*'))
        traces.push(...(await stack.redis('SMEMBERS', key)).filter((k) => k === dead));
      return traces.length === 0;
    }, 'the dead relay to be forgotten');
    const c = await Client.join(stack, await enter(stack, roomName, unique('c')), { relay: 2 });
    await Promise.all([a, again, c].map((client) => client.present(a.seat.nick, b.seat.nick, c.seat.nick)));
    await settle(a, again, c);
    assert.deepEqual(a.lines.filter((line) => line.startsWith(b.seat.nick)), [`${b.seat.nick} 进入了房间`],
      'it never left');
    assertWhole(a);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
