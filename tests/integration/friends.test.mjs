// The friend chat: two friends, their devices, and what the server must not believe. The client is the article's.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { enter } from './lib/client.mjs';
import { DescribedFrontEnd } from './lib/described.mjs';
import { Friend, ask, befriend, couple, data, entry, history, newUser, refused, settle, tell } from './lib/friends.mjs';
import { Native } from './lib/native.mjs';
import { CONTENTS, assertSameList, knock, unique } from './lib/socket.mjs';
import { PING, PONG, Raw, frame, handshake } from './lib/raw.mjs';
import { Stack, eventually } from './lib/stack.mjs';

const NOBODY = `user_${'0'.repeat(32)}`;
const NOWHERE = `friend_${'0'.repeat(32)}`;

Friend.described = new DescribedFrontEnd('friends');

describe('the friend chat', () => {
  let stack;
  const messages = () => stack.count('SELECT COUNT(*) FROM message');
  before(async () => {
    stack = await Stack.start({ relays: 2, settings: { friend_ping_ms: '300ms', close_timeout_ms: '1s',
      redis_timeout_ms: '500ms', reconcile_down_ms: '200ms' } });
  });
  after(() => stack?.remove());

  it("the article's exchange: each hears what the other sent, as it was sent, and nothing of their own", async () => {
    const jeffery = await newUser(stack, unique('jeffery'));
    const testuser = await newUser(stack, unique('testuser'));
    assert.match(jeffery.userId, /^user_[0-9a-f]{32}$/);
    const friend = await befriend(stack, jeffery, testuser);
    const a = await Friend.connect(stack, jeffery);
    const b = await Friend.connect(stack, testuser);
    await settle(friend, [a], [b]);
    [a, b].forEach((socket) => socket.forget());
    const first = a.send(friend, '你好呀,testuser', testuser.userId);
    const { seq, ts, ...heard } = await b.heard(first);
    assert.deepEqual(heard, { friend, from: jeffery.userId, to: testuser.userId, content: first, type: 'text' });
    assert.ok(Number.isSafeInteger(seq) && seq > 0);
    assert.ok(Math.abs(ts - Date.now()) < 600_000, 'ts is the present in milliseconds');
    const second = b.send(friend, '嗯嗯,收到了 jeffery', jeffery.userId);
    assert.equal((await a.heard(second)).seq, seq + 1);
    assert.deepEqual([a.said, b.said], [[second], [first]], 'no echo');
  });

  it('text, emoji and file arrive as what they are; without a type it is text', async () => {
    const { friendId, one, other } = await couple(stack);
    for (const [type, content] of [['text', unique('text')], ['emoji', '🍵'],
      ['file', 'https://example.org/a.png?b=1'], ['file', '/media/a.png'], ['file', `我的 ${unique('报告')}.pdf`],
      [undefined, unique('bare')]]) {
      const frame = { friend: friendId, from: one.user.userId, to: other.user.userId, content, type };
      one.sendJson(frame);
      assert.equal((await other.heard(content)).type, type ?? 'text');
    }
    const rows = await history(stack, friendId, other.user);
    assert.deepEqual(rows.slice(-6).map((row) => row.type), ['text', 'emoji', 'file', 'file', 'file', 'text']);
  });

  it('what else a frame holds comes along as it was sent, live and from the history, and nothing in the place of ours',
    async () => {
      const { friendId, one, other } = await couple(stack, [1], [2]);
      const own = { avatar: '/a.png', mood: { 心情: ['乐', 1.5, null, true], n: 12345678901234567890 }, id: 7,
        time: '2024/2/29 下午11:59:59', ['k"ey\\']: '</script>' };
      const frame = { friend: friendId, from: one.user.userId, to: other.user.userId, content: unique('own'),
        type: 'text' };
      one.sendJson({ clientId: unique('mine'), ...own, ...frame, seq: 1, ts: 2 });
      const { seq, ts, ...heard } = await other.heard(frame.content);
      assert.deepEqual(heard, { ...frame, ...own });
      assert.ok(seq >= 1 && Math.abs(ts - Date.now()) < 600_000, 'seq and ts are the server\'s');
      // however it is written, a name is the same name, and what comes last counts
      const spoof = JSON.stringify({ ...frame, content: unique('spoof') })
        .replace('{', `{"\\u0066rom":"nobody","avatar":"/b.png",`);
      one.sendRaw(spoof);
      const again = await other.heard(JSON.parse(spoof).content);
      assert.deepEqual([again.from, again.avatar], [one.user.userId, '/b.png']);
      assert.ok(!other.frames.at(-1).includes('nobody'));
      const [first, second] = (await history(stack, friendId, other.user)).slice(-2);
      assert.deepEqual([first.mood, first.avatar, first.time], [own.mood, own.avatar, own.time]);
      assert.deepEqual([first.seq, second.from, second.avatar], [seq, one.user.userId, '/b.png']);
      // what is taken back is taken back with it
      const native = await Native.hello(stack, { user: one.user.userId });
      await native.must('recall', { room: friendId, seq, client_id: unique('recall') });
      const { content, mood, avatar } = (await history(stack, friendId, other.user)).find((row) => row.seq === seq);
      assert.deepEqual([content, mood, avatar], ['消息已撤回', undefined, undefined]);
      assert.equal(await stack.count('SELECT COUNT(*) FROM message WHERE extra LIKE ?', ['%a.png%']), 0);
    });

  it("every device of the receiver hears it, on every relay; no device of the sender's does", async () => {
    const { friendId, ones, others, one, other } = await couple(stack, [1, 2, 0], [2, 1, 0]);
    const sent = [];
    for (const socket of ones) {
      sent.push(socket.send(friendId, unique('devices'), other.user.userId));
      await Promise.all(others.map((device) => device.heard(sent.at(-1))));
    }
    const answer = others[1].send(friendId, unique('answer'), one.user.userId);
    await Promise.all(ones.map((device) => device.heard(answer)));
    for (const device of others) assert.deepEqual(device.said, sent);
    for (const device of ones) assert.deepEqual(device.said, [answer]);
    await others[0].close();
    const later = one.send(friendId, unique('later'), other.user.userId);
    for (const device of others.slice(1)) await device.heard(later);
  });

  it('a second friend of the same person hears nothing of it', async () => {
    const { friendId, one, other } = await couple(stack);
    const third = await newUser(stack);
    const thirdId = await befriend(stack, one.user, third);
    const elsewhere = await Friend.connect(stack, third, { relay: 2 });
    await settle(thirdId, [one], [elsewhere]);
    elsewhere.forget();
    const content = one.send(friendId, unique('between two'), other.user.userId);
    await other.heard(content);
    const own = one.send(thirdId, unique('between these'), third.userId);
    await elsewhere.heard(own);
    assert.deepEqual(elsewhere.said, [own]);
    assert.ok(!other.said.includes(own));
  });

  it('both talk at once: one order, numbers without a gap, nothing twice', async () => {
    const { friendId, one, other } = await couple(stack);
    const start = (await entry(stack, friendId, one.user)).last.seq;
    const [mine, theirs] = [[], []];
    for (let i = 0; i < 100; i++) {
      mine.push(one.send(friendId, unique(`mine ${i}`), other.user.userId));
      theirs.push(other.send(friendId, unique(`theirs ${i}`), one.user.userId));
    }
    await Promise.all([one.heard(theirs.at(-1)), other.heard(mine.at(-1))]);
    assertSameList(one.said, theirs);
    assertSameList(other.said, mine);
    const seqs = [...one.events, ...other.events].map((event) => event.seq).sort((a, b) => a - b);
    assertSameList(seqs, Array.from({ length: 200 }, (_, i) => start + 1 + i));
  });

  it('content of every kind arrives, is stored and comes back to the letter', async () => {
    const { friendId, one, other } = await couple(stack);
    for (const content of CONTENTS) await other.heard(one.send(friendId, content, other.user.userId));
    assertSameList(other.said, CONTENTS);
    const rows = await history(stack, friendId, other.user);
    assertSameList(rows.slice(-CONTENTS.length).map((row) => row.content), CONTENTS);
    one.send(friendId, 'abc \u202e\u2066 def', other.user.userId);
    await other.heard('abc \ufffd\ufffd def');
  });

  it('what was said to someone offline waits in the history and in the unread count', async () => {
    const users = [await newUser(stack), await newUser(stack)];
    const friend = await befriend(stack, ...users);
    assert.deepEqual(await entry(stack, friend, users[1]),
      { friendId: friend, userId: users[0].userId, name: users[0].name, last: null, unread: 0 });
    const a = await Friend.connect(stack, users[0], { relay: 1 });
    const contents = Array.from({ length: 5 }, (_, i) => a.send(friend, unique(`waiting ${i}`), users[1].userId));
    const second = await Friend.connect(stack, users[1], { relay: 2 });
    const reply = unique('here I am');
    await settle(friend, [a], [second]);
    await a.heard(second.send(friend, reply, users[0].userId));
    const rows = await history(stack, friend, users[1]);
    const waiting = rows.filter((row) => contents.includes(row.content));
    assertSameList(waiting.map((row) => row.content), contents);
    for (const row of rows) {
      assert.deepEqual(Object.keys(row).sort(), ['content', 'from', 'seq', 'to', 'ts', 'type']);
      assert.deepEqual([row.from, row.to].sort(), users.map((user) => user.userId).sort());
    }
    assertSameList(rows.map((row) => row.seq), rows.map((_, i) => i + 1));
    const [atA, atB] = [await entry(stack, friend, users[0]), await entry(stack, friend, users[1])];
    assert.equal(atB.unread, rows.filter((row) => row.from === users[0].userId).length,
      'own messages are never unread');
    assert.equal(atA.unread, rows.filter((row) => row.from === users[1].userId).length);
    assert.equal(atB.last.content, reply);
    assert.deepEqual(atA.last, atB.last);
  });

  it('reading lowers the unread count, once for both devices, never past the end and never back', async () => {
    const { friendId, one, other } = await couple(stack);
    const { userId } = other.user;
    const read = (seq, user = userId) => tell(stack, `friends/${friendId}/read`, { userId: user, seq });
    const last = await other.heard(one.send(friendId, unique('read me'), userId)).then((event) => event.seq);
    await data(read(last));
    const unread = async () => (await entry(stack, friendId, other.user)).unread;
    assert.equal(await unread(), 0);
    await other.heard(one.send(friendId, unique('and me'), userId));
    assert.equal(await unread(), 1);
    await data(read(1));
    assert.equal(await unread(), 1, 'an older mark changes nothing');
    const { status } = await read(last + 1000);
    assert.ok([200, 400].includes(status), `a mark past the end: ${status}`);
    await other.heard(one.send(friendId, unique('and this'), userId));
    assert.ok((await unread()) >= 1, 'what nobody has seen is not read');
    for (const seq of [-1, 1.5, '1', null, undefined, 1e300]) await refused(read(seq), 400);
    await refused(read(1, (await newUser(stack)).userId), 404);
  });

  it('requests for one friendship, from both sides and many at once, make one', async () => {
    const [one, other] = [await newUser(stack), await newUser(stack)];
    const ids = await Promise.all(Array.from({ length: 20 },
      (_, i) => (i % 2 ? befriend(stack, one, other) : befriend(stack, other, one))));
    assert.match(ids[0], /^friend_[0-9a-f]{32}$/);
    assert.equal(new Set(ids).size, 1);
    assert.equal(
      await stack.count(
        'SELECT COUNT(*) FROM pair p JOIN conversation c ON c.id = p.conversation WHERE c.public_id = ?', [ids[0]]), 1);
    for (const [user, friend] of [[one, other], [other, one]]) {
      assert.deepEqual(await data(ask(stack, `friends?userId=${user.userId}`)),
        [{ friendId: ids[0], userId: friend.userId, name: friend.name, last: null, unread: 0 }]);
    }
  });

  it('users are found by exactly their name; the same name is the same user, ' +
    'also when asked for by many at once', async () => {
    const name = `${unique('Bob')} o'N "x" \\ 茶`;
    const made = await Promise.all(Array.from({ length: 10 }, () => newUser(stack, name)));
    assert.equal(new Set(made.map((user) => user.userId)).size, 1);
    assert.deepEqual(await data(ask(stack, `users?name=${encodeURIComponent(name)}`)),
      [{ userId: made[0].userId, name }]);
    for (const other of [name.toLowerCase(), `${name} `, name.slice(1), '%', unique('nobody')])
      assert.deepEqual(await data(ask(stack, `users?name=${encodeURIComponent(other)}`)), []);
    for (const bad of [undefined, '', ' ', 5, null, [], 'x'.repeat(65), 'a\nb', 'a\u0000b', 'a\u202eb'])
      await refused(tell(stack, 'users', { name: bad }), 400);
    for (const body of ['', '[]', '{', 'name=x']) await refused(tell(stack, 'users', body), 400);
    await refused(ask(stack, 'users'), 400);
  });

  it('what is missing, unknown or foreign is refused on reading, writing and in the history', async () => {
    const { friendId, one, other } = await couple(stack);
    const eve = await newUser(stack);
    const own = await befriend(stack, eve, one.user);
    await other.heard(one.send(friendId, unique('private'), other.user.userId));
    const unread = (await entry(stack, friendId, other.user)).unread;
    for (const id of [friendId, NOWHERE, 'x', '%25', `${own}x`, own.toUpperCase(), one.user.userId]) {
      await refused(ask(stack, `friends/${id}/messages?userId=${eve.userId}`), 404);
      await refused(tell(stack, `friends/${id}/read`, { userId: eve.userId, seq: 1 }), 404);
    }
    for (const userId of [NOBODY, 'x', eve.name, '']) {
      await refused(ask(stack, `friends/${friendId}/messages?userId=${userId}`), 404);
      await refused(ask(stack, `friends?userId=${userId}`), 404);
      await refused(tell(stack, 'friends', { user1: userId, user2: eve.userId }), 404);
      await refused(tell(stack, 'friends', { user1: eve.userId, user2: userId }), 404);
    }
    for (const body of [{}, { user1: eve.userId }, { user2: eve.userId }, { user1: eve.userId, user2: 5 },
      { user1: eve.userId, user2: eve.userId }])
      await refused(tell(stack, 'friends', body), 400);
    for (const path of ['friends', `friends/${friendId}/messages`]) await refused(ask(stack, path), 400);
    for (const body of [{}, { seq: 1 }, { userId: other.user.userId }])
      await refused(tell(stack, `friends/${friendId}/read`, body), 400);
    assert.equal((await entry(stack, friendId, other.user)).unread, unread);
  });

  it('the history comes in pages, backwards and forwards, without a seam', async () => {
    const { friendId, one, other } = await couple(stack);
    const said = Array.from({ length: 120 },
      (_, i) => (i % 3 ? one.send(friendId, unique(`page ${i}`), other.user.userId)
        : other.send(friendId, unique(`page ${i}`), one.user.userId)));
    await settle(friendId, [one], [other]);
    const { seq: last } = (await entry(stack, friendId, one.user)).last;
    const back = [];
    for (let before = last + 1; before > 1; before = back[0].seq)
      back.unshift(...await history(stack, friendId, one.user, `&before=${before}&limit=7`));
    assertSameList(back.map((row) => row.seq), Array.from({ length: last }, (_, i) => i + 1));
    const forth = [];
    for (let page = [{}]; page.length; forth.push(...page))
      page = await history(stack, friendId, other.user, `&after=${forth.at(-1)?.seq ?? 0}&limit=11`);
    assertSameList(forth, back);
    assert.ok(said.every((content) => back.some((row) => row.content === content)));
    const latest = await history(stack, friendId, one.user);
    assertSameList(latest, back.slice(-latest.length), 'without parameters: the latest');
    assert.deepEqual((await history(stack, friendId, one.user, '&after=10&before=14&limit=2')).map((row) => row.seq),
      [12, 13]);
    for (const none of ['&before=1', `&after=${last}`, '&after=20&before=21'])
      assert.deepEqual(await history(stack, friendId, one.user, none), []);
    for (const bad of ['limit=0', 'limit=-1', 'limit=x', 'limit=', 'before=x', 'before=-1', 'after=1.5',
      'after=99999999999999999999', 'limit=1e3', 'limit=201']) {
      await refused(ask(stack, `friends/${friendId}/messages?userId=${one.user.userId}&${bad}`), 400);
    }
    assertSameList(await history(stack, friendId, one.user, '&limit=200'), back.slice(-200));
  });

  it('a friendship made while both are connected works at once, on whatever relay', async () => {
    const users = [await newUser(stack), await newUser(stack), await newUser(stack)];
    const [a, b, c] = await Promise.all(users.map((user, i) => Friend.connect(stack, user, { relay: i % 2 + 1 })));
    const known = await befriend(stack, users[0], users[2]);
    await settle(known, [a], [c]); // both are in by now
    const friend = await befriend(stack, users[0], users[1]);
    await settle(friend, [a], [b]);
    await b.heard(a.send(friend, unique('new friends'), users[1].userId));
    await a.heard(b.send(friend, unique('indeed'), users[0].userId));
  });

  it('a friendship made while Redis is down works when it is back, ' +
    'also for those who were connected all the time', async () => {
    const users = [await newUser(stack), await newUser(stack)];
    const [a, b] = await Promise.all(users.map((user, i) => Friend.connect(stack, user, { relay: i + 1 })));
    await stack.stopPart('redis');
    const friend = await befriend(stack, ...users);
    await stack.startPart('redis');
    await eventually(async () => {
      a.forget();
      const content = a.send(friend, unique('by now?'), users[1].userId);
      await eventually(async () => a.errors.length || (await entry(stack, friend, users[1])).last?.content === content,
        'an answer or the message');
      return !a.errors.length;
    }, 'the friendship to be known');
    await settle(friend, [a], [b]);
  });

  it('who claims to be another, to have another friend or to speak to another is refused, ' +
    'and nothing is stored', async () => {
    const { friendId, one, other } = await couple(stack);
    const foreign = await couple(stack);
    const [me, you] = [one.user.userId, other.user.userId];
    const good = { friend: friendId, from: me, to: you, content: unique('forged'), type: 'text' };
    const wrong = [{ from: you }, { from: you, to: me }, { from: NOBODY }, { from: foreign.one.user.userId },
      { from: undefined }, { from: 5 }, { from: '' },
      { from: one.user.name }, { from: `${me} ` }, { from: me.toUpperCase() }, { to: me }, { to: NOBODY },
      { to: foreign.other.user.userId }, { to: undefined }, { to: [you] },
      { friend: foreign.friendId }, { friend: foreign.friendId, to: foreign.other.user.userId },
      { friend: foreign.friendId, from: foreign.one.user.userId, to: foreign.other.user.userId },
      { friend: NOWHERE }, { friend: undefined }, { friend: '' }, { friend: '%' }, { friend: `' OR 1=1--` },
      { friend: you }];
    const stored = await messages();
    await stack.counts('identity_refused_total', async () => {
      for (const change of wrong) {
        one.sendJson({ ...good, ...change });
        assert.equal(await one.refusal(), 'identity', JSON.stringify(change));
      }
    }, wrong.length);
    assert.equal(await messages(), stored);
    await settle(friendId, [one], [other]);
    await settle(foreign.friendId, [foreign.one], [foreign.other]);
    for (const socket of [other, foreign.one, foreign.other]) assert.ok(!socket.said.includes(good.content));
  });

  it('a frame that is none is refused by its kind, and the connection goes on', async () => {
    const { friendId, one, other } = await couple(stack);
    const good = { friend: friendId, from: one.user.userId, to: other.user.userId, content: unique('fine'),
      type: 'text' };
    const text = JSON.stringify(good);
    const cases = { bad_json: ['', 'hello', '[]', 'null', '{', `${text}${text}`, '{"friend":"x\\u0000"}',
      text.replace('text"', 'text\u0001"'), `{"a":${'['.repeat(3000)}`],
      bad_type: ['image', '', 'TEXT', 5, ['text'], {}].map((type) => JSON.stringify({ ...good, type })),
      bad_content: [{ content: '' }, { content: undefined }, { content: 5 }, { content: null }, { content: ['x'] },
        { content: 'a\u0001b' }, { content: '', type: 'file' }, { content: 'a\u0001b', type: 'file' }]
        .map((change) => JSON.stringify({ ...good, ...change })),
      too_large: [{ mine: 'x'.repeat(4096) }, { a: 'x'.repeat(2100), b: ['y'.repeat(2100)] }]
        .map((change) => JSON.stringify({ ...good, ...change })) };
    const stored = await messages();
    for (const [code, frames] of Object.entries(cases)) {
      for (const bad of frames) {
        one.sendRaw(bad);
        assert.equal(await one.refusal(), code, bad.slice(0, 100));
      }
    }
    assert.equal(await messages(), stored);
    one.sendJson(good);
    await other.heard(good.content);
  });

  it('who is not known does not get in', async () => {
    const chatter = await enter(stack, unique('room'), unique('nick'));
    const user = await newUser(stack);
    for (const relay of [0, 1, 2]) {
      for (const id of [NOBODY, chatter.nickId, user.name, user.userId.slice(0, -1), user.userId.toUpperCase(),
        `${user.userId}%20`, '%25', 'x', NOWHERE]) {
        const stranger = Friend.dial(stack, `/ws/${id}`, { relay });
        assert.deepEqual(await stranger.closed, { code: 1008, reason: 'Unknown user' }, id);
        assert.deepEqual(stranger.frames, []);
      }
      for (const path of ['/ws', '/ws/', `/ws/${user.userId}/x`, `/wsx/${user.userId}`])
        assert.notEqual(await knock(stack, path, { relay }), 101, path);
    }
  });

  it('is pinged, stays as long as it answers, and is dropped when it does not', async () => {
    const user = await newUser(stack);
    const lively = await Friend.connect(stack, user, { relay: 1 });
    let pings = 0;
    lively.ws.on('ping', () => {
      pings++;
      lively.wake();
    });
    const silent = await Raw.connect(stack.relayPort(2));
    silent.send(handshake(`/ws/${user.userId}`));
    await silent.until(() => silent.frames.some((f) => f.opcode === PING), 'a ping');
    silent.send(frame(PONG, silent.frames.find((f) => f.opcode === PING).payload));
    await silent.end('the silent connection to be dropped');
    assert.ok(silent.frames.filter((f) => f.opcode === PING).length >= 2, 'an answered ping is followed by another');
    await lively.until(() => pings >= 4, 'four pings');
    assert.equal(lively.closeInfo, undefined);
  });

  it('is as docs/clients/friends.asyncapi.json describes it: all of that was seen', () => {
    assert.deepEqual(Friend.described.unseen('user'), []);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
