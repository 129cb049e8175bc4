// Spaces: people in a space, who came and went, what they say to each other and what they owe each other. The client is
// the article's.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { DescribedFrontEnd } from './lib/described.mjs';
import { refused } from './lib/friends.mjs';
import { assertSameList, knock, unique } from './lib/socket.mjs';
import { Player, login, newSpace, read, seen, settle, transfer, write } from './lib/spaces.mjs';
import { Raw, handshake } from './lib/raw.mjs';
import { Stack, eventually } from './lib/stack.mjs';

const NOWHERE = `space_${'0'.repeat(32)}`;
const NOBODY = `user_${'0'.repeat(32)}`;
const RESERVED = ['api', 'mysql', 'users', 'chat', 'ws', 'rooms', 'media', 'metrics', 'healthz', 'readyz', 'socket.io',
  'index.html', 'js', 'css', 'relay1', 'relay', 'static', 'v1'];
const BAD_NAMES = ['', ' ', 'a/b', '/', '..', '.', '.hidden', 'a\\b', '%2e%2e', 'a%2fb', 'a?b', 'a#b', 'a\nb',
  'a\u0000b', 'a\u202eb', 'x'.repeat(300), '茶'.repeat(100), 'x'.repeat(65)];

Player.described = new DescribedFrontEnd('spaces');

describe('spaces', () => {
  let stack;
  const records = async (space, user, type) =>
    (await seen(stack, space, user)).records.filter((record) => String(record.type) === String(type));
  const sum = (standings) => standings.reduce((total, { score }) => total + score, 0);
  /** A space with that many members, each with a connection on one of the relays in turn. */
  const party = async (count, relays = [1, 2, 0]) => {
    const users = await Promise.all(Array.from({ length: count }, () => login(stack)));
    const space = await newSpace(stack, users[0]);
    const players = [];
    for (const [i, user] of users.entries())
      players.push(await Player.enter(stack, space, user, { relay: relays[i % relays.length] }));
    for (const player of players) for (const user of users.slice(users.indexOf(player.user))) await player.joined(user);
    return { users, space, players };
  };
  /** settle() for relays that may not hear each other yet. */
  const settleAgain = (players) => {
    const texts = players.map(() => new Set());
    return eventually(() => {
      players.forEach((player, i) => texts[i].add(player.say({ settle: unique('settle') })));
      return players.every((player) => texts.every((said) => player.frames.some((frame) => said.has(frame))));
    }, 'the relays to hear each other');
  };
  before(async () => {
    stack = await Stack.start({ relays: 2, settings: { jwt_secret: 'a-secret-of-the-test-that-is-long-enough',
      grace_ms: '200ms', lease_ms: '1500ms', redis_timeout_ms: '500ms', reconcile_down_ms: '200ms' } });
    stack.keepSecret('a-secret-of-the-test-that-is-long-enough');
  });
  after(() => stack?.remove());

  it("the article's evening: login, a space, arrivals, talk, a look at the room, and somebody leaves", async () => {
    const [ann, bob] = [await login(stack, unique('安')), await login(stack, unique('Bob'))];
    assert.match(ann.userId, /^user_[0-9a-f]{32}$/);
    const space = await newSpace(stack, ann);
    assert.match(space.roomId, /^space_[0-9a-f]{32}$/);
    const a = Player.at(stack, space, ann);
    assert.deepEqual(await a.joined(ann), { spaceName: space.roomNum, userJoin: `${ann.nickName}加入了房间` });
    const b = Player.at(stack, space, bob);
    for (const player of [a, b])
      assert.deepEqual(await player.joined(bob),
        { spaceName: space.roomNum, userJoin: `${bob.nickName}加入了房间` });
    const said = a.say({ toId: bob.userId, toMsg: unique('轮到你了'), score: 12 });
    for (const player of [a, b]) await player.heard(said);
    const room = await seen(stack, space, bob);
    assert.deepEqual([room.roomId, room.roomNum], [space.roomId, space.roomNum]);
    assert.deepEqual(room.members, [ann, bob].map(({ userId, nickName }) => ({ userId, nickName })));
    assert.deepEqual(room.standings, [ann, bob].map(({ userId }) => ({ userId, score: 0 })));
    await b.close();
    assert.deepEqual(await a.left(bob), { spaceName: space.roomNum, userLeave: `${bob.nickName}退出了房间` });
    await eventually(async () => (await records(space, ann, 3)).length === 1, 'the leave record');
    const kept = (await seen(stack, space, ann)).records;
    assert.deepEqual(kept.map((record) => [String(record.type), record.fromId]),
      [['2', ann.userId], ['2', bob.userId], ['3', bob.userId]]);
    for (const record of kept) assert.ok(record.createTime, JSON.stringify(record));
  });

  it('a browser, which cannot set headers, says the same in its query', async () => {
    const user = await login(stack);
    const space = await newSpace(stack, user);
    for (const relay of [0, 1, 2]) {
      const player = await Player.enter(stack, space, user, { relay, query: true });
      await player.close();
    }
  });

  it('what is said goes to every connection of the space, on every relay, byte for byte', async () => {
    const { players, space } = await party(3);
    players.push(await Player.enter(stack, space, players[0].user, { relay: 2 }));
    const text = JSON.stringify(space.roomNum);
    const frames = [`{"spaceName":${text}}`,
      `{ "toId" : 1.50, "spaceName":${text},"x":[1,{"y":null}] , "big":12345678901234567890}`,
      `{"spaceName":${text},"a":1,"a":2}`,
      `{"toMsg":"\\u8336\\/ </script> \u2028 🍵","spaceName":${text}}`, `\n{"spaceName":${text}}\t`,
      JSON.stringify({ spaceName: space.roomNum, toMsg: 'x'.repeat(60_000) })];
    for (const [i, frame] of frames.entries()) players[i % players.length].sendRaw(frame);
    for (const player of players) {
      for (const frame of frames) await player.heard(frame);
      for (const frame of frames) assert.equal(player.frames.filter((f) => f === frame).length, 1);
    }
  });

  it('one sender is heard in the order of speaking, by everybody', async () => {
    const { players } = await party(3);
    const said = Array.from({ length: 200 }, (_, i) => players[0].say({ toMsg: unique(`order ${i}`) }));
    for (const player of players) {
      await player.heard(said.at(-1));
      assertSameList(player.frames.filter((frame) => said.includes(frame)), said);
    }
  });

  it('who claims another space, or none, is refused; no space hears of it', async () => {
    const { players: [me, you], space } = await party(2);
    const { players: [stranger], space: other } = await party(1);
    const content = unique('forged');
    const wrong = [{ spaceName: other.roomNum }, { spaceName: other.roomId }, { spaceName: space.roomId },
      { spaceName: '' }, { spaceName: undefined }, { spaceName: 5 }, { spaceName: [space.roomNum] },
      { spaceName: `${space.roomNum} ` }, { spaceName: space.roomNum.toUpperCase() },
      { spaceName: encodeURIComponent(`${space.roomNum}/`) }];
    await stack.counts('identity_refused_total', async () => {
      for (const change of wrong) {
        me.sendJson({ spaceName: space.roomNum, toMsg: content, ...change });
        assert.equal(await me.refusal(), 'identity', JSON.stringify(change));
      }
    }, wrong.length);
    for (const bad of ['', 'hello', '[]', 'null', '{', `{"spaceName":"${space.roomNum}"}{}`,
      `{"spaceName":"${space.roomNum}","x":"\u0001"}`]) {
      me.sendRaw(bad);
      assert.equal(await me.refusal(), 'bad_json', bad);
    }
    await settle(me, you);
    await settle(stranger);
    for (const player of [me, you, stranger]) assert.ok(!player.frames.some((frame) => frame.includes(content)));
  });

  it('an unknown room, another space\'s room or no room at all: closed with 1008', async () => {
    const [user, other] = [await login(stack), await login(stack)];
    const [space, foreign] = [await newSpace(stack, user), await newSpace(stack, other)];
    const cases = [{ ...space, roomId: NOWHERE }, { ...space, roomId: foreign.roomId },
      { ...space, roomNum: foreign.roomNum }, { ...space, roomId: 'x' }, { ...space, roomId: space.roomNum },
      { ...space, roomId: `${space.roomId}0` }, { ...space, roomId: space.roomId.toUpperCase() },
      { ...space, roomId: `room_${space.roomId.slice(6)}` }, { ...space, roomNum: unique('no-such') }];
    for (const query of [false, true]) {
      for (const relay of [0, 1]) {
        for (const wrong of [...cases, { ...space, roomId: '' }]) {
          const player = Player.at(stack, wrong, user, { relay, query });
          assert.equal((await player.closed).code, 1008, JSON.stringify(wrong));
          assert.deepEqual(player.frames, []);
        }
      }
    }
    assert.deepEqual((await seen(stack, space, user)).members.length, 1);
    assert.deepEqual((await seen(stack, foreign, other)).members.length, 1, 'a refused connection makes no member');
  });

  it('join is told once for all tabs, leave once after the last; a reload within the grace is neither', async () => {
    const { players: [watcher], space } = await party(1);
    const user = await login(stack);
    const tabs = [await Player.enter(stack, space, user, { relay: 1 }),
      await Player.enter(stack, space, user, { relay: 2 }), await Player.enter(stack, space, user, { relay: 0 })];
    await watcher.joined(user);
    await tabs[0].close();
    tabs[0] = await Player.enter(stack, space, user, { relay: 1 }); // reloaded
    // its own arrival is the first that each newcomer hears, and the only one of this user
    for (const tab of tabs) {
      assert.deepEqual(tab.events[0], { spaceName: space.roomNum, userJoin: `${user.nickName}加入了房间` });
      assert.equal(tab.moves.length, 1);
    }
    for (const tab of tabs) await tab.close();
    await watcher.left(user);
    await settle(watcher);
    assert.deepEqual(watcher.moves.slice(1).map((event) => Object.keys(event)[1]), ['userJoin', 'userLeave']);
    const back = await Player.enter(stack, space, user, { relay: 2 });
    await watcher.until(() => watcher.moves.length === 4, 'the second arrival');
    await back.close();
    await watcher.until(() => watcher.moves.length === 5, 'the second departure');
    for (const type of [2, 3]) {
      const own = async () => (await records(space, watcher.user, type)).filter((record) => record.fromId === user.userId);
      await eventually(async () => (await own()).length > 0, 'the record'); // it is told before it is stored
      assert.equal((await own()).length, 1, 'one record each, for ever');
    }
  });

  it('join over REST makes a member, once; connecting does so too', async () => {
    const [ann, bob, eve] = [await login(stack), await login(stack), await login(stack)];
    const space = await newSpace(stack, ann);
    for (let i = 0; i < 3; i++) assert.equal((await write(stack, `spaces/${space.roomId}/join`, bob)).status, 200);
    await (await Player.enter(stack, space, eve)).close();
    assert.deepEqual((await seen(stack, space, ann)).members.map((member) => member.userId),
      [ann, bob, eve].map((user) => user.userId));
    for (const id of [NOWHERE, 'x', '%25', ann.userId]) await refused(write(stack, `spaces/${id}/join`, bob), 404);
  });

  it('who is no member sees, changes and reads nothing: 404, as if there were no such space', async () => {
    const { users: [ann, bob], space } = await party(2);
    const eve = await login(stack);
    await transfer(stack, space, ann, { toId: bob.userId, score: 5, clientId: 'x' });
    for (const id of [space.roomId, NOWHERE]) {
      const answers = [await read(stack, `spaces/${id}`, eve), await read(stack, `spaces/${id}/messages`, eve),
        await write(stack, `spaces/${id}/transfers`, eve, { toId: ann.userId, score: 1, clientId: 'e' }),
        await write(stack, `spaces/${id}/transfers`, eve, { toId: eve.userId, score: 1, clientId: 'e' })];
      for (const answer of answers) assert.ok([404, 400].includes(answer.status), `${answer.status} ${answer.text}`);
      await refused(answers[0], 404);
      await refused(answers[2], 404);
    }
    assert.equal(sum((await seen(stack, space, ann)).standings), 0);
    assert.ok(!(await seen(stack, space, ann)).members.some((member) => member.userId === eve.userId));
  });

  it('a transfer is a record, changes both standings, and the sockets hear of it', async () => {
    const { users: [ann, bob, cat], players, space } = await party(3);
    const answer = await transfer(stack, space, ann, { toId: bob.userId, score: 30, clientId: unique('t') });
    assert.equal(answer.status, 200, answer.text);
    for (const player of players) {
      const told = await player.nextEvent((event) => event.type === 'transfer');
      assert.deepEqual(Object.keys(told), ['type', 'seq', 'transfer']);
      assert.deepEqual({ fromId: told.transfer.fromId, toId: told.transfer.toId, score: told.transfer.score },
        { fromId: ann.userId, toId: bob.userId, score: 30 });
    }
    const { records: kept, standings } = await seen(stack, space, cat);
    const [record] = kept.filter((r) => String(r.type) === '1');
    assert.deepEqual([record.fromId, record.toId, record.score], [ann.userId, bob.userId, 30]);
    assert.deepEqual(standings, [{ userId: ann.userId, score: -30 }, { userId: bob.userId, score: 30 },
      { userId: cat.userId, score: 0 }]);
  });

  it('a transfer that makes no sense is 400, to somebody who is no member 404; nothing changes', async () => {
    const { users: [ann, bob], space } = await party(2);
    const eve = await login(stack);
    const good = { toId: bob.userId, score: 1, clientId: 'c' };
    for (const change of [{ score: 0 }, { score: -1 }, { score: 1.5 }, { score: '1' }, { score: null },
      { score: undefined }, { score: 1e12 }, { score: 1e300 }, { score: [1] }, { toId: ann.userId },
      { toId: undefined }, { toId: 5 }, { toId: '' },
      { clientId: '' }, { clientId: 5 }, { clientId: 'x'.repeat(65) }, { clientId: 'a\u0000b' }]) {
      await refused(transfer(stack, space, ann, { ...good, ...change }), 400,
        ...('toId' in change && typeof change.toId === 'string' ? [404] : []));
    }
    await refused(transfer(stack, space, ann, { ...good, toId: eve.userId }), 404);
    await refused(transfer(stack, space, ann, { ...good, toId: NOBODY }), 404);
    const { standings, records: kept } = await seen(stack, space, ann);
    assert.deepEqual(standings.map(({ score }) => score), [0, 0]);
    assert.equal(kept.filter((record) => String(record.type) === '1').length, 0);
  });

  it('the same clientId is one transfer, one after the other, at once, and heard once; ' +
    'for another it is 409', async () => {
    const { users: [ann, bob, cat], players, space } = await party(3);
    const body = { toId: bob.userId, score: 7, clientId: unique('once') };
    const answers = await Promise.all(Array.from({ length: 20 }, () => transfer(stack, space, ann, body)));
    for (const answer of answers) assert.equal(answer.status, 200, answer.text);
    assert.deepEqual((await transfer(stack, space, ann, body)).json, answers[0].json, 'the same answer again');
    const scores = async () => (await seen(stack, space, cat)).standings.map(({ score }) => score);
    assert.deepEqual(await scores(), [-7, 7, 0]);
    for (const change of [{ score: 8 }, { toId: cat.userId }])
      await refused(transfer(stack, space, ann, { ...body, ...change }), 409);
    assert.equal((await transfer(stack, space, cat, { ...body, toId: ann.userId })).status, 200,
      "another's clientId is another");
    assert.deepEqual(await scores(), [0, 7, -7]);
    const last = await transfer(stack, space, bob, { toId: cat.userId, score: 1, clientId: unique('last') });
    assert.equal(last.status, 200);
    for (const player of players) {
      await player.until(() => player.events.some((event) => event.transfer?.score === 1), 'the last transfer');
      assert.equal(player.events.filter((event) => event.type === 'transfer').length, 3);
    }
  });

  it('many transfers at once, back and forth: the sum is always zero and every one is counted', async () => {
    const { users, players, space } = await party(4);
    const expected = new Map(users.map((user) => [user.userId, 0]));
    const jobs = Array.from({ length: 120 },
      (_, i) => ({ from: users[i % 4], to: users[(i + 1 + (i >> 2) % 3) % 4], score: i + 1 }));
    const looks = [];
    await Promise.all(jobs.map(async ({ from, to, score }, i) => {
      expected.set(from.userId, expected.get(from.userId) - score);
      expected.set(to.userId, expected.get(to.userId) + score);
      const answer = await eventually(async () => {
        const got = await transfer(stack, space, from, { toId: to.userId, score, clientId: `job-${i}` });
        return got.status !== 503 && got;
      }, 'a transfer');
      assert.equal(answer.status, 200, answer.text);
      if (i % 10 === 0) looks.push((await seen(stack, space, from)).standings);
    }));
    for (const standings of looks) assert.equal(sum(standings), 0);
    const { standings } = await seen(stack, space, users[0]);
    assert.deepEqual(new Map(standings.map(({ userId, score }) => [userId, score])), expected);
    for (const player of players) {
      await player.until(() => player.events.filter((event) => event.type === 'transfer').length === 120,
        'all transfers');
      const seqs = player.events.filter((event) => event.type === 'transfer').map((event) => event.seq);
      assertSameList(seqs, seqs.map((_, i) => seqs[0] + i), 'their numbers');
    }
    assert.equal(
      await stack.count(
        'SELECT COALESCE(SUM(s.score), 0) FROM standing s JOIN conversation c ON c.id = s.conversation WHERE ' +
        'c.public_id = ?', [space.roomId]), 0);
  });

  it('the records come in pages, backwards and forwards, without a seam', async () => {
    const { users: [ann, bob], space } = await party(2);
    for (let i = 1; i <= 40; i++)
      assert.equal((await transfer(stack, space, i % 2 ? ann : bob,
        { toId: (i % 2 ? bob : ann).userId, score: i, clientId: `page-${i}` })).status, 200);
    const page = async (query, user = bob) => {
      const answer = await read(stack, `spaces/${space.roomId}/messages?${query}`, user);
      assert.equal(answer.status, 200, answer.text);
      return answer.json;
    };
    const all = (await seen(stack, space, ann)).records;
    assert.equal(all.length, 42, 'two arrivals and the transfers');
    const back = [];
    for (let before = all.at(-1).seq + 1; before > all[0].seq; before = back[0].seq)
      back.unshift(...await page(`before=${before}&limit=7`));
    assertSameList(back, all);
    const forth = [];
    for (let rows = [{}]; rows.length; forth.push(...rows))
      rows = await page(`after=${forth.at(-1)?.seq ?? 0}&limit=5`, ann);
    assertSameList(forth, all);
    assertSameList(await page(''), all);
    for (const bad of ['limit=0', 'limit=201', 'limit=x', 'before=-1', 'after=1.5'])
      await refused(read(stack, `spaces/${space.roomId}/messages?${bad}`, ann), 400);
  });

  it('while Redis is down a transfer is made, and every socket hears of it', async () => {
    const { users: [ann, bob], players, space } = await party(2);
    await stack.stopPart('redis');
    assert.equal((await transfer(stack, space, ann, { toId: bob.userId, score: 3, clientId: 'down' })).status, 200);
    for (const player of players)
      await player.until(() => player.events.some((event) => event.type === 'transfer'), 'the transfer');
    await stack.startPart('redis');
    await settleAgain(players);
    for (const player of players) assert.equal(player.events.filter((event) => event.type === 'transfer').length, 1);
  });

  it('when a relay dies, those who were on it have left, once; who comes back has arrived', async () => {
    const { users: [ann, bob], players: [watcher], space } = await party(2, [1, 2]);
    await stack.kill('relay2');
    await watcher.left(bob);
    await eventually(async () => (await records(space, ann, 3)).length === 1, 'the leave record');
    await stack.startPart('relay2');
    const back = await Player.enter(stack, space, bob, { relay: 2 });
    await watcher.until(() => watcher.moves.length === 4, 'the return');
    await settle(watcher, back);
    assert.deepEqual(watcher.moves.map((event) => Object.keys(event)[1]),
      ['userJoin', 'userJoin', 'userLeave', 'userJoin']);
    assert.equal((await records(space, ann, 3)).length, 1);
  });

  it('a name that is no name, climbs, is too long or reserved makes no space', async () => {
    const user = await login(stack);
    const before = await stack.count('SELECT COUNT(*) FROM conversation');
    for (const name of [...BAD_NAMES, ...RESERVED, 5, [], {}])
      await refused(write(stack, 'spaces', user, { name }), 400);
    assert.equal(await stack.count('SELECT COUNT(*) FROM conversation'), before);
  });

  it('... and no connection: not through nginx, not at the relay', async () => {
    const user = await login(stack);
    const space = await newSpace(stack, user);
    const headers = { token: user.token, 'room-id': space.roomId };
    const good = `/${encodeURIComponent(space.roomNum)}`;
    for (const relay of [0, 1]) {
      assert.equal(await knock(stack, good, { relay, headers }), 101);
      const paths = [...BAD_NAMES.slice(1).map((name) => `/${encodeURIComponent(name)}`),
        ...RESERVED.map((name) => `/${name}`), '//', '/a/b', '/%2e%2e', '/%2e%2e/x', '/..', '/../x',
        `/x/..${good}/y`, '/%2f',
        `${good}%2fx`, `${good}/x`, '/%00', '/%', '/%zz', '/%ff%fe', '/%c0%ae%c0%ae', `/${'x'.repeat(300)}`,
        `/${'%e8%8c%b6'.repeat(100)}`, `/${'x'.repeat(3000)}`];
      for (const path of paths) {
        const raw = await Raw.connect(relay ? stack.relayPort(relay) : stack.port);
        raw.send(handshake(path, headers));
        await raw.until(() => raw.status || raw.over, 'an answer');
        if (raw.status === 101) { // normalised to '/', which is a chatroom's, or to a name that is not this space's
          await raw.until(() => raw.closeCode, 'a close frame');
          assert.deepEqual([raw.closeCode, raw.frames.length], [1008, 1], path);
        }
        assert.ok(![500, 502, 503].includes(raw.status), `${path.slice(0, 60)} at ${relay}: ${raw.status}`);
        raw.destroy();
      }
    }
  });

  it('names with blanks, signs and other scripts are names', async () => {
    const user = await login(stack, `o'Neil "Q" \\ 茶🍵 ${unique()}`);
    for (const stem of ['茶馆', 'a b', `"quoted" 'n`, 'a&b=c;d', '🍵', 'a+b', 'é', '<b>', 'a:b@c',
      '~x', '[]{}|^`']) {
      const name = `${stem}${unique('-')}`;
      const space = await newSpace(stack, user, { name });
      assert.equal(space.roomNum, name);
      for (const relay of [0, 1, 2]) {
        for (const query of [false, true]) {
          await (await Player.enter(stack, space, user, { relay, query })).close(); // and hears itself, by that name
        }
      }
    }
  });

  it('without a name a space gets one; a name that is taken is 409 for others, ' +
    'the same space for its maker', async () => {
    const [ann, bob] = [await login(stack), await login(stack)];
    const one = await newSpace(stack, ann, {});
    const other = await newSpace(stack, ann, {});
    assert.notEqual(one.roomNum, other.roomNum);
    await (await Player.enter(stack, one, bob)).close();
    const name = unique('taken');
    const space = await newSpace(stack, ann, { name });
    assert.deepEqual(await newSpace(stack, ann, { name }), space);
    await refused(write(stack, 'spaces', bob, { name }), 409);
    const made =
      await Promise.all(Array.from({ length: 10 }, () => write(stack, 'spaces', ann, { name: `${name}-2` })));
    assert.equal(new Set(made.map((answer) => answer.json.roomId)).size, 1);
  });

  it('is as docs/clients/spaces.asyncapi.json describes it: all of that was seen, but for what an application says', () => {
    assert.deepEqual(Player.described.unseen('space'), ['system']);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
