// The feed of what was stored, and the workers that carry it on: killed, frozen, without a database. Every message that is
// stored reaches the consumer, in the order of its conversation.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Client, enter, settle, unique } from './lib/client.mjs';
import { Talk } from './lib/databases.mjs';
import { Native } from './lib/native.mjs';
import { Player, login, newSpace, transfer } from './lib/spaces.mjs';
import { NO_RATES, Stack, eventually, post, request } from './lib/stack.mjs';

const LEASE_MS = 1500, ROWS_MAX = 20_000;

describe('the feed, with two workers', () => {
  let stack;
  const people = [];
  before(async () => {
    stack = await Stack.start({ workers: 2, settings: { ...NO_RATES, jwt_secret: 'a-secret-of-the-test-that-is-long-enough', feed_lease_ms: LEASE_MS, feed_poll_ms: 20, feed_rows_max: ROWS_MAX, feed_idle_ms: 1000,
      db_timeout_ms: '1s', journal_timeout_ms: '1500ms', grace_ms: '200ms', members_interval_ms: '20ms',
      search: 'on', rate_search: 0 } });
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

  /** How often the consumer went to another worker or could not note its place, as on a machine that stands still for a while. */
  const passedOn = () => ['worker1', 'worker2'].flatMap((name) =>
    stack.read(`${name}.log`).match(/event=job\.(taken|failing) job=count/g) ?? []).length - 1;

  async function assertAllCame() {
    const key = ({ conversation, seq }) => `${conversation}:${seq}`;
    const messages = () => stack.sql('SELECT conversation, seq, kind FROM message');
    const before = await messages();
    await passed();
    const rows = given();
    // Read last: someone's going may be stored after the last word, and come.
    const stored = new Map((await messages()).map((row) => [key(row), row.kind]));
    const kinds = new Map(), last = new Map();
    let twice = 0;
    for (const row of rows) {
      assert.equal(row.kind, stored.get(key(row)), 'nothing else came');
      if (kinds.has(key(row))) {
        twice++;
        continue;
      }
      kinds.set(key(row), row.kind);
      assert.equal(row.seq, (last.get(row.conversation) ?? 0) + 1, `conversation ${row.conversation} in order`);
      last.set(row.conversation, row.seq);
    }
    assert.deepEqual(before.filter((row) => !kinds.has(key(row))), [], 'every message came');
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
    const twice = await assertAllCame();
    if (passedOn() === 0) assert.equal(twice, 0, 'nothing twice while nothing fails');
    const metrics = await Promise.all(['worker1', 'worker2'].map((name) => stack.metrics(name)));
    assert.ok(metrics.reduce((sum, { feed_passed_total: count }) => sum + count, 0) >= 100);
    await eventually(async () => (await stack.metric(await holder(), 'feed_lag_rows')) === 0, 'the lag to be told as none');
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

  /** How many statements like this one the servers' connections have waited for since 100 ms. */
  const waiting = async (lock, like) => (await lock.query('SELECT COUNT(*) AS n FROM information_schema.processlist WHERE info LIKE ? AND time_ms > 100',
    [like]))[0][0].n;

  /** The one that `carrier` names, stopped where `isInside` says that it is. */
  const frozen = (carrier, isInside, what) => eventually(async () => {
    const name = await carrier();
    if (!name || !await isInside(name)) return undefined;
    await stack.kill(name, 'STOP');
    if (await isInside(name)) return name;
    await stack.kill(name, 'CONT');
    return undefined;
  }, what);

  it('a worker that is frozen inside a transaction of the feed: what it has locked is let go, and another goes on', async () => {
    const talk = new Talk(people, () => unique('frozen'));
    const [lock, other_] = [await stack.database(), await stack.database()];
    await talk.goesOn(10);
    await eventually(async () => await stack.count("SELECT COUNT(*) FROM feed_cursor c JOIN worker_job j ON j.id = c.job AND j.name = 'count'"), 'it to have passed some');
    await lock.query('SET TRANSACTION ISOLATION LEVEL READ COMMITTED');
    await lock.query('START TRANSACTION');
    const [{ id: job }] = await stack.sql("SELECT id FROM worker_job WHERE name = 'count'");
    await lock.query('SELECT pos FROM feed_cursor WHERE job = ? FOR UPDATE', [job]);
    await talk.goesOn(10);
    const holdsJob = () => other_.query("SELECT id FROM worker_job WHERE name = 'count' FOR UPDATE NOWAIT").then(() => false, () => true);
    const stopped = await frozen(async () => (await feed()).count?.worker,
      async () => await waiting(lock, 'INSERT INTO feed_cursor%') > 0 && await holdsJob(), 'it to be inside one');
    await lock.query('ROLLBACK'); // its statement is carried out, and the transaction waits for the next one
    await holds(other(stopped));
    await talk.goesOn(30);
    await stack.kill(stopped, 'CONT');
    await talk.stop();
    await assertAllCame();
    await Promise.all([lock.end(), other_.end()]);
  });

  it('a worker that is frozen inside a transaction of the index: a new one is made, and what is gone is not in it', async () => {
    key ??= (await stack.chaguan('key', 'add', unique('freezer'), '--scope', 'read,write,admin')).stdout.trim();
    const where = await group(), mark = unique('ice');
    await say(where, `${mark} gone`);
    await say(where, `${mark} stays`);
    await indexed({ q: mark }, 2);
    const carrier = async () => (await stack.sql(`SELECT SUBSTRING_INDEX(CONVERT(worker USING utf8mb4), '@', 1) AS name FROM worker_job
      WHERE name LIKE 'search@%' AND holder <> 0 AND until >= UTC_TIMESTAMP(3)`))[0]?.name;
    const WRITING = 120; // the byte of the shared memory that SQLite locks meanwhile
    const hasLocked = (name) => {
      const { ino } = fs.statSync(stack.file('search/index.db-shm'));
      return fs.readFileSync('/proc/locks', 'utf8').split('\n').some((line) => {
        const [, , , access, pid, inode, first] = line.trim().split(/\s+/);
        return access === 'WRITE' && Number(pid) === stack.pid(name) && inode?.endsWith(`:${ino}`) && Number(first) === WRITING;
      });
    };
    const lock = await stack.database();
    for (const name of ['worker1', 'worker2']) await stack.kill(name, 'STOP');
    await say(where, `${mark} more`);
    await lock.query('LOCK TABLES message WRITE'); // which is read inside it
    for (const name of ['worker1', 'worker2']) await stack.kill(name, 'CONT');
    const stopped = await frozen(carrier, (name) => hasLocked(name), 'it to be inside one');
    await lock.query('UNLOCK TABLES');
    await lock.end();
    await fine('DELETE', `conversations/${where}/messages/1`, undefined, 204);
    await indexed({ q: mark }, 2);
    assert.equal(await carrier(), other(stopped));
    assert.ok(await stack.metric(other(stopped), 'search_builds_total') > 0);
    await stack.kill(stopped, 'CONT');
    await eventually(async () => await stack.metric(stopped, 'feed_leases_lost_total') > 0, 'it to find out');
    await say(where, `${mark} later`);
    await indexed({ q: mark }, 3);
    assert.deepEqual(said({ items: await findAll({ q: mark }) }).map((text) => text.slice(mark.length + 1)), ['later', 'more', 'stays']);
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
    for (const mentions of ['bob', [7], Array(51).fill('bob')]) bad(said({ mentions }), 'mentions: must be a list of at most 50 ids of users');
    const told = (kind, data) => ({ type: 'event', conversation: 'lively', seq: 1, ts, kind, from: 'bob', data });
    bad(told('joined', { role: 'king' }), 'role: must be a role of a member');
    bad(told('removed', { by: 7 }), 'by: must be a text');
    bad(told('renamed', { name: 'x', by: 'bob' }), 'by: is no field of such a line');
    for (let i = 1; i <= 250; i++) // the numbers there have holes; two conversations in turn
      for (const conversation of ['lively', 'old'])
        add({ ...said({ conversation, content: `imported ${i}`, ts: ts + i, seq: 2 * i, reply_to: i === 5 ? 4 : i === 6 ? 3 : undefined }) });
    add({ type: 'event', conversation: 'old', seq: 501, ts: ts + 300, kind: 'edit', from: 'bob', data: { of: 2, content: 'edited' } });
    add({ type: 'event', conversation: 'old', seq: 502, ts: ts + 301, kind: 'recall', data: { of: 4 } });
    bad({ type: 'event', conversation: 'old', seq: 503, ts: ts + 302, kind: 'edit', from: 'bob', data: { of: 3, content: 'x' } },
      'data.of: that message was not imported');
    add({ type: 'event', conversation: 'old', seq: 504, ts: ts + 303, kind: 'joined', from: 'bob', data: { by: 'ann', role: 'owner', was: 'member' } });
    add(said({ conversation: 'old', seq: 505, ts: ts + 304, mentions: ['nobody', 'bob'], meta: { a: 1 } })); // who is not there is left out
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
      { users: 1, conversations: 1, members: 1, messages: 504, reactions: 0, known: 1, late: 250, replies_cut: 2, bad: reasons.length });
    const rows = (name) => stack.sql(`SELECT m.seq, m.content, m.recalled, m.revised_by, m.extra, UNIX_TIMESTAMP(m.created_at) * 1000 AS ts
      FROM message m JOIN conversation c ON c.id = m.conversation WHERE c.kind = 6 AND c.name = ? ORDER BY m.seq`, [name]);
    const [lively, old] = [await rows('lively'), await rows('old')];
    assert.deepEqual(lively.map(({ seq }) => seq), lively.map((_, i) => i + 1));
    assert.equal(lively.length, 1 + 250 + after);
    assert.deepEqual(lively.filter(({ content }) => content.startsWith('imported')).map(({ content }) => content),
      Array.from({ length: 250 }, (_, i) => `imported ${i + 1}`));
    assert.ok(lively.every(({ ts: at }, i) => at >= first.ts && at >= (lively[i - 1]?.ts ?? 0)), 'times go with numbers');
    assert.deepEqual(old.map(({ ts: at }) => Number(at) - ts), [...Array.from({ length: 250 }, (_, i) => i + 1), 300, 301, 303, 304]);
    assert.deepEqual(old.slice(0, 2).map(({ content, recalled, revised_by: by }) => [content, recalled, by]), [['edited', 0, 251], ['', 1, 252]]);
    assert.deepEqual([old[4].extra, old[250].content], ['\x01"reply_to":2', '{"of":1,"content":"edited"}']);
    const uid = Object.fromEntries((await stack.sql("SELECT name, id FROM user WHERE realm = 5 AND name IN ('ann', 'bob')")).map(({ name, id }) => [name, id]));
    assert.deepEqual([old[252].content, old[253].extra],
      [`{"by":${uid.ann},"role":"owner","was":"member"}`, `\x01"meta":{"a":1},"mentions":[${uid.bob}]`]);
    assert.equal(await stack.count("SELECT m.read_seq FROM member m JOIN conversation c ON c.id = m.conversation WHERE c.name = 'old'"), 50);
    assert.equal((await stack.chaguan('import', file)).stdout.match(/^messages=(.*)$/m)[1], '0');
    await assertAllCame();
  });

  // ---- search, whose index a consumer keeps ----

  let key;
  const call = (method, path, { as = key, body } = {}) => {
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    return request(`${stack.url}/v1/${path}`, { method, body: bytes,
      headers: { authorization: `Bearer ${as}`, ...(bytes ? { 'content-length': bytes.length } : {}) } });
  };
  const fine = async (method, path, more) => {
    const { status, json, text } = await call(method, path, more);
    assert.ok(status < 300, `${method} ${path}: ${status} ${text}`);
    return json;
  };
  const query = (values) => new URLSearchParams(values).toString();
  const find = (values, as = key) => fine('GET', `search?${query(values)}`, { as });
  /** All that is found, page by page. */
  async function findAll(values, as = key) {
    const items = [];
    let page = { next: undefined };
    do {
      page = await find({ ...values, limit: 100, ...(page.next ? { cursor: page.next } : {}) }, as);
      items.push(...page.items);
    } while (page.next);
    return items;
  }
  const said = ({ items }) => items.map(({ content }) => content);
  const say = (where, content, from) => fine('POST', `conversations/${where}/messages`, { body: { content, ...(from ? { from } : {}) } });
  const user = async (id) => {
    await fine('PUT', `users/${id}`, { body: {} });
    return (await fine('POST', `users/${id}/token`, { body: {} })).token;
  };
  const group = async (members = [], type = 'group') => (await fine('POST', 'conversations', { body: { type, members } })).id;
  const indexed = (values, count) => eventually(async () => (await findAll(values)).length === count, `${count} messages of ${JSON.stringify(values)}`);

  it('search: what was said is found, newest first, by who may read it', async () => {
    key = (await stack.chaguan('key', 'add', 'searcher', '--scope', 'read,write,admin')).stdout.trim();
    const [ann, bob] = [unique('ann'), unique('bob')];
    const tokens = { ann: await user(ann), bob: await user(bob) };
    const [here, there, square] = [await group([ann]), await group([ann, bob]), await group([], 'public')];
    const mark = unique('w');
    const texts = ['\u53bb\u8001\u8336\u9986\u559d\u8336', 'The tea-house has WiFi', '\u8336 \u9986', 'wifi\u5bc6\u7801 is tea123', '\ud83d\ude00\u8336', 'un caf\u00e9 au lait'];
    for (const [i, text] of texts.entries()) await say(i % 2 ? there : here, `${text} ${mark}`, ann);
    await say(square, `\u8336 in public ${mark}`);
    await indexed({ q: mark }, 7);
    const of = async (q, as, more) => said(await find({ q: `${q} ${mark}`, ...more }, as)).map((text) => texts.findIndex((known) => text === `${known} ${mark}`));
    assert.deepEqual(await of('\u8336', key), [-1, 4, 2, 0], 'one character; the newest first');
    assert.deepEqual(await of('\u8336\u9986', key), [0], 'two that stand beside each other');
    assert.deepEqual(await of('\u8001\u8336\u9986', key), [0]);
    assert.deepEqual(await of('\u9986\u8336', key), []);
    assert.deepEqual(await of('WIFI', key), [3, 1]);
    assert.deepEqual(await of('"tea house"', key), [1]);
    assert.deepEqual(await of('wifi\u5bc6\u7801', key), [3]);
    assert.deepEqual(await of('\ud83d\ude00', key), [4]);
    assert.deepEqual(await of('CAFE lait', key), [5]);
    assert.deepEqual(await of('\u8336', tokens.ann), [4, 2, 0], 'a user finds what is theirs');
    assert.deepEqual(await of('wifi', tokens.bob), [3, 1]);
    assert.deepEqual(await of('\u8336', tokens.bob), []);
    assert.deepEqual(await of('\u8336', key, { user: bob }), [], 'a key may ask as a user');
    assert.deepEqual(await of('\u8336', tokens.bob, { conversation: square }), [-1], 'what is public, in there');
    assert.deepEqual(await of('wifi', tokens.ann, { conversation: there }), [3, 1]);
    assert.deepEqual(await of('wifi', tokens.ann, { conversation: here }), []);

    const { items: [item], complete } = await find({ q: `\u8336 ${mark}`, conversation: here, limit: 1 });
    assert.equal(complete, true);
    assert.deepEqual(item.highlights.map(([begin, end]) => item.content.slice(begin, end)), ['\u8336', mark], 'in units of UTF-16');
    assert.deepEqual({ conversation: item.conversation, seq: item.seq, from: item.from.id, kind: item.kind }, { conversation: here, seq: 3, from: ann, kind: 'text' });
    const first = await find({ q: mark, limit: 3 });
    await say(here, `later ${mark}`);
    await indexed({ q: mark }, 8);
    const second = await find({ q: mark, limit: 4, cursor: first.next });
    assert.equal(new Set([...first.items, ...second.items].map(({ content }) => content)).size, 7, 'a page goes on where the last ended');

    await assertRefused({ q: mark, conversation: here }, tokens.bob, 404, 'not_found');
    await assertRefused({ q: mark, user: ann }, tokens.bob, 404, 'no_such_user');
    await assertRefused({ q: mark, user: 'nobody-there' }, key, 404, 'no_such_user');
    for (const bad of [{}, { q: '' }, { q: ' ,. ' }, { q: 'x'.repeat(257) }, { q: 'x', limit: 101 }, { q: 'x', cursor: 'y' }])
      await assertRefused(bad, key, 400, 'bad_argument');
    for (const [relay, who] of [[1, 'ann'], [2, 'bob']]) { // the same over the native protocol, on each relay
      const native = await Native.hello(stack, { token: tokens[who] }, { relay });
      for (const { conversation, ...asked } of [{ q: `\u8336 ${mark}` }, { q: mark, limit: 2 }, { q: mark, limit: 2, cursor: first.next }, { q: `wifi ${mark}`, conversation: there }]) {
        const { re, ok, ...told } = await native.must('search', conversation ? { ...asked, room: conversation } : asked);
        assert.deepEqual(told, await find(conversation ? { ...asked, conversation } : asked, tokens[who]), `${who}: ${JSON.stringify(asked)}`);
      }
      if (who === 'bob') assert.equal(await native.refused('search', { q: mark, room: here }), 'not_found');
      for (const bad of [{}, { q: ' ,. ' }, { q: 'x'.repeat(257) }, { q: 'x', limit: 101 }, { q: 'x', cursor: 'y' }])
        assert.equal(await native.refused('search', bad), 'bad_argument');
      await native.close();
    }
    const room = await Client.join(stack, await enter(stack, unique('room'), unique('nick')));
    await settle(room);
    const spoken = unique('spoken');
    room.say(spoken);
    await indexed({ q: spoken }, 1);
    assert.match((await find({ q: spoken })).items[0].conversation, /^room_/, 'a key finds what is said in every front end');
    await room.close();
  });
  async function assertRefused(values, as, status, code) {
    const answer = await call('GET', `search?${query(values)}`, { as });
    assert.equal(answer.status, status, answer.text);
    assert.equal(answer.json.error.code, code);
  }

  it('search: what was edited, recalled, erased, deleted or left is not shown, whatever the index knows', async () => {
    const [ann, bob] = [unique('ann'), unique('bob')];
    const tokens = { ann: await user(ann), bob: await user(bob) };
    const [here, there] = [await group([ann, bob]), await group([ann, bob])];
    const mark = unique('w');
    for (const word of ['first', 'second', 'third']) await say(here, `${word} ${mark}`, ann);
    await say(there, `fourth ${mark}`, bob);
    await indexed({ q: mark }, 4);
    await fine('PATCH', `conversations/${here}/messages/1`, { body: { content: `changed ${mark}` } });
    assert.deepEqual(said(await find({ q: `first ${mark}` })), [], 'at once');
    await indexed({ q: `changed ${mark}` }, 1);
    assert.deepEqual(said(await find({ q: mark })), [`fourth ${mark}`, `third ${mark}`, `second ${mark}`, `changed ${mark}`], 'in its place');
    await fine('DELETE', `conversations/${here}/messages/2`);
    assert.deepEqual(said(await find({ q: `second ${mark}` })), []);
    assert.equal((await find({ q: mark }, tokens.bob)).items.length, 3);
    await fine('DELETE', `conversations/${here}/members/${bob}`);
    assert.deepEqual(said(await find({ q: mark }, tokens.bob)), [`fourth ${mark}`], 'who left reads it no more');
    await assertRefused({ q: mark, conversation: here }, tokens.bob, 404, 'not_found');
    assert.equal((await stack.chaguan('user', 'ban', `app:${bob}`, '--room', there)).code, 0);
    assert.deepEqual(said(await find({ q: mark }, tokens.bob)), []);
    await fine('DELETE', `conversations/${there}`);
    assert.deepEqual(said(await find({ q: mark })), [`third ${mark}`, `changed ${mark}`]);
    await fine('DELETE', `users/${ann}`);
    assert.deepEqual(said(await find({ q: mark })), []);
    await assertRefused({ q: mark }, tokens.ann, 401, 'token_revoked');
    const dropped = async () => (await stack.metric('worker1', 'search_dropped_total')) + (await stack.metric('worker2', 'search_dropped_total'));
    await eventually(async () => await dropped() >= 4, 'the index to forget the erased, the recalled and the deleted');
  });

  it('search: workers killed, the index deleted, broken and rebuilt while messages flow: all are found', async () => {
    const where = await group();
    const mark = unique('flow');
    let count = 0, flows = true;
    const flow = (async () => {
      while (flows) await say(where, `${mark} ${++count}`);
    })();
    const goesOn = (more) => { const until = count + more; return eventually(() => count >= until, 'messages to flow'); };
    const status = async () => Object.fromEntries([...(await stack.chaguan('search', 'status')).stdout.matchAll(/^(\w+)=(\d+)$/gm)].map(([, name, value]) => [name, Number(value)]));
    const carrier = () => eventually(async () => (await stack.chaguan('search', 'status')).stdout.match(/job=search@\S+ worker="(worker\d)@/)?.[1], 'a worker to have the index');
    const whole = async (what) => eventually(async () => { const now = await status(); return now.messages >= count && !now.building; }, what);

    await goesOn(20);
    const killed = await carrier();
    await stack.kill(killed, 'KILL');
    await goesOn(20);
    await eventually(async () => await carrier() === other(killed), 'the other to go on');
    await stack.startPart(killed);
    for (const name of ['index.db', 'index.db-wal', 'index.db-shm']) fs.rmSync(stack.file(`search/${name}`), { force: true });
    await goesOn(20);
    await whole('the index to be made anew');
    assert.equal((await stack.chaguan('search', 'rebuild')).code, 0);
    await goesOn(20);
    await whole('the index to be made anew once more');
    fs.writeFileSync(stack.file('search/index.db'), 'no index');
    const broken = await call('GET', `search?${query({ q: mark })}`);
    assert.ok(broken.status === 503 || broken.status === 200, broken.text);
    await goesOn(20);
    flows = false;
    await flow;
    await indexed({ q: mark }, count);
    const numbers = (await findAll({ q: mark, conversation: where })).map(({ content }) => Number(content.split(' ')[1]));
    assert.deepEqual(numbers, Array.from({ length: count }, (_, i) => count - i), 'each once, the newest first');
    assert.ok(await stack.metric(await carrier(), 'search_builds_total') >= 1);
  });

  it('without a worker the feed is full one day: messages are stored, and consumers come to a gap', async () => {
    await passed();
    for (const name of ['worker1', 'worker2']) await stack.stopPart(name);
    // As if a writer had written so many that every other comes to the bound: rows of what was said, once more.
    const { insertId: stream } = await stack.sql('INSERT INTO feed_stream (owner, pos, changed_at) VALUES (1, ?, UTC_TIMESTAMP(3))',
      [ROWS_MAX]);
    await stack.sql(`INSERT INTO feed (stream, pos, conversation, seq, kind) SELECT ?, n.seq, m.conversation, m.seq, m.kind
      FROM seq_1_to_${ROWS_MAX} n, (SELECT conversation, seq, kind FROM message ORDER BY conversation, seq LIMIT 1) m`, [stream]);
    const talk = new Talk(people, () => unique('unheard'));
    await talk.goesOn(10);
    await stack.counts('feed_left_out_total', () => talk.goesOn(10), 10);
    await eventually(async () => (await stack.relayMetric('feed_full')) === 2, 'both to say so');
    const { rows } = await feed();
    assert.ok(rows >= ROWS_MAX);
    await talk.goesOn(10);
    await talk.stop();
    assert.equal((await feed()).rows, rows, 'and write no more');
    assert.equal((await stack.chaguan('check')).stdout, 'no findings\n');
    for (const name of ['worker1', 'worker2']) await stack.startPart(name);
    await passed();
    await eventually(async () => (await feed()).rows === 0, 'the rows to be removed');
    const gaps = async () => (await stack.metric('worker1', 'feed_gaps_total')) + (await stack.metric('worker2', 'feed_gaps_total'));
    assert.ok((await gaps()) >= 2, 'one of each relay');
    const after = new Talk(people, () => unique('heard'));
    await eventually(async () => {
      await after.goesOn(5);
      return (await stack.relayMetric('feed_full')) === 0;
    }, 'both to write again');
    await after.goesOn(20);
    await after.stop();
    await passed();
    const came = new Set(given().map(({ conversation, seq }) => `${conversation}:${seq}`));
    const last = await stack.sql("SELECT conversation, seq FROM message WHERE content LIKE 'heard%' ORDER BY created_at DESC, seq DESC LIMIT 20");
    assert.equal(last.length, 20);
    for (const { conversation, seq } of last) assert.ok(came.has(`${conversation}:${seq}`), `${conversation}:${seq}`);
    const [{ seq: beyond, id }] = await stack.sql('SELECT id, seq FROM conversation WHERE seq > 0 LIMIT 1');
    await stack.sql('INSERT INTO feed_stream (id, owner, pos, changed_at) VALUES (4000000, 1, 2, UTC_TIMESTAMP(3))');
    await stack.sql('INSERT INTO feed (stream, pos, conversation, seq, kind) VALUES (4000000, 3, ?, ?, 1)', [id, beyond + 1]);
    await stack.sql("INSERT INTO feed_cursor (job, stream, pos) SELECT id, 4000000, 9 FROM worker_job WHERE name = 'count'");
    const check = await stack.chaguan('check');
    for (const finding of [/the feed has number/, /has passed 9, past its end 2/, /must have 2 rows but has 0/])
      assert.match(check.stdout, finding);
    for (const table of ['feed', 'feed_cursor']) await stack.sql(`DELETE FROM ${table} WHERE stream = 4000000`);
    await stack.sql('DELETE FROM feed_stream WHERE id = 4000000');
  });

  it('a writer is killed while the feed is full: what it left out is found all the same', async () => {
    // As if rows were kept for a consumer that nobody carries.
    const { insertId: stream } = await stack.sql('INSERT INTO feed_stream (owner, pos, changed_at) VALUES (1, ?, UTC_TIMESTAMP(3))', [ROWS_MAX]);
    await stack.sql("INSERT INTO worker_job (name, reads_feed) VALUES ('held', 1)");
    await stack.sql("INSERT INTO feed_cursor (job, stream, pos) SELECT id, ?, ? FROM worker_job WHERE reads_feed = 1 AND name <> 'held'", [stream, ROWS_MAX]);
    const [speaker, other] = people;
    await eventually(async () => {
      for (let i = 0; i < 25; i++) await speaker.heard(speaker.say(unique('until it is full')));
      return (await stack.metric('relay1', 'feed_full')) === 1;
    }, 'it to be full');
    const status = async () => (await stack.chaguan('search', 'status')).stdout;
    await passed();
    await eventually(async () => /^building=0$/m.test(await status()), 'the index to have gone through all once more');
    const left = unique('leftout');
    await other.heard(speaker.say(left));
    await stack.kill('relay1');
    await indexed({ q: left }, 1);
    for (const table of ['feed_cursor', 'feed']) await stack.sql(`DELETE FROM ${table} WHERE stream = ?`, [stream]);
    await stack.sql('DELETE FROM feed_stream WHERE id = ?', [stream]);
    assert.equal((await stack.chaguan('feed', 'forget', 'held')).code, 0);
    await stack.startPart('relay1');
  });

  it('afterwards the numbers are whole and every part ends in an orderly way', async () => {
    for (const client of people) await client.close();
    await stack.checkAndStop();
  });
});
