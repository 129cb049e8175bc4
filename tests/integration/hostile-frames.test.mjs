// Frames that no good client sends: each gets a clear answer and a counter, and nobody else in the room feels anything.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, enter, settle, unique } from './lib/client.mjs';
import { BINARY, CLOSE, CONTINUATION, PING, PONG, Raw, TEXT, frame } from './lib/raw.mjs';
import { Stack } from './lib/stack.mjs';

describe('hostile frames', () => {
  let stack, seat, near, far, foreign;
  const unharmed = () => settle(near, far);
  const stored = () => stack.count('SELECT COUNT(*) FROM message WHERE kind = 1');
  const message = (content) => JSON.stringify({ type: 'message', content });
  before(async () => {
    stack = await Stack.start({ settings: { max_message_bytes: '64k', close_timeout_ms: '300ms' } });
    seat = await enter(stack, unique('room'), unique('nick'));
    near = await Client.join(stack, seat, { relay: 1 });
    far = await Client.join(stack, await enter(stack, seat.roomName, unique('far')), { relay: 2 });
    foreign = await Client.join(stack, await enter(stack, unique('room'), unique('foreign')), { relay: 1 });
  });
  after(() => stack?.remove());

  /** Sends bytes on a fresh seat and gives the connection once the relay has ended it. */
  const ended = async (bytes) => {
    const raw = await Raw.seat(stack.relayPort(1), seat);
    for (const part of [bytes].flat()) raw.send(part);
    await raw.end();
    return raw;
  };

  /** What breaks the protocol ends with a code, and never with a message stored. */
  const broken = {
    'reserved bit 1': [1002, () => frame(TEXT, message('a'), { rsv: 4 })],
    'reserved bit 2': [1002, () => frame(TEXT, message('a'), { rsv: 2 })],
    'reserved bit 3': [1002, () => frame(TEXT, message('a'), { rsv: 1 })],
    'reserved data opcode 3': [1002, () => frame(3, 'a')],
    'reserved data opcode 7': [1002, () => frame(7, 'a')],
    'reserved control opcode 11': [1002, () => frame(11, 'a')],
    'reserved control opcode 15': [1002, () => frame(15, '')],
    'a continuation of nothing': [1002, () => frame(CONTINUATION, 'a')],
    'a new message within a message': [1002, () => [frame(TEXT, '{', { fin: false }), frame(TEXT, '}')]],
    'a ping in fragments': [1002, () => frame(PING, 'a', { fin: false })],
    'a ping of 126 bytes': [1002, () => frame(PING, 'x'.repeat(126))],
    'a close frame with a reason of 124 bytes': [1002,
      () => frame(CLOSE, Buffer.concat([Buffer.from([0x03, 0xe8]), Buffer.alloc(124, 'x')]))],
    'a frame without a mask': [1002, () => frame(TEXT, message('claimed'), { masked: false })],
    'a ping without a mask': [1002, () => frame(PING, '', { masked: false })],
    'a close frame of one byte': [1002, () => frame(CLOSE, 'x')],
    'a close frame with a code that may not be sent': [1002, () => frame(CLOSE, Buffer.from([0x03, 0xed]))],
    'a close frame with a reason that is no UTF-8': [1007, () => frame(CLOSE, Buffer.from([0x03, 0xe8, 0xff, 0xfe]))],
    'a length with the highest bit set': [1002, () => frame(TEXT, 'x', { length: 1n << 63n })],
    'a length of 2^64-1': [1002, () => frame(TEXT, 'x', { length: (1n << 64n) - 1n })],
  };
  for (const [what, [code, bytes]] of Object.entries(broken)) {
    it(`${what}: closed with ${code}, counted, nothing stored`, async () => {
      const before = await stored();
      const raw = await stack.counts('closed_invalid_total', () => ended(bytes()));
      assert.equal(raw.closeCode, code);
      assert.equal(await stored(), before);
      await unharmed();
    });
  }

  const text =
    (hex) => Buffer.concat([Buffer.from('{"type":"message","content":"'), Buffer.from(hex, 'hex'), Buffer.from('"}')]);
  const violations = {
    'a length of one more than allowed': [1009, () => frame(TEXT, 'x'.repeat(65537))],
    'fragments that add up to too much': [1009,
      () => [frame(TEXT, 'x'.repeat(40_000), { fin: false }), frame(CONTINUATION, 'x'.repeat(40_000))]],
    'many fragments that add up to too much': [1009,
      () => [frame(TEXT, '', { fin: false }),
        ...Array.from({ length: 700 }, () => frame(CONTINUATION, 'x'.repeat(100), { fin: false }))]],
    'a promise of 16 MB of which nothing comes': [1009, () => frame(TEXT, '', { length: 16 << 20 })],
    'a promise in a continuation of which nothing comes': [1009,
      () => [frame(TEXT, 'x', { fin: false }), frame(CONTINUATION, '', { length: 65536 })]],
    'a promise of 2^62 bytes and the first 70,000': [1009,
      () => frame(TEXT, 'x'.repeat(70_000), { length: 1n << 62n })],
    'a binary frame': [1003, () => frame(BINARY, message('a'))],
    'an empty binary frame': [1003, () => frame(BINARY, '')],
    'bad UTF-8': [1007, () => frame(TEXT, Buffer.from([0x22, 0xff, 0x22]))],
    'an overlong NUL': [1007, () => frame(TEXT, text('c080'))],
    'a surrogate in UTF-8': [1007, () => frame(TEXT, text('eda080'))],
    'past U+10FFFF': [1007, () => frame(TEXT, text('f4908080'))],
    'a message that ends within a character': [1007,
      () => [frame(TEXT, Buffer.from('22e4', 'hex'), { fin: false }), frame(CONTINUATION, Buffer.from('bd', 'hex'))]],
  };
  for (const [what, [code, bytes]] of Object.entries(violations)) {
    it(`${what}: closed with ${code}, counted, nothing stored`, async () => {
      const before = await stored();
      const raw = await stack.counts('closed_invalid_total', () => ended(bytes()));
      assert.equal(raw.closeCode, code);
      assert.equal(await stored(), before);
      await unharmed();
    });
  }

  it('what is sent behind a message that ends the connection is not read', async () => {
    const before = await stored();
    await ended([frame(BINARY, 'x'), frame(TEXT, message('too late')), frame(TEXT, message('far too late'))]);
    assert.equal(await stored(), before);
    await unharmed();
  });

  it('a length of 2^63 or noise behind a good message does not take the message back', async () => {
    const content = stack.keepSecret(unique('good before bad'));
    await ended([frame(TEXT, message(content)), frame(TEXT, 'x', { length: 1n << 63n })]);
    await far.heard(content);
    const noise = Buffer.from(Array.from({ length: 50_000 }, (_, i) => (i * 197 + (i >> 3) * 31) % 256));
    await ended([noise]);
    await unharmed();
  });

  it('every close code that may be sent is answered with itself', async () => {
    for (const code of [1000, 1001, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]) {
      const raw = await ended(frame(CLOSE, Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from('why')])));
      assert.equal(raw.closeCode, code);
    }
    for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535]) {
      const raw = await ended(frame(CLOSE, Buffer.from([code >> 8, code & 255])));
      assert.equal(raw.closeCode, 1002, `${code}`);
    }
    const raw = await ended(frame(CLOSE, ''));
    assert.deepEqual(raw.frames.filter((f) => f.opcode === CLOSE).map((f) => f.payload.length), [0]);
  });

  it('a close frame is answered with one, and a connection that is cut within a frame leaves nothing ' +
    'behind', async () => {
    const raw = await ended(frame(CLOSE, Buffer.from([0x03, 0xe8])));
    assert.equal(raw.closeCode, 1000);
    const cut = await Raw.seat(stack.relayPort(1), seat);
    cut.send(frame(TEXT, message('never whole')).subarray(0, 20));
    cut.destroy();
    await unharmed();
  });

  it('pings are answered with their payload, also within a message; ' +
    'a pong that nobody asked for is nothing', async () => {
    const raw = await Raw.seat(stack.relayPort(1), seat);
    const content = stack.keepSecret(unique('around a ping'));
    const text = message(content);
    raw.send(frame(PONG, 'unasked')).send(frame(TEXT, text.slice(0, 9), { fin: false })).send(frame(PING, 'payload'))
      .send(frame(CONTINUATION, text.slice(9)));
    await raw.until(() => raw.frames.some((f) => f.opcode === PONG && f.payload.toString() === 'payload'), 'the pong');
    await far.heard(content);
    raw.destroy();
  });

  it('ten pings in one packet are answered in their order, also when their last is cut in two', async () => {
    const raw = await Raw.seat(stack.relayPort(1), seat);
    const pings = Buffer.concat(Array.from({ length: 10 }, (_, i) => frame(PING, `ping ${i}`)));
    const pongs = () => raw.frames.filter((f) => f.opcode === PONG).map((f) => f.payload.toString());
    raw.send(pings.subarray(0, -3));
    await raw.until(() => pongs().length === 9, 'the first nine');
    raw.send(pings.subarray(-3));
    await raw.until(() => pongs().length === 10, 'the last');
    assert.deepEqual(pongs(), Array.from({ length: 10 }, (_, i) => `ping ${i}`));
    raw.destroy();
  });

  it('thousands of empty fragments, pings and messages of one byte harm nobody', async () => {
    const raw = await Raw.seat(stack.relayPort(1), seat);
    const content = stack.keepSecret(unique('after the flood'));
    raw.send(Buffer.concat([frame(TEXT, '', { fin: false }),
      ...Array.from({ length: 20_000 }, () => frame(CONTINUATION, '', { fin: false }))]));
    raw.send(Buffer.concat(Array.from({ length: 5_000 }, () => frame(PING, 'p'))));
    raw.send(frame(CONTINUATION, message(content)));
    await Promise.race([far.heard(content), raw.ended]); // a limit on either is an answer, too
    raw.destroy();
    const flood = await Raw.seat(stack.relayPort(1), seat);
    flood.send(Buffer.concat(Array.from({ length: 20_000 }, () => frame(TEXT, '1'))));
    await flood.until(() => flood.over || flood.text.includes('bad_json'), 'an answer to the flood');
    await unharmed();
    flood.destroy();
    await unharmed();
  });

  /** Sends a text and gives the code of the error event that answers it. */
  const errorOf = async (client, text) => {
    client.cursor = client.events.length;
    client.sendRaw(text);
    const { data } = await client.next('error');
    assert.deepEqual(Object.keys(data).sort(), ['code', 'message']);
    assert.ok(typeof data.message === 'string' && data.message.length > 0);
    return data.code;
  };

  const deep = `${'['.repeat(30_000)}${']'.repeat(30_000)}`;
  const refusals = {
    bad_json: ['', ' ', 'hello', 'undefined', '[]', '"text"', 'null', '5', 'true', '{}{}', '{"type":"message"',
      "{'type':'message'}", deep, `{"type":"message","content":${deep}}`,
      '{"type":"message","content":NaN}', '{"type":"message","content":Infinity}',
      '{"type":"message","content":"\\ud800"}', '{"type":"message","content":"\\udc00\\ud800"}',
      '{"type":"message","content":"\\u0000"}', '{"type":"message","content":"a\\u0000b"}',
      '{"type":"message\\u0000","content":"a"}', '{"type":"message","content":"\u0001"}',
      '{"type":"message","content":"a\nb"}',
      '{"type":"message","content":"a",}', '{"type":"message",/**/"content":"a"}',
      '{"type":"message","content":"\\x41"}', '\ufeff\ufeff{"type":"message","content":"a"}', '{\ufeff"type":"message","content":"a"}', '\ufeff',
      `{${Array.from({ length: 5000 }, (_, i) => `"k${i}":1`).join(',')},"type":"message","content":"a"}`],
    bad_type: ['{}', '{"content":"a"}', '{"type":null,"content":"a"}', '{"type":5}', '{"type":""}',
      '{"type":"Message","content":"a"}', '{"type":"logs"}', '{"type":"__proto__"}',
      '{"type":["message"],"content":"a"}', `{"type":"${'x'.repeat(60_000)}"}`],
    bad_content: ['{"type":"message"}', '{"type":"message","content":""}', '{"type":"message","content":5}',
      '{"type":"message","content":null}', '{"type":"message","content":{"a":1}}', '{"type":"message","content":["a"]}',
      '{"type":"message","content":true}', '{"type":"message","content":"\\u0001"}',
      '{"type":"message","content":"bell \\u0007"}', '{"type":"message","content":"\\u001b[2J"}',
      '{"type":"message","content":"\\b"}'],
  };
  for (const [code, texts] of Object.entries(refusals)) {
    it(`${code}: the sender is told and stays, nobody else hears of it, it is counted`, async () => {
      const client = await Client.join(stack, seat, { relay: 1 });
      const [before, heard] = [await stored(), far.events.filter((e) => e.type === 'error').length];
      await stack.counts('frames_refused_total', async () => {
        for (const text of texts) assert.equal(await errorOf(client, text), code, text.slice(0, 80));
      }, texts.length);
      assert.equal(await stored(), before);
      await settle(client, near, far);
      assert.equal(far.events.filter((e) => e.type === 'error').length, heard);
      await client.close();
    });
  }

  it(`a claimed name, id or room that is not one's own is refused, counted and never stored`, async () => {
    const claims = [];
    for (const type of ['message', 'query-logs']) {
      const own = { type, content: 'claimed', sendUserName: seat.nick, sendUserId: seat.nickId, sendRoom: seat.roomId };
      claims.push({ ...own, sendUserId: far.seat.nickId }, { ...own, sendRoom: foreign.seat.roomId },
        { ...own, sendUserId: `${seat.nickId} ` },
        { ...own, sendRoom: '%' }, { ...own, sendUserId: `' OR 1=1--` },
        { ...own, sendRoom: foreign.seat.roomId, sendUserId: foreign.seat.nickId, sendUserName: foreign.seat.nick },
        { ...own, sendUserId: 5 }, { ...own, sendRoom: [seat.roomId] });
      if (type === 'message')
        claims.push({ ...own, sendUserName: far.seat.nick }, { ...own, sendUserName: 'system' },
          { ...own, sendUserName: seat.nick.toUpperCase() }, { ...own, sendUserName: `${seat.nick} ` });
    }
    const before = await stored();
    await stack.counts('identity_refused_total', async () => {
      for (const claim of claims)
        assert.equal(await errorOf(near, JSON.stringify(claim)), 'identity', JSON.stringify(claim));
    }, claims.length);
    assert.equal(await stored(), before);
    await settle(foreign);
    assert.ok(!foreign.said.includes('claimed'));
    assert.ok(!far.said.includes('claimed'));
    assert.equal(foreign.events.filter((e) => e.type === 'logs').length, 0);
    await unharmed();
  });

  it('a message that looks like an event or a system line shows as what it is: words of its sender', async () => {
    const content = near.say(`${far.seat.nick} 离开了房间`);
    const heard = await far.heard(content);
    assert.equal(heard.log_user_name, near.seat.nick);
    await far.heard(near.say('[{"type":"members","data":[]}]'));
    assert.equal(far.members.length, 2);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
