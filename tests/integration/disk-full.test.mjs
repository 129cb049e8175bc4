// The disk of the database is full: whoever writes is told, and once there is room again all goes on without a restart.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Client, assertSameList, assertWhole, enter, settle, unique } from './lib/client.mjs';
import { Own, Talk } from './lib/databases.mjs';
import { NO_RATES, Stack, eventually, request, run } from './lib/stack.mjs';

const ROOM_KIB = 40 << 10; // what the disk has left at first; MariaDB's temporary tables take 12 MiB of it

// With the binary log MariaDB waits for room, and looks again every minute.
const LOOKS_AGAIN_MS = 100_000;

function suite(args) {
  let stack, own, skipped;
  const people = [];
  const disk = () => stack.file('disk');

  before(async () => {
    stack = await Stack.start({ settings: { ...NO_RATES, db_timeout_ms: '1s', journal_timeout_ms: '1500ms', grace_ms: '200ms',
      members_interval_ms: '20ms' } });
    own = await Own.of(stack);
    await own.stop();
    await own.start('--innodb-log-file-size=8M', ...args); // that it fits into memory
    await own.stop();
    const used = Number((await run('du', ['-sk', own.dir])).stdout.split('\t')[0]);
    fs.mkdirSync(disk());
    const mount = await run('mount', ['-t', 'tmpfs', '-o', `size=${used + ROOM_KIB}k`, 'tmpfs', disk()]);
    if (mount.code !== 0) {
      skipped = `no tmpfs can be mounted here: ${mount.stderr.trim()}`;
      return;
    }
    fs.cpSync(own.dir, `${disk()}/mariadb`, { recursive: true });
    fs.rmSync(own.dir, { recursive: true });
    fs.symlinkSync(`${disk()}/mariadb`, own.dir);
    await stack.give('disk', 'mariadb');
    await own.start('--innodb-log-file-size=8M', ...args);
    const roomName = unique('room');
    for (const relay of [1, 2]) {
      const seat = await eventually(() => enter(stack, roomName, unique('nick')), 'REST to have the database again');
      people.push(await Client.join(stack, seat, { relay }));
    }
    await settle(...people);
  });
  after(async () => {
    await stack?.script('down');
    if (stack && fs.existsSync(disk())) await run('umount', [disk()]);
    await stack?.remove();
  });

  it('full: senders are told, an operator sees it; with room again all goes on without a restart', async (test) => {
    if (skipped) return test.skip(skipped);
    const talk = new Talk(people, () => unique('full') + 'x'.repeat(1900));
    await talk.goesOn(10);
    const ballast = fs.openSync(`${disk()}/ballast`, 'w');
    assert.throws(() => { for (;;) fs.writeSync(ballast, Buffer.alloc(4096)); }, { code: 'ENOSPC' });
    await talk.isRefused(2);
    await eventually(async () => {
      const page = (await request(`${stack.url}/relay1/readyz`)).json;
      return page.db && !page.ready && !page.db_writable && (await stack.metric('relay1', 'db_writable')) === 0;
    }, 'an operator to see it');
    fs.closeSync(ballast);
    fs.rmSync(`${disk()}/ballast`);
    const heard = talk.count('heard');
    await eventually(() => talk.count('heard') > heard, 'the first message', LOOKS_AGAIN_MS);
    await talk.goesOn(50);
    await talk.stop();
    await talk.check(own);
    await settle(...people);
    for (const client of people) {
      assertWhole(client);
      assertSameList(client.said, people[0].said);
      assert.equal(client.closeInfo, undefined, 'no socket was closed');
    }
    for (const relay of ['relay1', 'relay2']) {
      assert.equal(await stack.metric(relay, 'db_writable'), 1);
      const log = stack.read(`${relay}.log`);
      for (const line of ['db.refuses_writes', 'db.takes_writes'])
        assert.ok(log.split(line).length - 1 <= 2, `${line} once, not for every attempt`);
    }
    assert.equal((await request(`${stack.url}/relay1/readyz`)).status, 200);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
}

describe('the disk of the database', () => suite([]));
describe('the disk of a database without a binary log', () => suite(['--skip-log-bin']));
