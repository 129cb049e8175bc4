// The folders are layers: deploy/layers.sh, which "make lint" runs, lets nothing in a lower one include a higher one.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

describe('the layers of the source', () => {
  let copy;
  before(() => {
    copy = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-layers-'));
    for (const folder of ['common', 'relay', 'rest', 'worker', 'admin', 'thumbnail', 'sql'])
      fs.cpSync(path.join(ROOT, folder), path.join(copy, folder), { recursive: true });
    fs.mkdirSync(path.join(copy, 'deploy'));
    fs.copyFileSync(path.join(ROOT, 'deploy/layers.sh'), path.join(copy, 'deploy/layers.sh'));
  });
  after(() => fs.rmSync(copy, { recursive: true }));

  const check = () => spawnSync(path.join(copy, 'deploy/layers.sh'), { encoding: 'utf8' });

  /** What the check says with this line at the end of that file. */
  function checkWith(file, line) {
    const name = path.join(copy, file);
    const text = fs.existsSync(name) ? fs.readFileSync(name, 'utf8') : undefined;
    fs.mkdirSync(path.dirname(name), { recursive: true });
    fs.writeFileSync(name, `${text ?? ''}${line}\n`);
    const result = check();
    if (text === undefined) fs.rmSync(path.dirname(name), { recursive: true });
    else fs.writeFileSync(name, text);
    return result;
  }

  it('hold', () => {
    const { status, stdout } = check();
    assert.equal(stdout, '');
    assert.equal(status, 0);
  });

  const forbidden = [
    ['common/str.h', '#include "common/store/store.h"', /common\/ stands below common\/store\//],
    ['common/store/db.c', '#include "common/redis/io_keys.h"', /or beside it/],
    ['relay/core/session.c', '#include "relay/native/native.h"', /relay\/core\/ stands below relay\/native\//],
    ['relay/db/journal.c', '  # include "relay/core/hub.h"', /relay\/db\/ stands below relay\/core\//],
    ['relay/protocols/friends.c', '#include "relay/socketio/sio.h"', /or beside it/],
    ['relay/net/http.c', '#include "relay/relay.h"', /relay\/net\/ stands below relay\//],
    ['rest/http/call.c', '#include "rest/router.h"', /rest\/http\/ stands below rest\//],
    ['rest/calls/io.c', '#include "relay/core/hub.h"', /rest\/ knows nothing of relay\//],
    ['admin/main.c', '#include "rest/http/call.h"', /admin\/ knows nothing of rest\//],
    ['relay/attic/new.c', '#include "common/str.h"', /in no folder that/],
    ['relay/core/hub.c', '#include <hiredis/hiredis.h>', /only in: relay\/redis\/redis_link\.c/],
    ['rest/calls/friends.c', 'static const char sql[] = "SELECT id FROM user";', /SQL stands in/],
  ];
  it('are those of the picture', () => {
    const { status, stderr } = spawnSync(process.execPath, [path.join(ROOT, 'docs/rooms.mjs'), '--check'], { encoding: 'utf8' });
    assert.equal(stderr, '');
    assert.equal(status, 0);
  });

  it('have no circle of more than a module and its parts', () => {
    const { stdout } = spawnSync(process.execPath, [path.join(ROOT, 'docs/figures.mjs')], { encoding: 'utf8' });
    assert.ok(Number(stdout.match(/largest circle of includes +(\d+)/)[1]) <= 3, stdout);
  });

  for (const [file, line, said] of forbidden)
    it(`refuse ${line.trim()} in ${file}`, () => {
      const { status, stdout } = checkWith(file, line);
      assert.match(stdout, said);
      assert.equal(status, 1);
    });
});
