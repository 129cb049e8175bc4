// The chatroom over WebSocket: every event, as clients on different relays see it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, assertSameList, assertWhole, enter, settle, unique } from './lib/client.mjs';
import { DescribedFrontEnd } from './lib/described.mjs';
import { IoClient } from './lib/io.mjs';
import { CONTINUATION, PING, Raw, TEXT, frame, handshake } from './lib/raw.mjs';
import { Stack, eventually, request } from './lib/stack.mjs';

// Content that must arrive, be stored and come back to the letter.
const CONTENTS = [
  `it's "quoted" \\ \\' \\" \\\\`, `' OR 1=1--`, `'); DROP TABLE message; --`, '100% _under_ %s %n %00',
  '</script><script>alert(1)</script>',
  '<img src=x onerror=alert(1)>', '&lt;b&gt; &amp; &#39;', 'separators: \u2028 and \u2029 end',
  '🍵👩‍👩‍👧🇨🇳 \u{1f600}', '𠮷野家 \u{10fffd}', 'tab\tline\nfeed\r\nreturn',
  'e\u0301 é \u00a0 \u3000', ' leading and trailing ', '\u200b', '\ufeffmark', 'DEL \u007f and C1 \u0085',
  '{"type":"members","data":[]}', '[]', 'null', '0',
  'noncharacter \uffff \ufffe', '\ufffd', 'x'.repeat(60_000), '茶'.repeat(20_000),
];

Client.described = new DescribedFrontEnd('chatroom');

describe('the chatroom over WebSocket', () => {
  let stack;
  const clients = [];
  const keep = async (client) => {
    clients.push(await client);
    return client;
  };
  const join = async (seat, relay = 0) => keep(Client.join(stack, seat, { relay }));
  /** A new room with a client of its own user on each of the given relays. */
  const gather = async (...relays) => {
    const roomName = unique('room');
    const people = [];
    for (const relay of relays) people.push(await join(await enter(stack, roomName, unique('nick')), relay));
    const nicks = people.map((p) => p.seat.nick);
    await Promise.all(people.map((p) => p.present(...nicks)));
    return people;
  };
  before(async () => {
    stack = await Stack.start({ relays: 2, settings: { grace_ms: '100ms', members_interval_ms: '20ms' } });
  });
  after(() => stack?.remove());

  it('the protocol is open on any path that is no other protocol\'s, where a room is named', async () => {
    const roomName = unique('room');
    const people = [];
    for (const path of ['/', '/chatroom', '/mysql', '/ws', '/socket', '/a/b/c', '/ws/', '/index.html', '/茶', '/api/x'])
      people.push(await keep(Client.join(stack, await enter(stack, roomName, unique('nick')), { path: encodeURI(path) })));
    await settle(...people);
    const seat = await enter(stack, roomName, unique('nick'));
    const others = { '/v1': 400, '/some-space?x=1': 401, '/nowhere/at/all?x=1': 404, '/ws?x=1': 404 };
    for (const [path, status] of Object.entries(others)) {
      const query = path.includes('?') ? '' : `?roomId=${seat.roomId}&nickId=${seat.nickId}`;
      await assert.rejects(Client.dial(stack, query, { path }).opened, new RegExp(String(status)), path);
    }
    const stranger = Client.dial(stack, '?roomId=', { path: '/mysql' });
    assert.deepEqual(await stranger.closed, { code: 1008, reason: 'Room ID not provided' });
  });

  it('there are no demonstrations unless they are asked for', async () => {
    for (const [path, status] of Object.entries({ '/ws': 404, '/echo': 401 }))
      await assert.rejects(Client.dial(stack, '', { path }).opened, new RegExp(String(status)), path);
    assert.equal((await request(`${stack.url}/clock`)).status, 404);
    const io = new IoClient(stack, { nsp: '/echo-demo' });
    await io.until(() => io.refusals.length, 'the refusal');
    assert.equal(io.refusals[0].message, 'Invalid namespace');
    io.socket.disconnect();
  });

  it('an arrival is told to everyone in the room, as a line and as a new list of members', async () => {
    const roomName = unique('room');
    const [ann, bob] = [await enter(stack, roomName, unique('Ann'), 3),
      await enter(stack, roomName, unique('Bob'), 'fox')];
    const a = await join(ann, 1);
    await a.line(`${ann.nick} 进入了房间`);
    assert.deepEqual(a.members, [{ user_name: ann.nick, head_num: 3 }]);
    const b = await join(bob, 2);
    for (const client of [a, b]) {
      await client.line(`${bob.nick} 进入了房间`);
      await client.present(ann.nick, bob.nick);
      const sorted = [...client.members].sort((x, y) => (x.user_name < y.user_name ? -1 : 1));
      assert.deepEqual(sorted, [{ user_name: ann.nick, head_num: 3 }, { user_name: bob.nick, head_num: 'fox' }]);
    }
  });

  it('a crowd at once: everybody comes into their own room under their own name, strangers into none', async () => {
    const rooms = Array.from({ length: 4 }, () => unique('room'));
    const seats = await Promise.all(Array.from({ length: 40 },
      (_, i) => enter(stack, rooms[i % 4], unique('nick'), i)));
    const dial = (roomId, nickId) => Client.dial(stack, `?roomId=${roomId}&nickId=${nickId}`, { relay: 1 });
    const strangers = seats.slice(0, 8).flatMap(({ roomId, nickId }, i) => [dial(seats[i + 1].roomId, nickId),
      dial(`room_${'0'.repeat(32)}`, nickId), dial(roomId, `user_${'0'.repeat(32)}`)]);
    const crowd = await Promise.all(seats.map((seat) => join(seat, 1)));
    for (const stranger of strangers) assert.equal((await stranger.closed).code, 1008);
    for (const [i, client] of crowd.entries()) {
      const there = seats.map((seat, n) => ({ user_name: seat.nick, head_num: n })).filter((_, n) => n % 4 === i % 4);
      await client.present(...there.map(({ user_name: name }) => name));
      const byHead = (x, y) => x.head_num - y.head_num;
      assert.deepEqual([...client.members].sort(byHead), there);
    }
  });

  it('a departure is told to everyone who stays, once', async () => {
    const [a, b, c] = await gather(1, 2, 1);
    await c.close();
    for (const client of [a, b]) {
      await client.line(`${c.seat.nick} 离开了房间`);
      await client.present(a.seat.nick, b.seat.nick);
    }
    await settle(a, b);
    for (const client of [a, b])
      assert.equal(client.lines.filter((l) => l === `${c.seat.nick} 离开了房间`).length, 1);
  });

  it('a message goes to everyone in the room, the sender included, with its number and time', async () => {
    const [a, b] = await gather(1, 2);
    const content = a.say(unique('hello'));
    const [atA, atB] = [await a.heard(content), await b.heard(content)];
    assert.deepEqual(atA, atB);
    assert.deepEqual(Object.keys(atA).sort(), ['log_content', 'log_time', 'log_user_name', 'seq', 'ts']);
    assert.equal(atA.log_user_name, a.seat.nick);
    assert.equal(atA.log_time, '2024-02-29 12:34:56');
    assert.ok(Number.isSafeInteger(atA.seq) && atA.seq > 0);
    assert.ok(Math.abs(atA.ts - Date.now()) < 600_000, 'ts is the present in milliseconds');
  });

  it('a message names only what is needed: its content', async () => {
    const [a, b] = await gather(1, 2);
    const content = stack.keepSecret(unique('bare content'));
    a.sendJson({ type: 'message', content });
    assert.equal((await b.heard(content)).log_user_name, a.seat.nick);
    a.sendJson({ extra: [1, { two: 3 }], content: `${content} again`, type: 'message', seq: 5, kind: 2 });
    await b.heard(`${content} again`);
  });

  it('what is said in one room is heard in no other, not even by the same user', async () => {
    const [a, b] = await gather(1, 2);
    const elsewhere = await join(await enter(stack, unique('room'), a.seat.nick), 1);
    const content = a.say(unique('private'));
    await b.heard(content);
    await settle(elsewhere);
    assert.ok(!elsewhere.said.includes(content));
    await elsewhere.close();
    await settle(a, b);
    assert.deepEqual(b.lines.filter((line) => line.endsWith('离开了房间')), [],
      'leaving one room is not leaving the other');
  });

  it('clients on both relays and through nginx see one order without a gap', async () => {
    const people = await gather(1, 2, 0, 1, 2, 0);
    const contents = [];
    for (let i = 0; i < 60; i++) for (const person of people) contents.push(person.say(unique(`order ${i}`)));
    for (const person of people) await person.until(() => person.said.length >= contents.length, 'all messages');
    const [first, ...rest] = people;
    assertSameList([...first.said].sort(), contents.sort());
    for (const person of rest) assertSameList(person.said, first.said);
    for (const person of people) assertWhole(person);
    for (const person of people) {
      const own = first.messages.filter((m) => m.log_user_name === person.seat.nick)
        .map((m) => Number(m.log_content.match(/order (\d+)/)[1]));
      assert.deepEqual(own, own.map((_, i) => i), 'a sender is heard in the order of speaking');
    }
  });

  it('content of every kind arrives, is stored and comes back to the letter', async () => {
    const [a, b] = await gather(1, 2);
    for (const content of CONTENTS) {
      a.say(content);
      assert.equal((await b.heard(content)).log_user_name, a.seat.nick);
      await a.heard(content);
    }
    assertSameList(a.said, CONTENTS);
    assertSameList(b.said, CONTENTS);
    const logs = (await b.history()).filter((row) => row.log_user_name === a.seat.nick);
    assertSameList(logs.map((row) => row.log_content), CONTENTS);
    const rows = await stack.sql(
      'SELECT content FROM message m JOIN conversation c ON c.id = m.conversation WHERE c.public_id = ? AND m.kind = ' +
      '1 ORDER BY m.seq', [a.seat.roomId]);
    assertSameList(rows.map((row) => row.content), CONTENTS);
  });

  it('bidirectional controls are replaced: they could make a line read as another', async () => {
    const [a, b] = await gather(1, 2);
    a.say('abc \u202e\u202a\u2066\u2069 def');
    await b.heard('abc \ufffd\ufffd\ufffd\ufffd def');
  });

  it('names with quotes, signs, tags and emoji show in lines, members and messages as they are', async () => {
    const roomName = unique('room');
    for (const stem of [`o'Neil "Q" \\`, '100%_', '</script><b>', '茶🍵𠮷']) {
      const seat = await enter(stack, roomName, `${stem} ${unique('n')}`);
      const client = await join(seat, 2);
      await client.line(`${seat.nick} 进入了房间`);
      const content = client.say(unique('signed'));
      assert.equal((await client.heard(content)).log_user_name, seat.nick);
      await client.close();
    }
  });

  it(`log_time is the sender's, as it was sent, if it is a date and time that exists, else the server's`, async () => {
    const [a, b] = await gather(1, 2);
    const moment = new Date('2024-02-29T23:59:59.123Z');
    const good = ['2024-02-29 23:59:59', '1999-12-31 00:00:00', '2024/02/29 23:59:59', '2024-02-29 23:59:59.123',
      '2024-02-29T23:59:59', '2024-01-01 00:00:00Z', '2024/2/29 下午11:59:59', moment.toISOString(),
      moment.toLocaleString('zh-CN'), moment.toLocaleString('en-US'), moment.toLocaleString('zh-CN', { hour12: true })];
    for (const sendTime of good)
      assert.equal((await b.heard(a.say(unique('time'), { sendTime }))).log_time, sendTime);
    const rows = await (await Client.join(stack, a.seat, { relay: 2 })).history();
    assertSameList(rows.map((row) => row.log_time).filter((time) => good.includes(time)), good);
    const bad = [undefined, null, '', 0, 1700000000000, [], {}, 'now', '2023-02-29 00:00:00', '2024-13-01 00:00:00',
      '2024-01-01 24:00:00', '2024-01-01', `2024-01-01 ${' '.repeat(60)}00:00:00`,
      '2024-1-1 0:0:0', '2024-01-01 00:00:00 ', `2024-01-01 00:00:0'`, '２０２４-01-01 00:00',
      '2024-01-01 00:00:00 <b>'];
    for (const sendTime of bad) {
      const { log_time: time } = await b.heard(a.say(unique('time'), { sendTime }));
      assert.match(time, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/, String(sendTime));
      assert.ok(Math.abs(new Date(time.replace(' ', 'T')) - Date.now()) < 600_000,
        `${time} is the local time, for ${sendTime}`);
    }
  });

  it('query-logs gives the latest 200, oldest first, joins included', async () => {
    const [a] = await gather(1);
    const contents = [];
    for (let i = 0; i < 230; i++) contents.push(a.say(unique(`log ${i}`)));
    await a.heard(contents.at(-1));
    const b = await join(await enter(stack, a.seat.roomName, unique('nick')), 2);
    await b.line(`${b.seat.nick} 进入了房间`);
    const logs = await b.history();
    assert.equal(logs.length, 200);
    assertSameList(logs.slice(0, 199).map((row) => row.log_content), contents.slice(-199));
    assert.deepEqual([logs[199].log_user_name, logs[199].log_content], ['system', `${b.seat.nick} 进入了房间`]);
    const seqs = logs.map((row) => row.seq);
    assert.deepEqual(seqs, seqs.map((_, i) => seqs[0] + i));
    const live = a.messages.filter((m) => m.seq >= seqs[0]);
    await a.line(`${b.seat.nick} 进入了房间`);
    assertSameList(logs.slice(0, 199), live.slice(0, 199), 'history and live events');
  });

  it('those who come and go push out nothing that was said: 150 messages stay, and the latest 50 of theirs', async () => {
    const [a] = await gather(1);
    const contents = [];
    for (let i = 0; i < 160; i++) contents.push(a.say(unique(`said ${i}`)));
    await a.heard(contents.at(-1));
    const guests = [];
    for (let i = 0; i < 60; i++) guests.push(await enter(stack, a.seat.roomName, unique('guest')));
    const there = await Promise.all(guests.map((seat) => Client.connect(stack, seat, { relay: 1 })));
    await Promise.all(guests.map((seat) => a.line(`${seat.nick} 进入了房间`)));
    await Promise.all(there.map((client) => client.close()));
    await Promise.all(guests.map((seat) => a.line(`${seat.nick} 离开了房间`)));
    // relay 1 has it all in memory; relay 2 reads the room now, and most of what it reads is left out
    const b = await join(await enter(stack, a.seat.roomName, unique('nick')), 2);
    await a.line(`${b.seat.nick} 进入了房间`);
    for (const client of [a, b]) {
      const logs = await client.history();
      const came = logs.filter((row) => row.log_user_name === 'system');
      const said = logs.filter((row) => row.log_user_name !== 'system').map((row) => row.log_content);
      assertSameList(said, contents.slice(-150));
      assertSameList(came.map((row) => row.seq), a.messages.filter((m) => m.log_user_name === 'system').slice(-50)
        .map((m) => m.seq));
      const seqs = logs.map((row) => row.seq);
      assert.deepEqual(seqs, [...seqs].sort((x, y) => x - y), 'oldest first');
    }
  });

  it('messages are found however many have come since, and lines of before the runs were noted cost a bounded look', async () => {
    const [a] = await gather(1);
    const { roomId, roomName } = a.seat;
    const contents = [];
    for (let i = 0; i < 160; i++) contents.push(a.say(unique(`said ${i}`)));
    await a.heard(contents.at(-1));
    await a.close();
    const [{ id }] = await stack.sql('SELECT id FROM conversation WHERE public_id = ?', [roomId]);
    const runs = () => stack.sql('SELECT first, last FROM passing_run WHERE conversation = ? ORDER BY first', [id]);
    const arrive = async (count, noted) => { // a crowd, as the journal would have stored it
      const [{ seq }] = await stack.sql('SELECT seq FROM conversation WHERE id = ?', [id]);
      const from = (n) => `(SELECT 0 AS i${Array.from({ length: n - 1 }, (_, i) => ` UNION ALL SELECT ${i + 1}`).join('')})`;
      await stack.sql('INSERT INTO message (conversation, seq, batch_id, kind, sender_name, content, created_at) ' +
        `SELECT ?, ? + 1 + a.i * 100 + b.i, 1, 2, 'crowd', '', UTC_TIMESTAMP(3) FROM ${from(count / 100)} a, ` +
        `${from(100)} b`, [id, seq]);
      if (noted) await stack.sql('INSERT INTO passing_run VALUES (?, ?, ?)', [id, Number(seq) + 1, Number(seq) + count]);
      await stack.sql('UPDATE conversation SET seq = seq + ? WHERE id = ?', [count, id]);
    };
    await eventually(async () => (await runs()).length === 2, 'its coming and going to be noted');
    await arrive(12000, true);
    const b = await join(await enter(stack, roomName, unique('nick')), 2);
    await b.line(`${b.seat.nick} 进入了房间`);
    const said = (logs) => logs.filter((row) => row.log_user_name !== 'system').map((row) => row.log_content);
    assertSameList(said(await b.history()), contents.slice(-150));
    const all = await runs();
    assert.equal(all.length, 3, 'of the arrival that follows a crowd, too');
    assert.equal(Number(all[2].last) - Number(all[2].first), 12000);
    const rows = await (await fetch(`${stack.url}/api/rooms/${roomId}/messages?nickId=${b.seat.nickId}&limit=200`)).json();
    assertSameList(rows.data.filter((row) => row.type === 'message').map((row) => row.content), contents.slice(-150));
    await b.close();
    await eventually(async () => Number((await runs())[2].last) - Number(all[2].first) === 12001, 'its going');
    await arrive(9000, false);
    const c = await join(await enter(stack, roomName, unique('nick')), 1);
    assertSameList(said(await c.history()), contents.slice(-150));
  });

  it('query-logs answers all tabs of that user in that room, on every relay, and nobody else', async () => {
    const [a, b] = await gather(1, 2);
    const secondTab = await join(a.seat, 2);
    const thirdTab = await join(a.seat, 1);
    const otherRoom = await join(await enter(stack, unique('room'), a.seat.nick), 1);
    const content = a.say(unique('for the log'));
    await Promise.all([a, b, secondTab, thirdTab].map((client) => client.heard(content)));
    a.queryLogs();
    const answers = await Promise.all([a, secondTab, thirdTab].map((client) => client.next('logs')));
    for (const answer of answers) {
      assert.deepEqual(answer, answers[0]);
      assert.equal(answer.data.at(-1).log_content, content);
    }
    await settle(a, b, secondTab, thirdTab);
    await settle(otherRoom);
    for (const client of [b, otherRoom]) assert.equal(client.events.filter((e) => e.type === 'logs').length, 0);
    for (const client of [a, secondTab, thirdTab])
      assert.equal(client.events.filter((e) => e.type === 'logs').length, 1);
  });

  it('query-logs needs no fields, and the first question may be asked at once', async () => {
    const [a] = await gather(1);
    const content = a.say(unique('earlier'));
    await a.heard(content);
    const b = await keep(Client.connect(stack, await enter(stack, a.seat.roomName, unique('nick')), { relay: 2 }));
    b.sendJson({ type: 'query-logs' });
    b.say(unique('early bird'));
    const logs = await b.next('logs');
    assert.ok(logs.data.some((row) => row.log_content === content));
    await a.heard(b.said[0] ?? (await b.next('message', (m) => m.log_user_name === b.seat.nick)).data.log_content);
  });

  it('a message in fragments, cut within a character, with a ping in between, is one message', async () => {
    const [a, b] = await gather(1, 2);
    const content = stack.keepSecret(`${unique('fragments')} 茶🍵 end`);
    const bytes = Buffer.from(JSON.stringify({ type: 'message', content }));
    for (let i = 0; i < bytes.length; i++) {
      a.ws.send(bytes.subarray(i, i + 1), { binary: false, fin: i === bytes.length - 1 });
      if (i === 20) a.ws.ping('between');
    }
    await b.heard(content);
  });

  it('a frame of exactly the greatest length is a message', async () => {
    const [a, b] = await gather(1, 2);
    const base = { type: 'message', content: unique('greatest') };
    base.content += 'x'.repeat(65536 - JSON.stringify(base).length);
    assert.equal(JSON.stringify(base).length, 65536);
    a.sendJson(base);
    await b.heard(stack.keepSecret(base.content));
  });

  it('a browser offers compression and gets a connection that works', async () => {
    const seat = await enter(stack, unique('room'), unique('nick'));
    const client = await keep(Client.join(stack, seat, { options: { perMessageDeflate: true, origin: stack.url } }));
    await client.heard(client.say(unique('compressed?')));
    assert.equal(client.ws.extensions, '');
  });

  it('many messages written at once are all stored, in order', async () => {
    const [a, b] = await gather(1, 2);
    a.ws._socket.cork();
    const contents = Array.from({ length: 300 }, (_, i) => a.say(unique(`burst ${i}`)));
    a.ws._socket.uncork();
    await b.heard(contents.at(-1));
    assertSameList(b.said, contents);
    await a.heard(contents.at(-1));
    assertSameList(a.said, contents);
  });

  it('what came in one piece with the handshake is said in order once the client has its place', async () => {
    const [listener] = await gather(2);
    const seat = await enter(stack, listener.seat.roomName, unique('hasty'));
    const said = (content) => Buffer.from(JSON.stringify({ type: 'message', content: stack.keepSecret(content) }));
    const contents = Array.from({ length: 40 }, (_, i) => unique(`hasty ${i}`) + (i % 8 ? '' : 'x'.repeat(3000)));
    const frames = contents.flatMap((content, i) => {
      const bytes = said(content);
      if (i % 3) return [frame(TEXT, bytes)];
      const cut = bytes.length / 2;
      return [frame(TEXT, bytes.subarray(0, cut), { fin: false }), frame(PING, 'between'),
        frame(CONTINUATION, bytes.subarray(cut))];
    });
    const raw = await Raw.connect(stack.relayPort(1));
    raw.send(Buffer.concat([Buffer.from(handshake(`/?roomId=${seat.roomId}&nickId=${seat.nickId}`)), ...frames]));
    await listener.heard(contents.at(-1));
    assertSameList(listener.said, contents);
    raw.destroy();
  });

  it('what a client said before it closed is heard by the others', async () => {
    const [a, b] = await gather(1, 2);
    const contents = Array.from({ length: 50 }, (_, i) => a.say(unique(`last words ${i}`)));
    a.ws.close();
    await b.heard(contents.at(-1));
    assertSameList(b.said, contents);
  });

  it('a client that knows only the chatroom got nothing else all this time', () => {
    for (const client of clients) {
      for (const event of client.events) {
        assert.deepEqual(Object.keys(event), ['type', 'data']);
        assert.ok(['message', 'members', 'logs'].includes(event.type), event.type);
        if (event.type !== 'members') continue;
        assert.equal(new Set(event.data.map((m) => m.user_name)).size, event.data.length, 'a member is listed once');
        for (const member of event.data) assert.deepEqual(Object.keys(member).sort(), ['head_num', 'user_name']);
      }
      for (const frame of client.frames)
        assert.doesNotMatch(frame, /user_[0-9a-f]{32}|room_[0-9a-f]{32}/, 'ids are never shown');
      assertWhole(client);
    }
  });

  it('is as docs/clients/chatroom.asyncapi.json describes it: all of that was seen, but for refusals', () => {
    assert.deepEqual(Client.described.unseen('websocket'), ['event_error']);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
