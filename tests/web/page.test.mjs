// The pages as files: nothing inline, nothing from elsewhere, everything that is referred to is there.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'node:test';
import { words } from '../../web/js/i18n.js';
import '../../web/js/io/words.js';
import '../../web/js/transports/words.js';

const web = fileURLToPath(new URL('../../web/', import.meta.url));
const files = fs.readdirSync(web, { recursive: true }).filter((f) => fs.statSync(path.join(web, f)).isFile());
const read = (f) => fs.readFileSync(path.join(web, f), 'utf8');
const pages = files.filter((f) => f.endsWith('.html'));
const js = files.filter((f) => f.endsWith('.js'));
/** What a page needs beyond these files: nginx takes it from the npm package. */
const FROM_NPM = '/socket.io/socket.io.js';

/** The modules that a page loads, one by the other. */
function modulesOf(page) {
  const found = new Set();
  const follow = (f) => {
    if (found.has(f)) return;
    found.add(f);
    for (const [, ref] of read(f).matchAll(/(?:from|import) '(\.[^']+)'/g))
      follow(path.posix.join(path.posix.dirname(f), ref));
  };
  for (const [, ref] of read(page).matchAll(/<script type="module" src="([^"]+)"/g)) follow(ref);
  return [...found];
}

test('no inline script, style or handler', () => {
  for (const page of pages) {
    const html = read(page);
    assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|javascript:/i, page);
    for (const [, attributes, body] of html.matchAll(/<script([^>]*)>([^<]*)/g)) {
      assert.match(attributes, /src=/, page);
      assert.equal(body.trim(), '', page);
    }
  }
});

test('no other host is named', () => {
  for (const f of files)
    assert.doesNotMatch(read(f).replaceAll('http://www.w3.org/2000/svg', ''),
      /https?:\/\/[a-z0-9-]+\.(?!example)[a-z]/i, f);
});

test('no text of others is ever put in as HTML', () => {
  for (const f of js)
    assert.doesNotMatch(read(f),
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|setAttribute\('style'/, f);
});

test('everything referred to is there', () => {
  for (const page of pages) {
    const html = read(page);
    for (const [, ref] of html.matchAll(/(?:src|href)="([^"#]+)"/g))
      assert.ok(ref === FROM_NPM || ref === './' || files.includes(ref), ref);
    for (const [, key] of html.matchAll(/data-i18n(?:-\w+)?="(\w+)"/g)) assert.ok(key in words.zh, `${page}: ${key}`);
    for (const f of modulesOf(page)) {
      assert.ok(files.includes(f), `${page}: ${f}`);
      for (const [, , id] of read(f).matchAll(/(byId|getElementById)\('([^']+)'\)/g))
        assert.ok(html.includes(`id="${id}"`), `${page}: ${f}: ${id}`);
    }
  }
  for (const f of js) {
    for (const [, key] of read(f).matchAll(/\bt\('(\w+)'/g)) assert.ok(key in words.zh, `${f}: ${key}`);
    assert.ok(pages.some((page) => modulesOf(page).includes(f)), `no page needs ${f}`);
  }
  for (let i = 1; i <= 12; i++) assert.ok(read('heads.svg').includes(`id="head-${i}"`));
});

test('the pages lead to each other', () => {
  for (const [page, others] of Object.entries({ 'index.html': ['socketio.html', 'transports.html'],
    'socketio.html': ['./', 'transports.html'], 'transports.html': ['./', 'socketio.html'] })) {
    for (const other of others) assert.ok(read(page).includes(`href="${other}"`), `${page} to ${other}`);
  }
});

test('every file says at its top what it is for', () => {
  for (const f of files.filter((f) => !f.endsWith('.json') && !f.endsWith('.html'))) {
    assert.match(read(f), /^(\/\/|\/\*|<!--) \S/, f);
  }
});
