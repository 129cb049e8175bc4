// The chatrooms over plain HTTP, beside the WebSocket: one message, five ways to hear it; nothing missed and nothing
// twice over cuts; who may listen; clients that vanish.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Client, enter, unique } from './lib/client.mjs';
import { DescribedFrontEnd } from './lib/described.mjs';
import { Proxy } from './lib/proxy.mjs';
import { Events, Listener, Stream, ask, hang, poll, roomUrl, say, settled, tell } from './lib/rooms.mjs';
import { keepIn } from './lib/socket.mjs';
import { Stack, eventually, post, request } from './lib/stack.mjs';

const PAGE = 20; // history_limit below
const VERBS = ['poll', 'events', 'stream'];
const joined = (nick) => `${nick} 进入了房间`;
const left = (nick) => `${nick} 离开了房间`;

/** The numbers are first, first + 1, … up to `last` at least: lines of coming and going may follow it. */
function assertRun(seqs, first, last) {
  assert.deepEqual(seqs, Array.from({ length: seqs.length }, (_, i) => first + i));
  assert.ok(seqs.at(-1) >= last, `${seqs.at(-1)} is not yet ${last}`);
}

Client.described = Listener.described = new DescribedFrontEnd('chatroom');

const wireTo = (port) => Proxy.start(() => net.connect({ port, host: '127.0.0.1' }));

describe('the chatrooms over plain HTTP', () => {
  let stack;
  const open = []; // to be closed whatever happens
  const keep = keepIn(open);
  const seatIn = (roomName = unique('room'), nick = unique('nick')) => enter(stack, roomName, nick);
  /** Says `count` things, over both relays in turn; the last number. */
  const sayMany = async (seat, count, relays = [1, 2]) => {
    let seq;
    for (let i = 0; i < count; i++)
      ({ seq } = await say(stack, seat, unique('line'), {}, { relay: relays[i % relays.length] }));
    return seq;
  };
  before(async () => {
    stack = await Stack.start({ settings: { history_limit: PAGE, members_interval_ms: '20ms', grace_ms: '200ms',
      lease_ms: '1500ms',
      poll_presence_ms: '1500ms', ping_interval_ms: '1s', drain_ms: '500ms',
      user_sockets_max: 0 } });
  });
  after(async () => {
    for (const client of open) client.close();
    try {
      await stack?.checkAndStop();
    } finally {
      await stack?.remove();
    }
  });

  it('one message is heard by polling, long polling, Server-Sent Events, an iframe and a WebSocket, ' +
    'the same everywhere', async () => {
    const roomName = unique('room');
    const seats = [];
    for (let i = 0; i < 5; i++) seats.push(await seatIn(roomName));
    const socket = await Client.join(stack, seats[4], { relay: 2 });
    const events = keep(await Events.open(stack, seats[2], { relay: 1 }));
    const through = keep(await Events.open(stack, seats[2]));
    const stream = keep(await Stream.open(roomUrl(stack, seats[3], 'stream', { callback: 'app.hear' })));
    await stream.until(() => stream.got.length > 0, 'the first script');
    // nobody is about to come: the next line is the message
    await socket.present(...seats.slice(2).map((seat) => seat.nick));
    const { next } = await poll(stack, seats[0], {}, { relay: 2 });
    await socket.line(joined(seats[0].nick)); // whoever polls is there
    const { next: longNext } = await poll(stack, seats[1], {});
    await socket.line(joined(seats[1].nick));
    const last = Math.max(next, longNext, ...socket.messages.map((m) => m.seq));
    const long = poll(stack, seats[1], { after: last, wait: 50 });
    const content = `${unique('tea')} </script><script>alert(1)</script> 茶 & "quotes" \u2028 \\ %`;
    const { epoch, seq } = await say(stack, seats[0], content);
    const heard = await socket.heard(content);
    assert.equal(heard.seq, seq);
    const expected = { seq, type: 'message', data: heard };
    const answers = [await long, await poll(stack, seats[0], { after: seq - 1, epoch })];
    for (const answer of answers) {
      assert.equal(answer.epoch, epoch);
      assert.ok(answer.next >= seq);
      assert.deepEqual(answer.events.find((event) => event.seq === seq), expected);
    }
    for (const listener of [events, through]) assert.deepEqual(await listener.heard(content), expected);
    assert.deepEqual(await stream.heard(content), { name: 'app.hear', ...expected });
    for (const listener of [events, stream]) {
      const members = await listener.until(() => listener.got.findLast((event) => event.type === 'members'
        && event.data.length === 5), 'five members');
      assert.deepEqual(members.data.map((m) => m.user_name).sort(), seats.map((seat) => seat.nick).sort());
    }
    assert.equal(stream.text.includes('alert(1)</script>'), false, 'content cannot end the script that carries it');
    socket.ws.terminate();
  });

  it('polls page through what was missed, oldest first, without a hole', async () => {
    const seat = await seatIn();
    const last = await sayMany(seat, 2 * PAGE + 5);
    const seqs = [];
    let next = 0;
    for (let pages = 0; next < last; pages++) {
      assert.ok(pages < 4, 'each page brings something');
      const answer = await poll(stack, seat, { after: next, wait: 30 }, { relay: 1 + (pages % 2) });
      assert.ok(answer.events.length > 0 && answer.events.length <= PAGE);
      seqs.push(...answer.events.map((event) => event.seq));
      assert.equal(answer.next, seqs.at(-1));
      next = answer.next;
    }
    assertRun(seqs, 1, seqs.length);
    assert.ok(seqs.length >= 2 * PAGE + 5);
  });

  it('a long poll answers at once when something is there, holds otherwise, ' +
    'and ends empty when its time is up', async () => {
    const seat = await seatIn();
    const last = await sayMany(seat, 1);
    const ready = await poll(stack, seat, { after: last - 1, wait: 55 });
    assert.ok(ready.events.at(-1).seq >= last);
    const next = await settled(stack, seat);
    let done = false;
    const before = await stack.metric('relay1', 'connections');
    const held = poll(stack, seat, { after: next, wait: 55 }, { relay: 1 }).finally(() => {
      done = true;
    });
    await eventually(async () => (await stack.metric('relay1', 'connections')) > before, 'the poll to be held');
    assert.equal(done, false);
    const { seq } = await say(stack, seat, unique('tea'), {}, { relay: 2 }); // another relay's message
    const answer = await held;
    assert.deepEqual(answer.events.map((event) => event.seq), [seq]);
    assert.equal(answer.next, seq);
    const empty = await poll(stack, seat, { after: seq, wait: 0.3 });
    assert.deepEqual(empty, { epoch: answer.epoch, next: seq, events: [] });
    await eventually(async () => (await stack.metric('relay1', 'connections')) === before, 'the held poll to end');
  });

  it('many wait for the same message and each hears it', async () => {
    const seat = await seatIn();
    const seq = await sayMany(seat, 1);
    const { next } = await poll(stack, seat, { after: seq - 1 });
    const polls = Array.from({ length: 60 }, (_, i) => poll(stack, seat, { after: next, wait: 55 }, { relay: i % 3 }));
    const content = unique('tea');
    const said = await say(stack, seat, content);
    for (const answer of await Promise.all(polls)) {
      if (!answer.events.some((event) => event.seq === said.seq)) // the line of its arrival came first
        answer.events.push(...(await poll(stack, seat, { after: answer.next, wait: 55 })).events);
      assert.ok(answer.events.some((event) => event.data.log_content === content));
    }
  });

  it('an EventSource that is cut misses nothing and repeats nothing, ' +
    'also when more was missed than one page', async () => {
    const seat = await seatIn();
    const wire = keep(await wireTo(stack.port));
    const events = keep(await Events.open(stack, seat, { port: wire.port }));
    const first = await sayMany(seat, 3);
    await events.reached(first);
    wire.cut();
    const last = await sayMany(seat, 2 * PAGE + 7);
    assert.ok(events.seqs.at(-1) < last);
    wire.mend();
    await events.reached(last);
    assertRun(events.seqs, events.seqs[0], last);
    assert.equal(events.got.some((event) => event.type === 'reset'), false);
    assert.ok(events.opens > 1);
    const live = await sayMany(seat, 3);
    await events.reached(live);
    assertRun(events.seqs, events.seqs[0], live);
  });

  it('an EventSource that is cut again and again while people talk has every message once, in order', async () => {
    const seat = await seatIn();
    const wire = keep(await wireTo(stack.port));
    const events = keep(await Events.open(stack, seat, { port: wire.port }));
    let talking = true;
    const talk = (async () => {
      let seq;
      while (talking) seq = await sayMany(seat, 10);
      return seq;
    })();
    for (let cuts = 0; cuts < 4; cuts++) {
      const { opens } = events;
      wire.cut();
      wire.mend();
      await events.until(() => events.opens > opens, 'the next stream');
    }
    talking = false;
    const last = await talk;
    await events.reached(last);
    assertRun(events.seqs, events.seqs[0], last);
  });

  it('an EventSource whose relay is killed resumes on it when it is back, and on another one', async () => {
    const seat = await seatIn();
    const direct = keep(await Events.open(stack, seat, { relay: 1 }));
    const either = [];
    for (let i = 0; i < 4; i++) either.push(keep(await Events.open(stack, seat))); // through nginx: some are on relay1
    const first = await sayMany(seat, 3, [2]);
    await Promise.all([direct, ...either].map((events) => events.reached(first)));
    await stack.kill('relay1', 'KILL');
    const last = await sayMany(seat, PAGE + 5, [2]);
    await Promise.all(either.map((events) => events.reached(last)));
    await stack.startPart('relay1');
    await direct.reached(last);
    const live = await sayMany(seat, 3);
    for (const events of [direct, ...either]) {
      await events.reached(live);
      assertRun(events.seqs, events.seqs[0], live);
    }
  });

  it('the iframe resumes after its cursor, without a seam', async () => {
    const seat = await seatIn();
    const one = await Stream.open(roomUrl(stack, seat, 'stream', { callback: 'hear' }));
    const place = await one.until(() => one.got.find((event) => event.type === 'open'), 'where it stands');
    one.close();
    const last = await sayMany(seat, PAGE + 5);
    const two = keep(await Stream.open(roomUrl(stack, seat, 'stream',
      { callback: 'hear', after: `${place.data.epoch}-${place.data.seq}` })));
    await two.reached(last);
    const live = await sayMany(seat, 2);
    await two.reached(live);
    assertRun(two.seqs, place.data.seq + 1, live);
  });

  it('a cursor of another epoch or from the future is reset, and it goes on from now', async () => {
    const seat = await seatIn();
    const last = await sayMany(seat, 3);
    const { epoch } = await poll(stack, seat, { after: 0 });
    for (const query of [{ after: 1, epoch: epoch + 1, wait: 55 }, { after: last + 1000, wait: 55 },
      { after: last + 1000, epoch }]) {
      const answer = await poll(stack, seat, query);
      assert.deepEqual({ ...answer, next: 0 }, { epoch, next: 0, events: [], reset: true });
      assert.ok(answer.next >= last);
    }
    for (const cursor of [`${epoch + 1}-1`, `${epoch}-${last + 1000}`, 'nonsense', '99999999999999999999-1']) {
      const events = keep(await Events.open(stack, seat, { query: { lastEventId: cursor } }));
      const reset = await events.until(() => events.got.find((event) => event.type === 'reset'), 'the reset');
      assert.equal(reset.data.epoch, epoch);
      const { seq } = await say(stack, seat, unique('tea'));
      await events.reached(seq);
      assertRun(events.seqs, reset.data.seq + 1, seq);
      events.close();
    }
    const stream =
      keep(await Stream.open(roomUrl(stack, seat, 'stream', { callback: 'f', after: `${epoch}-${last + 1000}` })));
    await stream.until(() => stream.got.some((event) => event.type === 'reset'), 'the reset');
  });

  it('the bytes of a stream: its first lines, its comments, its headers', async () => {
    const seat = await seatIn();
    const events = keep(await Stream.open(roomUrl(stack, seat, 'events')));
    assert.match(events.headers['content-type'], /^text\/event-stream/);
    assert.equal(events.headers['cache-control'], 'no-store, no-transform');
    await events.until(() => /^retry: \d+\n\nid: \d+-\d+\n\n/.test(events.text), 'the first lines');
    await events.until(() => events.text.includes('\n:\n\n'), 'a comment that keeps it alive');
    const stream = keep(await Stream.open(roomUrl(stack, seat, 'stream', { callback: '$a_1.b' })));
    assert.match(stream.headers['content-type'], /^text\/html/);
    assert.equal(stream.headers['x-content-type-options'], 'nosniff');
    assert.match(stream.headers['content-security-policy'], /frame-ancestors 'self'/);
    await stream.until(() => stream.text.includes('<script>parent.$a_1.b({'), 'a script');
    await stream.until(() => stream.text.includes('<!-- -->'), 'a comment that keeps it alive');
    assert.match(stream.text, /^<!doctype html>\n<!-- {1000,}-->\n/);
  });

  it('a callback that is more than a name is refused', async () => {
    const seat = await seatIn();
    for (const callback of ['alert(1)', 'a;b', 'a</script>', '1a', 'a b', 'a-b', 'a[0]', 'é', 'x'.repeat(65), "a'",
      'a\n', '.a']) {
      const answer = await ask(stack, seat, 'stream', { callback });
      assert.equal(answer.status, 400, callback);
      assert.equal(answer.json.code, 'bad_request');
    }
  });

  it('who is no member finds no room, by any of them', async () => {
    const mine = await seatIn();
    const theirs = await seatIn();
    const nobody = `user_${'0'.repeat(32)}`;
    const nowhere = `room_${'0'.repeat(32)}`;
    const wrong = [{ ...mine, nickId: theirs.nickId }, { ...mine, nickId: nobody }, { ...mine, roomId: nowhere },
      { ...mine, roomId: theirs.roomId },
      { ...mine, nickId: "x' OR 1=1--" }, { ...mine, roomId: 'room_1' }, { ...mine, roomId: mine.roomId.toUpperCase() },
      { ...mine, nickId: `${mine.nickId} ` }];
    for (const seat of wrong) {
      for (const verb of VERBS) {
        const answer = await ask(stack, seat, verb, { wait: 20, callback: 'f' });
        assert.equal(answer.status, 404, `${verb} ${answer.text}`);
        assert.equal(answer.json.code, 'not_found');
      }
      const answer = await tell(stack, seat, { content: 'hi' });
      assert.equal(answer.status, 404, answer.text);
      assert.equal(answer.json.code, 'not_found');
    }
    const resumed = await request(roomUrl(stack, { ...mine, nickId: theirs.nickId }, 'events'),
      { headers: { 'Last-Event-ID': '1-0' } });
    assert.equal(resumed.status, 404);
    for (const verb of VERBS) assert.equal((await ask(stack, { roomId: mine.roomId }, verb)).status, 400, 'no nickId');
    assert.equal((await post(roomUrl(stack, { roomId: mine.roomId }, 'send'), { content: 'hi' })).status, 400);
  });

  it('wrong methods, arguments and bodies are refused, each by its status', async () => {
    const seat = await seatIn();
    for (const verb of VERBS) {
      const answer = await post(roomUrl(stack, seat, verb), {});
      assert.equal(answer.status, 405, verb);
      assert.equal(answer.headers.allow, 'GET');
    }
    const get = await ask(stack, seat, 'send');
    assert.equal(get.status, 405);
    assert.equal(get.headers.allow, 'POST');
    for (const query of [{ after: 'x' }, { after: '-1' }, { wait: 'soon' }, { wait: '-1' }, { epoch: 'x' }])
      assert.equal((await ask(stack, seat, 'poll', query)).status, 400, JSON.stringify(query));
    const bodies = ['', '{', '[]', 'null', '{"a":1} x', { nickId: seat.nickId }, { nickId: seat.nickId, content: 5 },
      { nickId: seat.nickId, content: '' },
      { nickId: seat.nickId, content: '\u0000' }, { nickId: seat.nickId, content: '\u0007' },
      { nickId: seat.nickId, content: 'hi', clientId: 7 },
      { nickId: seat.nickId, content: 'hi', clientId: 'x'.repeat(65) },
      `{"nickId":"${seat.nickId}","content":"\\ud800"}`,
      Buffer.concat([Buffer.from(`{"nickId":"${seat.nickId}","content":"`), Buffer.from([0xed, 0xa0, 0x80]),
        Buffer.from('"}')])];
    for (const body of bodies) {
      const answer = await post(roomUrl(stack, { roomId: seat.roomId }, 'send'), body);
      assert.equal(answer.status, 400, `${body} ${answer.text}`);
    }
    const large = await tell(stack, seat, { content: 'x'.repeat(70_000) }, { relay: 1 });
    assert.equal(large.status, 413);
    assert.equal(
      await stack.count(
        'SELECT COUNT(*) FROM message m JOIN conversation c ON c.id = m.conversation WHERE c.public_id = ? AND ' +
        'm.kind = 1',
      [seat.roomId]), 0);
  });

  it('the same clientId again is the same message: later, at the same time, on another relay', async () => {
    const seat = await seatIn();
    const clientId = unique('id');
    const content = unique('once');
    const first = await say(stack, seat, content, { clientId });
    assert.deepEqual(await say(stack, seat, content, { clientId }, { relay: 1 }), first);
    assert.deepEqual(await say(stack, seat, content, { clientId }, { relay: 2 }), first);
    const other = unique('id');
    const answers = await Promise.all(Array.from({ length: 12 },
      (_, i) => say(stack, seat, content, { clientId: other }, { relay: i % 3 })));
    for (const answer of answers) assert.deepEqual(answer, answers[0]);
    assert.notEqual(answers[0].seq, first.seq);
    assert.equal(await stack.count('SELECT COUNT(*) FROM message WHERE content = ?', [content]), 2);
  });

  it('who polls is present, comes once, and leaves a while after the last poll', async () => {
    const roomName = unique('room');
    const watcher = await Client.join(stack, await seatIn(roomName), { relay: 2 });
    const seat = await seatIn(roomName);
    for (let i = 0; i < 5; i++) await poll(stack, seat, {}, { relay: 1 });
    await watcher.present(watcher.seat.nick, seat.nick);
    await poll(stack, seat, { wait: 2 }, { relay: 1 }); // longer than poll_presence_ms: a poll in hand counts
    assert.equal(watcher.lines.includes(left(seat.nick)), false);
    await watcher.line(left(seat.nick));
    await watcher.present(watcher.seat.nick);
    const own = (line) => watcher.lines.filter((one) => one === line).length;
    assert.deepEqual([own(joined(seat.nick)), own(left(seat.nick))], [1, 1]);
    watcher.ws.terminate();
  });

  it('who has a stream is present until it ends', async () => {
    const roomName = unique('room');
    const watcher = await Client.join(stack, await seatIn(roomName), { relay: 2 });
    const seat = await seatIn(roomName);
    const stream = await Stream.open(roomUrl(stack, seat, 'stream', { callback: 'f' }, { relay: 1 }));
    await watcher.present(watcher.seat.nick, seat.nick);
    stream.close();
    await watcher.line(left(seat.nick));
    watcher.ws.terminate();
  });

  it('without MariaDB new ones are told to come back, open streams stay, and go on afterwards', async () => {
    const seat = await seatIn();
    const events = keep(await Events.open(stack, seat));
    await events.reached(await sayMany(seat, 1));
    await stack.kill('mariadb', 'KILL');
    for (const verb of VERBS) {
      const answer = await ask(stack, seat, verb, { wait: 20, callback: 'f' });
      assert.equal(answer.status, 503, answer.text);
      assert.equal(answer.json.code, 'unavailable');
      assert.ok(Number(answer.headers['retry-after']) > 0);
    }
    const answer = await tell(stack, seat, { content: 'hi' });
    assert.equal(answer.status, 503, answer.text);
    assert.ok(Number(answer.headers['retry-after']) > 0);
    await stack.startPart('mariadb');
    const said = await eventually(async () => {
      const again = await tell(stack, seat, { content: unique('tea') });
      return again.status === 200 && again.json.data;
    }, 'the database');
    await events.reached(said.seq);
    assertRun(events.seqs, events.seqs[0], said.seq);
    assert.equal(events.opens, 1);
  });

  it('a relay that ends lets its polls and streams go, and they come back elsewhere', async () => {
    const seat = await seatIn();
    const stream = await Stream.open(roomUrl(stack, seat, 'events', {}, { relay: 1 }));
    const next = await settled(stack, seat, { relay: 1 });
    const before = await stack.metric('relay1', 'connections');
    const held = poll(stack, seat, { after: next, wait: 55 }, { relay: 1 });
    await eventually(async () => (await stack.metric('relay1', 'connections')) === before + 1, 'the poll to be held');
    await stack.stopPart('relay1');
    const answer = await held;
    await stream.until(() => stream.ended, 'the end of the stream');
    const { seq } = await say(stack, seat, unique('tea'));
    const rest = await poll(stack, seat, { after: answer.next, wait: 55 });
    assert.equal(rest.events.at(-1).seq, seq);
    await stack.startPart('relay1');
  });

  it('a thousand polls and streams that vanish without a word are noticed and cost nothing afterwards', async (t) => {
    const ticks = (name) => {
      const fields = fs.readFileSync(`/proc/${stack.pid(name)}/stat`, 'utf8').split(') ').at(-1).split(' ');
      return Number(fields[11]) + Number(fields[12]); // user and system time, in hundredths of a second
    };
    const seat = await seatIn();
    for (const client of open) client.close();
    await eventually(async () => (await stack.relayMetric('connections')) === 0, 'nobody');
    const place = await settled(stack, seat, { relay: 1 });
    const vanish = [];
    for (let i = 0; i < 500; i += 50) {
      const some = Array.from({ length: 50 },
        () => [hang(roomUrl(stack, seat, 'poll', { after: place, wait: 55 }, { relay: 1 })),
        hang(roomUrl(stack, seat, 'events', {}, { relay: 1 }), { untilBytes: true })]);
      vanish.push(...(await Promise.all(some.flat())));
    }
    await eventually(async () => (await stack.metric('relay1', 'connections')) === 1000, 'a thousand');
    for (const one of vanish) one();
    await eventually(async () => (await stack.metric('relay1', 'connections')) === 0, 'that all are noticed');
    const before = [ticks('relay1'), ticks('relay2')];
    assert.ok(before[0] > 0, 'what it did until now shows');
    await new Promise((resolve) => setTimeout(resolve, 2000)); // what is measured, not waited for
    const spent = [ticks('relay1') - before[0], ticks('relay2') - before[1]];
    t.diagnostic(
      `2 s after a thousand clients vanished: ${spent[0]} ticks of CPU, an idle relay ${spent[1]} ` +
      '(a spinning one 200)');
    assert.ok(spent[0] <= 2 * spent[1] + 60, `${spent[0]} ticks, an idle relay ${spent[1]}`);
    const files = fs.readdirSync(`/proc/${stack.pid('relay1')}/fd`).length;
    assert.ok(files < 200, `${files} files are still open`);
  });

  it('are as docs/clients/chatroom.asyncapi.json describes them: all of that was seen', () => {
    assert.deepEqual(Listener.described.unseen('events', 'stream', 'poll', 'send'), []);
  });
});
