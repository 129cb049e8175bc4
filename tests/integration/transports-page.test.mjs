// The page with five transports in a real browser: one message arrives in all five panels, also after a stop, a start
// and the loss of a relay, and what each has cost is counted.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser, browserMissing } from './lib/browser.mjs';
import { Client, enter, unique } from './lib/client.mjs';
import { Stack, eventually } from './lib/stack.mjs';

const PANELS = ['polling', 'long', 'events', 'frame', 'socket'];

describe('the page with five transports', { skip: browserMissing }, () => {
  let stack, browser;
  before(async () => {
    stack = await Stack.start();
    browser = await Browser.start(stack);
  });
  after(async () => {
    await browser?.close();
    await stack?.remove();
  });

  const listening = async (page, panels = PANELS) => {
    for (const id of panels) await page.waitForSelector(`#panel-${id}[data-state="open"]`);
  };
  /** Somebody whose five panels listen. A request that fails while a relay is down is no error. */
  const watch = async (nick, roomName, expected) => {
    const page = await browser.open(nick, '/transports.html', { expected });
    await page.fill('#nick', nick);
    await page.fill('#room-name', roomName);
    await page.click('#enter-button');
    await listening(page);
    return page;
  };
  const send = async (page, text) => {
    stack.keepSecret(text);
    await page.fill('#box', text);
    await page.press('#box', 'Enter');
  };
  const shows = async (page, text, panels = PANELS) => {
    for (const id of panels) {
      await page.waitForFunction(([panel, wanted]) =>
        document.querySelector(`#panel-${panel} .rows`).textContent.includes(wanted), [id, text]);
    }
  };
  const rows = (page, id) => page.textContent(`#panel-${id} .rows`);
  const fact = (page, id, key) => page.textContent(`#${id}-${key}`);
  const leave = (...pages) => Promise.all(pages.map((page) => page.context().close()));

  it('one message arrives once in each of five panels, from this page, another, ' +
    'and a client of the article', async () => {
    const roomName = unique('room');
    const ann = await watch(unique('Ann'), roomName);
    const bob = await watch(unique('Bob'), roomName);
    const raw = await Client.join(stack, await enter(stack, roomName, unique('raw')));
    const [first, second] = [unique('from Ann'), unique('from Bob')];
    await send(ann, first);
    await raw.heard(first);
    await send(bob, second);
    const third = raw.say(unique('from elsewhere'));
    for (const page of [ann, bob]) {
      for (const text of [first, second, third]) {
        await shows(page, text);
        for (const id of PANELS) assert.equal((await rows(page, id)).split(text).length, 2, `${id} shows it once`);
      }
    }
    await raw.close();
    await leave(ann, bob);
  });

  it('what each has cost is counted: requests where there are many, one where one is held', async () => {
    const ann = await watch(unique('Ann'), unique('room'));
    for (let i = 0; i < 3; i++) {
      const text = unique(`message ${i}`);
      await send(ann, text);
      await shows(ann, text);
    }
    for (const id of ['events', 'frame', 'socket']) assert.equal(await fact(ann, id, 'trRequests'), '1', id);
    // The first only asks where the room stands; one for each message that was waited for; one that waits.
    assert.ok(Number(await fact(ann, 'long', 'trRequests')) >= 5);
    await eventually(async () => Number(await fact(ann, 'polling', 'trEmpty')) >= 1, 'a poll to come back empty');
    for (const id of PANELS) {
      assert.match(await fact(ann, id, 'trBody'), /^\d.* (B|KiB)$/, id);
      assert.match(await fact(ann, id, 'trDelay'), /^\d+ ms$/, id);
    }
    assert.match(await ann.textContent('#posts'), /3/);
    await leave(ann);
  });

  it('a panel that was stopped hears nothing, and one that can resume gets what it missed when it is ' +
    'started', async () => {
    const ann = await watch(unique('Ann'), unique('room'));
    const before = unique('before');
    await send(ann, before);
    await shows(ann, before);
    for (const id of PANELS.filter((panel) => panel !== 'polling')) await ann.click(`#panel-${id} header button`);
    for (const id of PANELS.filter((panel) => panel !== 'polling'))
      await ann.waitForSelector(`#panel-${id}[data-state="off"]`);
    const meanwhile = unique('meanwhile');
    await send(ann, meanwhile);
    await shows(ann, meanwhile, ['polling']);
    for (const id of ['long', 'events', 'frame', 'socket']) {
      assert.equal((await rows(ann, id)).includes(meanwhile), false, id);
      await ann.click(`#panel-${id} header button`);
    }
    await listening(ann);
    await shows(ann, meanwhile, ['long', 'events', 'frame']);
    const after = unique('after');
    await send(ann, after);
    await shows(ann, after);
    for (const id of ['polling', 'long', 'events', 'frame']) {
      const text = await rows(ann, id);
      for (const one of [before, meanwhile, after]) assert.equal(text.split(one).length, 2, `${id}: ${one} once`);
    }
    await leave(ann);
  });

  it('markup, scripts and odd signs show literally in all five, and break no stream', async () => {
    const nick = `<i>${unique('A')}</i>`;
    const ann = await watch(nick, `<b>${unique('room')}</b>`);
    const texts = ['<img src=x onerror=alert(1)> literally', '</script><script>alert(1)</script>', '<!-- --> <!--',
      'data: x id: 7', '\u2028 ${7*7} &lt;b&gt;', `it's "quoted" \\ 100% _`, '𠮷🍵👩‍👩‍👧 مرحبا'];
    for (const text of texts) {
      await send(ann, text);
      await shows(ann, text.trim());
    }
    for (const id of PANELS) {
      await shows(ann, nick, [id]);
      assert.equal(await ann.locator(`#panel-${id} .rows :is(img, script, b, i)`).count(), 0);
    }
    await leave(ann);
  });

  it('all five come back by themselves when their relay is gone', async () => {
    const roomName = unique('room');
    const ann = await watch(unique('Ann'), roomName, /^Failed to load resource|^EventSource/);
    for (const name of ['relay1', 'relay2']) {
      await stack.kill(name, 'KILL');
      await listening(ann);
      const text = unique('still there');
      await send(ann, text);
      await shows(ann, text);
      await stack.startPart(name);
    }
    await leave(ann);
  });

  it('who is no member is sent back to the entrance', async () => {
    const nick = unique('Ann');
    const ann = await watch(nick, unique('room'), /^Failed to load resource/);
    await stack.sql('DELETE member FROM member JOIN user ON user.id = member.user WHERE user.name = ?', [nick]);
    await ann.waitForSelector('#entry:not([hidden]) #enter-notice:not([hidden])');
    await leave(ann);
  });

  it('nothing went wrong in any browser: no error, no dialog, no policy violated, no other host asked', () => {
    assert.deepEqual(browser.trouble, []);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
