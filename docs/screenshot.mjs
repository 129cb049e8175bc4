// Takes the README's pictures: two people who talk, in one window's view of it.
//
//   node docs/screenshot.mjs http://127.0.0.1:7005/ docs/page.png [light|dark] [zh-CN|en] [page|socketio|transports]
//
// Needs a running chaguan, /usr/bin/chromium (or CHROMIUM=…) and playwright-core in tests/node_modules.

import { createRequire } from 'node:module';

const { chromium } = createRequire(new URL('../tests/', import.meta.url))('playwright-core');

const [base, output, colorScheme = 'light', locale = 'zh-CN', what = 'page'] = process.argv.slice(2);
if (!base || !output) {
  console.error(
    'usage: node docs/screenshot.mjs BASE_URL OUTPUT.png [light|dark] [zh-CN|en] [page|socketio|transports]');
  process.exit(2);
}

const ARGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

const SCENES = {
  'zh-CN': {
    room: '春茶', one: ['小满', 1], other: ['老周', 5],
    aside: '给你带了一小罐陈皮\uFF0C别告诉他们。',
    talk: [
      [1, '今年的明前龙井到了\uFF0C周末一起来喝\uFF1F'],
      [2, '好啊。我带一只新收的盖碗。'],
      [2, '水用哪里的\uFF1F上次那壶山泉泡出来有一点甜。'],
      [1, '还是那口泉\uFF0C早上刚打的。'],
      [1, '水温 80℃ 就好\uFF0C别用滚水。\n三号桌靠窗\uFF0C给你留着。'],
      [2, '马上到 🍵'],
    ],
  },
  en: {
    room: 'Spring tea', one: ['May', 1], other: ['Joe', 5],
    aside: 'I have a little tin of tangerine peel for you. Don’t tell.',
    talk: [
      [1, 'This year’s first Longjing is here. Shall we try it at the weekend?'],
      [2, 'Gladly. I’ll bring the cup I found at the market.'],
      [2, 'Which water? The spring water last time came out a little sweet.'],
      [1, 'The same spring, drawn this morning.'],
      [1, 'Eighty degrees is enough, not boiling.\nTable three by the window is yours.'],
      [2, 'On my way 🍵'],
    ],
  },
};
const scene = SCENES[locale] ?? SCENES.en;

async function openPage(browser, path) {
  const context = await browser.newContext({
    locale, colorScheme, viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1, reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  await page.goto(new URL(path, base).href);
  return page;
}

async function write(page, text) {
  await page.fill('#box', text);
  await page.press('#box', 'Enter');
}

const arrived = (page, n) => page.waitForFunction(
  (count) => document.querySelectorAll('#log .bubble').length >= count, n);

async function talk(one, other, lines) {
  let said = await one.locator('#log .bubble').count();
  for (const [who, text] of lines) {
    await write(who === 1 ? one : other, text);
    said += 1;
    await Promise.all([arrived(one, said), arrived(other, said)]);
  }
}

async function comeIn(browser, [nick, head]) {
  const page = await openPage(browser, `/#${new URLSearchParams({ room: scene.room })}`);
  await page.fill('#nick', nick);
  await page.check(`input[name="head"][value="${head}"]`);
  await page.click('#enter-button');
  await page.waitForSelector('#status[data-state="open"]');
  await page.waitForSelector('#log[aria-busy="false"]'); // the history has come
  return page;
}

async function comeToHall(browser, [nick]) {
  const page = await openPage(browser, '/socketio.html');
  await page.waitForSelector('#status[data-state="open"]');
  await write(page, nick);
  await page.waitForSelector('#name-label', { state: 'hidden' });
  await page.click('#room-Green');
  await page.waitForSelector('#room-Green[aria-pressed="true"]');
  return page;
}

const SHOTS = {
  async page(browser) {
    const one = await comeIn(browser, scene.one);
    const other = await comeIn(browser, scene.other);
    await one.waitForFunction(() => document.querySelectorAll('#members-list li').length >= 2);
    await talk(one, other, scene.talk);
    return one;
  },

  async socketio(browser) {
    const one = await comeToHall(browser, scene.one);
    const other = await comeToHall(browser, scene.other);
    await talk(one, other, scene.talk.slice(0, -1));
    await other.locator('.name-button', { hasText: scene.one[0] }).first().click();
    await write(other, scene.aside);
    await one.waitForSelector('#log .whisper');
    await one.locator('.name-button', { hasText: scene.other[0] }).first().click();
    await one.waitForFunction(() => document.querySelector('#transport').textContent === 'websocket');
    return one;
  },

  async transports(browser) {
    const page = await openPage(browser, '/transports.html');
    await page.fill('#nick', scene.one[0]);
    await page.click('#enter-button');
    for (const [, text] of scene.talk.slice(0, 4)) {
      await page.waitForFunction(() => document.querySelectorAll('.panel[data-state="open"]').length === 5);
      const empty = Number(await page.textContent('#polling-trEmpty'));
      // A room where nobody speaks for a moment, and then not when a poll has just been answered.
      await page.waitForFunction((n) => Number(document.querySelector('#polling-trEmpty').textContent) > n, empty);
      await page.waitForTimeout(300 + 500 * Math.random());
      await write(page, text);
      await page.waitForFunction((words) =>
        [...document.querySelectorAll('.rows')].every((rows) => rows.textContent.includes(words)),
        text.split('\n')[0]);
    }
    return page;
  },
};

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGS });
try {
  const page = await SHOTS[what](browser);
  await page.screenshot({ path: output });
} finally {
  await browser.close();
}
