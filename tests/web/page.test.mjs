// The page as files: nothing inline, nothing from elsewhere, everything that is referred to is there.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'node:test';
import { words } from '../../web/js/i18n.js';

const web = fileURLToPath(new URL('../../web/', import.meta.url));
const files = fs.readdirSync(web, { recursive: true }).filter((f) => fs.statSync(path.join(web, f)).isFile());
const read = (f) => fs.readFileSync(path.join(web, f), 'utf8');
const html = read('index.html');
const js = files.filter((f) => f.endsWith('.js'));

test('no inline script, style or handler', () => {
  assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|javascript:/i);
  for (const [, attributes, body] of html.matchAll(/<script([^>]*)>([^<]*)/g)) {
    assert.match(attributes, /src=/);
    assert.equal(body.trim(), '');
  }
});

test('no other host is named', () => {
  for (const f of files) assert.doesNotMatch(read(f).replaceAll('http://www.w3.org/2000/svg', ''), /https?:\/\/[a-z0-9-]+\.(?!example)[a-z]/i, f);
});

test('no text of others is ever put in as HTML', () => {
  for (const f of js) assert.doesNotMatch(read(f), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|setAttribute\('style'/, f);
});

test('everything referred to is there', () => {
  for (const [, ref] of html.matchAll(/(?:src|href)="([^"#]+)"/g)) assert.ok(files.includes(ref), ref);
  for (const f of js) {
    for (const [, ref] of read(f).matchAll(/from '\.\/([^']+)'/g)) assert.ok(files.includes(`js/${ref}`), ref);
    for (const [, , id] of read(f).matchAll(/(byId|getElementById)\('([^']+)'\)/g)) assert.ok(html.includes(`id="${id}"`), `${f}: ${id}`);
    for (const [, key] of read(f).matchAll(/\bt\('(\w+)'/g)) assert.ok(key in words.zh, `${f}: ${key}`);
  }
  for (const [, key] of html.matchAll(/data-i18n(?:-\w+)?="(\w+)"/g)) assert.ok(key in words.zh, key);
  for (let i = 1; i <= 12; i++) assert.ok(read('heads.svg').includes(`id="head-${i}"`));
});

test('every file says at its top what it is for', () => {
  for (const f of files.filter((f) => !f.endsWith('.json') && f !== 'index.html')) {
    assert.match(read(f), /^(\/\/|\/\*|<!--) \S/, f);
  }
});
