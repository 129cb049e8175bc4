// The page in a real browser: two people talk, and nothing that they write is taken for anything but text.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser, MARKUP, browserMissing } from './lib/browser.mjs';
import { Client, enter, unique } from './lib/client.mjs';
import { Stack, eventually, request } from './lib/stack.mjs';

describe('the page', { skip: browserMissing }, () => {
  let stack, browser;
  before(async () => {
    stack = await Stack.start({ settings: { grace_ms: '2s', journal_timeout_ms: '1s' } });
    browser = await Browser.start(stack);
  });
  after(async () => {
    await browser?.close();
    await stack?.remove();
  });

  const sit = async (nick, roomName) => {
    const page = await browser.open(nick);
    await page.fill('#nick', nick);
    await page.fill('#room-name', roomName);
    await page.click('#enter-button');
    await page.waitForSelector('#room:not([hidden]) #status[data-state="open"]', { state: 'attached' });
    return page;
  };
  const say = async (page, text) => {
    stack.keepSecret(text);
    await page.fill('#box', text);
    await page.press('#box', 'Enter');
  };
  const shows =
    (page, text) => page.waitForFunction((wanted) => document.querySelector('#log').textContent.includes(wanted), text);

  it('two people see each other come, talk and go', async () => {
    const roomName = unique('room');
    const [annName, bobName] = [unique('Ann'), unique('Bob')];
    const ann = await sit(annName, roomName);
    const bob = await sit(bobName, roomName);
    for (const page of [ann, bob]) {
      for (const name of [annName, bobName]) {
        await page.waitForFunction((wanted) => document.querySelector('#members-list').textContent.includes(wanted),
          name);
      }
    }
    await shows(ann, bobName);
    const [hello, answer] = [unique('Hello Bob'), unique('Hello Ann 🍵')];
    await say(ann, hello);
    await shows(bob, hello);
    await shows(ann, hello);
    await say(bob, answer);
    await shows(ann, answer);
    const raw = await Client.join(stack, await enter(stack, roomName, unique('raw')));
    await raw.heard(raw.say(unique('from elsewhere')));
    await shows(ann, raw.said[0]);
    await raw.close();
    await bob.close();
    await ann.waitForFunction((gone) => !document.querySelector('#members-list').textContent.includes(gone), bobName);
    await ann.context().close();
  });

  it('whoever comes later finds what was said, and a reload keeps the seat', async () => {
    const roomName = unique('room');
    const nick = unique('Ann');
    const ann = await sit(nick, roomName);
    const first = unique('said before');
    await say(ann, first);
    await shows(ann, first);
    const bob = await sit(unique('Bob'), roomName);
    await shows(bob, first);
    await ann.reload();
    await ann.waitForSelector('#room:not([hidden]) #status[data-state="open"]', { state: 'attached' });
    await shows(ann, first);
    await ann.context().close();
    await bob.context().close();
  });

  it('markup, scripts and odd signs in messages, names and rooms show literally and do nothing', async () => {
    const roomName = `<b>${unique('room')}</b>`;
    const ann = await sit(`<i>${unique('A')}</i>`, roomName);
    const bob = await sit(`"><svg onload=alert(2)>${unique('B')}`, roomName);
    for (const text of MARKUP) {
      await say(ann, text);
      await shows(bob, text);
      await shows(ann, text);
    }
    await shows(bob, '<i>');
    for (const page of [ann, bob]) {
      assert.equal(
        await page.locator(
          '#log img[src="x"], #log script, #log b, #log i, #log a[href^="javascript"], #members-list i').count(), 0);
      assert.ok((await page.textContent('#room-title')).includes(roomName));
      await page.context().close();
    }
  });

  it('it comes back by itself when its relay is gone', async () => {
    const roomName = unique('room');
    const ann = await sit(unique('Ann'), roomName);
    const bob = await sit(unique('Bob'), roomName);
    for (const name of ['relay1', 'relay2']) {
      await stack.kill(name, 'KILL');
      const text = unique('still there');
      await ann.waitForSelector('#status[data-state="open"]', { state: 'attached' });
      await say(ann, text);
      await shows(bob, text);
      await stack.startPart(name);
    }
    await ann.context().close();
    await bob.context().close();
  });

  it('a text with signs that the server does not pass on settles like any other', async () => {
    const roomName = unique('room');
    const ann = await sit(unique('Ann'), roomName);
    const plain = unique('left to right');
    await say(ann, `\u202E${plain}\u202C\u0007`);
    await shows(ann, plain);
    await ann.waitForFunction(() => document.querySelectorAll('#pending .row').length === 0);
    assert.equal(await ann.locator('#log .bubble').last().textContent(), plain);
    await ann.context().close();
  });

  it('what cannot be stored goes back into the box with the reason', async () => {
    const ann = await sit(unique('Ann'), unique('room'));
    const before = unique('before');
    await say(ann, before);
    await shows(ann, before);
    await stack.stopPart('mariadb');
    const text = unique('in vain');
    await say(ann, text);
    await ann.waitForFunction((wanted) => document.querySelector('#box').value === wanted, text);
    assert.equal(await ann.locator('#composer-notice').isVisible(), true);
    await stack.startPart('mariadb');
    await ann.waitForSelector('#status[data-state="open"]', { state: 'attached' });
    await eventually(async () => {
      if (await ann.inputValue('#box') === text) await ann.press('#box', 'Enter');
      return (await ann.locator('#log .bubble').allTextContents()).includes(text);
    }, 'the text to be stored at last');
    await ann.context().close();
  });

  it('who is no member any more stands at the entrance, with the reason', async () => {
    const nick = unique('Ann');
    const ann = await sit(nick, unique('room'));
    await stack.sql('DELETE member FROM member JOIN user ON user.id = member.user WHERE user.name = ?', [nick]);
    for (const name of ['relay1', 'relay2']) await stack.kill(name, 'KILL');
    for (const name of ['relay1', 'relay2']) await stack.startPart(name);
    await ann.waitForSelector('#entrance:not([hidden]) #enter-notice:not([hidden])');
    assert.equal(await ann.locator('#room').isVisible(), false);
    await ann.context().close();
  });

  it('nothing went wrong in any browser: no error, no dialog, no policy violated, no other host asked', () => {
    assert.deepEqual(browser.trouble, []);
  });

  it('its files come with the headers that keep it so', async () => {
    for (const path of ['/', '/js/app.js', '/css/base.css']) {
      const { headers, status } = await request(stack.url + path);
      assert.equal(status, 200, path);
      assert.match(headers['content-security-policy'], /default-src 'self'/);
      assert.doesNotMatch(headers['content-security-policy'], /unsafe/);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['referrer-policy'], 'no-referrer');
    }
    for (const path of ['/nope', '/.git/config', '/js/', '/../sql/0001_core.sql', '/%2e%2e/sql/0001_core.sql']) {
      assert.ok([400, 403, 404].includes((await request(stack.url + path)).status), path);
    }
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
