// SPDX-License-Identifier: Apache-2.0
// An MQTT 3.1.1 server on aedes: aedes.js '{"tcp": PORT, "tls": PORT, "ws": PORT, "wss": PORT,
// "ca": FILE, "cert": FILE, "key": FILE}'.  Whoever comes by TLS must show a certificate of the CA.
"use strict";
const aedes = require("aedes")({ concurrency: 1000, queueLimit: 100000 });
const fs = require("fs");
const http = require("http");
const https = require("https");
const net = require("net");
const tls = require("tls");
const { WebSocketServer, createWebSocketStream } = require("ws");
const options = JSON.parse(process.argv[2]);

function overWebSocket(server) {
    const sockets = new WebSocketServer({ server, handleProtocols: (names) => names.has("mqtt") && "mqtt" });
    sockets.on("connection", (socket, request) => aedes.handle(createWebSocketStream(socket), request));
    return server;
}

const secure = options.cert && {
    ca: fs.readFileSync(options.ca),
    cert: fs.readFileSync(options.cert),
    key: fs.readFileSync(options.key),
    requestCert: true,
    rejectUnauthorized: true,
};
const servers = {
    tcp: () => net.createServer(aedes.handle),
    tls: () => tls.createServer(secure, aedes.handle),
    ws: () => overWebSocket(http.createServer()),
    wss: () => overWebSocket(https.createServer(secure)),
};
aedes.on("clientError", (client, error) => console.log(client && client.id, error.message));
const wanted = Object.keys(servers).filter((kind) => options[kind]);
let listening = 0;
for (const kind of wanted)
    servers[kind]().listen(options[kind], "127.0.0.1", () => {
        if (++listening === wanted.length) console.log("ready");
    });
