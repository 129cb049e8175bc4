// Coming back with the native protocol: whatever cut the client off, and wherever it comes back, it gets everything
// since, once and in order, or is told to page. The client checks every number as it comes.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, settle } from './lib/client.mjs';
import { befriend, newUser } from './lib/friends.mjs';
import { Native } from './lib/native.mjs';
import { unique } from './lib/socket.mjs';
import { NO_RATES, Stack, eventually } from './lib/stack.mjs';

describe('the native protocol: coming back', () => {
  let stack;
  const member = async (chatroomName = unique('room')) => {
    const nick = unique('nick');
    const { json } = await stack.api('createChatroom', { chatroomName, nickName: nick, headNum: 1 });
    return { room: json.data.chatroomId, nickId: json.data.nickId, nick, chatroomName };
  };
  const enter = async (chatroomName, how) => {
    const seat = await member(chatroomName);
    const native = await Native.hello(stack, { user: seat.nickId }, how);
    return Object.assign(native, seat, await native.join(seat.room).then(({ ch }) => ({ ch })));
  };
  /** The same client on a new connection, with what it had. */
  const back = (native, how) => Native.hello(stack, { user: native.nickId }, { resume: native.resume, ...how });
  before(async () => {
    stack = await Stack.start({ relays: 3, settings: { ...NO_RATES, lease_ms: '1500ms', reconcile_ms: '500ms' } });
  });
  after(() => stack?.remove());

  it('after a cut, on the same relay or another, everything comes that was said meanwhile', async () => {
    const reader = await enter(undefined, { relay: 1 });
    const writer = await enter(reader.chatroomName, { relay: 2 });
    let had = reader;
    const all = [];
    for (const relay of [1, 2, 3, 0, 1]) {
      had.ws.terminate();
      await had.closed;
      const sent = [];
      for (let i = 0; i < 25; i++) sent.push(await writer.send(reader.room));
      const again = Object.assign(await back(had, { relay }), { nickId: reader.nickId });
      // What this relay has not heard of yet is no part of what was missed: it comes as it is heard.
      const { seq, missed } = again.welcome.joined[0];
      assert.equal(missed, seq - had.cursors.get(reader.ch).seq);
      await again.reached(reader.ch, sent.at(-1).seq);
      all.push(...again.log(reader.ch));
      had = again;
    }
    const seqs = all.map(({ seq }) => seq);
    assert.deepEqual(seqs, Array.from(seqs, (_, i) => seqs[0] + i));
  });

  it('while others go on talking, what was missed comes before what is new', async () => {
    const reader = await enter(undefined, { relay: 1 });
    const writers = await Promise.all([1, 2, 3].map((relay) => enter(reader.chatroomName, { relay })));
    reader.ws.terminate();
    let talking = true;
    const talk = writers.map(async (writer) => {
      let last;
      while (talking) last = await writer.send(reader.room).catch(() => (talking = false));
      return last?.seq;
    });
    let had = reader;
    for (const relay of [2, 3, 1, 2, 1, 3, 0, 0]) {
      const again = Object.assign(await back(had, { relay }), { nickId: reader.nickId });
      const { seq } = again.welcome.joined[0];
      await again.reached(reader.ch, seq + 20);
      again.ws.terminate();
      had = again;
    }
    talking = false;
    const last = Math.max(...(await Promise.all(talk)));
    const end = Object.assign(await back(had, { relay: 2 }), { nickId: reader.nickId });
    // Without a hole, or the client had said so; it may have had all of it before.
    await end.until(() => end.cursors.get(reader.ch).seq >= last, `everything up to ${last}`);
  });

  it('a hundred conversations at once', async () => {
    const me = await newUser(stack);
    const others = await Promise.all(Array.from({ length: 100 }, () => newUser(stack)));
    const ids = [];
    for (const other of others) ids.push(await befriend(stack, me, other));
    const writers = await Promise.all(others.slice(0, 100)
      .map((other, i) => Native.hello(stack, { user: other.userId }, { relay: 1 + (i % 3) })));
    for (const [i, writer] of writers.entries()) for (let n = 0; n < 3; n++) await writer.send(ids[i]);
    const reader = await Native.hello(stack, { user: me.userId },
      { relay: 2, resume: ids.map((room) => ({ room, epoch: 1, seq: 1 })) });
    assert.deepEqual(reader.welcome.joined.map(({ room, missed }) => [room, missed]), ids.map((room) => [room, 2]));
    await Promise.all(reader.welcome.joined.map(({ ch, seq }) => reader.reached(ch, seq)));
    for (const [i, writer] of writers.entries()) await writer.send(ids[i]);
    await Promise.all(reader.welcome.joined.map(({ ch, seq }) => reader.reached(ch, seq + 1)));
    for (const { ch } of reader.welcome.joined) assert.deepEqual(reader.log(ch).map(({ seq }) => seq), [2, 3, 4]);
  });

  it('a crowd at once: each gets what it missed of its own conversations, and nothing of others', async () => {
    const counts = [230, 12, 3];
    const rooms = [];
    for (const count of counts) {
      const writer = await enter(undefined, { relay: 2 });
      const said = await Promise.all(Array.from({ length: count }, () => writer.send(writer.room)));
      rooms.push({ ...writer.resume[0], name: writer.chatroomName, last: Math.max(...said.map(({ seq }) => seq)) });
    }
    const crowd = await Promise.all(Array.from({ length: 60 }, async (_, i) => {
      const seats = [];
      for (let n = 0; n <= i % 2; n++) {
        const room = rooms[(i + n) % 3];
        seats.push(i % 10 === 9 ? { room: room.room } : await member(room.name));
      }
      return { native: await Native.open(stack, { relay: 1 }), seats, room: rooms[i % 3],
        back: [0, 1, 3, 230][i % 4] };
    }));
    const before = await stack.metrics('relay1');
    process.kill(stack.pid('relay1'), 'SIGSTOP'); // so that all of it is there in one turn
    const asked = crowd.map(({ native, seats, room, back: behind }, i) => native.command('hello', {
      user: i % 10 === 9 ? `user_${'0'.repeat(32)}` : seats[0].nickId,
      resume: seats.map((seat) => ({ room: seat.room, epoch: 1,
        seq: seat.room === room.room ? Math.max(0, room.last - behind) : 0 })) }));
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.kill(stack.pid('relay1'), 'SIGCONT');
    for (const [i, { native, seats, room, back: behind }] of crowd.entries()) {
      const { ok, error, joined } = await native.answer(asked[i]);
      if (i % 10 === 9) {
        assert.equal(error.code, 'unauthorized');
        continue;
      }
      assert.ok(ok);
      const missed = Math.min(room.last, behind);
      assert.deepEqual(joined.map((entry) => [entry.room, entry.missed ?? entry.error.code]),
        seats.map((seat, n) => [seat.room, n ? 'not_found' : missed]), `client ${i}`);
      if (missed) await native.reached(joined[0].ch, room.last);
      assert.equal(native.log(joined[0].ch).length, missed);
      assert.equal(native.logs.size, 1);
    }
    const now = await stack.metrics('relay1');
    const [jobs, turns] = ['db_pool_jobs_total', 'db_pool_batches_total'].map((m) => now[m] - before[m]);
    assert.ok(jobs >= 60 && turns < jobs / 2, `${jobs} look-ups in ${turns} turns`);
  });

  it('more than a thousand, another epoch, or a number from the future: a reset, and pages', async () => {
    const reader = await enter(undefined, { relay: 1 });
    const writer = await enter(reader.chatroomName, { relay: 1 });
    const from = reader.resume[0].seq;
    reader.ws.terminate();
    const seqs = [];
    for (let i = 0; i < 20; i++)
      seqs.push(...(await Promise.all(Array.from({ length: 60 }, () => writer.send(reader.room))))
        .map(({ seq }) => seq));
    let last = Math.max(...seqs);
    for (const cursorAt of [() => ({ epoch: 1, seq: from }), () => ({ epoch: 2, seq: last }),
      () => ({ epoch: 1, seq: last + 1 }), () => ({ epoch: 0, seq: 0 })]) {
      const cursor = cursorAt();
      const again = await Native.hello(stack, { user: reader.nickId },
        { relay: 2, resume: [{ room: reader.room, ...cursor }] });
      const [joined] = again.welcome.joined;
      assert.deepEqual([joined.reset, joined.missed, joined.seq], [true, undefined, last], JSON.stringify(cursor));
      await again.must('leave', { room: reader.room });
      const rejoined = await again.join(reader.room, cursor);
      assert.deepEqual([rejoined.reset, rejoined.missed, rejoined.seq], [true, undefined, last]);
      last = (await writer.send(reader.room)).seq;
      await again.reached(reader.ch, last); // it goes on from there
      await again.close();
    }
    let seen = from;
    const pager = await Native.hello(stack, { user: reader.nickId });
    for (let more = true; more;) {
      const page = await pager.must('history', { room: reader.room, after: seen, limit: 200 });
      for (const event of page.events) assert.equal(event.seq, ++seen);
      more = page.more;
    }
    assert.ok(seen >= last);
    const thousand = await Native.hello(stack, { user: reader.nickId },
      { resume: [{ room: reader.room, epoch: 1, seq: seen - 1000 }] });
    assert.equal(thousand.welcome.joined[0].missed, 1000);
    await thousand.reached(reader.ch, seen);
    assert.equal(thousand.log(reader.ch).length, 1000);
  });

  it('much that was missed, read slowly, comes whole', async () => {
    const reader = await enter(undefined, { relay: 1 });
    const writer = await enter(reader.chatroomName, { relay: 1 });
    reader.ws.terminate();
    let last;
    for (let i = 0; i < 150; i++) last = await writer.send(reader.room, `${i} ${'z'.repeat(60000)}`);
    const slow = await Native.open(stack, { relay: 1 });
    slow.command('hello', { user: reader.nickId, resume: reader.resume });
    slow.ws._socket.pause();
    // pushes its log on
    for (let i = 0; i < 10; i++) last = await writer.send(reader.room, `more ${i} ${'z'.repeat(60000)}`);
    slow.ws._socket.resume();
    await slow.reached(reader.ch, last.seq);
    assert.equal(slow.closeInfo, undefined);
  });

  it('a relay is killed while all talk: all come back elsewhere, retry what had no answer, ' +
    'and miss nothing', async () => {
    const reader = await enter(undefined, { relay: 3 });
    const chatter = await Client.join(stack, { roomId: reader.room, nickId: reader.nickId, nick: reader.nick },
      { relay: 1 });
    const writer = await enter(reader.chatroomName, { relay: 3 });
    const contents = [];
    const unanswered = [];
    for (let i = 0; i < 300; i++) {
      const fields = { room: reader.room, client_id: unique('k'), content: unique('kill') };
      contents.push(fields.content);
      unanswered.push([writer.command('send', fields), fields]);
      if (i === 100) await writer.answer(unanswered[60][0]); // no more than may wait for the journal
      if (i === 200) process.kill(stack.pid('relay3'), 'SIGSTOP'); // or it might answer all of them in time
    }
    process.kill(stack.pid('relay3'), 'SIGKILL');
    await Promise.all([writer.closed, reader.closed]);
    assert.ok(writer.answers.size < 300, 'some had no answer');
    const again = Object.assign(await back(writer, { relay: 1 }), { nickId: writer.nickId });
    let last = 0;
    for (const [id, fields] of unanswered) {
      const answer = writer.answers.get(id) ?? (await again.must('send', fields));
      assert.equal(answer.ok, true);
      last = Math.max(last, answer.seq);
    }
    const heard = await back(reader, { relay: 2 });
    await heard.until(() => heard.cursors.get(reader.ch).seq >= last, 'the last');
    const said = [...reader.log(reader.ch), ...heard.log(reader.ch)].map(({ content }) => content)
      .filter((content) => content?.startsWith('kill'));
    assert.deepEqual([...said].sort(), [...contents].sort(), 'each once');
    assert.equal(await stack.count("SELECT COUNT(*) FROM message WHERE content LIKE 'kill%'"), 300);
    await settle(chatter);
    await stack.startPart('relay3');
  });

  it('Redis is away: what other relays store comes all the same', async () => {
    const reader = await enter(undefined, { relay: 1 });
    const writer = await enter(reader.chatroomName, { relay: 2 });
    await stack.kill('redis');
    const { seq } = await writer.send(reader.room);
    await reader.reached(reader.ch, seq);
    reader.ws.terminate();
    const { seq: next } = await writer.send(reader.room);
    const again = await back(reader, { relay: 1 });
    await again.reached(reader.ch, next);
    const other = await back(reader, { relay: 3 });
    await other.reached(reader.ch, next);
    await stack.startPart('redis');
    await eventually(async () => (await stack.metric('relay1', 'redis_up')) === 1, 'Redis again');
  });

  it('all parts end in an orderly way, and the logs hold no secret', () => stack.checkAndStop());
});
