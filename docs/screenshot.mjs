// Takes the README's picture of the page: two people who talk, in one window's view of it.
//
//   node docs/screenshot.mjs http://127.0.0.1:7005/ docs/page.png [light|dark] [zh-CN|en]
//
// Needs a running chaguan, /usr/bin/chromium (or CHROMIUM=…) and playwright-core in tests/node_modules.

import { createRequire } from 'node:module';

const { chromium } = createRequire(new URL('../tests/', import.meta.url))('playwright-core');

const [base, output, colorScheme = 'light', locale = 'zh-CN'] = process.argv.slice(2);
if (!base || !output) {
  console.error('usage: node docs/screenshot.mjs BASE_URL OUTPUT.png [light|dark] [zh-CN|en]');
  process.exit(2);
}

const ARGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

const SCENES = {
  'zh-CN': {
    room: '春茶', one: ['小满', 1], other: ['老周', 5],
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

async function comeIn(browser, [nick, head]) {
  const context = await browser.newContext({
    locale, colorScheme, viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1, reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  await page.goto(new URL(`/#${new URLSearchParams({ room: scene.room })}`, base).href);
  await page.fill('#nick', nick);
  await page.check(`input[name="head"][value="${head}"]`);
  await page.click('#enter-button');
  await page.waitForSelector('#status[data-state="open"]');
  await page.waitForSelector('#log[aria-busy="false"]'); // the history has come
  return page;
}

const arrived = (page, n) => page.waitForFunction(
  (count) => document.querySelectorAll('#log .bubble').length >= count, n);

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGS });
try {
  const one = await comeIn(browser, scene.one);
  const other = await comeIn(browser, scene.other);
  await one.waitForFunction(() => document.querySelectorAll('#members-list li').length >= 2);
  let said = await one.locator('#log .bubble').count();
  for (const [who, text] of scene.talk) {
    const page = who === 1 ? one : other;
    await page.fill('#box', text);
    await page.press('#box', 'Enter');
    said += 1;
    await Promise.all([arrived(one, said), arrived(other, said)]);
  }
  await one.screenshot({ path: output });
} finally {
  await browser.close();
}
