// A real browser for a suite of the pages: each person gets one of their own, and whatever goes wrong in it is noted.
import fs from 'node:fs';
import { DEADLINE_MS } from './stack.mjs';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome'].find((path) => fs.existsSync(path));
const playwright = await import('playwright-core').catch(() => null);

/** Why a suite has to be skipped, or false. */
export const browserMissing = !executablePath || !playwright ? 'needs Chromium and playwright-core' : false;

/** What may fail while a relay is down: the tests see whether the page gets over it. */
const EXPECTED = /^WebSocket connection to /;

/** What must show literally, and do nothing: markup, scripts, odd signs. */
export const MARKUP = ['<img src=x onerror=alert(1)> literally', '</script><script>alert(1)</script>',
  '${7*7} {{7*7}} &lt;b&gt;', '<a href="javascript:alert(1)">click</a>', `it's "quoted" \\ 100% _`,
  '𠮷🍵👩‍👩‍👧 مرحبا'];

export class Browser {
  trouble = [];

  static async start(stack) {
    const browser = new Browser();
    browser.stack = stack;
    const args = process.getuid() === 0 ? ['--no-sandbox'] : [];
    browser.chromium = await playwright.chromium.launch({ executablePath, args, timeout: DEADLINE_MS });
    return browser;
  }

  /**
   * A page at `path` in a browser of its own. whose: for the notes. init: a function run in the page before its own
   * scripts. expected: console errors that are none, besides sockets that could not be opened.
   */
  async open(whose, path = '/', { init, expected = /^\b$/ } = {}) {
    const { stack, trouble } = this;
    const context = await this.chromium.newContext();
    context.setDefaultTimeout(DEADLINE_MS);
    const page = await context.newPage();
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation',
        (event) => console.error(`CSP violated: ${event.violatedDirective} ${event.blockedURI}`));
    });
    if (init) await page.addInitScript(init);
    page.on('pageerror', (error) => trouble.push(`${whose}: ${error}`));
    page.on('console', (message) => {
      const text = message.text();
      if (message.type() === 'error' && !EXPECTED.test(text) && !expected.test(text)) trouble.push(`${whose}: ${text}`);
    });
    page.on('dialog', (dialog) => {
      trouble.push(`${whose}: a dialog says ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on('request', (request) => request.url().startsWith(stack.url) || request.url().startsWith('data:')
      || trouble.push(`${whose}: asks ${request.url()}`));
    await page.goto(stack.url + path);
    return page;
  }

  close() {
    return this.chromium.close();
  }
}
