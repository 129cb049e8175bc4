// Engine.IO and Socket.IO by hand: what no official client says. The connection that says it ends, nobody else notices.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import WebSocket from 'ws';
import { IoClient, Polling, SEPARATOR, ioUrl, unique } from './lib/io.mjs';
import { BINARY, Raw, TEXT, frame, handshake } from './lib/raw.mjs';
import { Stack, eventually, request } from './lib/stack.mjs';

const DEEP = (open, close) => `42["message",${open.repeat(20_000)}1${close.repeat(20_000)}]`;
const P0 = '{"_placeholder":true,"num":0}';

// Each is what a client sends after it has joined "/"; bytes are a binary message.
const BROKEN = {
  'an event with a reserved name': ['42["disconnect"]'],
  'another': ['42["connect","x"]'],
  'a reserved name with an escape': ['42["\\u0063onnect_error"]'],
  'an object for a name': ['42[{"toString":"foo"}]'],
  'an event without a name': ['42[]'],
  'an event without anything': ['42'],
  'an object for an event': ['42{"0":"message"}'],
  'broken JSON': ['42["message"'],
  'more than JSON': ['42["message"]]'],
  'no JSON': ['42abc["message"]'],
  'an acknowledgement\'s id of 40 digits': [`42${'9'.repeat(40)}["message"]`],
  'binary without attachments': ['450-'],
  'binary without attachments and an event': ['450-["message"]'],
  'binary without a number': ['45-["message"]'],
  'a hundred million attachments': ['459999999-'],
  'eleven attachments': [`4511-["message",${Array.from({ length: 11 }, (_, i) => `{"_placeholder":true,"num":${i}}`)}]`],
  'a placeholder of what does not come': ['451-["message",{"_placeholder":true,"num":1}]'],
  'a placeholder with a text for a number': ['451-["message",{"_placeholder":true,"num":"0"}]'],
  'a placeholder twice': [`451-["message",${P0},${P0}]`],
  'no placeholder': ['451-["message"]'],
  'a stray binary message': [Buffer.from([1, 2, 3])],
  'text where an attachment should come': [`452-["message",${P0},{"_placeholder":true,"num":1}]`, Buffer.from([1]),
    '42["message"]'],
  'one attachment too many': [`451-["nobody",${P0}]`, Buffer.from([1]), Buffer.from([2])],
  'an array for CONNECT': ['40/custom,[]'],
  'a text for CONNECT': ['40/custom,"a"'],
  'CONNECT twice': ['40'],
  'CONNECT_ERROR': ['44{"message":"a"}'],
  'type 9': ['49["message"]'],
  'no type': ['4'],
  'DISCONNECT with a payload': ['41{"a":1}'],
  'an event for a namespace that it has not joined': ['42/custom,["message"]'],
  'an acknowledgement for a namespace that it has not joined': ['43/custom,1[]'],
  'DISCONNECT from a namespace that it has not joined': ['41/custom,'],
  'an event for a namespace that there is not': ['42/none,["message"]'],
  'arrays 20,000 deep': [DEEP('[', ']')],
  'objects 20,000 deep': [DEEP('{"a":', '}')],
  'arrays 20,000 deep that never end': [`42["message",${'['.repeat(20_000)}`],
  'an acknowledgement without an id': ['43[]'],
  'an acknowledgement that is no array': ['431{}'],
  'a namespace of a thousand bytes': [`40/${'a'.repeat(1000)},`],
  'a type of Engine.IO that there is not': ['9'],
  'an empty packet': [''],
};

// What is strange and harmless: the connection goes on.
const HARMLESS = {
  'an acknowledgement that nobody waits for': ['43123["x"]'],
  'a binary acknowledgement that nobody waits for': [`461-5[${P0}]`, Buffer.from([1])],
  'an event that nobody listens to': ['42["__proto__",{"__proto__":{"a":1}}]'],
  'what looks like a placeholder in a text event': ['42["nobody",{"_placeholder":true,"num":3}]'],
  'CONNECT to a namespace that there is not': ['40/none,{}'],
  'CONNECT to __proto__': ['40/__proto__,'],
  'blanks in JSON': ['42 [ "nobody" , { "a" : 1 } ] '],
  'escapes of NUL and of half a pair': ['42["nobody","\\u0000\\ud800"]'],
  'a number for a name': ['42[1,"x"]'],
  'other numbers for names': ['42[0]', '42[-1,"x"]', '42[1.5e-7,{}]', `451-[404,${P0}]`, Buffer.from([1])],
  'seventy arguments': [`42["nobody",${Array(70).fill(0)}]`],
  'ten thousand arguments': [`42["message",${Array(10_000).fill(0)}]`],
  'an acknowledgement with seventy arguments': [`439[${Array(70).fill(0)}]`],
  'seventy arguments and an attachment': [`451-["message",${P0},${Array(70).fill(0)}]`, Buffer.from([1])],
  'a hundred thousand values': [`42["nobody",[${Array(100_000).fill(0)}]]`],
  'arrays 70 deep': [`42["nobody",${'['.repeat(70)}1${']'.repeat(70)}]`],
  'objects 1,000 deep': [`42["nobody",${'{"a":'.repeat(1000)}1${'}'.repeat(1000)}]`],
  'a namespace\'s auth 70 deep': [`40/none,{"a":${'['.repeat(70)}1${']'.repeat(70)}}`],
};

describe('hostile Socket.IO', () => {
  let stack;
  let bystander;
  const pids = {};
  before(async () => {
    stack = await Stack.start({ relays: 2,
      settings: { io_app: 'echo', io_connect_timeout_ms: '1s', io_max_payload_bytes: '300000', io_eio3: 0 } });
    for (const relay of ['relay1', 'relay2']) pids[relay] = stack.pid(relay);
    bystander = await IoClient.connect(stack, { relay: 1 });
  });
  beforeEach(() => {
    assert.deepEqual(bystander.disconnects, [], 'the bystander has noticed nothing');
  });
  after(() => stack?.remove());

  const untouched = async () => {
    const text = unique('bystander');
    assert.deepEqual(await bystander.ask('message-with-ack', text), [text]);
    assert.deepEqual(bystander.disconnects, []);
    for (const relay of ['relay1', 'relay2']) assert.equal(stack.pid(relay), pids[relay], `${relay} lives`);
  };

  /** A WebSocket that has joined "/": {ws, packets, closed}. */
  const dial = async (relay = 1, query = '') => {
    const ws = new WebSocket(`${stack.wsUrl(relay)}/socket.io/?EIO=4&transport=websocket${query}`);
    const client = { ws, packets: [], waiters: new Set() };
    const wake = () => client.waiters.forEach((look) => look());
    ws.on('message', (data, binary) => {
      const packet = binary ? data : data.toString();
      if (packet === '2') ws.send('3');
      else client.packets.push(packet);
      wake();
    });
    ws.on('error', () => {});
    client.closed = new Promise((resolve) => ws.once('close', (code) => {
      client.code = code;
      wake();
      resolve(code);
    }));
    const first = (wanted, what) => new Promise((resolve, reject) => {
      const look = () => {
        const packet = client.packets.find(wanted);
        if (packet === undefined && client.code === undefined) return;
        client.waiters.delete(look);
        if (packet === undefined) reject(new Error(`closed with ${client.code} before ${what}`));
        else resolve(packet);
      };
      client.waiters.add(look);
      look();
    });
    client.packet = (beginning, wanted = () => true) =>
      first((packet) => typeof packet === 'string' && packet.startsWith(beginning) && wanted(packet), beginning);
    client.binary = () => first((packet) => typeof packet !== 'string', 'something binary');
    stack.keepSecret(JSON.parse((await client.packet('0')).slice(1)).sid);
    ws.send('40');
    await client.packet('42["auth"');
    return client;
  };

  describe('by WebSocket', () => {
    for (const [what, packets] of Object.entries(BROKEN)) {
      it(`${what}: the connection ends`, async () => {
        const client = await dial();
        for (const packet of packets) client.ws.send(packet);
        await client.closed;
        assert.ok(!client.packets.some((packet) => /message-back/.test(packet)), 'and the packet means nothing');
        await untouched();
      });
    }
    for (const [what, packets] of Object.entries(HARMLESS)) {
      it(`${what}: nothing happens`, async () => {
        const client = await dial();
        for (const packet of packets) client.ws.send(packet);
        client.ws.send('427["message-with-ack","still here"]');
        assert.equal(await client.packet('437'), '437["still here"]');
        client.ws.close();
      });
    }

    it('what passes a limit is given to the application, or refused in its acknowledgement, and that is all', async () => {
      const client = await dial();
      const deep = `${'[{"a":'.repeat(35)}1${'}]'.repeat(35)}`;
      client.ws.send(`421["message-with-ack",${deep}]`);
      assert.equal(await client.packet('431'), `431[${deep}]`);
      const many = Array(65).fill(0);
      const refusal = '[{"success":false,"error":"too_many_arguments"}]';
      client.ws.send(`422["message-with-ack",${many}]`);
      assert.equal(await client.packet('432'), `432${refusal}`);
      client.ws.send(`451-3["message-with-ack",${many},${P0}]`);
      client.ws.send(Buffer.from([1, 2]));
      assert.equal(await client.packet('433'), `433${refusal}`);
      client.ws.send(`424["message-with-ack",${many.slice(1)}]`);
      assert.equal(await client.packet('434'), `434[${many.slice(1)}]`);
      client.ws.send('42["ask"]'); // and an answer of that size is none, but the next one is heard
      const [, id] = (await client.packet('42', (packet) => packet.includes('"question"'))).match(/^42(\d+)\[/);
      client.ws.send(`43${id}[${many}]`);
      client.ws.send('425["message-with-ack"]');
      assert.equal(await client.packet('435'), '435[]');
      assert.ok(!client.packets.some((packet) => packet.includes?.('"answer"')));
      client.ws.close();
    });

    it('binary as text, with line breaks, is binary; asked for so, it comes so', async () => {
      const client = await dial();
      client.ws.send(`451-1["message-with-ack",${P0}]`);
      client.ws.send('bAQI\r\nD\n');
      assert.equal(await client.packet('461-1'), `461-1[${P0}]`);
      assert.deepEqual(await client.binary(), Buffer.from([1, 2, 3]));
      client.ws.close();
      const text = await dial(1, '&b64=1');
      text.ws.send(`451-1["message-with-ack",${P0}]`);
      text.ws.send(Buffer.from([1, 2, 3])); // it may, though it does not read them
      assert.equal(await text.packet('461-1'), `461-1[${P0}]`);
      assert.equal(await text.packet('b'), 'bAQID');
      text.ws.close();
    });

    it('a namespace\'s query is no part of its name, and a comma may be missing at the end', async () => {
      for (const connect of ['40/custom?x=1,', '40/custom', '40/custom?x=1&y=/,{"a":1}']) {
        const client = await dial();
        client.ws.send(connect);
        await client.packet('40/custom,');
        client.ws.send('42/custom,1["message-with-ack",1]');
        assert.equal(await client.packet('43/custom,'), '43/custom,1[1]');
        client.ws.close();
      }
    });

    it('a namespace that there is not is refused in the protocol\'s words', async () => {
      const client = await dial();
      client.ws.send('40/none,{"token":"x"}');
      assert.equal(await client.packet('44/none,'), '44/none,{"message":"Invalid namespace"}');
      client.ws.close();
    });

    it('bad UTF-8, also in a packet: 1007', async () => {
      for (const bad of ['\xff', '\xc0\x80', '\xed\xa0\x80', '42["message","\xed\xa0\x80"]']) {
        const client = await dial();
        client.ws._socket.write(frame(TEXT, Buffer.from(bad, 'latin1')));
        assert.equal(await client.closed, 1007);
      }
      await untouched();
    });

    it('a message longer than maxPayload: 1009', async () => {
      for (const big of [`42["message","${'x'.repeat(300_000)}"]`, Buffer.alloc(300_001), `4${'x'.repeat(300_000)}`]) {
        const client = await dial();
        client.ws.send(big);
        assert.equal(await client.closed, 1009);
      }
      const client = await dial();
      client.ws.send(`427["message-with-ack","${'x'.repeat(299_000)}"]`);
      assert.equal((await client.packet('437')).length, 299_000 + 7);
      client.ws.close();
      await untouched();
    });

    it('attachments that are too much together end the connection', async () => {
      const client = await dial();
      client.ws.send(`4510-["message",${Array.from({ length: 10 }, (_, i) => `{"_placeholder":true,"num":${i}}`)}]`);
      for (let i = 0; i < 10; i++) client.ws.send(Buffer.alloc(299_000));
      await client.closed;
      await untouched();
    });

    it('who joins no namespace in time is closed', async () => {
      const raw = await Raw.connect(stack.relayPort(1));
      raw.send(handshake('/socket.io/?EIO=4&transport=websocket'));
      await raw.until(() => raw.closeCode, 'the close frame');
      raw.destroy();
    });

    it('handshakes that are none get the protocol\'s codes', async () => {
      for (const [query, code] of [['EIO=4&transport=polling', undefined], ['EIO=3&transport=websocket', 5],
        ['transport=websocket', 5],
        ['EIO=4&transport=__proto__', 0], ['EIO=4', 0], ['EIO=4&transport=websocket&sid=unknown', 1]]) {
        for (const relay of [1, 0]) {
          const raw = await Raw.connect(relay ? stack.relayPort(1) : stack.port);
          raw.send(handshake(`/socket.io/?${query}`));
          await raw.until(() => raw.status, 'an answer');
          assert.equal(raw.status, 400, query);
          if (code !== undefined)
            await raw.until(() => raw.text.includes(`"code":${code}`), `code ${code} for ${query}, not ${raw.text}`);
          raw.destroy();
        }
      }
    });
  });

  describe('by polling', () => {
    const gone = async (session) => {
      await eventually(async () => {
        const answer = await session.get();
        return answer.status === 400 && answer.json?.code === 1;
      }, 'the end of the session');
    };
    for (const relay of [1, 0]) {
      for (const [what, packets] of Object.entries(BROKEN)) {
        if (what === 'an empty packet') continue; // an empty body, below
        it(`${what}, ${relay ? 'directly' : 'through nginx'}: the session ends`, async () => {
          const session = await Polling.joined(stack, { relay });
          const body = packets.map((packet) => (Buffer.isBuffer(packet) ? `b${packet.toString('base64')}` : packet))
            .join(SEPARATOR);
          const answer = await session.post(body);
          assert.ok([200, 400, 413].includes(answer.status), String(answer.status));
          await gone(session);
          await untouched();
        });
      }
    }
    for (const [what, packets] of Object.entries(HARMLESS)) {
      it(`${what}: nothing happens`, async () => {
        const session = await Polling.joined(stack);
        const body = packets.map((packet) => (Buffer.isBuffer(packet) ? `b${packet.toString('base64')}` : packet))
          .join(SEPARATOR);
        assert.equal((await session.post(`${body}${SEPARATOR}427["message-with-ack","still here"]`)).status, 200);
        assert.equal(await session.packet('437'), '437["still here"]');
        await session.post('1');
      });
    }

    it('requests that are none get the protocol\'s codes', async () => {
      const session = await Polling.joined(stack);
      const cases = [
        ['GET', 'transport=polling', 400, 5], ['GET', 'EIO=3&transport=polling', 400, 5],
        ['GET', 'EIO=abc&transport=polling', 400, 5],
        ['GET', 'EIO=4', 400, 0], ['GET', 'EIO=4&transport=abc', 400, 0], ['GET', 'EIO=4&transport=__proto__', 400, 0],
        ['GET', 'EIO=4&transport=polling&sid=unknown', 400, 1], ['POST', 'EIO=4&transport=polling&sid=unknown', 400, 1],
        ['GET', `EIO=4&transport=polling&sid=${session.sid}x`, 400, 1],
        ['POST', 'EIO=4&transport=polling', 400, 2], ['PUT', 'EIO=4&transport=polling', 400, 2],
        ['DELETE', 'EIO=4&transport=polling', 400, 2],
        ['GET', 'EIO=4&transport=websocket', 400, 3],
      ];
      for (const relay of [1, 2, 0]) {
        for (const [method, query, status, code] of cases) {
          const answer = await request(`${ioUrl(stack, relay)}/socket.io/?${query}`,
            { method, headers: method === 'GET' ? {} : { 'Content-Length': 0 } });
          assert.deepEqual([answer.status, answer.json?.code], [status, code], `${method} ${query}: ${answer.text}`);
        }
      }
      await untouched();
    });

    it('a sid that names a relay but was made by nobody is unknown', async () => {
      const session = await Polling.joined(stack, { relay: 1 });
      for (let i = 0; i < session.sid.length; i++) {
        const forged = session.sid.slice(0, i) + (session.sid[i] === 'A' ? 'B' : 'A') + session.sid.slice(i + 1);
        const answer = await request(`${ioUrl(stack, 2)}/socket.io/?EIO=4&transport=polling&sid=${forged}`);
        assert.deepEqual([answer.status, answer.json?.code], [400, 1], `changed at ${i}`);
      }
      assert.equal((await session.post('1')).status, 200);
    });

    it('a post of octets is refused', async () => {
      const session = await Polling.joined(stack);
      const answer = await session.post('42["message"]', { 'Content-Type': 'application/octet-stream' });
      assert.equal(answer.status, 400);
      await untouched();
    });

    it('a second poll while one waits ends the session', async () => {
      for (const relay of [1, 0]) {
        const session = await Polling.joined(stack, { relay });
        const both = await Promise.all([session.get(), session.get()]);
        const statuses = both.map(({ status }) => status).sort();
        assert.ok(statuses.includes(400), statuses.join());
        await gone(session);
      }
      await untouched();
    });

    it('a poll that its client abandons ends the session by the next request', async () => {
      for (const relay of [1, 0]) {
        const session = await Polling.joined(stack, { relay });
        const poll = await stack.counts('eio_polls_total',
          () => http.get(session.url, { agent: false }).on('error', () => {}));
        poll.destroy();
        await gone(session);
      }
    });

    it('a body longer than maxPayload: 413', async () => {
      for (const relay of [1, 0]) {
        const session = await Polling.joined(stack, { relay });
        assert.equal((await session.post(`42["message","${'x'.repeat(300_000)}"]`)).status, 413);
      }
      const session = await Polling.joined(stack);
      assert.equal((await session.post('x'.repeat(3_000_000))).status, 413, 'past what nginx takes');
      await untouched();
    });

    it('two thousand separators: alive', async () => {
      const session = await Polling.joined(stack);
      await session.post(SEPARATOR.repeat(2000));
      await untouched();
      const many = await Polling.joined(stack);
      assert.equal((await many.post(Array(2000).fill('3').join(SEPARATOR))).status, 200);
      await many.post('427["message-with-ack"]');
      assert.equal(await many.packet('437'), '437[]');
    });

    it('base64 that is cut short or is none ends the session', async () => {
      for (const bad of ['bAAA', 'bA', 'b=', 'bAA=A', 'b????', 'bAAA\n', 'b AAA']) {
        const session = await Polling.joined(stack);
        await session.post(`451-["message",${P0}]${SEPARATOR}${bad}`);
        await gone(session);
      }
      await untouched();
    });

    it('base64 with line breaks is what it is without', async () => {
      const bytes = Buffer.alloc(300, 7);
      const lines = (length, end) => bytes.toString('base64').replace(new RegExp(`.{1,${length}}`, 'g'), `$&${end}`);
      for (const body of [lines(76, '\n'), lines(76, '\r\n'), lines(64, '\n'), `${bytes.toString('base64')}\n`,
        `\n${lines(1, '\r')}`]) {
        const session = await Polling.joined(stack);
        assert.equal((await session.post(`451-1["message-with-ack",${P0}]${SEPARATOR}b${body}`)).status, 200);
        const answer = [];
        while (answer.length < 2) answer.push(...(await session.packets()).filter((packet) => packet !== '2'));
        assert.deepEqual(answer, [`461-1[${P0}]`, `b${bytes.toString('base64')}`]);
        await session.post('1');
      }
    });

    it('bad UTF-8 in a body ends the session', async () => {
      for (const bad of [Buffer.from('42["message","\xed\xa0\x80"]', 'latin1'), Buffer.from([0x34, 0x32, 0xff]),
        Buffer.from('42["\xc0\x80"]', 'latin1')]) {
        const session = await Polling.joined(stack);
        await session.post(bad);
        await gone(session);
      }
      await untouched();
    });

    it('a body that ends too soon counts for nothing', async () => {
      const session = await Polling.joined(stack, { relay: 1 });
      const { port } = new URL(ioUrl(stack, 1));
      const socket = net.connect(Number(port), '127.0.0.1');
      socket.on('error', () => {});
      socket.write(
        `POST /socket.io/?EIO=4&transport=polling&sid=${session.sid} HTTP/1.1\r\nHost: x\r\nContent-Type: ` +
        `text/plain\r\nContent-Length: 100\r\n\r\n42["message","half"`);
      socket.end();
      await new Promise((resolve) => socket.on('close', resolve));
      await untouched();
    });

    it('a session that has gone to WebSocket is not polled any more', async () => {
      const client = await IoClient.connect(stack, { relay: 1 });
      await client.upgraded();
      const answer = await request(`${ioUrl(stack, 1)}/socket.io/?EIO=4&transport=polling&sid=${client.engine.id}`);
      assert.equal(answer.status, 400);
      client.close();
    });

    it('a second WebSocket for a session that has one is refused, and the first stays', async () => {
      const client = await IoClient.connect(stack, { relay: 1 });
      await client.upgraded();
      const raw = await Raw.connect(stack.relayPort(1));
      raw.send(handshake(`/socket.io/?EIO=4&transport=websocket&sid=${client.engine.id}`));
      await raw.until(() => raw.status, 'an answer');
      if (raw.status === 101) await raw.until(() => raw.closeCode, 'the close frame');
      raw.destroy();
      assert.deepEqual(await client.ask('message-with-ack', 'still here'), ['still here']);
      client.close();
    });

    it('a WebSocket that does not say what an upgrade does leaves the session to its polls', async () => {
      for (const words of [['2prob'], ['42["message"]'], [Buffer.from([2])], ['2probe', '42["message"]']]) {
        const session = await Polling.joined(stack, { relay: 1 });
        const raw = await Raw.connect(stack.relayPort(1));
        raw.send(handshake(`/socket.io/?EIO=4&transport=websocket&sid=${session.sid}`));
        await raw.until(() => raw.status === 101, 'the handshake');
        for (const word of words) raw.send(frame(Buffer.isBuffer(word) ? BINARY : TEXT, word));
        await raw.until(() => raw.closeCode, 'the close frame');
        raw.destroy();
        assert.equal((await session.post('427["message-with-ack",1]')).status, 200);
        assert.equal(await session.packet('437'), '437[1]');
        await session.post('1');
      }
    });
  });

  it('what was refused was counted, and everything is in order afterwards', async () => {
    assert.ok((await stack.relayMetric('io_packets_refused_total')) > 50);
    bystander.close();
    await stack.checkAndStop();
  });
});
