// The yardstick: the least that a pub/sub hub can do, on uWebSockets as Bun has it built in. Everyone on
// /listen gets, as it came, what anyone on /speak says. No envelopes, no authorization, no history.
const TOPIC = "load";

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    const listens = new URL(request.url).pathname === "/listen";
    if (server.upgrade(request, { data: { listens } })) return undefined;
    return new Response("WebSocket only\n", { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 120,
    // A hub that loses what a receiver cannot take at once would look faster than it is.
    backpressureLimit: 64 * 1024 * 1024,
    open(socket) {
      if (socket.data.listens) socket.subscribe(TOPIC);
    },
    message(socket, message) {
      server.publish(TOPIC, message);
    },
  },
});

console.log(`listening on http://127.0.0.1:${server.port}`);
