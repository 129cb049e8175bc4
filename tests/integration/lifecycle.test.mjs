// How long things are kept, and who is erased: while people talk on three relays, with two workers.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, enter, unique } from './lib/client.mjs';
import { DescribedSocket } from './lib/described.mjs';
import { Native } from './lib/native.mjs';
import { Events, poll } from './lib/rooms.mjs';
import { FILE, address, png, upload } from './lib/uploads.mjs';
import { NO_RATES, Stack, eventually, request } from './lib/stack.mjs';

Native.described = new DescribedSocket();

const RELAYS = [1, 2, 3];

describe('the life cycle', () => {
  let stack, key;
  const open = [];
  const keep = async (client) => {
    open.push(await client);
    return open.at(-1);
  };
  const call = async (method, path, body) => {
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const { status, json, text } = await request(`${stack.url}/v1/${path}`, { method, body: bytes,
      headers: { authorization: `Bearer ${key}`, ...(bytes ? { 'content-length': bytes.length } : {}) } });
    assert.ok(status < 300, `${method} ${path}: ${status} ${text}`);
    return json;
  };
  /** A user of the application, as the native protocol takes them. */
  const user = async (id) => {
    await call('PUT', `users/${id}`, { name: `name-of-${id}` });
    return { token: (await call('POST', `users/${id}/token`, {})).token };
  };
  const number = async (publicId) => Number((await stack.sql('SELECT id FROM conversation WHERE public_id = ?', [publicId]))[0].id);
  const check = async () => {
    const { code, stdout } = await stack.chaguan('check');
    assert.equal(code, 0, stdout);
  };
  before(async () => {
    stack = await Stack.start({ relays: 3, workers: 2, settings: { ...NO_RATES, create: 'users', keep_round_ms: '50ms',
      feed_poll_ms: '20ms', feed_lease_ms: '2s', reconcile_ms: '300ms', grace_ms: '100ms', members_interval_ms: '20ms',
      jwt_secret: '0123456789abcdef0123456789abcdef' } });
    key = (await stack.chaguan('key', 'add', 'backend', '--scope', 'read,write,admin')).stdout.trim();
  });
  after(async () => {
    for (const client of open) client.close();
    await stack?.remove();
  });

  /** Somebody who talks in a room until told to stop, one after the other. */
  const talk = (client) => {
    let on = true;
    const said = [];
    const done = (async () => {
      while (on) {
        said.push(client.say(unique('flow')));
        await client.heard(said.at(-1));
      }
      return said;
    })();
    return () => { on = false; return done; };
  };

  it('what is too old goes from the front, everywhere, while people talk; numbers go on; cursors before it are reset', async () => {
    const name = unique('room');
    const people = [];
    for (const relay of RELAYS) people.push(await keep(Client.join(stack, await enter(stack, name, unique('nick')), { relay })));
    const [{ seat }] = people;
    const old = Array.from({ length: 30 }, (_, i) => people[0].say(unique(`old ${i}`)));
    await Promise.all(people.map((client) => client.heard(old.at(-1))));
    const conversation = await number(seat.roomId);
    const trimmed = Number((await stack.sql('SELECT MAX(seq) AS seq FROM message WHERE conversation = ? AND content = ?', [conversation, old.at(-1)]))[0].seq);
    await stack.sql('INSERT INTO reaction VALUES (?, ?, (SELECT MIN(id) FROM user), ?)', [conversation, trimmed - 3, 'x']);
    const before = await keep(Native.hello(stack, { user: seat.nickId }));
    const { epoch } = await before.join(seat.roomId);
    const stop = people.map(talk);
    await stack.sql('UPDATE message SET created_at = created_at - INTERVAL 40 DAY WHERE conversation = ? AND seq <= ?', [conversation, trimmed]);
    assert.equal((await call('PATCH', `conversations/${seat.roomId}`, { keep_days: 30 })).keep_days, 30);
    await eventually(async () => (await call('GET', `conversations/${seat.roomId}`)).trimmed === trimmed, 'the old ones to go');
    const shown = async (client) => (await client.history()).map((row) => row.seq);
    // Relays that had it in memory forget it with their next look at the database.
    for (const client of people)
      await eventually(async () => (await shown(client))[0] === trimmed + 1, `a relay to forget what is gone`);
    for (const relay of RELAYS) {
      // Until a relay has looked at the database, such a cursor is answered with what is gone.
      await eventually(async () => {
        const back = await keep(Native.hello(stack, { user: seat.nickId }, { relay, resume: [{ room: seat.roomId, epoch, seq: trimmed - 5 }] }));
        const [{ ch, seq, reset, trimmed: upTo }] = back.welcome.joined;
        if (reset) return upTo === trimmed;
        await back.reached(ch, seq);
        assert.deepEqual([back.log(ch)[0].ev, back.log(ch)[0].seq], ['gone', trimmed]);
        return false;
      }, 'a cursor to be reset');
      const just = await keep(Native.hello(stack, { user: seat.nickId }, { relay, resume: [{ room: seat.roomId, epoch, seq: trimmed }] }));
      assert.equal(just.welcome.joined[0].reset, undefined);
      await just.reached(just.welcome.joined[0].ch, just.welcome.joined[0].seq); // the client itself looks for holes
      const history = await just.must('history', { room: seat.roomId, after: 0, limit: 200 });
      assert.deepEqual([history.trimmed, history.events.find((event) => event.ev !== 'gone').seq], [trimmed, trimmed + 1]);
      const events = await keep(Events.open(stack, seat, { query: { lastEventId: `${epoch}-${trimmed - 5}` }, relay }));
      assert.ok(events.got.some((event) => event.type === 'reset'), 'an event stream is told');
      const asked = await poll(stack, seat, { after: trimmed - 5, epoch }, { relay });
      assert.deepEqual([asked.reset, asked.events], [true, []]);
      assert.equal((await poll(stack, seat, { after: trimmed, epoch }, { relay })).reset, undefined);
    }
    const list = await call('GET', `conversations/${seat.roomId}/messages?after=0&limit=200`);
    assert.deepEqual([list.trimmed, list.items[0].seq], [trimmed, trimmed + 1]);
    assert.equal(await stack.count(`SELECT COUNT(*) FROM reaction WHERE conversation = ${conversation}`), 0);
    const said = (await Promise.all(stop.map((end) => end()))).flat();
    const rows = await stack.sql('SELECT seq, content FROM message WHERE conversation = ? ORDER BY seq', [conversation]);
    rows.forEach((row, i) => assert.equal(Number(row.seq), trimmed + 1 + i));
    assert.equal(rows.filter((row) => said.includes(row.content)).length, said.length);
    for (const client of people) assert.equal(client.ws.readyState, 1, 'nobody was put out');
    await check();
    // All of it: a room without a row goes on where it was.
    await Promise.all(people.map((client) => client.close()));
    const quiet = await enter(stack, unique('room'), unique('nick'));
    const alone = await number(quiet.roomId);
    const speaker = await keep(Client.join(stack, quiet, { relay: 1 }));
    await speaker.heard(speaker.say(unique('last')));
    const last = Number((await stack.sql('SELECT seq FROM conversation WHERE id = ?', [alone]))[0].seq);
    await stack.sql('UPDATE message SET created_at = created_at - INTERVAL 3 DAY WHERE conversation = ?', [alone]);
    assert.equal((await stack.chaguan('conversation', 'keep', quiet.roomId, '--days', '2')).code, 0);
    await eventually(async () => /trimmed=(\d+)/.exec((await stack.chaguan('conversation', 'keep', quiet.roomId)).stdout)[1] === String(last), 'all to go');
    for (const relay of [2, 1]) {
      const next = await keep(Client.join(stack, quiet, { relay }));
      await next.heard(next.say(unique('next')));
      assert.ok(next.messages.at(-1).seq > last);
    }
    await check();
    assert.equal((await stack.chaguan('conversation', 'keep', quiet.roomId, '--days', 'soon')).code, 2);
    assert.equal((await stack.chaguan('conversation', 'keep', 'room_none')).code, 2);
  });

  it('comings and goings go sooner, and a client that counts is told which', async () => {
    const name = unique('room');
    const one = await keep(Client.join(stack, await enter(stack, name, unique('nick')), { relay: 1 }));
    await one.heard(one.say(unique('first')));
    const guest = await enter(stack, name, unique('guest'));
    const visit = await Client.join(stack, guest, { relay: 2 });
    await visit.close();
    await one.line(`${guest.nick} 离开了房间`);
    await one.heard(one.say(unique('second')));
    const conversation = await number(one.seat.roomId);
    const lines = await stack.sql('SELECT seq FROM message WHERE conversation = ? AND kind IN (2, 3) ORDER BY seq', [conversation]);
    assert.equal(lines.length, 3);
    await stack.sql('UPDATE message SET created_at = created_at - INTERVAL 31 DAY WHERE conversation = ?', [conversation]);
    await eventually(async () => await stack.count(`SELECT COUNT(*) FROM message WHERE conversation = ${conversation} AND kind IN (2, 3)`) === 0, 'the lines to go');
    await check();
    await eventually(async () => (await one.history()).length === 2, 'the relay to forget them');
    for (const relay of RELAYS) {
      const epoch = (await keep(Native.hello(stack, { user: one.seat.nickId }, { relay }))).welcome.epoch;
      const back = await keep(Native.hello(stack, { user: one.seat.nickId }, { relay, resume: [{ room: one.seat.roomId, epoch, seq: 0 }] }));
      const [{ ch, seq, reset }] = back.welcome.joined;
      assert.equal(reset, undefined);
      await back.reached(ch, seq);
      assert.deepEqual(back.log(ch).map(({ ev, first, seq: at }) => [ev, first, at]),
        [['gone', 1, 1], ['message', undefined, 2], ['gone', 3, 4], ['message', undefined, 5]]);
    }
  });

  it('an erased user is gone from everything that three relays hold, and from what comes late', async () => {
    const secret = 'a-secret-of-the-erased';
    const name = unique('room');
    const people = [];
    for (const relay of RELAYS) people.push(await keep(Client.join(stack, await enter(stack, name, unique('nick')), { relay })));
    const [{ seat }] = people;
    const gone = await user('gone'), stays = await user('stays');
    const group = (await call('POST', 'conversations', { type: 'group', members: ['gone', 'stays'] })).public_id;
    const own = await keep(Native.hello(stack, gone, { relay: 1 }));
    const other = await keep(Native.hello(stack, stays, { relay: 2 }));
    const { ch, epoch } = await other.join(group);
    await own.join(group);
    const reader = await keep(Native.hello(stack, { user: seat.nickId }, { relay: 3 }));
    const room = await reader.join(seat.roomId);
    await stack.sql('INSERT INTO member (conversation, user, joined_at) SELECT ?, id, UTC_TIMESTAMP(3) FROM user ' +
      "WHERE realm = 5 AND name = 'gone'", [room.ch]);
    for (let i = 0; i < 5; i++) {
      await own.send(group, `${secret} ${i}`);
      await other.send(group, unique('kept'));
      await own.send(seat.roomId, `${secret} in the room ${i}`);
    }
    const uploaded = async () => FILE.url((await upload(stack, FILE, png())).json);
    const files = [await uploaded(), await uploaded()];
    for (const url of files) await own.send(group, url, { kind: 'file' });
    await other.send(group, files[1], { kind: 'file' });
    await Promise.all(people.map((client) => client.heard(`${secret} in the room 4`)));
    const stop = people.map(talk);
    await call('DELETE', 'users/gone');
    await own.closed;
    const assertClean = (what, value) => assert.ok(!/secret-of-the-erased|name-of-gone/.test(JSON.stringify(value)), `${what}: ${JSON.stringify(value).slice(0, 300)}`);
    await eventually(async () => await stack.relayMetric('rooms_forgotten_total') >= 5, 'the relays to forget');
    for (const [i, relay] of RELAYS.entries()) {
      assertClean(`query-logs of relay ${relay}`, await people[i].history());
      const newcomer = await keep(Client.join(stack, await enter(stack, name, unique('nick')), { relay }));
      assertClean(`a newcomer's at relay ${relay}`, await newcomer.history());
      const back = await keep(Native.hello(stack, stays, { relay, resume: [{ room: group, epoch, seq: 0 }] }));
      await back.reached(ch, back.welcome.joined[0].seq); // without holes: the client looks
      assertClean(`a resume at relay ${relay}`, back.log(ch));
      assert.equal(back.log(ch).filter((event) => event.recalled).length, 7);
      const inRoom = await keep(Native.hello(stack, { user: seat.nickId }, { relay, resume: [{ room: seat.roomId, epoch, seq: 0 }] }));
      await inRoom.reached(room.ch, inRoom.welcome.joined[0].seq);
      assertClean(`a resume in the room at relay ${relay}`, inRoom.log(room.ch));
      assertClean('a history', await back.must('history', { room: group }));
      const events = await keep(Events.open(stack, seat, { query: { lastEventId: `${epoch}-0` }, relay }));
      await events.reached(inRoom.welcome.joined[0].seq);
      assertClean(`an event stream of relay ${relay}`, events.got);
      assertClean(`a poll of relay ${relay}`, await poll(stack, seat, { after: 0, epoch }, { relay }));
    }
    assertClean('the list', await call('GET', `conversations/${group}/messages`));
    assertClean('the list of the room', await call('GET', `conversations/${seat.roomId}/messages?limit=200`));
    assertClean('conversations', await call('GET', 'conversations?user=stays'));
    assertClean('members', await call('GET', `conversations/${group}/members`));
    await Promise.all(stop.map((end) => end()));
    for (const client of people) {
      assert.equal(client.ws.readyState, 1, 'nobody else was put out');
      const seqs = client.messages.map((message) => message.seq);
      seqs.forEach((seq, i) => assert.equal(seq, seqs[0] + i, 'numbers without holes'));
    }
    assert.equal(await stack.count(`SELECT COUNT(*) FROM message WHERE content LIKE '%${secret}%' OR sender_name LIKE '%name-of-gone%'`), 0);
    await check();
    assert.equal((await stack.chaguan('media', 'gc')).code, 0);
    assert.deepEqual(await Promise.all(files.map(async (url) => (await request(address(stack, url))).status)), [404, 200]);
  });
});
