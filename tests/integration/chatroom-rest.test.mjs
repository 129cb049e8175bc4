// The chatroom over REST: its five calls under both prefixes, and what they say to those who ask badly.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { enter, unique } from './lib/client.mjs';
import { fastcgi, fastcgiBegin } from './lib/fastcgi.mjs';
import { Raw } from './lib/raw.mjs';
import { Stack, eventually, post, request } from './lib/stack.mjs';

const ROOM_ID = /^room_[0-9a-f]{32}$/;
const USER_ID = /^user_[0-9a-f]{32}$/;
const FAILURE = {
  createChatroom: { error: '创建失败' },
  getRoomInfo: { error: '查询报错' },
  getUserInfo: { error: '查询报错' },
  validateNickIdByRoomId: { success: false },
};

// Names that must come back as they are, whatever else reads them on the way.
const NAMES = [
  `o'Neil "Q" \\ \\' \\"`, '100%_sure', `' OR 1=1--`, `'); DROP TABLE user; --`, '</script><script>alert(1)</script>',
  '<img src=x onerror=alert(1)>', '${jndi}{{x}}%s%n%00', '茶馆 №1', '🍵👩‍👩‍👧🇨🇳', '𠮷野家',
  'a b', '٣٤ عربى', 'e\u0301 vs é', '\ufdfa', '👩🏽‍🚀 ❤️ 1️⃣',
];
const ONE_SCALAR_64 = '𠮷'.repeat(64);

const BAD_NAMES = {
  empty: '', blanks: '   ', 'a no-break space': '\u00a0', 'too long': 'x'.repeat(65),
  'too long in four-byte characters': '𠮷'.repeat(65),
  'a line feed': 'a\nb', 'a tab': 'a\tb', 'a C1 control': 'a\u0085b', 'an escape': 'a\u001bb', 'DEL': 'a\u007fb',
  'a bidirectional override': 'a\u202eb', 'a bidirectional isolate': 'a\u2066b', 'a right-to-left mark': 'a\u200fb',
  'a line separator': 'a\u2028b', 'a byte order mark': '\ufeffa',
  'a blank before': ' a', 'a blank behind': 'a ', 'two blanks': 'a  b', 'an ideographic blank': 'a\u3000b',
  'a zero width space': 'system\u200b', 'a soft hyphen': 'b\u00adob', 'a filler': 'a\u3164', 'a Braille blank': 'a\u2800',
  'a variation selector': 'a\ufe00', 'an idle joiner': 'a\u200db', 'a tag': 'a\u{e0061}', 'private use': '\u{10fffd}',
  'what is not assigned': 'a\u0378', 'a Cyrillic o among Latin letters': 'b\u043eb', 'a number': 5, 'true': true, 'null': null,
  'an array': ['a'], 'an object': { a: 1 },
};

// Bodies that are no JSON object; with raw bytes where a string could not hold them.
const BAD_BODIES = {
  nothing: '', blanks: '  ', 'a word': 'hello', 'an array': '[]', 'a string': '"x"', 'null': 'null',
  'two objects': '{}{}',
  'an open object': '{"roomId":"x"', 'single quotes': "{'roomId':'x'}", 'a comment': '{/**/}',
  'a trailing comma': '{"roomId":"x",}',
  'a form': 'roomId=x&nickId=y', NaN: '{"roomId":NaN}',
  'deep arrays': `{"roomId":${'['.repeat(5000)}${']'.repeat(5000)}}`,
  'five thousand keys': `{${Array.from({ length: 5000 }, (_, i) => `"k${i}":1`).join(',')}}`,
};
const bytes = (text, hex) => Buffer.concat([Buffer.from(text), Buffer.from(hex, 'hex')]);
const BAD_TEXTS = {
  'an overlong NUL': 'c080', 'an overlong slash': 'c0af', 'a surrogate': 'eda080', 'a lone continuation': '80',
  'a cut sequence': 'e4bd', 'past U+10FFFF': 'f4908080', 'FF': 'ff',
};

describe('the chatroom over REST', () => {
  let stack;
  const users = () => stack.count('SELECT COUNT(*) FROM user');
  const rooms = () => stack.count('SELECT COUNT(*) FROM conversation');
  before(async () => {
    stack = await Stack.start();
  });
  after(() => stack?.remove());

  for (const prefix of ['/mysql', '/api']) {
    it(`${prefix}: a name opens a room, the same name leads to the same room, ` +
      `the same nick to the same user`, async () => {
      const roomName = unique('room');
      const nick = unique('nick');
      const before = (await request(`${stack.url}${prefix}/getRoomNums`)).json.data;
      const first = await enter(stack, roomName, nick, 3, prefix);
      assert.match(first.roomId, ROOM_ID);
      assert.match(first.nickId, USER_ID);
      assert.deepEqual(await enter(stack, roomName, nick, 3, prefix), first);
      const other = await enter(stack, roomName, unique('nick'), 3, prefix);
      assert.equal(other.roomId, first.roomId);
      assert.notEqual(other.nickId, first.nickId);
      const elsewhere = await enter(stack, unique('room'), nick, 3, prefix);
      assert.equal(elsewhere.nickId, first.nickId);
      assert.notEqual(elsewhere.roomId, first.roomId);
      const nums = await request(`${stack.url}${prefix}/getRoomNums`);
      assert.deepEqual([nums.status, nums.json], [200, { success: true, data: before + 2 }]);
    });

    it(`${prefix}: rooms and users are told by their names, unknown ones by no data`, async () => {
      const seat = await enter(stack, unique('room'), unique('nick'));
      const ask = async (call, body) => {
        const answer = await stack.api(call, body, prefix);
        assert.equal(answer.status, 200, answer.text);
        return answer.json;
      };
      assert.deepEqual(await ask('getRoomInfo', { roomId: seat.roomId }), { success: true, data: seat.roomName });
      assert.deepEqual(await ask('getUserInfo', { userId: seat.nickId }), { success: true, data: seat.nick });
      for (const roomId of [seat.nickId, `room_${'0'.repeat(32)}`, `${seat.roomId} `, seat.roomId.toUpperCase(), '%',
        'room_%', `' OR '1'='1`]) {
        assert.deepEqual(await ask('getRoomInfo', { roomId }), { success: true }, roomId);
      }
      for (const userId of [seat.roomId, `user_${'0'.repeat(32)}`, `${seat.nickId} `, '%', '_',
        `${seat.nickId}' -- `]) {
        assert.deepEqual(await ask('getUserInfo', { userId }), { success: true }, userId);
      }
    });

    it(`${prefix}: validateNickIdByRoomId is true for a member of exactly that room, ` +
      `from the moment it was let in`, async () => {
      const seat = await enter(stack, unique('room'), unique('nick'));
      const other = await enter(stack, unique('room'), unique('nick'));
      const ask = async (roomId, nickId) => {
        const answer = await stack.api('validateNickIdByRoomId', { roomId, nickId }, prefix);
        assert.equal(answer.status, 200, answer.text);
        return answer.json;
      };
      assert.deepEqual(await ask(seat.roomId, seat.nickId), { success: true });
      const wrong = [[other.roomId, seat.nickId], [seat.roomId, other.nickId], ['%', seat.nickId],
        [seat.roomId.slice(0, 20), seat.nickId],
        [seat.roomId.slice(5), seat.nickId], ['room_', seat.nickId], [seat.roomId, '%'],
        [seat.roomId, `${seat.nickId} `],
        [`${seat.roomId},%`, seat.nickId], [seat.roomId, `' OR '1'='1`]];
      for (const [roomId, nickId] of wrong)
        assert.deepEqual(await ask(roomId, nickId), { success: false }, `${roomId} ${nickId}`);
    });
  }

  it('what both prefixes make is one and the same', async () => {
    const seat = await enter(stack, unique('room'), unique('nick'), 1, '/mysql');
    assert.deepEqual(await enter(stack, seat.roomName, seat.nick, 1, '/api'), seat);
  });

  it('names of every kind come back to the letter', async () => {
    for (const name of [...NAMES, ONE_SCALAR_64, 'x'.repeat(64)]) {
      const seat = await enter(stack, name, name);
      assert.equal((await stack.api('getRoomInfo', { roomId: seat.roomId })).json.data, name);
      assert.equal((await stack.api('getUserInfo', { userId: seat.nickId })).json.data, name);
      assert.deepEqual(await enter(stack, name, name), seat);
    }
  });

  it("what looks like the server's own name is nobody's nick", async () => {
    const likes = ['system', 'System', 'SYSTEM', 's\u0443stem', '\u0455\u0443\u0455\u0442\u0435\u043c', 'ｓｙｓｔｅｍ',
      's\u00ffstem', 'systern', '𝓼𝔂𝓼𝓽𝓮𝓶', 'ꜱʏꜱᴛᴇᴍ', '系统', '系統', 'sys tem'];
    const before = await users();
    for (const nickName of likes) {
      const answer = await stack.api('createChatroom', { chatroomName: unique('room'), nickName, headNum: 1 });
      assert.deepEqual([answer.status, answer.json], [400, FAILURE.createChatroom], nickName);
    }
    assert.equal(await users(), before);
  });

  it('who has a name that nobody would be given any more comes in under it, and so does everybody into such a room',
    async () => {
      const old = { nick: `${unique('old')}\u200b `, like: 'Syst\u0435m', room: ` ${unique('old')}\u00ad` };
      const enterOld = (chatroomName, nickName) => stack.api('createChatroom', { chatroomName, nickName, headNum: 1 });
      for (const [room, nick] of [[unique('room'), old.nick], [unique('room'), old.like], [old.room, unique('nick')]])
        assert.equal((await enterOld(room, nick)).status, 400);
      for (const [i, name] of [old.nick, old.like].entries())
        await stack.sql('INSERT INTO user (public_id, realm, name, created_at) VALUES (?, 1, ?, UTC_TIMESTAMP(3))',
          [`user_${String(i).padStart(32, 'f')}`, name]);
      await stack.sql(
        'INSERT INTO conversation (public_id, kind, name, created_at) VALUES (?, 1, ?, UTC_TIMESTAMP(3))',
        [`room_${'f'.repeat(32)}`, old.room]);
      for (const [i, name] of [old.nick, old.like].entries()) {
        const { data } = (await enterOld(old.room, name)).json;
        assert.deepEqual(data, { chatroomId: `room_${'f'.repeat(32)}`, nickId: `user_${String(i).padStart(32, 'f')}` });
      }
    });

  it('names that differ in case, accent, blanks or composition belong to different users and rooms', async () => {
    const stem = unique('Bob');
    const names = [stem, stem.toLowerCase(), `${stem} b`, `${stem}b`, `${stem}\u00e9`, `${stem}e\u0301`, `${stem}e`,
      `${stem}ß`, `${stem}ss`];
    const seats = [];
    for (const name of names) seats.push(await enter(stack, name, name));
    assert.equal(new Set(seats.map((seat) => seat.nickId)).size, names.length);
    assert.equal(new Set(seats.map((seat) => seat.roomId)).size, names.length);
  });

  it('headNum is kept, and the latest counts', async () => {
    const seat = await enter(stack, unique('room'), unique('nick'), 3);
    await enter(stack, seat.roomName, seat.nick, '7');
    const [row] = await stack.sql('SELECT head_num FROM user WHERE public_id = ?', [seat.nickId]);
    assert.equal(JSON.parse(row.head_num), '7');
    for (const headNum of [undefined, null, -1, 1.5, 1e300, '', 'x'.repeat(33), '\n', 'é', [], {}, true]) {
      const answer = await stack.api('createChatroom', { chatroomName: seat.roomName, nickName: seat.nick, headNum });
      assert.deepEqual([answer.status, answer.json], [400, FAILURE.createChatroom], String(headNum));
    }
  });

  it('a bad name is refused with 400 and the failure body, and nothing is stored', async () => {
    const [usersBefore, roomsBefore] = [await users(), await rooms()];
    for (const field of ['chatroomName', 'nickName']) {
      const good = { chatroomName: unique('room'), nickName: unique('nick'), headNum: 1 };
      const missing = await stack.api('createChatroom', { ...good, [field]: undefined });
      assert.deepEqual([missing.status, missing.json], [400, FAILURE.createChatroom], `${field} missing`);
      for (const [what, name] of Object.entries(BAD_NAMES)) {
        const answer = await stack.api('createChatroom', { ...good, [field]: name });
        assert.deepEqual([answer.status, answer.json], [400, FAILURE.createChatroom], `${field}: ${what}`);
      }
    }
    assert.deepEqual([await users(), await rooms()], [usersBefore, roomsBefore]);
  });

  for (const call of Object.keys(FAILURE)) {
    it(`${call}: a bad body is refused with the failure body, with 400 under /api/, and counted`, async () => {
      const refused = await stack.metric('rest', 'http_refused_total');
      const bodies = { ...BAD_BODIES,
        'fields of other types': '{"roomId":1,"nickId":[],"userId":{},"chatroomName":1,"nickName":2}' };
      const fields = ['roomId', 'nickId', 'userId', 'chatroomName', 'nickName', 'headNum'];
      for (const [what, hex] of Object.entries(BAD_TEXTS)) {
        bodies[what] =
          Buffer.concat([bytes(`{${fields.map((f) => `"${f}":"x"`).join(',')},"more":"`, hex), Buffer.from('"}')]);
      }
      for (const escape of ['\\ud800', '\\udc00', '\\ud800x', '\\u0000', '\\x41', '\\u12']) {
        bodies[escape] = `{${fields.map((f) => `"${f}":"x${escape}"`).join(',')}}`;
      }
      bodies['a raw control character'] = `{${fields.map((f) => `"${f}":"x\u0001"`).join(',')}}`;
      for (const [what, body] of Object.entries(bodies)) {
        const answer = await post(`${stack.url}/api/${call}`, body);
        assert.deepEqual([answer.status, answer.json], [400, FAILURE[call]], what);
        const told = await post(`${stack.url}/mysql/${call}`, body);
        assert.deepEqual([told.status, told.json], [200, FAILURE[call]], `as the article's clients read it: ${what}`);
      }
      const grown = await stack.metric('rest', 'http_refused_total');
      assert.ok(grown >= refused + 2 * Object.keys(bodies).length, 'refusals are counted');
    });

    it(`${call}: a body over the limit gets 413, one at the limit is read`, async () => {
      const fill = (size) => {
        const head = `{"chatroomName":"${unique('room')}","nickName":"n","headNum":1,` +
          '"roomId":"r","nickId":"n","userId":"u","more":"';
        return `${head}${'x'.repeat(size - head.length - 2)}"}`;
      };
      const over = await post(`${stack.url}/mysql/${call}`, fill(65537));
      assert.deepEqual([over.status, over.json], [413, FAILURE[call]]);
      assert.equal((await post(`${stack.url}/mysql/${call}`, fill(65536))).status, 200);
    });

    it(`${call} is a POST and nothing else`, async () => {
      for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD']) {
        const answer = await request(`${stack.url}/api/${call}`, { method });
        assert.equal(answer.status, 405, method);
        assert.equal(answer.headers.allow, 'POST', method);
      }
    });
  }

  it('who has no ids yet is nobody, not a mistake', async () => {
    const nobody = { validateNickIdByRoomId: { success: false }, getRoomInfo: { success: true },
      getUserInfo: { success: true } };
    for (const prefix of ['/mysql', '/api']) {
      for (const [call, answered] of Object.entries(nobody)) {
        for (const given of [undefined, null, '']) {
          const answer = await stack.api(call, { roomId: given, nickId: given, userId: given }, prefix);
          assert.deepEqual([answer.status, answer.json], [200, answered], `${prefix}/${call} ${given}`);
        }
      }
    }
  });

  it('a body past what nginx takes gets 413 as JSON', async () => {
    const raw = await Raw.connect(stack.port);
    raw.send(
      `POST /api/createChatroom HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ` +
      `${26 << 20}\r\n\r\n{`);
    await raw.until(() => raw.status, 'an answer');
    assert.equal(raw.status, 413);
    assert.match(raw.text, /application\/json/);
    raw.destroy();
  });

  it('getRoomNums is a GET and nothing else', async () => {
    const answer = await post(`${stack.url}/mysql/getRoomNums`, {});
    assert.equal(answer.status, 405);
    assert.equal(answer.headers.allow, 'GET');
  });

  it('an unknown path gets 404 as JSON', async () => {
    for (const path of ['/mysql/nope', '/api/nope', '/api/', '/mysql/createChatroom/x', '/api/CREATECHATROOM',
      '/api/%00', '/api/createChatroom%2fx']) {
      const answer = await post(`${stack.url}${path}`, {});
      assert.ok(answer.status === 404 || (path.includes('%00') && answer.status === 400), `${path}: ${answer.status}`);
      if (answer.status === 404) assert.ok(answer.json.error, path);
    }
  });

  it('answers are JSON that no cache keeps and no browser takes for something else', async () => {
    const answer = await request(`${stack.url}/mysql/getRoomNums`);
    assert.match(answer.headers['content-type'], /^application\/json/);
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    assert.match(answer.headers['cache-control'], /no-store/);
  });

  it('50 simultaneous createChatroom calls for one new name make one room and no user twice', async () => {
    const roomName = unique('room');
    const nicks = Array.from({ length: 25 }, () => unique('nick'));
    const seats = await Promise.all([...nicks, ...nicks].map((nick) => enter(stack, roomName, nick)));
    assert.equal(new Set(seats.map((seat) => seat.roomId)).size, 1);
    assert.equal(new Set(seats.map((seat) => seat.nickId)).size, nicks.length);
    assert.equal(await stack.count('SELECT COUNT(*) FROM conversation WHERE name = ?', [roomName]), 1);
    assert.equal(await stack.count('SELECT COUNT(*) FROM user WHERE name IN (?)', [nicks]), nicks.length);
    assert.equal(await stack.count(
      'SELECT COUNT(*) FROM member m JOIN conversation c ON c.id = m.conversation WHERE c.name = ?', [roomName]),
        nicks.length);
  });

  it('a body sent in chunks is read whole', async () => {
    const body = JSON.stringify({ chatroomName: unique('room'), nickName: unique('nick'), headNum: 1 });
    const answer = await request(`${stack.url}/mysql/createChatroom`, { method: 'POST', body,
      headers: { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' } });
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.json.data.chatroomId, ROOM_ID);
  });

  it('a body cut short by its sender stores nothing', async () => {
    const before = await users();
    const body = JSON.stringify({ chatroomName: unique('room'), nickName: unique('nick'), headNum: 1 });
    const raw = await Raw.connect(stack.port);
    raw.send(
      `POST /mysql/createChatroom HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ` +
      `${body.length + 10}\r\n\r\n${body}`);
    raw.socket.end();
    await raw.end();
    await enter(stack, unique('room'), unique('nick')); // by now the other request is over, too
    assert.equal(await users(), before + 1);
  });

  it('the REST process itself takes half a body for a bad one, not for a short one', async () => {
    const [usersBefore, roomsBefore] = [await users(), await rooms()];
    const body = JSON.stringify({ chatroomName: unique('room'), nickName: unique('nick'), headNum: 1 });
    const call = { path: '/api/createChatroom', body };
    for (const contentLength of [body.length + 1, body.length + 1000, body.length - 1, '-1', 'x', '1e3',
      '99999999999999999999']) {
      const answer = await fastcgi(stack.file('rest.sock'), { ...call, contentLength });
      assert.ok([400, 413].includes(answer?.status), `Content-Length ${contentLength}: ${answer?.status}`);
      assert.deepEqual(JSON.parse(answer.text), FAILURE.createChatroom);
    }
    assert.deepEqual([await users(), await rooms()], [usersBefore, roomsBefore]);
    const whole = await fastcgi(stack.file('rest.sock'), { ...call, contentLength: body.length });
    assert.equal(whole.status, 200);
    assert.equal(await users(), usersBefore + 1);
  });

  it('idle and half-said connections to the REST process do not stop the others', async () => {
    const idle = await Promise.all(Array.from({ length: 8 }, () => Raw.open(stack.file('rest.sock'))));
    for (const raw of idle.slice(4)) raw.send(Buffer.from([1, 1, 0]));
    const half = { path: '/mysql/getRoomInfo', contentLength: 50, body: '{"roomId"' }; // of a call that is answered from memory
    for (let i = 0; i < 4; i++) idle.push(await fastcgiBegin(stack.file('rest.sock'), half));
    for (let i = 0; i < 20; i++) {
      const seat = await enter(stack, unique('room'), unique('nick'));
      assert.equal((await stack.api('getRoomInfo', { roomId: seat.roomId })).json.data, seat.roomName);
    }
    for (const raw of idle) raw.destroy();
    await eventually(() => stack.ready(), 'the REST process to be ready');
  });

  it('without a free descriptor the REST process waits for one, and goes on when there is one', async () => {
    const pid = stack.pid('rest');
    const cpuTicks = () => fs.readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ').slice(11, 13)
      .reduce((sum, n) => sum + Number(n), 0);
    await stack.limitFiles('rest', fs.readdirSync(`/proc/${pid}/fd`).length + 3);
    const crowd = await Promise.all(Array.from({ length: 20 }, () => Raw.open(stack.file('rest.sock'))));
    await eventually(() => stack.read('rest.log').includes('event=rest.accept_failed'), 'a line in its log');
    const used = cpuTicks();
    await new Promise((resolve) => setTimeout(resolve, 1000)); // what is measured is a stretch of time
    assert.ok(cpuTicks() - used < 30, 'and it does not spin');
    for (const raw of crowd) raw.destroy();
    await enter(stack, unique('room'), unique('nick'));
    await stack.limitFiles('rest');
    await enter(stack, unique('room'), unique('nick'));
    assert.equal(stack.pid('rest'), pid, 'it is the same one');
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
