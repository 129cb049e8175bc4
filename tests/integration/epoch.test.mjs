// The database is put back to an older state while relays run and people talk. Numbers are given out a second time, to
// other messages: relays notice by whose they are, begin another epoch, and nobody takes one for the other.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import mysql from 'mysql2/promise';
import { check } from '../faults/checker.mjs';
import { Player } from '../faults/clients/spaces.mjs';
import { allConnected, assemble, caughtUp, lastWords } from '../faults/round.mjs';
import { World, pause } from '../faults/world.mjs';
import { Client, assertSameList, assertWhole, enter, settle, unique } from './lib/client.mjs';
import { Native } from './lib/native.mjs';
import { poll, say, settled } from './lib/rooms.mjs';
import { NO_RATES, Stack, bin, eventually } from './lib/stack.mjs';

describe('a database that was put back', () => {
  let stack, seats;
  const join = () => Promise.all(seats.map((seat, i) => Client.join(stack, seat, { relay: i + 1 })));
  const gauge = (metric, value) => eventually(async () => {
    for (const relay of ['relay1', 'relay2']) if ((await stack.metric(relay, metric)) !== value) return false;
    return true;
  }, `${metric} to be ${value}`);

  before(async () => {
    stack = await Stack.start({ settings: { reconcile_ms: '200ms', grace_ms: '200ms', members_interval_ms: '20ms' } });
    const roomName = unique('room');
    seats = [await enter(stack, roomName, unique('a')), await enter(stack, roomName, unique('b'))];
  });
  after(() => stack?.remove());

  it('is noticed where nobody talks, and everybody starts from what it knows', async () => {
    const old = await join();
    await settle(...old, ...old);
    assert.deepEqual((await stack.chaguan('epoch')).stdout, 'epoch=1\n');
    const { conversation } = (await stack.sql('SELECT MAX(conversation) AS conversation FROM message'))[0];
    await stack.sql('DELETE FROM message WHERE conversation = ? AND seq > 3', [conversation]);
    await stack.sql('UPDATE conversation SET seq = 3 WHERE id = ?', [conversation]);
    for (const client of old) assert.equal((await client.closed).code, 1012);
    await gauge('epochs_total', 1);
    await gauge('rooms_ahead', 0);
    const epoch = Number((await stack.chaguan('epoch')).stdout.match(/^epoch=(\d+)\n$/)[1]);
    assert.ok(epoch > 1_700_000_000, 'one that no other state of the database ever had');

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
    for (const relay of ['relay1', 'relay2'])
      assert.match(stack.read(`${relay}.log`), new RegExp(`hub\\.epoch from=1 to=${epoch}`));
    assert.match(['relay1', 'relay2'].map((relay) => stack.read(`${relay}.log`)).join(''), /hub\.database_put_back/);
    assert.match((await stack.chaguan('stats')).stdout, new RegExp(`epoch=${epoch}\n`));
  });

  it('voids the place of a poll that is held meanwhile, however far the numbers grow afterwards', async () => {
    const seat = await enter(stack, unique('room'), unique('poller'));
    const epochs = await stack.metric('relay1', 'epochs_total');
    await settled(stack, seat, { relay: 1 });
    let last;
    for (const content of ['one', 'two', 'three', 'four'].map(unique)) last = await say(stack, seat, content);
    let held;
    await stack.counts('connections', () => {
      held = poll(stack, seat, { after: last.seq, epoch: last.epoch, wait: 50 }, { relay: 1 });
    });
    const [{ id }] = await stack.sql('SELECT id FROM conversation WHERE public_id = ?', [seat.roomId]);
    await stack.sql('DELETE FROM message WHERE conversation = ? AND seq > ?', [id, last.seq - 3]);
    await stack.sql('UPDATE conversation SET seq = ? WHERE id = ?', [last.seq - 3, id]);
    const { next, epoch } = await held;
    await gauge('epochs_total', epochs + 1);
    for (let now = 0; now <= last.seq;) now = (await say(stack, seat, unique('anew'))).seq;
    for (const relay of [1, 2]) {
      const { reset } = await poll(stack, seat, { after: next, epoch }, { relay });
      assert.ok(reset, `the poller misses what stands up to number ${next} now, and is not told by relay ${relay}`);
    }
  });

  it('is no different when an operator says so', async () => {
    const people = await join();
    const before = Number((await stack.chaguan('epoch')).stdout.match(/\d+/)[0]);
    const raised = await stack.chaguan('epoch', 'raise');
    assert.equal(raised.code, 0, raised.stderr);
    assert.ok(Number(raised.stdout.match(/^epoch=(\d+)\n$/)[1]) > before);
    for (const client of people) assert.equal((await client.closed).code, 1012);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', async () => {
    // only messages were put back: the feed still has rows of some that are gone, until all have passed them
    await eventually(async () => (await stack.chaguan('check')).code === 0, 'the feed to have no row of what is gone');
    await stack.checkAndStop();
  });
});

describe('an older copy of the data directory under a running stack', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ relays: 2, settings: { ...NO_RATES, log_level: 'info', grace_ms: '200ms',
      members_interval_ms: '20ms', admit_ms: '1s', io_ping_interval_ms: '3s', io_ping_timeout_ms: '5s' } });
  });
  after(() => stack?.remove());

  /** Who had something before `from`, and was not told since that its place is void. */
  function untold(history, from) {
    const had = (ev, lines) => new Set(lines.filter((line) => line.ev === ev).map(({ reader, room }) => `${reader} ${room}`));
    const told = had('reset', history.slice(from));
    return [...had('deliver', history.slice(0, from))].filter((place) => !told.has(place));
  }

  /** What happens after the database is back, as each reader sees it from when it was told that its place is void; what was
   *  granted before that may be there or not. */
  function since(history, from, back) {
    const resets = new Map();
    history.forEach((line, i) => line.ev === 'reset' && i >= from && resets.set(`${line.reader} ${line.room}`, i));
    const old = (line, i) => i < back && ['claim', 'mark'].includes(line.ev) && line.what === 'ack';
    return history.map((line, i) => old(line, i) ? { ...line, what: 'unknown' } : line).filter((line, i) => {
      if (['open', 'deliver', 'end'].includes(line.ev)) return i >= (resets.get(`${line.reader} ${line.room}`) ?? 0);
      return !['send', 'answer', 'reset'].includes(line.ev);
    });
  }

  it('what is stored from then on reaches everybody, of every protocol, and nobody keeps a place of the lost time',
  async () => {
    const world = new World(stack, 7, 'put-back');
    const people = await assemble(world);
    const copy = stack.file('older');
    const old = Number((await stack.chaguan('epoch')).stdout.match(/\d+/)[0]);
    for (const person of people) if (person.talks) person.talk();
    await pause(500);
    await stack.stopPart('mariadb');
    fs.rmSync(copy, { recursive: true, force: true });
    fs.cpSync(stack.file('mariadb'), copy, { recursive: true });
    await stack.startPart('mariadb');
    const count = (ev, from = 0) => world.history.slice(from).filter((line) => line.ev === ev).length;
    const acks = (from) => world.history.slice(from).filter((line) => line.what === 'ack').length;
    const lost = world.history.length;
    await eventually(() => acks(lost) > 150, 'talk that is going to be lost');
    await stack.kill('mariadb', 'KILL');
    const from = world.history.length;
    fs.rmSync(stack.file('mariadb'), { recursive: true });
    fs.cpSync(copy, stack.file('mariadb'), { recursive: true });
    await stack.give('mariadb');
    await stack.startPart('mariadb');
    const back = world.history.length;
    await eventually(() => acks(back) > 300 && count('deliver', back) > 1000, 'talk that is to stay');
    world.talking = false;
    await Promise.all(people.map((person) => person.talking));
    const staying = people.filter((person) => person.listens);
    await allConnected(world, staying, 'afterwards');
    await lastWords(world, people);
    await world.until(() => !untold(world.history, from).length);
    assert.deepEqual(untold(world.history, from), [], 'who was never told that its place is of a time that is lost');
    const rows = await caughtUp(world, staying);
    world.closed = false;
    for (const person of staying)
      if (!(person instanceof Player))
        for (const { room } of person.places) world.record({ ev: 'end', reader: person.name, room });
    for (const person of people) if (person.facts) for (const line of await person.facts()) world.record(line);
    world.over = world.closed = true;
    await Promise.all(staying.map((person) => person.stop()));
    world.closed = false;
    for (const { counter, transfer, ...row } of rows) world.record({ ev: 'row', ...row });

    const violations = check(since(world.history, from, back));
    if (violations.length) {
      const file = path.join(bin, 'faults', 'history-put-back.jsonl');
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, world.history.map((line) => JSON.stringify(line)).join('\n'));
      assert.fail(`of lines ${from} (lost) and ${back} (back) on in ${file}:\n${violations.slice(0, 20).join('\n')}`);
    }
    const texts = new Set(rows.map((row) => row.text));
    const kept = new Map(rows.map((row) => [row.text, row.seq]));
    const told = world.history.slice(back).filter((line) => line.ev === 'answer' && line.what === 'ack');
    for (const { text, seq } of told) {
      assert.ok(texts.has(text), `acknowledged after it was back, and not stored: ${text}`);
      if (seq !== undefined) assert.equal(seq, kept.get(text), text);
    }
    const epoch = Number((await stack.chaguan('epoch')).stdout.match(/\d+/)[0]);
    assert.ok(epoch > old);
    for (const relay of ['relay1', 'relay2']) {
      await eventually(() => stack.read(`${relay}.log`).includes(`to=${epoch} `), `${relay} to know the epoch`);
      await eventually(async () => (await stack.metric(relay, 'rooms_ahead')) === 0, `${relay} to miss nothing`);
    }
    assert.equal(stack.read('relay1.log').split('hub.epoch').length, stack.read('relay2.log').split('hub.epoch').length,
      'one epoch, for both');
  });

  it('what was said to a room of the lost time is not stored in the room that has its number now', async () => {
    const keep = async (name) => {
      await stack.stopPart('mariadb');
      fs.rmSync(stack.file(name), { recursive: true, force: true });
      fs.cpSync(stack.file('mariadb'), stack.file(name), { recursive: true });
    };
    const putBack = async (name) => {
      fs.rmSync(stack.file('mariadb'), { recursive: true });
      fs.cpSync(stack.file(name), stack.file('mariadb'), { recursive: true });
      await stack.give('mariadb');
      await stack.startPart('mariadb');
    };
    const numberOf = async ({ roomId }) =>
      (await stack.sql('SELECT id FROM conversation WHERE public_id = ?', [roomId]))[0].id;
    const entered = async () => { // as soon as REST has the database again
      let seat;
      await eventually(async () => (seat = await enter(stack, unique('room'), unique('who')).catch(() => undefined)),
        'somebody to get in');
      return seat;
    };
    const reconciled = async () => {
      for (const relay of ['relay1', 'relay2']) {
        const before = await stack.metric(relay, 'reconciliations_total');
        await eventually(async () => (await stack.metric(relay, 'reconciliations_total')) > before + 2 &&
          (await stack.metric(relay, 'rooms_ahead')) === 0, `${relay} to have compared what it knows`);
      }
    };
    await keep('before');
    await stack.startPart('mariadb');
    const present = await entered();
    const number = await numberOf(present);
    const secret = unique('for those of the present room'); // which no relay has heard of
    await stack.sql(`INSERT INTO message (conversation, seq, batch_id, kind, sender_name, content, created_at)
      VALUES (?, 1, 1, 1, 'insider', ?, UTC_TIMESTAMP(3))`, [number, secret]);
    await stack.sql('UPDATE conversation SET seq = 1 WHERE id = ?', [number]);
    await stack.must('sql', '-e', 'CREATE USER observer@localhost; GRANT ALL ON *.* TO observer@localhost; ' +
      'ALTER USER chaguan_app@localhost ACCOUNT LOCK');
    await keep('present');
    await putBack('before');
    await reconciled(); // what was said meanwhile is lost by now: that, too, is another epoch
    const lost = await entered();
    assert.equal(await numberOf(lost), number, 'both rooms have one number');
    const client = await eventually(() => Client.join(stack, lost, { relay: 1 }).catch(() => undefined), 'a relay to let in');
    client.say(unique('heard'));
    await settle(client);
    const readers = await Promise.all([0, 1, 2, 3].map(() => Native.hello(stack, { user: lost.nickId }, { relay: 1 })));
    await Promise.all(readers.map((reader) => reader.join(lost.roomId)));
    await stack.kill('mariadb', 'KILL');
    const answers = readers.map(async (reader) => { // until they are told to come back
      for (let ended = false; !ended;) {
        const asked = Array.from({ length: 8 }, () => reader.command('history', { room: lost.roomId }));
        const all = Promise.all(asked.map((id) => reader.answer(id))).then(() => false, () => true);
        ended = await Promise.race([all, reader.closed.then(() => true)]);
      }
      return [...reader.answers.values()];
    });
    const said = [1, 2, 3].map(() => client.say(unique('for the lost room')));
    await eventually(async () => (await stack.metric('relay1', 'journal_queued')) > 0, 'what was said to wait');
    await putBack('present'); // where programs may not log in yet
    const observer = await mysql.createConnection({ socketPath: stack.file('mariadb.sock'), user: 'observer' });
    await observer.query('LOCK TABLES chaguan.meta WRITE'); // nobody can find out which epoch it is
    await stack.must('sql', '-e', 'ALTER USER chaguan_app@localhost ACCOUNT UNLOCK');
    await eventually(async () => (await stack.metric('relay1', 'db_pool_unproved_total')) > 0, 'look-ups to wait for a proof');
    await observer.end();
    assert.equal((await client.closed).code, 1012);
    const heard = (await Promise.all(answers)).flat();
    assert.ok(heard.some((answer) => answer.error?.code === 'unavailable'), 'they asked while the database was away');
    assert.ok(!heard.some((answer) => answer.error?.code === 'not_found'), 'their room is not denied by another database');
    assert.ok(!JSON.stringify(heard).includes(secret), 'nobody reads the room that has the number of theirs');
    await eventually(async () => (await stack.metric('relay1', 'journal_queued')) === 0, 'nothing to wait any more');
    const there = await stack.sql('SELECT content FROM message WHERE conversation = ?', [number]);
    assert.ok(there.every(({ content }) => !content.includes('for the lost room')),
      `${JSON.stringify(there)} of ${said}`);
    await eventually(async () => {
      const newcomer = await Client.join(stack, present, { relay: 1 }).catch(() => undefined);
      return newcomer && !(await newcomer.history()).some((row) => row.log_content.includes('lost room'));
    }, 'the room to be as it was');
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
