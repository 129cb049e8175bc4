// Three nodes of a Galera cluster on loopback, under talk: the one that is written to is killed, and the relays go on
// with the next. All nodes may be written, so two relays may well use two of them.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Client, assertSameList, assertWhole, gather, settle, unique } from './lib/client.mjs';
import { Copy, Own, Talk } from './lib/databases.mjs';
import { NO_RATES, Stack, eventually, freePort, request } from './lib/stack.mjs';

const provider = ['/usr/lib/galera/libgalera_smm.so', '/usr/lib/libgalera_smm.so'].find((file) => fs.existsSync(file));

describe('a cluster of three',
  { skip: provider ? false : 'no libgalera_smm.so here: the Debian package galera-4' }, () => {
  let stack, nodes, ports;
  const people = [];

  function args(n, ...more) {
    const all = ports.map((port) => `127.0.0.1:${port}`).join(',');
    return ['--wsrep-on=ON', `--wsrep-provider=${provider}`, '--wsrep-cluster-name=chaguan',
      '--wsrep-sst-method=nothing', `--wsrep-cluster-address=gcomm://${all}`,
      `--wsrep-node-name=node${n + 1}`, '--wsrep-node-address=127.0.0.1', '--binlog-format=ROW',
      '--innodb-autoinc-lock-mode=2',
      '--wsrep-provider-options=' + [`gmcast.listen_addr=tcp://127.0.0.1:${ports[n]}`,
        `ist.recv_addr=127.0.0.1:${ports[n] + 3}`,
        'gcache.size=16M', 'evs.suspect_timeout=PT2.5S', 'evs.inactive_timeout=PT6S', 'evs.install_timeout=PT6S',
        'evs.inactive_check_period=PT0.2S', 'evs.keepalive_period=PT0.3S', 'evs.join_retrans_period=PT0.3S'].join(';'),
          ...more];
  }

  const synced = (node, size) => eventually(async () => {
    const rows =
      await node.sql(`SHOW STATUS WHERE Variable_name IN ('wsrep_cluster_size', 'wsrep_local_state_comment')`);
    return rows.join(' ') === `wsrep_local_state_comment\tSynced wsrep_cluster_size\t${size}`;
  }, `${node.name} to be one of ${size}`);

  /** A node that meets a change of the cluster while it joins it gives up, and is started again. */
  async function joined(node, n) {
    for (let left = 2; ; left--) {
      try {
        return await node.start(...args(n));
      } catch (error) {
        await node.kill();
        if (!left || !stack.read(`${node.name}.log`).includes('Will never receive state')) throw error;
      }
    }
  }

  before(async () => {
    const base = await freePort();
    ports = [base, base + 1, base + 2];
    stack = await Stack.start({ settings: (dir) => ({ ...NO_RATES,
      db_addresses: ['one', 'two', 'three', 'mariadb'].map((name) => `${dir}/${name}.sock`).join(','),
      db_timeout_ms: '20s', // a node that is only slow, because the machine is, stays the one in use
      journal_timeout_ms: '3s', grace_ms: '200ms', members_interval_ms: '20ms' }) });
    const own = await Own.of(stack); // only to begin with
    await own.stop();
    const one = await Copy.of(own, 'one');
    await one.start(...args(0, '--wsrep-new-cluster'));
    await synced(one, 1);
    await one.stop();
    nodes = [one, await Copy.of(one, 'two'), await Copy.of(one, 'three')];
    await one.start(...args(0, '--wsrep-new-cluster'));
    for (const n of [1, 2]) {
      await joined(nodes[n], n); // one by one: two that join at once can miss each other for seconds
      await synced(nodes[n], n + 1);
    }
    for (const node of nodes) await synced(node, 3);
    people.push(...await gather(stack));
  });
  after(async () => {
    await stack?.remove();
    for (const node of nodes ?? []) await node.kill();
  });

  const inUse = (relay) => stack.metric(relay, 'db_address');

  async function agree(talk, ...alive) {
    await talk.stop();
    await settle(...people);
    for (const client of people) {
      assertWhole(client);
      assertSameList(client.said, people[0].said);
      assert.equal(client.closeInfo, undefined, 'no socket was closed');
    }
    for (const node of alive) {
      await eventually(async () =>
        (await node.one('SELECT MAX(id) FROM conversation')) === (
          await alive[0].one('SELECT MAX(id) FROM conversation')), 'the nodes to have applied everything');
      await talk.check(node);
    }
  }

  it('both relays write to one room through different nodes: one order, nothing lost, nothing twice', async () => {
    await stack.must('stop', 'relay2');
    await stack.must('start', 'relay2', '--set',
      `db_addresses=${nodes[1].socket},${nodes[0].socket},${nodes[2].socket}`);
    people[1] = await Client.join(stack, people[1].seat, { relay: 2 });
    people[2].ws.close(); // wherever nginx had put it
    people[2] = await Client.join(stack, people[2].seat);
    for (const client of people) client.events.length = 0;
    const talk = new Talk(people, () => unique('apart'));
    await talk.goesOn(150);
    await agree(talk, nodes[0], nodes[1], nodes[2]);
    for (const [relay, node] of [['relay1', nodes[0]], ['relay2', nodes[1]]]) {
      const commits = Number((await node.one(`SHOW STATUS LIKE 'wsrep_local_commits'`)).split('\t')[1]);
      assert.ok(commits > 0 && (await inUse(relay)) === 1, `${relay} writes to ${node.name}: ${commits} commits`);
    }
  });

  it('the node in use killed: the next one is used, and what was acknowledged is there once', async () => {
    const talk = new Talk(people, () => unique('killed'));
    await talk.goesOn(60);
    await nodes[0].kill();
    await eventually(async () => (await inUse('relay1')) === 2, 'the next node to be used');
    await talk.goesOn(60);
    await synced(nodes[1], 2);
    await agree(talk, nodes[1], nodes[2]);
    const page = (await request(`${stack.url}/relay1/readyz`)).json;
    assert.deepEqual([page.ready, page.db, page.db_address], [true, true, 2]);
  });

  it('a node without a majority is not written to: senders are told, until there is one again', async () => {
    const talk = new Talk(people, () => unique('alone'));
    await talk.goesOn(20);
    await nodes[1].kill(); // the third is left alone, and no longer a cluster
    await eventually(async () => (await request(`${stack.url}/relay1/readyz`)).status === 503, '/readyz to say so');
    await eventually(async () => /non-Primary/.test(await nodes[2].one(`SHOW STATUS LIKE 'wsrep_cluster_status'`)),
      'it to know');
    await talk.isRefused(1);
    // What an operator says to it; where each option of the cluster is a variable of its own (MariaDB 11), in other words.
    await nodes[2].sql(`SET GLOBAL wsrep_provider_options = 'pc.bootstrap=YES'`)
      .catch(() => nodes[2].sql('SET GLOBAL wsrep_provider_pc_bootstrap = ON'));
    await synced(nodes[2], 1);
    await eventually(async () => (await inUse('relay1')) === 3, 'the last node to be used');
    await talk.goesOn(60);
    await agree(talk, nodes[2]);
  });

  it('through all of that the feed has given its consumer every message, in the order of its conversation', async (t) => {
    await eventually(async () => / lag_rows=0 /.test((await stack.chaguan('feed')).stdout.match(/^job=count .*$/m)?.[0]),
      'the consumer to have passed all');
    const row = /^ts=\S+ .*event=feed\.row consumer=count conversation=(\d+) seq=(\d+) kind=\d+$/gm;
    const last = new Map();
    let twice = 0;
    for (const [, conversation, seq] of stack.read('worker1.log').matchAll(row)) {
      const before = last.get(conversation) ?? 0;
      if (Number(seq) <= before) twice++;
      else assert.equal(Number(seq), before + 1, `conversation ${conversation} in order`);
      last.set(conversation, Math.max(before, Number(seq)));
    }
    t.diagnostic(`given twice: ${twice}`);
    const stored = await nodes[2].sql('SELECT conversation, MAX(seq) FROM message GROUP BY conversation');
    assert.ok(stored.length);
    assert.deepEqual(stored.map((line) => line.split('\t')).filter(([id, seq]) => last.get(id) !== Number(seq)), []);
    for (const metric of ['feed_missing_total', 'feed_unordered_total'])
      assert.equal(await stack.metric('worker1', metric), 0, metric);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
