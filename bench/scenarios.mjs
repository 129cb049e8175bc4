// What is measured and what is aimed at. A scenario has measures, each of them one run of the load generator against
// one server, and rows of the table, which say what of the measures is compared.
//
// A measure:
//   protocol, load   the generator's; load may be a function of the figures of the measures before it
//   target           (servers) → where and whom; `product` before it: how the product has to run for this one
//   renew            parts of the product that are started anew before it, because idle memory is read or because they
//                    are to run with other settings
//   once             not repeated in every round: memory and herds
//   stored           a statement that counts rows, which must have grown by at least what was sent
// A row:
//   what, unit       its name and what the figures are in
//   figure           of one measure's figures the number
//   ours, peer       which measures; of several peers the best counts (`better`: max or min)
//   aim              {ratio | value | difference, most | least}; none: the row only shows
//   beside           of one measure's figures what MariaDB and Redis took for the same

const CONNECTIONS = 10_000;
const direct = (servers) => servers.ours();
const throughNginx = (servers) => servers.ours({ through: 'nginx' });
const bare = (servers) => servers.peer('bare');
const nchan = (workers) => (servers) => servers.peer('nchan', { workers });
const node = (servers) => servers.peer('node');
const ourRest = (servers) => servers.oursRest();
const express = (servers) => servers.peer('express');
const socketio = (servers) => servers.peer('socketio');

const OUR_ROWS = 'SELECT COUNT(*) FROM chaguan.message';
const NODE_ROWS = 'SELECT COUNT(*) FROM bench.chat_room_log_table';

const sum = (groups, ...names) => names.reduce((n, name) => n + (groups?.[name] ?? 0), 0);
function stores(groups) {
  return groups && ('mariadb' in groups || 'redis' in groups) ? sum(groups, 'mariadb', 'redis') : undefined;
}

const ratioAtMost = (most) => ({ ratio: true, most });
const ratioAtLeast = (least) => ({ ratio: true, least });
const moreAtMost = (most) => ({ difference: true, most });
const atMost = (most) => ({ value: true, most });
const atLeast = (least) => ({ value: true, least });

/** Figures by kind; `beside` is what the databases took for the same. */
const cpuPerDelivery = { unit: 'µs', better: Math.min, figure: (f) => f.cpu_us_per_delivery.server,
  beside: (f) => stores(f.cpu_us_per_delivery) };
const cpuWithNginx = { ...cpuPerDelivery, figure: (f) => sum(f.cpu_us_per_delivery, 'server', 'nginx') };
const deliveries = { unit: '/s', figure: (f) => f.deliveries_s, better: Math.max };
const cpuPerRequest = { unit: 'µs', figure: (f) => sum(f.cpu_us_per_request, 'server', 'nginx'),
  beside: (f) => stores(f.cpu_us_per_request) };
const memory = { unit: 'KiB', figure: (f) => f.memory_kib_per_client.server };
const perConnection = { unit: 'µs', figure: (f) => f.connect_cpu_us.server, beside: (f) => stores(f.connect_cpu_us) };
const memoryWithNginx = { ...memory, figure: (f) => sum(f.memory_kib_per_client, 'server', 'nginx') };
const herdSeconds = { unit: 's', figure: (f) => f.herd.seconds };
const herdCpu = { unit: 'µs', figure: (f) => f.herd.cpu_us.server, beside: (f) => stores(f.herd.cpu_us) };
const acknowledged = { unit: 'ms', figure: (f) => f.ack_ms.p99 };

const STEADY = [1000, 2000, 3500, 5000, 7500];   // messages a second, of all rooms together
const at = (rate) => `${rate.toLocaleString('en')}/s`;

const RATE = { clients: 500, rate: 100 };
const SATURATED = { clients: 500, window: 50 };      // with ten ours waits for commits most of the time, idle
const TEN = { clients: 500, window: 10 };
const TENS = { clients: CONNECTIONS, rooms: 1000 };
const SMALL_ROOMS = { ...TENS, window: 10 };
const IDLE = { clients: CONNECTIONS, rooms: 1000, seconds: 2, warmup: 1 };
const HERD = { clients: CONNECTIONS + 1000, rooms: 1000, herd: true };   // and a speaker in each room who stays
const PAIRS = { clients: 2000, rooms: 1000 };
const REQUESTS = { clients: 32, warmup: 3 };     // until node has compiled what it runs
const ROOM_REQUESTS = { ...REQUESTS, rooms: 32 };

const oneRoom = (load) => ({
  ours: { protocol: 'chatroom', target: direct, load, stored: OUR_ROWS },
  bare: { protocol: 'bare', target: bare, load },
  nchan: { protocol: 'nchan', target: nchan(1), load },
  node: { protocol: 'chatroom', target: node, load, stored: NODE_ROWS },
});

const PROTOCOLS = ['chatroom', 'native', 'friends', 'customer', 'space', 'socketio', 'socketio-polling', 'events', 'stream',
  'poll'];
const idle = (protocol, more = {}) =>
  ({ protocol, target: direct, load: IDLE, renew: ['relay1'], once: true, ...more });

function spread(name, load) {
  return [1, 2, 4].map((on) => [`${on} relay${on > 1 ? 's' : ''}, ${name}`,
    { protocol: 'chatroom', target: (servers) => servers.ours({ on }), load }]);
}

export const scenarios = [
  {
    id: 'a', title: 'one room of 500, 100 messages/s', measures: oneRoom(RATE),
    rows: [
      { what: 'CPU per delivery', ...cpuPerDelivery, ours: 'ours', peer: 'bare', aim: ratioAtMost(1.4) },
      { what: 'CPU per delivery', ...cpuPerDelivery, ours: 'ours', peer: 'nchan', aim: ratioAtMost(0.7) },
      { what: 'CPU per delivery', ...cpuPerDelivery, ours: 'ours', peer: 'node' },
    ],
  },
  {
    id: 'b', title: 'one room of 500, saturated',
    measures: {
      ...oneRoom(SATURATED),
      'ours, 10': { protocol: 'chatroom', target: direct, load: TEN, stored: OUR_ROWS },
      'nchan, 10': { protocol: 'nchan', target: nchan(1), load: TEN },
    },
    rows: [
      { what: 'deliveries', ...deliveries, ours: 'ours', peer: 'nchan', aim: ratioAtLeast(4) },
      { what: 'deliveries', ...deliveries, ours: 'ours', peer: 'node', aim: ratioAtLeast(10) },
      { what: 'CPU per delivery', ...cpuPerDelivery, ours: 'ours', peer: 'bare', aim: ratioAtMost(0.25) },
      { what: 'deliveries, only 10 on their way', ...deliveries, ours: 'ours, 10', peer: 'nchan, 10' },
    ],
  },
  {
    id: 'c', title: '1,000 rooms of 10, saturated',
    measures: {
      ours: { protocol: 'chatroom', target: direct, load: SMALL_ROOMS, stored: OUR_ROWS },
      nchan: { protocol: 'nchan', target: nchan(1), load: SMALL_ROOMS },
      nchan2: { protocol: 'nchan', target: nchan(2), load: SMALL_ROOMS },
    },
    rows: [
      { what: 'deliveries', ...deliveries, ours: 'ours', peer: ['nchan', 'nchan2'], aim: ratioAtLeast(2) },
      { what: 'CPU per delivery', ...cpuPerDelivery, ours: 'ours', peer: ['nchan', 'nchan2'] },
    ],
  },
  {
    id: 'd', title: '10,000 idle connections',
    measures: Object.fromEntries(PROTOCOLS.map((protocol) => [protocol, idle(protocol)])),
    rows: PROTOCOLS.map((protocol) => ({ what: `memory each, ${protocol}`, ...memory, ours: protocol, aim: atMost(3) }))
      .concat(['chatroom', 'native', 'socketio'].map((protocol) => (
        { what: `CPU per connection made, ${protocol}`, ...perConnection, ours: protocol }))),
  },
  {
    id: 'e', title: '10,000 come back at once, two relays', product: { relays: 2 },
    measures: {
      native: { protocol: 'native', target: direct, load: HERD, once: true },
      chatroom: { protocol: 'chatroom', target: direct, load: HERD, once: true },
    },
    rows: ['native', 'chatroom'].flatMap((protocol) => {
      const how = protocol === 'native' ? 'resumed (native)' : 'joined (chatroom)';
      return [
        { what: `until all are back, ${how}`, ...herdSeconds, ours: protocol, aim: atMost(5) },
        { what: `CPU each, ${how}`, ...herdCpu, ours: protocol, aim: atMost(150) },
      ];
    }),
  },
  {
    id: 'f', title: '1,000 small rooms, two relays', product: { relays: 2 },
    measures: {
      most: { protocol: 'native', target: direct, load: { ...PAIRS, window: 20 }, stored: OUR_ROWS,
        renew: ['relay1', 'relay2'] },
      half: { protocol: 'native', target: direct, stored: OUR_ROWS,
        load: (f) => ({ ...PAIRS, rate: Math.round(f.most.messages_s / 2) }) },
      fixed: { protocol: 'native', target: direct, load: { ...PAIRS, rate: 7500 }, stored: OUR_ROWS },
      fed: { protocol: 'native', target: direct, load: { ...PAIRS, window: 20 }, stored: OUR_ROWS,
        renew: ['relay1', 'relay2', 'worker1'].map((part) => [part, '--set', 'feed=on']) },
    },
    rows: [
      { what: 'acknowledged messages', unit: '/s', figure: (f) => f.messages_s, ours: 'most', aim: atLeast(15_000) },
      { what: 'acknowledged messages, with the feed and a worker that follows it', unit: '/s', figure: (f) => f.messages_s,
        ours: 'fed', peer: 'most', aim: ratioAtLeast(0.9) },
      { what: 'p99 acknowledgement at 7,500/s', ...acknowledged, ours: 'fixed', aim: atMost(40) },
      { what: 'p99 acknowledgement at half the most', ...acknowledged, ours: 'half' },
      { what: 'CPU per message at 7,500/s', unit: 'µs', ours: 'fixed', figure: (f) => f.cpu_us_per_message.server,
        beside: (f) => stores(f.cpu_us_per_message) },
    ],
  },
  {
    id: 'g', title: 'REST through nginx',
    measures: {
      'getRoomInfo': { protocol: 'rest-getRoomInfo', target: ourRest, load: ROOM_REQUESTS, renew: ['rest'] },
      'getRoomInfo express': { protocol: 'rest-getRoomInfo', target: express, load: ROOM_REQUESTS },
      'getRoomInfo asked': { protocol: 'rest-getRoomInfo', target: ourRest, load: ROOM_REQUESTS,
        renew: [['rest', '--set', 'name_cache_ms=0']] },
      'createChatroom': { protocol: 'rest-createChatroom', target: ourRest, load: REQUESTS, renew: ['rest'] },
      'createChatroom express': { protocol: 'rest-createChatroom', target: express, load: REQUESTS },
    },
    rows: [['getRoomInfo', 1 / 5], ['createChatroom', 1 / 3]].flatMap(([call, most]) => [
      { what: `${call}, CPU with nginx`, ...cpuPerRequest, ours: call, peer: `${call} express`, aim: ratioAtMost(most) },
      { what: `${call}, CPU without nginx`, ...cpuPerRequest, figure: (f) => f.cpu_us_per_request.server, ours: call,
        peer: `${call} express` },
      { what: `${call}, requests`, unit: '/s', figure: (f) => f.requests_s, ours: call, peer: `${call} express` },
    ]).concat({ what: 'getRoomInfo, CPU with nginx, no name remembered', ...cpuPerRequest, ours: 'getRoomInfo asked',
      peer: 'getRoomInfo express' }),
  },
  {
    id: 'h', title: 'one room of 500 over several relays', product: { relays: 4 },
    measures: Object.fromEntries([...spread('100/s', RATE), ...spread('saturated', SATURATED)]),
    rows: ['100/s', 'saturated'].flatMap((name) => [2, 4].map((on) => (
      { what: `CPU per delivery, ${on} relays, ${name}`, ...cpuPerDelivery, ours: `${on} relays, ${name}`,
        peer: `1 relay, ${name}`, aim: on === 4 ? ratioAtMost(1.15) : undefined }))),
  },
  {
    id: 'i', title: 'Socket.IO clients',
    measures: {
      'rate': { protocol: 'socketio', target: direct, load: RATE, stored: OUR_ROWS },
      'rate socketio': { protocol: 'socketio', target: socketio, load: RATE },
      'saturated': { protocol: 'socketio', target: direct, load: SATURATED, stored: OUR_ROWS },
      'saturated socketio': { protocol: 'socketio', target: socketio, load: SATURATED },
      'idle': idle('socketio'),
      'idle socketio': idle('socketio', { target: (servers) => servers.peer('socketio', { gc: true }), renew: [] }),
    },
    rows: [
      { what: 'CPU per delivery, 500 at 100/s', ...cpuPerDelivery, ours: 'rate', peer: 'rate socketio',
        aim: ratioAtMost(1 / 5) },
      { what: 'CPU per delivery, 500 saturated', ...cpuPerDelivery, ours: 'saturated', peer: 'saturated socketio',
        aim: ratioAtMost(1 / 5) },
      { what: 'deliveries, 500 saturated', ...deliveries, ours: 'saturated', peer: 'saturated socketio' },
      { what: 'memory each, 10,000 idle', ...memory, ours: 'idle', peer: 'idle socketio', aim: ratioAtMost(1 / 8) },
    ],
  },
  {
    id: 'j', title: 'through nginx, 500 at 100 messages/s; 10,000 idle',
    measures: {
      'direct': { protocol: 'chatroom', target: direct, load: RATE },
      'handed': { protocol: 'chatroom', target: throughNginx, load: RATE },
      'direct idle': idle('chatroom', { renew: ['relay1', 'nginx'] }),
      'handed idle': idle('chatroom', { target: throughNginx, renew: ['relay1', 'nginx'] }),
      'proxied': { protocol: 'chatroom', target: throughNginx, load: RATE, product: { handoff: 0 } },
      'proxied idle': idle('chatroom', { target: throughNginx, renew: ['relay1', 'nginx'], product: { handoff: 0 } }),
    },
    rows: [
      { what: 'CPU per delivery with nginx, handed over', ...cpuWithNginx, ours: 'handed', peer: 'direct',
        aim: ratioAtMost(1.3) },
      { what: 'memory each with nginx, handed over', ...memoryWithNginx, ours: 'handed idle', peer: 'direct idle',
        aim: moreAtMost(2.5) },
      { what: 'CPU per delivery with nginx, proxied', ...cpuWithNginx, ours: 'proxied', peer: 'direct' },
      { what: 'memory each with nginx, proxied', ...memoryWithNginx, ours: 'proxied idle', peer: 'direct idle' },
    ],
  },
  {
    id: 'k', title: '1,000 rooms of 10 at fixed rates',
    measures: Object.fromEntries(STEADY.map((rate) => [at(rate),
      { protocol: 'chatroom', target: direct, load: { ...TENS, rate }, stored: OUR_ROWS }])),
    rows: STEADY.flatMap((rate) => [
      { what: `p50 at ${at(rate)}`, unit: 'ms', figure: (f) => f.latency_ms.p50, ours: at(rate),
        ...rate === 5000 && { aim: atMost(3) } },
      { what: `p99 at ${at(rate)}`, unit: 'ms', figure: (f) => f.latency_ms.p99, ours: at(rate),
        ...rate === 5000 && { aim: atMost(20) } },
      { what: `p99.9 at ${at(rate)}`, unit: 'ms', figure: (f) => f.latency_ms.p999, ours: at(rate) },
      { what: `CPU per delivery at ${at(rate)}`, ...cpuPerDelivery, ours: at(rate) },
    ]),
  },
];

/** What a measure is called as a peer in the table. */
export const PEER_NAMES = { bare: 'bare send()', nchan: 'nchan', nchan2: 'nchan, 2 workers', node: 'Node ws + MySQL' };
