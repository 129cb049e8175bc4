// Customer sessions: two parties of a customer session, their pictures and videos, and the same over plain HTTP. The client is the
// article's.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Customer, FAILED, INCOMPLETE, UNKNOWN, chatInfo, history, query, register,
  session } from './lib/customers.mjs';
import { DescribedFrontEnd } from './lib/described.mjs';
import { CONTENTS, assertSameList, knock, unique } from './lib/socket.mjs';
import { AVATAR, VIDEO, mp4, png, upload } from './lib/uploads.mjs';
import { Stack, eventually, post, request } from './lib/stack.mjs';

const KEYS = ['id', 'friendphone', 'friendname', 'friendavatar', 'app_sid', 'created_date', 'userphone', 'username',
  'useravatar', 'content', 'chat_type'];
const contents = (rows) => rows.map((row) => row.content);

Customer.described = new DescribedFrontEnd('customers');

describe('customer sessions', () => {
  let stack;
  const messages = () => stack.count('SELECT COUNT(*) FROM message');
  const send = (frame) => post(`${stack.url}/chat/v1/message`, frame);
  before(async () => {
    stack = await Stack.start({ relays: 2, settings: { journal_timeout_ms: '1500ms', db_timeout_ms: '1s',
      customer_refused_ms: '2s' } });
  });
  after(() => stack?.remove());

  it("the article's session: history on connect, then a text, a picture and a video, " +
    "each answered with the list", async () => {
    const [user, friend] = [await register(stack), await register(stack)];
    const me = await Customer.connect(stack, user, friend);
    assert.deepEqual(me.frames.map((text) => JSON.parse(text)), [{ code: 1, data: [] }]);
    me.say(unique('你好'));
    await me.until(() => me.lists.length === 2, 'the list after a text');
    const avatar = (await upload(stack, AVATAR, png())).json;
    assert.equal(avatar.status, 200);
    me.say(avatar.payload.avatar_path, 1);
    await me.until(() => me.lists.length === 3, 'the list after a picture');
    const video = (await upload(stack, VIDEO, mp4())).json;
    assert.equal(video.status, 200);
    me.say(video.payload, 2);
    await me.until(() => me.lists.length === 4, 'the list after a video');
    assert.deepEqual(me.rows.map((row) => row.chat_type), [0, 1, 2]);
    for (const row of me.rows) {
      assert.deepEqual(Object.keys(row), KEYS);
      assert.match(row.created_date, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
      assert.ok(Math.abs(new Date(row.created_date.replace(' ', 'T')) - Date.now()) < 600_000, 'local time');
      assert.deepEqual([row.friendphone, row.friendname, row.friendavatar],
        [friend.account, friend.username, friend.avatar]);
      assert.deepEqual([row.userphone, row.username, row.useravatar, row.app_sid],
        [user.account, user.username, user.avatar, user.app_sid]);
    }
    assert.deepEqual(me.lists.map((list) => list.length), [0, 1, 2, 3]);
    const again = await Customer.connect(stack, user, friend);
    assert.deepEqual(again.rows, me.rows);
  });

  it('both parties see one list, on every device and relay, whoever speaks', async () => {
    const { users, friends, near, far, user, friend } = await session(stack, [1, 2, 0], [2, 1, 0]);
    const first = near.say(unique('from the user'));
    for (const socket of [...users, ...friends]) await socket.heard(first);
    const second = far.say(unique('from the friend'));
    for (const socket of [...users, ...friends]) {
      await socket.heard(second);
      assert.deepEqual(socket.rows, near.rows);
    }
    assert.deepEqual(near.rows.map((row) => [row.userphone, row.friendphone]),
      [[user.account, friend.account], [friend.account, user.account]], 'who speaks is the user of the row');
  });

  it('what was said to somebody who was away stands in the list when they connect', async () => {
    const [user, friend] = [await register(stack), await register(stack)];
    const me = await Customer.connect(stack, user, friend, { relay: 1 });
    const said = [];
    for (let i = 0; i < 3; i++) {
      said.push(me.say(unique(`away ${i}`)));
      await me.heard(said.at(-1));
    }
    await me.close();
    const you = await Customer.connect(stack, friend, user, { relay: 2 });
    assert.deepEqual(contents(you.rows), said);
  });

  it('both talk at once: one order in both lists, nothing lost, nothing twice', async () => {
    const { near, far } = await session(stack);
    const said = [];
    for (let i = 0; i < 60; i++) said.push(near.say(unique(`near ${i}`)), far.say(unique(`far ${i}`)));
    for (const socket of [near, far]) await socket.until(() => socket.rows.length === said.length, 'all rows');
    assertSameList(near.rows, far.rows);
    assertSameList([...contents(near.rows)].sort(), said.sort());
    assertSameList(near.rows.map((row) => row.id), near.rows.map((row, i) => near.rows[0].id + i));
    assert.deepEqual([near.failures, far.failures], [[], []]);
  });

  it('content of every kind arrives and comes back to the letter, names with signs too', async () => {
    const { near, far } = await session(stack, [1], [2],
      [{ username: `o'Neil "Q" \\ </script> 茶🍵 ${unique()}`, account: `+86 138'"${unique()}`, app_sid: 'app "2"',
        avatar: '/media/x.png' }, { app_sid: 'app "2"', avatar: '' }]);
    for (const content of CONTENTS) await far.heard(near.say(content));
    assertSameList(contents(far.rows), CONTENTS);
    for (const row of far.rows) assert.equal(row.username, near.user.username);
    near.say('abc \u202e\u2066 def');
    await far.heard('abc \ufffd\ufffd def');
  });

  it('a parameter that is missing or empty: 参数不全! and, after a while, the end', async () => {
    const [user, friend] = [await register(stack), await register(stack)];
    const [f, u, a] = query(user, friend).split('&');
    const sockets = [];
    for (const relay of [0, 1, 2]) {
      for (const text of ['', `${f}`, `${u}&${a}`, `${f}&${a}`, `${f}&${u}`, `friendphone=&${u}&${a}`,
        `${f}&userphone=&${a}`, `${f}&${u}&app_sid=`, `friendPhone=x&${u}&${a}`, `xfriendphone=x&${u}&${a}`]) {
        const socket = Customer.dial(stack, `/chat/v1/message?${text}`, { relay });
        sockets.push(socket);
        socket.ws.on('open', () => socket.sendRaw('anybody?')); // is not answered
        await socket.until(() => socket.events.length, text);
      }
    }
    for (const socket of sockets) {
      assert.equal((await socket.closed).code, 1008);
      assert.deepEqual(socket.events, [INCOMPLETE]);
    }
  });

  it('somebody who is not registered, there, or with that application: 用户不存在!, to what it says, too, and after a while the end',
    async () => {
    const [user, friend] = [await register(stack), await register(stack)];
    const elsewhere = await register(stack, { app_sid: 'app-3' });
    const nobody = { account: '00000000', app_sid: user.app_sid };
    const sockets = [];
    for (const [one, other] of [[user, nobody], [nobody, friend], [user, elsewhere], [elsewhere, friend],
      [{ ...user, app_sid: 'app-3' }, friend], [{ ...user, app_sid: 'nope' }, friend],
      [user, user], [{ ...user, account: `${user.account} ` }, friend],
      [{ ...user, account: user.account.toUpperCase() + 'X' }, friend], [{ ...user, account: '%' }, friend],
      [{ ...user, account: `' OR '1'='1` }, friend], [{ ...user, account: 'x'.repeat(400) }, friend],
      [user, { account: '\u202e' }]]) {
      for (const relay of [0, 1, 2]) {
        const socket = Customer.dial(stack, `/chat/v1/message?${query(one, other)}`, { relay });
        sockets.push(socket);
        await socket.until(() => socket.events.length, 'an answer');
        assert.deepEqual(socket.events, [UNKNOWN]);
        socket.sendJson({ friendInfo: friend, userInfo: user, chat_content: unique('into the void'), chat_type: 0 });
        await socket.until(() => socket.events.length === 2, 'another answer');
      }
    }
    for (const socket of sockets) {
      assert.equal((await socket.closed).code, 1008);
      assert.deepEqual(socket.events, [UNKNOWN, UNKNOWN]);
    }
    assert.equal(await stack.count(`SELECT COUNT(*) FROM message WHERE content LIKE 'into the void%'`), 0);
    for (const path of ['/chat', '/chat/', '/chat/v1', '/chat/v2/message']) {
      for (const relay of [0, 1])
        assert.notEqual(await knock(stack, `${path}?${query(user, friend)}`, { relay }), 101, path);
    }
  });

  it('a frame that is none, or speaks for or to somebody else, is 聊天出现故障!, ' +
    'and nothing is stored', async () => {
    const { user, friend, near, far } = await session(stack);
    const other = await session(stack);
    const good = chatInfo(user, friend, unique('forged'));
    const frames = [{ ...good, userInfo: friend, friendInfo: user }, { ...good, userInfo: friend },
      { ...good, friendInfo: user }, { ...good, userInfo: other.user }, { ...good, friendInfo: other.friend },
      { ...good, userInfo: other.user, friendInfo: other.friend }, { ...good, userInfo: { ...user, app_sid: 'app-9' },
        friendInfo: { ...friend, app_sid: 'app-9' } }, { ...good, friendInfo: { ...friend, app_sid: 'app-9' } },
      { ...good, userInfo: undefined }, { ...good, friendInfo: undefined }, { ...good, userInfo: user.account },
      { ...good, userInfo: [user] }, { ...good, userInfo: { ...user, account: undefined } },
      { ...good, chat_content: undefined }, { ...good, chat_content: '' }, { ...good, chat_content: 5 },
      { ...good, chat_content: 'a\u0001' }, { ...good, chat_content: ['x'] },
      { ...good, chat_type: 3 }, { ...good, chat_type: -1 }, { ...good, chat_type: 0.5 },
      { ...good, chat_type: undefined }, { ...good, chat_type: null }, { ...good, chat_type: '00' },
      { ...good, chat_type: 1, chat_content: 'no address' },
      { ...good, chat_type: 2, chat_content: 'javascript:alert(1)' }].map((frame) => JSON.stringify(frame));
    frames.push('', 'hello', '[]', 'null', '{', JSON.stringify(good) + JSON.stringify(good),
      '{"chat_content":"\\u0000"}');
    const stored = await messages();
    for (const bad of frames) {
      near.sendRaw(bad);
      assert.deepEqual(await near.failure(), FAILED, bad.slice(0, 200));
    }
    assert.equal(await messages(), stored);
    const fine = near.say(unique('and still here'));
    await far.heard(fine);
    assert.deepEqual(contents(far.rows), [fine]);
    await other.far.heard(other.near.say(unique('elsewhere')));
    assert.equal(other.far.rows.length, 1);
  });

  it('a frame is read as it was meant: numbers for accounts, a text for the type; cards are not believed', async () => {
    const number = 10_000_000_000 + Math.floor(Math.random() * 1e10);
    const { near, far, user, friend } = await session(stack, [1], [2],
      [{ account: number, app_sid: 77, avatar: '/avatars/me.png' }, { app_sid: 77 }]);
    const content = stack.keepSecret(unique('numbers'));
    near.sendJson({ friendInfo: { ...friend, app_sid: '77', username: 'somebody else', avatar: 'x' },
      userInfo: { ...user, account: String(number), username: 'an impostor', avatar: 'javascript:x' },
      chat_content: content, chat_type: '0' });
    const row = await far.heard(content);
    assert.deepEqual([row.username, row.useravatar, row.friendname], [user.username, '/avatars/me.png', friend.username]);
    const once = stack.keepSecret(unique('the application once'));
    const { app_sid: app, ...card } = user;
    near.sendJson({ friendInfo: { ...friend, app_sid: app }, userInfo: card, chat_content: once, chat_type: 0 });
    assert.equal((await far.heard(once)).app_sid, '77');
  });

  it('the list is the latest 200 rows, oldest first; the older ones come over REST without a seam', async () => {
    const { near, far, user, friend } = await session(stack);
    const said = Array.from({ length: 230 }, (_, i) => (i % 2 ? near : far).say(unique(`row ${i}`)));
    await near.until(() => near.failures.length + near.rows.at(-1)?.id === 230, 'the last row');
    assert.deepEqual([near.failures, near.rows.length], [[], 200]);
    const late = await Customer.connect(stack, friend, user, { relay: 2 });
    assertSameList(late.rows, near.rows);
    const pages = [near.rows];
    while (pages[0].length && pages[0][0].id > 1)
      pages.unshift(await history(stack, user, friend, `&before=${pages[0][0].id}&limit=7`));
    const all = pages.flat();
    assertSameList(all.map((row) => row.id), Array.from({ length: 230 }, (_, i) => i + 1));
    assertSameList([...contents(all)].sort(), said.sort());
    const forward = [];
    for (;;) {
      const page = await history(stack, friend, user, `&after=${forward.at(-1)?.id ?? 0}&limit=50`);
      if (!page.length) break;
      forward.push(...page);
    }
    assertSameList(forward, all, 'forwards and backwards');
    assertSameList(await history(stack, user, friend), late.rows.slice(-(await history(stack, user, friend)).length),
      'without parameters: the latest');
    assert.deepEqual((await history(stack, user, friend, '&after=100&before=104')).map((row) => row.id),
      [101, 102, 103]);
    assert.deepEqual(await history(stack, user, friend, '&after=230'), []);
    for (const bad of ['&limit=0', '&limit=-1', '&limit=x', '&before=x', '&after=-1', '&limit=1e3', '&before=1.5',
      '&after=99999999999999999999999']) {
      const answer = await request(`${stack.url}/chat/v1/history?${query(user, friend, bad)}`);
      assert.equal(answer.status, 400, `${bad}: ${answer.text}`);
      assert.equal(answer.json.code, 0, bad);
    }
  });

  it('by polling over HTTP: a message is answered with the list, and sockets hear of it', async () => {
    const { near, far, user, friend } = await session(stack);
    const content = stack.keepSecret(unique('polled'));
    const answer = await send(chatInfo(user, friend, content));
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(contents(answer.json.data), [content]);
    for (const socket of [near, far]) {
      await socket.heard(content);
      assert.deepEqual(answer.json, { code: 1, data: socket.rows });
    }
    const reply = far.say(unique('reply'));
    await near.heard(reply);
    assert.deepEqual(await history(stack, user, friend), near.rows);
    const path = (await upload(stack, AVATAR, png())).json.payload.avatar_path;
    assert.equal((await send(chatInfo(friend, user, path, 1))).json.data.at(-1).chat_type, 1);
    await near.heard(path);
  });

  it('over HTTP the same is refused as over the socket, with a status', async () => {
    const { user, friend } = await session(stack);
    const good = chatInfo(user, friend, unique('http'));
    const stored = await messages();
    for (const [status, frame] of [[404, { ...good, userInfo: { ...user, account: 'nobody' } }],
      [404, { ...good, friendInfo: { ...friend, account: 'nobody' } }], [400, { ...good, friendInfo: user }],
      [400, { ...good, userInfo: undefined }], [400, { ...good, chat_type: 7 }], [400, { ...good, chat_content: '' }],
      [400, { ...good, chat_type: 1 }], [400, 'hello'], [400, '[]'],
      [404, { ...good, userInfo: { ...user, app_sid: 'app-9' }, friendInfo: { ...friend, app_sid: 'app-9' } }]]) {
      const answer = await send(frame);
      assert.equal(answer.status, status, `${JSON.stringify(frame)}: ${answer.text}`);
      assert.deepEqual(Object.keys(answer.json), ['code', 'msg']);
      assert.equal(answer.json.code, 0);
    }
    assert.equal(await messages(), stored);
    for (const [status, text, body] of [[400, query(user, friend).replace('userphone', 'x'), INCOMPLETE],
      [404, query(user, { account: 'nobody' }), UNKNOWN], [400, '', INCOMPLETE]]) {
      const answer = await request(`${stack.url}/chat/v1/history?${text}`);
      assert.deepEqual([answer.status, answer.json], [status, body]);
    }
  });

  it('registering again changes name and avatar, which all rows then show; ten at once make one', async () => {
    const { user, friend } = await session(stack);
    const renamed = await register(stack, { ...user, username: unique('renamed'), avatar: '/media/y.png' });
    const again = await Customer.connect(stack, renamed, friend, { relay: 1 });
    const row = await again.heard(again.say(unique('as another')));
    assert.deepEqual([row.username, row.useravatar], [renamed.username, '/media/y.png']);
    const account = unique('many');
    await Promise.all(Array.from({ length: 10 }, () => register(stack, { account, app_sid: 'app-many' })));
    assert.equal(await stack.count('SELECT COUNT(*) FROM customer WHERE account = ?', [account]), 1);
  });

  it('a bad registration is refused in the form of the protocol, and nothing is stored', async () => {
    const good = { account: unique('reg'), app_sid: 'app-1', username: 'u', avatar: '' };
    const before = await stack.count('SELECT COUNT(*) FROM customer');
    for (const change of [{ account: undefined }, { account: '' }, { account: 'x'.repeat(65) }, { account: 'a\nb' },
      { account: {} }, { account: true }, { app_sid: undefined }, { app_sid: '' }, { app_sid: 1.5 },
      { username: undefined }, { username: '' }, { username: 'a\u202eb' }, { username: 'x'.repeat(65) },
      { avatar: 'javascript:alert(1)' }, { avatar: '//elsewhere.example/x.png' }, { avatar: `https://x/${'x'.repeat(600)}` }, { avatar: 5 }]) {
      const answer = await post(`${stack.url}/users/register`, { ...good, ...change });
      assert.equal(answer.status, 400, `${JSON.stringify(change)}: ${answer.text}`);
      assert.deepEqual([answer.json.status, typeof answer.json.err], [400, 'string'], answer.text);
    }
    for (const body of ['', '[]', 'account=1'])
      assert.equal((await post(`${stack.url}/users/register`, body)).status, 400);
    assert.equal(await stack.count('SELECT COUNT(*) FROM customer'), before);
  });

  it('while the database is down a message is 聊天出现故障!, and afterwards all goes on', async () => {
    const { near, far, user, friend } = await session(stack);
    await far.heard(near.say(unique('before')));
    await stack.stopPart('mariadb');
    near.say(unique('lost'));
    assert.deepEqual(await near.failure(), FAILED);
    assert.deepEqual((await send(chatInfo(user, friend, unique('lost too')))).status, 503);
    await stack.startPart('mariadb');
    const after = unique('after');
    await eventually(async () => (await send(chatInfo(user, friend, after))).status === 200,
      'a message to be taken again');
    for (const socket of [near, far]) await socket.heard(after);
    assert.ok(!contents(near.rows).some((content) => content.startsWith('lost')));
  });

  it('is as docs/clients/customers.asyncapi.json describes it: all of that was seen', () => {
    assert.deepEqual(Customer.described.unseen('session'), []);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
