// The server API: what an application's backend calls, below /v1/.
import { Validator } from '@seriousme/openapi-schema-validator';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client, enter } from './lib/client.mjs';
import { Friend, couple } from './lib/friends.mjs';
import { fastcgi, fastcgiBegin, fastcgiEnd } from './lib/fastcgi.mjs';
import { Described, DescribedFrontEnd, DescribedSocket } from './lib/described.mjs';
import { Native } from './lib/native.mjs';
import { unique } from './lib/socket.mjs';
import { makeToken, readToken } from './lib/spaces.mjs';
import { DEADLINE_MS, NO_RATES, Stack, bin, eventually, request, run, top } from './lib/stack.mjs';

Native.described = new DescribedSocket();
Client.described = new DescribedFrontEnd('chatroom');
Friend.described = new DescribedFrontEnd('friends');

describe('the server API', () => {
  let described, stack, key, reader, dir;
  const call = (method, path, { as = key, body, headers = {} } = {}) => {
    const bytes = body === undefined || body instanceof Buffer ? body : Buffer.from(JSON.stringify(body));
    const answer = request(`${stack.url}/v1/${path}`, { method, body: bytes,
      headers: { ...(as ? { authorization: `Bearer ${as}` } : {}), ...(bytes ? { 'content-length': bytes.length } : {}), ...headers } });
    return answer.then((told) => {
      described?.check(method, `/v1/${path}`, told);
      return told;
    });
  };
  const refused = async (answer, status, code) => {
    const { status: got, json, text } = await answer;
    assert.equal(got, status, text);
    assert.deepEqual(Object.keys(json), ['error'], text);
    assert.equal(json.error.code, code, text);
    assert.equal(typeof json.error.message, 'string', text);
    return json.error;
  };
  const fine = async (answer, status = 200) => {
    const { status: got, json, text } = await answer;
    assert.equal(got, status, text);
    return json;
  };
  const user = async (id, more = {}) => {
    await call('PUT', `users/${encodeURIComponent(id)}`, { body: more });
    return (await fine(call('POST', `users/${encodeURIComponent(id)}/token`, { body: {} }))).token;
  };
  const group = (more = {}, as = key) => fine(call('POST', 'conversations', { as, body: { type: 'group', ...more } }), 201);
  before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-keys-'));
    fs.chmodSync(dir, 0o755); // started by root, the servers are another account's
    fs.writeFileSync(path.join(dir, 'shop.secret'), `${crypto.randomBytes(32).toString('base64')}\n`);
    stack = await Stack.start({ relays: 2, settings: { ...NO_RATES, create: 'users', app_keys: dir, search: 'on',
      grace_ms: '300ms', lease_ms: '1500ms', jwt_secret: '0123456789abcdef0123456789abcdef' } });
    key = (await stack.chaguan('key', 'add', 'backend', '--scope', 'read,write,admin')).stdout.trim();
    described = new Described((await request(`${stack.url}/v1/openapi.json`)).json);
    reader = (await stack.chaguan('key', 'add', 'reader', '--scope', 'read')).stdout.trim();
  });
  after(async () => {
    await stack?.remove();
    fs.rmSync(dir, { recursive: true, force: true });
  });

  it('fails in one form, also where nginx says it', async () => {
    await refused(call('GET', 'nothing'), 404, 'not_found');
    await refused(call('GET', 'users/%c0%80'), 404, 'not_found');
    await refused(call('POST', 'nothing', { body: Buffer.alloc(2 << 20) }), 413, 'too_big');
    await refused(call('GET', 'nothing', { as: null, headers: { authorization: 'x'.repeat(9000) } }), 431, 'too_big');
    const { status, headers } = await call('PUT', 'conversations');
    assert.equal(status, 405);
    assert.equal(headers.allow, 'POST, GET');
    await refused(call('PUT', 'conversations', { body: {} }), 405, 'method_not_allowed');
  });

  it('takes a key that is in force and has the scope, and dies with it within a second', async () => {
    assert.match(key, /^ck_[0-9a-f]{32}$/);
    assert.equal((await stack.chaguan('key', 'add', 'backend', '--scope', 'read')).code, 2);
    assert.equal((await stack.chaguan('key', 'add', 'other', '--scope', 'everything')).code, 2);
    assert.equal(await stack.count(`SELECT COUNT(*) FROM server_key WHERE hash = SHA2('${key}', 256)`), 1);
    await refused(call('GET', 'users/a', { as: null }), 401, 'token_missing');
    await refused(call('GET', 'users/a', { as: 'ck_0' }), 401, 'key_unknown');
    await refused(call('GET', 'users/a', { as: `ck_${'0'.repeat(32)}` }), 401, 'key_unknown');
    await refused(call('PUT', 'users/a', { as: reader, body: {} }), 403, 'scope');
    await refused(call('GET', 'users/nobody', { as: reader }), 404, 'not_found');
    assert.match((await stack.chaguan('key', 'list')).stdout, /reader scope=read .*used="20.* in force/);
    const short = (await stack.chaguan('key', 'add', 'short', '--scope', 'read')).stdout.trim();
    await refused(call('GET', 'users/nobody', { as: short }), 404, 'not_found');
    assert.equal((await stack.chaguan('key', 'revoke', 'short')).code, 0);
    await eventually(async () => (await call('GET', 'users/nobody', { as: short })).status === 401, 'the key is void');
    assert.equal((await stack.chaguan('key', 'revoke', 'short')).code, 2);
    await refused(call('GET', 'users/a', { as: 'no.token.at-all' }), 401, 'token_malformed');
  });

  it('users: made, read, changed, by the key and by themselves, whatever their ids hold', async () => {
    const id = 'a/b c?%25#\u8336..';
    const path = `users/${encodeURIComponent(id)}`;
    const made = await fine(call('PUT', path, { body: { name: 'Ann', face: 'https://x.test/a.png', meta: { a: [1] } } }), 201);
    assert.deepEqual({ ...made, uid: 0 }, { id, uid: 0, name: 'Ann', face: 'https://x.test/a.png', role: 'user', meta: { a: [1] } });
    assert.deepEqual(await fine(call('GET', path)), made);
    assert.deepEqual(await fine(call('PATCH', path, { body: { name: 'Anne' } })), { ...made, name: 'Anne' });
    const token = await user(id, { name: 'Ann' });
    assert.equal((await fine(call('PATCH', path, { as: token, body: { meta: null } }))).name, 'Ann');
    await refused(call('GET', 'users/other', { as: token }), 404, 'not_found');
    await refused(call('PATCH', path, { as: token, body: { role: 'moderator' } }), 400, 'bad_argument');
    const error = await refused(call('PATCH', path, { body: { nick: 'x' } }), 400, 'bad_argument');
    assert.match(error.message, /^nick: /);
    await refused(call('PATCH', path, { body: { name: 'a\u0007' } }), 400, 'bad_argument');
    await refused(call('PATCH', path, { body: { meta: [] } }), 400, 'bad_argument');
    await refused(call('POST', `${path}/token`, { as: token, body: {} }), 403, 'key_needed');
    await fine(call('POST', `${path}/disconnect`), 204);
    await fine(call('DELETE', path), 204);
    await refused(call('GET', path), 404, 'not_found');
    await refused(call('GET', path, { as: token }), 401, 'token_revoked');
  });

  it('fifty at once make one conversation of an id, and one of two users', async () => {
    const id = unique('many');
    const make = (body) => Promise.all(Array.from({ length: 50 }, () => call('POST', 'conversations', { body })));
    const answers = await make({ id, type: 'group', members: ['x1', 'x2'] });
    assert.deepEqual(answers.map(({ status }) => status).sort().slice(-2), [200, 201]);
    assert.equal(new Set(answers.map(({ json }) => json.public_id)).size, 1);
    const pairs = await make({ type: 'direct', members: ['x1', 'x2'] });
    assert.equal(pairs.filter(({ status }) => status === 201).length, 1);
    assert.equal(new Set(pairs.map(({ json }) => json.public_id)).size, 1);
    assert.equal((await fine(call('POST', 'conversations', { body: { type: 'direct', members: ['x2', 'x1'] } }))).id,
      pairs[0].json.id);
    await refused(call('POST', 'conversations', { body: { id, type: 'public' } }), 409, 'conflict');
    for (const body of [{ type: 'direct', members: ['x1'] }, { type: 'none' }, {}, { type: 'group', id: 'room_x' },
      { type: 'group', members: 'x' }, { type: 'group', members: [1] }, { type: 'group', size: 3 }])
      await refused(call('POST', 'conversations', { body }), 400, 'bad_argument');
  });

  // docs/platform.md: a row for every call, a column for everybody who may make it, in each cell what comes of it.
  const table = (page) => fs.readFileSync(path.join(top, 'docs', page), 'utf8').split('\n')
    .filter((line) => /^\| `[A-Z]+ \/v1\//.test(line) && line.split('|').length === 11)
    .map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim().replaceAll('`', '').replace('可以', 'yes')));
  const COLUMNS = ['owner', 'moderator', 'member', 'reader', 'stranger', 'read', 'write', 'admin'];
  const multipart = Buffer.from('--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nplain words\r\n--b--\r\n');

  /** What is asked in each row: of `me`, who makes the call; `other`, who is a plain member; `boss`, an owner; in `c`, a
   *  conversation in which `me` has the column's role; about `seq`, which `other` said. */
  const asked = {
    'PUT /v1/users/:id': ({ other }) => ['PUT', `users/${other}`, {}],
    'PUT /v1/users/:id, their own': ({ me }) => ['PUT', `users/${me}`, {}],
    'GET /v1/users/:id': ({ other }) => ['GET', `users/${other}`],
    'GET /v1/users/:id, their own': ({ me }) => ['GET', `users/${me}`],
    'PATCH /v1/users/:id': ({ other }) => ['PATCH', `users/${other}`, {}],
    'PATCH /v1/users/:id, their own': ({ me }) => ['PATCH', `users/${me}`, {}],
    'DELETE /v1/users/:id': ({ other }) => ['DELETE', `users/${other}`],
    'DELETE /v1/users/:id, their own': ({ me }) => ['DELETE', `users/${me}`],
    'GET /v1/users/:id/export': ({ other }) => ['GET', `users/${other}/export`],
    'GET /v1/users/:id/export, their own': ({ me }) => ['GET', `users/${me}/export`],
    'POST /v1/users/:id/token': ({ other }) => ['POST', `users/${other}/token`, {}],
    'POST /v1/users/:id/disconnect': ({ other }) => ['POST', `users/${other}/disconnect`],
    'POST /v1/conversations': () => ['POST', 'conversations', { type: 'group' }],
    'GET /v1/conversations': () => ['GET', 'conversations'],
    'GET /v1/conversations, of another user': ({ other }) => ['GET', `conversations?user=${other}`],
    'GET /v1/conversations/:c': ({ c }) => ['GET', c],
    'GET /v1/conversations/:c, public': ({ c }) => ['GET', c],
    'PATCH /v1/conversations/:c': ({ c }) => ['PATCH', c, { name: 'x' }],
    'DELETE /v1/conversations/:c': ({ c }) => ['DELETE', c],
    'GET /v1/conversations/:c/members': ({ c }) => ['GET', `${c}/members`],
    'GET /v1/conversations/:c/presence': ({ c }) => ['GET', `${c}/presence`],
    'PUT /v1/conversations/:c/members/:user, a new member': ({ c, fresh }) => ['PUT', `${c}/members/${fresh}`, {}],
    'PUT /v1/conversations/:c/members/:user, a new moderator': ({ c, fresh }) => ['PUT', `${c}/members/${fresh}`, { role: 'moderator' }],
    'PUT /v1/conversations/:c/members/:user, an owner to be none': ({ c, boss }) => ['PUT', `${c}/members/${boss}`, { role: 'member' }],
    'PUT /v1/conversations/:c/members/:user, themselves, public': ({ c, me }) => ['PUT', `${c}/members/${me}`, {}],
    'DELETE /v1/conversations/:c/members/:user, a member': ({ c, other }) => ['DELETE', `${c}/members/${other}`],
    'DELETE /v1/conversations/:c/members/:user, an owner': ({ c, boss }) => ['DELETE', `${c}/members/${boss}`],
    'DELETE /v1/conversations/:c/members/:user, themselves': ({ c, me }) => ['DELETE', `${c}/members/${me}`],
    'POST /v1/conversations/:c/messages': ({ c }) => ['POST', `${c}/messages`, { content: 'x' }],
    'POST /v1/conversations/:c/messages, public': ({ c }) => ['POST', `${c}/messages`, { content: 'x' }],
    'POST /v1/conversations/:c/messages, from another': ({ c, other }) => ['POST', `${c}/messages`, { from: other, content: 'x' }],
    'GET /v1/conversations/:c/messages': ({ c }) => ['GET', `${c}/messages`],
    'GET /v1/conversations/:c/messages, public': ({ c }) => ['GET', `${c}/messages`],
    "PATCH /v1/conversations/:c/messages/:seq, another's": ({ c, seq }) => ['PATCH', `${c}/messages/${seq}`, { content: 'y' }],
    "DELETE /v1/conversations/:c/messages/:seq, another's": ({ c, seq }) => ['DELETE', `${c}/messages/${seq}`],
    'PATCH /v1/conversations/:c/messages/:seq, their own': ({ c, own }) => ['PATCH', `${c}/messages/${own}`, { content: 'y' }],
    'DELETE /v1/conversations/:c/messages/:seq, their own': ({ c, own }) => ['DELETE', `${c}/messages/${own}`],
    'POST /v1/broadcast': ({ id }) => ['POST', 'broadcast', { conversations: [id], message: { content: 'x' } }],
    'GET /v1/presence': ({ other }) => ['GET', `presence?users=${other}`],
    'GET /v1/search': () => ['GET', 'search?q=tea'],
    'GET /v1/uploads/room': () => ['GET', 'uploads/room?bytes=1'],
    'POST /v1/uploads': () => ['POST', 'uploads', multipart, { 'content-type': 'multipart/form-data; boundary=b' }],
  };

  it('each cell of the table of who may do what is so', async () => {
    const keys = {}, people = {};
    for (const scope of ['read', 'write', 'admin'])
      keys[scope] = (await stack.chaguan('key', 'add', `only-${scope}`, '--scope', scope)).stdout.trim();
    const cell = async (label, column) => {
      const [other, boss, fresh] = ['other', 'boss', 'fresh'].map((name) => unique(name));
      people[column] ??= { me: unique('me') };
      const { me } = people[column];
      const token = keys[column] ?? (people[column].token ??= await user(me));
      if (!label.includes('/:c') && !label.includes('broadcast')) await call('PUT', `users/${other}`, { body: {} });
      if (label.includes('a new')) await call('PUT', `users/${fresh}`, { body: {} });
      const { id } = label.includes('/:c') || label.includes('broadcast')
        ? await fine(call('POST', 'conversations', { body: { type: label.endsWith('public') ? 'public' : 'group', members: [other] } }), 201) : {};
      const c = `conversations/${id}`;
      const seat = (who, role) => call('PUT', `${c}/members/${who}`, { body: { role } });
      if (label.includes('an owner')) await seat(boss, 'owner');
      const { seq } = label.includes(':seq')
        ? await fine(call('POST', `${c}/messages`, { body: { from: other, content: 'x' } }), 201) : {};
      let own = seq;
      if (!keys[column] && label.includes('messages/:seq, their own')) { // said while they could
        await seat(me, 'member');
        own = (await fine(call('POST', `${c}/messages`, { as: token, body: { content: 'mine' } }), 201)).seq;
        await call('DELETE', `${c}/members/${me}`);
      }
      if (id && !keys[column] && column !== 'stranger') await seat(me, column);
      const [method, where, body, headers] = asked[label]({ c, id, me: keys[column] ? other : me, other, boss, fresh, seq, own });
      const { status, json } = await call(method, where, { as: token, body, headers });
      if (label === 'DELETE /v1/users/:id, their own') delete people[column];
      return status < 300 || json.error.code === 'search_off' ? 'yes' : json.error.code; // the latter: let in, and off here
    };
    const told = table('platform.md');
    const bare = ([label, ...cells]) => [label.split(/[,，]/)[0], ...cells];
    assert.deepEqual(table('platform.zh.md').map(bare), told.map(bare), 'the same in both languages');
    assert.deepEqual(told.map(([label]) => label), Object.keys(asked), 'the rows of the table');
    const calls = new Set(Object.keys(asked).map((label) => label.split(',')[0]));
    for (const { verb, path: of, call: is } of described.calls)
      if (is['x-scope']) assert.ok(calls.has(`${verb.toUpperCase()} ${of.replace(/\{(\w+)\}/g, ':$1')}`), `${verb} ${of} is in no row`);
    const wrong = [];
    for (const [label, ...cells] of told) {
      const got = await Promise.all(COLUMNS.map((column) => cell(label, column)));
      if (got.some((is, i) => is !== cells[i])) wrong.push(`| \`${label.replace(',', '\`,').replace(/^([^,]*)$/, '$1\`')} | ${got.join(' | ')} |`);
    }
    assert.deepEqual(wrong, []);
    for (const scope of Object.keys(keys)) await stack.chaguan('key', 'revoke', `only-${scope}`);
  });

  it('a public one is read by every user of the application, and joined by themselves', async () => {
    const id = unique('public');
    await fine(call('POST', 'conversations', { body: { id, type: 'public', name: '大厅' } }), 201);
    const name = unique('visitor');
    const token = await user(name);
    assert.equal((await fine(call('GET', `conversations/${id}`, { as: token }))).name, '大厅');
    await refused(call('POST', `conversations/${id}/messages`, { as: token, body: { content: 'x' } }), 403, 'not_member');
    await refused(call('PUT', `conversations/${id}/members/${name}`, { as: token, body: { role: 'owner' } }), 403, 'role');
    await fine(call('PUT', `conversations/${id}/members/${name}`, { as: token, body: {} }), 201);
    await fine(call('POST', `conversations/${id}/messages`, { as: token, body: { content: 'x' } }), 201);
  });

  it('messages: said, read page by page, changed and taken back', async () => {
    const { id } = await group({ members: ['m1', 'm2'] });
    const at = `conversations/${id}/messages`;
    const first = await fine(call('POST', at, { body: { from: 'm1', content: 'one', meta: { a: '茶' }, client_id: 'c1' } }), 201);
    assert.deepEqual(await fine(call('POST', at, { body: { from: 'm1', content: 'one', meta: { a: '茶' }, client_id: 'c1' } })), first);
    await refused(call('POST', at, { body: { from: 'm1', content: 'two', client_id: 'c1' } }), 409, 'client_id');
    const reply = await fine(call('POST', at, { body: { content: 'closed at 10', reply_to: first.seq } }), 201);
    const { items } = await fine(call('GET', at));
    assert.deepEqual(items.map(({ from, seq, content, meta, reply_to: to }) => [from.id, from.name, seq, content, meta, to]), [
      ['m1', 'm1', first.seq, 'one', { a: '茶' }, undefined], [undefined, 'system', reply.seq, 'closed at 10', undefined, first.seq]]);
    await fine(call('PATCH', `${at}/${reply.seq}`, { body: { content: 'closed at 11' } }));
    assert.equal((await fine(call('GET', `${at}?after=${first.seq}&limit=1`))).items[0].content, 'closed at 11');
    await fine(call('DELETE', `${at}/${first.seq}`));
    assert.equal((await fine(call('GET', `${at}?before=${reply.seq}`))).items[0].recalled, true);
    await refused(call('DELETE', `${at}/${first.seq}`), 404, 'no_such_message');
    await refused(call('POST', at, { body: { from: 'nobody at all', content: 'x' } }), 404, 'no_such_user');
    await refused(call('POST', at, { body: { content: 'x', reply_to: 99 } }), 400, 'bad_argument');
    const list = await fine(call('GET', 'conversations?user=m2'));
    assert.deepEqual(list.items.map(({ id: of, unread, role, muted, last }) => [of, unread, role, muted, last.content]),
      [[id, 1, 'member', false, 'closed at 11']]);
    assert.equal(list.next, null);
  });

  describe('a call with an Idempotency-Key', () => {
    const keyed = (path, body, name, as = key) => call('POST', path, { as, body, headers: { 'idempotency-key': name } });
    const said = (text) => stack.count('SELECT COUNT(*) FROM message WHERE content = ?', [text]);

    it('is carried out once, however many make it at once, and answered in the same way afterwards', async () => {
      const { id } = await group({ members: ['i1'] });
      const path = `conversations/${id}/messages`, text = unique('once'), name = unique('key');
      const ask = () => keyed(path, { content: text }, name);
      const answers = await Promise.all(Array.from({ length: 50 }, ask));
      const [first] = answers.filter(({ status }) => status === 201);
      for (const { status, json, text: told } of answers)
        if (status === 409) {
          assert.equal(json.error.code, 'in_progress');
          assert.ok(json.error.retry_after_ms > 0);
        } else {
          assert.deepEqual([status, json], [201, first.json], told);
        }
      const again = await ask();
      assert.deepEqual([again.status, again.text], [201, first.text]);
      assert.equal(await said(text), 1);
      await refused(keyed(path, { content: `${text}!` }, name), 422, 'key_reused');
      await refused(keyed('broadcast', { content: text }, name), 422, 'key_reused');
      const others = await fine(keyed(path, { content: text }, name, await user('i1')), 201); // a user's keys are their own
      assert.equal(others.seq, first.json.seq + 1);
      await refused(keyed(path, { content: text }, 'k'.repeat(256)), 400, 'bad_argument');
      await refused(keyed(path, { content: text }, 'k\u00e9'), 400, 'bad_argument');
    });

    it('makes one conversation without an id of its own, and speaks once in many', async () => {
      const name = unique('key');
      const made = await Promise.all(Array.from({ length: 50 }, () => keyed('conversations', { type: 'group', name }, name)));
      assert.deepEqual([...new Set(made.map(({ status }) => status))].filter((status) => status !== 409), [201]);
      assert.equal(await stack.count('SELECT COUNT(*) FROM app_conversation WHERE title = ?', [name]), 1);
      const { id } = made.find(({ status }) => status === 201).json;
      const { id: other } = await group();
      const all = { conversations: [id, other, 'nowhere'], message: { content: unique('all') } };
      const first = await fine(keyed('broadcast', all, unique('x')));
      const key2 = unique('key');
      const second = await fine(keyed('broadcast', all, key2));
      assert.deepEqual(await fine(keyed('broadcast', all, key2)), second);
      assert.deepEqual(second.items.map(({ seq }) => seq), first.items.map(({ seq }) => seq && seq + 1));
      assert.equal(await said(all.message.content), 4);
    });

    it('keeps what was refused for good, and neither a token nor what was refused for now', async () => {
      const { id } = await group();
      const path = `conversations/${id}/messages`, name = unique('key');
      await refused(keyed(path, { content: 'x', from: 'later' }, name), 404, 'no_such_user');
      await call('PUT', 'users/later', { body: {} });
      await refused(keyed(path, { content: 'x', from: 'later' }, name), 404, 'no_such_user');
      const token = unique('key');
      for (let i = 0; i < 2; i++) assert.ok((await fine(keyed('users/later/token', {}, token))).token);
      assert.equal(await stack.count('SELECT COUNT(*) FROM idempotency WHERE call_key = ? AND status IS NULL AND answer IS NULL'
        + ' AND holder = 0', [token]), 1);
    });

    it('makes nothing twice when the process ended between what it did and the keeping of its answer', async () => {
      const { id, public_id: room } = await group();
      const path = `conversations/${id}/messages`, text = unique('crash'), name = unique('key');
      const [one, other] = [await stack.database(), await stack.database()];
      try {
        await one.query('START TRANSACTION');
        await one.query('SELECT id FROM conversation WHERE public_id = ? FOR UPDATE', [room]);
        const lost = keyed(path, { content: text }, name).catch((error) => error);
        await eventually(() => stack.count('SELECT COUNT(*) FROM idempotency WHERE call_key = ?', [name]), 'the call to begin');
        await other.query('START TRANSACTION');
        await other.query('SELECT call_key FROM idempotency WHERE call_key = ? FOR UPDATE', [name]);
        await one.query('ROLLBACK');
        const waiting = () => stack.sql("SELECT id FROM information_schema.processlist WHERE info LIKE 'UPDATE idempotency SET status%'");
        const [{ id: connection }] = await eventually(async () => {
          const rows = await waiting();
          return rows.length && rows;
        }, 'the answer to be kept');
        assert.equal(await said(text), 1);
        await stack.kill('rest');
        await other.query(`KILL ${connection}`);
        await eventually(async () => !(await waiting()).length, 'the connection to end');
        await other.query('ROLLBACK');
        assert.notEqual((await lost).status, 201);
      } finally {
        await one.end();
        await other.end();
      }
      await stack.startPart('rest');
      await refused(keyed(path, { content: text }, name), 409, 'in_progress');
      await stack.sql('UPDATE idempotency SET held_at = UTC_TIMESTAMP(3) - INTERVAL 61 SECOND WHERE call_key = ?', [name]);
      const found = await fine(keyed(path, { content: text }, name));
      assert.deepEqual([found.seq, await said(text)], [1, 1]);
      assert.deepEqual(await fine(keyed(path, { content: text }, name)), found);
    });

    it('is forgotten after a day', async () => {
      const { id } = await group();
      const path = `conversations/${id}/messages`, names = [unique('key'), unique('key')];
      for (const name of names) await fine(keyed(path, { content: 'x' }, name), 201);
      await stack.sql('UPDATE idempotency SET created_at = UTC_TIMESTAMP(3) - INTERVAL 25 HOUR WHERE call_key IN (?)', [names]);
      assert.equal((await fine(keyed(path, { content: 'y' }, names[0]), 201)).seq, 3);
      await stack.stopPart('worker1');
      await stack.startPart('worker1');
      await eventually(async () => !(await stack.count('SELECT COUNT(*) FROM idempotency WHERE call_key = ?', [names[1]])),
        'the worker to remove it');
    });
  });

  it('what it has looked up is not written into a database that was put back meanwhile, where numbers are others\'', async () => {
    const [late, other] = [unique('late'), unique('other')], text = unique('whose');
    const { id, public_id: room } = await group({ members: [other] });
    const [header, claims] = readToken(await user(other));
    const token = makeToken({ ...claims, sub: late }, fs.readFileSync(path.join(dir, 'shop.secret'), 'utf8').trim(), { header });
    const body = JSON.stringify({ content: text });
    const asked = { path: `/v1/conversations/${room}/messages`, contentLength: body.length, named: { HTTP_AUTHORIZATION: `Bearer ${token}` } };
    const numberOf = async (name) => (await stack.sql('SELECT id FROM user WHERE realm = 5 AND name = ?', [name]))[0]?.id;
    const begun = await fastcgiBegin(stack.file('rest.sock'), asked); // its token is looked at before its body has come
    const number = await eventually(() => numberOf(late), 'who the token speaks of');
    await eventually(() => stack.count('SELECT COUNT(*) FROM user WHERE id = ? AND created_at < UTC_TIMESTAMP(3) - INTERVAL 1200000 MICROSECOND',
      [number]), 'a pause after which a connection that has ended is made anew');
    await call('PUT', `conversations/${id}/members/${late}`, { body: {} });
    const swapped = await numberOf(other);
    const connection = await stack.database();
    await connection.query('START TRANSACTION');
    for (const [who, name] of [[number, '-'], [swapped, late], [number, other]])
      await connection.query('UPDATE user SET name = ? WHERE id = ?', [name, who]);
    await connection.query('COMMIT');
    const [others] = await connection.query('SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = DATABASE()');
    for (const { id: of } of others) await connection.query(`KILL ${of}`).catch(() => {});
    await connection.end();
    const answer = await fastcgiEnd(begun, body);
    assert.deepEqual(await stack.sql('SELECT sender FROM message WHERE content = ?', [text]), [], 'nothing is said by another');
    assert.equal(answer.status, 504, answer.text); // the call has made the user
    const again = await fastcgi(stack.file('rest.sock'), { ...asked, body });
    assert.equal(again.status, 201, again.text);
    assert.deepEqual(await stack.sql('SELECT sender FROM message WHERE content = ?', [text]), [{ sender: swapped }]);
    assert.equal((await fine(call('GET', `conversations/${id}/messages`))).items[0].from.id, late);
  });

  it('what the application says under a client_id is said once, by many at once, too', async () => {
    const { id } = await group();
    const body = { content: unique('system'), client_id: 'c' };
    const answers = await Promise.all(Array.from({ length: 20 }, () => call('POST', `conversations/${id}/messages`, { body })));
    assert.deepEqual(answers.map(({ status, json }) => [status, json.seq]).sort((a, b) => b[0] - a[0]),
      [[201, 1], ...Array(19).fill([200, 1])]);
    await refused(call('POST', `conversations/${id}/messages`, { body: { ...body, content: 'other' } }), 409, 'client_id');
  });

  it('lists go on where they ended', async () => {
    const { id } = await group({ members: Array.from({ length: 7 }, (_, i) => `p${i}`) });
    const seen = [];
    let cursor = '';
    do {
      const page = await fine(call('GET', `conversations/${id}/members?limit=3${cursor}`));
      seen.push(...page.items.map((item) => item.id));
      cursor = page.next && `&cursor=${page.next}`;
    } while (cursor);
    assert.deepEqual(seen, ['p0', 'p1', 'p2', 'p3', 'p4', 'p5', 'p6']);
    await refused(call('GET', `conversations/${id}/members?limit=101`), 400, 'bad_argument');

    // a user's own, whatever else the user is a member of, and whatever was deleted
    const busy = unique('busy'), ids = [];
    for (let i = 0; i < 6; i++) {
      ids.unshift((await group({ members: [busy] })).id);
      const { roomId } = await enter(stack, unique('room'), unique('nick'));
      await stack.sql(`INSERT INTO member (conversation, user, joined_at) SELECT c.id, u.id, UTC_TIMESTAMP(3)
        FROM conversation c, user u WHERE c.public_id = ? AND u.realm = 5 AND u.name = ?`, [roomId, busy]);
    }
    await stack.sql('UPDATE app_conversation SET deleted_at = UTC_TIMESTAMP(3) WHERE conversation = ' +
      '(SELECT id FROM conversation WHERE kind = 6 AND name = ?)', [ids.splice(2, 1)[0]]);
    const own = [];
    cursor = '';
    do {
      const page = await fine(call('GET', `conversations?user=${busy}&limit=2${cursor}`));
      own.push(...page.items.map((item) => item.id));
      cursor = page.next && `&cursor=${page.next}`;
    } while (cursor);
    assert.deepEqual(own, ids);
  });

  it('the application says something in many conversations, and in a chatroom, live on every relay', async () => {
    const seat = await enter(stack, unique('room'), unique('nick'));
    const near = await Client.join(stack, seat, { relay: 1 });
    const far = await Client.join(stack, await enter(stack, seat.roomName, unique('far')), { relay: 2 });
    const { id } = await group();
    const text = unique('say');
    const { items } = await fine(call('POST', 'broadcast', { body: { conversations: [id, seat.roomId, 'nowhere'],
      message: { content: text } } }));
    assert.deepEqual(items.map(({ conversation, seq, error }) => [conversation, seq > 0, error?.code]),
      [[id, true, undefined], [seat.roomId, true, undefined], ['nowhere', false, 'not_found']]);
    for (const client of [near, far])
      await eventually(() => client.frames.some((frame) => frame.includes(text)), 'the message');
    near.close();
    far.close();
  });

  it('its users talk over the native protocol; who is put out is out on every relay, and reads nothing of later', async () => {
    const [ann, bob] = [unique('ann'), unique('bob')];
    const tokens = [await user(ann, { name: 'Ann' }), await user(bob)];
    const { id, public_id: room, ch } = await group({ id: unique('茶 order'), members: [ann, bob] });
    const [one, other] = [await Native.hello(stack, { token: tokens[0] }, { relay: 1 }),
      await Native.hello(stack, { token: tokens[1] }, { relay: 2, resume: [{ room: id }, { room: unique('nowhere') }] })];
    assert.deepEqual(other.welcome.joined.map((place) => [place.ch, place.error?.code]), [[ch, undefined], [undefined, 'not_found']]);
    for (const named of [room, id]) assert.deepEqual([await one.must('join', { room: named })].map((place) => [place.room, place.ch]), [[named, ch]]);
    assert.deepEqual((await other.must('unread', { rooms: [room, id] })).rooms.map((place) => place.ch), [ch, ch]);
    await one.must('send', { room, content: 'hello', client_id: unique('c') });
    assert.equal((await other.nextEvent((event) => event.ev === 'message', 'hello')).name, 'Ann');
    await fine(call('POST', `conversations/${id}/messages`, { body: { content: 'from the shop' } }), 201);
    for (const client of [one, other])
      assert.equal((await client.nextEvent((event) => event.content === 'from the shop', 'the shop')).name, 'system');
    await fine(call('PUT', `conversations/${id}/members/${bob}`, { body: { role: 'reader' } }));
    await other.nextEvent((event) => event.ev === 'kicked', 'a new role');
    await other.must('join', { room: id });
    assert.equal(await other.refused('send', { room, content: 'x', client_id: unique('c') }), 'role');
    let sent = 0; // while messages flow
    const talk = (async () => {
      for (; sent < 20; sent++) await one.must('send', { room, content: `m${sent}`, client_id: unique('c') });
    })();
    await fine(call('DELETE', `conversations/${id}/members/${bob}`), 204);
    await other.nextEvent((event) => event.ev === 'kicked', 'word of it');
    await talk;
    const after = unique('later');
    await one.must('send', { room, content: after, client_id: unique('c') });
    await one.nextEvent((event) => event.content === after, 'its own');
    assert.equal(await other.refused('join', { room }), 'not_found');
    assert.equal(await other.refused('history', { room: id }), 'not_found');
    assert.ok(!other.frames.some((frame) => frame.includes(after)));
    const hall = await fine(call('POST', 'conversations', { body: { id: unique('hall'), type: 'public', name: 'hall' } }), 201);
    await other.must('join', { room: hall.id });
    assert.deepEqual((await fine(call('GET', `conversations/${hall.id}/members`))).items.map((item) => item.id), [bob]);
    await fine(call('DELETE', `conversations/${hall.id}`), 204);
    await other.nextEvent((event) => event.ev === 'kicked', 'the end of the hall');
    assert.equal(await other.refused('join', { room: hall.public_id }), 'not_found');
    one.close();
    other.close();
  });

  it('its users make conversations over the native protocol, and change who is in them, as their roles allow', async () => {
    const roles = ['owner', 'moderator', 'member', 'reader', 'stranger'];
    const ids = Object.fromEntries([...roles, 'new', 'nobody'].map((role) => [role, unique(role)]));
    const tokens = await Promise.all([...roles, 'new'].map((role) => user(ids[role], role === 'member' ? { name: 'Mem', face: 'https://x.test/m.png' } : {})));
    const at = {};
    for (const [i, role] of [...roles, 'new'].entries()) at[role] = await Native.hello(stack, { token: tokens[i] }, { relay: i % 2 + 1 });
    const { owner, stranger } = at;

    // made once, whoever repeats it, on whatever relay
    const room = unique('order 茶');
    const wish = { room, type: 'group', name: 'Order', meta: { a: [1] }, members: [ids.member] };
    const made = await owner.must('create', wish);
    assert.deepEqual([made.id, made.type, made.name, made.meta, made.role, made.made], [room, 'group', 'Order', { a: [1] }, 'owner', true]);
    const twice = await Native.hello(stack, { token: tokens[0] }, { relay: 2 });
    const again = await Promise.all([owner, twice, owner, twice].map((native) => native.must('create', wish)));
    assert.deepEqual(again.map(({ made: anew, ...rest }) => [anew, rest.ch, rest.public_id]), again.map(() => [false, made.ch, made.public_id]));
    assert.deepEqual((await fine(call('GET', `conversations/${encodeURIComponent(room)}/members`))).items.map(({ id, role }) => [id, role]).sort(),
      [[ids.member, 'member'], [ids.owner, 'owner']].sort());
    assert.equal(await stranger.refused('create', wish), 'conflict');
    assert.equal(await owner.refused('create', { ...wish, type: 'public' }), 'conflict');
    for (const bad of [{ type: 'room' }, {}, { type: 'group', room: 'room_x' }, { type: 'direct' }, { type: 'group', members: ['a\u0001'] }, { type: 'group', meta: 7 }])
      assert.equal(await owner.refused('create', bad), 'bad_argument', JSON.stringify(bad));
    assert.equal(await owner.refused('create', { type: 'group', members: [ids.nobody] }), 'no_such_user');
    const two = await Promise.all([[owner, ids.member], [at.member, ids.owner]].map(([native, other]) => native.must('create', { type: 'direct', members: [other] })));
    assert.equal(two[0].ch, two[1].ch, 'one for the two');

    // who may what: each of those that are there tries it, by turns on two relays
    for (const [role, as] of [['moderator', owner], ['reader', owner]])
      assert.deepEqual([(await as.must('invite', { room, user: ids[role], role }))].map((told) => [told.id, told.role, told.made]), [[ids[role], role, true]]);
    assert.deepEqual(await owner.must('invite', { room, user: ids.member }).then((told) => [told.role, told.made]), ['member', false]);
    const may = { owner: 'ok', moderator: 'ok', member: 'role', reader: 'role', stranger: 'not_found' };
    const code = async (native, cmd, fields) => ((answer) => answer.error?.code ?? 'ok')(await native.ask(cmd, { room, ...fields }));
    for (const role of roles) {
      const high = role === 'owner' || may[role] !== 'ok' ? may[role] : 'role';
      assert.equal(await code(at[role], 'invite', { user: ids.new }), may[role], `${role} invites`);
      assert.equal(await code(at[role], 'remove', { user: may[role] === 'ok' ? ids.new : ids.moderator }), may[role], `${role} removes`);
      if (role !== 'owner') assert.equal(await code(at[role], 'invite', { user: ids.member, role: 'moderator' }), high, `${role} raises`);
      if (role !== 'owner') assert.equal(await code(at[role], 'remove', { user: ids.owner }), high, `${role} removes the owner`);
    }
    assert.equal(await owner.refused('remove', { room, user: ids.stranger }), 'not_member');
    assert.equal(await owner.refused('invite', { room, user: ids.nobody }), 'no_such_user');
    assert.equal(await owner.refused('quit', { room: two[0].public_id }), 'direct');
    assert.equal(await owner.refused('invite', { room: two[0].public_id, user: ids.new }), 'direct');

    // who is put out, or goes, is out on every relay
    await owner.must('invite', { room, user: ids.new });
    const elsewhere = await Native.hello(stack, { token: tokens[5] }, { relay: 1 });
    for (const native of [at.new, elsewhere]) await native.join(room);
    await at.moderator.must('remove', { room, user: ids.new });
    for (const native of [at.new, elsewhere]) assert.equal((await native.event('kicked')).reason, 'revoked');
    assert.equal(await at.new.refused('join', { room }), 'not_found');
    await at.reader.join(made.public_id);
    await at.reader.must('quit', { room });
    await at.reader.event('kicked');
    assert.equal(await at.reader.refused('quit', { room }), 'not_found');

    // a public one is not entered by who only goes
    const hall = await owner.must('create', { room: unique('hall'), type: 'public' });
    for (const [cmd, fields] of [['quit', {}], ['remove', { user: ids.owner }], ['invite', { user: ids.new }]])
      assert.equal(await stranger.refused(cmd, { room: hall.id, ...fields }), 'not_found', cmd);
    assert.equal((await fine(call('GET', `conversations/${hall.id}/members`))).items.length, 1);
    await stranger.join(hall.id);
    assert.equal(await stranger.refused('invite', { room: hall.id, user: ids.new }), 'role');
    await stranger.must('quit', { room: hall.id });

    // mine
    const said = await at.member.send(room, 'the latest');
    const mine = async (native, fields) => native.must('conversations', fields);
    const all = await mine(owner);
    assert.deepEqual([all.items.map(({ ch }) => ch), all.next], [[hall.ch, two[0].ch, made.ch], null]);
    assert.deepEqual(all.items[1].partner, { uid: at.member.welcome.uid, id: ids.member, name: 'Mem', face: 'https://x.test/m.png', online: true });
    const { role, muted, unread, last } = all.items[2];
    assert.deepEqual([role, muted, unread, last], ['owner', false, 1, { seq: said.seq, ts: said.ts, name: 'Mem', content: 'the latest' }]);
    const listed = await fine(call('GET', 'conversations', { as: tokens[0] }));
    const offline = ({ partner, ...line }) => (partner ? { ...line, partner: { ...partner, online: undefined } } : line);
    assert.deepEqual(JSON.parse(JSON.stringify(all.items.map(offline))), listed.items, 'as the server API has it');
    const pages = [];
    for (let next = await mine(owner, { limit: 2 }); ; next = await mine(owner, { limit: 2, cursor: next.next })) {
      pages.push(next.items.map(({ ch }) => ch));
      if (!next.next) break;
    }
    assert.deepEqual(pages, [[hall.ch, two[0].ch], [made.ch]]);
    at.member.close();
    await eventually(async () => !(await mine(owner)).items[1].partner.online, 'the partner goes');
    for (const native of [...Object.values(at), twice, elsewhere]) native.close();
  });

  it('a user takes along what is stored of them, and nothing of what others said', async () => {
    const [ann, bob] = [unique('ann'), unique('bob')];
    const token = await user(ann, { name: 'Ann', face: 'https://x.test/a.png', meta: { plan: 'gold' } });
    const { id } = await group({ id: unique('order'), name: 'Order', members: [ann, bob] });
    const pair = await fine(call('POST', 'conversations', { body: { type: 'direct', members: [ann, bob] } }), 201);
    const left = await group({ members: [ann] });
    const file = `${'0123456789abcdef'.repeat(2)}.png`;
    await stack.sql("INSERT INTO media (name, kind, bytes, created_at) VALUES (?, 'image/png', 7, UTC_TIMESTAMP(3))", [file]);
    const say = (to, from, content, more = {}) =>
      fine(call('POST', `conversations/${to}/messages`, { body: { from, content, ...more } }), 201);
    for (let i = 0; i < 3; i++) await say(id, ann, `said ${i}`);
    await Promise.all(Array.from({ length: 105 }, (_, i) => // more than a piece of it has, and more than an answer
      say(id, i % 50 === 7 ? bob : ann, `said ${i}${i < 30 ? 'x'.repeat(40_000) : ''}`)));
    const photo = await say(id, ann, `/media/${file}`, { kind: 'image', meta: { a: '茶' }, reply_to: 1 });
    await say(pair.id, bob, 'a secret of bob');
    await say(left.id, ann, 'before I went');
    await fine(call('PATCH', `conversations/${id}/messages/1`, { body: { content: 'edited' } }));
    await fine(call('DELETE', `conversations/${id}/messages/2`));
    await fine(call('DELETE', `conversations/${left.id}/members/${ann}`), 204);
    await stack.sql('INSERT INTO reaction (conversation, seq, user, emoji) SELECT c.id, 1, u.id, ? FROM conversation c, user u ' +
      'WHERE c.name = ? AND u.realm = 5 AND u.name = ?', ['👍', id, ann]);

    const lines = [];
    let pieces = 0;
    for (let cursor = ''; cursor !== undefined; pieces++) {
      const answer = await call('GET', `users/${ann}/export${cursor && `?cursor=${cursor}`}`, { as: pieces % 2 ? key : token });
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.headers['content-type'], 'application/x-ndjson');
      lines.push(...answer.text.trim().split('\n').map((line) => JSON.parse(line)));
      cursor = lines.at(-1).type === 'next' ? lines.pop().cursor : undefined;
    }
    const of = (type) => lines.filter((line) => line.type === type);
    assert.deepEqual([lines[0].type, lines[0].user, lines.at(-1)], ['export', ann, { type: 'end' }]);
    const [{ created, ...profile }] = of('user');
    assert.ok(Date.now() - created < 60_000);
    assert.deepEqual(profile, { type: 'user', id: ann, name: 'Ann', face: 'https://x.test/a.png', role: 'user', meta: { plan: 'gold' } });
    assert.deepEqual(of('conversation').map((line) => [line.id, line.kind, line.name, line.users?.sort()]),
      [[id, 'group', 'Order', undefined], [pair.id, 'direct', undefined, [ann, bob].sort()]]);
    assert.deepEqual(of('member').map((line) => [line.conversation, line.user, line.role]),
      [[id, ann, 'member'], [pair.id, ann, 'member']]);
    assert.equal(pieces, 2);
    assert.equal(of('message').length, 3 + 105 - 2 + 2);
    assert.deepEqual(of('message').slice(0, 3).map(({ seq, content, edited, recalled }) => [seq, content, edited, recalled]),
      [[1, 'edited', 110, undefined], [2, undefined, undefined, true], [3, 'said 2', undefined, undefined]]);
    const { ts, ...sent } = of('message').at(-2);
    assert.deepEqual([ts, sent], [photo.ts, { type: 'message', conversation: id, seq: photo.seq, kind: 'image', from: ann, name: 'Ann',
      content: `/media/${file}`, meta: { a: '茶' }, reply_to: 1 }]);
    assert.deepEqual(of('message').at(-1).content, 'before I went');
    assert.deepEqual(of('event').map(({ kind, data }) => [kind, data]), [['edit', { of: 1, content: 'edited' }], ['recall', { of: 2 }], ['removed', {}]]);
    assert.deepEqual(of('reaction'), [{ type: 'reaction', conversation: id, seq: 1, user: ann, emoji: '👍' }]);
    assert.deepEqual(of('media').map(({ url, seq, kind, bytes }) => [url, seq, kind, bytes]), [[`/media/${file}`, photo.seq, 'image/png', 7]]);
    assert.ok(!JSON.stringify(lines).includes('secret of bob'));

    const [told, everything] = [await stack.chaguan('user', 'export', ann), await stack.chaguan('export')]
      .map(({ code, stdout }) => [code, stdout.trim().split('\n').map((line) => JSON.parse(line))]);
    assert.deepEqual([told[0], told[1].slice(1)], [0, lines.slice(1)]);
    assert.equal(everything[0], 0);
    assert.ok(everything[1].some((line) => line.content === 'a secret of bob' && line.from === bob));
    for (const line of lines.slice(1, -1)) // what is of one user is a part of the whole
      assert.ok(everything[1].some((other) => JSON.stringify(other) === JSON.stringify(line)), JSON.stringify(line));
    await refused(call('GET', `users/${bob}/export`, { as: token }), 404, 'not_found');
    await refused(call('GET', `users/${ann}/export`, { as: null }), 401, 'token_missing');
    for (const cursor of ['x', '3.1', '9.0.0.', '3.1.1.zz', '-1.0.0.'])
      await refused(call('GET', `users/${ann}/export?cursor=${cursor}`), 400, 'bad_argument');
    assert.equal((await stack.chaguan('user', 'export', unique('nobody'))).code, 2);
  });

  it('each event of the native protocol says whose it is: live, in histories, on coming back', async () => {
    const face = 'https://shop.test/ann.png';
    const [id, plain] = [unique('茶 user'), unique('plain')];
    const tokens = [await user(id, { name: 'Ann', face }), await user(plain)];
    const { public_id: room } = await group({ members: [id, plain] });
    const [one, other] = [await Native.hello(stack, { token: tokens[0] }, { relay: 1 }),
      await Native.hello(stack, { token: tokens[1] }, { relay: 2 })];
    assert.deepEqual([one.welcome.id, other.welcome.id], [id, plain]);
    const ann = { uid: one.welcome.uid, id, name: 'Ann', face };
    const { ch, seq: from } = await one.join(room);
    await other.join(room);
    const sent = await one.send(room);
    await one.must('edit', { room, seq: sent.seq, client_id: unique('e'), content: unique('edited') });
    await other.send(room);
    await fine(call('POST', `conversations/${room}/messages`, { body: { from: id, content: unique('by key') } }), 201);
    const last = await fine(call('POST', `conversations/${room}/messages`, { body: { content: unique('system') } }), 201);
    const authors = [ann, ann, { uid: other.welcome.uid, id: plain, name: plain }, ann, { uid: 0, name: 'system' }];
    for (const native of [one, other]) {
      await native.reached(ch, last.seq);
      assert.deepEqual(native.log(ch).map((event) => event.from), authors);
    }
    assert.deepEqual((await one.must('history', { room })).events.map((event) => event.from), authors);
    const back = await Native.hello(stack, { token: tokens[1] }, { relay: 2, resume: [{ room, epoch: 1, seq: from }] });
    await back.reached(ch, last.seq);
    assert.deepEqual(back.log(ch).map((event) => event.from), authors);
    await other.must('typing', { room });
    assert.deepEqual((await one.event('typing')).from, authors[2]);
    await Promise.all([one, other, back].map((native) => native.close()));
  });

  it('tells who is present, over two relays, several tabs and a relay that dies, and nothing while Redis is down', async () => {
    const [ann, bob, idle] = [unique('ann'), unique('b,o%b'), unique('idle')];
    const tokens = [await user(ann), await user(bob), await user(idle)];
    const { id, public_id: room } = await group({ members: [ann, bob] });
    const all = encodeURIComponent([ann, bob, idle, 'nobody at all'].map(encodeURIComponent).join(','));
    const online = async () => (await fine(call('GET', `presence?users=${all}`, { as: reader }))).items
      .map((item) => [item.id, item.online]).filter(([, is]) => is).map(([name]) => name);
    const present = async (as = key, query = '') => (await fine(call('GET', `conversations/${id}/presence${query}`, { as })));
    const soon = (read, expected, what) => eventually(async () => {
      const got = await read();
      return got.length === expected.length && got.every((name, i) => name === expected[i]);
    }, what);
    const inRoom = async () => (await present()).items.map((item) => item.id);
    assert.deepEqual(await online(), []);
    const open = async (token, relay, joins = true) => {
      const client = await Native.hello(stack, { token }, { relay });
      if (joins) await client.must('join', { room, presence: true });
      return client;
    };
    const tabs = [await open(tokens[0], 1), await open(tokens[0], 1), await open(tokens[0], 2)];
    const other = await open(tokens[1], 2);
    const quiet = await open(tokens[2], 2, false); // in no conversation, and online all the same
    await soon(online, [ann, bob, idle], 'all to be online');
    await soon(inRoom, [ann, bob], 'two to be present');
    const first = await present(tokens[0], '?limit=1');
    assert.deepEqual([first.items.length, first.items[0].id], [1, ann]);
    assert.deepEqual((await present(tokens[1], `?limit=1&cursor=${first.next}`)).items[0].id, bob);
    await refused(call('GET', `conversations/${id}/presence`, { as: tokens[2] }), 404, 'not_found');
    await refused(call('GET', `presence?users=${all}`, { as: tokens[0] }), 403, 'key_needed');
    for (const query of ['', '?users=', '?users=a,,b', '?users=%2550%25', `?users=${Array(101).fill('x')}`])
      await refused(call('GET', `presence${query}`), 400, 'bad_argument');
    tabs[0].close();
    tabs[1].close();
    quiet.close();
    await soon(online, [ann, bob], 'who has closed their only connection to be offline');
    await stack.kill('relay2'); // nobody says that they have gone
    await soon(online, [], 'the dead relay\'s to be offline');
    await soon(inRoom, [], 'nobody to be present');
    await stack.startPart('relay2');
    const back = await open(tokens[1], 2);
    await soon(online, [bob], 'who came back');
    await stack.kill('redis', 'STOP');
    try {
      await refused(call('GET', `presence?users=${all}`), 503, 'unavailable');
      await refused(call('GET', `conversations/${id}/presence`), 503, 'unavailable');
    } finally {
      await stack.kill('redis', 'CONT');
    }
    await eventually(async () => (await call('GET', `presence?users=${all}`)).status === 200, 'Redis to be back');
    await soon(online, [bob], 'the truth again');
    for (const client of [other, tabs[2], back]) client.close();
  });

  it('what a message says besides its content is kept as it came, in every conversation, and shown to no other front end', async () => {
    const [ann, bob] = [unique('茶 ann'), unique('bob')];
    const tokens = [await user(ann), await user(bob)];
    const { id, public_id: room } = await group({ members: [ann, bob] });
    const [one, other] = [await Native.hello(stack, { token: tokens[0] }, { relay: 1 }),
      await Native.hello(stack, { token: tokens[1] }, { relay: 2 })];
    const { ch } = await one.join(room);
    await other.join(room);
    const meta = { a: [1, { 'b"': '\u8336</script>' }], n: -0.5, none: null };
    const first = await other.send(room);
    const client_id = unique('c');
    const command = { client_id, meta, reply_to: first.seq, mentions: [bob, one.welcome.uid, bob, other.welcome.uid] };
    const asked = one.command('send', { room, content: 'x', ...command });
    const next = one.command('send', { room, content: 'y', client_id: unique('c') }); // waits for the look-up, too
    const [sent, after] = await Promise.all([asked, next].map((re) => one.answer(re)));
    assert.deepEqual([sent.seq, after.seq], [first.seq + 1, first.seq + 2], JSON.stringify([sent, after]));
    assert.equal((await other.refused('send', { room, content: 'x', client_id: unique('c'), reply_to: after.seq + 9 })), 'bad_argument');
    assert.deepEqual((await one.must('send', { room, content: 'x', ...command })).seq, sent.seq);
    assert.equal(await one.refused('send', { room, content: 'x', ...command, meta: {} }), 'conflict');
    const said = { meta, reply_to: first.seq, mentions: [other.welcome.uid, one.welcome.uid] };
    const besides = (event) => Object.fromEntries(['meta', 'reply_to', 'mentions'].map((name) => [name, event[name]]));
    for (const native of [one, other]) {
      await native.reached(ch, after.seq);
      assert.deepEqual(besides(native.log(ch).find(({ seq }) => seq === sent.seq)), said);
      assert.ok(!('meta' in native.log(ch).at(-1)));
    }
    assert.deepEqual(besides((await one.must('history', { room })).events[1]), said);
    const { items } = await fine(call('GET', `conversations/${id}/messages`));
    assert.deepEqual(besides(items[1]), said);
    const by = await fine(call('POST', `conversations/${id}/messages`, { body: { content: 'z', meta, reply_to: 1 } }), 201);
    await one.reached(ch, by.seq);
    assert.deepEqual([one.log(ch).at(-1).meta, one.log(ch).at(-1).reply_to], [meta, 1]);
    for (const bad of [{ meta: [] }, { meta: { x: 'x'.repeat(5000) } }, { reply_to: 0 }, { reply_to: '1' },
      { mentions: {} }, { mentions: [null] }, { mentions: [''] }, { mentions: [-1] }, { mentions: ['nobody'] }, { mentions: [999999] },
      { mentions: Array(51).fill(bob) }])
      assert.equal(await one.refused('send', { room, content: 'x', client_id: unique('c'), ...bad }), 'bad_argument', JSON.stringify(bad).slice(0, 60));
    await one.must('recall', { room, seq: sent.seq, client_id: unique('r') });
    assert.deepEqual(besides((await one.must('history', { room })).events[1]), { meta: undefined, reply_to: undefined, mentions: undefined });

    await one.send(room, unique('for bob'), { mentions: [bob, one.welcome.uid] }); // an export has it

    // a friend chat keeps the rest of a frame in the same place
    const { friendId, one: friend, other: mate } = await couple(stack);
    const native = await Native.hello(stack, { user: mate.user.userId });
    const { ch: chat } = await native.join(friendId);
    await native.send(friendId, 'about', { meta: { secret: 1 }, mentions: [native.welcome.uid] });
    const heard = await eventually(() => friend.frames.find((frame) => frame.includes('"about"')), 'the message');
    assert.deepEqual([heard.includes('secret'), heard.includes('mentions'), native.log(chat).length > 0], [false, false, true]);
    assert.deepEqual(native.log(chat).at(-1).meta, { secret: 1 });
    const rows = await request(`${stack.url}/api/messages?userId=${friend.user.userId}&friendId=${friendId}`);
    assert.ok(!rows.text.includes('secret'));
    friend.sendJson({ friend: friendId, from: friend.user.userId, to: mate.user.userId, content: 'framed', type: 'text', meta: { mood: 1 }, reply_to: 7 });
    await eventually(() => native.said(chat).includes('framed'), 'the frame');
    assert.deepEqual(besides(native.log(chat).at(-1)), { meta: undefined, reply_to: undefined, mentions: undefined });
    await Promise.all([one, other, native].map((client) => client.close()));
  });

  it('reactions are numbered events, each once, counted in histories, and shown to no other front end', async () => {
    const [ann, bob] = [unique('ann'), unique('bob')];
    const tokens = [await user(ann), await user(bob)];
    const { public_id: room } = await group({ members: [ann, bob] });
    const [one, other] = [await Native.hello(stack, { token: tokens[0] }, { relay: 1 }),
      await Native.hello(stack, { token: tokens[1] }, { relay: 2 })];
    const { ch } = await one.join(room);
    await other.join(room);
    const { seq } = await one.send(room);
    const react = (native, emoji, on = true, more = {}) => native.must('react', { room, seq, emoji, on, ...more });
    const counts = async (native) => (await native.must('history', { room })).events.find((event) => event.seq === seq).reactions;
    // at once, on both relays, each twice: whoever is second changes nothing, and gets no number
    const answers = await Promise.all([one, one, other, other].map((native) => react(native, '👍')));
    assert.deepEqual(answers.map((answer) => [answer.repeated, 'seq' in answer]).sort(),
      [[false, true], [false, true], [true, false], [true, false]]);
    await react(other, '👩‍🍳');
    await react(other, '👩‍🍳', false);
    assert.equal((await react(other, '👩‍🍳', false)).repeated, true);
    const heart = await react(one, '❤️');
    for (const native of [one, other]) {
      await native.reached(ch, heart.seq); // lib/native.mjs sees that no number is left out
      assert.deepEqual(native.log(ch).filter(({ ev }) => ev === 'react').map(({ of, emoji, on }) => [of, emoji, on]),
        [[seq, '👍', true], [seq, '👍', true], [seq, '👩‍🍳', true], [seq, '👩‍🍳', false], [seq, '❤️', true]]);
    }
    assert.deepEqual(one.log(ch).at(-1).from, { uid: one.welcome.uid, id: ann, name: ann });
    assert.deepEqual(await counts(one), { '👍': { count: 2, me: true }, '❤️': { count: 1, me: true } });
    assert.deepEqual(await counts(other), { '👍': { count: 2, me: true }, '❤️': { count: 1, me: false } });
    assert.equal((await one.must('history', { room })).reacted, heart.seq);
    for (const [as, me] of [[tokens[0], true], [tokens[1], false], [reader, null]]) { // over REST likewise; a key is nobody
      const { items, reacted } = await fine(call('GET', `conversations/${room}/messages`, { as }));
      assert.deepEqual(items.map((item) => item.reactions), [{ '👍': { count: 2, me: me !== null }, '❤️': { count: 1, me: me === true } }]);
      assert.equal(reacted, heart.seq);
    }
    const back = await Native.hello(stack, { token: tokens[1] }, { relay: 1, resume: [{ room, epoch: 1, seq }] });
    await back.reached(ch, heart.seq);
    assert.equal(back.log(ch).filter(({ ev }) => ev === 'react').length, 5);
    for (const bad of [{ emoji: 'x' }, { emoji: '' }, { emoji: '1' }, { emoji: '👍👍' }, { emoji: '👍'.repeat(30) }, { emoji: 7 }, { on: 1 },
      { on: undefined }, { seq: 0 }, { seq: 'x' }])
      assert.equal(await one.refused('react', { room, seq, emoji: '👍', on: true, ...bad }), 'bad_argument', JSON.stringify(bad));
    assert.equal(await one.refused('react', { room, seq: 999, emoji: '👍', on: true }), 'not_found');
    assert.equal(await one.refused('react', { room, seq: heart.seq, emoji: '👍', on: true }), 'forbidden');
    const faces = Array.from({ length: 20 }, (_, i) => String.fromCodePoint(0x1f600 + i));
    const more = await Promise.all(faces.map((emoji, i) => (i % 2 ? one : other).ask('react', { room, seq, emoji, on: true })));
    assert.deepEqual(more.map(({ ok, error }) => ok || error.code).sort(), [...Array(18).fill(true), 'too_many', 'too_many'].sort());
    await react(other, '❤️'); // one that is there is no other one
    assert.equal((await fine(call('GET', `conversations/${room}/messages`))).items.length, 1);
    const [{ unread }] = (await other.must('unread', { rooms: [room] })).rooms;
    assert.equal(unread, 1);
    await one.must('recall', { room, seq, client_id: unique('r') });
    assert.equal(await other.refused('react', { room, seq, emoji: '👍', on: false }), 'not_found');
    assert.equal(await counts(other), undefined);
    assert.equal((await fine(call('GET', `conversations/${room}/messages`))).items[0].reactions, undefined);

    const seat = await enter(stack, unique('room'), unique('nick'));
    const chatter = await Client.join(stack, seat, { relay: 1 });
    const native = await Native.hello(stack, { user: seat.nickId });
    const said = await native.send(seat.roomId);
    await native.must('react', { room: seat.roomId, seq: said.seq, emoji: '🍵', on: true });
    const last = unique('last');
    await native.send(seat.roomId, last);
    await eventually(() => chatter.frames.some((frame) => frame.includes(last)), 'what came after it');
    assert.ok(!chatter.frames.some((frame) => frame.includes('🍵')));
    chatter.close();
    await Promise.all([one, other, back, native].map((client) => client.close()));
  });

  it('who comes and goes, and a new name, are numbered events: with the change or not at all, shown to no other list', async () => {
    const [ann, bob, eve] = [unique('ann'), unique('bob'), unique('eve')];
    const tokens = [await user(ann, { name: 'Ann' }), await user(bob), await user(eve)];
    const { id, public_id: room } = await group({ name: 'old', members: [ann] });
    const at = `conversations/${id}`;
    await fine(call('PUT', `${at}/members/${ann}`, { body: { role: 'owner' } }));
    const one = await Native.hello(stack, { token: tokens[0] }, { relay: 1 });
    const { ch, seq: from } = await one.join(room);
    assert.equal(from, 1, 'a role is an event; who was there from the beginning is none');
    await fine(call('PUT', `${at}/members/${bob}`, { body: {} }), 201);
    const other = await Native.hello(stack, { token: tokens[1] }, { relay: 2, resume: [{ room, epoch: 1, seq: 0 }] });
    const [uid, own] = [other.welcome.uid, one.welcome.uid];
    // many at once, who all want the same: it is changed once
    const puts = await Promise.all(Array.from({ length: 8 }, () => call('PUT', `${at}/members/${eve}`, { as: tokens[0], body: { role: 'reader' } })));
    assert.deepEqual(puts.map(({ status }) => status).sort(), [200, 200, 200, 200, 200, 200, 200, 201]);
    await fine(call('PUT', `${at}/members/${bob}`, { as: tokens[0], body: { role: 'moderator' } }));
    await fine(call('PUT', `${at}/members/${bob}`, { body: {} }));
    await fine(call('PATCH', at, { as: tokens[0], body: { name: '新 "name"', meta: { a: 1 } } }));
    assert.deepEqual((await fine(call('PATCH', at, { body: { name: '新 "name"', meta: { a: 2 } } }))).meta, { a: 2 });
    await fine(call('PATCH', at, { body: { meta: { a: 3 } } }));
    const said = await one.send(room);
    await fine(call('DELETE', `${at}/members/${eve}`), 204);
    await fine(call('DELETE', `${at}/members/${bob}`, { as: tokens[1] }), 204);
    await refused(call('DELETE', `${at}/members/${bob}`), 404, 'not_member');
    await fine(call('PATCH', at, { body: { name: '' } }));
    const last = await one.send(room);
    const people = { a: { uid: own, id: ann, name: 'Ann' }, b: { uid, id: bob, name: bob } };
    const events = [['joined', people.b, { by: 0, role: 'member' }], ['joined', null, { by: own, role: 'reader' }],
      ['joined', people.b, { by: own, role: 'moderator', was: 'member' }], ['renamed', people.a, { name: '新 "name"' }], ['message', people.a, {}],
      ['removed', null, { by: 0 }], ['removed', people.b, { by: uid }], ['renamed', { uid: 0, name: 'system' }, { name: '' }], ['message', people.a, {}]];
    const shape = (event) => [event.ev, event.from.id === eve ? null : event.from,
      Object.fromEntries(['by', 'role', 'was', 'name'].filter((key) => event.ev !== 'message' && key in event).map((key) => [key, event[key]]))];
    await one.reached(ch, last.seq); // lib/native.mjs sees that no number is left out
    assert.deepEqual(one.log(ch).map(shape), events);
    assert.deepEqual((await one.must('history', { room })).events.slice(1).map(shape), events);
    const back = await Native.hello(stack, { token: tokens[0] }, { relay: 2, resume: [{ room, epoch: 1, seq: from }] });
    await back.reached(ch, last.seq);
    assert.deepEqual(back.log(ch).map(shape), events);
    await other.event('kicked');
    assert.equal(await other.refused('join', { room }), 'not_found');
    assert.ok(!other.log(ch).some(({ seq }) => seq >= last.seq));
    const { items } = await fine(call('GET', `${at}/messages`));
    assert.deepEqual(items.map(({ seq }) => seq), [said.seq, last.seq]);
    assert.deepEqual((await fine(call('GET', `${at}/members`))).items.map(({ id: who, role }) => [who, role]), [[ann, 'owner']]);
    assert.equal((await one.must('unread', { rooms: [room] })).rooms[0].unread, 0);

    // whoever names a public one for the first time, of many at once
    const hall = await fine(call('POST', 'conversations', { body: { type: 'public' } }), 201);
    const crowd = await Promise.all([1, 2, 1, 2].map((relay) => Native.hello(stack, { token: tokens[1] }, { relay })));
    await Promise.all([one.join(hall.public_id), ...crowd.map((native) => native.join(hall.public_id))]);
    const entered = (await one.must('history', { room: hall.public_id })).events;
    assert.deepEqual(entered.map(({ ev, by, from: who }) => [ev, by === who.uid]), [['joined', true], ['joined', true]]);
    assert.deepEqual(new Set(entered.map(({ by }) => by)), new Set([own, uid]));

    // an operator's word
    assert.equal((await stack.chaguan('user', 'revoke', `app:${bob}`, '--room', hall.public_id)).code, 0);
    await one.event('removed', (event) => event.ch === entered[0].ch && event.from.uid === uid && event.by === 0);
    await fine(call('DELETE', `users/${ann}`), 204);
    assert.deepEqual(await stack.sql('SELECT content, sender, sender_name AS name FROM message WHERE conversation = ? AND kind IN (13, 15) AND seq IN (1, 5)', [ch])
      .then((rows) => rows.map((row) => [row.content, row.sender, String(row.name)])),
      [['{"by":0,"role":"owner","was":"member"}', null, ''], ['{}', null, '']]);
    assert.equal((await stack.chaguan('check')).stdout, 'no findings\n');
    await Promise.all([one, other, back, ...crowd].map((client) => client.close()));
  });

  it('an erased user leaves no name and no content, and every number', async () => {
    const { id } = await group({ members: ['gone', 'stays'] });
    const at = `conversations/${id}/messages`;
    for (const from of ['gone', 'stays', 'gone'])
      await fine(call('POST', at, { body: { from, content: `a secret of ${from}` } }), 201);
    await fine(call('DELETE', 'users/gone'), 204);
    await refused(call('GET', 'users/gone'), 404, 'not_found');
    const { items, seq } = await fine(call('GET', at));
    assert.equal(seq, 3);
    assert.deepEqual(items.map(({ content, recalled }) => [content, recalled]),
      [[undefined, true], ['a secret of stays', undefined], [undefined, true]]);
    assert.equal(await stack.count("SELECT COUNT(*) FROM message WHERE content LIKE '%secret of gone%' OR sender_name = 'gone'"), 0);
    assert.equal(await stack.count("SELECT COUNT(*) FROM user WHERE name LIKE '%gone%'"), 0);
    await fine(call('PUT', 'users/gone', { body: {} }), 201);
  });

  it('the shop of the examples: its users talk, its backend makes, says, removes, exports and erases', async () => {
    const example = fs.readFileSync(path.join(top, 'examples', 'shop', 'shop.mjs'), 'utf8');
    assert.ok(example.split('\n').length <= 61);
    fs.writeFileSync(path.join(dir, 'shop.mjs'), example);
    fs.symlinkSync(path.join(top, 'tests', 'node_modules'), path.join(dir, 'node_modules')); // what "npm install ws" leaves
    const { code, stdout, stderr } = await run('node', [path.join(dir, 'shop.mjs')],
      { env: { CHAGUAN: stack.url, KEY: key, SECRET: path.join(dir, 'shop.secret') }, timeout: DEADLINE_MS });
    assert.equal(code, 0, `${stdout}${stderr}`);
    assert.equal(stdout.replace(/"uid":\d+|"ts":\d+|\d+ lines/g, '…'), [
      'Bob hears 我的茶到哪里了？',
      'Ann hears It is on its way.',
      'There are ann and bob',
      'The shop finds 我的茶到哪里了？',
      'Bob is kicked',
      'Ann takes along …',
      'Ann is forgotten: {"from":{…,"name":""},"seq":1,…,"kind":"text","recalled":true}', ''].join('\n'));
  });

  it('everything, taken to an empty installation by an import that is killed again and again, is the same there', async () => {
    const there = await stack.anotherDatabase('elsewhere');
    const file = path.join(stack.dir, 'everything.ndjson');
    const everything = async (...where) => {
      const { code, stdout, stderr } = await stack.chaguan('export', ...where);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const lines = (text) => text.trim().split('\n').map((line) => JSON.parse(line)).filter(({ type }) => type !== 'export' && type !== 'media');
    const sorted = (text) => lines(text).map((line) => JSON.stringify(Object.fromEntries(Object.entries(line).sort()))).sort();
    const told = (stdout) => Object.fromEntries([...stdout.matchAll(/^(\w+)=(\d+)$/gm)].map(([, name, value]) => [name, Number(value)]));
    // of one the front is gone, as the worker removes it, and it keeps what it has for a time of its own
    const { id: old, ch } = await group({ id: unique('trimmed'), members: ['m1', 'm2'] });
    for (let i = 1; i <= 5; i++) await fine(call('POST', `conversations/${old}/messages`, { body: { from: 'm1', content: `old ${i}` } }), 201);
    await fine(call('PATCH', `conversations/${old}`, { body: { keep_days: 7, keep_presence_lines_days: 0 } }));
    await stack.sql('DELETE FROM message WHERE conversation = ? AND seq <= 3', [ch]);
    await stack.sql('UPDATE conversation SET trimmed = 3 WHERE id = ?', [ch]);
    await stack.sql('UPDATE member SET read_seq = 2 WHERE conversation = ?', [ch]);
    const here = await everything();
    for (const [what, count] of [['"mentions":["', 1], ['"kind":"joined"', 2], ['"kind":"removed"', 2], ['"kind":"renamed"', 2], ['"kind":"react"', 5]])
      assert.ok(here.split(what).length > count, `the suite has left too few of ${what}`);
    assert.deepEqual(lines(here).filter((line) => line.conversation === old && line.type === 'message').map(({ seq }) => seq), [4, 5]);
    fs.writeFileSync(file, here);
    const checked = await stack.chaguan('import', file, '--dry-run', ...there);
    assert.deepEqual([checked.code, told(checked.stdout).bad], [0, 0], checked.stderr);
    assert.equal(lines(await everything(...there)).length, 1, 'a dry run stores nothing');

    let kills = -1, ended;
    do {
      ended = await run(path.join(bin, 'chaguan'), ['import', file, ...there], { timeout: 100 + 100 * ++kills, killSignal: 'SIGKILL' });
    } while (ended.signal);
    assert.equal(ended.code, 0, ended.stderr);
    assert.ok(kills > 1);
    assert.deepEqual(sorted(await everything(...there)), sorted(here));
    assert.equal((await stack.chaguan('check', ...there)).stdout, 'no findings\n');
    const again = await stack.chaguan('import', file, ...there);
    assert.equal(again.code, 0, again.stderr);
    const { known, ...rest } = told(again.stdout);
    assert.equal(known, lines(here).length - 1);
    assert.ok(Object.values(rest).every((count) => count === 0), again.stdout);
  });


  it('describes what goes over sockets, too: the documents that the suites of these clients hold it to', async () => {
    const documents = [['asyncapi.json', 'asyncapi.json'], ...['chatroom', 'friends', 'customers', 'spaces', 'socketio'].map((of) =>
      [`asyncapi/${of}.json`, `clients/${of}.asyncapi.json`])];
    for (const [name, file] of documents) {
      const { status, json, headers } = await request(`${stack.url}/v1/${name}`);
      assert.equal(status, 200, name);
      assert.match(headers['content-type'], /^application\/json/);
      assert.deepEqual(json, JSON.parse(fs.readFileSync(new URL(`../../docs/${file}`, import.meta.url))));
    }
    assert.equal((await request(`${stack.url}/v1/asyncapi/none.json`)).status, 404);
  });

  it('describes itself: every route, with its fields and what it answers, by the rules of OpenAPI', async () => {
    const { json: spec, status } = await request(`${stack.url}/v1/openapi.json`);
    assert.equal(status, 200);
    const { valid, errors } = await new Validator().validate(spec);
    assert.ok(valid, JSON.stringify(errors));
    const help = spawnSync(path.join(bin, 'chaguan-rest'), ['--help'], { encoding: 'utf8' }).stdout;
    const routes = [...help.matchAll(/^ *([A-Z]+) +(\/v1\/\S+)/gm)].map(([, verb, of]) => `${verb} ${of}`).sort();
    assert.ok(routes.length > 20);
    assert.deepEqual(described.calls.map(({ verb, path: of }) => `${verb.toUpperCase()} ${of.replace(/\{(\w+)\}/g, ':$1')}`).sort(), routes);
    for (const { verb, path: of, call: is } of described.calls) {
      assert.ok(is.summary, of);
      if (verb === 'post' && is['x-scope']) assert.ok(is.parameters.some(({ name }) => name === 'Idempotency-Key'), of);
      if (of.endsWith('.json')) continue;
      await refused(request(`${stack.url}${of.replace(/\{\w+\}/g, 'x')}`, { method: verb.toUpperCase(), headers: { 'content-length': 0 } }),
        ...(is['x-scope'] ? [401, 'token_missing'] : of.endsWith('refresh') ? [401, 'token_missing'] : [400, 'invalid']));
    }
  });

  it('takes of each call the fields that it describes, of their kind, and no other', async () => {
    const { id } = await group({ members: [unique('f')] });
    const { seq } = await fine(call('POST', `conversations/${id}/messages`, { body: { content: 'x' } }), 201);
    await user('fields');
    const values = { c: id, id: 'fields', user: 'fields', seq };
    let tried = 0;
    for (const { verb, path: of, call: is } of described.calls) {
      const schema = is.requestBody?.content['application/json']?.schema;
      if (!schema?.properties || !is['x-scope']) continue;
      const where = of.slice('/v1/'.length).replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values[name]));
      const wrong = { string: 7, integer: 'x', object: [], array: {}, boolean: 1 };
      const bodies = Object.entries(schema.properties).map(([name, { type }]) => [name, { ...must(schema), [name]: wrong[[type].flat()[0]] }]);
      bodies.push(['unheard_of', { ...must(schema), unheard_of: 1 }]);
      for (const [name, body] of bodies) {
        const { message } = await refused(call(verb.toUpperCase(), where, { body }), 400, 'bad_argument');
        assert.ok(message.startsWith(`${name}: `), `${verb} ${of}: ${message}`);
        tried++;
      }
    }
    assert.ok(tried > 25, `${tried} bodies`);
    function must({ properties, required }) {
      const of = ({ type, enum: words, ...schema }) => words?.[0] ?? { string: 'x', array: [], integer: 1, object: schema.properties && must(schema) }[type] ?? {};
      return Object.fromEntries(required.map((name) => [name, of(properties[name])]));
    }
  });
});
