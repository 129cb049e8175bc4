// The library chaguan-client against a whole server: every call, and what it tells when something is in the way.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import WebSocket from 'ws';
import { ChaguanError, connect, memoryStorage, webStorage, webTransport } from '../../client/index.js';
import { People, listen, stateOf } from './lib/people.mjs';
import { unique } from './lib/socket.mjs';
import { eventually } from './lib/stack.mjs';
import { png } from './lib/uploads.mjs';

const refused = (code, more = {}) => (error) => {
  assert.ok(error instanceof ChaguanError, error);
  assert.deepEqual({ code: error.code, ...more }, { code, ...Object.fromEntries(Object.keys(more).map((key) => [key, error[key]])) });
  return true;
};

/** A transport whose sockets a test holds in its hands. */
function held() {
  const inner = webTransport(WebSocket), sockets = [];
  return {
    ...inner, sockets,
    /** Frames that are not passed on, either way. */
    drops: () => false,
    open(address, protocol, on) {
      const socket = { ...on, frozen: false, sent: [], heard: [] };
      sockets.push(socket);
      const well = (text, way) => !socket.frozen && !this.drops(JSON.parse(text), way);
      const real = inner.open(address, protocol, { ...on,
        message: (text) => {
          socket.heard.push(text);
          if (well(text, 'down')) on.message(text);
        },
        closed: (code, reason) => socket.frozen || on.closed(code, reason) });
      socket.cut = () => {
        real.close(true);
        on.closed(1006, '');
      };
      socket.end = (code, reason) => {
        real.close(true);
        on.closed(code, reason);
      };
      return { close: real.close, send: (text) => {
        socket.sent.push(JSON.parse(text));
        if (well(text, 'up')) real.send(text);
      } };
    },
  };
}

/** What localStorage is, as far as it is used. */
function area() {
  const items = new Map();
  return { items, get length() { return items.size; }, key: (i) => [...items.keys()][i] ?? null,
    getItem: (key) => items.get(key) ?? null, setItem: (key, text) => items.set(key, text), removeItem: (key) => items.delete(key) };
}

describe('the client library', () => {
  let people, stack;
  before(async () => {
    people = await People.start({ settings: { search: 'on', rate_search: 0, ping_interval_ms: '500ms' } });
    stack = people.stack;
  });
  after(() => people?.end());

  const said = (text = unique('said')) => {
    stack.keepSecret(text);
    return text;
  };
  /** Two of a new room, each at a relay of their own, who listen. */
  const two = async (how = {}) => {
    const names = [unique('ann'), unique('bob')];
    const id = await people.room(...names);
    const clients = names.map((name, i) => people.connect(name, { relay: i + 1, ...how[i] }));
    const rooms = clients.map((client) => client.conversation(id));
    const events = rooms.map((room) => listen(room, 'event'));
    await Promise.all(rooms.map((room) => room.join()));
    return { id, names, clients, ann: clients[0], bob: clients[1], rooms, events };
  };
  const rowsOf = (content) => stack.count('SELECT COUNT(*) FROM message WHERE content = ?', [content]);

  it('sends, and the promise settles when it is stored; others hear it, in order', async () => {
    const { rooms: [at, of], events: [, heard], ann } = await two();
    const texts = Array.from({ length: 20 }, () => said());
    const answers = await Promise.all(texts.map((text) => at.send(text)));
    assert.deepEqual(answers.map(({ seq }) => seq), texts.map((_, i) => i + 1));
    assert.equal(answers[0].repeated, false);
    await heard.until(({ seq }) => seq === 20);
    assert.deepEqual(heard.map(({ content }) => content), texts);
    assert.deepEqual(of.cursor, { epoch: 1, seq: 20 });
    assert.equal(await stack.count('SELECT COUNT(*) FROM message WHERE content IN (?)', [texts]), 20);
    assert.deepEqual(ann.outbox, []);
  });

  it('all that a message may carry; edits, recalls, reactions; and the history has it', async () => {
    const { names, rooms: [at, of], events: [, heard], bob } = await two();
    const { seq } = await at.send(said(), { meta: { app: 1 } });
    const more = await at.send(said(), { reply_to: seq, mentions: [names[1], bob.user.uid], kind: 'emoji', content: undefined, client_id: 'mine' });
    assert.equal((await of.react(seq, '🍵')).repeated, false);
    assert.equal((await of.react(seq, '🍵')).repeated, true);
    const edited = said();
    const edit = await at.edit(seq, edited);
    const recall = await at.recall(more.seq);
    await heard.until((event) => event.seq === recall.seq);
    assert.deepEqual(heard.map(({ ev }) => ev), ['message', 'message', 'react', 'edit', 'recall']);
    assert.deepEqual([heard[0].meta, heard[1].reply_to, heard[1].mentions], [{ app: 1 }, seq, [bob.user.uid]]);
    const { events, more: isMore } = await of.history({ limit: 50 });
    assert.equal(isMore, false);
    assert.deepEqual([events[0].content, events[0].edited, events[0].reactions], [edited, edit.seq, { '🍵': { count: 1, me: true } }]);
    assert.equal(events[1].recalled, true);
    assert.deepEqual((await of.history({ after: seq, limit: 1 })).events.map((event) => event.seq), [seq + 1]);
    assert.deepEqual((await of.history({ before: 2 })).events.map((event) => event.seq), [1]);
    assert.equal((await of.react(seq, '🍵', false)).repeated, false);
    await assert.rejects(of.edit(seq, said()), refused('forbidden', { unknown: false }));
    await assert.rejects(at.edit(more.seq, said()), refused('not_found'));
    await assert.rejects(at.send(said(), { client_id: 'mine' }), refused('conflict'));
    await assert.rejects(at.send(said(), { no_such_field: 1 }), refused('bad_argument'));
  });

  it('read markers, unread counts, who types and who is there', async () => {
    const { id, names, bob, rooms: [at, of], events: [, heard] } = await two();
    const device = people.connect(names[1], { relay: 1 }), elsewhere = listen(device, 'event');
    await stateOf(device, 'open');
    await at.send(said());
    await at.send(said());
    await heard.until(({ seq }) => seq === 2);
    assert.equal((await of.unread()).unread, 2);
    assert.deepEqual(await of.read(1), { seq: 1, unread: 1 });
    await elsewhere.until(({ ev, seq }) => ev === 'read' && seq === 1);
    assert.deepEqual(await of.read(), { seq: 2, unread: 0 });
    assert.equal(of.marker, 2);
    assert.deepEqual((await bob.unread([id, 'nowhere'])).map(({ unread, error }) => unread ?? error.code), [0, 'not_found']);
    await at.typing();
    await heard.until(({ ev, from }) => ev === 'typing' && from.id === names[0]);
    const watching = people.connect(names[0]).conversation(id), lists = listen(watching, 'members');
    await watching.join({ presence: true });
    await of.join({ presence: true }); // it listened without it until now
    const name = `${names[1]}'s name`;
    await lists.until(({ members }) => members.some((member) => member.name === name));
    assert.ok((await at.members()).some((member) => member.name === name));
    const after = await at.send(said());
    await heard.until(({ seq, ev }) => ev === 'message' && seq === after.seq);
    assert.deepEqual(heard.filter(({ epoch }) => epoch).map(({ seq }) => seq), [1, 2, 3], 'each once');
  });

  it('makes conversations, lists them, brings people in and puts them out, who are told', async () => {
    const [ann, bob] = [unique('ann'), unique('bob')];
    await people.room(ann, bob);
    const [hers, his] = [people.connect(ann, { relay: 1 }), people.connect(bob, { relay: 2 })];
    const id = unique('made');
    const created = await hers.create({ id, type: 'group', name: 'Made', meta: { a: 1 } });
    assert.deepEqual([created.made, created.role, (await hers.create({ id, type: 'group' })).made], [true, 'owner', false]);
    assert.notEqual((await hers.create({ type: 'public', name: 'A' })).public_id, (await hers.create({ type: 'public', name: 'A' })).public_id);
    const room = hers.conversation(id), theirs = his.conversation(id);
    await assert.rejects(theirs.join(), refused('not_found'));
    assert.deepEqual((({ id: who, role, made }) => ({ who, role, made }))(await room.invite(bob, 'moderator')), { who: bob, role: 'moderator', made: true });
    const kicked = listen(theirs, 'kicked'), told = listen(theirs, 'event');
    await theirs.join();
    await theirs.send(said());
    const { items } = await his.conversations();
    assert.deepEqual(items.filter((item) => item.id === id).map(({ role, name, seq }) => ({ role, name, seq })), [{ role: 'moderator', name: 'Made', seq: 2 }]);
    assert.ok((await his.conversations({ limit: 1 })).next);
    await room.remove(bob);
    assert.equal((await kicked.until(() => true)).reason, 'revoked');
    assert.equal(theirs.joined, false);
    await assert.rejects(theirs.send(said()), refused('not_found', { unknown: false }));
    await assert.rejects(room.remove(bob), refused('not_member'));
    await room.invite(bob);
    await theirs.join({ cursor: theirs.cursor });
    await told.until(({ ev, role }) => ev === 'joined' && role === 'member');
    await theirs.quit();
    await kicked.until(() => kicked.length === 2);
    const direct = await hers.create({ type: 'direct', members: [bob] });
    assert.equal((await hers.create({ type: 'direct', members: [bob] })).public_id, direct.public_id);
  });

  it('searches', async () => {
    const { id, ann, rooms: [at] } = await two();
    const word = unique('word');
    await at.send(said(`在茶馆 ${word}`));
    const found = await eventually(async () => (await at.search(word)).items[0], 'the index to have it');
    assert.deepEqual([found.conversation, found.seq, found.content.slice(...found.highlights[0])], [id, 1, word]);
    assert.equal((await ann.search(`茶馆 ${word}`, { limit: 1 })).items[0].seq, 1);
    await assert.rejects(ann.search(''), refused('bad_argument'));
  });

  it('uploads with progress, sends the address, and can be aborted', async () => {
    const { ann, rooms: [at], events: [, heard] } = await two([{ relay: 0 }]);
    const steps = [];
    const bytes = Buffer.concat([png(), Buffer.alloc(1 << 20)]);
    const sent = await at.upload(new Blob([bytes]), { name: '茶 1.png', onprogress: (step) => steps.push(step), meta: { caption: 1 } });
    assert.equal(sent.uploaded.kind, 'image/png');
    const event = await heard.until(({ kind }) => kind === 'image');
    assert.deepEqual([event.content, event.meta], [sent.uploaded.url, { caption: 1 }]);
    assert.ok(steps.length > 1 && steps.every((step, i) => !i || step.sent > steps[i - 1].sent));
    assert.equal(steps.at(-1).sent, steps.at(-1).total);
    assert.equal(sent.uploaded.name, '茶 1.png');
    const abort = new AbortController();
    await assert.rejects(ann.upload(new Blob([bytes]), { signal: abort.signal, onprogress: () => abort.abort() }), refused('aborted'));
    await assert.rejects(ann.upload(new Blob(['#!/bin/sh\n'])), refused('unsupported_type'));
    const nobody = connect({ url: 'http://127.0.0.1:1', token: () => people.tokenOf('nobody'), transport: webTransport(WebSocket) });
    people.clients.add(nobody);
    await assert.rejects(nobody.upload(new Blob(['text'])), refused('network', { unknown: true }));
  });

  it('a guest comes by the id of a user without a password', async () => {
    const { json } = await stack.api('createChatroom', { chatroomName: unique('room'), nickName: unique('nick'), headNum: 3 });
    const client = people.connect('', { user: json.data.nickId, token: undefined }), room = client.conversation(json.data.chatroomId);
    await room.join();
    await room.send(said());
    await assert.rejects(client.conversations(), refused('forbidden'));
    assert.equal(client.user.id, undefined);
  });

  it('a conversation by both of its names is told to both', async () => {
    const { id, ann, rooms: [at], events: [heard] } = await two();
    const other = ann.conversation((await people.call('GET', `conversations/${id}`)).public_id), also = listen(other, 'event');
    await other.join();
    const { seq } = await at.send(said());
    for (const events of [heard, also]) await events.until((event) => event.seq === seq);
    at.leave();
    const next = await at.send(said());
    await also.until((event) => event.seq === next.seq);
    assert.equal(heard.some((event) => event.seq === next.seq), false);
  });

  it('joined, left and joined again in one breath, it listens; left, it does not', async () => {
    const { names, id } = await two();
    const client = people.connect(names[0], { relay: 2 }), room = client.conversation(id), heard = listen(room, 'event');
    const first = assert.rejects(room.join(), refused('left'));
    room.leave();
    await first;
    await room.join();
    const again = assert.rejects(room.join({ presence: true }), refused('left')); // which has to leave and join
    room.leave();
    await again;
    await room.join();
    const { seq } = await room.send(said());
    await heard.until((event) => event.seq === seq);
    room.leave();
    await room.send(said());
    await room.history(); // of the same connection, behind what would have come
    assert.deepEqual(heard.filter(({ epoch }) => epoch).map((event) => event.seq), [seq]);
  });

  it('more conversations than one hello may name are all there again after a cut', async () => {
    const transport = held(), name = unique('ann');
    const ids = await Promise.all(Array.from({ length: 130 }, () => people.room(name)));
    const client = people.connect(name, { relay: 1, transport }), rooms = ids.map((id) => client.conversation(id));
    const heard = rooms.map((room) => listen(room, 'message'));
    await Promise.all(rooms.map((room) => room.join()));
    transport.sockets.at(-1).cut();
    await Promise.all(ids.map((id) => people.call('POST', `conversations/${id}/messages`, { content: unique('many') })));
    await Promise.all(heard.map((events) => events.until(({ seq }) => seq === 1)));
    await Promise.all(rooms.map((room) => room.send(said())));
    await Promise.all(heard.map((events) => events.until(({ seq }) => seq === 2)));
    assert.ok(heard.every(({ length }) => length === 2));
    assert.equal(transport.sockets.at(-1).sent[0].resume.length, 100);
  });

  it('an answer that was lost is asked for again with the same client_id: the promise tells the first one’s number', async () => {
    const transport = held();
    const { rooms: [at, of], events: [, heard] } = await two([{ transport }]);
    const text = said();
    transport.drops = (frame, way) => way === 'down' && 're' in frame && frame.seq !== undefined;
    const sending = at.send(text);
    await heard.until(({ content }) => content === text); // stored, and nobody told the sender
    transport.drops = () => false;
    transport.sockets.at(-1).cut();
    const answer = await sending;
    assert.deepEqual([answer.repeated, answer.seq], [true, 1]);
    assert.equal(await rowsOf(text), 1);
    const asked = transport.sockets.flatMap(({ sent }) => sent).filter(({ cmd }) => cmd === 'send');
    assert.deepEqual(asked.map(({ client_id }) => client_id), [sending.client_id, sending.client_id]);
    assert.equal(of.cursor.seq, 1);
  });

  it('a refusal after an attempt without an answer says that it may have been stored all the same', async () => {
    const transport = held();
    const { id, names, rooms: [at], events: [, heard] } = await two([{ transport }]);
    const text = said();
    transport.drops = (frame, way) => way === 'down' && 're' in frame;
    const sending = assert.rejects(at.send(text), refused('not_found', { unknown: true }));
    await heard.until(({ content }) => content === text);
    await people.call('DELETE', `conversations/${id}/members/${names[0]}`);
    transport.drops = () => false;
    transport.sockets.at(-1).cut();
    await sending;
    assert.equal(await rowsOf(text), 1);
  });

  it('MariaDB is away: what is sent waits, and is stored when it is back; a look-up says so', async () => {
    const { ann, rooms: [at] } = await two();
    const text = said();
    await stack.kill('mariadb');
    const sending = at.send(text);
    await assert.rejects(at.history(), (error) => ['unavailable', 'busy'].includes(error.code));
    assert.equal(ann.outbox[0].fields.content, text);
    await stack.startPart('mariadb');
    await sending;
    assert.equal(await rowsOf(text), 1);
  });

  it('an outbox in a storage survives a reload: what was stored is not stored again, what was not is', async () => {
    const items = area(), transport = held();
    const { id, names, ann, rooms: [at], events: [, heard] } = await two([{ transport, storage: webStorage(items, 'ann') }]);
    const [first, second, third] = [said(), said(), said()];
    transport.drops = (frame, way) => way === 'down' && 're' in frame;
    const ends = [first, second].map((text) => assert.rejects(at.send(text), refused('closed', { unknown: text === first })));
    await heard.until(({ content }) => content === first);
    ann.close(); // the page goes
    await Promise.all(ends);
    await assert.rejects(at.send(third), refused('closed'));
    assert.equal(items.items.size, 2);

    const stranger = people.connect(names[1], { storage: webStorage(items, 'bob') });
    await stateOf(stranger, 'open');
    assert.deepEqual(stranger.outbox, []);
    const again = people.connect(names[0], { storage: webStorage(items, 'ann') }), settled = listen(again, 'settled');
    await settled.until(() => settled.length === 2);
    assert.deepEqual(settled.map(({ room, fields, answer }) => [room, fields.content, answer.seq, answer.repeated]),
      [[id, first, 1, true], [id, second, 2, false]]);
    assert.deepEqual([await rowsOf(first), await rowsOf(second), await rowsOf(third)], [1, 1, 0]);
    assert.equal(items.items.size, 0);
    assert.deepEqual(again.outbox, []);
  });

  it('what was never sent can be taken back; a storage that fails is told of, and the message goes all the same', async () => {
    const [name] = [unique('ann')], id = await people.room(name);
    const storage = { ...memoryStorage(), put: () => Promise.reject(new Error('no room')) };
    const client = people.connect(name, { storage }), trouble = listen(client, 'trouble'), room = client.conversation(id);
    await stateOf(client, 'open');
    const [text, never] = [said(), said()];
    const sending = room.send(text), taken = room.send(never), gone = assert.rejects(taken, refused('cancelled'));
    assert.equal(client.cancel(taken.client_id), true);
    await gone;
    await sending;
    assert.equal(client.cancel(sending.client_id), false);
    await trouble.until(({ code }) => code === 'storage');
    await room.send(said());
    assert.deepEqual([await rowsOf(text), await rowsOf(never)], [1, 0]);
  });

  it('what is too long is refused here, and the connection stays', async () => {
    const transport = held();
    const { ann, rooms: [at] } = await two([{ transport }]);
    await assert.rejects(at.send('茶'.repeat(ann.user.limits.message_bytes / 3)), refused('too_big', { unknown: false }));
    await at.send(said());
    assert.equal(transport.sockets.length, 1);
  });

  it('after a cut it comes back by itself and hears what it missed, once; it says what it does meanwhile', async () => {
    const transport = held();
    const { ann, rooms: [at, of], events: [heard] } = await two([{ transport }]);
    const states = listen(ann, 'state');
    await of.send(said());
    await heard.until(({ seq }) => seq === 1);
    transport.sockets.at(-1).cut();
    assert.equal(ann.state.state, 'waiting');
    assert.ok(ann.state.until instanceof Date && ann.state.why === '1006');
    await of.send(said());
    await heard.until(({ seq }) => seq === 2);
    assert.deepEqual(states.map(({ state }) => state), ['waiting', 'connecting', 'open']);
    assert.deepEqual(heard.map(({ seq }) => seq), [1, 2]);
    assert.equal(at.cursor.seq, 2);
    assert.deepEqual(transport.sockets.at(-1).sent[0].resume.map(({ epoch, seq }) => ({ epoch, seq })), [{ epoch: 1, seq: 1 }]);
  });

  it('a network that froze is noticed by the beats that do not come, within two pings', async () => {
    const transport = held();
    const { ann, rooms: [at, of], events: [heard] } = await two([{ transport }]);
    const socket = transport.sockets.at(-1);
    await eventually(() => socket.heard.includes('{}'), 'a beat');
    assert.equal(transport.sockets.length, 1, 'silence with beats is no silence');
    const states = listen(ann, 'state');
    socket.frozen = true;
    const sending = at.send(said());
    await of.send(said());
    await states.until(({ state, why }) => state === 'waiting' && why === 'silent');
    await heard.until(({ seq }) => seq >= 2);
    await sending;
    assert.deepEqual(heard.map(({ seq }) => seq), [1, 2]);
  });

  it('what is never answered ends the connection, although others are', async () => {
    const transport = held();
    const { ann, rooms: [at] } = await two([{ transport, timeout_ms: 700 }]);
    const states = listen(ann, 'state');
    transport.drops = (frame, way) => way === 'up' && frame.cmd === 'history' && transport.sockets.length === 1;
    assert.deepEqual((await at.history()).events, []);
    assert.deepEqual(states.map(({ state, why }) => why ?? state), ['silent', 'connecting', 'open']);
  });

  it('waits before it comes back: a random time below a bound that doubles; after 1012 not at all', async (t) => {
    const waits = [], inner = held();
    const client = people.connect(unique('ann'), { backoff_ms: 8, backoff_max_ms: 64,
      transport: { ...inner, open: () => { throw new Error('no network'); } } });
    client.on('state', ({ state, until }) => state === 'waiting' && waits.push(until - Date.now()));
    await eventually(() => waits.length >= 12, 'some attempts');
    client.close();
    waits.forEach((wait, i) => assert.ok(wait <= Math.min(64, 8 * 2 ** i), `${i}: ${wait}`));
    assert.ok(new Set(waits).size > 3, String(waits));
    const { ann, rooms: [at] } = await two([{ transport: inner, backoff_ms: 1e9, backoff_max_ms: 1e9 }]);
    inner.sockets.at(-1).end(1012, 'restart');
    assert.ok(ann.state.until - Date.now() <= 0);
    await at.send(said());
    t.diagnostic(`waits ${waits}`);
  });

  it('wake() does not wait any longer', async () => {
    const transport = held();
    const { ann, rooms: [at] } = await two([{ transport, backoff_ms: 1e9, backoff_max_ms: 1e9 }]);
    transport.sockets.at(-1).cut();
    assert.equal(ann.state.state, 'waiting');
    ann.wake();
    await at.send(said());
  });

  it('a relay ends, and another has it again; nothing is missed', async () => {
    const { clients, rooms: [at], events: [, heard] } = await two([{ relay: 0 }, { relay: 0 }]);
    const ends = clients.map((client) => listen(client, 'state'));
    for (const [i, relay] of ['relay1', 'relay2'].entries()) {
      await stack.stopPart(relay); // with one of them goes whatever was connected to it
      const { seq } = await at.send(said());
      await heard.until((event) => event.seq === seq);
      await stack.startPart(relay);
      assert.equal(seq, i + 1);
    }
    assert.deepEqual(heard.map(({ seq }) => seq), [1, 2]);
    for (const told of ends) assert.ok(told.some(({ state }) => state === 'waiting'), JSON.stringify(told));
  });

  it('brings a new token before the old one ends, and a new one after it was refused', async () => {
    const name = unique('ann'), id = await people.room(name), transport = held();
    let asked = 0;
    const client = people.connect(name, { transport, token: async () => people.tokenOf(name, ++asked === 1 ? 12 : 600) });
    const room = client.conversation(id);
    await room.join();
    await eventually(() => transport.sockets.at(-1).sent.some(({ cmd }) => cmd === 'refresh'), 'a refresh');
    await room.send(said());
    assert.deepEqual([asked, transport.sockets.length], [2, 1]);

    const tokens = ['no token', people.tokenOf(name)];
    const other = people.connect(name, { token: async () => tokens.shift() }), states = listen(other, 'state');
    await stateOf(other, 'open');
    assert.deepEqual(states.filter(({ why }) => why).map(({ why }) => why), ['token_malformed']);
    await people.call('POST', `users/${name}/disconnect`, {});
  });

  it('without a token it is signed out; with one that cannot be had it waits and says so', async () => {
    const out = people.connect('', { token: async () => undefined });
    assert.equal((await stateOf(out, 'closed')).why, 'signed_out');
    await assert.rejects(out.conversations(), refused('closed'));
    let fails = true;
    const name = unique('ann'), id = await people.room(name);
    const late = people.connect(name, { token: async () => {
      if (fails) throw new Error('the backend is away');
      return people.tokenOf(name);
    } });
    const told = await stateOf(late, 'waiting');
    assert.deepEqual([told.why, told.message], ['token', 'the backend is away']);
    fails = false;
    await late.conversation(id).send(said());
  });

  it('a ban ends it for good, and says so; what was not sent stays', async () => {
    const { names, ann, rooms: [at] } = await two();
    const banned = await stack.chaguan('user', 'ban', names[0], '--realm', 'app', '--reason', 'spam');
    assert.equal(banned.code, 0, banned.stderr);
    assert.equal((await stateOf(ann, 'closed')).why, 'banned');
    const text = said(), sending = at.send(text);
    await assert.rejects(at.history(), refused('closed'));
    assert.equal(ann.outbox.length, 1);
    assert.equal((await stack.chaguan('user', 'unban', names[0], '--realm', 'app')).code, 0);
    await eventually(() => {
      if (ann.state.state === 'closed') ann.wake();
      return ann.state.state === 'open';
    }, 'to be let in again');
    await sending;
    assert.equal(await rowsOf(text), 1);
  });

  it('put out while it was away: it is told when it comes back', async () => {
    const transport = held();
    const { id, names, ann, rooms: [at], events: [heard] } = await two([{ transport, backoff_ms: 1e9, backoff_max_ms: 1e9 }]);
    transport.sockets.at(-1).cut();
    await people.call('DELETE', `conversations/${id}/members/${names[0]}`);
    const kicked = listen(at, 'kicked');
    ann.wake();
    assert.equal((await kicked.until(() => true)).reason, 'not_found');
    assert.deepEqual([at.joined, heard.length], [false, 0]);
  });

  it('more than a thousand events missed: a reset says from where to where, and it goes on from there', async () => {
    const transport = held();
    const { ann, id, rooms: [at, of], events: [heard] } = await two([{ transport, backoff_ms: 1e9, backoff_max_ms: 1e9 }]);
    const { seq: first } = await of.send(said());
    await heard.until(({ seq }) => seq === first);
    transport.sockets.at(-1).cut();
    for (let i = 0; i < 1001; i += 77) // as many as one idempotent call of the backend stores
      await Promise.all(Array.from({ length: Math.min(77, 1001 - i) }, () =>
        people.call('POST', `conversations/${id}/messages`, { content: unique('many') })));
    const resets = listen(at, 'reset');
    ann.wake();
    assert.deepEqual(await resets.until(() => true), { was: { epoch: 1, seq: 1 }, cursor: { epoch: 1, seq: 1002 }, epoch_changed: false });
    const { seq } = await of.send(said());
    await heard.until((event) => event.seq === seq);
    assert.deepEqual(heard.map((event) => event.seq), [1, 1003]);
    const late = people.connect(unique('x'));
    late.close();
    assert.equal(late.state.why, 'closed');
    const behind = await ann.conversation(id).join({ cursor: { epoch: 1, seq: 2 } });
    assert.deepEqual([behind.reset, behind.missed, behind.seq], [true, undefined, 1003]);
    const near = await ann.conversation(id).join({ cursor: { epoch: 1, seq: 900 } });
    assert.deepEqual([near.reset, near.missed], [false, 103]);
    await heard.until(() => heard.length === 105, 'what lies behind that cursor, from the history');
    assert.deepEqual(heard.slice(2).map((event) => event.seq), Array.from({ length: 103 }, (_, i) => 901 + i));
  });

  it('an older state of the database is put back: a reset says that the epoch changed', async () => {
    const { ann, rooms: [at, of], events: [heard] } = await two();
    for (let i = 0; i < 3; i++) await of.send(said());
    await heard.until(({ seq }) => seq === 3);
    const resets = listen(at, 'reset');
    await stack.sql('DELETE FROM message WHERE conversation = ? AND seq > 1', [at.ch]);
    await stack.sql('UPDATE conversation SET seq = 1 WHERE id = ?', [at.ch]);
    const { was, cursor, epoch_changed } = await resets.until(() => true);
    assert.deepEqual([was, cursor.seq, epoch_changed], [{ epoch: 1, seq: 3 }, 1, true]);
    assert.ok(cursor.epoch > 1);
    const { seq } = await of.send(said());
    await heard.until((event) => event.seq === seq && event.epoch === cursor.epoch);
    assert.equal(ann.state.state, 'open');
  });

  it('what a listener throws is the application’s, and stops nothing', async () => {
    const { rooms: [at], events: [heard] } = await two();
    const runner = process.listeners('uncaughtException'); // it would count as a failure
    process.removeAllListeners('uncaughtException');
    const thrown = new Promise((resolve) => process.once('uncaughtException', (error) => {
      for (const listener of runner) process.on('uncaughtException', listener);
      resolve(error);
    }));
    const off = at.on('message', () => {
      throw new Error('of the application');
    });
    const { seq } = await at.send(said());
    assert.equal((await thrown).message, 'of the application');
    await heard.until((event) => event.seq === seq);
    off();
    await at.send(said());
  });

  it('all parts end in an orderly way, and the logs hold no secret', async () => {
    for (const client of people.clients) client.close();
    await stack.checkAndStop();
  });
});
