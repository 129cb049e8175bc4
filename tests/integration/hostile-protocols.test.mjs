// Broken text and frames at the protocols of friends, customers and spaces: their sender is refused or closed, what is kept
// stays as it was, and nobody else notices.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { chatInfo, query, session } from './lib/customers.mjs';
import { couple, settle as settleFriends } from './lib/friends.mjs';
import { BINARY, CONTINUATION, Raw, TEXT, frame, handshake } from './lib/raw.mjs';
import { unique } from './lib/socket.mjs';
import { Player, login, newSpace, settle as settleSpace } from './lib/spaces.mjs';
import { Stack, post } from './lib/stack.mjs';

const BAD_BYTES = { 'an overlong NUL': 'c080', 'an overlong slash': 'c0af', 'a surrogate': 'eda080',
  'a lone continuation': '80', 'a cut sequence': 'e4bd', 'past U+10FFFF': 'f4908080', FF: 'ff' };
const BAD_ESCAPES = ['\\ud800', '\\udc00', '\\ud800x', '\\u0000', '\\x41', '\\u12', '\u0001'];

describe('hostile text and frames at the friend chat, customer sessions and spaces', () => {
  let stack;
  const protocols = {};
  const stored = () => stack.count('SELECT COUNT(*) FROM message');
  before(async () => {
    stack = await Stack.start({ relays: 2, settings: { grace_ms: '100ms' } });
    const pair = await couple(stack);
    const [me, you] = [pair.one.user.userId, pair.other.user.userId];
    protocols.friends = { target: `/ws/${me}`,
      json: (content) => JSON.stringify({ friend: pair.friendId, from: me, to: you, content, type: 'text' }),
      unharmed: () => settleFriends(pair.friendId, [pair.one], [pair.other]),
      refusal: /"code":"(bad_json|bad_content)"/ };
    const { user, friend, near, far } = await session(stack);
    protocols.customers = { target: `/chat/v1/message?${query(user, friend)}`,
      json: (content) => JSON.stringify(chatInfo(user, friend, content)),
      unharmed: async () => {
        await far.heard(near.say(unique('fine')));
        await near.heard(far.say(unique('fine')));
      }, refusal: /聊天出现故障!/ };
    const player = await login(stack);
    const space = await newSpace(stack, player);
    const seats = [await Player.enter(stack, space, player, { relay: 1 }),
      await Player.enter(stack, space, await login(stack), { relay: 2 })];
    protocols.spaces = { target: `/${space.roomNum}?token=${player.token}&roomId=${space.roomId}`,
      json: (toMsg) => JSON.stringify({ spaceName: space.roomNum, toMsg }),
      unharmed: () => settleSpace(...seats), refusal: /"code":"bad_json"/ };
  });
  after(() => stack?.remove());

  /** A connection of that protocol that has been answered once, so that it is in. */
  const open = async (protocol, relay) => {
    const raw = await Raw.connect(relay ? stack.relayPort(relay) : stack.port);
    raw.send(handshake(protocol.target));
    await raw.until(() => raw.status === 101, 'the handshake');
    raw.send(frame(TEXT, 'hello'));
    await raw.until(() => raw.frames.some((f) => protocol.refusal.test(f.payload.toString())), 'a refusal');
    return raw;
  };

  for (const name of ['friends', 'customers', 'spaces']) {
    it(`${name}: bytes and frames that are none close their own connection with the code for it`, async () => {
      const protocol = protocols[name];
      const around = (hex) => {
        const [head, tail] = protocol.json('@').split('@');
        return Buffer.concat([Buffer.from(head), Buffer.from(hex, 'hex'), Buffer.from(tail)]);
      };
      const cases = [...Object.entries(BAD_BYTES).map(([what, hex]) => [what, 1007, frame(TEXT, around(hex))]),
        ['a binary frame', 1003, frame(BINARY, protocol.json('x'))],
        ['too long', 1009, frame(TEXT, protocol.json('x'.repeat(70_000)))],
        ['fragments that add up', 1009,
          Buffer.concat([frame(TEXT, 'x'.repeat(40_000), { fin: false }), frame(CONTINUATION, 'x'.repeat(40_000))])]];
      await protocol.unharmed();
      const before = await stored();
      for (const [what, code, bytes] of cases) {
        for (const relay of [0, 1]) {
          const raw = await open(protocol, relay);
          raw.send(bytes);
          await raw.until(() => raw.closeCode, `a close frame for ${what}`);
          assert.equal(raw.closeCode, code, what);
          raw.destroy();
        }
      }
      assert.equal(await stored(), before);
      await protocol.unharmed();
    });

    it(`${name}: JSON with half a character, a NUL or no bottom is refused, and the connection goes on`, async () => {
      const protocol = protocols[name];
      const raw = await open(protocol, 2);
      await protocol.unharmed();
      const before = await stored();
      const texts = [...BAD_ESCAPES.map((escape) => protocol.json('@').replace('@', `x${escape}`)),
        `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, `{${Array.from({ length: 5000 }, (_, i) => `"k${i}":1`)}}`,
        "{'a':1}", '{"a":NaN}'];
      for (const text of texts) {
        const refusals = () => raw.frames.filter((f) => protocol.refusal.test(f.payload.toString())).length;
        const had = refusals();
        raw.send(frame(TEXT, text));
        await raw.until(() => refusals() > had, `a refusal of ${text.slice(0, 60)}`);
      }
      assert.equal(await stored(), before);
      raw.destroy();
      await protocol.unharmed();
    });
  }

  it('the same over REST is 400, and nothing comes of it', async () => {
    const { token } = await login(stack);
    const counts = () => Promise.all(['user', 'conversation', 'message',
      'customer'].map((table) => stack.count(`SELECT COUNT(*) FROM ${table}`)));
    const before = await counts();
    const calls = { '/api/users': '{"name":"@"}', '/api/friends': '{"user1":"@","user2":"@"}',
      '/api/login': '{"nickName":"@"}', '/api/spaces': '{"name":"@"}',
      '/users/register': '{"account":"@","app_sid":"@","username":"@","avatar":""}',
      '/chat/v1/message': JSON.stringify(chatInfo({ account: '@', app_sid: 'a' },
        { account: 'b', app_sid: 'a' }, '@')) };
    for (const [path, body] of Object.entries(calls)) {
      for (const [what, hex] of Object.entries(BAD_BYTES)) {
        const bytes = Buffer.concat(body.split('@')
          .flatMap((part, i) => (i ? [Buffer.from('x'), Buffer.from(hex, 'hex'), Buffer.from(part)]
            : [Buffer.from(part)])));
        assert.equal((await post(`${stack.url}${path}`, bytes, { token })).status, 400, `${path}: ${what}`);
      }
      for (const escape of BAD_ESCAPES)
        assert.equal((await post(`${stack.url}${path}`, body.replaceAll('@', `x${escape}`), { token })).status, 400,
          `${path}: ${escape}`);
      assert.equal((await post(`${stack.url}${path}`, `{"a":${'['.repeat(5000)}`, { token })).status, 400, path);
      assert.equal((await post(`${stack.url}${path}`, `{"a":"${'x'.repeat(70_000)}"}`, { token })).status, 413, path);
    }
    assert.deepEqual(await counts(), before);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
