// WebSocket cases in the order of Autobahn's groups, against the bare Engine.IO echo: what is sent as "4text" or as bytes
// comes back. docs/design/websocket.md says where and why the answers differ from Autobahn's strictest.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BINARY, CLOSE, CONTINUATION, PING, PONG, Raw, TEXT, frame, handshake } from './lib/raw.mjs';
import { Stack } from './lib/stack.mjs';

const MAX = 1_000_000;

describe('WebSocket cases', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ relays: 1, settings: { io_app: 'echo', io_max_payload_bytes: `${MAX}`,
      io_ping_interval_ms: '60s' } });
  });
  after(() => stack?.remove());

  const open = async () => {
    const raw = await Raw.connect(stack.relayPort(1));
    raw.socket.setNoDelay(true);
    raw.send(handshake('/engine.io/?EIO=4&transport=websocket'));
    await raw.until(() => raw.frames.length, 'the open packet');
    assert.equal(raw.status, 101);
    raw.since = () => raw.frames.slice(1);
    return raw;
  };
  const closed = (code) => frame(CLOSE, Buffer.from([code >> 8, code & 255]));
  /** Sends, closes with 1000, and gives what came back until the end. */
  const talk = async (...parts) => {
    const raw = await open();
    for (const part of parts.flat()) raw.send(part);
    raw.send(closed(1000));
    await raw.end();
    return raw;
  };
  const echoes = async (parts, opcode, payload) => {
    const raw = await talk(parts);
    const [echo, close, ...more] = raw.since();
    assert.deepEqual([echo?.opcode, close?.opcode, more.length], [opcode, CLOSE, 0]);
    assert.ok(echo.payload.equals(Buffer.from(payload)), `${echo.payload.length} of ${Buffer.from(payload).length} bytes`);
    assert.equal(raw.closeCode, 1000);
  };
  /** Ends with that code before our own close frame is read; what came before is echoed. */
  const fails = async (code, parts, before = []) => {
    const raw = await talk(parts);
    assert.equal(raw.closeCode, code);
    assert.deepEqual(raw.since().filter((f) => f.opcode !== CLOSE).map((f) => f.payload.toString()), before);
    assert.equal(raw.since().at(-1).opcode, CLOSE);
  };
  /** The same frames, cut into pieces of so many bytes. */
  const chopped = (bytes, size) =>
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
  const text = (length) => `4${'*'.repeat(Math.max(0, length - 1))}`;
  const SIZES = [1, 125, 126, 127, 128, 65535, 65536];

  describe('1 framing', () => {
    it('1.1 text of every size of length, whole and chopped', async () => {
      for (const size of SIZES) await echoes([frame(TEXT, text(size))], TEXT, text(size));
      await echoes(chopped(frame(TEXT, text(65536)), 997), TEXT, text(65536));
    });
    it('1.2 binary of every size of length, whole and chopped', async () => {
      for (const size of [0, ...SIZES]) await echoes([frame(BINARY, Buffer.alloc(size, 0xfe))], BINARY, Buffer.alloc(size, 0xfe));
      await echoes(chopped(frame(BINARY, Buffer.alloc(65536, 0xfe)), 997), BINARY, Buffer.alloc(65536, 0xfe));
    });
    it('a length written in more bytes than it needs is read', async () => {
      const long = Buffer.concat([Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]), Buffer.from('4x')]);
      await echoes([long], TEXT, '4x');
    });
  });

  describe('2 pings and pongs', () => {
    const pongs = (raw) => raw.since().filter((f) => f.opcode === PONG).map((f) => f.payload.toString('latin1'));
    it('2.1-2.4, 2.6 a ping is answered with its payload, chopped or not', async () => {
      for (const payload of [Buffer.alloc(0), Buffer.from('Hello'), Buffer.from([0, 0xff, 0xfe, 0xfd]), Buffer.alloc(125, 0xfe)])
        for (const size of [1, 1000])
          assert.deepEqual(pongs(await talk(chopped(frame(PING, payload), size))), [payload.toString('latin1')]);
    });
    it('2.5 a ping of 126 bytes', () => fails(1002, [frame(PING, Buffer.alloc(126, 0xfe))]));
    it('2.7-2.9 a pong that nobody asked for gets nothing', async () => {
      const raw = await talk(frame(PONG), frame(PONG, 'unsolicited'), frame(PING, 'ping'));
      assert.deepEqual(pongs(raw), ['ping']);
    });
    it('2.10-2.11 ten pings get ten pongs in their order, chopped or not', async () => {
      const pings = Buffer.concat(Array.from({ length: 10 }, (_, i) => frame(PING, `payload-${i}`)));
      for (const size of [1, 10_000])
        assert.deepEqual(pongs(await talk(chopped(pings, size))), Array.from({ length: 10 }, (_, i) => `payload-${i}`));
    });
  });

  it('3 reserved bits, also behind what was good, and in control frames', async () => {
    for (let rsv = 1; rsv <= 7; rsv++) {
      await fails(1002, [frame(TEXT, '4first'), frame(TEXT, '4x', { rsv })], ['4first']);
      for (const opcode of [BINARY, PING, CLOSE]) await fails(1002, [frame(opcode, '', { rsv })]);
    }
  });

  it('4 reserved opcodes, also behind what was good', async () => {
    for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
      await fails(1002, [frame(opcode)]);
      await fails(1002, [frame(TEXT, '4first'), frame(opcode, 'x'), frame(PING)], ['4first']);
    }
  });

  describe('5 fragments', () => {
    const [begin, middle, end] = [{ fin: false }, { fin: false }, {}];
    it('5.1-5.2 pings and pongs in fragments', async () => {
      await fails(1002, [frame(PING, 'frag', begin), frame(CONTINUATION, 'ment', end)]);
      await fails(1002, [frame(PONG, 'frag', begin), frame(CONTINUATION, 'ment', end)]);
    });
    it('5.3-5.8 two fragments, with a ping between them, chopped or not', async () => {
      const parts = [frame(TEXT, '4fragment1', begin), frame(PING, 'ping'), frame(CONTINUATION, 'fragment2', end)];
      for (const size of [1, 10_000]) {
        await echoes(chopped(Buffer.concat([parts[0], parts[2]]), size), TEXT, '4fragment1fragment2');
        const raw = await talk(chopped(Buffer.concat(parts), size));
        assert.deepEqual(raw.since().map((f) => [f.opcode, f.payload.toString('latin1')]).slice(0, 2),
          [[PONG, 'ping'], [TEXT, '4fragment1fragment2']]);
      }
    });
    it('5.9-5.14 continuations of nothing', async () => {
      for (const options of [begin, end])
        await fails(1002, [frame(CONTINUATION, 'non', options), frame(TEXT, '4Hello')]);
      await fails(1002, [frame(TEXT, '4a', begin), frame(CONTINUATION, 'b', end), frame(CONTINUATION, 'c', end)], ['4ab']);
    });
    it('5.15 good fragments, then a continuation of nothing and good ones', () =>
      fails(1002, [frame(TEXT, '4frag', begin), frame(CONTINUATION, 'ment', end), frame(CONTINUATION, 'x', begin),
        frame(TEXT, '4fragment3', begin), frame(CONTINUATION, 'fragment4', end)], ['4fragment']));
    it('5.18 a new message within a message', () =>
      fails(1002, [frame(TEXT, '4fragment1', begin), frame(TEXT, 'fragment2', end)]));
    it('5.19-5.20 five fragments with pings between them', async () => {
      const raw = await talk(frame(TEXT, '4fragment1', begin), frame(CONTINUATION, 'fragment2', middle), frame(PING, 'one'),
        frame(CONTINUATION, 'fragment3', middle), frame(CONTINUATION, 'fragment4', middle), frame(PING, 'two'),
        frame(CONTINUATION, 'fragment5', end));
      assert.deepEqual(raw.since().slice(0, 3).map((f) => f.payload.toString()),
        ['one', 'two', '4fragment1fragment2fragment3fragment4fragment5']);
    });
  });

  describe('6 UTF-8', () => {
    const hex = (digits) => Buffer.concat([Buffer.from('4'), Buffer.from(digits, 'hex')]);
    const bytewise = (bytes) => [...bytes].map((byte, i) =>
      frame(i ? CONTINUATION : TEXT, [byte], { fin: i === bytes.length - 1 }));
    const good = ['', '48656c6c6f2dc2b540c39fc3b6c3a4c3bcc3a0c3a12d5554462d382121', 'cebae1bdb9cf83cebcceb5',
      '00', 'c280', 'e0a080', 'f0908080', '7f', 'dfbf', 'efbfbf', 'f48fbfbf', 'ed9fbf', 'ee8080', 'efbfbd',
      'efb790', 'f09fbfbf', 'f48fbfbe'];
    const bad = ['cebae1bdb9cf83cebcceb5eda080656469746564', 'cebae1bdb9cf83cebcceb5f4908080656469746564', 'ce', 'e1bd',
      'f0a4ad', 'f8888080', 'fc8480808080', 'f4908080', '80', 'bf', '80bf80bf', 'c020', 'e020', 'f020', 'c0af', 'e080af',
      'f08080af', 'f8808080af', 'fc80808080af', 'c1bf', 'e09fbf', 'f08fbfbf', 'c080', 'e08080', 'eda080', 'edafbf',
      'edb080', 'edbfbf', 'eda080edb080', 'fe', 'ff', 'fefeffff'];
    it('6.1-6.2, 6.5-6.7, 6.9, 6.11, 6.22-6.23 what is UTF-8, whole and in fragments of one byte', async () => {
      for (const digits of good) {
        await echoes([frame(TEXT, hex(digits))], TEXT, hex(digits));
        await echoes(bytewise(hex(digits)), TEXT, hex(digits));
      }
    });
    it('6.3, 6.6, 6.8, 6.10, 6.12-6.21 what is not, whole and in fragments of one byte', async () => {
      for (const digits of bad) {
        await fails(1007, [frame(TEXT, hex(digits))]);
        await fails(1007, bytewise(hex(digits)));
      }
    });
    it('6.4 what cannot become UTF-8 any more is refused before the message ends', async () => {
      for (const [first, second] of [['cebae1bdb9cf83cebcceb5f4', '90'], ['cebae1bdb9cf83cebcceb5', 'f490'], ['ed', 'a0'],
        ['e0', '9f'], ['f0', '8f'], ['', 'ff']]) {
        const fragments = await open();
        fragments.send(frame(TEXT, hex(first), { fin: false })).send(frame(CONTINUATION, Buffer.from(second, 'hex'), { fin: false }));
        await fragments.until(() => fragments.closeCode === 1007, `1007 within a message (${first} ${second})`);
        fragments.destroy();
        const octets = await open(); // 6.4.3-6.4.4: one frame, of which the rest never comes
        octets.send(frame(TEXT, Buffer.concat([hex(first), Buffer.from(second, 'hex')]), { length: 1000 }));
        await octets.until(() => octets.closeCode === 1007, `1007 within a frame (${first} ${second})`);
        octets.destroy();
      }
    });
  });

  describe('7 closing', () => {
    it('7.1 nothing that follows a close frame is read', async () => {
      const raw = await talk(closed(1000), frame(TEXT, '4late'), frame(PING, 'late'), closed(1000));
      assert.deepEqual(raw.since().map((f) => [f.opcode, f.payload.length]), [[CLOSE, 2]]);
    });
    it('the answer to a close frame arrives, however much follows that frame', async () => {
      const raw = await talk(closed(1000), ...Array.from({ length: 64 }, () => frame(BINARY, Buffer.alloc(MAX - 10, 'x'))));
      assert.deepEqual(raw.since().map((f) => [f.opcode, f.payload.length]), [[CLOSE, 2]]);
      assert.equal(raw.closeCode, 1000);
    });
    it('7.1.6 a large message right before the close comes back whole', async () => {
      const large = Buffer.alloc(MAX - 10, 'x');
      const raw = await talk(frame(BINARY, large));
      assert.ok(raw.since()[0].payload.equals(large));
      assert.equal(raw.closeCode, 1000);
    });
    it('7.3 a payload of none, one, two, more and 125 bytes', async () => {
      const empty = await open();
      empty.send(frame(CLOSE));
      await empty.end();
      assert.deepEqual(empty.since().map((f) => [f.opcode, f.payload.length]), [[CLOSE, 0]]);
      await fails(1002, [frame(CLOSE, 'x')]);
      for (const reason of ['', 'Hello World!', '*'.repeat(123)])
        assert.equal((await talk(frame(CLOSE, Buffer.concat([Buffer.from([3, 232]), Buffer.from(reason)])))).closeCode, 1000);
      await fails(1002, [frame(CLOSE, Buffer.concat([Buffer.from([3, 232]), Buffer.alloc(124, '*')]))]);
    });
    it('7.5 a reason that is no UTF-8', () => fails(1007, [frame(CLOSE, Buffer.from('03e8cebae1bdb9cf83cebcceb5eda080', 'hex'))]));
    it('7.7 codes that may be sent come back; 7.9, 7.13 the others are a protocol error', async () => {
      for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])
        assert.equal((await talk(closed(code))).closeCode, code);
      for (const code of [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535]) await fails(1002, [closed(code)]);
    });
  });

  describe('9 large messages', () => {
    it('9.1-9.6 up to the limit, whole, in fragments and in pieces; past it 1009 with the head', async () => {
      const large = Buffer.alloc(MAX, 'y');
      await echoes([frame(BINARY, large)], BINARY, large);
      await echoes(chopped(frame(BINARY, large.subarray(0, 65536)), 64), BINARY, large.subarray(0, 65536));
      const fragments = chopped(large, 4096);
      await echoes(fragments.map((part, i) => frame(i ? CONTINUATION : BINARY, part, { fin: i === fragments.length - 1 })),
        BINARY, large);
      for (const length of [MAX + 1, 4 << 20, 16 << 20]) {
        const raw = await open();
        raw.send(frame(BINARY, '', { length }));
        await raw.until(() => raw.closeCode === 1009, 'the refusal of a length');
        raw.destroy();
      }
    });
    it('9.7-9.8 a thousand messages each way, one after the other', async () => {
      const raw = await open();
      const content = text(64);
      for (let i = 1; i <= 1000; i++) {
        raw.send(frame(TEXT, content));
        if (i % 100 === 0) await raw.until(() => raw.since().length >= i, `echo ${i}`);
      }
      assert.ok(raw.since().every((f) => f.payload.toString() === content));
      raw.destroy();
    });
  });

  it('12, 13 compression is not agreed to, and compressed frames are a protocol error', async () => {
    const raw = await Raw.connect(stack.relayPort(1));
    raw.send(handshake('/engine.io/?EIO=4&transport=websocket',
      { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' }));
    await raw.until(() => raw.frames.length, 'the open packet');
    assert.doesNotMatch(raw.text, /sec-websocket-extensions/i);
    raw.send(frame(TEXT, '4x', { rsv: 4 }));
    await raw.until(() => raw.closeCode === 1002, 'the end');
    raw.destroy();
  });
});
