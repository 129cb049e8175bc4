// A TCP proxy on a port of its own. What it does with the bytes is said by who extends it, in pass().
import net from 'node:net';

export class Proxy {
  sockets = new Set(); // of both sides
  broken = false;

  /** In front of what `connect` connects to. */
  static async start(connect) {
    const proxy = new this();
    proxy.server = net.createServer((client) => proxy.#take(client, connect));
    await new Promise((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  #take(client, connect) {
    if (this.broken) {
      client.destroy();
      return;
    }
    const server = connect();
    for (const [socket, other] of [[client, server], [server, client]]) {
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.sockets.delete(socket);
        other.destroy();
      });
    }
    this.pass(client, server);
  }

  /** All bytes, both ways. */
  pass(client, server) {
    client.pipe(server).pipe(client);
  }

  /** Ends every connection, and lets none in until mend(). */
  cut() {
    this.broken = true;
    for (const socket of this.sockets) socket.destroy();
  }

  mend() {
    this.broken = false;
  }

  close() {
    this.cut();
    this.server.close();
  }
}
