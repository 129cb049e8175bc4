// make release, in a repository made for it: what it refuses, what it writes, and that its dry form changes nothing.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { run, top } from './lib/stack.mjs';

const CHANGES = `# Changelog

## [Unreleased]

### Added

- Tea \\n with \`milk\`.

## [0.0.9] - 2020-01-01

- Water.
`;

describe('make release', () => {
  let dir;
  const person = { GIT_AUTHOR_NAME: 'A', GIT_AUTHOR_EMAIL: 'a@example.org', GIT_COMMITTER_NAME: 'A',
    GIT_COMMITTER_EMAIL: 'a@example.org', GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' };
  const read = (name) => fs.readFileSync(path.join(dir, name), 'utf8');
  const write = (name, text) => fs.writeFileSync(path.join(dir, name), text);
  const git = async (...args) => {
    const result = await run('git', ['-C', dir, ...args], { env: person });
    assert.equal(result.code, 0, result.stderr);
    return result.stdout.trim();
  };
  const release = (...args) => run('make', ['-sC', dir, 'release', ...args], { env: person });
  const refused = async (why, ...args) => {
    const head = await git('rev-parse', 'HEAD'), tags = await git('tag');
    const result = await release(...args);
    assert.notEqual(result.code, 0);
    assert.match(result.stderr, why);
    assert.deepEqual([await git('rev-parse', 'HEAD'), await git('tag')], [head, tags]);
  };

  before(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-release-'));
  });
  after(() => fs.rmSync(dir, { recursive: true, force: true }));
  beforeEach(async () => {
    fs.rmSync(dir, { recursive: true, force: true });
    fs.mkdirSync(path.join(dir, 'deploy'), { recursive: true });
    fs.copyFileSync(path.join(top, 'Makefile'), path.join(dir, 'Makefile'));
    fs.copyFileSync(path.join(top, 'deploy/release.sh'), path.join(dir, 'deploy/release.sh'));
    fs.mkdirSync(path.join(dir, 'client'));
    fs.copyFileSync(path.join(top, 'client/package.json'), path.join(dir, 'client/package.json'));
    write('.gitignore', '/build/\n');
    write('CHANGELOG.md', CHANGES);
    await git('init', '-q');
    await git('add', '-A');
    await git('commit', '-qm', 'all');
  });

  it('refuses what is no version, what is not committed, what is tagged, and what the changelog says nothing of', async () => {
    for (const version of ['1', '1.2', '1.2.3.4', 'v1.2.3', '01.2.3', '1.2.3-rc1', '1.2.3; echo'])
      await refused(/three numbers/, `VERSION=${version}`);
    write('new.txt', '');
    await refused(/not committed, or files that git does not know/, 'VERSION=9.8.7');
    fs.rmSync(path.join(dir, 'new.txt'));
    write('CHANGELOG.md', CHANGES.replace(/### Added[^#]*/, ''));
    await refused(/not committed/, 'VERSION=9.8.7');
    await git('commit', '-qam', 'nothing new');
    await refused(/says nothing of it/, 'VERSION=9.8.7');
    await git('tag', 'v0.0.9');
    await refused(/a tag v0\.0\.9 already/, 'VERSION=0.0.9');
  });

  it('the dry form shows the notes and changes nothing', async () => {
    const head = await git('rev-parse', 'HEAD');
    const result = await release('VERSION=9.8.7', 'DRY=1');
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stdout, /would commit version 9\.8\.7.*tag v9\.8\.7/);
    assert.ok(result.stdout.endsWith('### Added\n\n- Tea \\n with `milk`.\n'));
    assert.deepEqual([await git('rev-parse', 'HEAD'), await git('tag'), await git('status', '--porcelain')], [head, '', '']);
    assert.equal(fs.existsSync(path.join(dir, 'build')), false);
  });

  it('writes the version, dates the section, tags, and leaves a tarball with its checksum and notes', async () => {
    const result = await release('VERSION=9.8.7');
    assert.equal(result.code, 0, result.stderr);
    assert.match(read('Makefile'), /^VERSION := 9\.8\.7$/m);
    assert.deepEqual(JSON.parse(read('client/package.json')), { ...JSON.parse(fs.readFileSync(path.join(top, 'client/package.json'))), version: '9.8.7' });
    assert.match(read('CHANGELOG.md'), /## \[Unreleased\]\n\n## \[9\.8\.7\] - \d{4}-\d\d-\d\d\n\n### Added/);
    assert.equal(read('build/release/chaguan-9.8.7.md'), '### Added\n\n- Tea \\n with `milk`.\n');
    assert.equal(await git('log', '-1', '--format=%s'), 'deploy: release 9.8.7');
    assert.equal(await git('rev-parse', 'v9.8.7^{commit}'), await git('rev-parse', 'HEAD'));
    assert.match(await git('tag', '-l', '--format=%(contents)', 'v9.8.7'), /^Chaguan 9\.8\.7\n\n### Added\n\n- Tea/);
    assert.equal(await git('status', '--porcelain'), '');
    const folder = path.join(dir, 'build/release');
    assert.equal((await run('sh', ['-c', `cd ${folder} && sha256sum -c chaguan-9.8.7.tar.gz.sha256`])).code, 0);
    const makefile = await run('tar', ['-xzOf', `${folder}/chaguan-9.8.7.tar.gz`, 'chaguan-9.8.7/Makefile']);
    assert.equal(makefile.stdout, read('Makefile'));
    await refused(/a tag v9\.8\.7 already/, 'VERSION=9.8.7');
    await refused(/says nothing of it/, 'VERSION=9.8.8');
  });

  it('takes a section that has the version already as it is', async () => {
    write('CHANGELOG.md', CHANGES.replace('## [Unreleased]', '## [9.8.7] - 2020-02-02'));
    await git('commit', '-qam', 'by hand');
    assert.equal((await release('VERSION=9.8.7')).code, 0);
    assert.match(read('CHANGELOG.md'), /^## \[9\.8\.7\] - 2020-02-02$/m);
    assert.doesNotMatch(read('CHANGELOG.md'), /Unreleased/);
  });
});
