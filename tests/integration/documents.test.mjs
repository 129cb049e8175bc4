// What the documents point to is there, both languages tell the same, and settings are called what they are called.
import asyncapi from '@asyncapi/specs';
import Ajv from 'ajv';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { bin, run, top } from './lib/stack.mjs';
import { documents, shellBlocks, twin } from './lib/documents.mjs';

const pages = documents();
const texts = Object.fromEntries(pages.map((page) => [page, fs.readFileSync(path.join(top, page), 'utf8')]));
const SOURCE = /`((?:common|relay|rest|worker|admin|thumbnail|client|examples|tests|deploy|bench|docs|nginx|sql|web)\/[\w/.-]+\.\w+)`/g;
/** Names that are other programs'. */
const ELSEWHERE = new Set(['contentless_delete', 'uv_poll', 'http_code']);
/** What people wrote: no blocks, and no tables of figures that a program puts into one language's page. */
const withoutBlocks = (text) => text.replace(/^```.*?^```$/gms, '').replace(/^<!-- written by .*?: begin -->$.*?: end -->$/gms, '');

/** What GitHub calls the headings of a page in an address. */
function anchors(text) {
  return [...withoutBlocks(text).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading.replace(/\]\([^)]*\)/g, '')
    .toLowerCase().replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '').trim().replaceAll(' ', '-'));
}

/** A block without what may differ between languages: comments, and what a user of either would write. */
function commands(block) {
  return block.replace(/(^|\s)(#|\/\/) .*$/gm, '$1').replace(/([:[]\s?\\?")[^"$\\]*/g, '$1…')
    .replace(/('|name=)[^'$/{}"=]*'/g, "$1…'").replace(/(mute|show) \S+/g, '$1 …').replace(/\b1\d{10}\b/g, '…')
    .replace(/[ \t]+$/gm, '').trim();
}

describe('the documents', () => {
  it('link to what is there, headings included', () => {
    const lost = [];
    for (const page of pages) {
      for (const [, to] of withoutBlocks(texts[page]).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
        const [file, heading] = to.split('#');
        const target = file ? path.join(path.dirname(page), decodeURI(file)) : page;
        if (!fs.existsSync(path.join(top, target))) lost.push(`${page}: ${to}`);
        else if (heading && !anchors(texts[target] ?? '').includes(decodeURI(heading))) lost.push(`${page}: ${to}`);
      }
    }
    assert.deepEqual(lost, []);
    assert.ok(pages.length > 20);
  });

  it('name files of the source that are there', () => {
    const lost = [];
    for (const page of pages)
      for (const [, to] of texts[page].matchAll(SOURCE))
        if (!/NNNN/.test(to) && !fs.existsSync(path.join(top, to))) lost.push(`${page}: ${to}`);
    assert.deepEqual(lost, []);
  });

  it('call functions, metrics and settings what the source calls them', () => {
    const files = execFileSync('git', ['ls-files'], { cwd: top, encoding: 'utf8' }).trim().split('\n')
      .filter((file) => !/\.md$|package-lock/.test(file) && fs.existsSync(path.join(top, file)));
    const known = new Set(files.flatMap((file) =>
      [...path.basename(file).split('.'), ...(fs.readFileSync(path.join(top, file), 'latin1').match(/\w+/g) ?? [])]));
    const lost = [];
    for (const page of pages.filter((name) => !name.startsWith('CHANGELOG')))
      for (const [code] of texts[page].matchAll(/`[^`\n]*`/g))
        for (const [name] of code.matchAll(/\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b/g))
          if (![name, name.replace(/^chaguan_/, ''), name.replace(/_file$/, '')].some((word) => known.has(word)) && !ELSEWHERE.has(name))
            lost.push(`${page}: ${name}`);
    assert.deepEqual(lost, []);
    assert.ok(known.size > 5000);
  });

  for (const page of pages.filter((name) => name.endsWith('.zh.md'))) {
    it(`${page} tells what the English page does`, () => {
      const [zh, en] = [texts[page], texts[twin(page, 'en')]];
      assert.ok(en, 'there is an English page');
      const skeleton = (text) => [...withoutBlocks(text).matchAll(/^(#+|\||!|- |\d+\. )/gm)].map(([mark]) => mark);
      assert.deepEqual(skeleton(zh), skeleton(en), 'the same headings, tables, pictures and lists');
      const fences = (text) => [...text.matchAll(/^```.*$/gm)].map(([fence]) => fence);
      assert.deepEqual(fences(zh), fences(en), 'the same blocks');
      assert.deepEqual(shellBlocks(zh).map(commands), shellBlocks(en).map(commands), 'the same commands');
      const names = (text) => new Set([...withoutBlocks(text).matchAll(/`([^`\n]+)`/g)].map(([, name]) => name));
      assert.deepEqual([...names(zh)].sort(), [...names(en)].sort(), 'the same names');
    });
  }

  it('are short where a stranger begins', () => {
    for (const page of ['README.md', 'README.zh.md']) assert.ok(texts[page].split('\n').length <= 150, page);
  });

  it('have every REST call in a manual', async () => {
    const { stdout } = await run(path.join(bin, 'chaguan-rest'), ['--help']);
    const calls = [...stdout.matchAll(/^ {2}(?:GET|POST|PUT|PATCH|DELETE) +(\/\S+)/gm)].map(([, call]) => call);
    assert.ok(calls.length > 30);
    for (const language of ['en', 'zh']) {
      const manuals = pages.filter((page) => /^docs\/(clients\/|install)/.test(page) && page === twin(page, language))
        .map((page) => texts[page]).concat(texts['docs/platform.md']).join('\n'); // of the server API, for both
      const there = (call) => new RegExp(`${call.replace(/:\w+/g, '[^/\\s]+')}(?![\\w/])`).test(manuals);
      assert.deepEqual(calls.filter((call) => !there(call)), [], language);
    }
  });

  it('describe the sockets by the rules of AsyncAPI, the five front ends and the native protocol', () => {
    const options = { strict: false, meta: false, validateSchema: false, logger: false, validateFormats: false };
    const valid = new Ajv(options).compile(asyncapi.schemas['3.0.0']);
    const files = fs.readdirSync(path.join(top, 'docs/clients')).filter((name) => name.endsWith('.asyncapi.json'));
    assert.ok(files.length >= 5);
    for (const file of ['docs/asyncapi.json', ...files.map((name) => `docs/clients/${name}`)])
      assert.ok(valid(JSON.parse(fs.readFileSync(path.join(top, file), 'utf8'))), `${file}: ${JSON.stringify(valid.errors)}`);
  });

  it('describe the commands, kinds and errors that the source has', () => {
    const source = (...files) => files.map((file) => fs.readFileSync(path.join(top, 'relay', file), 'utf8')).join('\n');
    const described = (name) => JSON.parse(fs.readFileSync(path.join(top, 'docs/clients', `${name}.asyncapi.json`), 'utf8'));
    const rows = (text, table) => [...text.match(new RegExp(`\\b${table}\\[\\] = \\{(.*?)\\};`, 's'))[1].matchAll(/\{"([\w-]+)",/g)].map(([, word]) => word);
    // a code is a literal after the session or the client's name for the frame; two are common to all: of a refused post
    const codes = (text) => [...text.matchAll(/(?:refuse\w*|send_error\w*|fail_for|ack_error|sio_add_failure)\((?:[^"();]|\([^()]*\))*"(\w+)"/g)].map(([, code]) => code);
    const same = (actual, expected, what) => assert.deepEqual([...new Set(actual)].sort(), [...new Set(expected)].sort(), what);

    const [chatroom, friends] = [source('protocols/chatroom.c'), source('protocols/friends.c')];
    const [space, customer, chat] = [source('protocols/space.c'), source('protocols/customer.c'), source('socketio/app_chat.c')];
    const schemas = (name) => described(name).components.schemas;
    same(rows(chatroom, 'commands'), ['say', 'query_logs'].map((frame) => schemas('chatroom')[frame].properties.type.const));
    same(rows(friends, 'types'), schemas('friends').say.properties.type.enum);
    const { chat: { messages } } = described('socketio').channels;
    const emitted = Object.keys(messages).filter((key) => ['say', 'join', 'leave', 'get_all'].includes(key))
      .map((key) => described('socketio').components.messages[key].name);
    same([...rows(chat, 'commands'), ...[...chat.matchAll(/event->name, STR\("(\w+)"\)/g)].map(([, name]) => name)], emitted);

    const posted = ['busy', 'muted'], common = source('core/protocol.c');
    same(common.match(/protocol_post_code\(enum err err\)\n\{([^}]*)/)[1].match(/(?<=")\w+(?=")/g), posted);
    same([...codes(chatroom), ...posted, 'rate'], schemas('chatroom').refusal.properties.code.enum, 'chatroom');
    same([...codes(friends), ...posted, 'rate'], schemas('friends').error.properties.code.enum, 'friends');
    same([...codes(space), 'muted', 'rate'], schemas('spaces').error.properties.code.enum, 'spaces');
    same([...codes(customer), 'busy', 'unknown', 'unavailable'], schemas('customers').failure.properties.error.enum, 'customers');
    same(codes(chat), schemas('socketio').refused.properties.error.enum, 'socketio');
  });

  it('name settings that there are', async () => {
    const printed = (await Promise.all(['chaguan-relay', 'chaguan-rest', 'chaguan-worker', 'chaguan']
      .map((program) => run(path.join(bin, program), ['--print-config'])))).map((r) => r.stdout).join('');
    const settings = new Set([...printed.matchAll(/^(?:# )?(\w+) = /gm)].map((match) => match[1]));
    const manuals = pages.filter((page) => /^(README|docs\/)[^/]*\.md$|^docs\/clients\//.test(page));
    const lost = [];
    let named = 0;
    for (const page of manuals) {
      const tables = [...texts[page].matchAll(/\| (?:setting|配置项) \|\n((?:\|.*\n)*)/g)].map(([, rows]) => rows).join('');
      const rows = [...tables.matchAll(/\| ((?:`\w+`(?:, |、)?)+) \|$/gm)] // not where the cell says more
        .flatMap(([, last]) => [...last.matchAll(/`(\w+)`/g)]);
      for (const [, setting] of [...rows, ...texts[page].matchAll(/^(\w+) = /gm)]) {
        named++;
        if (!settings.has(setting)) lost.push(`${page}: ${setting}`);
      }
    }
    assert.deepEqual(lost, []);
    assert.ok(named >= 20);
  });
});
