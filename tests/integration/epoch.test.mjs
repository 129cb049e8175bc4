// The database is put back to an older state while relays run. Numbers are given out a second time, to other messages:
// the operator says so with `chaguan epoch raise`, and nobody takes one for the other.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, assertSameList, assertWhole, enter, settle, unique } from './lib/client.mjs';
import { Stack, eventually } from './lib/stack.mjs';

describe('a database that was put back', () => {
  let stack, seats;
  const join = () => Promise.all(seats.map((seat, i) => Client.join(stack, seat, { relay: i + 1 })));
  const gauge = (metric, value) => eventually(async () => {
    for (const relay of ['relay1', 'relay2']) if ((await stack.metric(relay, metric)) !== value) return false;
    return true;
  }, `${metric} to be ${value}`);

  before(async () => {
    stack = await Stack.start({ settings: { audit_ms: '200ms', grace_ms: '200ms', members_interval_ms: '20ms' } });
    const roomName = unique('room');
    seats = [await enter(stack, roomName, unique('a')), await enter(stack, roomName, unique('b'))];
  });
  after(() => stack?.remove());

  it('is noticed, and once the epoch is raised everybody starts from what it knows', async () => {
    const old = await join();
    await settle(...old, ...old);
    assert.deepEqual((await stack.chaguan('epoch')).stdout, 'epoch=1\n');
    await gauge('rooms_ahead', 0);
    const { conversation } = (await stack.sql('SELECT MAX(conversation) AS conversation FROM message'))[0];
    await stack.sql('DELETE FROM message WHERE conversation = ? AND seq > 3', [conversation]);
    await stack.sql('UPDATE conversation SET seq = 3 WHERE id = ?', [conversation]);
    await gauge('rooms_ahead', 1);
    const raised = await stack.chaguan('epoch', 'raise');
    assert.equal(raised.code, 0, raised.stderr);
    const epoch = Number(raised.stdout.match(/^epoch=(\d+)\n$/)[1]);
    assert.ok(epoch > 1_700_000_000, 'one that no other state of the database ever had');
    for (const client of old) assert.equal((await client.closed).code, 1012);
    await gauge('rooms_ahead', 0);
    await gauge('epochs_total', 1);

    const people = await join();
    const rows = await people[0].history();
    await settle(...people);
    for (const client of people) {
      assertWhole(client);
      assertSameList(client.said, people[0].said);
    }
    const stored = (await stack.sql(`SELECT content FROM message WHERE conversation = ? AND content <> '' ORDER BY seq`,
      [conversation])).map((row) => row.content);
    const told = rows.filter((row) => row.log_user_name !== 'system').map((row) => row.log_content);
    assert.deepEqual(told, stored.slice(0, told.length), 'the history is that of the database');
    for (const content of people[0].said) assert.ok(stored.includes(content));
    for (const relay of ['relay1', 'relay2']) {
      const log = stack.read(`${relay}.log`);
      assert.equal(log.split('hub.ahead_of_database').length - 1, 1, 'said once');
      assert.match(log, new RegExp(`hub\\.epoch from=1 to=${epoch}`));
    }
    assert.match((await stack.chaguan('stats')).stdout, new RegExp(`epoch=${epoch}\n`));
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
