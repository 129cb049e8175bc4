// The feed of what was stored, and the workers that carry it on: killed, frozen, without a database. Every message that is
// stored reaches the consumer, in the order of its conversation.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Client, enter, settle, unique } from './lib/client.mjs';
import { Talk } from './lib/databases.mjs';
import { Player, login, newSpace, transfer } from './lib/spaces.mjs';
import { NO_RATES, Stack, eventually, post } from './lib/stack.mjs';

const LEASE_MS = 1500;

describe('the feed, with two workers', () => {
  let stack;
  const people = [];
  before(async () => {
    stack = await Stack.start({ workers: 2, settings: { ...NO_RATES, jwt_secret: 'a-secret-of-the-test-that-is-long-enough', feed_lease_ms: LEASE_MS, feed_poll_ms: 20, feed_idle_ms: 1000,
      db_timeout_ms: '1s', journal_timeout_ms: '1500ms', grace_ms: '200ms', members_interval_ms: '20ms' } });
    for (const room of [unique('room'), unique('room')]) {
      const two = [];
      for (const relay of [1, 2]) two.push(await Client.join(stack, await enter(stack, room, unique('nick')), { relay }));
      await settle(...two);
      people.push(...two);
    }
  });
  after(() => stack?.remove());

  /** What `chaguan feed` says: { streams, rows, count: { worker, lag_rows }, trim: … } */
  async function feed() {
    const { code, stdout, stderr } = await stack.chaguan('feed');
    assert.equal(code, 0, stderr);
    const told = Object.fromEntries([...stdout.matchAll(/^(\w+)=(\d+)$/gm)].map(([, name, value]) => [name, Number(value)]));
    for (const [, job, worker, rest] of stdout.matchAll(/^job=(\w+) worker="([^"]*)"(.*)$/gm))
      told[job] = { worker: worker.split('@')[0], lag_rows: Number(rest.match(/lag_rows=(\d+)/)?.[1]) };
    return told;
  }
  const holder = () => eventually(async () => (await feed()).count?.worker, 'a worker to have the consumer');
  const holds = (name) => eventually(async () => (await feed()).count.worker === name, `${name} to have the consumer`);
  const passed = () => eventually(async () => (await feed()).count.lag_rows === 0, 'the consumer to have passed all');
  const other = (name) => (name === 'worker1' ? 'worker2' : 'worker1');

  /** The rows that the consumer was given, from the workers' logs: in order of time, each worker's in its own. */
  const given = () => ['worker1', 'worker2'].flatMap((name) => [...stack.read(`${name}.log`)
    .matchAll(/^ts=(\S+) .*event=feed\.row consumer=count conversation=(\d+) seq=(\d+) kind=(\d+)$/gm)]
    .map(([, ts, conversation, seq, kind]) => ({ ts, conversation: Number(conversation), seq: Number(seq), kind: Number(kind) })))
    .sort((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0));

  async function assertAllCame() {
    await passed();
    const key = ({ conversation, seq }) => `${conversation}:${seq}`;
    const stored = await stack.sql('SELECT conversation, seq, kind FROM message');
    const kinds = new Map(), last = new Map();
    let twice = 0;
    for (const row of given()) {
      if (kinds.has(key(row))) {
        twice++;
        continue;
      }
      kinds.set(key(row), row.kind);
      assert.equal(row.seq, (last.get(row.conversation) ?? 0) + 1, `conversation ${row.conversation} in order`);
      last.set(row.conversation, row.seq);
    }
    assert.deepEqual(stored.filter((row) => kinds.get(key(row)) !== row.kind), [], 'every message came');
    assert.equal(kinds.size, stored.length, 'and nothing else');
    return twice;
  }

  it('a consumer is given what is stored through every relay, by one worker at a time', async () => {
    const talk = new Talk(people, () => unique('fed'));
    const [ann, bob] = [await login(stack), await login(stack)];
    const space = await newSpace(stack, ann);
    const players = await Promise.all([ann, bob].map((user) => Player.enter(stack, space, user)));
    assert.equal((await transfer(stack, space, ann, { toId: bob.userId, score: 3, clientId: unique('t') })).status, 200);
    await Promise.all(players.map((player) => player.close()));
    await talk.goesOn(100);
    await talk.stop();
    assert.equal(await assertAllCame(), 0, 'nothing twice while nothing fails');
    const metrics = await stack.metrics(await holder());
    assert.ok(metrics.feed_passed_total >= 100);
    assert.equal(metrics.feed_lag_rows, 0);
    assert.equal((await stack.askWorker('worker1', '/readyz')).status, 200);
    assert.equal((await stack.askWorker('worker2', '/healthz')).status, 200);
    assert.equal((await stack.askWorker('worker2', '/')).status, 404);
  });

  it('a worker killed, one frozen past its lease, the database killed, under talk: everything comes, in order', async () => {
    const talk = new Talk(people, () => unique('fault'));
    await talk.goesOn(30);

    const killed = await holder();
    await stack.kill(killed, 'KILL');
    await holds(other(killed));
    await talk.goesOn(30);
    await stack.startPart(killed);

    await stack.kill(other(killed), 'STOP');
    await holds(killed);
    await talk.goesOn(30);
    await stack.kill(other(killed), 'CONT');
    await eventually(async () => (await stack.metric(other(killed), 'feed_leases_lost_total')) > 0, 'it to find out');
    assert.equal(await holder(), killed, 'the one that woke up has not taken it back');

    await stack.kill('mariadb', 'KILL');
    await talk.isRefused(2);
    assert.equal((await eventually(async () => {
      const answer = await stack.askWorker(killed, '/readyz');
      return answer.status === 503 && answer;
    }, 'the worker to say so')).json.ready, false);
    await stack.startPart('mariadb');
    await talk.goesOn(30);
    await talk.stop();
    await assertAllCame();
    for (const name of ['worker1', 'worker2'])
      for (const metric of ['feed_missing_total', 'feed_unordered_total'])
        assert.equal(await stack.metric(name, metric), 0, metric);
  });

  it('a worker that is stopped gives its work to another at once', async () => {
    const had = await holder();
    await stack.stopPart(had);
    assert.equal(await holder(), other(had));
    await stack.startPart(had);
  });

  it('what all have passed is removed, and with it the streams of writers that are gone', async () => {
    await eventually(async () => (await feed()).rows === 0, 'the rows to be removed');
    assert.equal(await stack.count('SELECT COUNT(*) FROM feed'), 0);
    await eventually(async () => (await feed()).streams === 0, 'the streams to be removed once they are idle');
    assert.notEqual(await stack.count('SELECT MAX(feed_stream) FROM conversation'), 0, 'there were some');
    assert.equal(await stack.count('SELECT COUNT(*) FROM feed_cursor'), 0);
    const talk = new Talk(people, () => unique('again'));
    await talk.goesOn(20); // their writers begin new ones
    await talk.stop();
    await assertAllCame();
  });

  it('a consumer that no worker knows any more holds rows until it is forgotten', async () => {
    await stack.sql("INSERT INTO worker_job (name, reads_feed) VALUES ('bygone', 1)");
    const talk = new Talk(people, () => unique('held'));
    await talk.goesOn(20);
    await talk.stop();
    await passed();
    assert.ok((await feed()).rows >= 20);
    assert.equal((await stack.chaguan('feed', 'forget', 'nobody')).code, 2);
    assert.equal((await stack.chaguan('feed', 'forget', 'count')).code, 2, 'a worker has it');
    assert.equal((await stack.chaguan('feed', 'forget', 'bygone')).code, 0);
    await eventually(async () => (await feed()).rows === 0, 'the rows to be removed');
  });

  it('what is imported while people talk comes, too, behind what was said; bad lines are named', async () => {
    const key = (await stack.chaguan('key', 'add', 'import', '--scope', 'read,write')).stdout.trim();
    const call = async (name, body) => {
      const { status, json, text } = await post(`${stack.url}/v1/${name}`, body, { authorization: `Bearer ${key}` });
      assert.ok(status < 300, text);
      return json;
    };
    await call('conversations', { id: 'lively', type: 'group', members: ['ann'] });
    const first = await call('conversations/lively/messages', { from: 'ann', content: 'before it' });
    const ts = Date.UTC(2020, 1, 2, 3, 4, 5, 678), lines = [];
    const add = (line) => lines.push(typeof line === 'string' ? line : JSON.stringify(line));
    const bad = (line, reason) => {
      add(line);
      reasons.push(`line ${lines.length}: ${reason}`);
    };
    const reasons = [];
    add({ type: 'user', id: 'bob', name: 'Bob 茶', role: 'moderator' });
    add({ type: 'conversation', id: 'lively', kind: 'group' });
    add({ type: 'conversation', id: 'old', kind: 'direct', users: ['ann', 'bob'], created: ts });
    bad('{"type":', 'is no JSON object, or a too deep or too large one');
    bad({ type: 'user', id: 'x', age: 7 }, 'age: is no field of such a line');
    bad({ type: 'user', id: 'x', face: 'javascript:1' }, 'face: breaks its rule');
    bad({ type: 'letter' }, 'type: there are no lines of this type');
    bad({ type: 'conversation', id: 'x', kind: 'chatroom' }, 'kind: must be group, direct or public: others are not imported');
    const said = (more) => ({ type: 'message', conversation: 'lively', seq: 1, ts, from: 'bob', content: 'x', ...more });
    bad(said({ from: 'nobody' }), 'there is no such user: the user\'s own line comes first');
    bad(said({ conversation: 'nowhere' }), 'there is no such conversation: its own line comes first');
    bad(said({ ts: Date.now() + 3_600_000 }), 'ts: must be Unix time in milliseconds, and not lie ahead');
    bad(said({ content: 'a\u0000' }), 'is no JSON object, or a too deep or too large one');
    bad(said({ content: 'a\u0007' }), 'content: must be text without control characters');
    for (let i = 1; i <= 250; i++) // the numbers there have holes; two conversations in turn
      for (const conversation of ['lively', 'old'])
        add({ ...said({ conversation, content: `imported ${i}`, ts: ts + i, seq: 2 * i, reply_to: i === 5 ? 4 : i === 6 ? 3 : undefined }) });
    add({ type: 'event', conversation: 'old', seq: 501, ts: ts + 300, kind: 'edit', from: 'bob', data: { of: 2, content: 'edited' } });
    add({ type: 'event', conversation: 'old', seq: 502, ts: ts + 301, kind: 'recall', data: { of: 4 } });
    bad({ type: 'event', conversation: 'old', seq: 503, ts: ts + 302, kind: 'edit', from: 'bob', data: { of: 3, content: 'x' } },
      'data.of: that message was not imported');
    add({ type: 'member', conversation: 'old', user: 'bob', joined: ts, read: 101 });
    const file = stack.file('import.ndjson');
    fs.writeFileSync(file, lines.join('\n'));

    const talk = new Talk(people, () => unique('beside'));
    let done, after = 0;
    const beside = (async () => {
      for (; !done; after++) await call('conversations/lively/messages', { content: 'meanwhile' });
    })();
    const { code, stdout, stderr } = await stack.chaguan('import', file);
    done = true;
    await beside;
    await talk.stop();
    assert.equal(code, 1, stdout);
    assert.deepEqual(stderr.split('\n').filter((line) => /^line \d+: [^u]/.test(line) || /^line \d+: users: /.test(line)), reasons);
    assert.deepEqual(Object.fromEntries([...stdout.matchAll(/^(\w+)=(\d+)$/gm)].map(([, name, value]) => [name, Number(value)])),
      { users: 1, conversations: 1, members: 1, messages: 502, reactions: 0, known: 1, late: 250, replies_cut: 2, bad: reasons.length });
    const rows = (name) => stack.sql(`SELECT m.seq, m.content, m.recalled, m.revised_by, m.extra, UNIX_TIMESTAMP(m.created_at) * 1000 AS ts
      FROM message m JOIN conversation c ON c.id = m.conversation WHERE c.kind = 6 AND c.name = ? ORDER BY m.seq`, [name]);
    const [lively, old] = [await rows('lively'), await rows('old')];
    assert.deepEqual(lively.map(({ seq }) => seq), lively.map((_, i) => i + 1));
    assert.equal(lively.length, 1 + 250 + after);
    assert.deepEqual(lively.filter(({ content }) => content.startsWith('imported')).map(({ content }) => content),
      Array.from({ length: 250 }, (_, i) => `imported ${i + 1}`));
    assert.ok(lively.every(({ ts: at }, i) => at >= first.ts && at >= (lively[i - 1]?.ts ?? 0)), 'times go with numbers');
    assert.deepEqual(old.map(({ ts: at }) => Number(at) - ts), [...Array.from({ length: 250 }, (_, i) => i + 1), 300, 301]);
    assert.deepEqual(old.slice(0, 2).map(({ content, recalled, revised_by: by }) => [content, recalled, by]), [['edited', 0, 251], ['', 1, 252]]);
    assert.deepEqual([old[4].extra, old[250].content], ['"reply_to":2', '{"of":1,"content":"edited"}']);
    assert.equal(await stack.count("SELECT m.read_seq FROM member m JOIN conversation c ON c.id = m.conversation WHERE c.name = 'old'"), 50);
    assert.equal((await stack.chaguan('import', file)).stdout.match(/^messages=(.*)$/m)[1], '0');
    await assertAllCame();
  });

  it('afterwards the numbers are whole and every part ends in an orderly way', async () => {
    for (const client of people) await client.close();
    await stack.checkAndStop();
  });
});
