// The library chaguan-client in a real browser: several tabs of one user share one connection, whichever of them goes, and what
// a tab that is gone had in its outbox is sent by another.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Browser, browserMissing } from './lib/browser.mjs';
import { People } from './lib/people.mjs';
import { unique } from './lib/socket.mjs';
import { eventually, top } from './lib/stack.mjs';
import { png } from './lib/uploads.mjs';

const FAULTS = Number(process.env.CLIENT_FAULTS ?? 20);

describe('the client library in a browser', { skip: browserMissing }, () => {
  let people, stack, browser;
  before(async () => {
    people = await People.start({ settings: { ping_interval_ms: '300ms' } });
    stack = people.stack;
    browser = await Browser.start(stack);
  });
  after(async () => {
    await browser?.close();
    await people?.end();
  });

  /** A browser of a person's, whose tabs have the library. */
  const person = async (name, room) => {
    const first = await browser.open(name), context = first.context();
    await context.route('**/chaguan-client/*.js', (route) => route.fulfill({ contentType: 'text/javascript',
      body: fs.readFileSync(path.join(top, 'client', new URL(route.request().url()).pathname.split('/').at(-1))) }));
    await context.route('**/faults.mjs', (route) => route.fulfill({ contentType: 'text/javascript',
      body: fs.readFileSync(path.join(top, 'tests/integration/lib/faults.mjs')) }));
    const token = people.tokenOf(name);
    const begin = async (page, options = {}) => {
      const tab = { page, sockets: [] };
      page.on('websocket', (socket) => socket.url().endsWith('/v1') && tab.sockets.push(socket));
      await page.evaluate(async ({ url, share, token: said, id, stored, cursor, deaf, faulty }) => {
        const { connect, webStorage, webTransport } = await import('/chaguan-client/index.js');
        let transport = webTransport();
        if (faulty) {
          const { Faults } = await import('/faults.mjs');
          window.faults = new Faults();
          transport = window.faults.over(transport);
        }
        if (deaf) transport.open = () => ({ send() {}, close() {} });
        const client = connect({ url, share, token: async () => said, transport, backoff_ms: 20, backoff_max_ms: 200, timeout_ms: 5000,
          ...(stored && { storage: webStorage(localStorage, stored) }) });
        const at = client.conversation(id);
        Object.assign(window, { client, at, heard: [], settled: [], resets: [] });
        at.on('event', (event) => window.heard.push([event.seq, event.content]));
        at.on('reset', (reset) => window.resets.push(reset));
        client.on('settled', ({ fields, answer }) => window.settled.push([fields.content, answer?.seq]));
        if (!deaf) await at.join({ cursor });
      }, { url: stack.url, share: name, token, id: room, ...options });
      return tab;
    };
    return { context, first: (options) => begin(first, options),
      open: async (options) => {
        const page = await context.newPage();
        await page.goto(stack.url);
        return begin(page, options);
      } };
  };
  const hears = (tab, seq) => tab.page.waitForFunction((wanted) => window.heard.some(([is]) => is === wanted), seq);
  const openSockets = (tabs) => tabs.flatMap(({ sockets }) => sockets).filter((socket) => !socket.isClosed()).length;
  const said = () => {
    const text = unique('said');
    stack.keepSecret(text);
    return text;
  };

  it('three tabs have one connection; each hears all, once and in order, and may say something', async () => {
    const names = [unique('ann'), unique('bob')], id = await people.room(...names);
    const bob = people.connect(names[1]).conversation(id);
    const ann = await person(names[0], id);
    const tabs = [await ann.first(), await ann.open(), await ann.open()];
    assert.equal(openSockets(tabs), 1);
    const texts = [];
    const say = async (act) => {
      const text = said();
      texts.push(text);
      const { seq } = await act(text);
      assert.equal(seq, texts.length);
    };
    await say((text) => bob.send(text));
    for (const { page } of tabs) await say((text) => page.evaluate((content) => window.at.send(content), text));
    for (const tab of tabs) {
      await hears(tab, texts.length);
      assert.deepEqual(await tab.page.evaluate(() => window.heard), texts.map((text, i) => [i + 1, text]));
    }

    // the one with the connection goes, while somebody talks
    const leader = tabs.findIndex((tab) => openSockets([tab]));
    const [gone] = tabs.splice(leader, 1);
    await Promise.all([gone.page.close(), say((text) => bob.send(text))]);
    await say((text) => bob.send(text));
    for (const tab of tabs) {
      await hears(tab, texts.length);
      assert.deepEqual(await tab.page.evaluate(() => window.heard), texts.map((text, i) => [i + 1, text]));
      await say((text) => tab.page.evaluate((content) => window.at.send(content), text));
    }
    await eventually(() => openSockets(tabs) === 1, 'one connection again');

    // one comes with an old cursor: what it missed is read, and then it hears what the others hear
    const late = await ann.open({ cursor: { epoch: 1, seq: 2 } });
    await hears(late, texts.length);
    await say((text) => bob.send(text));
    for (const tab of [...tabs, late]) await hears(tab, texts.length);
    assert.deepEqual(await late.page.evaluate(() => window.heard), texts.map((text, i) => [i + 1, text]).slice(2));
    assert.equal(openSockets([...tabs, late]), 1);
    assert.deepEqual(await late.page.evaluate(() => window.resets), []);
    await ann.context.close();
  });

  it('tabs come and go while all of them talk: each message is stored once, and each tab hears each once', async () => {
    const name = unique('ann'), id = await people.room(name);
    const ann = await person(name, id);
    const tabs = [await ann.first(), await ann.open()];
    const texts = [], answers = [];
    const talk = (tab) => Array.from({ length: 5 }, () => {
      const text = said();
      texts.push(text);
      answers.push(tab.page.evaluate(async (content) => [content, (await window.at.send(content)).seq], text));
    });
    for (let round = 0; round < 4; round++) {
      tabs.push(await ann.open({ cursor: { epoch: 1, seq: 0 } }));
      const [gone] = tabs.splice(tabs.findIndex((tab) => openSockets([tab])), 1);
      const going = gone.page.close();
      tabs.forEach(talk); // to whoever leads now, or will
      await going;
      await eventually(() => openSockets(tabs) === 1, 'another to lead');
    }
    for (const [text, seq] of await Promise.all(answers))
      assert.deepEqual((await stack.sql('SELECT seq FROM message WHERE content = ?', [text])).map((row) => Number(row.seq)), [seq]);
    for (const tab of tabs) {
      await hears(tab, texts.length);
      const heard = (await tab.page.evaluate(() => window.heard)).map(([seq]) => seq);
      assert.deepEqual(heard, heard.map((_, i) => heard[0] + i));
      assert.equal(heard.at(-1), texts.length);
    }
    await ann.context.close();
  });

  it('two tabs whose connection is cut and frozen, and loses answers: each message is stored once, and heard once by both', async (t) => {
    const name = unique('ann'), id = await people.room(name);
    const ann = await person(name, id);
    const tabs = [await ann.first({ faulty: true }), await ann.open({ faulty: true })];
    const ends = await Promise.all(tabs.map(async ({ page }, tab) => page.evaluate(async ({ mark, enough }) => {
      const said = [];
      window.faults.share = 0.03;
      const count = () => window.faults.count;
      for (let i = 0; i < 40 || (window.client.line.leads && count() < enough); i++) {
        const sending = [0, 1, 2].map((n) => `${mark} ${i} ${n}`).map(async (text) => [text, (await window.at.send(text)).seq]);
        said.push(...await Promise.all(sending));
      }
      window.faults.share = 0;
      return { said, counts: window.faults.counts };
    }, { mark: `${name} ${tab}`, enough: FAULTS })));
    const stored = await stack.sql('SELECT seq, content FROM message WHERE conversation = ? ORDER BY seq',
      [(await people.call('GET', `conversations/${id}`)).ch]);
    const all = ends.flatMap(({ said: each }) => each).sort(([, a], [, b]) => a - b);
    assert.deepEqual(stored.map(({ seq, content }) => [content, Number(seq)]), all);
    for (const tab of tabs) {
      await hears(tab, all.length);
      assert.deepEqual(await tab.page.evaluate(() => window.heard), all.map(([text, seq]) => [seq, text]));
      assert.deepEqual(await tab.page.evaluate(() => window.resets), []);
    }
    t.diagnostic(JSON.stringify({ stored: all.length, faults: ends.map(({ counts }) => counts) }));
    await ann.context.close();
  });

  it('what a tab could not send before it was closed, another one sends; not while it is there', async () => {
    const name = unique('ann'), id = await people.room(name);
    const ann = await person(name, id), text = said();
    const deaf = await ann.first({ share: undefined, stored: name, deaf: true });
    await deaf.page.evaluate((content) => void window.at.send(content).catch(() => {}), text);
    await eventually(() => deaf.page.evaluate(() => Object.keys(localStorage).length === 1), 'it to be in the storage');
    const other = await ann.open({ share: undefined, stored: name });
    await other.page.evaluate(() => window.at.send('mine'));
    assert.equal(await stack.count('SELECT COUNT(*) FROM message WHERE content = ?', [text]), 0);
    await deaf.page.close();
    await other.page.waitForFunction((content) => window.settled.some(([is]) => is === content), text);
    assert.equal(await stack.count('SELECT COUNT(*) FROM message WHERE content = ?', [text]), 1);
    assert.equal(await other.page.evaluate(() => Object.keys(localStorage).length), 0);
    await ann.context.close();
  });

  it('uploads with the progress and the abort of the browser', async () => {
    const name = unique('ann'), id = await people.room(name);
    const ann = await person(name, id), { page } = await ann.first();
    const [sent, steps, aborted] = await page.evaluate(async (bytes) => {
      const progress = [], file = new File([new Uint8Array(bytes), new Uint8Array(1 << 20)], 'a.png');
      const answer = await window.at.upload(file, { onprogress: (step) => progress.push(step) });
      const abort = new AbortController();
      abort.abort();
      return [answer, progress, await window.client.upload(file, { signal: abort.signal }).catch(({ code }) => code)];
    }, [...png()]);
    assert.deepEqual([sent.uploaded.kind, sent.uploaded.name, aborted], ['image/png', 'a.png', 'aborted']);
    assert.equal(steps.at(-1).sent, steps.at(-1).total);
    await ann.context.close();
  });

  it('nothing went wrong in any of the tabs', () => assert.deepEqual(browser.trouble, []));
});
