// How long things are kept, and who is erased: while people talk on three relays, with two workers.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Client, enter, unique } from './lib/client.mjs';
import { DescribedSocket } from './lib/described.mjs';
import { Chatter, settleChat } from './lib/io.mjs';
import { Native } from './lib/native.mjs';
import { Events, poll } from './lib/rooms.mjs';
import { FILE, address, png, upload, uploadApi } from './lib/uploads.mjs';
import { NO_RATES, Stack, eventually, request } from './lib/stack.mjs';

Native.described = new DescribedSocket();

const RELAYS = [1, 2, 3];

/** A message between relays, of one that nobody knows. */
function publish(stack, { conversation, epoch, seq, sender, content }) {
  const number = (value, bytes) => {
    const out = Buffer.alloc(8);
    out.writeBigUInt64LE(BigInt(value));
    return out.subarray(0, bytes);
  };
  const text = (value, bytes) => Buffer.concat([number(Buffer.byteLength(value), bytes), Buffer.from(value)]);
  const payload = Buffer.concat([Buffer.from('CG'), number(5, 1), number(1, 1), number(4711, 8), number(epoch, 8),
    number(conversation, 8), number(0, 8), number(1, 2), number(seq, 8), number(77, 8), number(sender, 8), number(Date.now(), 8),
    number(1, 1), text('', 2), text('', 1), text('', 2), text(content, 4), text('', 2), text('', 1), text('', 2)]);
  const words = [Buffer.from('PUBLISH'), Buffer.from(`chaguan:room:${conversation}`), payload];
  const command = Buffer.concat([Buffer.from(`*${words.length}\r\n`),
    ...words.flatMap((word) => [Buffer.from(`$${word.length}\r\n`), word, Buffer.from('\r\n')])]);
  return new Promise((resolve, reject) => {
    const socket = net.connect(stack.file('redis.sock'), () => socket.write(command));
    socket.once('error', reject).once('data', () => resolve(socket.end()));
  });
}

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
      feed_poll_ms: '20ms', feed_lease_ms: '1s', reconcile_ms: '100ms', reconcile_down_ms: '100ms', grace_ms: '100ms', members_interval_ms: '20ms', name_cache_ms: '1h',
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

  it('who comes back to a Socket.IO namespace is shown nothing of what is too old, and whoever misses none of it is recovered', async () => {
    const enterChat = async (relay) => keep(Chatter.enter(stack, unique('name'), { relay }));
    const speaker = await enterChat(1);
    const away = [];
    for (const relay of RELAYS) away.push(await enterChat(relay));
    await settleChat(speaker, ...away);
    await Promise.all(away.map((client) => client.cut()));
    const old = Array.from({ length: 4 }, (_, i) => unique(`too old ${i}`));
    for (const content of old) await speaker.say(content);
    const [{ id, seq, nsp }] = await stack.sql("SELECT id, seq, public_id AS nsp FROM conversation WHERE kind = 5 AND name = '/'");
    await speaker.say('young');
    await stack.sql('UPDATE message SET created_at = created_at - INTERVAL 40 DAY WHERE conversation = ? AND seq <= ?', [id, seq]);
    assert.equal((await stack.chaguan('conversation', 'keep', String(nsp), '--days', '30')).code, 0);
    await eventually(async () => await stack.count(`SELECT trimmed FROM conversation WHERE id = ${id}`) === Number(seq), 'the old ones to go');
    for (const [i, relay] of RELAYS.entries()) {
      const newcomer = await enterChat(relay);
      const shown = async () => {
        const before = newcomer.all('allMessages').length;
        await newcomer.ask('getAllMessages');
        return (await newcomer.event('allMessages', before + 1))[0].map(({ content }) => content);
      };
      await eventually(async () => !(await shown()).some((content) => old.includes(content)), 'the relay to forget them');
      assert.ok((await shown()).includes('young'));
      assert.equal((await away[i].comeBack(relay)).recovered, false);
      await settleChat(speaker, away[i], newcomer);
      assert.ok(!away[i].said.some((content) => old.includes(content)));
      await newcomer.cut();
      const missed = unique('missed');
      await speaker.say(missed);
      assert.equal((await newcomer.comeBack(relay % 3 + 1)).recovered, true);
      await newcomer.heard(missed);
    }
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
    // who becomes a member, and who is one no longer, likewise; a new name stays
    const [boss, other] = [unique('boss'), unique('other')];
    const of = await call('POST', 'conversations', { type: 'group', members: [boss] });
    for (const body of [{ role: 'owner' }, {}]) await call('PUT', `conversations/${of.id}/members/${body.role ? boss : other}`, body);
    await call('PATCH', `conversations/${of.id}`, { name: 'new' });
    await call('DELETE', `conversations/${of.id}/members/${other}`);
    const { seq: said } = await call('POST', `conversations/${of.id}/messages`, { content: unique('third') });
    await stack.sql('UPDATE message SET created_at = created_at - INTERVAL 31 DAY WHERE conversation IN (?, ?)', [conversation, of.ch]);
    await eventually(async () => await stack.count(
      `SELECT COUNT(*) FROM message WHERE conversation IN (${conversation}, ${of.ch}) AND kind IN (2, 3, 13, 14)`) === 0, 'the lines to go');
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
    const who = await user(boss), { epoch } = (await keep(Native.hello(stack, who, { relay: 3 }))).welcome;
    const back = await keep(Native.hello(stack, who, { relay: 3, resume: [{ room: of.public_id, epoch, seq: 0 }] }));
    await back.reached(of.ch, said);
    assert.deepEqual(back.log(of.ch).map(({ ev, first, seq: at }) => [ev, first, at]),
      [['gone', 1, 2], ['renamed', undefined, 3], ['gone', 4, 4], ['message', undefined, 5]]);
    await check();
  });

  it('who is removed while everybody talks is put out on all three relays, and then hears and reads nothing; others miss nothing', async () => {
    const names = ['one', 'two', 'three', 'leaves'].map(unique);
    const [leaves, ...talkers] = (await Promise.all(names.map(user))).reverse();
    const group = (await call('POST', 'conversations', { type: 'group', members: names })).public_id;
    const seats = [], ears = [];
    for (const [i, relay] of RELAYS.entries()) {
      seats.push(await keep(Native.hello(stack, talkers[i], { relay })));
      ears.push(await keep(Native.hello(stack, leaves, { relay })));
    }
    const [{ ch, epoch }] = await Promise.all([...seats, ...ears].map((client) => client.join(group)));
    let on = true, said = 0;
    const flow = seats.map(async (client) => {
      while (on) {
        await client.send(group, unique('flow'));
        said++;
      }
    });
    const goesOn = (more) => { const until = said + more; return eventually(() => said >= until, 'messages to flow'); };
    await goesOn(30);
    await call('DELETE', `conversations/${group}/members/${names[3]}`);
    for (const client of ears) assert.equal((await client.event('kicked')).reason, 'revoked');
    await goesOn(30);
    on = false;
    await Promise.all(flow);
    const [{ seq: last }] = await stack.sql('SELECT seq FROM conversation WHERE public_id = ?', [group]);
    for (const client of seats) await client.reached(ch, Number(last));
    const { seq: removal } = seats[0].log(ch).find(({ ev, from }) => ev === 'removed' && from.id === names[3]);
    assert.ok(removal + 20 < Number(last));
    for (const client of ears) {
      assert.ok(client.log(ch).length);
      const put = client.events.findIndex(({ ev }) => ev === 'kicked');
      assert.deepEqual(client.events.slice(put + 1), [], 'nothing comes once the seat has ended');
      assert.ok(client.log(ch).at(-1).seq < Number(last) - 20);
      for (const command of ['history', 'join']) assert.equal(await client.refused(command, { room: group }), 'not_found');
    }
    for (const relay of RELAYS) {
      const back = await keep(Native.hello(stack, leaves, { relay, resume: [{ room: group, epoch, seq: 0 }] }));
      assert.equal(back.welcome.joined[0].error.code, 'not_found');
      assert.deepEqual(back.log(ch), []);
    }
    for (const what of ['messages', 'members', 'presence'])
      assert.equal((await request(`${stack.url}/v1/conversations/${group}/${what}`, { headers: { authorization: `Bearer ${leaves.token}` } })).status, 404, what);
    for (const client of seats) client.log(ch).forEach(({ seq }, i, log) => assert.equal(seq, log[0].seq + i, 'numbers without holes'));
    await check();
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
    // Files that have an owner: they go with them, whoever speaks of them.
    const brought = async (token) => {
      const { status, json, text } = await uploadApi(stack, token, png());
      assert.equal(status, 201, text);
      return json.url;
    };
    const [owned, kept, face] = [await brought(gone.token), await brought(stays.token), await uploaded()];
    await other.send(group, owned, { kind: 'file' });
    await call('PATCH', 'users/stays', { face: new URL(face, 'https://chat.example.org').href });
    const taken = (await request(`${stack.url}/v1/users/stays/export`, { headers: { authorization: `Bearer ${key}` } })).text
      .trim().split('\n').map((line) => JSON.parse(line)).filter(({ type }) => type === 'media').map(({ url }) => url);
    for (const url of [kept, face, owned]) assert.ok(taken.includes(url), url);
    await Promise.all(people.map((client) => client.heard(`${secret} in the room 4`)));
    const [{ id: erased, public_id: credential }] = await stack.sql("SELECT id, public_id FROM user WHERE realm = 5 AND name = 'gone'");
    const named = async () => (await stack.api('getUserInfo', { userId: credential })).json.data;
    assert.equal(await named(), 'name-of-gone'); // and REST keeps it
    const stop = people.map(talk);
    await call('DELETE', 'users/gone');
    assert.equal((await request(address(stack, owned))).status, 404);
    await eventually(async () => await named() === undefined, 'REST to forget the name');
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
    await stack.sql('UPDATE media SET created_at = created_at - INTERVAL 2 DAY WHERE name = ?', [face.split('/').at(-1)]);
    assert.equal((await stack.chaguan('media', 'gc')).code, 0);
    for (const url of [kept, face]) assert.equal((await request(address(stack, url))).status, 200, 'a face is spoken of');
    assert.deepEqual(await Promise.all(files.map(async (url) => (await request(address(stack, url))).status)), [404, 200]);
    // What a relay published before the erasure, and what comes afterwards: with the next number, which nobody has given out.
    const [{ id: conversation, seq: last }] = await stack.sql('SELECT id, seq FROM conversation WHERE public_id = ?', [group]);
    const listeners = [];
    for (const relay of RELAYS) {
      listeners.push(await keep(Native.hello(stack, stays, { relay })));
      await listeners.at(-1).join(group);
    }
    await stack.counts('bus_received_total', () => publish(stack, { conversation, epoch, seq: Number(last) + 1, sender: erased, content: `${secret} late` }), 3);
    const { seq: next } = await listeners[0].send(group, unique('real'));
    assert.equal(next, Number(last) + 1);
    for (const listener of listeners) {
      await listener.reached(ch, next);
      assertClean('what comes late', listener.log(ch));
    }
  });

  it('without Redis relays learn of it, too; presence is the same whoever is asked, and by whatever they came', async () => {
    const secret = 'a-secret-of-the-silent';
    const gone = await user('silent'), stays = await user('present');
    const { public_id: room } = await call('POST', 'conversations', { type: 'public', members: ['silent', 'present'] });
    const own = await keep(Native.hello(stack, gone, { relay: 1 }));
    await own.join(room, { presence: true });
    const others = [];
    for (const relay of RELAYS) {
      others.push(await keep(Native.hello(stack, stays, { relay })));
      await others.at(-1).join(room, { presence: true });
    }
    const { seq } = await own.send(room, secret);
    for (const other of others) await other.until(() => other.events.some((event) => event.content === secret), 'it');
    const present = async () => (await call('GET', `conversations/${room}/presence`)).items.map(({ id }) => id).sort();
    const presentAre = (...ids) => eventually(async () => JSON.stringify(await present().catch(() => null)) === JSON.stringify(ids), `${ids} to be present`);
    await presentAre('present', 'silent');
    const name = unique('room');
    const seats = [];
    for (const nick of ['by-socket', 'by-events', 'by-poll', 'watching']) seats.push(await enter(stack, name, unique(nick)));
    const socket = await keep(Client.join(stack, seats[0], { relay: 1 }));
    const events = await keep(Events.open(stack, seats[1], { relay: 2 }));
    const polling = poll(stack, seats[2], { wait: 20 }, { relay: 3 });
    await socket.present(...seats.slice(0, 3).map(({ nick }) => nick));
    await events.until(() => events.got.findLast(({ type }) => type === 'members')?.data.length === 3, 'three members');
    const numbers = await stack.sql('SELECT id FROM user WHERE public_id IN (?)', [seats.slice(0, 3).map(({ nickId }) => nickId)]);
    assert.deepEqual((await call('GET', `conversations/${seats[0].roomId}/presence`)).items.map(({ uid }) => uid).sort((a, b) => a - b),
      numbers.map(({ id }) => Number(id)).sort((a, b) => a - b));
    const watching = await keep(Client.join(stack, seats[3], { relay: 2 }));
    await watching.heard(watching.say(unique('ends the poll')));
    await polling;
    await stack.kill('redis');
    await call('DELETE', 'users/silent');
    await own.closed;
    for (const [i, relay] of RELAYS.entries()) {
      await eventually(async () => !JSON.stringify(await others[i].must('history', { room, limit: 100 })).includes(secret), `relay ${relay} to forget`);
      const back = await keep(Native.hello(stack, stays, { relay, resume: [{ room, epoch: own.welcome.epoch, seq: 0 }] }));
      const [joined] = back.welcome.joined;
      await back.reached(joined.ch, seq);
      assert.ok(!JSON.stringify(back.log(joined.ch)).includes(secret));
    }
    await stack.startPart('redis');
    await presentAre('present');
    await check();
  });

  it('a worker that is killed while it removes, and a REST process while it erases, leave nothing half: others go on', async () => {
    const holder = async () => (await stack.chaguan('feed')).stdout.match(/^job=life worker="(worker\d)@/m)?.[1];
    for (const id of ['half', 'whole']) await call('PUT', `users/${id}`, { name: `name-of-${id}` });
    const secret = 'a-secret-of-the-half';
    const groups = [];
    for (const _ of [1, 2]) groups.push((await call('POST', 'conversations', { type: 'group', members: ['half', 'whole'] })).public_id);
    for (const group of groups)
      for (const from of ['half', 'whole']) await call('POST', `conversations/${group}/messages`, { from, content: `${from === 'half' ? secret : 'kept'}` });
    const [one, two] = [await number(groups[0]), await number(groups[1])];
    const lock = await stack.database();
    const locked = async (conversation, seq) => {
      await lock.query('START TRANSACTION');
      await lock.query('SELECT seq FROM message WHERE conversation = ? AND seq = ? FOR UPDATE', [conversation, seq]);
    };
    const content = async (conversation) => (await stack.sql('SELECT content FROM message WHERE conversation = ? AND seq = 1', [conversation]))[0].content;
    await locked(two, 1);
    const cut = call('DELETE', 'users/half').catch(() => 'cut');
    await eventually(async () => await content(one) === '', 'half of it to be erased');
    assert.equal(await content(two), secret);
    await stack.kill('rest');
    assert.equal(await cut, 'cut');
    await stack.startPart('rest');
    await stack.sql('UPDATE erased_user SET erased_at = erased_at - INTERVAL 2 MINUTE');
    const erasing = await eventually(async () => await stack.count(`SELECT COUNT(*) FROM information_schema.processlist
      WHERE info LIKE 'UPDATE message FORCE INDEX (message_sender)%' AND time_ms > 100`) && await holder(), 'a worker to be erasing');
    await stack.kill(erasing); // it is killed, too
    assert.equal(await content(two), secret);
    await lock.query('ROLLBACK');
    await eventually(async () => await content(two) === '', 'the other to finish it');
    assert.notEqual(await holder(), erasing);
    await stack.startPart(erasing);
    for (const group of groups)
      assert.ok(!JSON.stringify(await call('GET', `conversations/${group}/messages`)).includes(secret));
    assert.equal(await stack.count(`SELECT COUNT(*) FROM message WHERE content LIKE '%${secret}%' OR sender_name LIKE '%half%'`), 0);
    await eventually(async () => await stack.count('SELECT COUNT(*) FROM erased_user') === 0, 'it to be settled');
    await check();
    const most = 1600;
    await stack.sql(`INSERT INTO message (conversation, seq, kind, sender_name, content, created_at, batch_id) SELECT m.conversation, n.seq + 2,
      m.kind, m.sender_name, 'old', m.created_at, m.batch_id FROM seq_1_to_${most} n, message m WHERE m.conversation = ? AND m.seq = 2`, [two]);
    await stack.sql('UPDATE message SET created_at = created_at - INTERVAL 40 DAY WHERE conversation = ?', [two]);
    await stack.sql('UPDATE conversation SET seq = seq + ? WHERE id = ?', [most, two]);
    await locked(two, 1200);
    await call('PATCH', `conversations/${groups[1]}`, { keep_days: 30 });
    const trimmed = () => stack.count(`SELECT trimmed FROM conversation WHERE id = ${two}`);
    await eventually(async () => await trimmed() === 1000, 'some to be removed');
    const first = await holder();
    await stack.kill(first);
    assert.equal(await stack.count(`SELECT MIN(seq) FROM message WHERE conversation = ${two}`), 1001);
    await check();
    await lock.query('ROLLBACK');
    await lock.end();
    await eventually(async () => await trimmed() === most + 2, 'the other to go on');
    assert.notEqual(await holder(), first);
    assert.equal(await stack.count(`SELECT COUNT(*) FROM message WHERE conversation = ${two}`), 0);
    await check();
    await stack.startPart(first);
  });
});
