// The admin calls on Socket.IO as HTTP: what they take, store and answer, with sockets that stand in Redis only, and
// with Redis or MariaDB away. What they do to clients is in socketio-admin.test.mjs.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { unique } from './lib/socket.mjs';
import { Stack, bin, eventually, post, request, run, top } from './lib/stack.mjs';

const TOKEN = 'the-admin-token-of-these-tests';
const REFUSED = [401, '{"error":"a valid token or password is needed","code":"unauthorized"}'];
const PREFIX = 'chaguan';

describe('the admin calls', () => {
  let stack;
  const bearer = { Authorization: `Bearer ${TOKEN}` };
  const call = (name, body, headers = bearer) => post(`${stack.url}/api/io/${name}`, body, headers);
  const ask = (what, headers = bearer) => request(`${stack.url}/api/io/${what}`, { headers });
  async function data(answer) {
    const { status, text, json } = await answer;
    assert.equal(status, 200, text);
    assert.equal(json.success, true, text);
    return json.data;
  }
  async function failed(answer, status, code) {
    const { status: got, text, json } = await answer;
    assert.deepEqual([got, json?.code], [status, code], text);
  }

  /** A socket as a relay that nobody else knows would have registered it. */
  async function plant(nsp, sid, rooms) {
    const key = (what, name) => `${PREFIX}:io:${what}:${nsp}${name === undefined ? '' : ` ${name}`}`;
    await stack.redis('HSET', key('sid', sid), 'entry', 'test:1', 'pid', '', 'name', '', 'round', '1');
    await stack.redis('SADD', key('all'), sid);
    for (const room of rooms) {
      await stack.redis('SADD', key('in', sid), room);
      await stack.redis('SADD', key('rooms'), room);
      await stack.redis('SADD', key('room', room), sid);
    }
    await stack.redis('SADD', `${PREFIX}:io:of:test:1`, `${nsp} ${sid}`);
  }
  const newSid = () => unique('').replace(/[^\w-]/g, '').padStart(20, 'A').slice(-20);

  before(async () => {
    stack = await Stack.start({ relays: 1, settings: { admin_token: TOKEN, redis_timeout_ms: '500ms',
      db_timeout_ms: '2s', reconcile_down_ms: '200ms', io_namespaces: '/news' } });
    stack.keepSecret(TOKEN);
    for (const nsp of ['/', '/news'])
      await stack.sql(
        `INSERT IGNORE INTO conversation (public_id, kind, name, created_at) VALUES (?, 5, ?, UTC_TIMESTAMP(3))`,
        [`nsp_of_the_test_${nsp}`, nsp]);
    assert.match(stack.read('chaguan.conf'), /^admin_token = /m);
  });
  after(() => stack?.remove());
  beforeEach(async () => {
    for (const what of ['join', 'disconnect']) await data(call(what, what === 'join' ? { rooms: ['x'] } : {}));
    await data(call('disconnect', { ns: '/news' }));
    assert.deepEqual(await data(ask('counts')), { sockets: 0, rooms: 0 });
  });

  it('nobody may without the token, whatever they send', async () => {
    for (const headers of [{}, { Authorization: 'Bearer' }, { Authorization: `Bearer ${TOKEN.slice(1)}` },
      { Authorization: TOKEN }, { token: TOKEN }]) {
      for (const answer of [await call('emit', { event: 'x' }, headers), await call('disconnect', '', headers),
        await call('join', 'no JSON', headers), await ask('rooms', headers), await ask('counts', headers)]) {
        assert.deepEqual([answer.status, answer.text], REFUSED);
      }
    }
    assert.equal((await request(`${stack.url}/api/io/emit`, { headers: bearer })).status, 405);
    assert.equal((await ask('nothing')).status, 404);
  });

  it('an event is a row with its audience and the next number', async () => {
    const first = await data(call('emit', { event: 'e', args: [1] }));
    const second = await data(call('emit',
      `{"event":"é\\n","args":[ 123456789012345678901234567890, {"a":"\\u2028"} ` +
      `],"rooms":["reds","茶"],"except":"x"}`));
    assert.equal(second.seq, first.seq + 1);
    assert.ok(first.epoch >= 1);
    const rows = await stack.sql(`SELECT m.kind, m.sender, m.content,
        CAST(m.audience AS CHAR CHARACTER SET utf8mb4) AS audience
      FROM message m JOIN conversation c ON c.id = m.conversation
      WHERE c.kind = 5 AND c.name = '/' AND m.seq >= ? ORDER BY m.seq`, [first.seq]);
    assert.deepEqual(rows.map((row) => [row.kind, row.sender, row.audience]),
      [[9, null, null], [9, null, 'r4:redsr3:茶x1:x']]);
    assert.equal(rows[0].content, '["e",1]');
    assert.ok(rows[1].content.includes('123456789012345678901234567890'), 'every digit');
    assert.equal(JSON.parse(rows[1].content)[0], 'é\n');
    assert.equal(JSON.parse(rows[1].content)[2].a, '\u2028');
  });

  it('many at once get numbers without a hole', async () => {
    const seqs = await Promise.all(Array.from({ length: 40 },
      () => data(call('emit', { ns: '/news', event: 'e' })).then((d) => d.seq)));
    seqs.sort((a, b) => a - b);
    seqs.forEach((seq, i) => assert.equal(seq, seqs[0] + i));
  });

  it('sockets are listed, counted, moved and disconnected as Redis has them', async () => {
    const [a, b, c] = [newSid(), newSid(), newSid()];
    await plant('/', a, ['reds', 'odd /?&: "茶"']);
    await plant('/', b, ['reds']);
    await plant('/news', c, ['reds']);
    assert.deepEqual(await data(ask('counts')), { sockets: 2, rooms: 2 });
    assert.deepEqual(await data(ask('counts?ns=/news')), { sockets: 1, rooms: 1 });
    assert.deepEqual(await data(ask('rooms')), ['odd /?&: "茶"', 'reds']);
    assert.deepEqual(await data(ask('sockets')), [a, b].sort());
    assert.deepEqual(await data(ask('rooms/reds/sockets')), [a, b].sort());
    assert.deepEqual(await data(ask('rooms/reds/sockets?ns=%2Fnews')), [c]);
    assert.deepEqual(await data(ask(`sockets?room=${encodeURIComponent('odd /?&: "茶"')}`)), [a]);
    assert.deepEqual(await data(call('join', { sid: b, rooms: ['greens', 'blues'] })), { sockets: 1 });
    assert.deepEqual(await data(ask('rooms/greens/sockets')), [b]);
    assert.deepEqual(await data(call('leave', { room: 'greens', rooms: ['greens', 'reds'] })), { sockets: 1 });
    assert.deepEqual(await data(ask('rooms/reds/sockets')), [a]);
    assert.deepEqual(await data(ask('rooms/greens/sockets')), []);
    assert.deepEqual(await data(call('disconnect', { room: 'reds' })), { sockets: 1 });
    assert.deepEqual(await data(ask('sockets')), [b]);
    await failed(call('join', { sid: a, room: 'reds' }), 404, 'not_found');
    await failed(call('disconnect', { sid: a }), 404, 'not_found');
    await failed(ask('rooms?ns=/none'), 404, 'not_found');
  });

  it('the sockets of a relay without a lease are dropped by another', async () => {
    const sid = newSid();
    await plant('/', sid, ['reds']);
    await stack.redis('SADD', `${PREFIX}:io:relays`, 'test:1');
    await eventually(async () => (await data(ask('counts'))).sockets === 0, 'the dead socket to go');
    assert.deepEqual(await data(ask('rooms')), []);
  });

  it('a body over the limit and one that is no JSON are refused', async () => {
    await failed(call('emit', { event: 'e', args: ['x'.repeat(70_000)] }), 413, 'too_big');
    await failed(call('emit', '{"event":"e"'), 400, 'invalid');
    await failed(call('emit', Buffer.from('{"event":"e\xed\xa0\x80"}', 'latin1')), 400, 'invalid');
    await failed(call('emit', `{"event":"e","args":${'['.repeat(20_000)}${']'.repeat(20_000)}}`), 400, 'invalid');
  });

  it('the migration may run again and keeps the secret', async () => {
    const secret = () => stack.sql(`SELECT value FROM meta WHERE name = 'secret'`)
      .then((rows) => rows.map((row) => row.value));
    const before = await secret();
    assert.match(before[0], /^[0-9a-f]{64}$/);
    stack.keepSecret(before[0]);
    const columns = () => stack.sql(`SHOW CREATE TABLE message`).then((rows) => rows[0]['Create Table']);
    const table = await columns();
    for (let again = 0; again < 2; again++) {
      const file = fs.readFileSync(path.join(top, 'sql', '0003_socketio.sql'), 'utf8');
      const answer = await stack.script('sql', '-e', file);
      assert.equal(answer.code, 0, answer.stderr);
    }
    assert.deepEqual(await secret(), before);
    assert.equal(await columns(), table);
  });

  it('a token that is too short is refused at the start', async () => {
    const answer = await run(path.join(bin, 'chaguan-rest'),
      ['--config', stack.file('chaguan.conf'), '--set', 'admin_token=fifteen-letters', '--set', 'log_file=', '--set',
        'rest_socket=other.sock', '--set', 'pid_file=']);
    assert.equal(answer.code, 2, answer.stderr);
    assert.match(answer.stderr, /admin_token: has 15 bytes, at least 16 are needed/);
    assert.ok(!answer.stderr.includes('fifteen-letters'));
  });

  it('without Redis events are stored and everything else says so; without MariaDB nothing goes', async () => {
    await stack.kill('redis');
    await eventually(async () => (await ask('counts')).status === 503, 'the loss to be noticed');
    const { seq } = await data(call('emit', { event: 'e', room: 'reds' }));
    assert.ok(seq > 0);
    await failed(call('emit', { event: 'e', volatile: true }), 503, 'unavailable');
    await failed(ask('rooms'), 503, 'unavailable');
    await failed(call('disconnect', {}), 503, 'unavailable');
    await stack.startPart('redis');
    await eventually(async () => (await ask('counts')).status === 200, 'Redis to be used again');
    await stack.kill('mariadb');
    await failed(call('emit', { event: 'e' }), 503, 'unavailable');
    await failed(ask('rooms'), 503, 'unavailable');
    await stack.startPart('mariadb');
    await eventually(async () => (await ask('counts')).status === 200, 'MariaDB to be used again');
    assert.equal((await data(call('emit', { event: 'e' }))).seq, seq + 1);
  });

  it('everything is in order afterwards', () => stack.checkAndStop());
});

describe('the admin calls without a token in the configuration', () => {
  it('are off', async () => {
    const stack = await Stack.start({ relays: 1, settings: { admin_token: '' } });
    try {
      for (const headers of [{}, { Authorization: 'Bearer ' }, { Authorization: 'Bearer x' }]) {
        const answer = await post(`${stack.url}/api/io/emit`, { event: 'x' }, headers);
        assert.deepEqual([answer.status, answer.json.code], [403, 'off']);
      }
      await stack.checkAndStop();
    } finally {
      await stack.remove();
    }
  });
});
