// Two database servers, of which one takes the writes: it changes place with its replica, is killed, becomes slow.
// Whoever writes is told of each message whether it is stored, and that is true.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import mysql from 'mysql2/promise';
import { assertSameList, assertWhole, gather, settle, unique } from './lib/client.mjs';
import { Copy, Own, Talk } from './lib/databases.mjs';
import { NO_RATES, Stack, eventually, request } from './lib/stack.mjs';

describe('a primary and its replica', () => {
  let stack, one, two;
  const people = [];
  const inUse = (address) => eventually(async () => {
    for (const name of ['relay1', 'relay2']) {
      const metrics = await stack.metrics(name);
      if (metrics.db_address !== address || !metrics.db_up) return false;
    }
    return true;
  }, `both relays to use server ${address}`);

  before(async () => {
    stack = await Stack.start({ settings: (dir) =>
      ({ ...NO_RATES, db_addresses: `${dir}/mariadb.sock,${dir}/two.sock`, db_timeout_ms: '1s',
      journal_timeout_ms: '1500ms', grace_ms: '200ms', members_interval_ms: '20ms' }) });
    one = await Own.of(stack);
    await one.sql(
      `CREATE USER follower@'127.0.0.1' IDENTIFIED BY 'follower'; GRANT REPLICATION SLAVE ON *.* TO ` +
      `follower@'127.0.0.1'`);
    await one.stop();
    two = await Copy.of(one, 'two');
    await two.start(...two.args(2), '--read-only=1');
    await one.start(...one.args(1), '--gtid-strict-mode=0');
    await two.follow(one);
    people.push(...await gather(stack));
  });
  after(async () => {
    await stack?.remove();
    await two?.kill();
  });

  function assertSame() {
    for (const client of people) {
      assertWhole(client);
      assertSameList(client.said, people[0].said);
      assert.equal(client.closeInfo, undefined, 'no socket was closed');
    }
  }

  it('turned read-only under talk: the other one is used, and nobody is refused who waits for it', async () => {
    const talk = new Talk(people, () => unique('planned'));
    await talk.goesOn(60);
    await one.sql('SET GLOBAL read_only = 1');
    await two.promote();
    await inUse(2);
    await talk.goesOn(60);
    await talk.stop();
    await talk.check(two);
    await settle(...people);
    assertSame();
    for (const name of ['relay1', 'relay2']) assert.ok(await stack.metric(name, 'db_failovers_total') >= 1);
    const page = (await request(`${stack.url}/relay1/readyz`)).json;
    assert.deepEqual([page.ready, page.db, page.db_address], [true, true, 2]);
    await eventually(async () => (await request(`${stack.url}/readyz`)).json.db_address === 2, 'REST to use it, too');
  });

  it('killed under talk: explicit errors, the replica is promoted, ' +
    'and what was acknowledged is there once', async () => {
    await one.sql('SET GLOBAL rpl_semi_sync_master_enabled = 0');
    await one.follow(two);
    const talk = new Talk(people, () => unique('killed'));
    await talk.goesOn(60);
    await two.kill();
    await eventually(() => people.every((client) => client.events.some((event) => event.type === 'error')),
      'errors, not silence');
    await eventually(async () => (await request(`${stack.url}/relay1/readyz`)).status === 503, '/readyz to say so');
    await one.promote();
    await inUse(1);
    await talk.goesOn(60);
    await talk.stop();
    await talk.check(one);
    await settle(...people);
    assertSame();
  });

  it('the old primary comes back read-only: it is passed over, also by a relay that starts', async () => {
    await one.stop();
    await two.start(...two.args(2), '--read-only=1');
    const before = await two.position();
    const talk = new Talk(people, () => unique('old'));
    await talk.isRefused(2);
    await one.start(...one.args(1));
    await inUse(1);
    await talk.goesOn(30);
    await talk.stop();
    await talk.check(one);
    assert.equal(await two.position(), before, 'nothing was written to it');
    await settle(...people);
    assertSame();
    const log = stack.read('relay1.log');
    assert.match(log, /db\.passed_over.* address=2 .*read_only is ON/);
    assert.match(log, /db\.moved.* from=1 to=2/);
    assert.match(log, /db\.moved.* from=2 to=1/);
  });

  it('slow, because somebody holds a lock: senders are told in time, and afterwards all goes on', async () => {
    const client = people[0];
    const config = stack.config();
    const holder = await mysql.createConnection({ socketPath: one.socket, user: config.db_user,
      password: config.db_password, database: config.db_name });
    await holder.beginTransaction();
    await holder.query('SELECT id FROM conversation FOR UPDATE');
    const talk = new Talk(people, () => unique('slow'));
    await talk.isRefused(3);
    await holder.end(); // and with it the lock
    await talk.goesOn(30);
    await talk.stop();
    await talk.check(one);
    await settle(...people);
    assertSame();
    const told = client.events.filter((event) => event.type === 'error').map((event) => event.data);
    assert.ok(told.every((data) => data.code !== 'unavailable' || data.retry_after_ms > 0),
      'with a hint when to come again');
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
