// Who is in a room: true across tabs, relays and reloads, and told once.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, enter, settle, unique } from './lib/client.mjs';
import { Stack, eventually } from './lib/stack.mjs';

const joined = (nick) => `${nick} 进入了房间`;
const left = (nick) => `${nick} 离开了房间`;

async function seats(stack, count) {
  const roomName = unique('room');
  const all = [];
  for (let i = 0; i < count; i++) all.push(await enter(stack, roomName, unique('nick'), i));
  return all;
}

/** The join and leave lines of a room as they are stored: [[nick, kind]…]. */
async function stored(stack, roomId) {
  const rows = await stack.sql(
    `SELECT u.name, m.kind FROM message m JOIN conversation c ON c.id = m.conversation
       JOIN user u ON u.id = m.sender
     WHERE c.public_id = ? AND m.kind IN (2, 3) ORDER BY m.seq`, [roomId]);
  return rows.map((row) => [row.name.toString(), row.kind]);
}

const validate = async (stack, { roomId, nickId }) =>
  (await stack.api('validateNickIdByRoomId', { roomId, nickId })).json.success;

describe('presence with a short grace', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ settings: { grace_ms: '200ms', members_interval_ms: '20ms', admit_ms: '2s' } });
  });
  after(() => stack?.remove());

  it('two tabs on one relay, on two relays, through nginx: the user is there until the last is closed, ' +
    'and is told of once', async () => {
    const [watcher, seat] = await seats(stack, 2);
    const w1 = await Client.join(stack, watcher, { relay: 1 });
    const w2 = await Client.join(stack, watcher, { relay: 2 });
    const tabs = [];
    for (const relay of [1, 1, 2, 0]) tabs.push(await Client.join(stack, seat, { relay }));
    const last = tabs.pop();
    for (const tab of tabs) {
      await tab.close();
      await settle(w1, w2, last);
    }
    for (const w of [w1, w2]) {
      assert.deepEqual(w.lines.filter((line) => line.startsWith(seat.nick)), [joined(seat.nick)]);
      assert.ok(w.members.some((m) => m.user_name === seat.nick), 'still a member');
    }
    assert.equal(await validate(stack, seat), true);
    await last.close();
    for (const w of [w1, w2]) {
      await w.line(left(seat.nick));
      await w.present(watcher.nick);
    }
    await settle(w1, w2);
    for (const w of [w1, w2])
      assert.deepEqual(w.lines.filter((line) => line.startsWith(seat.nick)), [joined(seat.nick), left(seat.nick)]);
    assert.deepEqual(await stored(stack, seat.roomId), [[watcher.nick, 2], [seat.nick, 2], [seat.nick, 3]]);
  });

  it('validateNickIdByRoomId follows: let in, there, gone, let in again', async () => {
    const [watcher, seat] = await seats(stack, 2);
    const w = await Client.join(stack, watcher, { relay: 2 });
    assert.equal(await validate(stack, seat), true);
    const client = await Client.join(stack, seat, { relay: 1 });
    assert.equal(await validate(stack, seat), true);
    await client.close();
    await w.line(left(seat.nick));
    await eventually(async () => !(await validate(stack, seat)), 'the user to be offline');
    await enter(stack, seat.roomName, seat.nick);
    assert.equal(await validate(stack, seat), true);
  });

  it('whoever is let in and never comes is offline after a while, without a word in the room', async () => {
    const [watcher, seat] = await seats(stack, 2);
    const w = await Client.join(stack, watcher, { relay: 1 });
    assert.equal(await validate(stack, seat), true);
    await eventually(async () => !(await validate(stack, seat)), 'the admission to run out');
    await settle(w);
    assert.ok(!w.lines.some((line) => line.startsWith(seat.nick)));
    const late = await Client.join(stack, seat, { relay: 2 }); // still a member of the room
    await w.line(joined(seat.nick));
    await late.close();
  });

  it('a user in two rooms leaves only the one whose tab is closed', async () => {
    const [seat, watcher] = await seats(stack, 2);
    const elsewhere = await enter(stack, unique('room'), seat.nick);
    const here = await Client.join(stack, seat, { relay: 1 });
    const there = await Client.join(stack, elsewhere, { relay: 1 });
    const w = await Client.join(stack, watcher, { relay: 2 });
    await there.close();
    await eventually(async () => !(await validate(stack, elsewhere)), 'the user to have left the other room');
    await settle(w, here);
    assert.ok(!w.lines.includes(left(seat.nick)));
    assert.equal(await validate(stack, seat), true);
  });

  it('a new head shows with the next arrival', async () => {
    const [watcher, seat] = await seats(stack, 2);
    const w = await Client.join(stack, watcher, { relay: 2 });
    const headOf = () => w.members.find((m) => m.user_name === seat.nick)?.head_num;
    const first = await Client.join(stack, seat, { relay: 1 });
    await w.until(() => headOf() === 1, 'the first head');
    await first.close();
    await w.line(left(seat.nick));
    await enter(stack, seat.roomName, seat.nick, 'crane');
    await Client.join(stack, seat, { relay: 1 });
    await w.until(() => headOf() === 'crane', 'the new head');
  });

  it('a cut connection counts as a closed one', async () => {
    const [watcher, seat] = await seats(stack, 2);
    const w = await Client.join(stack, watcher, { relay: 2 });
    for (const relay of [1, 0]) {
      const client = await Client.join(stack, seat, { relay });
      client.ws.terminate();
      await w.until(() => w.lines.filter((line) => line === left(seat.nick)).length === (relay ? 1 : 2),
        'the leave line');
    }
  });

  it('after a storm of comings and goings both relays list the same members, ' +
    'and the stored lines take turns', async () => {
    const [watcher, ...flock] = await seats(stack, 12);
    const w1 = await Client.join(stack, watcher, { relay: 1 });
    const w2 = await Client.join(stack, watcher, { relay: 2 });
    const stays = flock.filter((_, i) => i % 2 === 0);
    await Promise.all(flock.map(async (seat, i) => {
      for (let round = 0; round < 6; round++) {
        const client = await Client.connect(stack, seat, { relay: (i + round) % 3 });
        if (round % 2) client.ws.terminate();
        else await client.close();
      }
      if (stays.includes(seat)) await Client.join(stack, seat, { relay: 1 + (i % 4 > 1) });
    }));
    const names = [watcher, ...stays].map((seat) => seat.nick);
    await Promise.all([w1, w2].map((w) => w.present(...names)));
    const goers = flock.filter((seat) => !stays.includes(seat));
    for (const seat of goers) await eventually(async () => !(await validate(stack, seat)), 'the goers to be offline');
    for (const seat of stays) assert.equal(await validate(stack, seat), true);
    let lines;
    const kindsOf = (seat) => lines.filter(([nick]) => nick === seat.nick).map(([, kind]) => kind);
    // Redis, which REST asks, knows of the last goings before the relay that stores their lines does.
    await eventually(async () => {
      lines = await stored(stack, watcher.roomId);
      return flock.every((seat) => kindsOf(seat).length % 2 === (stays.includes(seat) ? 1 : 0));
    }, 'a line for each coming and going');
    await settle(w1, w2);
    lines = await stored(stack, watcher.roomId);
    for (const seat of flock) {
      const kinds = kindsOf(seat);
      kinds.forEach((kind, i) => assert.equal(kind, i % 2 ? 3 : 2, `lines of ${seat.nick}: ${kinds}`));
      assert.equal(kinds.length % 2, stays.includes(seat) ? 1 : 0, `whoever came last is there: ${kinds}`);
    }
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});

describe('presence with a long grace', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ settings: { grace_ms: '10min', members_interval_ms: '20ms' } });
  });
  after(() => stack?.remove());

  it('a page reload makes no noise, on whatever relay the page comes back', async () => {
    const [watcher, seat] = await seats(stack, 2);
    const w1 = await Client.join(stack, watcher, { relay: 1 });
    const w2 = await Client.join(stack, watcher, { relay: 2 });
    let page = await Client.join(stack, seat, { relay: 1 });
    await Promise.all([w1, w2].map((w) => w.line(joined(seat.nick))));
    for (const relay of [1, 2, 2, 1, 0]) {
      await page.close();
      page = await Client.join(stack, seat, { relay });
      await settle(w1, w2, page);
      assert.deepEqual(page.lines, [], 'its own return is no news either');
    }
    for (const w of [w1, w2]) {
      assert.deepEqual(w.lines.filter((line) => line.startsWith(seat.nick)), [joined(seat.nick)]);
      for (const event of w.events.slice(w.events.findIndex((e) => e.data?.log_content === joined(seat.nick)))) {
        if (event.type === 'members') assert.ok(event.data.some((m) => m.user_name === seat.nick), 'listed throughout');
      }
    }
    assert.deepEqual(await stored(stack, seat.roomId), [[watcher.nick, 2], [seat.nick, 2]]);
    assert.equal(await validate(stack, seat), true);
  });

  it('within the grace a user without a socket is still a member and online', async () => {
    const [watcher, seat] = await seats(stack, 2);
    const page = await Client.join(stack, seat, { relay: 1 });
    await page.close();
    const w = await Client.join(stack, watcher, { relay: 2 });
    await w.present(watcher.nick, seat.nick);
    assert.equal(await validate(stack, seat), true);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});

describe('presence without a grace', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ settings: { grace_ms: 0 } });
  });
  after(() => stack?.remove());

  it('a closed socket is a departure at once, and a return an arrival', async () => {
    const [watcher, seat] = await seats(stack, 2);
    const w = await Client.join(stack, watcher, { relay: 2 });
    for (let i = 0; i < 3; i++) {
      const page = await Client.join(stack, seat, { relay: 1 });
      await page.close();
      await w.until(() => w.lines.filter((line) => line === left(seat.nick)).length === i + 1, 'the departure');
    }
    const expected = [0, 1, 2].flatMap(() => [joined(seat.nick), left(seat.nick)]);
    assert.deepEqual(w.lines.filter((line) => line.startsWith(seat.nick)), expected);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
