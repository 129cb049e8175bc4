// The Socket.IO chat room's page in a real browser: a name, rooms, whispers, what is left of a cut, and nothing that
// anyone writes is taken for anything but text.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser, MARKUP, browserMissing } from './lib/browser.mjs';
import { unique } from './lib/client.mjs';
import { Stack, eventually, request } from './lib/stack.mjs';

describe('the Socket.IO page', { skip: browserMissing }, () => {
  let stack, browser;
  before(async () => {
    stack = await Stack.start();
    browser = await Browser.start(stack);
  });
  after(async () => {
    await browser?.close();
    await stack?.remove();
  });

  /** Lets the test cut the page's connection, bring it back, and speak at a pace that no fingers have. */
  const init = () => {
    let io;
    const lent = (...args) => {
      const socket = io(...args);
      const manager = socket.io;
      globalThis.cut = () => {
        manager.reconnection(false);
        manager.engine.transport.ws.close();
      };
      globalThis.back = () => {
        manager.reconnection(true);
        socket.connect();
      };
      globalThis.emit = (...event) => socket.emit(...event);
      return socket;
    };
    Object.defineProperty(globalThis, 'io', { get: () => io && lent, set: (value) => (io = value) });
  };

  const open = async (page) => page.waitForSelector('#status[data-state="open"]', { state: 'attached' });
  const write = async (page, text) => {
    await page.fill('#box', text);
    await page.press('#box', 'Enter');
  };
  const named =
    (page, name) => page.waitForFunction((wanted) => document.querySelector('#you').textContent.includes(wanted), name);
  /** Somebody who has come in and has a name. query: ?transports=… */
  const come = async (name, query = '', expected) => {
    const page = await browser.open(name, `/socketio.html${query}`, { init, expected });
    await open(page);
    await write(page, name);
    await named(page, name);
    return page;
  };
  const say = async (page, text) => {
    stack.keepSecret(text);
    await write(page, text);
  };
  const shows =
    (page, text) => page.waitForFunction((wanted) => document.querySelector('#log').textContent.includes(wanted), text);
  const log = (page) => page.textContent('#log');
  const leave = (...pages) => Promise.all(pages.map((page) => page.context().close()));

  it('two people talk, over a WebSocket and over polling alone; whoever comes later finds what was said', async () => {
    const [annName, bobName] = [unique('Ann'), unique('Bob')];
    const ann = await come(annName);
    const bob = await come(bobName, '?transports=polling');
    await shows(ann, bobName); // came in
    await ann.waitForFunction(() => document.querySelector('#transport').textContent === 'websocket');
    assert.equal(await bob.textContent('#transport'), 'polling');
    const [hello, answer] = [unique('Hello Bob'), unique('Hello Ann 🍵')];
    await say(ann, hello);
    await shows(bob, hello);
    await shows(ann, hello);
    await say(bob, answer);
    await shows(ann, answer);
    await ann.waitForFunction(() => document.querySelectorAll('#pending .row').length === 0);
    const cleo = await come(unique('Cleo'), '?transports=websocket');
    await shows(cleo, hello);
    await shows(cleo, answer);
    assert.equal((await log(ann)).split(hello).length, 2, 'one message, one line');
    await leave(ann, bob, cleo);
  });

  it('a name that is taken is refused with a reason and can be chosen again; one that was left is free', async () => {
    const name = unique('Ann');
    const ann = await come(name);
    const other = await browser.open('other', '/socketio.html');
    await open(other);
    await write(other, `${name} x`); // a blank: nobody could whisper to it
    await other.waitForSelector('#composer-notice:not([hidden])');
    await write(other, name);
    await other.waitForFunction((taken) => document.querySelector('#composer-notice').textContent.includes(taken)
      && document.querySelector('#box').value === taken, name);
    const free = unique('Anna');
    await write(other, free);
    await named(other, free);
    assert.equal(await other.isVisible('#composer-notice'), false);
    await leave(ann);
    const again = await browser.open('again', '/socketio.html');
    await open(again);
    await eventually(async () => {
      if (await again.isVisible('#name-label')) await write(again, name);
      return (await again.textContent('#you')).includes(name);
    }, 'the name to be free');
    await leave(other, again);
  });

  it('a whisper, begun by a click on a name, is seen by its reader and its writer and by nobody else', async () => {
    const [annName, bobName] = [unique('Ann'), unique('Bob')];
    const ann = await come(annName);
    const bob = await come(bobName);
    const cleo = await come(unique('Cleo'));
    const aloud = unique('aloud');
    await say(bob, aloud);
    await shows(ann, aloud);
    await ann.click(`.name-button:text-is("${bobName}")`);
    await ann.waitForSelector('#whisper:not([hidden])');
    const secret = unique('psst');
    await say(ann, secret);
    await bob.waitForFunction((wanted) => document.querySelector('#log .whisper')?.textContent.includes(wanted),
      secret);
    await ann.waitForFunction((wanted) => document.querySelector('#log .whisper.mine')?.textContent.includes(wanted),
      secret);
    await ann.press('#box', 'Escape');
    const after = unique('aloud again');
    await say(ann, after);
    await shows(cleo, after);
    assert.equal((await log(cleo)).includes(secret), false);
    assert.equal(await cleo.locator('#log .whisper').count(), 0);
    await leave(bob);
    await ann.click(`.name-button:text-is("${bobName}")`);
    await eventually(async () => {
      await say(ann, unique('to nobody'));
      await ann.waitForFunction(() => document.querySelectorAll('#pending .row').length === 0);
      return ann.isVisible('#composer-notice');
    }, 'the whisper to somebody who left to come back');
    await leave(ann, cleo);
  });

  it('who is in a room is heard by those in it alone, and hears the hall as well', async () => {
    const ann = await come(unique('Ann'));
    const bob = await come(unique('Bob'));
    const cleo = await come(unique('Cleo'));
    for (const page of [ann, bob]) {
      await page.click('#room-Red');
      await page.waitForSelector('#room-Red[aria-pressed="true"]');
    }
    await ann.click('#room-Green');
    await ann.waitForSelector('#room-Green[aria-pressed="true"]');
    const red = unique('in the red room');
    await say(ann, red);
    await shows(bob, red);
    await shows(ann, red);
    const hall = unique('in the hall');
    await say(cleo, hall);
    for (const page of [ann, bob, cleo]) await shows(page, hall);
    assert.equal((await log(cleo)).includes(red), false);
    assert.equal((await log(ann)).split(red).length, 2, 'two rooms, one line');
    for (const room of ['Red', 'Green']) {
      await ann.click(`#room-${room}`);
      await ann.waitForSelector(`#room-${room}[aria-pressed="false"]`);
    }
    const out = unique('out again');
    await say(ann, out);
    await shows(cleo, out);
    await leave(ann, bob, cleo);
  });

  it('a reload keeps the name and the rooms', async () => {
    const name = unique('Ann');
    const ann = await come(name);
    await ann.click('#room-Red');
    await ann.waitForSelector('#room-Red[aria-pressed="true"]');
    await ann.reload();
    await open(ann);
    await named(ann, name);
    await ann.waitForSelector('#room-Red[aria-pressed="true"]');
    await leave(ann);
  });

  it('a cut is recovered: nothing is missed, nothing is asked for again', async () => {
    const bob = await come(unique('Bob'), '?transports=websocket');
    const ann = await come(unique('Ann'), '?transports=websocket');
    await ann.click('#room-Green');
    await ann.waitForSelector('#room-Green[aria-pressed="true"]');
    const before = unique('before the cut');
    await say(bob, before);
    await shows(ann, before);
    await ann.evaluate(() => globalThis.cut());
    await ann.waitForSelector('#status:not([data-state="open"])', { state: 'attached' });
    const missed = unique('while away');
    await say(bob, missed);
    await shows(bob, missed);
    await ann.evaluate(() => globalThis.back());
    await open(ann);
    await shows(ann, missed);
    assert.equal(await ann.isVisible('#recovered'), true);
    assert.equal(await ann.getAttribute('#room-Green', 'aria-pressed'), 'true');
    assert.equal((await log(ann)).split(before).length, 2);
    await leave(ann, bob);
  });

  it('it comes back by itself, with its name and its rooms, when its relay is gone', async () => {
    const [annName, bobName] = [unique('Ann'), unique('Bob')];
    const ann = await come(annName, '?transports=websocket', /^Failed to load resource/);
    const bob = await come(bobName, '?transports=polling', /^Failed to load resource/);
    for (const page of [ann, bob]) {
      await page.click('#room-Red');
      await page.waitForSelector('#room-Red[aria-pressed="true"]');
    }
    for (const name of ['relay1', 'relay2']) {
      await stack.kill(name, 'KILL');
      for (const [speaker, listener] of [[ann, bob], [bob, ann]]) {
        const text = unique('still there');
        await eventually(async () => {
          if ((await log(speaker)).includes(text)) return true;
          // No name yet, or on its way: nothing to do but to wait. Otherwise it was not taken, or came back.
          if (await speaker.isVisible('#name-label') || await speaker.locator('#pending .row').count() > 0)
            return false;
          await say(speaker, text);
          return false;
        }, 'the text to be sent at last');
        await shows(listener, text);
      }
      for (const page of [ann, bob]) await page.waitForSelector('#room-Red[aria-pressed="true"]');
      await stack.startPart(name);
    }
    await leave(ann, bob);
  });

  it('markup, scripts and odd signs in messages, whispers and names show literally and do nothing', async () => {
    const annName = `<i>${unique('A')}</i>`;
    const bobName = `"><svg/onload=alert(2)>${unique('B')}`;
    const ann = await come(annName);
    const bob = await come(bobName);
    for (const text of MARKUP) {
      await say(ann, text);
      await shows(bob, text);
      await shows(ann, text);
    }
    await say(ann, `@${bobName} ${MARKUP[0]}`);
    await bob.waitForFunction((wanted) => document.querySelector('#log .whisper')?.textContent.includes(wanted),
      MARKUP[0]);
    await shows(bob, annName);
    for (const page of [ann, bob]) {
      assert.equal(
        await page.locator('#log img, #log script, #log b, #log i, #log svg, #log a[href^="javascript"], #you i')
        .count(), 0);
    }
    await leave(ann, bob);
  });

  it('of very many lines the page keeps the latest', async () => {
    const ann = await come(unique('Ann'), '?transports=websocket');
    const bob = await come(unique('Bob'), '?transports=websocket');
    const last = unique('the last');
    await bob.evaluate(async (text) => { // not all at once: of what is unanswered a connection may have only so much
      const say = (line) => new Promise((resolve) => globalThis.emit('message', line, resolve));
      for (let i = 0; i < 520; i += 40) await Promise.all(Array.from({ length: 40 }, (_, n) => say(`line ${i + n}`)));
      await say(text);
    }, last);
    await shows(ann, last);
    assert.ok(await ann.locator('#log > *').count() <= 500);
    await leave(ann, bob);
  });

  it('nothing went wrong in any browser: no error, no dialog, no policy violated, no other host asked', () => {
    assert.deepEqual(browser.trouble, []);
  });

  it('the client is served with its maps, compressed, to be asked for again after a day', async () => {
    for (const name of ['socket.io.js', 'socket.io.min.js', 'socket.io.esm.min.js']) {
      for (const suffix of ['', '.map']) {
        const { status, headers } = await request(`${stack.url}/socket.io/${name}${suffix}`);
        assert.equal(status, 200, name + suffix);
        assert.match(headers['content-type'], suffix ? /^application\/json/ : /^application\/javascript/);
        assert.match(headers['cache-control'], /max-age=86400, must-revalidate/);
        assert.equal(headers['x-content-type-options'], 'nosniff');
        assert.ok(headers.etag);
      }
    }
    const { headers, status } = await request(`${stack.url}/socket.io/socket.io.js`,
      { headers: { 'Accept-Encoding': 'gzip' } });
    assert.equal(headers['content-encoding'], 'gzip');
    const again = await request(`${stack.url}/socket.io/socket.io.js`,
      { headers: { 'If-None-Match': headers.etag, 'Accept-Encoding': 'gzip' } });
    assert.deepEqual([status, again.status], [200, 304]);
    for (const path of ['/socket.io/socket.io.js/../.made', '/socket.io/.made', '/socket.io/package.json',
      '/socketio.htm']) {
      assert.ok([400, 403, 404].includes((await request(stack.url + path)).status), path);
    }
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
